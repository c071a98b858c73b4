//! DTrace probes around tool runs, plan steps and the stages of an import; nothing at all on systems without them.
//!
//! `dtrace -Z -n 'zonekit*:::tool-done { printf("%s %d us", copyinstr(arg0), arg2); }'`; all are in vmadm(8).

use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

// A probe is an instruction of inline assembly whose address is on record.
#[allow(unsafe_code)]
mod sites;

pub use sites::{step_done, step_start};

/// What is called when a tool has ended, with what the probe `tool-done` is given.
type Observer = fn(&str, i32, Duration);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Has a function called whenever a tool has ended, with its command as typed (never its input), the exit status (-1 for
/// a signal or none) and the time that it took. The first one stays.
pub fn observe(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

/// Makes the probes known to DTrace; a program calls it once at start.
pub fn register() {
    // Without DTrace's kernel module (as in a zone) there is nobody to tell.
    #[cfg(target_os = "illumos")]
    let _ = usdt::register_probes();
}

/// Does one stage of an image's import between two probes: `stage-start` with the stage and the image's UUID,
/// `stage-done` with those and whether it failed.
pub fn stage<T, E>(stage: &str, image: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    sites::stage_start(stage, image);
    let result = work();
    sites::stage_done(stage, image, result.is_err());
    result
}

/// The run of a tool, between two probes: `tool-start` with the command as typed (never its input) when it begins,
/// `tool-done` with that, the exit status (-1 for a signal or none) and the microseconds it took when this is dropped.
#[derive(Debug)]
pub struct ToolRun {
    command: String,
    started: Instant,
    status: i32,
}

impl ToolRun {
    /// The tool is about to be started.
    pub fn begin(command: &str) -> Self {
        sites::tool_start(command);
        Self { command: command.to_owned(), started: Instant::now(), status: -1 }
    }

    /// The tool ended so.
    pub fn ended(&mut self, status: ExitStatus) {
        self.status = status.code().unwrap_or(-1);
    }

    /// How long it has been running.
    pub fn took(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for ToolRun {
    fn drop(&mut self) {
        let took = self.took();
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        sites::tool_done(&self.command, self.status, microseconds);
        if let Some(observer) = OBSERVER.get() {
            observer(&self.command, self.status, took);
        }
    }
}
