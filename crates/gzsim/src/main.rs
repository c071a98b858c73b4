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
    if ctx.tool() == "gzsim" {
        exit(cli::main(&ctx, &arguments));
    }
    // Nothing must be written to a machine that nobody made a simulated zone of.
    if !ctx.is_initialised() {
        eprintln!(
            "{}: {} is not a simulated global zone (see \"gzsim init\")",
            ctx.tool(),
            ctx.root().display()
        );
        exit(1);
    }
    exit(tool::run(&ctx, &arguments));
}
