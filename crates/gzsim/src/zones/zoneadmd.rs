//! What zoneadmd(8) does for zoneadm: ready, boot, halt, reboot and shut down.

use std::time::Duration;

use anyhow::Result;
use zonecfg::index::ZoneState;

use crate::ctx::Ctx;
use crate::zones::live::{self, LiveState, Zones};
use crate::zones::{bhyve, table, zoneadm};

/// Asks zoneadmd for a change of state. What it has to say goes through `say` (zoneadm's stderr); the result is
/// zoneadm's exit code. The zone is at least configured.
pub fn call(ctx: &Ctx, zone: &str, command: Command, say: &dyn Fn(&str)) -> Result<i32> {
    let installed = table::row(ctx, zone)?.is_some_and(|row| row.state >= table::State::Installed);
    live::change(ctx, |zones| {
        match (zones.live.get(zone).map(|zone| zone.state), command) {
            (None, Command::Halt | Command::Shutdown) => {
                say("zone is already halted");
                Ok(0)
            }
            (None, _) if !installed => {
                say(&format!(
                    "{} operation is invalid for zones in state '{}'",
                    command.name(),
                    ZoneState::Configured
                ));
                Ok(1)
            }
            (None, Command::Reboot) => {
                say(&format!(
                    "reboot operation is invalid for zones in state '{}'",
                    ZoneState::Installed
                ));
                Ok(1)
            }
            (None, Command::Ready) => ready(ctx, zones, zone).map(|()| 0),
            (None, Command::Boot) => boot(ctx, zones, zone, say),
            (Some(LiveState::Ready), Command::Ready) => {
                say("zone is already ready");
                Ok(0)
            }
            (Some(LiveState::Ready), Command::Boot) => {
                live::start_init(ctx, zones, zone)?;
                Ok(0)
            }
            (Some(LiveState::Ready), Command::Reboot | Command::Shutdown) => {
                say(&format!("{} operation is invalid for zones in state 'ready'", command.name()));
                Ok(1)
            }
            (Some(_), Command::Halt | Command::Shutdown) => {
                live::take_down(ctx, zones, zone, -1)?;
                Ok(0)
            }
            (Some(_), Command::Ready) => {
                live::take_down(ctx, zones, zone, -1)?;
                ready(ctx, zones, zone)?;
                Ok(0)
            }
            // The second of two that boot a zone finds it as it wants it.
            (Some(_), Command::Boot) => {
                say("zone is already booted");
                Ok(0)
            }
            (Some(_), Command::Reboot) => {
                live::take_down(ctx, zones, zone, -1)?;
                boot(ctx, zones, zone, say)
            }
        }
    })
}

/// Does what OmniOS's bhyve brand does before a zone of its goes down (`support shutdown`, `support prestate`): it has the
/// guest power down, and waits. Gives what is left of the command: a zone that has gone down meanwhile is booted for a reboot.
pub fn prepared(ctx: &Ctx, zone: &str, brand: &str, command: Command) -> Result<Command> {
    let seconds = match command {
        Command::Shutdown => 300,
        Command::Halt | Command::Reboot => 1_800,
        Command::Ready | Command::Boot => return Ok(command),
    };
    if brand != "bhyve" || zoneadm::is_smartos(ctx) {
        return Ok(command);
    }
    let is_down = live::power_down(ctx, zone, Duration::from_secs(seconds))?;
    Ok(if is_down && command == Command::Reboot { Command::Boot } else { command })
}

/// Boots a zone that is down, unless its brand refuses.
fn boot(ctx: &Ctx, zones: &mut Zones, zone: &str, say: &dyn Fn(&str)) -> Result<i32> {
    let config = table::config(ctx, zone)?;
    if config.brand() == Some("bhyve")
        && zoneadm::is_smartos(ctx)
        && let Some(refusal) = bhyve::prepare(ctx, zone, config.zonepath())?
    {
        say(&refusal);
        return Ok(1);
    }
    ready(ctx, zones, zone)?;
    live::start_init(ctx, zones, zone)?;
    Ok(0)
}

/// Marks a running zone as shutting down.
pub fn begin_shutdown(ctx: &Ctx, zone: &str) -> Result<()> {
    live::change(ctx, |zones| {
        if let Some(zone) = zones.live.get_mut(zone) {
            zone.state = LiveState::ShuttingDown;
        }
        Ok(())
    })
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Ready,
    Boot,
    Halt,
    Reboot,
    Shutdown,
}

impl Command {
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Boot => "boot",
            Self::Halt => "halt",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
        }
    }
}

fn ready(ctx: &Ctx, zones: &mut Zones, zone: &str) -> Result<()> {
    live::make_ready(ctx, zones, &table::config(ctx, zone)?)
}
