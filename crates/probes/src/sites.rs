//! The probes of the provider `zonekit`. Elsewhere than on illumos only the tests of this crate have them.

/// Declares functions that fire probes: the function, the probe's name, its arguments.
macro_rules! probes {
    ($($(#[$doc:meta])* $function:ident = $name:literal ($($argument:ident: $kind:tt),+);)+) => {$(
        $(#[$doc])*
        // Called, so that the probe is in one place of a program however often it is fired.
        #[inline(never)]
        pub fn $function($($argument: rust_type!($kind)),+) {
            fire!($name, $($argument: $kind),+);
        }
    )+};
}

macro_rules! rust_type {
    (str) => {
        &str
    };
    ($number:tt) => {
        $number
    };
}

#[cfg(all(target_arch = "x86_64", any(target_os = "illumos", all(test, target_os = "linux"))))]
#[macro_use]
mod asm;

#[cfg(not(all(
    target_arch = "x86_64",
    any(target_os = "illumos", all(test, target_os = "linux"))
)))]
macro_rules! fire {
    ($name:literal, $($argument:ident: $kind:tt),+) => {
        let _ = ($($argument,)+);
    };
}

probes! {
    /// A tool is about to run: the command as typed.
    tool_start = "tool-start" (command: str);
    /// A tool ended: the command as typed, the exit status (-1 for a signal or none), the microseconds it took.
    tool_done = "tool-done" (command: str, status: i32, microseconds: u64);
    /// A step of a plan is about to run: its text as `--dry-run` prints it.
    step_start = "step-start" (step: str);
    /// A step of a plan ended: its text, and whether it failed.
    step_done = "step-done" (step: str, failed: bool);
    /// A stage of an image's import begins: its name, the image's UUID.
    stage_start = "stage-start" (stage: str, image: str);
    /// A stage of an image's import ended: its name, the image's UUID, and whether it failed.
    stage_done = "stage-done" (stage: str, image: str, failed: bool);
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests {
    use super::*;

    /// What the usdt crate reads in a program, as DTrace would name it.
    fn read(program: &std::path::Path) -> Vec<String> {
        let sections = usdt::probe_records(program).expect("the records are well-formed");
        let providers = sections.iter().flat_map(|section| section.providers.values());
        providers
            .flat_map(|provider| {
                provider.probes.values().map(|probe| {
                    // One place where it is asked whether the probe is traced, one where it fires.
                    assert_eq!(
                        (probe.enabled_offsets.len(), probe.offsets.len()),
                        (1, 1),
                        "{}",
                        probe.name
                    );
                    format!("{}:{}({})", provider.name, probe.name, probe.arguments.join(", "))
                })
            })
            .collect()
    }

    #[test]
    fn untraced_probes_do_nothing_and_are_on_record() {
        tool_start("/usr/sbin/zfs list");
        tool_done("/usr/sbin/zfs list", -1, u64::MAX);
        step_start("create");
        step_done("create", true);
        stage_start("stream", "uuid");
        stage_done("stream", "uuid", false);
        assert_eq!(
            read(&std::env::current_exe().expect("the test is a program")),
            [
                "zonekit:stage-done(char*, char*, uint8_t)",
                "zonekit:stage-start(char*, char*)",
                "zonekit:step-done(char*, uint8_t)",
                "zonekit:step-start(char*)",
                "zonekit:tool-done(char*, int32_t, uint64_t)",
                "zonekit:tool-start(char*)",
            ]
        );
    }
}
