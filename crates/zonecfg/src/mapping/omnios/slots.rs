//! Which of the brand's numbered places each disk has.
//!
//! Where OmniOS's bhyve brand puts a disk follows from the attribute that names it: `bootdisk` is at 0:4:0, `disk0` to
//! `disk7` are at 0:5:0 and on, `disk8` to `disk15` at 0:8:0 and on, `cdrom0` to `cdrom7` at 0:3:0 and on. So a
//! `pci_slot` says which attribute a disk has, and no other slot can be had.

use serde_json::Value;

use super::{Object, Unmappable};

/// A place for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Boot,
    Disk(usize),
    Cdrom(usize),
}

impl Slot {
    /// The attribute that holds the disk.
    pub(super) fn attribute(self) -> String {
        match self {
            Self::Boot => "bootdisk".to_owned(),
            Self::Disk(number) => format!("disk{number}"),
            Self::Cdrom(number) => format!("cdrom{number}"),
        }
    }

    /// The attribute that holds its interface; cdroms have none.
    pub(super) fn interface_attribute(self) -> Option<String> {
        match self {
            Self::Boot => Some("bootdiskif".to_owned()),
            Self::Disk(number) => Some(format!("diskif{number}")),
            Self::Cdrom(_) => None,
        }
    }

    /// Where bhyve's brand puts it.
    pub(super) fn pci_slot(self) -> String {
        match self {
            Self::Boot => "0:4:0".to_owned(),
            Self::Disk(number) if number < 8 => format!("0:5:{number}"),
            Self::Disk(number) => format!("0:8:{}", number - 8),
            Self::Cdrom(number) => format!("0:3:{number}"),
        }
    }

    /// The place of a PCI slot given as `bus:device:function`, `device:function` or `device`.
    fn at(pci_slot: &str) -> Option<Self> {
        let numbers: Vec<usize> =
            pci_slot.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let (device, function) = match numbers[..] {
            [device] => (device, 0),
            [device, function] | [0, device, function] => (device, function),
            _ => return None,
        };
        match (device, function) {
            (4, 0) => Some(Self::Boot),
            (5, 0..8) => Some(Self::Disk(function)),
            (8, 0..8) => Some(Self::Disk(function + 8)),
            (3, 0..8) => Some(Self::Cdrom(function)),
            _ => None,
        }
    }
}

/// How many disks beside the boot disk, and how many cdroms, a brand takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    disks: usize,
    cdroms: usize,
}

/// The limits of a brand.
pub(super) fn limits(brand: &str) -> Limits {
    if brand == "kvm" { Limits { disks: 10, cdroms: 5 } } else { Limits { disks: 16, cdroms: 8 } }
}

/// Gives every disk a place: the one that its `pci_slot` asks for, else the first that is free.
pub(super) fn assign<'a>(
    disks: impl Iterator<Item = (usize, &'a Object)> + Clone,
    brand: &str,
) -> Result<Vec<Slot>, Unmappable> {
    let Limits { disks: most_disks, cdroms: most_cdroms } = limits(brand);
    let mut slots = Vec::new();
    for (index, disk) in disks.clone() {
        slots.push(asked_for(index, disk)?);
    }
    let mut taken: Vec<Slot> = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let Some(slot) = slot else { continue };
        if taken.contains(slot) {
            return Err(refusal(index, "pci_slot", "another disk has this slot"));
        }
        taken.push(*slot);
    }
    for (slot, (index, disk)) in slots.iter_mut().zip(disks).filter(|(slot, _)| slot.is_none()) {
        let free = if is_cdrom(disk) {
            let mut all = (0..most_cdroms).map(Slot::Cdrom);
            all.find(|slot| !taken.contains(slot)).ok_or_else(|| {
                refusal(index, "media", &format!("OmniOS takes {most_cdroms} cdroms"))
            })?
        } else if boots(disk) {
            if taken.contains(&Slot::Boot) {
                return Err(refusal(index, "boot", "there is another boot disk"));
            }
            Slot::Boot
        } else {
            let mut all = (0..most_disks).map(Slot::Disk);
            all.find(|slot| !taken.contains(slot)).ok_or_else(|| {
                let why = format!("OmniOS takes {most_disks} disks beside the boot disk");
                refusal(index, "path", &why)
            })?
        };
        taken.push(free);
        *slot = Some(free);
    }
    Ok(slots.into_iter().flatten().collect())
}

fn asked_for(index: usize, disk: &Object) -> Result<Option<Slot>, Unmappable> {
    let Some(pci_slot) = disk.get("pci_slot").and_then(Value::as_str).filter(|s| !s.is_empty())
    else {
        return Ok(None);
    };
    let slot = Slot::at(pci_slot);
    let (fits, places) = if is_cdrom(disk) {
        (matches!(slot, Some(Slot::Cdrom(_))), "cdroms are at 0:3:0 to 0:3:7")
    } else if boots(disk) {
        (slot == Some(Slot::Boot), "the boot disk is at 0:4:0")
    } else {
        (matches!(slot, Some(Slot::Disk(_))), "disks are at 0:5:0 to 0:5:7 and 0:8:0 to 0:8:7")
    };
    if fits { Ok(slot) } else { Err(refusal(index, "pci_slot", &format!("on OmniOS {places}"))) }
}

fn is_cdrom(disk: &Object) -> bool {
    disk.get("media").is_some_and(|media| media == "cdrom")
}

fn boots(disk: &Object) -> bool {
    disk.get("boot") == Some(&Value::Bool(true)) && !is_cdrom(disk)
}

fn refusal(index: usize, member: &str, why: &str) -> Unmappable {
    Unmappable { property: format!("disks.{index}.{member}"), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slots(disks: Value) -> Result<Vec<String>, String> {
        let disks: Vec<Object> = serde_json::from_value(disks).expect("objects");
        let slots = assign(disks.iter().enumerate(), "bhyve").map_err(|error| error.to_string())?;
        Ok(slots.into_iter().map(Slot::attribute).collect())
    }

    #[test]
    fn places_are_asked_for_or_the_first_free_ones() {
        assert_eq!(
            slots(json!([
                {"path": "a"}, {"path": "b", "pci_slot": "0:5:0"}, {"path": "c", "boot": true},
                {"path": "d", "media": "cdrom"}, {"path": "e", "pci_slot": "8:1"}
            ])),
            Ok(["disk1", "disk0", "bootdisk", "cdrom0", "disk9"].map(str::to_owned).to_vec())
        );
        for (disks, named) in [
            (json!([{"pci_slot": "0:7:0"}]), "disks.0.pci_slot: on OmniOS disks are at"),
            (json!([{"boot": true, "pci_slot": "0:5:0"}]), "disks.0.pci_slot: on OmniOS the boot"),
            (json!([{"pci_slot": "0:5:1"}, {"pci_slot": "5:1"}]), "disks.1.pci_slot: another"),
            (json!([{"boot": true}, {"boot": true}]), "disks.1.boot: there is another"),
        ] {
            let refused = slots(disks).expect_err("there is no such place");
            assert!(refused.starts_with(named), "{refused}");
        }
    }
}
