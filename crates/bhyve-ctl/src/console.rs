//! The console: an operator's terminal on a virtual machine's serial port.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, SetArg, Termios};

/// Ctrl-], which ends a session, as on SmartOS.
pub const ESCAPE: u8 = 0x1d;

/// How long to wait for input before looking whether to stop, in milliseconds.
const TICK: u16 = 500;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The operator typed the escape character.
    Escaped,
    /// The machine closed the port.
    Closed,
    /// The operator's input ended.
    InputEnded,
    /// A stop was asked for.
    Stopped,
}

/// A terminal in raw mode. It is put back when this goes out of scope, on whatever way out.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    /// Puts a terminal into raw mode; `None` where it is no terminal.
    ///
    /// # Errors
    /// It is a terminal but cannot be changed.
    pub fn enter(terminal: BorrowedFd<'a>) -> io::Result<Option<Self>> {
        let before = match termios::tcgetattr(terminal) {
            Ok(before) => before,
            Err(Errno::ENOTTY | Errno::EINVAL | Errno::ENODEV) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(terminal, SetArg::TCSANOW, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // A terminal that has gone needs no care.
        let _ = termios::tcsetattr(self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// Joins a terminal, or any input and output, with a serial port's socket until one of them ends, [`ESCAPE`] is typed
/// or `stop` says so. `stop` is asked at least twice a second.
///
/// # Errors
/// Reading or writing fails.
pub fn attach(
    mut input: impl io::Read + AsFd,
    mut output: impl io::Write,
    mut port: UnixStream,
    stop: &dyn Fn() -> bool,
) -> io::Result<End> {
    let mut buffer = [0; 4096];
    while !stop() {
        let mut waiting = [
            PollFd::new(input.as_fd(), PollFlags::POLLIN),
            PollFd::new(port.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut waiting, PollTimeout::from(TICK)) {
            // A signal came: `stop` knows of it.
            Ok(0) | Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = waiting.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if ready[1] {
            match port.read(&mut buffer)? {
                0 => return Ok(End::Closed),
                length => {
                    output.write_all(&buffer[..length])?;
                    output.flush()?;
                }
            }
        }
        if ready[0] {
            let length = input.read(&mut buffer)?;
            if length == 0 {
                return Ok(End::InputEnded);
            }
            let typed = &buffer[..length];
            let escape = typed.iter().position(|&b| b == ESCAPE);
            match port.write_all(&typed[..escape.unwrap_or(length)]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Closed),
                Err(error) => return Err(error),
            }
            if escape.is_some() {
                return Ok(End::Escaped);
            }
        }
    }
    Ok(End::Stopped)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::pty::openpty;
    use nix::sys::termios::LocalFlags;

    use super::*;

    #[test]
    fn a_session_ends_with_the_escape_character() {
        let (input, mut keyboard) = UnixStream::pair().expect("a pair of sockets");
        let (port, mut guest) = UnixStream::pair().expect("a pair of sockets");
        guest.write_all(b"login: ").expect("writable");
        keyboard.write_all(b"root\r\x1dlost").expect("writable");
        let mut screen = Vec::new();
        let end = attach(input, &mut screen, port, &|| false).expect("it ends");
        assert_eq!(end, End::Escaped);
        assert_eq!(screen, b"login: ");
        assert_eq!(io::read_to_string(guest).expect("the port was closed"), "root\r");
    }

    #[test]
    fn a_session_ends_with_either_side_or_on_request() {
        let (input, _keyboard) = UnixStream::pair().expect("a pair of sockets");
        let (port, guest) = UnixStream::pair().expect("a pair of sockets");
        drop(guest);
        assert_eq!(attach(input, io::sink(), port, &|| false).expect("it ends"), End::Closed);

        let (input, keyboard) = UnixStream::pair().expect("a pair of sockets");
        let (port, _guest) = UnixStream::pair().expect("a pair of sockets");
        drop(keyboard);
        assert_eq!(attach(input, io::sink(), port, &|| false).expect("it ends"), End::InputEnded);

        let (input, _keyboard) = UnixStream::pair().expect("a pair of sockets");
        let (port, _guest) = UnixStream::pair().expect("a pair of sockets");
        assert_eq!(attach(input, io::sink(), port, &|| true).expect("it ends"), End::Stopped);
    }

    #[test]
    fn the_terminal_is_put_back() {
        let pty = openpty(None, None).expect("a terminal");
        let flags = || termios::tcgetattr(&pty.slave).expect("a terminal").local_flags;
        let before = flags();
        assert!(before.contains(LocalFlags::ICANON));
        {
            let _raw = RawMode::enter(pty.slave.as_fd()).expect("a terminal").expect("a terminal");
            assert!(!flags().contains(LocalFlags::ICANON));
        }
        assert_eq!(flags(), before);
        let file = File::open("/dev/null").expect("it is everywhere");
        assert!(RawMode::enter(file.as_fd()).expect("no terminal is no error").is_none());
    }
}
