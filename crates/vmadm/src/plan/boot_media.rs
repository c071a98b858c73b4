//! Media and boot order of one start of a bhyve VM.
//!
//! bhyve has no options for these. Its firmware boots from devices in the order of their PCI slots, and the brand puts
//! into them what the zone's configuration says at the moment when the zone boots. So the configuration is another one
//! for that moment.

use std::collections::BTreeSet;

use manifest::validate::{PciSlot, parse_pci_slot};
use serde_json::{Value, json};
use zonecfg::mapping::smartos_write;

use super::start::Extra;
use super::{Object, objects, text};

/// The device of the boot disk, where the brand and vmadm put it.
const BOOT_DEVICE: u8 = 4;
/// Devices of bus 0 that are not for disks: the host bridge, NICs, frame buffer and LPC.
const RESERVED: [u8; 4] = [0, 6, 30, 31];

/// What is tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Disk,
    Cdrom,
}

/// The zonecfg script for the moment of this boot; empty where it is like any other. The VM's disks have their slots.
pub(super) fn script(vm: &Object, extra: &Extra) -> Result<String, String> {
    let order = extra.boot.as_deref().map(first).transpose()?;
    let mut slots = Slots::of(vm);
    let boot_device = slots.boot_device;
    // Without an order media for one start come before the disks: why else would they be there.
    let first = order.unwrap_or(First::Cdrom);
    let fits = |slot: &PciSlot| match first {
        First::Cdrom => slot.device < boot_device,
        First::Disk => slot.device > boot_device,
    };
    let mut updates = Vec::new();
    for disk in objects(vm, "disks").filter(|disk| text(disk, "media") == "cdrom") {
        let slot = parse_pci_slot(text(disk, "pci_slot"));
        if order.is_some() && slot.is_some_and(|slot| slot.bus == 0 && !fits(&slot)) {
            updates.push(json!({"path": disk.get("path"), "pci_slot": slots.cdrom(first)?}));
        }
    }
    let mut added: Vec<Value> = Vec::new();
    for (path, model, media) in &extra.disks {
        let is_there = objects(vm, "disks").any(|disk| text(disk, "path") == path)
            || added.iter().any(|disk| disk["path"] == path.as_str());
        if is_there {
            continue;
        }
        let slot = if media == "cdrom" { slots.cdrom(first)? } else { slots.disk()? };
        added.push(json!({
            "path": path, "model": model, "media": media, "boot": false, "pci_slot": slot,
        }));
    }
    if updates.is_empty() && added.is_empty() {
        return Ok(String::new());
    }
    let payload = Object::from_iter([
        ("update_disks".to_owned(), Value::from(updates)),
        ("add_disks".to_owned(), Value::from(added)),
    ]);
    smartos_write::update_script(vm, &payload).map_err(|error| error.to_string())
}

/// What an order (`order=cd,once=d`, with qemu's letters) asks to be tried first.
fn first(boot: &str) -> Result<First, String> {
    let value = |key: &str| boot.split(',').find_map(|word| word.strip_prefix(key));
    let order = value("once=").or_else(|| value("order=")).unwrap_or_default();
    match order.chars().next() {
        Some('c') => Ok(First::Disk),
        Some('d') => Ok(First::Cdrom),
        _ => Err(format!(
            "Invalid boot order \"{order}\": a bhyve VM boots from disks first (c) or from cdroms first (d)"
        )),
    }
}

/// Devices and functions of bus 0 that are taken.
struct Slots {
    taken: BTreeSet<(u8, u8)>,
    boot_device: u8,
}

impl Slots {
    fn of(vm: &Object) -> Self {
        let slot =
            |device: &Object| parse_pci_slot(text(device, "pci_slot")).filter(|slot| slot.bus == 0);
        let taken = ["disks", "pci_devices"]
            .iter()
            .flat_map(|list| objects(vm, list).filter_map(slot))
            .map(|slot| (slot.device, slot.function))
            .collect();
        let boot = objects(vm, "disks").find(|disk| super::flag(disk, "boot")).and_then(slot);
        Self { taken, boot_device: boot.map_or(BOOT_DEVICE, |slot| slot.device) }
    }

