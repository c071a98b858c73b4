//! The command line: which command, its options, what is printed when it fails.

pub mod help;
pub mod log;
pub mod options;

use std::process::ExitCode;

use gz::Root;

use self::options::{Given, Row, flag};
use crate::app::{App, COMPATIBLE_VERSION};
use crate::commands::{self, Command, Run};
use crate::errors::{Error, Result};
use crate::out::{print, warn};

/// The options before the command.
pub const GLOBAL: &[Row] = &[
    flag(&["help", "h"], "Print help and exit."),
    flag(&["version"], "Print version and exit."),
    flag(
        &["verbose", "v"],
        "Verbose output: trace-level logging, stack on error. See IMGADM_LOG_LEVEL envvar.",
    ),
    flag(
        &["E"],
        "On error, emit a structured JSON error object as the last line of stderr output.",
    ),
];

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let global = match options::parse(GLOBAL, &words, false) {
        Ok(global) => global,
        Err(error) => return report(None, &error, false),
    };
    log::start(global.has("verbose"));
    gz::probes::register();
    let command = global.arguments.first().map(String::as_str);
    match run(&global) {
        Ok(code) => code,
        Err(error) => report(command, &error, global.has("E")),
    }
}

/// Prints a failure and gives its exit status.
fn report(command: Option<&str>, error: &Error, structured: bool) -> ExitCode {
    if error.message().is_empty() {
        // All has been said.
    } else if structured {
        warn(log::structured_error(error));
    } else {
        let command = command.map(|name| format!(" {name}")).unwrap_or_default();
        let code =
            if error.code().is_empty() { String::new() } else { format!(" ({})", error.code()) };
        let kind = if log::is_detailed() { format!("{}: ", error.name()) } else { String::new() };
        warn(format_args!("imgadm{command}: error{code}: {kind}{}", error.message()));
    }
    ExitCode::from(error.exit_status())
}

fn run(global: &Given) -> Result<ExitCode> {
    if global.has("version") {
        print(&format!("imgadm {COMPATIBLE_VERSION}\n"))?;
        if global.has("verbose") {
            print(&format!("zonekit {}\n", env!("CARGO_PKG_VERSION")))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut words = global.arguments.iter().cloned();
    let Some(name) = words.next() else {
        print(&help::main(false))?;
        return Ok(if global.has("help") { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    if global.has("help") {
        print(&help::main(false))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rest: Vec<String> = words.collect();
    if name == "help" || name == "?" {
        return help_command(&rest);
    }
    let command = commands::find(&name).ok_or_else(|| Error::unknown_command(&name))?;
    let parse = || options::parse(command.options, &rest, true);
    match command.run {
        Run::WithApp(run) => {
            // The configuration has to be readable before anything else is looked at; that it is not is no fault of
            // the command, so the message does not name it.
            let app = match App::new(Root::from_env()) {
                Ok(app) => app,
                Err(error) => return Ok(report(None, &error, global.has("E"))),
            };
            match parse()? {
                given if given.has("help") => print(&help::of(command))?,
                given => run(&app, &given)?,
            }
        }
        Run::Bare(run) => match parse()? {
            given if given.has("help") => print(&help::of(command))?,
            given => run(&given)?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn help_command(rest: &[String]) -> Result<ExitCode> {
    match rest.first().map(String::as_str) {
        None => print(&help::main(false))?,
        Some("all") => print(&help::main(true))?,
        Some("help" | "?") => print(help::ON_HELP)?,
        Some(name) => {
            let command: &Command =
                commands::find(name).ok_or_else(|| Error::unknown_command(name))?;
            print(&help::of(command))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
