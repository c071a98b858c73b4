//! `vmadm links`: link properties that no brand sets, for VMs that vmadm has not started itself: those that came up with
//! the system, or were rebooted from within.

use std::io;
use std::time::Duration;

use gz::inventory::{Change, Watch};
use gz::{Root, interrupt};
use manifest::{Fields, VmObject};

use crate::change;
use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, tell};
use crate::commands::Command;
use crate::plan::links;

pub const COMMAND: Command = Command {
    names: &["links"],
    syntax: Syntax { types: &[("follow", Kind::Flag)], shorts: &[("f", &["--follow"])] },
    run,
};

/// How often the system is looked at.
const INTERVAL: Duration = Duration::from_millis(400);

fn run(mut call: Call) -> Outcome {
    change::only_smartos(&call.root, "links")?;
    let uuid = call.optional_uuid();
    interrupt::handle()?;
    let (mut watch, _) = Watch::start(&call.root, uuid.as_deref())?;
    if let Some(uuid) = &uuid
        && watch.vms().next().is_none()
    {
        return Err(Failure::new(format!("VM {uuid} not found")));
    }
    let mut failures = Vec::new();
    for vm in watch.vms().filter(|vm| is_running(vm)) {
        failures.extend(set(&call.root, vm).err());
    }
    if call.options.flag("follow") != Some(true) {
        return match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(None),
        };
    }
    failures.iter().for_each(say);
    while !interrupt::wait(io::stdout(), INTERVAL)? && !interrupt::requested() {
        let changes = match watch.look() {
            Ok(changes) => changes,
            Err(gz::Error::Interrupted) => break,
            Err(error) => {
                log::warn!("{error}");
                continue;
            }
        };
        for vm in changes.iter().filter_map(started) {
            if let Err(failure) = set(&call.root, vm) {
                say(&failure);
            }
        }
    }
    Ok(None)
}

/// The VM, if the change is that it was started.
fn started(change: &Change) -> Option<&VmObject> {
    match change {
        Change::Created(after) => is_running(after).then_some(after),
        Change::Modified { before, after } => {
            let same = is_running(before) && before.value("zoneid") == after.value("zoneid");
            (is_running(after) && !same).then_some(after)
        }
        Change::Deleted { .. } | Change::Unreadable { .. } => None,
    }
}

fn is_running(vm: &VmObject) -> bool {
    vm.zone_state() == "running"
}

fn set(root: &Root, vm: &VmObject) -> Result<(), Failure> {
    let uuid = vm.text("uuid").unwrap_or_default();
    change::execute(root, &links::plan(vm.object()))
        .map_err(|failure| change::prefixed(failure, &format!("VM {uuid}: ")))
}

fn say(failure: &Failure) {
    if let Failure::Failed(message) = failure {
        tell(message);
    }
}
