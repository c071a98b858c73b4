//! Processes that a test has started: signals to them, and what they run, without kill(1) and ps(1), which not every
//! machine has.

use std::fs;

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

/// The command lines of a process's children, as Linux's /proc has them.
pub fn children(pid: u32) -> Vec<String> {
    let of_child = |directory: fs::DirEntry| {
        let stat = fs::read_to_string(directory.path().join("stat")).ok()?;
        // PID (NAME) STATE PARENT …, where the name may hold anything.
        let (_, after_name) = stat.rsplit_once(") ")?;
        let parent: u32 = after_name.split(' ').nth(1)?.parse().ok()?;
        let words = fs::read(directory.path().join("cmdline")).ok()?;
        (parent == pid).then(|| String::from_utf8_lossy(&words).replace('\0', " "))
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(of_child).collect()
}
