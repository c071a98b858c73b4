//! Files below a zone's root. Whoever owns the zone can put symbolic links there: none is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fchdir, unlinkat};

use crate::root::Root;
use crate::tool::{Error, Result};

/// A directory below a zone's root, and the name of a file in it.
struct Place {
    directory: OwnedFd,
    name: std::ffi::OsString,
}

/// The root directory of a zone, as the global zone sees it.
#[derive(Debug, Clone)]
pub struct ZoneRoot {
    directory: PathBuf,
}

impl ZoneRoot {
    /// `directory` is the zone's root in the global zone (`/zones/<uuid>/root`).
    pub fn new(root: &Root, directory: &str) -> Self {
        Self { directory: root.path(directory) }
    }

    /// Replaces what is at `path` by a file of these bytes, making directories on the way.
    pub fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        self.at(path, "write", || {
            let place = self.place(path, true)?;
            remove_at(&place)?;
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
            let mode = Mode::from_bits_truncate(mode);
            let file = openat(&place.directory, place.name.as_os_str(), flags, mode)?;
            let mut file = File::from(file);
            file.write_all(bytes)?;
            // Asked for again because the process's umask may have narrowed it.
            nix::sys::stat::fchmod(&file, mode)?;
            Ok(())
        })
    }

    /// The text of a file; `None` where there is none.
    pub fn read(&self, path: &str) -> Result<Option<String>> {
        self.at(path, "read", || {
            let Some(place) = absent_is_none(self.place(path, false))? else { return Ok(None) };
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            let opened = openat(&place.directory, place.name.as_os_str(), flags, Mode::empty());
            let Some(file) = absent_is_none(opened.map_err(io::Error::from))? else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            File::from(file).read_to_end(&mut bytes)?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        })
    }

    /// Whether there is anything at `path`, a link included.
    pub fn exists(&self, path: &str) -> Result<bool> {
        self.at(path, "look for", || Ok(self.kind(path)?.is_some()))
    }

    /// Whether there is a directory at `path`.
    pub fn is_directory(&self, path: &str) -> Result<bool> {
        self.at(path, "look for", || Ok(self.kind(path)? == Some(SFlag::S_IFDIR)))
    }

    /// Makes sure that there is a plain file at `path`; a symbolic link in its place goes.
    pub fn touch(&self, path: &str) -> Result<()> {
        match self.at(path, "look for", || self.kind(path))? {
            Some(kind) if kind == SFlag::S_IFREG => Ok(()),
            Some(kind) if kind == SFlag::S_IFDIR => Err(Error::Unexpected {
                what: format!("{}{path}", self.directory.display()),
                why: "it is not a file".to_owned(),
            }),
            _ => self.write(path, b"", 0o644),
        }
    }

    /// Removes files; those that are not there are fine. `*` in the last component stands for any text.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.at(path, "remove", || {
            let Some(place) = absent_is_none(self.place(path, false))? else { return Ok(()) };
            let pattern = place.name.to_string_lossy().into_owned();
            let Some((before, after)) = pattern.split_once('*') else { return remove_at(&place) };
            let mut directory = Dir::from_fd(place.directory.try_clone()?)?;
            let names: Vec<_> = directory
                .iter()
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .filter(|name| {
                    name.len() >= before.len() + after.len()
                        && name.starts_with(before)
                        && name.ends_with(after)
                        && !matches!(name.as_str(), "." | "..")
                })
                .collect();
            for name in names {
                remove_at(&Place { directory: place.directory.try_clone()?, name: name.into() })?;
            }
            Ok(())
        })
    }

    /// Makes sure that there is a directory at `path`, below directories that exist.
    pub fn make_directory(&self, path: &str) -> Result<()> {
        self.at(path, "make", || {
            let place = self.place(path, false)?;
            enter(&place.directory, &place.name, true).map(drop)
        })
    }

    /// Removes an empty directory; one that is not there is fine.
    pub fn remove_directory(&self, path: &str) -> Result<()> {
        self.at(path, "remove", || {
            let Some(place) = absent_is_none(self.place(path, false))? else { return Ok(()) };
            match unlinkat(&place.directory, place.name.as_os_str(), UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => Ok(()),
                Err(e) => Err(e.into()),
            }
        })
    }

    /// Renames a file within its directory.
    pub fn rename(&self, path: &str, to: &str) -> Result<()> {
        self.at(path, "rename", || {
            let place = self.place(path, false)?;
            Ok(renameat(&place.directory, place.name.as_os_str(), &place.directory, to)?)
        })
    }

    /// Listens on a Unix socket at `path`, in place of what is there, making directories on the way. Only who may be root in
    /// the zone can connect.
    pub fn listen(&self, path: &str) -> Result<UnixListener> {
        /// The process has one working directory, and the name of a socket may be no longer than about a hundred bytes.
        static WORKING_DIRECTORY: Mutex<()> = Mutex::new(());
        self.at(path, "listen on", || {
            let place = self.place(path, true)?;
            remove_at(&place)?;
            let _alone = WORKING_DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner);
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let before = open(".", flags, Mode::empty())?;
            fchdir(&place.directory)?;
            let listener = UnixListener::bind(&place.name);
            fchdir(&before)?;
            listener
        })
    }

    fn kind(&self, path: &str) -> io::Result<Option<SFlag>> {
        let Some(place) = absent_is_none(self.place(path, false))? else { return Ok(None) };
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        match fstatat(&place.directory, place.name.as_os_str(), flags) {
            Ok(stat) => Ok(Some(SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn at<T>(&self, path: &str, what: &str, run: impl FnOnce() -> io::Result<T>) -> Result<T> {
        run().map_err(|e| Error::io(format!("cannot {what} {}{path}", self.directory.display()), e))
    }

    /// Opens the directories on the way one by one.
    fn place(&self, path: &str, make: bool) -> io::Result<Place> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let mut directory = open(&self.directory, flags, Mode::empty())?;
        let mut names: Vec<&OsStr> = Path::new(path)
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        let Some(last) = names.pop() else { return Err(io::ErrorKind::InvalidInput.into()) };
        for name in names {
            directory = enter(&directory, name, make)?;
        }
        Ok(Place { directory, name: last.to_owned() })
    }
}

fn enter(directory: &impl AsFd, name: &OsStr, make: bool) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::ENOENT) if make => {
            mkdirat(directory, name, Mode::from_bits_truncate(0o755))?;
            Ok(openat(directory, name, flags, Mode::empty())?)
        }
        Err(Errno::ELOOP | Errno::ENOTDIR) => Err(io::Error::other(format!(
            "{} is not a directory (links are not followed)",
            name.to_string_lossy()
        ))),
        other => Ok(other?),
    }
}

