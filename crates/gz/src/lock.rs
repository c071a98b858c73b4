//! Advisory locks: one writer a VM, one import an image, one choice of addresses. Held by an open file, so that a crash lets go of them.

use std::fs::{File, OpenOptions};
use std::path::Path;
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
    if let Some(parent) = path.parent() {
        files::make_directory(parent)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::io(format!("cannot open lock file {}", path.display()), e))?;
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => return Ok(Lock { _file: file }),
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => {
                return Err(Error::io(format!("cannot lock {}", path.display()), errno.into()));
            }
        }
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        if Instant::now() >= deadline {
            return Err(Error::Locked(format!("{what} is being changed by another command")));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_waits_and_then_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let held = vm(&root, "u1", Duration::ZERO).unwrap();
        let error = vm(&root, "u1", Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.to_string(), "VM u1 is being changed by another command");
        vm(&root, "u2", Duration::ZERO).unwrap();
        drop(held);
        vm(&root, "u1", Duration::ZERO).unwrap();
    }
}
