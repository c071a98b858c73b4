//! The init process of a running zone: finishes provisioning and then waits for its end.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::libc::SIGTERM;

use crate::ctx::Ctx;
use crate::fault::parse_duration;
use crate::zones::ports;
use crate::zones::qmp::{self, Button};
use crate::zones::{monitor, zoneadm};

/// How often init looks whether its zone is still there.
const TICK: Duration = Duration::from_millis(500);

/// How often it looks for a signal, where it does not end at once.
const SHORT_TICK: Duration = Duration::from_millis(20);

/// When something is to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    At(Instant),
    Never,
}

impl When {
    /// The time that a setting asks for from now; at once where it is not set, never where it is no time (`never`).
    pub(super) fn from_setting(text: Option<&str>) -> Self {
        match text.map_or(Some(Duration::ZERO), parse_duration) {
            Some(delay) => Self::At(Instant::now() + delay),
            None => Self::Never,
        }
    }

    pub(super) fn is_due(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    pub(super) fn remaining(self) -> Option<Duration> {
        match self {
            Self::At(time) => Some(time.saturating_duration_since(Instant::now())),
            Self::Never => None,
        }
    }
}

/// Runs as the init of a zone until it is killed or the zone's root directory is gone; the zone's brand decides what
/// the end of its init means. A kvm zone's init is its qemu, with a QMP socket (on OmniOS a monitor), a bhyve
/// zone's is bhyve; both have serial ports and a VNC server.
///
/// Settings when the zone boots:
/// - `GZSIM_PROVISION_DELAY`: time until provisioning is done (default none; `never`: not at all);
/// - `GZSIM_PROVISION_RESULT`: `success` or `failure`;
/// - `GZSIM_SHUTDOWN_DELAY`: time from SIGTERM or the power button to the end (default none; `never`: not heeded).
pub fn run(ctx: &Ctx, zonepath: &str, brand: &str) -> i32 {
    let path = ctx.path(zonepath);
    let shutdown = ctx.setting("GZSIM_SHUTDOWN_DELAY");
    let terminated = Arc::new(AtomicBool::new(false));
    // Without the setting SIGTERM has its default effect.
    let heeds_later =
        shutdown.is_some() && signal_hook::flag::register(SIGTERM, Arc::clone(&terminated)).is_ok();
    let (sender, buttons) = mpsc::channel();
    // Before the QMP socket, for which whoever boots the zone waits.
    ports::serve(&path.join("root"), brand);
    if brand == "kvm" {
        if zoneadm::is_smartos(ctx) {
            qmp::serve(&path.join("root"), sender.clone());
        } else {
            monitor::serve(&path.join("root"), sender.clone());
        }
    }
    let mut provisioned = When::from_setting(ctx.setting("GZSIM_PROVISION_DELAY").as_deref());
    let mut end = When::Never;
    loop {
        if provisioned.is_due() {
            provision(ctx, &path);
            provisioned = When::Never;
        }
        if end.is_due() || !path.join("root").is_dir() || !ctx.state("").is_dir() {
            return 0;
        }
        if terminated.swap(false, Ordering::Relaxed) {
            end = When::from_setting(shutdown.as_deref());
        }
        let tick = if heeds_later { SHORT_TICK } else { TICK };
        let wait = [provisioned.remaining(), end.remaining()]
            .into_iter()
            .flatten()
            .fold(tick, Duration::min);
        match buttons.recv_timeout(wait) {
            Ok(Button::Quit) => return 0,
            Ok(Button::Power) => end = When::from_setting(shutdown.as_deref()),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

/// Moves the file that vmadm watches, as the zone's mdata:execute service does.
pub(super) fn provision(ctx: &Ctx, zonepath: &Path) {
    let services = zonepath.join("root/var/svc");
    let result = match ctx.setting("GZSIM_PROVISION_RESULT").as_deref() {
        Some("failure") => "provision_failure",
        _ => "provision_success",
    };
    // Only a zone that is being provisioned has the file.
    let _ = fs::rename(services.join("provisioning"), services.join(result));
}
