//! Errors of the simulated zfs, worded as illumos words them.

use std::fmt;
use std::io;

/// What went wrong, ready to be printed: `text` is one or more lines as the tool prints them on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    text: String,
    code: Code,
}

/// The reason in a form that callers can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The dataset, snapshot or pool is not there.
    NotFound,
    /// The name is taken.
    Exists,
    /// A quota, limit or the pool's size stands in the way.
    NoSpace,
    /// Holds, mounts or dependents stand in the way.
    Busy,
    /// A stream could not be read or does not fit.
    BadStream,
    /// Anything else that was refused.
    Refused,
    /// The command line was wrong: the tool exits with 2.
    Usage,
    /// The simulation's own files failed.
    Io,
}

impl Error {
    /// An error with its whole text, without a trailing newline.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { text: text.into(), code }
    }

    /// `cannot ACTION: REASON`, the common shape.
    pub fn cannot(code: Code, action: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(code, format!("cannot {action}: {reason}"))
    }

    /// `cannot open 'NAME': dataset does not exist`.
    pub fn no_dataset(name: &str) -> Self {
        Self::cannot(Code::NotFound, format_args!("open '{name}'"), "dataset does not exist")
    }

    /// Why, for callers that decide by it.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The exit status that the tool ends with.
    pub fn exit(&self) -> i32 {
        if self.code == Code::Usage { 2 } else { 1 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::new(Code::Io, format!("internal error: {e}"))
    }
}

/// Results of this module.
pub type Result<T> = std::result::Result<T, Error>;
