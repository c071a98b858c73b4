//! Files that streams are read into before anything is changed, one a running receive.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A spool file; it is removed when dropped, unless it has been moved away.
pub struct Spool {
    pub file: File,
    pub path: PathBuf,
}

static COUNT: AtomicU64 = AtomicU64::new(0);

impl Spool {
    /// Makes a spool file below the state directory, locked for as long as it is open. Those of dead processes are removed.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("spool");
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)?.flatten() {
            if let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{}-{n}", std::process::id()));
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.lock()?;
        Ok(Self { file, path })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
