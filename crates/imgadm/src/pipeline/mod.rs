//! Download, checksum and decompression at once, each in its own thread with a few buffers between them, into the
//! standard input of a receiving tool. Memory does not grow with the image.

pub mod checksum;
pub mod decode;
mod dictionary;
pub mod fetch;
pub mod file;
mod xz;
mod zstd;

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};

use gz::tool::Running;

use self::decode::Compression;
use self::fetch::{CHUNK, Failure, Progress, SharedOrigin, Wanted};
use crate::errors::{Error, Result};
use crate::sources::http::Limits;
use crate::watch::{TICK, check_interrupt};

/// How many chunks wait between the download and the decompression, and how many from there to the receiver.
const WAITING: usize = 8;
const UNPACKED: usize = 4;

/// What a stream into a receiver left.
#[derive(Debug)]
pub struct Outcome {
    /// The download: its size, or why it failed.
    pub fetched: std::result::Result<u64, Failure>,
    /// The decompression and the receiving tool.
    pub received: std::result::Result<(), ReceiveFailure>,
}

/// Why nothing could be received.
#[derive(Debug)]
pub struct ReceiveFailure {
    pub error: Error,
    /// What the tool itself said; empty where it said nothing.
    pub said: String,
}

impl From<Error> for ReceiveFailure {
    fn from(error: Error) -> Self {
        Self { error, said: String::new() }
    }
}

enum Event {
    Fetched(std::result::Result<u64, Failure>),
    Decoded(std::result::Result<(), DecodeError>),
}

enum DecodeError {
    /// The data is not what its compression says.
    Input(io::Error),
    /// The receiving tool reads no more; it says why itself.
    Receiver,
}

