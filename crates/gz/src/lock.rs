//! Advisory locks: one writer a VM, one import an image, one choice of addresses. Held by an open file, so that a crash lets go of them.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::files;
use crate::interrupt;
use crate::root::Root;
use crate::tool::{Error, Result};

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

/// Takes the lock file at `path` (made where it is missing), waiting up to `patience` for another holder. `what` names
/// the thing locked, for the message: "VM 1234…".
pub fn acquire(path: &Path, what: &str, patience: Duration) -> Result<Lock> {
    let mut file = open(path)?;
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => {
                leave_name(&file);
                return Ok(Lock { _file: file });
            }
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => {
                return Err(Error::io(format!("cannot lock {}", path.display()), errno.into()));
            }
        }
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        if Instant::now() >= deadline {
            let who = name_in(path);
            return Err(Error::Locked(format!("{what} is being changed by {who}")));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        files::make_directory(parent)?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(|e| Error::io(format!("cannot open lock file {}", path.display()), e))
}

/// Writes into a lock file who this is: `vmadm stop (process 4711)`. Others need it for their messages only.
fn leave_name(file: &File) {
    let own = own_name();
    let written = file.set_len(0).and_then(|()| file.write_all_at(own.as_bytes(), 0));
    if let Err(error) = written {
        log::info!("cannot write to a lock file: {error}");
    }
}

/// This program and its command. The other arguments may be secrets.
fn own_name() -> String {
    let mut arguments = env::args_os();
    let program = arguments.next().map(PathBuf::from).unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let command = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .find(|argument| !argument.starts_with('-'))
        .map(|command| format!(" {command}"))
        .unwrap_or_default();
    format!("{program}{command} (process {})", std::process::id()).replace(char::is_control, "?")
}

/// Who has written into a lock file last.
fn name_in(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(name) if !name.is_empty() => name,
        _ => "another command".to_owned(),
    }
}

/// The lock of one VM, held for a whole plan. Readers never take it.
pub fn vm(root: &Root, uuid: &str, patience: Duration) -> Result<Lock> {
    let path = root.path(format!("/var/run/zonekit/vm.{uuid}.lock"));
    acquire(&path, &format!("VM {uuid}"), patience)
}

/// The lock of what no two VMs may have: addresses, router identifiers and VNC ports. Held from the look at the other VMs
/// until the zone's configuration shows what this one has. Whoever takes it holds the lock of a VM already.
pub fn addresses(root: &Root, patience: Duration) -> Result<Lock> {
    acquire(&root.path("/var/run/zonekit/addresses.lock"), "an address of a VM", patience)
}

/// Asks, as long as it lives, whoever has the lock of a VM and only waits for the VM to give way.
#[derive(Debug)]
pub struct Demand {
    _file: Flock<File>,
}

/// Where demands for a VM are made: at a file that those who make one have locked, so that a crash ends it.
pub(crate) fn demands(root: &Root, uuid: &str) -> PathBuf {
    root.path(format!("/var/run/zonekit/vm.{uuid}.demand"))
}

/// Makes a demand for a VM.
pub fn demand(root: &Root, uuid: &str) -> Result<Demand> {
    let path = demands(root, uuid);
    let mut file = open(&path)?;
    loop {
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(file) => {
                leave_name(&file);
                return Ok(Demand { _file: file });
            }
            // Somebody looks just now whether there is a demand.
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => {
                return Err(Error::io(format!("cannot lock {}", path.display()), errno.into()));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Who makes a demand at a file of [`demands`]; `None` where nobody does.
pub(crate) fn demanded(path: &Path) -> Option<String> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            log::warn!("cannot open {}: {error}", path.display());
            return None;
        }
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => Some(name_in(path)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_waits_and_then_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let held = vm(&root, "u1", Duration::ZERO).unwrap();
        let error = vm(&root, "u1", Duration::from_millis(20)).unwrap_err();
        let expected = format!("VM u1 is being changed by {}", own_name());
        assert_eq!(error.to_string(), expected);
        assert!(expected.ends_with(&format!(" (process {})", std::process::id())), "{expected}");
        vm(&root, "u2", Duration::ZERO).unwrap();
        drop(held);
        vm(&root, "u1", Duration::ZERO).unwrap();
    }

    #[test]
    fn a_demand_lasts_as_long_as_somebody_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let path = demands(&root, "u1");
        assert_eq!(demanded(&path), None);
        let (one, other) = (demand(&root, "u1").unwrap(), demand(&root, "u1").unwrap());
        assert_eq!(demanded(&path), Some(own_name()));
        assert_eq!(demanded(&demands(&root, "u2")), None);
        drop(one);
        assert_eq!(demanded(&path), Some(own_name()));
        drop(other);
        assert_eq!(demanded(&path), None);
    }
}
