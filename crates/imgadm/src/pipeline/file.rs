//! Downloads into files.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::checksum::Hasher;
use super::fetch::{self, Failure, Progress, SharedOrigin, Wanted};
use crate::errors::{Error, Result};
use crate::sources::http::Limits;
use crate::watch::{aside, check_interrupt};

/// How long a download that is to be ended may take to write what it has.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A download that goes into a file.
pub struct Download {
    pub origin: SharedOrigin,
    pub wanted: Wanted,
    /// The file, open to be written on, and how messages call it.
    pub file: File,
    pub path: PathBuf,
    /// How many bytes of it are there, and a hasher that has seen them.
    pub begun: (u64, Hasher),
    pub progress: Arc<Progress>,
}

impl Download {
    /// A download from its beginning, into a new file at `path`.
    pub fn new(origin: &SharedOrigin, wanted: Wanted, path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|e| cannot_write(&path, &e))?;
        let begun = (0, Hasher::new(wanted.checksum.as_ref().map(|sum| sum.algorithm)));
        let origin = Arc::clone(origin);
        Ok(Self { origin, wanted, file, path, begun, progress: Arc::default() })
    }

    /// Downloads to the end, or until the progress is cancelled. Gives the size in bytes; the file is on disk then.
    pub fn run(mut self) -> std::result::Result<u64, Failure> {
        let mut written = Ok(());
        let fetched = fetch::fetch_on(
            &*self.origin,
            &self.wanted,
            Limits::from_env(),
            &self.progress,
            self.begun,
            &mut |bytes| {
                if written.is_ok() {
                    written = self.file.write_all(bytes);
                    if written.is_err() {
                        self.progress.cancel();
                    }
                }
                written.is_ok()
            },
        );
        written.map_err(|e| cannot_write(&self.path, &e))?;
        let bytes = fetched?;
        self.file.sync_all().map_err(|e| cannot_write(&self.path, &e))?;
        Ok(bytes)
    }

    /// The same, ended at once when the operator asks to stop, be the server silent. `tick` is called now and then;
    /// its error ends the download too.
    pub fn run_watched(
        self,
        tick: &mut dyn FnMut(&Progress) -> Result<()>,
    ) -> std::result::Result<u64, Failure> {
        let progress = Arc::clone(&self.progress);
        aside(move || self.run(), LAST_WORDS, &mut || {
            let goes_on = check_interrupt().and_then(|()| tick(&progress));
            goes_on.inspect_err(|_| progress.cancel())
        })
    }
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Error {
    Error::file_system(format!("cannot write {}: {error}", path.display()))
}
