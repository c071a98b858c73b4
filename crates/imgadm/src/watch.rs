//! Work that the operator need not wait for: it has a thread of its own, and the one that waits looks for interrupts.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::errors::{Error, Result};

/// How often whoever waits looks for an interrupt.
pub const TICK: Duration = Duration::from_millis(50);

/// Fails where the operator asked to stop.
pub fn check_interrupt() -> Result<()> {
    if gz::interrupt::requested() { Err(gz::Error::Interrupted.into()) } else { Ok(()) }
}

/// Does `work` in a thread of its own and gives what it gives. `tick` is called now and then while it runs: its error
/// is the result, and the work is left to itself once it has had `last_words` to come to its end.
pub fn aside<T, E>(
    work: impl FnOnce() -> std::result::Result<T, E> + Send + 'static,
    last_words: Duration,
    tick: &mut dyn FnMut() -> Result<()>,
) -> std::result::Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more where it was given up.
        let _ = sender.send(work());
    });
    loop {
        match ended.recv_timeout(TICK) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("a thread ended without a word").into());
            }
        }
        if let Err(error) = tick() {
            let _ = ended.recv_timeout(last_words);
            return Err(error.into());
        }
    }
}
