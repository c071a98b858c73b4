//! Ctrl-C and termination: a flag that tool runs and plans look at, so that what was begun is undone, not cut off. While
//! a plan waits for a VM, a command that goes by force is such a request too.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::lock;

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static SHIELDS: AtomicUsize = AtomicUsize::new(0);
static WAY: Mutex<Option<Way>> = Mutex::new(None);

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

/// Whether a stop was asked for and no [`Shield`] holds it off, or a wait has to give way to a command by force.
pub fn requested() -> bool {
    (SHIELDS.load(Ordering::Relaxed) == 0 && flag().load(Ordering::Relaxed)) || is_demanded()
}

/// Where demands are made, and who was found to make one.
struct Way {
    demands: PathBuf,
    to: Option<String>,
}

fn way() -> MutexGuard<'static, Option<Way>> {
    WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_demanded() -> bool {
    let mut way = way();
    let Some(way) = way.as_mut() else { return false };
    if way.to.is_none() {
        way.to = lock::demanded(&way.demands);
    }
    way.to.is_some()
}

/// Does `work`, in which [`requested`] says yes once another command demands what this one has locked, shielded or not.
/// Demands are looked for at `demands`, of [`lock::demands`]. Gives what `work` gives, and who made a demand, if any.
pub(crate) fn giving_way<T>(demands: PathBuf, work: impl FnOnce() -> T) -> (T, Option<String>) {
    *way() = Some(Way { demands, to: None });
    let done = work();
    let to = way().take().and_then(|way| way.to);
    (done, to)
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
