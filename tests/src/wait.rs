//! Waiting for what happens in its own time.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take: much more than it does where zfs commands take a fraction of a second, as in the
/// emulated machine of `ci/zfs-vm.sh`.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until the condition holds.
///
/// # Panics
/// Where it does not within [`PATIENCE`]; with `what`.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