fn remove_at(place: &Place) -> io::Result<()> {
    match unlinkat(&place.directory, place.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn writes_reads_and_removes_below_the_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(dir.path().join("zone/etc")).unwrap();
        let zone = ZoneRoot::new(&Root::new(dir.path()), "/zone");
        zone.write("/etc/a/nodename", b"j1\n", 0o644).unwrap();
        assert_eq!(zone.read("/etc/a/nodename").unwrap().as_deref(), Some("j1\n"));
        assert_eq!(zone.read("/no/such").unwrap(), None);
        // A link in a file's place is replaced, one on the way refused.
        std::fs::write(outside.join("secret"), "s").unwrap();
        symlink(outside.join("secret"), dir.path().join("zone/etc/link")).unwrap();
        zone.write("/etc/link", b"new", 0o644).unwrap();
        symlink(&outside, dir.path().join("zone/way")).unwrap();
        let error = zone.write("/way/secret", b"x", 0o644).unwrap_err().to_string();
        assert!(error.contains("links are not followed"), "{error}");
        assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "s");
        zone.write("/log/a.log", b"", 0o644).unwrap();
        zone.write("/log/b.txt", b"", 0o644).unwrap();
        zone.remove("/log/*.log").unwrap();
        assert!(!zone.exists("/log/a.log").unwrap() && zone.exists("/log/b.txt").unwrap());
        zone.rename("/log/b.txt", "c.txt").unwrap();
        assert!(zone.exists("/log/c.txt").unwrap());
    }

    #[test]
    fn touching_keeps_files_and_replaces_links() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("zone")).unwrap();
        let zone = ZoneRoot::new(&Root::new(dir.path()), "/zone");
        zone.write("/kept", b"text", 0o600).unwrap();
        zone.touch("/kept").unwrap();
        assert_eq!(zone.read("/kept").unwrap().as_deref(), Some("text"));
        symlink("/kept", dir.path().join("zone/link")).unwrap();
        zone.touch("/link").unwrap();
        assert_eq!(zone.read("/link").unwrap().as_deref(), Some(""));
    }
}
