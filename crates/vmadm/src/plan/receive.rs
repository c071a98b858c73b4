//! The plan of `vmadm receive`: the zone is made first, in state receiving; its datasets follow on standard input.

use gz::plan::{OnFailure, Plan, Step};
use manifest::{Brand, json};
use serde_json::Value;
use zonecfg::mapping::smartos_write::{self, NewZone};

use super::create::change;
use super::start::{self, Extra};
use super::transfer::{SENDING, on_pool};
use super::{Object, flag, list, objects, text};

/// How long a VM may take to arrive, in milliseconds: a day.
const LIMIT_MS: u64 = 86_400_000;

/// Seconds that mdata:execute may take.
const MDATA_TIMEOUT: u64 = 300;

/// Where the devices of volumes are.
const DEVICES: &str = "/dev/zvol/rdsk/";

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

/// Gives the VM another pool, with all of its datasets that are sent. What was delegated to it from elsewhere stays.
pub fn retarget(vm: &mut Object, pool: &str) {
    let sent = datasets(vm);
    let moved = |name: &str| {
        sent.iter()
            .any(|top| {
                name.strip_prefix(top.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .then(|| on_pool(name, Some(pool)))
    };
    let old_path = format!("{}/", text(vm, "zonepath"));
    let new_path = format!("/{}/", on_pool(text(vm, "zfs_filesystem"), Some(pool)));
    for key in ["zfs_filesystem", "zonepath", "zpool"] {
        let value = match key {
            "zonepath" => new_path.trim_end_matches('/').to_owned(),
            "zpool" => pool.to_owned(),
            _ => on_pool(text(vm, key), Some(pool)),
        };
        vm.insert(key.to_owned(), value.into());
    }
    for value in elements(vm, "datasets") {
        if let Some(new) = value.as_str().and_then(moved) {
            *value = new.into();
        }
    }
    for disk in elements(vm, "disks").filter_map(Value::as_object_mut) {
        if let Some(new) = moved(text(disk, "zfs_filesystem")) {
            disk.insert("path".into(), format!("{DEVICES}{new}").into());
            disk.insert("zfs_filesystem".into(), new.into());
            if disk.contains_key("zpool") {
                disk.insert("zpool".into(), pool.into());
            }
        }
    }
    for filesystem in elements(vm, "filesystems").filter_map(Value::as_object_mut) {
        if let Some(rest) = text(filesystem, "source").strip_prefix(&old_path) {
            let source = format!("{new_path}{rest}");
            filesystem.insert("source".into(), source.into());
        }
    }
}

fn elements<'a>(object: &'a mut Object, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The steps that receive whole datasets, as they were sent, each into the pool that the VM goes to.
pub fn whole(datasets: Vec<String>, pool: Option<&str>) -> Vec<Step> {
    let steps = datasets.into_iter().map(|dataset| {
        let into = on_pool(&dataset, pool);
        let snapshot = format!("{into}@{SENDING}");
        let receive = Step::Receive { chunk: dataset, into, base: None, resumable: false };
        [receive, Step::DestroySending { snapshot }]
    });
    steps.flatten().collect()
}

/// What becomes of the zone's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// There is none yet.
    New,
    /// The VM is here as of an earlier snapshot; it gets the configuration that it was sent with.
    Replaced,
    /// A receive that was cut off has made it.
    Begun,
}

/// A VM that arrives.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// The VM object that was sent, with the names it has here.
    pub vm: &'a Object,
    /// The payload of it, checked and completed.
    pub prepared: Object,
    pub brand: Brand,
    pub now_ms: u64,
    pub zone: Zone,
    /// The steps that bring the datasets.
    pub datasets: Vec<Step>,
    /// Whether what came of it stays where the rest does not come.
    pub resumable: bool,
    /// Whether another VM has its firewall enabled, whose rules may name this one.
    pub others_have_firewall: bool,
}

/// Plans to receive a VM.
pub fn plan(arrival: Arrival<'_>) -> Result<Plan, String> {
    let Arrival { vm, mut prepared, brand, now_ms, zone: fate, datasets, resumable, .. } = arrival;
    let zone = zone_of(&mut prepared, vm, brand, now_ms, true)?;
    let uuid = text(&prepared, "uuid").to_owned();
    let cores = cores(&zone.path);
    let receiving = format!("/etc/zones/{uuid}-receiving.json");
    let on_failure = if resumable { OnFailure::Keep } else { OnFailure::Undo };
    let mut plan = Plan::new("receive", &uuid, on_failure);
    let steps = &mut plan.steps;
    match fate {
        Zone::New => steps.push(Step::ConfigureZone {
            zone: zone.name.clone(),
            uuid: uuid.clone(),
            script: zone.script,
        }),
        Zone::Replaced => {
            steps.push(Step::Detach { uuid: uuid.clone() });
            let script = replacing(&zone.script);
            steps.push(Step::ChangeZone { uuid: uuid.clone(), script });
        }
        Zone::Begun => {}
    }
    // Observed: it stays until the VM is deleted.
    steps.push(Step::WriteFile { path: receiving, text: json::pretty(&prepared), mode: 0o644 });
    steps.extend(datasets);
    if fate == Zone::Replaced {
        steps.push(change(&uuid, "remove attr name=transition"));
    } else {
        let image = prepared.get("image_uuid").and_then(Value::as_str).map(str::to_owned);
        steps.push(Step::Install {
            zone: zone.name,
            uuid: uuid.clone(),
            quota_gib: prepared.get("quota").and_then(Value::as_u64).unwrap_or_default(),
            no_dataset: image.is_some() || brand == Brand::Bhyve,
            image,
        });
        steps.push(change(&uuid, "remove attr name=transition"));
        steps.push(Step::Detach { uuid: uuid.clone() });
    }
    // The brands' scripts make the dataset for cores when a zone is attached.
    steps.push(Step::Attach { uuid: uuid.clone(), cores });
    if brand.features().update_mdata_exec_timeout {
        steps.push(Step::SetServiceProperty {
            root: format!("{}/root", zone.path),
            service: "svc:/smartdc/mdata:execute".to_owned(),
            property: "start/timeout_seconds".to_owned(),
            value: format!("count: {MDATA_TIMEOUT}"),
        });
    }
    steps.push(change(&uuid, "remove attr name=provisioning"));
    if arrival.others_have_firewall && !list(vm, "nics").is_empty() {
        steps.push(Step::UpdateFirewalls { uuid: uuid.clone() });
    }
    // Observed: virtual machines that boot with the system start at once, zones wait for the operator.
    if fate != Zone::Replaced && brand.is_hvm() && flag(vm, "autoboot") {
        let mut vm = vm.clone();
        vm.insert("state".into(), "stopped".into());
        vm.insert("zonepath".into(), zone.path.into());
        steps.extend(start::plan(&vm, brand, &Extra::default())?.steps);
    }
    Ok(plan)
}

/// A zone to be made.
pub(super) struct NamedZone {
    pub name: String,
    pub path: String,
    /// The script that configures it.
    pub script: String,
}

/// The zone of a VM object that comes from elsewhere. It keeps the time that the VM was created.
pub(super) fn zone_of(
    prepared: &mut Object,
    vm: &Object,
    brand: Brand,
    now_ms: u64,
    receiving: bool,
) -> Result<NamedZone, String> {
    let name = text(prepared, "zonename").to_owned();
    let path = format!("/{}/{name}", text(prepared, "zpool"));
    smartos_write::complete_nics(prepared, brand.as_str());
    let created = match text(vm, "create_timestamp") {
        "" => gz::clock::iso8601(i64::try_from(now_ms).unwrap_or(i64::MAX)),
        created => created.to_owned(),
    };
    let transition = format!("receiving:stopped:{}", now_ms + LIMIT_MS);
    let new = NewZone {
        zonepath: &path,
        create_timestamp: &created,
        transition: receiving.then_some(transition.as_str()),
        version: 1,
    };
    let script = smartos_write::create_script(prepared, &new).map_err(|e| e.to_string())?;
    Ok(NamedZone { name, path, script })
}

/// A script that makes a zone, as one that gives a zone which is there that configuration: `create -F` would give it
/// another debug id.
fn replacing(script: &str) -> String {
    const EMPTY: [&str; 7] = [
        "clear fs-allowed",
        "remove -F attr",
        "remove -F dataset",
        "remove -F device",
        "remove -F fs",
        "remove -F net",
        "remove -F rctl",
    ];
    const IDENTITY: [&str; 5] =
        ["create ", "set zonepath=", "set brand=", "set uuid=", "set ip-type="];
    let lines = script.lines().filter(|line| !IDENTITY.iter().any(|start| line.starts_with(start)));
    EMPTY.into_iter().chain(lines).fold(String::new(), |text, line| text + line + "\n")
}

/// The dataset that SmartOS's brands make for a zone's core dumps.
pub(super) fn cores(zonepath: &str) -> String {
    let dataset = zonepath.trim_start_matches('/');
    match dataset.rsplit_once('/') {
        Some((parent, name)) => format!("{parent}/cores/{name}"),
        None => format!("{dataset}/cores"),
    }
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

    #[test]
    fn all_that_is_sent_goes_to_the_other_pool() {
        let vm = json!({"zfs_filesystem": "zones/u", "zonepath": "/zones/u", "zpool": "zones",
            "datasets": ["zones/u/data", "zones/shared"],
            "disks": [{"path": "/dev/zvol/rdsk/zones/u-disk0", "zfs_filesystem": "zones/u-disk0",
                "zpool": "zones"}, {"path": "/x.iso"}],
            "filesystems": [{"source": "/zones/u/volumes/v"}, {"source": "/zones/uu"}]});
        let mut vm: Object = serde_json::from_value(vm).unwrap();
        retarget(&mut vm, "tank");
        assert_eq!(
            Value::Object(vm),
            json!({"zfs_filesystem": "tank/u", "zonepath": "/tank/u", "zpool": "tank",
                "datasets": ["tank/u/data", "zones/shared"],
                "disks": [{"path": "/dev/zvol/rdsk/tank/u-disk0", "zfs_filesystem": "tank/u-disk0",
                    "zpool": "tank"}, {"path": "/x.iso"}],
                "filesystems": [{"source": "/tank/u/volumes/v"}, {"source": "/zones/uu"}]})
        );
    }
}
