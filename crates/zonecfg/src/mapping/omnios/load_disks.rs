//! Disks and pass-through devices of a zone.

use serde_json::{Value, json};

use super::load::Attributes;
use super::slots::Slot;
use super::{DISK_MODELS, DISK_PARTS, Object, VOLUMES, translated_back};

/// Boot disk, disks and cdroms, in this order.
pub(super) fn disks(attributes: &Attributes<'_>, brand: &str) -> Vec<Value> {
    let boot = attributes.get("bootdisk").map(|value| (Slot::Boot, value));
    let numbered = |kind: &str, slot: fn(usize) -> Slot| {
        attributes.numbered(kind).into_iter().map(move |(number, value)| (slot(number), value))
    };
    boot.into_iter()
        .chain(numbered("disk", Slot::Disk))
        .chain(numbered("cdrom", Slot::Cdrom))
        .map(|(slot, value)| disk(attributes, brand, slot, value))
        .collect()
}

fn disk(attributes: &Attributes<'_>, brand: &str, slot: Slot, value: &str) -> Value {
    let mut disk = Object::new();
    let mut set = |name: &str, value: Value| drop(disk.insert(name.to_owned(), value));
    let is_cdrom = matches!(slot, Slot::Cdrom(_));
    let mut options = value.split(',');
    let path = options.next().unwrap_or_default();
    let is_path = path.starts_with('/') || is_cdrom;
    set("path", json!(if is_path { path.to_owned() } else { format!("{VOLUMES}{path}") }));
    set("boot", json!(slot == Slot::Boot));
    let default = attributes.get("diskif").unwrap_or("virtio-blk");
    let interface = match slot.interface_attribute() {
        Some(name) if brand == "bhyve" => attributes.get(&name).unwrap_or(default),
        Some(_) => default,
        None if brand == "kvm" => "ide",
        None => "ahci",
    };
    set("model", json!(translated_back(&DISK_MODELS, interface).unwrap_or(interface)));
    set("media", json!(if is_cdrom { "cdrom" } else { "disk" }));
    for option in options {
        match option.split_once('=') {
            None if option == "nodelete" => set("notrim", json!(true)),
            Some(("sectorsize", size)) => set("guest_block_size", json!(size)),
            _ => {}
        }
    }
    if brand == "bhyve" {
        set("pci_slot", json!(slot.pci_slot()));
    }
    for (property, name) in DISK_PARTS {
        let Some(value) = attributes.get(&format!("{}-{name}", slot.attribute())) else { continue };
        let number = value.parse::<u64>().ok().filter(|_| property == "image_size");
        set(property, number.map_or_else(|| json!(value), |number| json!(number)));
    }
    Value::Object(disk)
}

/// The devices that are passed through; those that are switched off are not.
pub(super) fn pci_devices(attributes: &Attributes<'_>) -> Vec<Value> {
    let mut devices = Vec::new();
    for (number, value) in attributes.numbered("ppt") {
        let function = value.strip_prefix("slot");
        if function.is_none() && !matches!(value, "on" | "true" | "yes" | "1") {
            continue;
        }
        let node = format!("/dev/ppt{number}");
        let path = attributes.get(&format!("ppt{number}-path")).unwrap_or(&node);
        let mut device = json!({"path": path, "model": "passthru"});
        if let Some(function) = function {
            device["pci_slot"] = json!(format!("0:9:{function}"));
        }
        devices.push(device);
    }
    devices
}
