//! The bhyve-ctl program: its commands and options.

mod attach;
mod cmdline;
mod control;
mod devices;
mod host;
mod metadata;
mod seed;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Exit status of wrong usage.
const USAGE: u8 = 2;

/// Runs the program with its arguments, the program's name first. Exit status 0: done, 1: failed, 2: wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match program().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nothing is left to do where even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    gz::probes::register();
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bhyve-ctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> anyhow::Result<()> {
    match matches.subcommand() {
        Some(("cmdline", matches)) => cmdline::run(matches),
        Some(("console", matches)) => attach::console(matches),
        Some(("vnc", matches)) => attach::vnc(matches),
        Some(("seed", matches)) => seed::run(matches),
        Some(("metadata", matches)) => metadata::run(matches),
        Some((name, matches)) => control::run(name, matches),
        None => anyhow::bail!("no command"),
    }
}

/// The program's commands and options.
pub fn program() -> Command {
    Command::new("bhyve-ctl")
        .about("Control bhyve and KVM virtual machines")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(cmdline::command())
        .subcommands(control::commands())
        .subcommands(attach::commands())
        .subcommand(metadata::command())
        .subcommand(seed::command())
}

/// Prints text on standard output. A reader that has gone, as `head` does, has had enough: that is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// The argument that names a virtual machine.
fn vm_argument() -> Arg {
    Arg::new("vm").value_name("UUID").help("UUID or zone name of the virtual machine")
}

/// The virtual machine that [`vm_argument`] names.
fn vm_of(matches: &ArgMatches) -> anyhow::Result<&str> {
    let vm: Option<&String> = matches.get_one("vm");
    vm.map(String::as_str).ok_or_else(|| anyhow::anyhow!("no virtual machine is named"))
}

/// The option for machine-readable output.
fn json_option() -> Arg {
    Arg::new("json").short('j').long("json").action(ArgAction::SetTrue).help("Print JSON")
}
