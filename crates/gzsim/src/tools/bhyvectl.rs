//! bhyvectl(8): control of a running bhyve VM, named `SYSbhyve-DEBUGID`.

use anyhow::Result;

use crate::ctx::Ctx;
use crate::zones::live;
use crate::zones::zoneadmd;

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let Some(vm) = arguments.iter().find_map(|argument| argument.strip_prefix("--vm=")) else {
        eprintln!("Usage: bhyvectl --vm=<vmname>");
        return Ok(1);
    };
    let zones = live::current(ctx)?;
    let debugid: Option<u32> = vm.strip_prefix("SYSbhyve-").and_then(|id| id.parse().ok());
    let running = zones.live.iter().find(|(_, zone)| {
        zone.brand == "bhyve" && zone.pid.is_some() && debugid.is_some() && zone.debugid == debugid
    });
    let Some((zone, _)) = running else {
        eprintln!("VM:{vm} is not created.");
        return Ok(1);
    };
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let silent = |_: &str| {};
    if has("--destroy") || has("--force-poweroff") {
        zoneadmd::call(ctx, zone, zoneadmd::Command::Halt, &silent)
    } else if has("--force-reset") {
        zoneadmd::call(ctx, zone, zoneadmd::Command::Reboot, &silent)
    } else {
        Ok(0)
    }
}
