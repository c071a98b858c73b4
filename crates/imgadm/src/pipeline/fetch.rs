//! One download: opened, read, resumed where it broke off, and checked.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::checksum::{Checksum, Hasher};
use crate::errors::{Error, Result};
use crate::sources::http::Limits;
use crate::sources::pace::LEAST_IN_STALL;

/// What is handed on at a time, in bytes.
pub const CHUNK: usize = 128 << 10;

/// Where an image's bytes come from.
pub trait Origin: Send + Sync {
    /// Opens the file at byte `offset`. `identity` is that of the file opened before, where it had one.
    fn open(&self, offset: u64, identity: Option<&str>) -> Result<Opened>;

    /// What to call the other end in messages.
    fn address(&self) -> String;
}

/// An opened file.
pub struct Opened {
    pub reader: Box<dyn Read + Send>,
    /// The byte that the reader begins at: `offset`, or 0 where the server knows no ranges.
    pub starts_at: u64,
    /// The whole file's length, where the server says.
    pub length: Option<u64>,
    /// The server's name for this version of the file (an `ETag`).
    pub identity: Option<String>,
}

/// What a download should turn out to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What is downloaded, as messages call it: `image UUID`.
    pub uuid: String,
    pub size: Option<u64>,
    pub checksum: Option<Checksum>,
    /// A stream whose length nobody knows beforehand is fine, and nothing is checked (`--zstream`).
    pub unchecked: bool,
}

/// What others see of a running download, and how they stop it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes downloaded.
    pub fetched: AtomicU64,
    /// Bytes that came out of the decompression.
    pub decoded: AtomicU64,
    /// Set to end the work soon.
    pub cancelled: AtomicBool,
}

impl Progress {
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Why a download failed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub error: Error,
    /// Whether all of it came and it was wrong: once more may help.
    pub wrong: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, wrong: false }
    }
}

/// How often a download is taken up again without anything gained.
const TRIES: u32 = 4;

/// Downloads a file, handing its bytes on in order, and checks its size and checksum. Where `sink` says false nobody
/// reads on: the rest is downloaded to be checked only. The result is the number of bytes.
pub fn fetch(
    origin: &dyn Origin,
    wanted: &Wanted,
    limits: Limits,
    progress: &Progress,
    sink: &mut dyn FnMut(&[u8]) -> bool,
) -> std::result::Result<u64, Failure> {
    let hasher = Hasher::new(wanted.checksum.as_ref().map(|sum| sum.algorithm));
    fetch_on(origin, wanted, limits, progress, (0, hasher), sink)
}

/// Goes on with a download of which so many bytes are there, and have been seen by the hasher.
pub fn fetch_on(
    origin: &dyn Origin,
    wanted: &Wanted,
    limits: Limits,
    progress: &Progress,
    (position, hasher): (u64, Hasher),
    sink: &mut dyn FnMut(&[u8]) -> bool,
) -> std::result::Result<u64, Failure> {
    let mut run = Run { wanted, progress, hasher, position, known: None, limits };
    run.all(origin, sink)?;
    run.check()?;
    Ok(run.position)
}

struct Run<'a> {
    wanted: &'a Wanted,
    progress: &'a Progress,
    hasher: Hasher,
    /// Bytes handed on so far.
    position: u64,
    /// What the server said of the file when it was first opened.
    known: Option<Known>,
    limits: Limits,
}

/// What a server said of a file.
struct Known {
    /// The whole file's length.
    length: Option<u64>,
    identity: Option<String>,
}

