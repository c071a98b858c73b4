//! The zones that the simulated kernel holds: ready and running ones, each running one with a real process as its
//! init.
//!
//! Nothing watches these processes. Whoever looks at the zones finds an init that has ended: a brand that restarts its
//! init gets a new one, any other zone has halted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use zonecfg::Zone;

use crate::ctx::Ctx;
use crate::net;
use crate::state;
use crate::tools::mount;
use crate::zones::{monitor, presence, qemu, qmp, zoneadm};

/// Name of the state file.
const NAME: &str = "zones";

/// State of a zone that the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    Ready,
    Running,
    ShuttingDown,
}

/// A value of a resource control of a running zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub limit: u64,
    pub action: String,
}

/// One ready or running zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    pub id: u32,
    pub state: LiveState,
    /// The init process; none while ready.
    pub pid: Option<i32>,
    /// When the process began, as the system tells it: a process with the same number and another time is not ours.
    pub started: Option<String>,
    /// Seconds since 1970.
    pub boot_time: u64,
    pub init_restarts: u32,
    pub brand: String,
    pub zonepath: String,
    pub debugid: Option<u32>,
    /// Privileged values of the resource controls, in bytes or counts.
    pub rctls: BTreeMap<String, Limit>,
}

/// All zones that the kernel knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Zones {
    pub last_id: u32,
    pub live: BTreeMap<String, Live>,
}

/// The zones as they are now; zones whose init has ended are brought up to date first.
pub fn current(ctx: &Ctx) -> Result<Zones> {
    let zones: Zones = state::read(ctx, NAME)?;
    if zones.live.values().all(init_runs) {
        return Ok(zones);
    }
    change(ctx, |_| Ok(()))?;
    state::read(ctx, NAME)
}

/// Changes the zones under their lock, after bringing them up to date.
pub fn change<R>(ctx: &Ctx, change: impl FnOnce(&mut Zones) -> Result<R>) -> Result<R> {
    state::update(ctx, NAME, |zones: &mut Zones| {
        settle(ctx, zones)?;
        change(zones)
    })
}

/// Makes a zone ready: gives it zoneadmd's door, an ID, its resource controls and its datalinks.
pub fn make_ready(ctx: &Ctx, zones: &mut Zones, config: &Zone) -> Result<()> {
    presence::attach_door(ctx, config.name())?;
    net::links::add_zone(ctx, config)?;
    enter(zones, config);
    Ok(())
}

/// Gives a zone an ID and its resource controls.
pub fn enter(zones: &mut Zones, config: &Zone) {
    zones.last_id += 1;
    let live = Live {
        id: zones.last_id,
        state: LiveState::Ready,
        pid: None,
        started: None,
        boot_time: 0,
        init_restarts: 0,
        brand: config.brand().unwrap_or_default().to_owned(),
        zonepath: config.zonepath().to_owned(),
        debugid: config.debugid(),
        rctls: limits(config),
    };
    zones.live.insert(config.name().to_owned(), live);
}

/// Starts the init of a ready zone.
pub fn start_init(ctx: &Ctx, zones: &mut Zones, name: &str) -> Result<()> {
    let Some(zone) = zones.live.get_mut(name) else { return Ok(()) };
    let (pid, started) = spawn_init(ctx, name, zone)?;
    zone.pid = Some(pid);
    zone.started = started;
    zone.boot_time = now().as_secs();
    zone.state = LiveState::Running;
    Ok(())
}

/// Makes the process of another zone the init of a ready zone.
pub fn share_init(zones: &mut Zones, name: &str, other: &Live) {
    if let Some(zone) = zones.live.get_mut(name) {
        zone.pid = other.pid;
        zone.started.clone_from(&other.started);
        zone.boot_time = other.boot_time;
        zone.state = LiveState::Running;
    }
}

