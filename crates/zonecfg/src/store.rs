//! The files of the zones below a root directory: `etc/zones/NAME.xml`, `etc/zones/index`,
//! `etc/zones/did.txt`, and the locks that illumos's own programs take.
//!
//! This module and the program's entry point are the only places of this crate with effects.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::index::{Index, leading_number};
use crate::model::Zone;
use crate::xml;

/// Environment variable that names the root directory.
pub const ROOT_VARIABLE: &str = "ZONEKIT_ROOT";

const CONFIG_DIR: &str = "etc/zones";
const LOCK_DIR: &str = "var/run/zones";

/// Why a zone's files cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no configuration of that zone.
    #[error("{0}: No such zone configured")]
    NoZone(String),
    /// A document cannot be read.
    #[error("{}: {source}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: xml::Error,
    },
    /// The index cannot be changed as asked.
    #[error(transparent)]
    Index(#[from] crate::index::Error),
}

/// A root directory with zones below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    dir: PathBuf,
}

impl Root {
    /// The root at a directory; nothing is read yet.
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The root that `ZONEKIT_ROOT` names, else `/`.
    pub fn from_environment() -> Self {
        Self::open(
            std::env::var_os(ROOT_VARIABLE)
                .filter(|v| !v.is_empty())
                .map_or("/".into(), PathBuf::from),
        )
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path of the system below this root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path.trim_start_matches('/'))
    }

    /// The directory of the configurations.
    pub fn config_dir(&self) -> PathBuf {
        self.path(CONFIG_DIR)
    }

    /// The document of a zone.
    pub fn zone_file(&self, name: &str) -> PathBuf {
        self.config_dir().join(format!("{name}.xml"))
    }

    fn index_file(&self) -> PathBuf {
        self.config_dir().join("index")
    }

    /// The text of a zone's document.
    ///
    /// # Errors
    /// [`Error::NoZone`] where there is none, [`Error::Io`]
    pub fn zone_text(&self, name: &str) -> Result<String, Error> {
        let path = self.zone_file(name);
        let bytes = std::fs::read(&path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                Error::NoZone(name.to_owned())
            } else {
                Error::Io { path: path.clone(), source }
            }
        })?;
        String::from_utf8(bytes).map_err(|error| Error::Document {
            path,
            source: xml::Error::Syntax { line: 1, column: 1, message: error.to_string() },
        })
    }

    /// Reads a zone's configuration; unknown parts of it are kept.
    ///
    /// # Errors
    /// As [`Root::zone_text`], and [`Error::Document`]
    pub fn read_zone(&self, name: &str) -> Result<Zone, Error> {
        let text = self.zone_text(name)?;
        xml::read(&text).map_err(|source| Error::Document { path: self.zone_file(name), source })
    }

    /// Writes a zone's document under the zone's name, replacing it as a whole.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn write_zone(&self, zone: &Zone) -> Result<(), Error> {
        replace_file(&self.zone_file(zone.name()), &xml::write(zone))
    }

    /// Removes a zone's document, and what a write of it left that was killed; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn remove_zone_file(&self, name: &str) -> Result<(), Error> {
        let file = self.zone_file(name);
        for path in [temporary_name(&file), file] {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether there is an index.
    pub fn has_index(&self) -> bool {
        self.index_file().exists()
    }

    /// Reads the index; without a file it is the index of a system without zones.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn index(&self) -> Result<Index, Error> {
        let path = self.index_file();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Index::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Replaces the index. Hold [`Root::lock_index`] from before it was read.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn write_index(&self, index: &Index) -> Result<(), Error> {
        replace_file(&self.index_file(), &index.print())
    }

    /// Locks the index as illumos's programs do, waiting for others; unlocked when the result is dropped.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn lock_index(&self) -> Result<Lock, Error> {
        let dir = self.path(LOCK_DIR);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|source| Error::Io { path: dir.clone(), source })?;
        Lock::wait(&dir.join("index.lock"))
    }

    /// Reads, changes and replaces the index under its lock.
    ///
    /// # Errors
    /// [`Error::Io`], and what `change` answers
    pub fn update_index<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = self.lock_index()?;
        let before = self.index()?;
        let mut index = before.clone();
        let answer = change(&mut index)?;
        if index != before {
            self.write_index(&index)?;
        }
        Ok(answer)
    }

    /// Takes the next debug ID: one more than `did.txt` holds, from 1.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn next_debugid(&self) -> Result<u32, Error> {
        let path = self.config_dir().join("did.txt");
        let io_error = |source| Error::Io { path: path.clone(), source };
        let lock = Lock::wait(&path)?;
        let mut file = &lock.file;
        let mut text = String::new();
        file.take(32).read_to_string(&mut text).map_err(io_error)?;
        let last = u32::try_from(leading_number(&text)).unwrap_or(0);
        let next = last.saturating_add(1);
        file.rewind().map_err(io_error)?;
        file.write_all(format!("{next}\n").as_bytes()).map_err(io_error)?;
        Ok(next)
    }
}

