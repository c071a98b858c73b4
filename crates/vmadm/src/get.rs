//! `vmadm get`.

use gz::inventory::{self, Fields};
use manifest::Fields as _;

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome, print, tell};
use crate::commands::Command;
use crate::damage;

pub const COMMAND: Command = Command { names: &["get", "json"], syntax: Syntax::NONE, run };

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let vm = inventory::get(&call.root, &uuid, &Fields::all())?.ok_or_else(|| not_found(&uuid))?;
    let zonepath = vm.text("zonepath").unwrap_or_default();
    for (_, error) in damage::of(&call.root, zonepath) {
        tell(&format!("warning: {error}; shown as empty"));
    }
    print(&(manifest::json::pretty(&vm.into_value()) + "\n"))?;
    Ok(None)
}

/// Observed, and matched on by scripts: zoneadm's own words.
pub fn not_found(uuid: &str) -> Failure {
    Failure::new(format!("zoneadm: {uuid}: No such zone configured"))
}

/// Observed of commands that look a VM up before they do something to it.
pub fn gone() -> Failure {
    Failure::new("bad statusCode: 404")
}
