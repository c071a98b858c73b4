//! qemu's monitor for humans: commands and answers as text, with a prompt between.
//!
//! OmniOS's kvm brand gives its qemu no other (`/tmp/vm.monitor` in the zone). The monitor echoes what it is sent, with the
//! control sequences of a line editor.

use std::io::{self, Read, Write};
use std::time::Duration;

/// What stands before each command.
const PROMPT: &[u8] = b"(qemu) ";
/// Longest answer.
const ANSWER_MAX: usize = 4 << 20;

/// What goes wrong in a conversation with the monitor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed, or the monitor did not answer in time.
    #[error("qemu's monitor: {0}")]
    Io(#[from] io::Error),
    /// The monitor went away before it had answered.
    #[error("qemu's monitor has closed the connection")]
    Closed,
    /// The answer has no end.
    #[error("qemu's monitor answers with more than {ANSWER_MAX} bytes")]
    TooLong,
    /// The monitor does not know the command, or cannot do it.
    #[error("qemu: {0}")]
    Refused(String),
}

/// Answers that say that a command was not carried out begin with these.
const REFUSALS: [&str; 6] =
    ["unknown command", "invalid ", "could not ", "failed ", "error", "extraneous "];

/// A connection to a monitor.
#[derive(Debug)]
pub struct Monitor<S> {
    stream: S,
}

impl<S: Read + Write> Monitor<S> {
    /// Waits for the first prompt. The stream's own time limits hold for each read.
    ///
    /// # Errors
    /// There is no monitor behind the stream, or it is busy with another client.
    pub fn new(stream: S) -> Result<Self, Error> {
        let mut monitor = Self { stream };
        monitor.until_prompt()?;
        Ok(monitor)
    }

    /// Gives a command and waits for the answer, which may be empty.
    ///
    /// # Errors
    /// The connection fails, or the monitor refuses the command.
    pub fn command(&mut self, command: &str) -> Result<String, Error> {
        writeln!(self.stream, "{command}")?;
        let text = self.until_prompt()?;
        // The first line is the echo.
        let answer = text.split_once('\n').map_or("", |(_, answer)| answer).trim().to_owned();
        let lower = answer.to_ascii_lowercase();
        if REFUSALS.iter().any(|refusal| lower.starts_with(refusal)) {
            return Err(Error::Refused(answer));
        }
        Ok(answer)
    }

    /// Gives a command that ends qemu.
    ///
    /// # Errors
    /// The connection fails.
    pub fn quit(&mut self) -> Result<(), Error> {
        writeln!(self.stream, "quit")?;
        match self.until_prompt() {
            Err(Error::Io(error)) if error.kind() != io::ErrorKind::ConnectionReset => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// What comes before the next prompt, in lines without control sequences.
    fn until_prompt(&mut self) -> Result<String, Error> {
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while !text.ends_with(PROMPT) {
            match self.stream.read(&mut chunk)? {
                0 => return Err(Error::Closed),
                length => text.extend_from_slice(&chunk[..length]),
            }
            if text.len() > ANSWER_MAX {
                return Err(Error::TooLong);
            }
        }
        text.truncate(text.len() - PROMPT.len());
        Ok(plain(&String::from_utf8_lossy(&text)))
    }
}

/// Text without control sequences (`ESC [ … letter`) and carriage returns.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                let begins = chars.next() == Some('[');
                while begins && chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// A stream with a limit for every read and write.
///
/// # Errors
/// The limit cannot be set.
pub fn limited(
    stream: std::os::unix::net::UnixStream,
    limit: Duration,
) -> io::Result<std::os::unix::net::UnixStream> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A monitor's side of a conversation, a piece a read.
    struct Script(VecDeque<&'static [u8]>);

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_lose_the_echo_of_the_line_editor() {
        let script = Script(VecDeque::from([
            &b"QEMU 0.14.1 monitor - type 'help' for more information\r\n(qe"[..],
            b"mu) ",
            b"i\x1b[K\x1b[Di\x1b[D\x1b[Din\x1b[K\r\nVM status: running\r\n(qemu) ",
            b"frobnicate\r\nunknown command: 'frobnicate'\r\n(qemu) ",
            b"nmi 0\r\n(qemu) ",
            b"quit\r\n",
        ]));
        let mut monitor = Monitor::new(script).expect("a prompt");
        assert_eq!(monitor.command("info status").expect("an answer"), "VM status: running");
        let refused = monitor.command("frobnicate").expect_err("it is unknown").to_string();
        assert_eq!(refused, "qemu: unknown command: 'frobnicate'");
        assert_eq!(monitor.command("nmi 0").expect("an answer"), "");
        monitor.quit().expect("the end of the connection is what was wanted");
        assert!(matches!(monitor.command("info status"), Err(Error::Closed)));
    }
}
