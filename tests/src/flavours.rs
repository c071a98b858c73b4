//! The same commands on SmartOS and OmniOS, and what their answers have in common.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Gz;

/// A global zone of SmartOS and one of OmniOS, each with the path below which a VM's volumes are.
pub fn both() -> [(Gz, &'static str); 2] {
    [
        (Gz::init(&["--fixture", "spec"]), "/dev/zvol/rdsk/zones"),
        (omnios(), "/dev/zvol/rdsk/rpool/zones"),
    ]
}

/// A simulated global zone of OmniOS.
pub fn omnios() -> Gz {
    Gz::init(&["--platform", "omnios"])
}

/// A global zone of OmniOS for tests that say `needs!(Need::OmniOs)`: the machine's own where that is to be tested in.
pub fn any_omnios() -> Gz {
    Gz::or_made(&["--platform", "omnios"])
}

/// What docs/COMPATIBILITY.md says that OmniOS has not, or that differs from system to system.
const DIFFERENT: [&str; 19] = [
    "boot_timestamp",
    "create_timestamp",
    "datacenter_name",
    "headnode_id",
    "init_restarts",
    "last_modified",
    "limit_priv",
    "pid",
    "platform_buildstamp",
    "server_uuid",
    "v",
    "zfs_filesystem",
    "zfs_io_priority",
    "zlog_mode",
    "zlog_name",
    "zonedid",
    "zoneid",
    "zonepath",
    "zpool",
];

/// Of disks: where they are.
const DIFFERENT_DISKS: [&str; 4] = ["path", "pci_slot", "zfs_filesystem", "zpool"];

/// A VM object without what differs.
pub fn comparable(mut vm: Value) -> Value {
    let object = vm.as_object_mut().expect("an object");
    object.retain(|name, _| !DIFFERENT.contains(&name.as_str()));
    for disk in vm["disks"].as_array_mut().into_iter().flatten() {
        let disk = disk.as_object_mut().expect("an object");
        disk.retain(|name, _| !DIFFERENT_DISKS.contains(&name.as_str()));
        // SmartOS does not note it of disks that are added later.
        if disk.get("media").is_some_and(|media| media == "disk") {
            disk.shift_remove("media");
        }
    }
    // A flag that is off is the same as none.
    for list in ["disks", "nics"] {
        for element in vm[list].as_array_mut().into_iter().flatten() {
            let element = element.as_object_mut().expect("an object");
            element.retain(|name, value| name == "boot" || *value != false);
        }
    }
    // Any port, which SmartOS does not note in updates.
    if vm.get("vnc_port").is_some_and(|port| port == 0) {
        vm["vnc_port"] = Value::Null;
    }
    if vm["nics"].as_array().is_some_and(Vec::is_empty) {
        vm["nics"] = Value::Null;
    }
    // Elements stand in the order in which zonecfg has them.
    for list in ["nics", "disks", "filesystems", "pci_devices"] {
        if let Some(list) = vm.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(|element| {
                ["mac", "uuid", "target", "path"]
                    .iter()
                    .find_map(|key| element[*key].as_str().map(str::to_owned))
            });
        }
    }
    vm
}

/// The properties in which two VM objects differ, with both values.
pub fn differences(smartos: Value, omnios: Value) -> Vec<String> {
    let (there, here) = (comparable(smartos), comparable(omnios));
    let names: BTreeSet<&String> =
        [&here, &there].into_iter().filter_map(Value::as_object).flat_map(|vm| vm.keys()).collect();
    names
        .into_iter()
        .filter(|name| here[*name] != there[*name])
        .map(|name| {
            let shown = |vm: &Value| vm.get(name).map_or("nothing".to_owned(), Value::to_string);
            format!("{name}: {} on SmartOS, {} on OmniOS", shown(&there), shown(&here))
        })
        .collect()
}
