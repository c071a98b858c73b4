//! bhyvectl(8): control of a running bhyve VM, named `SYSbhyve-DEBUGID` on SmartOS and as its zone on OmniOS.

use anyhow::Result;

use crate::ctx::Ctx;
use crate::zones::{live, zoneadm, zoneadmd};

/// What a guest that does nothing has been counted for, in bhyvectl's form.
const STATISTICS: &str = "vcpu0 stats:\n\
    total number of vm exits                \t4711\n\
    vm exits due to nested page fault       \t12\n\
    number of NMIs delivered to vcpu        \t0\n";

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let Some(vm) = arguments.iter().find_map(|argument| argument.strip_prefix("--vm=")) else {
        eprintln!("Usage: bhyvectl --vm=<vmname>");
        return Ok(1);
    };
    let zones = live::current(ctx)?;
    let debugid: Option<u32> = vm.strip_prefix("SYSbhyve-").and_then(|id| id.parse().ok());
    let is_smartos = zoneadm::is_smartos(ctx);
    let is_named = |name: &str, of_zone: Option<u32>| {
        if is_smartos { debugid.is_some() && of_zone == debugid } else { name == vm }
    };
    let running = zones.live.iter().find(|(name, zone)| {
        zone.brand == "bhyve" && zone.pid.is_some() && is_named(name, zone.debugid)
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
        if has("--get-stats") {
            print!("{STATISTICS}");
        }
        Ok(0)
    }
}
