//! PCI slots of bhyve VMs: each is used once, whatever it is used for.
//!
//! Slots of disks among themselves are checked with the payload. Here the whole machine is looked at, as its brand would
//! put it together: disks, pass-through devices, NICs, the screen and what extra options bring.

use bhyve_ctl::smartos::bhyve;
use bhyve_ctl::smartos::environment::{Environment, Host};
use bhyve_ctl::usage;
use bhyve_ctl::zone::{Attr, Device, HvmZone, Net};
use serde_json::Value;

use super::{Object, as_text, flag, list, objects, text};

/// Lists of things that take slots, each with what tells them apart.
const LISTS: [(&str, &str); 3] = [("disks", "path"), ("nics", "mac"), ("pci_devices", "path")];
/// Other properties that have to do with slots.
const OPTIONS: [(&str, &str); 2] =
    [("bhyve_extra_opts", "bhyve-extra-opts"), ("vnc_port", "vnc-port")];

/// Refuses a change of `vm` (an empty one for a new VM) after which two devices would have one slot, or a device would
/// have none, with the names of the devices.
pub(super) fn check(vm: &Object, payload: &Object) -> Result<(), String> {
    let is_touched = LISTS.iter().any(|(list, _)| {
        ["add", "update", "remove"]
            .iter()
            .any(|verb| payload.contains_key(&format!("{verb}_{list}")))
    }) || OPTIONS.iter().any(|(option, _)| payload.contains_key(*option));
    if !is_touched {
        return Ok(());
    }
    // Every path of a device is that of one that exists: this is looked at when the zone boots.
    let pass_through = |path: &str| Some(path.to_owned());
    let host = Host { uuid: None, pass_through: &pass_through };
    let argv = Environment::of(&machine(vm, payload), host)
        .and_then(|environment| bhyve::command_line("", &environment, ""));
    // What else the brand has against it shows when the VM starts, as ever.
    let conflicts = argv.map_or_else(|_| Vec::new(), |argv| usage::conflicts(&argv));
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts.join("\n")) }
}

/// The zone as far as slots go, after the change.
fn machine(vm: &Object, payload: &Object) -> HvmZone {
    let [mut disks, nics, pci_devices] = LISTS.map(|(list, key)| changed(vm, payload, list, key));
    // Volumes that are yet to be made have no paths.
    for (index, disk) in disks.iter_mut().enumerate() {
        disk.entry("path").or_insert_with(|| format!("disks.{index}").into());
    }
    let mut zone = HvmZone { brand: "bhyve".to_owned(), ..HvmZone::default() };
    // A second boot disk is refused for a new VM and taken in an update (observed): it has a slot of its own.
    let boot = disks.iter().position(|disk| flag(disk, "boot"));
    zone.devices.extend(disks.iter().enumerate().map(|(index, disk)| {
        let mut device = device(disk, &["model", "media", "pci_slot"]);
        device.properties.push(attr("boot", (Some(index) == boot).to_string()));
        device
    }));
    zone.devices.extend(pci_devices.iter().map(|pci_device| {
        let mut device = device(pci_device, &["pci_slot"]);
        device.properties.push(attr("model", "passthru".to_owned()));
        device
    }));
    // Of several primary NICs the last is the new one; where there is none it is the first.
    let primary = nics.iter().rposition(|nic| flag(nic, "primary")).unwrap_or_default();
    zone.nets.extend(nics.iter().enumerate().map(|(index, nic)| {
        let name =
            [text(nic, "interface"), text(nic, "mac")].into_iter().find(|name| !name.is_empty());
        Net {
            physical: name.map(str::to_owned),
            properties: vec![attr("primary", (index == primary).to_string())],
            ..Net::default()
        }
    }));
    for (property, name) in OPTIONS {
        let value = payload.get(property).or_else(|| vm.get(property)).map(as_text);
        zone.attrs.extend(value.filter(|value| !value.is_empty()).map(|value| attr(name, value)));
    }
    zone
}

fn attr(name: &str, value: String) -> Attr {
    Attr { name: name.to_owned(), value: Some(value) }
}

fn device(object: &Object, properties: &[&str]) -> Device {
    let properties = properties.iter().filter_map(|property| {
        Some(attr(&property.replace('_', "-"), as_text(object.get(*property)?)))
    });
    Device { matches: text(object, "path").to_owned(), properties: properties.collect() }
}

