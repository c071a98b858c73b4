//! A session over a stream.

use std::io::{self, Read, Write};

use super::{Session, Store};

/// Longest request. What is longer is dropped up to its end.
const LINE_MAX: usize = 4 << 20;

/// Answers the requests that come over a stream until it ends or `stop` says so. A stream with a read time limit lets
/// `stop` be asked now and then.
///
/// # Errors
/// Reading or writing fails.
pub fn serve<S: Store>(
    mut stream: impl Read + Write,
    session: &mut Session<S>,
    stop: &dyn Fn() -> bool,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut dropping = false;
    while !stop() {
        let mut chunk = [0; 4096];
        let length = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_pause(&error) => continue,
            Err(error) => return Err(error),
        };
        for part in chunk[..length].split_inclusive(|&b| b == b'\n') {
            if !dropping {
                buffer.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                if !dropping
                    && let Some(answer) = session.respond(&String::from_utf8_lossy(&buffer))
                {
                    write_all(&mut stream, answer.as_bytes(), stop)?;
                }
                buffer.clear();
                dropping = false;
            } else if buffer.len() > LINE_MAX {
                buffer.clear();
                dropping = true;
            }
        }
    }
    Ok(())
}

/// Writes everything, however slowly the guest reads.
fn write_all(stream: &mut impl Write, mut bytes: &[u8], stop: &dyn Fn() -> bool) -> io::Result<()> {
    while !bytes.is_empty() && !stop() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::super::{Change, Metadata};
    use super::*;

    struct Nothing;

    impl Store for Nothing {
        fn load(&mut self) -> anyhow::Result<Metadata> {
            Ok(Metadata::default())
        }

        fn change(&mut self, _: &Change) -> anyhow::Result<()> {
            anyhow::bail!("read-only")
        }
    }

    #[test]
    fn requests_in_pieces_and_in_one_piece_are_answered_in_order() {
        let (mut guest, ours) = UnixStream::pair().expect("a pair of sockets");
        let server = std::thread::spawn(move || serve(ours, &mut Session::new(Nothing), &|| false));
        guest.write_all(b"GET a\nNEGO").expect("writable");
        guest.write_all(b"TIATE V2\nKEYS\n").expect("writable");
        guest.shutdown(std::net::Shutdown::Write).expect("connected");
        let answers = io::read_to_string(&mut guest).expect("readable");
        assert_eq!(answers, "NOTFOUND\nV2_OK\nSUCCESS\n\n.\n");
        server.join().expect("it does not panic").expect("it ends with the stream");
    }
}
