//! Signals to processes that a test has started, without kill(1), which not every machine has.

use nix::sys::signal::kill;
use nix::unistd::Pid;

pub use nix::sys::signal::Signal;

/// Sends a signal to a process.
///
/// # Panics
/// Where there is no such process.
pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("the kernel's pids fit"));
    kill(pid, signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}