/// Takes a zone down: kills its init, removes its mounts and datalinks and notes when it ended. `status` is that of
/// its init, -1 where the zone was halted or shut down.
pub fn take_down(ctx: &Ctx, zones: &mut Zones, name: &str, status: i32) -> Result<()> {
    let Some(zone) = zones.live.remove(name) else { return Ok(()) };
    if let Some(pid) = zone.pid {
        if init_runs(&zone) {
            // It may end by itself in between.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        presence::hide_process(ctx, pid)?;
    }
    mount::forget_below(ctx, &format!("{}/root", zone.zonepath))?;
    net::links::remove_zone(ctx, name)?;
    presence::detach_door(ctx, name)?;
    if zone.pid.is_some() {
        let time = now();
        let text = format!("{}.{:09} {status}\n", time.as_secs(), time.subsec_nanos());
        // The zone path may be gone already.
        let _ = fs::write(ctx.path(&zone.zonepath).join("lastexited"), text);
    }
    Ok(())
}

/// Presses the power button of a zone's guest, whose process is the zone's init, and waits at most `limit` for its end.
/// Gives whether it has ended.
pub fn power_down(ctx: &Ctx, name: &str, limit: Duration) -> Result<bool> {
    let Some(zone) = current(ctx)?.live.remove(name) else { return Ok(false) };
    let Some(pid) = zone.pid else { return Ok(false) };
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    let begun = Instant::now();
    while init_runs(&zone) && begun.elapsed() < limit {
        thread::sleep(Duration::from_millis(20));
    }
    Ok(!init_runs(&zone))
}

/// Whether the brand starts its init anew when it ends, as its config.xml says (`restartinit`, true by default).
fn restarts_init(brand: &str) -> bool {
    !matches!(brand, "lx" | "bhyve" | "kvm")
}

fn settle(ctx: &Ctx, zones: &mut Zones) -> Result<()> {
    let ended: Vec<String> = zones
        .live
        .iter()
        .filter(|(_, zone)| !init_runs(zone))
        .map(|(name, _)| name.clone())
        .collect();
    for name in ended {
        let Some(zone) = zones.live.get_mut(&name) else { continue };
        let root_is_there = ctx.path(&zone.zonepath).join("root").is_dir();
        if let Some(pid) = zone.pid {
            presence::hide_process(ctx, pid)?;
        }
        if restarts_init(&zone.brand) && zone.state == LiveState::Running && root_is_there {
            let (pid, started) = spawn_init(ctx, &name, zone)?;
            zone.pid = Some(pid);
            zone.started = started;
            zone.init_restarts += 1;
        } else {
            take_down(ctx, zones, &name, 0)?;
        }
    }
    Ok(())
}

/// Whether the zone's init is there; true for a zone that has none yet.
fn init_runs(zone: &Live) -> bool {
    zone.pid.is_none_or(|pid| process_start(pid) == Started::At(zone.started.clone()))
}

#[derive(Debug, PartialEq, Eq)]
enum Started {
    /// The process is there; its start time where the system has a `/proc/PID/stat`.
    At(Option<String>),
    /// No such process, or one that has ended and waits for its parent.
    Gone,
}

fn process_start(pid: i32) -> Started {
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The program name in parentheses may hold anything; the fields after it are state (the first) and start time
        // (the twentieth).
        let fields: Vec<&str> =
            text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        return match (fields.first(), fields.get(19)) {
            (Some(&("Z" | "X")) | None, _) => Started::Gone,
            (_, time) => Started::At(time.map(|time| (*time).to_owned())),
        };
    }
    if kill(Pid::from_raw(pid), None).is_ok() { Started::At(None) } else { Started::Gone }
}

fn spawn_init(ctx: &Ctx, name: &str, zone: &Live) -> Result<(i32, Option<String>)> {
    if zone.brand == "kvm"
        && zoneadm::is_smartos(ctx)
        && let Some((pid, started)) = spawn_qemu(ctx, &zone.zonepath)?
    {
        presence::show_process(ctx, pid)?;
        return Ok((pid, started));
    }
    let program = std::env::current_exe().context("cannot find the gzsim program")?;
    let mut command = Command::new(program);
    command.arg("zone-init").arg(ctx.root()).args([name, &zone.zonepath, &zone.brand]);
    let child = spawn(command.current_dir("/")).context("cannot start the zone's init")?;
    let pid = i32::try_from(child.id()).context("a process number")?;
    if zone.brand == "kvm" {
        let socket = if zoneadm::is_smartos(ctx) { qmp::SOCKET } else { monitor::SOCKET };
        qmp::await_socket(&ctx.path(&zone.zonepath).join("root"), socket);
    }
    let started = match process_start(pid) {
        Started::At(time) => time,
        Started::Gone => None,
    };
    presence::show_process(ctx, pid)?;
    Ok((pid, started))
}

/// A real qemu as the init; none where there is none to be had.
fn spawn_qemu(ctx: &Ctx, zonepath: &str) -> Result<Option<(i32, Option<String>)>> {
    let Some(mut command) = qemu::command(ctx, zonepath) else { return Ok(None) };
    let Ok(mut child) = spawn(&mut command) else { return Ok(None) };
    qemu::start_guest(ctx, zonepath).context("cannot start the guest")?;
    let is_up = qmp::await_socket(&ctx.path(zonepath).join("root"), qmp::SOCKET);
    let pid = i32::try_from(child.id()).context("a process number")?;
    match process_start(pid) {
        Started::At(time) if is_up => Ok(Some((pid, time))),
        // It cannot run with these arguments: the stand-in can.
        _ => {
            let _ = child.kill();
            child.wait()?;
            Ok(None)
        }
    }
}

/// Starts a process that outlives this one.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn limits(config: &Zone) -> BTreeMap<String, Limit> {
    config
        .rctls()
        .filter_map(|rctl| {
            let value = rctl.values.first()?;
            let limit = value.limit.parse().ok()?;
            Some((rctl.name.clone(), Limit { limit, action: value.action.clone() }))
        })
        .collect()
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = i32::try_from(std::process::id()).expect("a process number");
        assert!(matches!(process_start(own), Started::At(_)));
        let mut child = Command::new("true").spawn().expect("true(1)");
        let pid = i32::try_from(child.id()).expect("a process number");
        child.wait().expect("the child above");
        assert_eq!(process_start(pid), Started::Gone);
    }
}
