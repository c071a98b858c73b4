//! Disks, PCI devices and filesystems.

use std::fmt::Write as _;

use serde_json::Value;

use super::quote::{Unmappable, quoted, text, token};
use super::updates::{DISK_UPDATABLE, FILESYSTEM_UPDATABLE, PCI_DEVICE_UPDATABLE, changes};
use super::{Object, is_created_later};

pub(super) fn disks(out: &mut String, vm: &Object, payload: &Object) -> Result<(), Unmappable> {
    let changes = changes(vm, payload, "disks", "path", DISK_UPDATABLE);
    for path in changes.remove {
        let _ = writeln!(out, "remove -F device match={}", token("disks.*.path", &path)?);
    }
    for disk in &changes.add {
        out.push_str("add device\n");
        let path = disk.get("path").map(text).unwrap_or_default();
        let _ = writeln!(out, "set match={}", token("disks.*.path", &path)?);
        let boot = disk.get("boot") == Some(&Value::Bool(true));
        property(out, "disks.*.boot", "boot", &boot.to_string())?;
        let mut copy = |name: &str, field: &str| match disk.get(field) {
            Some(value) => property(out, &format!("disks.*.{field}"), name, &text(value)),
            None => Ok(()),
        };
        copy("model", "model")?;
        copy("media", "media")?;
        if disk.contains_key("image_size") {
            copy("image-size", "image_size")?;
        } else {
            copy("size", "size")?;
        }
        for field in ["image_uuid", "image_name", "pci_slot", "uuid", "notrim", "guest_block_size"]
        {
            copy(&field.replace('_', "-"), field)?;
        }
        out.push_str("end\n");
    }
    Ok(())
}

pub(super) fn pci_devices(
    out: &mut String,
    vm: &Object,
    payload: &Object,
) -> Result<(), Unmappable> {
    let changes = changes(vm, payload, "pci_devices", "path", PCI_DEVICE_UPDATABLE);
    for path in changes.remove {
        let _ = writeln!(out, "remove -F device match={}", token("pci_devices.*.path", &path)?);
    }
    for device in &changes.add {
        let path = device.get("path").map(text).unwrap_or_default();
        let _ = writeln!(out, "add device\nset match={}", token("pci_devices.*.path", &path)?);
        property(out, "pci_devices.*.model", "model", "passthru")?;
        if let Some(slot) = device.get("pci_slot") {
            property(out, "pci_devices.*.pci_slot", "pci-slot", &text(slot))?;
        }
        out.push_str("end\n");
    }
    Ok(())
}

pub(super) fn filesystems(
    out: &mut String,
    vm: &Object,
    payload: &Object,
) -> Result<(), Unmappable> {
    let changes = changes(vm, payload, "filesystems", "target", FILESYSTEM_UPDATABLE);
    for target in changes.remove {
        let _ = writeln!(out, "remove fs dir={}", token("filesystems.*.target", &target)?);
    }
    for filesystem in &changes.add {
        let source = filesystem.get("source").and_then(Value::as_str).unwrap_or_default();
        if !is_created_later(source) {
            add_filesystem(out, filesystem)?;
        }
    }
    Ok(())
}

pub(super) fn add_filesystem(out: &mut String, filesystem: &Object) -> Result<(), Unmappable> {
    out.push_str("add fs\n");
    for (name, field) in
        [("dir", "target"), ("special", "source"), ("type", "type"), ("raw", "raw")]
    {
        if let Some(value) = filesystem.get(field) {
            let value = text(value);
            let value = token(&format!("filesystems.*.{field}"), &value)?.into_owned();
            let _ = writeln!(out, "set {name}={value}");
        }
    }
    if let Some(options) = filesystem.get("options").and_then(Value::as_array) {
        for option in options {
            let option = quoted("filesystems.*.options", &text(option))?;
            let _ = writeln!(out, "add options {option}");
        }
    }
    out.push_str("end\n");
    Ok(())
}

/// A property of a device or network resource; `of` is the payload's property, for messages.
pub(super) fn property(
    out: &mut String,
    of: &str,
    name: &str,
    value: &str,
) -> Result<(), Unmappable> {
    let _ = writeln!(out, "add property (name={name}, value={})", quoted(of, value)?);
    Ok(())
}
