//! The command line: dispatch, exit codes, and what every command shares.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use gz::{Root, platform};

use crate::commands;
use crate::help::USAGE;
use options::Options;

mod logging;
pub mod options;
pub mod payload;
mod run_log;

/// What a command comes to: a line for standard error, or nothing to say. The answer itself goes to standard output
/// while the command runs.
pub type Outcome = Result<Option<String>, Failure>;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage: the message, the usage text, exit status 2.
    Usage(Option<String>),
    /// It was tried and failed: the message, exit status 1.
    Failed(String),
}

impl Failure {
    /// Wrong usage, and how.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Some(message.into()))
    }

    /// A failure and its reason.
    pub fn new(message: impl ToString) -> Self {
        Self::Failed(message.to_string())
    }

    /// A failure in words that scripts match on. On a terminal the lines that explain it stand behind them.
    pub fn explained(message: impl ToString, lines: impl IntoIterator<Item = String>) -> Self {
        let mut message = message.to_string();
        for line in lines {
            if io::stderr().is_terminal() {
                message.push('\n');
                message.push_str(&line);
            } else {
                log::info!("{line}");
            }
        }
        Self::Failed(message)
    }
}

impl From<gz::Error> for Failure {
    fn from(error: gz::Error) -> Self {
        Self::new(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

/// One call of a command.
#[derive(Debug)]
pub struct Call {
    /// The global zone that is worked on.
    pub root: Root,
    /// The command as it was typed (`halt` and `stop` are one command).
    pub command: String,
    pub options: Options,
    /// What is neither an option nor an option's value.
    pub operands: VecDeque<String>,
}

impl Call {
    /// Takes the VM's UUID from the operands; wrong usage where there is none.
    pub fn uuid(&mut self) -> Result<String, Failure> {
        self.optional_uuid()
            .ok_or_else(|| Failure::usage(format!("Invalid or missing UUID for {}", self.command)))
    }

    /// Takes the VM's UUID from the operands. Observed: the shape alone counts, letters are not looked at.
    pub fn optional_uuid(&mut self) -> Option<String> {
        let first = self.operands.pop_front()?;
        looks_like_uuid(&first).then_some(first)
    }

    /// The operands as `key=value` pairs in the order given; an operand without `=` has an empty value.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.operands
            .iter()
            .map(|operand| {
                let (key, value) = operand.split_once('=').unwrap_or((operand, ""));
                (key.to_owned(), value.to_owned())
            })
            .collect()
    }
}

/// Whether `text` has 36 characters and dashes where a UUID has them.
pub fn looks_like_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-')
}

/// Runs vmadm with the arguments that follow the program's name.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    gz::probes::register();
    let root = Root::from_env();
    let mut arguments = arguments.map(|a| a.to_string_lossy().into_owned());
    let name = arguments.next();
    // Help is for everybody.
    if name.as_deref() != Some("help")
        && let Some(why) = platform::why_not_here(&root)
    {
        tell(&format!("FATAL: cannot run because: {why}"));
        return ExitCode::from(2);
    }
    let outcome = dispatch(root, name, arguments.collect());
    run_log::finish(&outcome);
    match outcome {
        Ok(message) => {
            if let Some(message) = message {
                tell(&message);
            }
            ExitCode::SUCCESS
        }
        Err(Failure::Failed(message)) => {
            tell(&message);
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            if let Some(message) = message {
                tell(&message);
            }
            tell(USAGE.trim_end());
            ExitCode::from(2)
        }
    }
}

/// Says something on standard error. That it cannot be said is no reason to fail.
pub fn tell(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Writes the answer to standard output. A reader that has gone away (`| head`) wants no more: that is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn dispatch(root: Root, name: Option<String>, arguments: Vec<String>) -> Outcome {
    let Some(name) = name else {
        return Err(Failure::Usage(None));
    };
    let Some(command) = commands::find(&name) else {
        return Err(Failure::usage(format!("Invalid command: \"{name}\".")));
    };
    let (options, operands) = Options::parse(&command.syntax, arguments.clone());
    logging::start(&options);
    run_log::start(&root, &name, &arguments, &options);
    let call = Call { root, command: name, options, operands: operands.into() };
    (command.run)(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_told_by_their_shape() {
        assert!(looks_like_uuid("a0000001-0000-4000-8000-000000000001"));
        assert!(looks_like_uuid("zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"));
        assert!(!looks_like_uuid("a0000001-0000-4000-8000-00000000001"));
        assert!(!looks_like_uuid("é0000001-0000-4000-8000-00000000001é"));
    }
}