/// A held lock of a whole file.
#[derive(Debug)]
pub struct Lock {
    // Closing the file gives the lock back.
    file: File,
}

impl Lock {
    fn wait(path: &Path) -> Result<Self, Error> {
        let io_error = |source| Error::Io { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(io_error)?;
        loop {
            match fcntl_lock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(io_error(errno.into())),
            }
        }
    }
}

/// Writes a file under a temporary name beside it, then renames it into place; mode 0644. The name is always the same,
/// so that the next write takes over what one that was killed left: who writes holds the lock of the index, or of the
/// zone.
pub(crate) fn replace_file(path: &Path, text: &str) -> Result<(), Error> {
    let temporary = temporary_name(path);
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(|source| {
        // Nothing of a failed write stays; that it cannot be removed changes nothing for the caller.
        let _ = std::fs::remove_file(&temporary);
        Error::Io { path: path.to_owned(), source }
    })
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("zonecfg.{name}.new"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{IndexEntry, ZoneState};

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = Root::open(dir.path());
        std::fs::create_dir_all(root.config_dir()).expect("a new directory");
        (dir, root)
    }

    #[test]
    fn a_zone_is_found_again() {
        let (_dir, root) = root();
        assert!(matches!(root.read_zone("z1"), Err(Error::NoZone(name)) if name == "z1"));
        let zone = Zone::new("z1", "lx");
        root.write_zone(&zone).expect("writable");
        assert_eq!(root.read_zone("z1").expect("it was written"), zone);
        root.remove_zone_file("z1").expect("removable");
        root.remove_zone_file("z1").expect("no error the second time");
        let left: Vec<_> = std::fs::read_dir(root.config_dir()).expect("readable").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn debug_ids_count_up_from_one() {
        let (_dir, root) = root();
        let ids: Vec<_> = (0..12).map(|_| root.next_debugid().expect("writable")).collect();
        assert_eq!(ids, (1..=12).collect::<Vec<_>>());
        let text = std::fs::read_to_string(root.config_dir().join("did.txt")).expect("readable");
        assert_eq!(text, "12\n");
    }

    #[test]
    fn the_index_is_changed_under_its_lock() {
        let (_dir, root) = root();
        root.update_index(|index| {
            {
                index.add(&IndexEntry {
                    name: "z1".into(),
                    state: ZoneState::Configured,
                    path: "/zones/z1".into(),
                    uuid: None,
                    brand: String::new(),
                    iptype: crate::model::IpType::Shared,
                    debugid: None,
                })
            }
            .map_err(Error::from)
        })
        .expect("z1 is new");
        assert_eq!(
            root.index().expect("readable").get("z1").map(|e| e.path),
            Some("/zones/z1".into())
        );
        assert!(root.path("/var/run/zones/index.lock").exists());
    }

    #[test]
    fn what_a_killed_write_left_is_gone_after_the_next() {
        let (_dir, root) = root();
        let files = [root.index_file(), root.zone_file("z1")];
        let left = files.each_ref().map(|file| temporary_name(file));
        for path in &left {
            std::fs::write(path, "more than there is to write ".repeat(100)).expect("writable");
        }
        root.write_index(&Index::default()).expect("writable");
        let text = std::fs::read_to_string(root.index_file()).expect("readable");
        assert_eq!(text, Index::default().print());
        root.remove_zone_file("z1").expect("removable");
        assert!(left.iter().all(|path| !path.exists()));
    }
}
