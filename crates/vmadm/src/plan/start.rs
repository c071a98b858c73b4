//! The plan of `vmadm start`, and what it shares with create and reboot.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;

use super::create::change;
use super::{ConfigFiles, Object, flag, guest, links, text};

/// Options of one start only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Boot order and the like (`order=cd,once=d`).
    pub boot: Option<String>,
    /// Disks for this start, such as an installation medium: path, model, medium (`cdrom` or `disk`).
    pub disks: Vec<(String, String, String)>,
    /// UUIDs for disks of the VM that have none yet.
    pub disk_uuids: Vec<String>,
}

/// Plans the start of a VM once it has been stopped.
pub fn after_stop(vm: &Object, brand: Brand) -> Result<Plan, String> {
    plan(&super::stopped(vm), brand, &Extra::default())
}

/// Plans the start of a VM that is stopped.
pub fn plan(vm: &Object, brand: Brand, extra: &Extra) -> Result<Plan, String> {
    let mut plan = Plan::new("start", text(vm, "uuid"), OnFailure::Keep);
    docker_restarts(&mut plan.steps, vm);
    boot(&mut plan.steps, vm, brand, extra, NewVm::No)?;
    if plan.steps.iter().any(|step| matches!(step, Step::BootOnce { .. })) {
        // What is for this boot alone must not stay, also where the start is cut off.
        plan.on_failure = OnFailure::Undo;
    }
    Ok(plan)
}

/// Has a VM that is up and has been brought down by the steps so far come up again where what follows is undone.
pub(super) fn again_when_undone(steps: &mut Vec<Step>, vm: &Object) {
    if text(vm, "zone_state") != "running" {
        return;
    }
    let mut again = vec![Step::Boot { uuid: text(vm, "uuid").to_owned() }];
    links::restore(&mut again, vm);
    let undoing = again.into_iter().rev();
    steps.extend(undoing.map(|then| Step::WhenUndone { then: Box::new(then) }));
}

/// Whether a VM that is booted is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewVm {
    No,
    /// It sets itself up in its own time.
    Unawaited,
    /// It is waited for until it has set itself up, at most until then (milliseconds since the epoch).
    Awaited(u64),
}

/// Boots a zone that is installed and has it booted with the system from now on.
pub(super) fn boot(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    extra: &Extra,
    new: NewVm,
) -> Result<(), String> {
    let uuid = text(vm, "uuid");
    let zonepath = text(vm, "zonepath");
    if brand.vm_type().is_hvm() {
        guest::boot(steps, vm, brand, extra)?;
    } else {
        steps.push(Step::Boot { uuid: uuid.to_owned() });
    }
    links::restore(steps, vm);
    if let NewVm::Awaited(deadline_ms) = new {
        steps.push(Step::AwaitProvisioned {
            uuid: uuid.to_owned(),
            zonepath: zonepath.to_owned(),
            deadline_ms,
            by_guest: brand.features().wait_for_hwsetup,
        });
    }
    if new != NewVm::No {
        steps.push(change(uuid, "remove attr name=transition"));
    }
    if boots_with_system(vm) {
        steps.push(set_autoboot(uuid, brand, true));
    }
    if flag(vm, "never_booted") {
        steps.push(change(uuid, "remove attr name=never-booted"));
    }
    Ok(())
}

/// A docker zone without a restart policy is not started again by itself.
fn boots_with_system(vm: &Object) -> bool {
    let policy = vm
        .get("internal_metadata")
        .and_then(|metadata| metadata.get("docker:restartpolicy"))
        .is_some_and(manifest::js::truthy);
    !flag(vm, "docker") || policy || !vm.contains_key("internal_metadata")
}

/// Sets whether the zone is booted with the system.
pub(super) fn set_autoboot(uuid: &str, brand: Brand, value: bool) -> Step {
    if brand.features().use_vmadmd {
        change(uuid, &format!("select attr name=vm-autoboot; set value={value}; end"))
    } else {
        change(uuid, &format!("set autoboot={value}"))
    }
}

/// A docker zone that the operator starts has not been restarted yet.
pub(super) fn docker_restarts(steps: &mut Vec<Step>, vm: &Object) {
    if !flag(vm, "docker") {
        return;
    }
    let old = ConfigFiles::of(vm);
    let mut new = old.clone();
    new.internal_metadata.insert("docker:restartcount".to_owned(), 0.into());
    steps.extend(new.update(&old, text(vm, "zonepath")));
}
