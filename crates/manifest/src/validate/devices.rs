//! Rules between the members of a disk or a PCI device.

use serde_json::Value;

use super::Problems;
use crate::brand::{Brand, Flavour};
use crate::fields::Fields;
use crate::js;
use crate::payload::Payload;
use crate::properties;

/// A place on a guest's PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciSlot {
    pub bus: u8,
    pub device: u8,
    pub function: u8,
}

/// Reads `bus:device:function`, `device:function` or `device`; what is left out is 0.
pub fn parse_pci_slot(text: &str) -> Option<PciSlot> {
    let numbers = text.split(':').map(slot_number).collect::<Option<Vec<u8>>>()?;
    let (bus, device, function) = match numbers[..] {
        [device] => (0, device, 0),
        [device, function] => (0, device, function),
        [bus, device, function] => (bus, device, function),
        _ => return None,
    };
    (device <= 31 && function <= 7).then_some(PciSlot { bus, device, function })
}

fn slot_number(text: &str) -> Option<u8> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u8 = digits.parse().ok()?;
    (number == 0 || !text.starts_with('-')).then_some(number)
}

/// A disk comes from an image, then its size is the image's, or is blank, then it needs a size.
pub(super) fn check_disk_sources(brand: Brand, payload: &Payload, problems: &mut Problems) {
    if !is_known("disks", brand) {
        refuse_non_arrays(payload, problems);
        return;
    }
    for array in ["disks", "add_disks"] {
        for (index, disk) in elements(payload, array) {
            if disk.is_null() {
                problems.bad_value(array);
                continue;
            }
            check_disk_source(&format!("{array}.{index}"), disk, payload, problems);
        }
    }
    refuse_non_arrays(payload, problems);
}

/// The original failed on these instead of naming them.
fn refuse_non_arrays(payload: &Payload, problems: &mut Problems) {
    for array in ["disks", "add_disks"] {
        if payload.value(array).is_some_and(|disks| !disks.is_array()) {
            problems.bad_value(array);
        }
    }
}

fn check_disk_source(prefix: &str, disk: &Value, payload: &Payload, problems: &mut Problems) {
    let has = |key: &str| disk.get(key).is_some();
    if disk.get("media").is_some_and(|media| media != "disk") {
        return;
    }
    let mut missing = |key: &str| problems.missing_properties.push(format!("{prefix}.{key}"));
    let mut bad = Vec::new();
    if has("image_uuid") {
        if !has("image_size") {
            missing("image_size");
        }
        if has("size") && !payload.has("flexible_disk_size") {
            bad.push("size");
        }
        if has("block_size") {
            bad.push("block_size");
        }
    } else {
        if !has("size") {
            missing("size");
        }
        bad.extend(["image_name", "image_size"].into_iter().filter(|key| has(key)));
    }
    for key in bad {
        problems.bad_properties.push(format!("{prefix}.{key}"));
    }
}

/// A PCI device needs the path of a device of the host and a slot of the guest; on OmniOS the path may be that of its node
/// (`/dev/pptN`), and the brand finds a slot.
pub(super) fn check_pci_devices(
    brand: Brand,
    flavour: Flavour,
    payload: &Payload,
    problems: &mut Problems,
) {
    if !is_known("pci_devices", brand) {
        return;
    }
    let on_omnios = flavour == Flavour::OmniOs;
    for array in ["pci_devices", "add_pci_devices"] {
        // A text counts as the list of its characters, none of which is a device.
        let characters = payload.text(array).map_or(0, |text| text.encode_utf16().count());
        for index in 0..characters {
            for member in ["path", "pci_slot"] {
                problems.missing_properties.push(format!("{array}.{index}.{member}"));
            }
        }
        for (index, device) in elements(payload, array) {
            if device.is_null() {
                problems.bad_value(array);
                continue;
            }
            let prefix = format!("{array}.{index}");
            match device.get("path") {
                None => problems.missing_properties.push(format!("{prefix}.path")),
                Some(Value::String(path)) if path.starts_with("/devices") => {}
                Some(Value::String(path)) if on_omnios && path.starts_with("/dev/ppt") => {}
                Some(_) => problems.bad_values.push(format!("{prefix}.path")),
            }
            match device.get("pci_slot") {
                None if on_omnios => {}
                None => problems.missing_properties.push(format!("{prefix}.pci_slot")),
                Some(slot) if slot.as_str().is_some_and(|slot| parse_pci_slot(slot).is_some()) => {}
                Some(_) => problems.bad_values.push(format!("{prefix}.pci_slot")),
            }
            if device.get("model").is_some_and(|model| model != "passthru") {
                problems.bad_values.push(format!("{prefix}.model"));
            }
        }
    }
}

/// A reservation below zero is reported for the disk as well as for the property.
pub(super) fn check_refreservations(payload: &Payload, problems: &mut Problems) {
    for array in ["disks", "add_disks"] {
        for (index, disk) in payload.array(array).iter().enumerate() {
            if disk.get("refreservation").is_some_and(|size| js::to_number(size) < 0.0) {
                problems.bad_values.push(format!("{array}.{index}.refreservation"));
            }
        }
    }
}

/// Whether payloads of `brand` may ever have the property.
fn is_known(name: &str, brand: Brand) -> bool {
    properties::find(name).is_some_and(|property| property.known_to(brand))
}

/// The elements of an array, or of what was given in its place, with their indexes.
fn elements<'a>(payload: &'a Payload, array: &str) -> Vec<(String, &'a Value)> {
    payload.value(array).map(super::members).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bus_device_function() {
        let slot = |bus, device, function| Some(PciSlot { bus, device, function });
        assert_eq!(parse_pci_slot("4"), slot(0, 4, 0));
        assert_eq!(parse_pci_slot("4:7"), slot(0, 4, 7));
        assert_eq!(parse_pci_slot("255:31:7"), slot(255, 31, 7));
        assert_eq!(parse_pci_slot("1:08:0"), slot(1, 8, 0));
        for bad in ["", "x", "1:32:0", "0:0:8", "256:0:0", "0:5:0:1", "-1", " 1", "1:", "1e1"] {
            assert_eq!(parse_pci_slot(bad), None, "{bad}");
        }
    }
}
