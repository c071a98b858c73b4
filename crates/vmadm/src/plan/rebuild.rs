//! The plan of `vmadm receive --from-json`: a VM whose datasets are there, and whose configuration is not, is made of a
//! VM object that was saved.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;

use super::create::change;
use super::{ConfigFiles, Object, list, objects, receive, text};

/// The datasets that have to be there: the zone's, those of its disks, and what is delegated to it.
pub fn needed(vm: &Object) -> Vec<String> {
    let disks = objects(vm, "disks").filter(|disk| disk.get("missing") != Some(&Value::Bool(true)));
    std::iter::once(text(vm, "zfs_filesystem"))
        .chain(disks.map(|disk| text(disk, "zfs_filesystem")))
        .chain(list(vm, "datasets").iter().filter_map(Value::as_str))
        .filter(|dataset| !dataset.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Plans to rebuild a VM. `prepared` is the payload of the saved object, checked and completed; `has` says
/// whether a configuration file of that name is in its dataset: those are newer than what was saved, and stay.
pub fn plan(
    vm: &Object,
    mut prepared: Object,
    brand: Brand,
    now_ms: u64,
    has: impl Fn(&str) -> bool,
) -> Result<Plan, String> {
    let zone = receive::zone_of(&mut prepared, vm, brand, now_ms, false)?;
    let uuid = text(&prepared, "uuid").to_owned();
    let mut plan = Plan::new("receive", &uuid, OnFailure::Undo);
    plan.steps.push(Step::ConfigureZone {
        zone: zone.name,
        uuid: uuid.clone(),
        script: zone.script,
    });
    plan.steps.extend(ConfigFiles::of(vm).missing(&zone.path, has));
    let cores = receive::cores(&zone.path);
    plan.steps.push(Step::Attach { uuid: uuid.clone(), cores });
    plan.steps.push(change(&uuid, "remove attr name=provisioning"));
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_dataset_of_the_vm_is_needed() {
        let vm = json!({"zfs_filesystem": "zones/u", "datasets": ["zones/u/data", "zones/x"],
            "disks": [{"zfs_filesystem": "zones/u-disk0"}, {"path": "/x.iso", "missing": true}]});
        let vm: Object = serde_json::from_value(vm).unwrap();
        assert_eq!(needed(&vm), ["zones/u", "zones/u-disk0", "zones/u/data", "zones/x"]);
    }
}