impl Run<'_> {
    fn all(&mut self, origin: &dyn Origin, sink: &mut dyn FnMut(&[u8]) -> bool) -> Result<()> {
        let mut fruitless = 0;
        let mut first = true;
        loop {
            let before = self.position;
            let mut too_slow = None;
            let ended = self.one_connection(origin, sink);
            if self.progress.is_cancelled() {
                return Err(Error::new("Interrupted", "interrupted"));
            }
            match ended {
                // A file of unknown length, or one that is whole, has come to its end.
                Ok(()) if self.length().is_none_or(|length| self.position >= length) => {
                    return Ok(());
                }
                Ok(()) => log::info!("{} ended at byte {}", origin.address(), self.position),
                Err(error) if !may_pass(&error, first) => return Err(error),
                Err(error) => {
                    log::info!("{error} at byte {}", self.position);
                    let nothing_came = self.known.is_none() || self.position == 0;
                    if fruitless + 1 == TRIES && nothing_came {
                        return Err(error);
                    }
                    too_slow = Some(error).filter(|error| error.code() == "ETIMEDOUT");
                }
            }
            first = false;
            let gained = self.position - before;
            // A server that only drips gains something each time, and would for ever.
            let fruitful = if too_slow.is_some() { gained >= LEAST_IN_STALL } else { gained > 0 };
            fruitless = if fruitful { 0 } else { fruitless + 1 };
            if fruitless == TRIES {
                if let Some(error) = too_slow {
                    return Err(error);
                }
                // What came is checked, so that the report says how much and what it was.
                return Ok(());
            }
            self.pause(fruitless);
        }
    }

    /// The whole file's length, where it is known.
    fn length(&self) -> Option<u64> {
        self.known.as_ref().and_then(|known| known.length)
    }

    /// Waits before the next connection; longer each time nothing was gained.
    fn pause(&self, fruitless: u32) {
        let until = Instant::now() + self.limits.pause * 2u32.pow(fruitless);
        while Instant::now() < until && !self.progress.is_cancelled() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens the file where the last connection left it and hands its bytes on until the connection ends.
    fn one_connection(
        &mut self,
        origin: &dyn Origin,
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<()> {
        let identity = self.known.as_ref().and_then(|known| known.identity.as_deref());
        let opened = origin.open(self.position, identity)?;
        match &self.known {
            None => {
                self.check_length(&opened)?;
                let identity = opened.identity.clone();
                self.known = Some(Known { length: opened.length, identity });
            }
            Some(known) if known.length != opened.length => {
                return Err(Error::download(format!(
                    "image {} file changed on {} while it was downloaded",
                    self.wanted.uuid,
                    origin.address()
                )));
            }
            Some(_) => {}
        }
        let mut reader = opened.reader;
        let mut skip = self.position.saturating_sub(opened.starts_at);
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.progress.is_cancelled() {
                return Ok(());
            }
            // Never past the end that was announced: a body without end is cut there.
            let left = self.length().map_or(u64::MAX, |length| length - self.position) + skip;
            if left == 0 {
                return Ok(());
            }
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = reader
                .read(&mut buffer[..room])
                .map_err(|e| crate::sources::http::io_error(&e, &origin.address()))?;
            if count == 0 {
                return Ok(());
            }
            let dropped = skip.min(count as u64);
            skip -= dropped;
            let fresh = &buffer[dropped as usize..count];
            if !fresh.is_empty() {
                self.hasher.update(fresh);
                self.position += fresh.len() as u64;
                self.progress.fetched.store(self.position, Ordering::Relaxed);
                sink(fresh);
            }
        }
    }

    fn check_length(&self, opened: &Opened) -> Result<()> {
        if self.wanted.unchecked {
            return Ok(());
        }
        let Some(length) = opened.length else {
            return Err(Error::download(
                "unexpected missing or invalid Content-Length header: undefined",
            ));
        };
        match self.wanted.size {
            Some(size) if size != length => Err(Error::download(format!(
                "unexpected mismatch between expected size, {size}, and Content-Length header, {length}"
            ))),
            _ => Ok(()),
        }
    }

    fn check(&mut self) -> std::result::Result<(), Failure> {
        if self.wanted.unchecked {
            return Ok(());
        }
        let mut errors = Vec::new();
        let whole = self.length().is_none_or(|length| length == self.position);
        if let (false, Some(length)) = (whole, self.length()) {
            errors.push(Error::download(format!(
                "image {} file size error: expected {length} bytes, downloaded {} bytes",
                self.wanted.uuid, self.position
            )));
        }
        if let Some(sum) = &self.wanted.checksum {
            let actual = std::mem::replace(&mut self.hasher, Hasher::None).hex();
            if actual != sum.hex {
                errors.push(Error::download(format!(
                    "image {} file checksum ({}) error: expected \"{}\", downloaded checksum was \"{actual}\"",
                    self.wanted.uuid,
                    sum.algorithm.as_str(),
                    sum.hex
                )));
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(Failure { error: Error::multiple(errors), wrong: whole })
    }
}

/// Whether what went wrong may be gone a moment later: a broken connection, or a server that says so.
fn may_pass(error: &Error, first: bool) -> bool {
    match error.status_code() {
        Some(429 | 502..=504) => true,
        Some(_) => false,
        None => {
            matches!(error.code(), "ECONNRESET" | "ETIMEDOUT" | "EHOSTUNREACH" | "ENETUNREACH")
                // Refused at once is refused; refused later may be a server that is being restarted.
                || (!first && error.code() == "ECONNREFUSED")
        }
    }
}

/// A file at hand.
#[derive(Debug, Clone)]
pub struct LocalFile(pub PathBuf);

impl Origin for LocalFile {
    fn open(&self, offset: u64, _identity: Option<&str>) -> Result<Opened> {
        use std::io::{Seek, SeekFrom};
        let failed = |e: std::io::Error| {
            Error::file_system(format!("cannot read {}: {e}", self.0.display()))
        };
        let mut file = std::fs::File::open(&self.0).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Opened {
            reader: Box::new(file),
            starts_at: offset,
            length: Some(length),
            identity: None,
        })
    }

    fn address(&self) -> String {
        self.0.display().to_string()
    }
}

/// An origin that can be shared between threads.
pub type SharedOrigin = Arc<dyn Origin>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const QUICK: Limits = Limits {
        connect: Duration::from_secs(1),
        stall: Duration::from_secs(1),
        pause: Duration::from_millis(1),
    };

    /// Breaks off every connection after so many bytes.
    struct Flaky {
        data: Vec<u8>,
        piece: usize,
        ranges: bool,
        opened: Mutex<Vec<u64>>,
    }

    impl Origin for Flaky {
        fn open(&self, offset: u64, _identity: Option<&str>) -> Result<Opened> {
            self.opened.lock().unwrap().push(offset);
            let starts_at = if self.ranges { offset } else { 0 };
            let from = starts_at as usize;
            // Without ranges every connection gets a little further, or it would never end.
            let grown = self.piece * self.opened.lock().unwrap().len();
            let to = if self.ranges { from + self.piece } else { grown };
            let piece = self.data[from..to.min(self.data.len())].to_vec();
            Ok(Opened {
                reader: Box::new(std::io::Cursor::new(piece)),
                starts_at,
                length: Some(self.data.len() as u64),
                identity: None,
            })
        }

        fn address(&self) -> String {
            "test".into()
        }
    }

    fn wanted(data: &[u8]) -> Wanted {
        let mut hasher = Hasher::new(Some(super::super::checksum::Algorithm::Sha1));
        hasher.update(data);
        Wanted {
            uuid: "u".into(),
            size: Some(data.len() as u64),
            checksum: Some(Checksum {
                algorithm: super::super::checksum::Algorithm::Sha1,
                hex: hasher.hex(),
            }),
            unchecked: false,
        }
    }

    #[test]
    fn a_broken_download_goes_on_where_it_stopped() {
        for ranges in [true, false] {
            let data: Vec<u8> = (0..100u8).collect();
            let flaky =
                Flaky { data: data.clone(), piece: 40, ranges, opened: Mutex::new(Vec::new()) };
            let mut got = Vec::new();
            let count = fetch(&flaky, &wanted(&data), QUICK, &Progress::default(), &mut |bytes| {
                got.extend_from_slice(bytes);
                true
            })
            .unwrap();
            assert_eq!((count, &got), (100, &data));
            assert_eq!(*flaky.opened.lock().unwrap(), [0, 40, 80]);
        }
    }

    #[test]
    fn a_download_that_stays_short_is_reported_with_both_faults() {
        struct Short;
        impl Origin for Short {
            fn open(&self, offset: u64, _: Option<&str>) -> Result<Opened> {
                let data = &b"0123456789"[offset.min(10) as usize..];
                Ok(Opened {
                    reader: Box::new(data),
                    starts_at: offset,
                    length: Some(20),
                    identity: None,
                })
            }
            fn address(&self) -> String {
                "short".into()
            }
        }
        let mut wanted = wanted(b"01234567890123456789");
        wanted.size = Some(20);
        let failure =
            fetch(&Short, &wanted, QUICK, &Progress::default(), &mut |_| true).unwrap_err();
        assert!(!failure.wrong);
        assert_eq!(failure.error.code(), "MultiError");
        assert!(failure.error.message().contains("expected 20 bytes, downloaded 10 bytes"));
        assert!(failure.error.message().contains("file checksum (sha1) error"));
    }

    /// Answers 503 so many times before it sends the file.
    struct Busy {
        data: &'static [u8],
        left: AtomicU64,
    }

    impl Origin for Busy {
        fn open(&self, offset: u64, _identity: Option<&str>) -> Result<Opened> {
            let left = self.left.load(Ordering::Relaxed);
            if left > 0 {
                self.left.store(left - 1, Ordering::Relaxed);
                return Err(Error::new("ServiceUnavailable", "later").with_status_code(503));
            }
            Ok(Opened {
                reader: Box::new(&self.data[offset as usize..]),
                starts_at: offset,
                length: Some(self.data.len() as u64),
                identity: None,
            })
        }

        fn address(&self) -> String {
            "busy".into()
        }
    }

    #[test]
    fn a_server_that_is_busy_at_first_is_asked_again() {
        let data = b"0123456789";
        let attempt = |busy, size, begun: usize| {
            let origin = Busy { data, left: AtomicU64::new(busy) };
            let wanted = Wanted { size: Some(size), ..wanted(data) };
            let mut hasher = Hasher::new(wanted.checksum.as_ref().map(|sum| sum.algorithm));
            hasher.update(&data[..begun]);
            let begun = (begun as u64, hasher);
            fetch_on(&origin, &wanted, QUICK, &Progress::default(), begun, &mut |_| true)
        };
        for begun in [0, 4] {
            for busy in [1, u64::from(TRIES) - 1] {
                assert_eq!(attempt(busy, 10, begun).unwrap(), 10);
                // What the server says at last is looked at as if it were said at first.
                let failure = attempt(busy, 11, begun).unwrap_err();
                assert!(failure.error.message().contains("expected size, 11"), "{failure:?}");
            }
            let failure = attempt(u64::from(TRIES), 10, begun).unwrap_err();
            assert_eq!((failure.error.code(), failure.wrong), ("ServiceUnavailable", false));
        }
    }

    #[test]
    fn a_whole_but_wrong_download_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"abc").unwrap();
        let mut wanted = wanted(b"abd");
        let failure =
            fetch(&LocalFile(path.clone()), &wanted, QUICK, &Progress::default(), &mut |_| true)
                .unwrap_err();
        assert!(failure.wrong);
        wanted.size = Some(4);
        let failure = fetch(&LocalFile(path), &wanted, QUICK, &Progress::default(), &mut |_| true)
            .unwrap_err();
        assert_eq!(
            failure.error.message(),
            "unexpected mismatch between expected size, 4, and Content-Length header, 3"
        );
    }
}
