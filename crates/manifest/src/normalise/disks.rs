//! PCI slots and UUIDs of bhyve disks.

use std::collections::BTreeMap;

use crate::brand::{Brand, VmType};
use crate::fields::{Fields, Object};
use crate::ids::Ids;
use crate::json::Compact;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::validate::{PciSlot, parse_pci_slot};
use crate::vm_object::VmObject;

const CDROMS: u8 = 3;
const BOOT_DISKS: u8 = 4;
/// Where the brand puts disks without a slot, after the first.
const OTHER_DISKS: u8 = 5;
/// Host bridge, NICs, frame buffer and LPC bridge: the brand places these itself.
const RESERVED: [u8; 4] = [0, 6, 30, 31];

/// Gives disks that are added a `pci_slot` and a `uuid`, each used only once in the VM.
pub(super) fn complete_added(
    payload: &mut Payload,
    vm: Option<&VmObject>,
    brand: Brand,
    ids: &mut dyn Ids,
) -> Result<(), Refusal> {
    if brand.vm_type() != VmType::Bhyve || !payload.has("add_disks") {
        return Ok(());
    }
    let mut slots = Slots::default();
    let existing: Vec<&Object> = vm.iter().flat_map(|vm| vm.objects("disks")).collect();
    slots.assign(&existing, true)?;
    let added: Vec<&Object> = payload.objects("add_disks").collect();
    let assigned = slots.assign(&added, false)?;

    let mut uuids: Vec<String> =
        existing.iter().filter_map(|disk| disk.text("uuid")).map(str::to_owned).collect();
    for (disk, slot) in payload.objects_mut("add_disks").zip(assigned) {
        if let Some(slot) = slot {
            disk.set("pci_slot", slot);
        }
        match disk.text("uuid") {
            Some(uuid) if uuids.iter().any(|known| known == uuid) => {
                return Refusal::rule(format!("duplicate disk uuid {uuid}"));
            }
            Some(uuid) => uuids.push(uuid.to_owned()),
            None => {
                let uuid = ids.uuid();
                disk.set("uuid", uuid.clone());
                uuids.push(uuid);
            }
        }
    }
    Ok(())
}

/// The PCI slots that bhyve disks without one get, in the disks' order; `None` for those that have
/// one.
///
/// With `legacy`, disks other than the boot disk go to device 5, where the brand puts them, else
/// all go to device 4.
pub fn assign_pci_slots(disks: &[&Object], legacy: bool) -> Result<Vec<Option<String>>, Refusal> {
    Slots::default().assign(disks, legacy)
}

/// Functions in use, by device of bus 0, with what to call their occupants.
#[derive(Default)]
struct Slots(BTreeMap<u8, BTreeMap<u8, String>>);

impl Slots {
    fn assign(&mut self, disks: &[&Object], legacy: bool) -> Result<Vec<Option<String>>, Refusal> {
        let mut unassigned = Vec::new();
        let mut boot_seen = false;
        for (index, disk) in disks.iter().enumerate() {
            let boots = disk.truthy("boot");
            if boots && std::mem::replace(&mut boot_seen, true) {
                // The known message shows only the flag of the first.
                return Refusal::rule(format!(
                    "multiple boot disks: \"\"true\"\" and \"{}\"",
                    describe(disk)
                ));
            }
            match disk.text("pci_slot") {
                Some(slot) => self.occupy(slot, disk)?,
                // The boot disk gets function 0 if that is free.
                None if boots => unassigned.insert(0, index),
                None => unassigned.push(index),
            }
        }
        let mut assigned = vec![None; disks.len()];
        for index in unassigned {
            assigned[index] = Some(self.place(disks[index], legacy)?);
        }
        Ok(assigned)
    }

    fn occupy(&mut self, text: &str, disk: &Object) -> Result<(), Refusal> {
        let Some(PciSlot { bus, device, function }) = parse_pci_slot(text) else {
            return Refusal::rule(format!("pci_slot \"{text}\" is not valid"));
        };
        if bus != 0 {
            return Ok(());
        }
        if RESERVED.contains(&device) {
            return Refusal::rule(format!(
                "pci_slot \"{text}\" invalid: PCI device {device} is reserved"
            ));
        }
        let path = disk.text("path").unwrap_or("undefined").to_owned();
        if let Some(other) = self.0.entry(device).or_default().insert(function, path.clone()) {
            return Refusal::rule(format!(
                "VM has multiple disks in pci_slot \"{text}\": \"{other}\" and \"{path}"
            ));
        }
        Ok(())
    }

    fn place(&mut self, disk: &Object, legacy: bool) -> Result<String, Refusal> {
        let media = disk.text("media").unwrap_or("disk");
        let device = match media {
            "cdrom" => CDROMS,
            "disk" if legacy && !disk.truthy("boot") => OTHER_DISKS,
            "disk" => BOOT_DISKS,
            _ => {
                return Refusal::rule(format!(
                    "VM has no PCI bus or slot assigned for {media} devices; automatic pci_slot \
                     assignment not possible"
                ));
            }
        };
        let functions = self.0.entry(device).or_default();
        let Some(function) = (0..=7).find(|function| !functions.contains_key(function)) else {
            return Refusal::rule(format!(
                "VM has more than 8 {media} devices on PCI device {device}"
            ));
        };
        functions.insert(function, disk.text("path").unwrap_or("undefined").to_owned());
        Ok(format!("0:{device}:{function}"))
    }
}

fn describe(disk: &Object) -> String {
    if let Some(path) = disk.text("path") {
        format!("path={path}")
    } else if let Some(slot) = disk.text("pci_slot") {
        format!("pci_slot={slot}")
    } else {
        format!("\"{}\"", Compact(disk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn assign(disks: Value, legacy: bool) -> Result<Vec<Option<String>>, String> {
        let disks: Vec<Object> = serde_json::from_value(disks).unwrap_or_default();
        let disks: Vec<&Object> = disks.iter().collect();
        assign_pci_slots(&disks, legacy).map_err(|refusal| refusal.to_string())
    }

    fn slots(texts: &[&str]) -> Result<Vec<Option<String>>, String> {
        Ok(texts.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect())
    }

    #[test]
    fn the_boot_disk_comes_first() {
        let disks = json!([{}, {"boot": true}, {"media": "cdrom"}, {"pci_slot": "0:4:1"}]);
        assert_eq!(assign(disks.clone(), false), slots(&["0:4:2", "0:4:0", "0:3:0", ""]));
        assert_eq!(assign(disks, true), slots(&["0:5:0", "0:4:0", "0:3:0", ""]));
    }

    #[test]
    fn conflicts_are_refused() {
        let clash = assign(
            json!([{"pci_slot": "4", "path": "/a"}, {"pci_slot": "0:4:0", "path": "/b"}]),
            false,
        );
        assert_eq!(
            clash,
            Err("VM has multiple disks in pci_slot \"0:4:0\": \"/a\" and \"/b".to_owned())
        );
        let boots =
            assign(json!([{"boot": true, "path": "/a"}, {"boot": true, "pci_slot": "5"}]), false);
        assert_eq!(boots, Err("multiple boot disks: \"\"true\"\" and \"pci_slot=5\"".to_owned()));
        let many = assign(Value::from(vec![json!({}); 9]), false);
        assert_eq!(many, Err("VM has more than 8 disk devices on PCI device 4".to_owned()));
    }
}
