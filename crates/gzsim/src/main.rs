//! The gzsim program: the tool it is called as, or gzsim's own subcommands.

use std::env;
use std::ffi::OsString;
use std::process::exit;

use gzsim::ctx::Ctx;
use gzsim::{cli, tool};

fn main() {
    let mut arguments = env::args_os();
    let argv0 = arguments.next().unwrap_or_else(|| OsString::from("gzsim"));
    let arguments: Vec<String> =
        arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let ctx = Ctx::from_call(&argv0);
    exit(if ctx.tool() == "gzsim" {
        cli::main(&ctx, &arguments)
    } else {
        tool::run(&ctx, &arguments)
    })
}
