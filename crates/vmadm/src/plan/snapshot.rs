//! The plans of create-snapshot, delete-snapshot and rollback-snapshot.

use gz::plan::{OnFailure, Plan, Step};
use manifest::{Brand, Flavour};

use super::{Object, objects, start, text};

/// What operators' snapshots are called in ZFS, before the name.
const PREFIX: &str = "vmsnap-";

/// What keeps a dataset from being destroyed: a held snapshot of this name.
const INDESTRUCTIBLE: &str = "indestructible";

/// Longest name of a snapshot.
const MAX_NAME: usize = 64;

/// What a snapshot of that name is called in ZFS, behind the `@`.
pub fn full_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Whether a snapshot can be called that: 1 to 64 letters, digits and `-_.:%`.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:%".contains(&b))
}

/// Whether the VM has a snapshot of that name.
pub fn exists(vm: &Object, name: &str) -> bool {
    objects(vm, "snapshots").any(|snapshot| text(snapshot, "name") == name)
}

/// Plans a snapshot of the zone's dataset, with `all` of everything the VM has. `roots` are the filesystems below the
/// zone's own that hold its root. Refuses what is not supported.
pub fn create(
    vm: &Object,
    brand: Brand,
    name: &str,
    all: bool,
    roots: &[String],
) -> Result<Plan, String> {
    supported(brand, all)?;
    let delegated = super::list(vm, "datasets");
    if !delegated.is_empty() && !all {
        return Err("Cannot currently snapshot zones that have datasets".to_owned());
    }
    let filesystem = text(vm, "zfs_filesystem");
    if filesystem.is_empty() {
        return Err("vmobj missing zfs_filesystem, cannot create snapshot".to_owned());
    }
    if exists(vm, name) {
        return Err(format!("snapshot with name \"{name}\" already exists."));
    }
    let mut datasets = vec![filesystem.to_owned()];
    datasets.extend_from_slice(roots);
    if brand == Brand::Bhyve || all {
        datasets.extend(volumes(vm));
    }
    datasets.extend(delegated.iter().filter_map(|name| name.as_str()).map(str::to_owned));
    let snapshots = datasets.iter().map(|dataset| format!("{dataset}@{PREFIX}{name}")).collect();
    let mut plan = Plan::new("create-snapshot", text(vm, "uuid"), OnFailure::Undo);
    plan.steps.push(Step::CreateSnapshots { snapshots });
    if shown_to_zone(brand) && text(vm, "zone_state") == "running" {
        plan.steps.push(Step::MountCheckpoint {
            zonepath: text(vm, "zonepath").to_owned(),
            name: name.to_owned(),
        });
    }
    plan.steps.push(touch(vm));
    Ok(plan)
}

/// Plans that a snapshot goes, wherever in the VM it is.
pub fn delete(vm: &Object, brand: Brand, name: &str) -> Result<Plan, String> {
    let everywhere = everywhere(vm, brand);
    if !exists(vm, name) {
        supported(brand, false)?;
        return Err(no_snapshot(vm, name));
    }
    let mut plan = Plan::new("delete-snapshot", text(vm, "uuid"), OnFailure::Keep);
    if shown_to_zone(brand) {
        plan.steps.push(Step::UnmountCheckpoint {
            zonepath: text(vm, "zonepath").to_owned(),
            name: name.to_owned(),
        });
    }
    let snapshot = format!("{}@{PREFIX}{name}", text(vm, "zfs_filesystem"));
    plan.steps.push(if everywhere {
        Step::DestroySnapshots { snapshot }
    } else {
        Step::DestroySnapshot { snapshot }
    });
    // Disks of KVM VMs are not below the zone's dataset, nor is what was delegated from elsewhere.
    for dataset in outside(vm) {
        plan.steps.push(Step::DestroySnapshot { snapshot: format!("{dataset}@{PREFIX}{name}") });
    }
    plan.steps.push(touch(vm));
    Ok(plan)
}

/// How a VM goes down by force and comes up.
#[derive(Debug)]
pub struct Power {
    pub halt: Vec<Step>,
    pub start: Vec<Step>,
}

/// A held snapshot that a rollback would have to destroy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub dataset: String,
    /// Its name in ZFS, behind the `@`.
    pub snapshot: String,
}

/// Why there is no rollback to the snapshot `name`: a held one is in its way.
pub fn refusal(vm: &Object, name: &str, held: &Held) -> String {
    let own = text(vm, "zfs_filesystem");
    let Held { dataset, snapshot } = held;
    let reason = match dataset.strip_prefix(own) {
        Some("") if snapshot == INDESTRUCTIBLE => "indestructible_zoneroot is set".to_owned(),
        Some("/data") if snapshot == INDESTRUCTIBLE => "indestructible_delegated is set".to_owned(),
        _ => format!("snapshot {dataset}@{snapshot} is held"),
    };
    format!("{reason}, cannot roll back to the older snapshot \"{name}\"")
}

/// Plans that the VM becomes what it was. It is halted for that, and started again where it ran. `datasets` are those
/// that have a snapshot of that name. Where nothing could be rolled back yet the VM is as before; from there on only the
/// operator, or what finishes a plan that was cut off, goes on: a VM whose disks are of different times must not run.
pub fn rollback(
    vm: &Object,
    brand: Brand,
    name: &str,
    datasets: &[String],
    power: Power,
) -> Result<Plan, String> {
    if !exists(vm, name) {
        supported(brand, false)?;
        return Err(no_snapshot(vm, name));
    }
    let mut plan = Plan::new("rollback-snapshot", text(vm, "uuid"), OnFailure::Undo);
    let stopped = text(vm, "state") == "stopped";
    if !stopped {
        plan.steps.extend(power.halt);
        start::again_when_undone(&mut plan.steps, vm);
    }
    plan.no_return_unless_it_fails();
    for dataset in datasets {
        plan.steps.push(Step::Rollback { snapshot: format!("{dataset}@{PREFIX}{name}") });
    }
    plan.steps.push(touch(vm));
    if !stopped {
        plan.steps.extend(power.start);
    }
    Ok(plan)
}