    fn cdrom(&mut self, first: First) -> Result<String, String> {
        match first {
            First::Cdrom => self.take((1..self.boot_device).rev()),
            First::Disk => self.take(self.boot_device + 1..32),
        }
    }

    /// A slot for a disk, after the boot disk.
    fn disk(&mut self) -> Result<String, String> {
        self.take(self.boot_device..32)
    }

    fn take(&mut self, devices: impl Iterator<Item = u8>) -> Result<String, String> {
        let mut slots = devices
            .filter(|device| !RESERVED.contains(device))
            .flat_map(|device| (0..8).map(move |function| (device, function)));
        let Some((device, function)) = slots.find(|slot| !self.taken.contains(slot)) else {
            return Err("no PCI slot is left for another disk or cdrom".to_owned());
        };
        self.taken.insert((device, function));
        Ok(format!("0:{device}:{function}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(disks: Value) -> Object {
        Object::from_iter([("brand".to_owned(), "bhyve".into()), ("disks".to_owned(), disks)])
    }

    fn extra(boot: Option<&str>, disks: &[(&str, &str)]) -> Extra {
        let disk = |(path, media): &(&str, &str)| {
            ((*path).to_owned(), "ahci".to_owned(), (*media).to_owned())
        };
        Extra {
            boot: boot.map(str::to_owned),
            disks: disks.iter().map(disk).collect(),
            ..Extra::default()
        }
    }

    /// Paths and slots in a script.
    fn slots(script: &str) -> Vec<(String, String)> {
        let words = |line: &str, from: &str| line.strip_prefix(from).map(str::to_owned);
        let mut path = String::new();
        let mut found = Vec::new();
        for line in script.lines() {
            if let Some(name) = words(line, "set match=") {
                path = name;
            } else if let Some(slot) = words(line, "add property (name=pci-slot, value=\"") {
                found.push((path.clone(), slot.trim_end_matches("\")").to_owned()));
            }
        }
        found
    }

    #[test]
    fn cdroms_come_before_or_behind_the_boot_disk() {
        let disks = json!([
            {"path": "/disk0", "boot": true, "pci_slot": "0:4:0"},
            {"path": "/own.iso", "media": "cdrom", "model": "ahci", "pci_slot": "0:3:0"},
        ]);
        let vm = vm(disks);
        let slots = |boot, disks: &[_]| slots(&script(&vm, &extra(boot, disks)).unwrap());
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let iso = &[("/x.iso", "cdrom")][..];
        assert_eq!(slots(None, &[]), []);
        assert_eq!(slots(None, iso), pairs(&[("/x.iso", "0:3:1")]));
        assert_eq!(slots(Some("order=cd,once=d"), iso), pairs(&[("/x.iso", "0:3:1")]));
        assert_eq!(slots(Some("order=d,once=c"), &[]), pairs(&[("/own.iso", "0:5:0")]));
        assert_eq!(
            slots(Some("order=cd"), &[("/x.iso", "cdrom"), ("/x", "disk"), ("/x", "disk")]),
            pairs(&[("/own.iso", "0:5:0"), ("/x.iso", "0:5:1"), ("/x", "0:4:1")])
        );
        assert_eq!(slots(Some("order=d"), &[("/own.iso", "cdrom")]), []);
        let error = script(&vm, &extra(Some("order=n"), &[])).unwrap_err();
        assert!(error.contains("\"n\""), "{error}");
    }

    #[test]
    fn reserved_slots_are_left_alone() {
        let disks: Vec<Value> = (0..8)
            .flat_map(|function| [4, 5].map(|device| json!({"path": format!("/{device}{function}"), "pci_slot": format!("0:{device}:{function}")})))
            .collect();
        let vm = vm(disks.into());
        let script = script(&vm, &extra(Some("order=c"), &[("/x", "disk")])).unwrap();
        assert_eq!(slots(&script), [("/x".to_owned(), "0:7:0".to_owned())]);
    }
}
