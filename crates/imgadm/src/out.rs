//! What the program says: answers and progress on standard output, warnings on standard error. Neither may end the
//! program where nobody can take what it says, as `println!` would: what it had begun would stay half done.

use std::fmt::Display;
use std::io::{self, Write};

use crate::errors::{Error, Result};

/// Writes to standard output. A reader that has gone away (`imgadm list | head -1`) is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::file_system(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// A line on standard output. Its failure fails the command, which takes back what it has done.
pub fn say(line: impl Display) -> Result<()> {
    print(&format!("{line}\n"))
}

/// A line on standard output where there is nothing to take back, or something is being taken back already.
pub fn mention(line: impl Display) {
    let _ = say(line);
}

/// A line on standard error. Where it cannot be written there is nobody left to tell.
pub fn warn(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
