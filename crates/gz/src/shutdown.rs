//! Zones that go down or reboot because they are told to from within.

use std::time::Duration;

use crate::plan::wait_for;
use crate::root::Root;
use crate::tool::{Error, Result, Tool};
use crate::zoneadm;

/// `zlogin`: a command in a running zone.
pub fn zlogin<'a>(root: &'a Root, zone: &str, command: &[String]) -> Tool<'a> {
    root.tool("/usr/sbin/zlogin").arg(zone).args(command)
}

/// Whether a zone is not running, nor on its way up or down.
pub fn is_down(root: &Root, uuid: &str) -> Result<bool> {
    Ok(zoneadm::find(root, uuid)?.is_none_or(|zone| zone.state == "installed"))
}

/// Runs the command that shuts the zone down and gives it `limit` for that, then halts it; at once where the command
/// cannot be run, as there is nothing to wait for.
pub fn down(
    root: &Root,
    uuid: &str,
    zone: &str,
    command: &[String],
    limit: Duration,
) -> Result<()> {
    match tell(root, uuid, zone, command)? {
        Told::Yes => await_down(root, uuid, limit),
        Told::No(why) => {
            log::warn!("halting {uuid}: {why}");
            zoneadm::halt(root, uuid).map(drop)
        }
    }
}

/// Waits until the zone is down; halts it where that takes longer than `limit`.
pub fn await_down(root: &Root, uuid: &str, limit: Duration) -> Result<()> {
    if wait_for(limit, || is_down(root, uuid))? {
        return Ok(());
    }
    zoneadm::halt(root, uuid).map(drop)
}

/// Runs the command that reboots the zone and waits until it runs as another instance than that with the id `zone_id`.
pub fn reboot(
    root: &Root,
    uuid: &str,
    zone: &str,
    command: &[String],
    zone_id: Option<u32>,
    limit: Duration,
) -> Result<()> {
    if let Told::No(why) = tell(root, uuid, zone, command)? {
        return Err(why);
    }
    let up = wait_for(limit, || {
        let zone = zoneadm::find(root, uuid)?;
        Ok(zone.is_some_and(|zone| zone.state == "running" && zone.id != zone_id))
    })?;
    if up {
        return Ok(());
    }
    Err(Error::Unexpected {
        what: format!("the state of zone {uuid}"),
        why: "timed out waiting for zone to reboot".to_owned(),
    })
}

/// Whether the zone has heard what it is to do.
enum Told {
    Yes,
    No(Error),
}

/// Runs the command in the zone. That zlogin fails says little, as a zone that goes down takes it along.
fn tell(root: &Root, uuid: &str, zone: &str, command: &[String]) -> Result<Told> {
    match zlogin(root, zone, command).run() {
        Ok(_) => Ok(Told::Yes),
        Err(error) if never_ran(&error) && is_running(root, uuid)? => Ok(Told::No(error)),
        Err(error @ Error::Failed { .. }) => {
            log::info!("{error}");
            Ok(Told::Yes)
        }
        Err(error) => Err(error),
    }
}

fn is_running(root: &Root, uuid: &str) -> Result<bool> {
    Ok(zoneadm::find(root, uuid)?.is_some_and(|zone| zone.state == "running"))
}

/// Whether the zone's shell has not found the program, or could not run it, or zlogin could not enter the zone: it names
/// itself in front of its own errors only.
fn never_ran(error: &Error) -> bool {
    const NOT_RUN: [i32; 2] = [126, 127];
    let Error::Failed { status, stderr, .. } = error else { return false };
    status.code().is_some_and(|code| NOT_RUN.contains(&code))
        || stderr.lines().any(|line| line.starts_with("zlogin: "))
}
