//! Ctrl-C and termination: a flag that tool runs and plans look at, so that what was begun is undone, not cut off.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static SHIELDS: AtomicUsize = AtomicUsize::new(0);

fn flag() -> &'static Arc<AtomicBool> {
    FLAG.get_or_init(Arc::default)
}

/// Takes SIGINT, SIGTERM and SIGHUP as requests to stop in good order. Programs that change something call it once
/// before they begin; without it the signals end the program as usual.
pub fn handle() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag()))?;
    }
    Ok(())
}

/// Whether a stop was asked for and no [`Shield`] holds it off.
pub fn requested() -> bool {
    SHIELDS.load(Ordering::Relaxed) == 0 && flag().load(Ordering::Relaxed)
}

/// Waits that long, or until a stop is asked for or nobody can read any more what is written to `output`; true where
/// nobody can.
pub fn wait(output: impl AsFd, time: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(output.as_fd(), PollFlags::empty())];
    match poll(&mut fds, PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// While it lives, [`requested`] says no: undoing runs to its end whatever the operator types.
#[derive(Debug)]
pub struct Shield(());

impl Shield {
    /// Holds requests off until the value is dropped.
    pub fn new() -> Self {
        SHIELDS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Default for Shield {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        SHIELDS.fetch_sub(1, Ordering::Relaxed);
    }
}
