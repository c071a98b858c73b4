//! DTrace probes around tool runs, plan steps and the stages of an import; nothing at all on systems without them.
//!
//! `dtrace -n 'zonekit*:::tool-done { printf("%s %d us", copyinstr(arg0), arg2); }'`
//!
//! DTrace finds them in programs that were built on illumos: in those built elsewhere for illumos, the macros put them
//! where the building system's tracer would look.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

#[cfg(target_os = "illumos")]
// The probe sites that the macros expand to are single instructions of inline assembly.
#[allow(unsafe_code)]
mod sites {
    #[usdt::provider(provider = "zonekit")]
    mod zonekit {
        fn tool__start(command: &str) {}
        fn tool__done(command: &str, status: i32, microseconds: u64) {}
        fn step__start(step: &str) {}
        fn step__done(step: &str, failed: u8) {}
        fn stage__start(stage: &str, image: &str) {}
        fn stage__done(stage: &str, image: &str, failed: u8) {}
    }

    pub fn register() {
        // Without DTrace's kernel module (as in a zone) there is nobody to tell.
        let _ = usdt::register_probes();
    }

    pub fn tool_start(command: &str) {
        zonekit::tool__start!(|| command);
    }

    pub fn tool_done(command: &str, status: i32, microseconds: u64) {
        zonekit::tool__done!(|| (command, status, microseconds));
    }

    pub fn step_start(step: &str) {
        zonekit::step__start!(|| step);
    }

    pub fn step_done(step: &str, failed: bool) {
        zonekit::step__done!(|| (step, u8::from(failed)));
    }

    pub fn stage_start(stage: &str, image: &str) {
        zonekit::stage__start!(|| (stage, image));
    }

    pub fn stage_done(stage: &str, image: &str, failed: bool) {
        zonekit::stage__done!(|| (stage, image, u8::from(failed)));
    }
}

#[cfg(not(target_os = "illumos"))]
mod sites {
    pub fn register() {}
    pub fn tool_start(_command: &str) {}
    pub fn tool_done(_command: &str, _status: i32, _microseconds: u64) {}
    pub fn step_start(_step: &str) {}
    pub fn step_done(_step: &str, _failed: bool) {}
    pub fn stage_start(_stage: &str, _image: &str) {}
    pub fn stage_done(_stage: &str, _image: &str, _failed: bool) {}
}

/// Makes the probes known to DTrace; a program calls it once at start.
pub use sites::register;
/// Fires after a plan's step: its text, and whether it failed.
pub use sites::step_done;
/// Fires before a plan's step runs: its text as `--dry-run` prints it.
pub use sites::step_start;

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
        let microseconds = u64::try_from(self.took().as_micros()).unwrap_or(u64::MAX);
        sites::tool_done(&self.command, self.status, microseconds);
    }
}