/// The datasets of which a VM can have snapshots: the zone's own first.
pub fn datasets(vm: &Object) -> Vec<String> {
    let delegated = super::list(vm, "datasets").iter().filter_map(|name| name.as_str());
    let mut all = vec![text(vm, "zfs_filesystem").to_owned()];
    all.extend(volumes(vm));
    all.extend(delegated.map(str::to_owned));
    all
}

fn supported(brand: Brand, all: bool) -> Result<(), String> {
    if brand == Brand::Kvm && !all {
        return Err("snapshots for kvm VMs currently unsupported".to_owned());
    }
    Ok(())
}

fn no_snapshot(vm: &Object, name: &str) -> String {
    format!("No snapshot named \"{name}\" for {}", text(vm, "uuid"))
}

/// Whether snapshots of that name may be on more than the zone's own dataset.
fn everywhere(vm: &Object, brand: Brand) -> bool {
    brand == Brand::Bhyve || has_own_root(brand) || !super::list(vm, "datasets").is_empty()
}

/// Whether zones of the brand have their root in filesystems below the zone's own, one a boot environment.
pub fn has_own_root(brand: Brand) -> bool {
    !brand.exists_on(Flavour::SmartOs)
}

fn shown_to_zone(brand: Brand) -> bool {
    !brand.is_hvm() && !has_own_root(brand)
}

fn volumes(vm: &Object) -> impl Iterator<Item = String> {
    objects(vm, "disks")
        .map(|disk| text(disk, "zfs_filesystem").to_owned())
        .filter(|dataset| !dataset.is_empty())
}

/// The VM's datasets that are not below the zone's.
fn outside(vm: &Object) -> impl Iterator<Item = String> {
    let below = format!("{}/", text(vm, "zfs_filesystem"));
    datasets(vm).into_iter().skip(1).filter(move |dataset| !dataset.starts_with(&below))
}

/// What watches VMs looks at this one again: its snapshots are not in any file.
fn touch(vm: &Object) -> Step {
    Step::Touch { path: format!("/etc/zones/{}.xml", text(vm, "zonename")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn vm(more: Value) -> Object {
        let mut vm = json!({"uuid": "u", "zonename": "u", "zonepath": "/zones/u", "state": "running",
            "zone_state": "running", "zfs_filesystem": "zones/u", "snapshots": [{"name": "s1"}]});
        for (key, value) in more.as_object().unwrap() {
            vm[key] = value.clone();
        }
        serde_json::from_value(vm).unwrap()
    }

    fn steps(plan: Result<Plan, String>) -> Vec<String> {
        plan.unwrap().steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_of_the_allowed_letters() {
        assert!(is_name("a-b_c.d:e%f9") && is_name(&"x".repeat(64)));
        assert!(!is_name("") && !is_name(&"x".repeat(65)) && !is_name("a/b") && !is_name("é"));
    }

    #[test]
    fn a_running_zone_sees_its_snapshot() {
        assert_eq!(
            steps(create(&vm(json!({})), Brand::Lx, "s2", false, &[])),
            [
                "zfs snapshot zones/u@vmsnap-s2",
                "mount -F lofs -o ro,setuid,nodevices /zones/u/.zfs/snapshot/vmsnap-s2/root \
                 /zones/u/root/checkpoints/s2",
                "touch /etc/zones/u.xml",
            ]
        );
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let error = |vm: &Object, brand| create(vm, brand, "s1", false, &[]).unwrap_err();
        assert_eq!(
            error(&vm(json!({})), Brand::Kvm),
            "snapshots for kvm VMs currently unsupported"
        );
        assert_eq!(
            error(&vm(json!({"datasets": ["zones/u/data"]})), Brand::Joyent),
            "Cannot currently snapshot zones that have datasets"
        );
        assert_eq!(
            error(&vm(json!({})), Brand::Joyent),
            "snapshot with name \"s1\" already exists."
        );
        assert_eq!(
            delete(&vm(json!({})), Brand::Joyent, "s9").unwrap_err(),
            "No snapshot named \"s9\" for u"
        );
    }

    #[test]
    fn all_datasets_are_taken_at_once() {
        let vm = vm(json!({"datasets": ["zones/u/data"], "disks": [
            {"zfs_filesystem": "zones/u-disk0"}, {"path": "/x.iso", "missing": true}]}));
        assert_eq!(
            steps(create(&vm, Brand::Kvm, "s2", true, &[]))[0],
            "zfs snapshot zones/u@vmsnap-s2 zones/u-disk0@vmsnap-s2 zones/u/data@vmsnap-s2"
        );
        assert_eq!(
            steps(delete(&vm, Brand::Kvm, "s1"))[..2],
            ["zfs destroy -r zones/u@vmsnap-s1", "zfs destroy zones/u-disk0@vmsnap-s1"]
        );
    }

    #[test]
    fn a_stopped_vm_stays_stopped_after_a_rollback() {
        let vm = vm(json!({"state": "stopped", "zone_state": "installed"}));
        let boot = Step::Boot { uuid: "u".to_owned() };
        let power = Power { halt: Vec::new(), start: vec![boot] };
        assert_eq!(
            steps(rollback(&vm, Brand::Joyent, "s1", &["zones/u".to_owned()], power)),
            ["zfs rollback -r zones/u@vmsnap-s1", "touch /etc/zones/u.xml"]
        );
    }
}
