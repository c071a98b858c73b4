//! Signals to processes of zones, which the global zone sees under its own numbers.

use std::os::fd::BorrowedFd;
use std::str::FromStr;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::tool::{Error, Result};

/// The name of no signal: sending it tells whether the process is there.
const NONE: &str = "0";

/// Sends the signal of that name (`SIGHUP`, or `0` for none) to a process.
pub fn send(pid: i32, name: &str) -> Result<()> {
    let signal = match name {
        NONE => None,
        _ => Some(Signal::from_str(name).map_err(|_| Error::Unexpected {
            what: format!("signal \"{name}\""),
            why: "there is none of that name".to_owned(),
        })?),
    };
    signal::kill(Pid::from_raw(pid), signal)
        .map_err(|errno| Error::io(format!("cannot signal process {pid}"), errno.into()))
}

/// Makes a file this program's standard input, for itself and the tools that share it.
pub fn become_stdin(file: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::dup2_stdin(file)
        .map_err(|errno| Error::io("cannot read from the file", errno.into()))
}

/// The name of the signal of that number, or of a name with or without `SIG`, as [`send`] takes it; `None` where there
/// is none.
pub fn signal_name(given: &str) -> Option<&'static str> {
    if let Ok(number) = given.parse::<i32>() {
        if number == 0 {
            return Some(NONE);
        }
        return Signal::try_from(number).ok().map(Signal::as_str);
    }
    let full = if given.starts_with("SIG") { given.to_owned() } else { format!("SIG{given}") };
    Signal::from_str(&full).ok().map(Signal::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names() {
        for (given, name) in [
            ("0", Some("0")),
            ("9", Some("SIGKILL")),
            ("HUP", Some("SIGHUP")),
            ("SIGTERM", Some("SIGTERM")),
        ] {
            assert_eq!(signal_name(given), name);
        }
        assert_eq!(signal_name("foo"), None);
        assert_eq!(signal_name("hup"), None);
        assert_eq!(signal_name("9999"), None);
    }
}
