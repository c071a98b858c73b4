//! DTrace probes around tool runs and plan steps; nothing at all on systems without them.
//!
//! `dtrace -n 'zonekit*:::tool-done { printf("%s %d us", copyinstr(arg0), arg2); }'`

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
}

#[cfg(not(target_os = "illumos"))]
mod sites {
    pub fn register() {}
    pub fn tool_start(_command: &str) {}
    pub fn tool_done(_command: &str, _status: i32, _microseconds: u64) {}
    pub fn step_start(_step: &str) {}
    pub fn step_done(_step: &str, _failed: bool) {}
}

/// Makes the probes known to DTrace; programs that change something call it once at start.
pub use sites::register;
/// Fires after a plan's step: its text, and whether it failed.
pub use sites::step_done;
/// Fires before a plan's step runs: its text as `--dry-run` prints it.
pub use sites::step_start;
/// Fires after a tool ran: the command, its exit status (-1 for a signal) and the microseconds it took.
pub use sites::tool_done;
/// Fires before a tool runs: the command as typed, never its input.
pub use sites::tool_start;
