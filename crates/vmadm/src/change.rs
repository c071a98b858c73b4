//! What the commands that change a VM share: interrupts, the VM's lock, recovery of what was cut off, and running plans.

use std::time::Duration;

use gz::inventory::{self, Fields};
use gz::lock::{self, Lock};
use gz::plan::{self, Plan};
use gz::{Root, interrupt};
use manifest::{Brand, Flavour};

use crate::cli::Failure;
use crate::plan::Object;

/// How long a command waits for another one on the same VM.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long it waits before it says so.
const SILENCE: Duration = Duration::from_secs(2);

/// Takes the VM's lock for the whole of a command, and finishes or undoes what an earlier one left when it was cut off.
/// What cannot be undone is said and then let go: it must not keep the VM from being changed or deleted.
pub fn begin(root: &Root, uuid: &str) -> Result<Lock, Failure> {
    let lock = take(root, uuid)?;
    recover_or_give_up(root, uuid)?;
    Ok(lock)
}

/// As [`begin`], for commands that go by force: another one that has the VM and only waits for it, such as for its
/// shutdown, gives way at once. Before it is disturbed `check` refuses what could not be done.
pub fn begin_by_force(
    root: &Root,
    uuid: &str,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<Lock, Failure> {
    interrupt::handle()?;
    let free = match lock::vm(root, uuid, Duration::ZERO) {
        Err(gz::Error::Locked(_)) => {
            check()?;
            None
        }
        other => Some(other?),
    };
    // What is left to be finished must not wait either.
    let _demand = lock::demand(root, uuid)?;
    let lock = match free {
        Some(lock) => lock,
        None => take(root, uuid)?,
    };
    recover_or_give_up(root, uuid)?;
    Ok(lock)
}

/// Takes the VM's lock; from here on interrupts are requests to stop in good order. Says who has it where that takes
/// longer.
pub fn take(root: &Root, uuid: &str) -> Result<Lock, Failure> {
    interrupt::handle()?;
    match lock::vm(root, uuid, SILENCE) {
        Err(gz::Error::Locked(why)) => {
            crate::cli::tell(&format!("Waiting: {why}"));
            Ok(lock::vm(root, uuid, PATIENCE)?)
        }
        other => Ok(other?),
    }
}

fn recover_or_give_up(root: &Root, uuid: &str) -> Result<(), Failure> {
    if let Err(failed) = recover(root, uuid) {
        if let Failure::Failed(message) = failed {
            crate::cli::tell(&message);
        }
        plan::give_up(root, uuid)?;
    }
    Ok(())
}

/// Finishes or undoes what an earlier command on this VM left. The caller holds the lock.
pub fn recover(root: &Root, uuid: &str) -> Result<(), Failure> {
    if let Some((command, finished)) = plan::recover(root, uuid).map_err(failure)? {
        let what = if finished { "finished" } else { "undid" };
        crate::cli::tell(&format!("{what} an interrupted {command} of VM {uuid}"));
    }
    Ok(())
}

/// Takes the lock of addresses, so that of two commands at once that want the same ones the second sees those of the
/// first; `None` where the payload names none. The caller holds the VM's lock.
pub fn reserve(root: &Root, payload: &Object) -> Result<Option<Lock>, Failure> {
    if !crate::facts::names_addresses(payload) {
        return Ok(None);
    }
    Ok(Some(lock::addresses(root, PATIENCE)?))
}

/// Carries out a plan.
pub fn execute(root: &Root, plan: &Plan) -> Result<(), Failure> {
    execute_reserved(root, plan, None)
}

/// Carries out a plan, and lets go of the lock of addresses once the zone has them.
pub fn execute_reserved(root: &Root, plan: &Plan, reserved: Option<Lock>) -> Result<(), Failure> {
    plan::execute_reserved(root, plan, reserved).map_err(|failed| {
        let nested = nesting(plan, &failed.step);
        let unpacking =
            is_unpacking(&failed.step) && !matches!(failed.error, gz::Error::Interrupted);
        let failure = failure(failed);
        let failure =
            if unpacking { prefixed(failure, &format!("{NOT_UNPACKED}\n")) } else { failure };
        wrapped(failure, nested)
    })
}

/// A failure as the original's steps within steps pass it on, each with words of its own in front.
pub fn wrapped(failure: Failure, times: usize) -> Failure {
    prefixed(failure, &"first of 1 error: ".repeat(times))
}

/// A plan as text, as the tools of this system take its commands.
pub fn shown(root: &Root, plan: &Plan) -> Result<String, Failure> {
    let text = plan.to_string();
    if !is_omnios(root) {
        return Ok(text);
    }
    // OmniOS's tools know zones by name, and SmartOS's options not at all.
    let (uuid, zone) = (&plan.uuid, gz::zoneadm::name_of(root, &plan.uuid)?);
    Ok(["zonecfg", "zoneadm"].iter().fold(text, |text, tool| {
        text.replace(&format!("{tool} -u {uuid}"), &format!("{tool} -z {zone}"))
            .replace("halt -X\n", "halt\n")
            .replace("boot -X, configured", "boot, configured")
    }))
}

/// What the original says of a stream that it cannot unpack, by a program of its own.
pub const NOT_UNPACKED: &str = "vmunbundle exited with code 1";

/// Whether a step takes a dataset from a stream that was sent.
fn is_unpacking(step: &str) -> bool {
    step.starts_with("zfs receive ")
}

/// How many times the original wraps the failure of a step (observed), which scripts that match on the start of a
/// message rely on.
fn nesting(plan: &Plan, step: &str) -> usize {
    match step.split(' ').nth(3) {
        _ if is_unpacking(step) => 2,
        Some("install") if step.starts_with("zoneadm ") => 1,
        Some("boot") if step.starts_with("zoneadm ") => 1 + usize::from(plan.command == "create"),
        // The zone is made in a step of a receive.
        _ if step.starts_with("zonecfg -z ") => usize::from(plan.command == "receive"),
        _ => usize::from(plan.command == "update"),
    }
}

/// A failed plan in the words that operators know: which command failed, and what it said.
pub fn failure(failed: plan::Failed) -> Failure {
    let mut message = describe(&failed.error);
    for (step, error) in &failed.left {
        let step = step.lines().next().unwrap_or_default();
        message.push_str(&format!("\ncould not undo: {step}: {}", describe(error)));
    }
    Failure::new(message)
}

fn describe(error: &gz::Error) -> String {
    match error {
        gz::Error::Failed { command, stderr, .. } => {
            format!("Command failed: {}{command}\n{stderr}\n", directory(command))
        }
        other => other.to_string(),
    }
}

/// Where a command's tool is, as the original names it: all but zonecfg by their path.
fn directory(command: &str) -> &'static str {
    match command.split(' ').next() {
        Some("zonecfg") => "",
        Some("prctl" | "rsync" | "nictagadm" | "sysinfo") => "/usr/bin/",
        _ => "/usr/sbin/",
    }
}

