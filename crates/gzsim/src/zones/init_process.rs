//! The init process of a running zone: finishes provisioning and then waits for its end.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::ctx::Ctx;
use crate::fault::parse_duration;

/// How often init looks whether its zone is still there.
const TICK: Duration = Duration::from_millis(500);

/// How provisioning inside the zone ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    Never,
}

/// Runs as the init of `zone` until it is killed or the zone's root directory is gone. Signals have their default
/// effect: the zone's brand decides what the end of its init means.
///
/// Settings: `GZSIM_PROVISION_DELAY` (time until provisioning is done, default none, `never`: not at all) and
/// `GZSIM_PROVISION_RESULT` (`success`, `failure`).
pub fn run(ctx: &Ctx, zonepath: &str) -> i32 {
    let path = ctx.path(zonepath);
    let begun = Instant::now();
    let (mut outcome, delay) = provisioning(ctx);
    if outcome != Outcome::Never && delay < TICK {
        thread::sleep(delay);
        provision(&path, outcome);
        outcome = Outcome::Never;
    }
    loop {
        thread::sleep(TICK);
        if !path.join("root").is_dir() || !ctx.state("").is_dir() {
            return 0;
        }
        if outcome != Outcome::Never && begun.elapsed() >= delay {
            provision(&path, outcome);
            outcome = Outcome::Never;
        }
    }
}

fn provisioning(ctx: &Ctx) -> (Outcome, Duration) {
    let outcome = match ctx.setting("GZSIM_PROVISION_RESULT").as_deref() {
        Some("failure") => Outcome::Failure,
        _ => Outcome::Success,
    };
    match ctx.setting("GZSIM_PROVISION_DELAY") {
        None => (outcome, Duration::ZERO),
        Some(text) => match parse_duration(&text) {
            Some(delay) => (outcome, delay),
            None => (Outcome::Never, Duration::ZERO),
        },
    }
}

/// Moves the file that vmadm watches, as the zone's mdata:execute service does.
fn provision(zonepath: &Path, outcome: Outcome) {
    let services = zonepath.join("root/var/svc");
    let result = match outcome {
        Outcome::Success => "provision_success",
        Outcome::Failure => "provision_failure",
        Outcome::Never => return,
    };
    // Only a zone that is being provisioned has the file.
    let _ = fs::rename(services.join("provisioning"), services.join(result));
}