/// Streams `origin` into `receiver`. `tick` is called now and then while it runs, with what there is to show; an error
/// from it ends the stream.
///
/// The receiver is always finished or ended when this returns. What it received counts only where both parts of the
/// outcome are good; else the caller destroys it.
pub fn stream(
    origin: SharedOrigin,
    wanted: &Wanted,
    compression: Compression,
    mut receiver: Running,
    progress: &Arc<Progress>,
    tick: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Outcome> {
    let Some(stdin) = receiver.take_stdin() else {
        return Err(Error::internal("the receiving tool has no standard input"));
    };
    let (events, happened) = channel();
    let (chunks, arriving) = sync_channel(WAITING);
    {
        let (wanted, progress, events) = (wanted.clone(), Arc::clone(progress), events.clone());
        std::thread::spawn(move || {
            let mut chunks = Some(chunks);
            let fetched =
                fetch::fetch(&*origin, &wanted, Limits::from_env(), &progress, &mut |bytes| {
                    send_chunk(&mut chunks, bytes)
                });
            // Told before the channel ends: whoever waits ends the receiver before it can take a download that broke
            // off for a whole one.
            let _ = events.send(Event::Fetched(fetched));
            drop(chunks);
        });
    }
    {
        let progress = Arc::clone(progress);
        std::thread::spawn(move || {
            let decoded = decode_into(stdin, compression, arriving, &progress);
            let _ = events.send(Event::Decoded(decoded));
        });
    }
    wait(&happened, receiver, compression, progress, tick)
}

fn send_chunk(chunks: &mut Option<SyncSender<Vec<u8>>>, bytes: &[u8]) -> bool {
    if let Some(channel) = chunks
        && channel.send(bytes.to_vec()).is_err()
    {
        *chunks = None;
    }
    chunks.is_some()
}

fn wait(
    happened: &Receiver<Event>,
    receiver: Running,
    compression: Compression,
    progress: &Progress,
    tick: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Outcome> {
    let mut receiver = Some(receiver);
    let (mut fetched, mut received) = (None, None);
    while fetched.is_none() || received.is_none() {
        if let Err(error) = check_interrupt().and_then(|()| tick(progress)) {
            progress.cancel();
            if let Some(receiver) = receiver.take() {
                receiver.abort();
            }
            return Err(error);
        }
        match happened.recv_timeout(TICK) {
            Ok(Event::Fetched(result)) => {
                if result.is_err() {
                    progress.cancel();
                    if let Some(receiver) = receiver.take() {
                        receiver.abort();
                    }
                    received.get_or_insert(Ok(()));
                }
                fetched = Some(result);
            }
            Ok(Event::Decoded(result)) if received.is_none() => {
                received = Some(finish(result, receiver.take(), compression));
            }
            Ok(Event::Decoded(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("a thread of the import ended without a word"));
            }
        }
    }
    let fetched = fetched.unwrap_or_else(|| Err(Error::internal("no download").into()));
    Ok(Outcome { fetched, received: received.unwrap_or(Ok(())) })
}

fn finish(
    decoded: std::result::Result<(), DecodeError>,
    receiver: Option<Running>,
    compression: Compression,
) -> std::result::Result<(), ReceiveFailure> {
    let Some(receiver) = receiver else { return Ok(()) };
    match decoded {
        Ok(()) => receiver.finish().map_err(receive_failure),
        Err(DecodeError::Input(error)) => {
            receiver.abort();
            Err(decode::failure(compression, &error).into())
        }
        Err(DecodeError::Receiver) => match receiver.finish() {
            Err(error) => Err(receive_failure(error)),
            Ok(()) => Err(Error::internal(
                "zfs receive error while importing: it stopped before the end of the stream",
            )
            .into()),
        },
    }
}

/// A failed `zfs receive`, in the known words.
fn receive_failure(error: gz::Error) -> ReceiveFailure {
    match error {
        gz::Error::Failed { status, stderr, .. } => {
            let code = status.code().map_or_else(|| "null".to_owned(), |code| code.to_string());
            let message = format!("zfs receive error while importing: exit code {code}");
            ReceiveFailure { error: Error::internal(message), said: stderr }
        }
        other => Error::from(other).into(),
    }
}

/// Decompresses what arrives and writes it out, each in its own thread: the receiving tool takes its data while the
/// next is being unpacked.
fn decode_into(
    out: impl Write + Send,
    compression: Compression,
    chunks: Receiver<Vec<u8>>,
    progress: &Progress,
) -> std::result::Result<(), DecodeError> {
    let (unpacked, to_write) = sync_channel(UNPACKED);
    let (written, free) = channel();
    for _ in 0..=UNPACKED {
        // The receiver is just above.
        let _ = written.send(vec![0; CHUNK]);
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(out, &to_write, &written));
        let decoded = decode(compression, chunks, progress, &free, &unpacked);
        drop(unpacked);
        match writer.join() {
            Ok(Ok(())) => decoded.map_err(DecodeError::Input),
            // Whatever else there is to say: the tool that reads no more knows why.
            Ok(Err(_)) | Err(_) => Err(DecodeError::Receiver),
        }
    })
}

/// Decompresses into free buffers until the end, or until nobody takes them any more.
fn decode(
    compression: Compression,
    chunks: Receiver<Vec<u8>>,
    progress: &Progress,
    free: &Receiver<Vec<u8>>,
    unpacked: &SyncSender<Vec<u8>>,
) -> io::Result<()> {
    let input = ChunkReader { chunks, current: Vec::new(), at: 0 };
    let mut decoder = decode::decoder(compression, input);
    while let Ok(mut buffer) = free.recv() {
        buffer.resize(CHUNK, 0);
        let count = loop {
            match decoder.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if count == 0 {
            break;
        }
        progress.decoded.fetch_add(count as u64, Ordering::Relaxed);
        buffer.truncate(count);
        if unpacked.send(buffer).is_err() {
            break;
        }
    }
    Ok(())
}

/// Writes buffers out and gives them back.
fn write_all(
    mut out: impl Write,
    to_write: &Receiver<Vec<u8>>,
    written: &Sender<Vec<u8>>,
) -> io::Result<()> {
    for buffer in to_write {
        out.write_all(&buffer)?;
        // At the end nobody wants it back.
        let _ = written.send(buffer);
    }
    out.flush()
}

/// The chunks of a channel as one stream.
struct ChunkReader {
    chunks: Receiver<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl BufRead for ChunkReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.current.len() {
            self.at = 0;
            // A channel that is closed is the end of the stream.
            self.current = self.chunks.recv().unwrap_or_default();
        }
        Ok(&self.current[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.current.len());
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}