/// The VM object with the wanted fields, and the VM's brand; `None` where there is no such VM.
pub fn load(root: &Root, uuid: &str, fields: &Fields) -> Result<Option<(Object, Brand)>, Failure> {
    let Some(vm) = inventory::get(root, uuid, fields)? else { return Ok(None) };
    let vm = vm.into_object();
    let name = vm.get("brand").and_then(|brand| brand.as_str()).unwrap_or_default();
    let brand = Brand::from_name(name)
        .ok_or_else(|| Failure::new(format!("VM {uuid} has the unsupported brand \"{name}\"")))?;
    Ok(Some((vm, brand)))
}

/// Whether this is OmniOS.
pub fn is_omnios(root: &Root) -> bool {
    gz::platform::released_flavour(root) == Some(Flavour::OmniOs)
}

/// Refuses a command that only SmartOS's VMs can take.
pub fn only_smartos(root: &Root, command: &str) -> Result<(), Failure> {
    if is_omnios(root) {
        return Err(Failure::new(format!("{command} is not available on OmniOS")));
    }
    Ok(())
}

/// Refuses to go on with NICs on networks that do not exist.
pub fn check_nic_tags(root: &Root, vm: &Object) -> Result<(), Failure> {
    if is_omnios(root) {
        // The brand makes the VNICs, and says which link it lacks.
        return Ok(());
    }
    let tags: Vec<&str> = vm
        .get("nics")
        .and_then(|nics| nics.as_array())
        .into_iter()
        .flatten()
        .filter_map(|nic| nic.get("nic_tag")?.as_str())
        .collect();
    let missing = gz::nictagadm::missing(root, &tags)?;
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        missing.iter().map(|tag| format!("Invalid nic tag \"{tag}\"")).collect();
    Err(Failure::new(lines.join("\n")))
}

/// A failure with words before its message; wrong usage stays as it is.
pub fn prefixed(failure: Failure, before: &str) -> Failure {
    match failure {
        Failure::Failed(message) => Failure::Failed(format!("{before}{message}")),
        Failure::Usage(message) => Failure::Usage(message),
    }
}

#[cfg(test)]
mod tests {
    use gz::plan::OnFailure;

    use super::*;

    #[test]
    fn failures_are_wrapped_as_often_as_observed() {
        for (command, step, times) in [
            ("create", "zonecfg -z a", 0),
            ("create", "zfs create -V 8M zones/a/disk0", 0),
            ("create", "zoneadm -z a install -q 10", 1),
            ("create", "zoneadm -u a boot -X", 2),
            ("start", "zoneadm -u a boot -X", 1),
            ("receive", "zonecfg -z a", 1),
            ("receive", "zfs receive -F zones/a", 2),
            ("update", "zonecfg -u a", 1),
            ("update", "zfs set quota=1G zones/a", 1),
        ] {
            let plan = Plan::new(command, "a", OnFailure::Undo);
            assert_eq!(nesting(&plan, step), times, "{command}: {step}");
        }
    }
}