/// A list of the VM with what is removed, updated and added.
fn changed(vm: &Object, payload: &Object, name: &str, key: &str) -> Vec<Object> {
    let removed: Vec<&Value> = list(payload, &format!("remove_{name}")).iter().collect();
    let updates = format!("update_{name}");
    let mut result: Vec<Object> = objects(vm, name)
        .filter(|object| object.get(key).is_none_or(|key| !removed.contains(&key)))
        .cloned()
        .collect();
    for object in &mut result {
        let which = object.get(key).cloned();
        for update in objects(payload, &updates).filter(|update| update.get(key) == which.as_ref())
        {
            object.extend(update.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    result.extend(objects(payload, &format!("add_{name}")).cloned());
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(vm: Value, payload: Value) -> Result<(), String> {
        match (vm, payload) {
            (Value::Object(vm), Value::Object(payload)) => super::check(&vm, &payload),
            _ => unreachable!("both are objects"),
        }
    }

    fn vm() -> Value {
        json!({
            "disks": [{"path": "/disk0", "model": "virtio", "boot": true, "pci_slot": "0:4:0"}],
            "nics": [{"mac": "m0", "interface": "net0", "primary": true}],
            "pci_devices": [{"path": "/devices/gpu", "pci_slot": "0:8:0"}],
        })
    }

    #[test]
    fn two_devices_in_one_slot_are_both_named() {
        for (payload, message) in [
            (
                json!({"add_pci_devices": [{"path": "/devices/x", "pci_slot": "0:4:0"}]}),
                "PCI slot 0:4:0 is used twice: by virtio-blk /disk0 and by passthru /devices/x",
            ),
            (
                json!({"update_pci_devices": [{"path": "/devices/gpu", "pci_slot": "0:6:0"}]}),
                "PCI slot 0:6:0 is used twice: by passthru /devices/gpu and by virtio-net-viona net0",
            ),
            (
                json!({"add_pci_devices": [{"path": "/devices/x", "pci_slot": "31"}]}),
                "PCI slot 0:31:0 is used twice: by lpc and by passthru /devices/x",
            ),
            (
                json!({"bhyve_extra_opts": "-s 30:1,virtio-rnd"}),
                "PCI slot 0:30:1 is used twice: by virtio-rnd and by xhci tablet",
            ),
            (
                json!({"add_disks": [{"path": "/x", "model": "nvme", "pci_slot": "1:0:0"},
                                     {"path": "/y", "model": "nvme", "pci_slot": "1:0:0"}]}),
                "PCI slot 1:0:0 is used twice: by nvme /x and by nvme /y",
            ),
            (
                json!({"add_disks": [{"size": 8, "model": "nvme", "pci_slot": "0:8:0"}]}),
                "PCI slot 0:8:0 is used twice: by nvme disks.1 and by passthru /devices/gpu",
            ),
        ] {
            assert_eq!(check(vm(), payload.clone()), Err(message.to_owned()), "{payload}");
        }
    }

    #[test]
    fn too_many_nics_have_no_slots() {
        let nics: Vec<Value> = (1..9).map(|n| json!({"mac": format!("m{n}")})).collect();
        let error = check(vm(), json!({"add_nics": nics})).unwrap_err();
        assert!(
            error.starts_with("PCI slot 0:6:8 of virtio-net-viona m8 is out of range"),
            "{error}"
        );
    }

    #[test]
    fn what_fits_is_taken_and_what_is_not_touched_left_alone() {
        assert_eq!(
            check(
                vm(),
                json!({"remove_disks": ["/disk0"], "add_disks": [
            {"path": "/x", "model": "nvme", "boot": true, "pci_slot": "0:4:0"}]})
            ),
            Ok(())
        );
        assert_eq!(
            check(vm(), json!({"vnc_port": -1, "bhyve_extra_opts": "-s 30:0,virtio-rnd"})),
            Ok(())
        );
        let second = json!({"add_disks": [{"path": "/x", "model": "nvme", "boot": true, "pci_slot": "0:4:1"}],
            "add_nics": [{"mac": "m1", "primary": true}]});
        assert_eq!(check(vm(), second), Ok(()));
        let broken = json!({"pci_devices": [{"path": "/devices/gpu", "pci_slot": "0:31:0"}]});
        assert_eq!(check(broken, json!({"alias": "x"})), Ok(()));
    }
}
