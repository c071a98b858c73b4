//! The plan of `vmadm receive`: the zone is made first, in state receiving; its datasets follow on standard input.

use gz::plan::{OnFailure, Plan, Step};
use manifest::{Brand, json};
use serde_json::Value;
use zonecfg::mapping::smartos_write::{self, NewZone};

use super::create::change;
use super::start::{self, Extra};
use super::{Object, flag, objects, text};

/// How long a VM may take to arrive, in milliseconds: a day.
const LIMIT_MS: u64 = 86_400_000;

/// Seconds that mdata:execute may take.
const MDATA_TIMEOUT: u64 = 300;

/// The payload that makes a zone of the VM object that was sent.
pub fn payload(mut vm: Object) -> Object {
    vm.insert("create_only".into(), true.into());
    // They travel in the VM's dataset.
    for property in ["customer_metadata", "internal_metadata", "tags"] {
        vm.shift_remove(property);
    }
    if let Some(Value::Array(disks)) = vm.get_mut("disks") {
        for disk in disks.iter_mut().filter_map(Value::as_object_mut) {
            disk.insert("nocreate".into(), true.into());
            if disk.contains_key("image_uuid") {
                disk.shift_remove("block_size");
            }
        }
    }
    vm
}

/// The datasets that are sent, each with all below it: the zone's, and disks that are elsewhere.
pub fn datasets(vm: &Object) -> Vec<String> {
    let filesystem = text(vm, "zfs_filesystem");
    let below = format!("{filesystem}/");
    let disks = objects(vm, "disks").map(|disk| text(disk, "zfs_filesystem"));
    std::iter::once(filesystem)
        .chain(disks.filter(|disk| !disk.starts_with(&below)))
        .filter(|dataset| !dataset.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Plans to receive a VM. `vm` is the object that was sent, `prepared` the payload of it, checked and completed.
pub fn plan(vm: &Object, mut prepared: Object, brand: Brand, now_ms: u64) -> Result<Plan, String> {
    let uuid = text(&prepared, "uuid").to_owned();
    let zonename = text(&prepared, "zonename").to_owned();
    let zonepath = format!("/{}/{zonename}", text(&prepared, "zpool"));
    smartos_write::complete_nics(&mut prepared, brand.as_str());
    let created = match text(vm, "create_timestamp") {
        "" => gz::clock::iso8601(i64::try_from(now_ms).unwrap_or(i64::MAX)),
        created => created.to_owned(),
    };
    let transition = format!("receiving:stopped:{}", now_ms + LIMIT_MS);
    let new = NewZone {
        zonepath: &zonepath,
        create_timestamp: &created,
        transition: Some(&transition),
        version: 1,
    };
    let script = smartos_write::create_script(&prepared, &new).map_err(|e| e.to_string())?;
    let receiving = format!("/etc/zones/{uuid}-receiving.json");
    let mut plan = Plan::new("receive", &uuid, OnFailure::Undo);
    let steps = &mut plan.steps;
    steps.push(Step::ConfigureZone { zone: zonename.clone(), uuid: uuid.clone(), script });
    steps.push(Step::WriteFile { path: receiving.clone(), text: json::pretty(vm), mode: 0o600 });
    for dataset in datasets(vm) {
        let snapshot = format!("{dataset}@sending");
        steps.push(Step::Receive {
            chunk: dataset.clone(),
            into: dataset,
            base: None,
            resumable: false,
        });
        steps.push(Step::DestroySending { snapshot });
    }
    let image = prepared.get("image_uuid").and_then(Value::as_str).map(str::to_owned);
    steps.push(Step::Install {
        zone: zonename,
        uuid: uuid.clone(),
        quota_gib: prepared.get("quota").and_then(Value::as_u64).unwrap_or_default(),
        no_dataset: image.is_some() || brand == Brand::Bhyve,
        image,
    });
    steps.push(change(&uuid, "remove attr name=transition"));
    if brand.features().update_mdata_exec_timeout {
        steps.push(Step::SetServiceProperty {
            root: format!("{zonepath}/root"),
            service: "svc:/smartdc/mdata:execute".to_owned(),
            property: "start/timeout_seconds".to_owned(),
            value: format!("count: {MDATA_TIMEOUT}"),
        });
    }
    steps.push(change(&uuid, "remove attr name=provisioning"));
    steps.push(Step::RemoveFile { path: receiving });
    // Observed: virtual machines that boot with the system start at once, zones wait for the operator.
    if brand.is_hvm() && flag(vm, "autoboot") {
        let mut vm = vm.clone();
        vm.insert("state".into(), "stopped".into());
        vm.insert("zonepath".into(), zonepath.into());
        steps.extend(start::plan(&vm, brand, &Extra::default())?.steps);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn disks_below_the_zone_come_with_it() {
        let vm = json!({"zfs_filesystem": "zones/u", "disks": [
            {"zfs_filesystem": "zones/u/disk0"}, {"zfs_filesystem": "zones/u-disk1"},
            {"path": "/x.iso", "missing": true}]});
        let vm: Object = serde_json::from_value(vm).unwrap();
        assert_eq!(datasets(&vm), ["zones/u", "zones/u-disk1"]);
    }

    #[test]
    fn metadata_travels_in_the_dataset() {
        let vm = json!({"uuid": "u", "tags": {"a": 1}, "customer_metadata": {}, "disks": [
            {"image_uuid": "i", "block_size": 8192}]});
        let made = payload(serde_json::from_value(vm).unwrap());
        assert_eq!(
            Value::Object(made).to_string(),
            r#"{"uuid":"u","disks":[{"image_uuid":"i","nocreate":true}],"create_only":true}"#
        );
    }
}
