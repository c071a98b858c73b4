//! Lines of JSON with time limits, over a socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Error, Result};

/// Longest line that is taken. qemu's longest answers (block devices, schemas) are some hundred KiB.
const LINE_MAX: usize = 16 << 20;

/// A connection on which messages are JSON values, one a line.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) fn send(&mut self, message: &Value, limit: Duration) -> Result<()> {
        self.stream.set_write_timeout(Some(limit))?;
        let sent = self.stream.write_all(format!("{message}\n").as_bytes());
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut(limit),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed,
            _ => Error::Io(error),
        })
    }

    /// The next message. What has come of a line when time is up is kept for the next call.
    pub(super) fn receive(&mut self, limit: Duration) -> Result<Value> {
        let deadline = Instant::now() + limit;
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map_err(|error| Error::Protocol(format!("this is not JSON: {error}")));
            }
            searched = self.buffer.len();
            if searched > LINE_MAX {
                return Err(Error::Protocol(format!("a line is longer than {LINE_MAX} bytes")));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::TimedOut(limit));
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 8192];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Error::Closed),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) => match error.kind() {
                    // Time is looked at above.
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(Error::Closed),
                    _ => return Err(Error::Io(error)),
                },
            }
        }
    }
}
