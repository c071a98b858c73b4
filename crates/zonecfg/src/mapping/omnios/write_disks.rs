//! Disks and pass-through devices of virtual machines.

use serde_json::Value;

use super::slots::{self, Slot};
use super::write::{Result, Writer, objects, part, refused, shown};
use super::{DISK_MODELS, DISK_PARTS, Object, VOLUMES, translated};
use crate::model::{Device, Fs};

/// Mount options of what only the hypervisor reads in a zone.
const READ_ONLY: [&str; 2] = ["ro", "nodevices"];

impl Writer {
    pub(super) fn disks(&mut self, vm: &Object) -> Result<()> {
        let slots = slots::assign(objects(vm, "disks"), &self.brand())?;
        for ((index, disk), slot) in objects(vm, "disks").zip(slots) {
            self.disk(index, disk, slot)?;
        }
        if self.brand() == "kvm" { self.kvm_interface(vm) } else { Ok(()) }
    }

    fn disk(&mut self, index: usize, disk: &Object, slot: Slot) -> Result<()> {
        let property = |name: &str| format!("disks.{index}.{name}");
        let path = part(disk, "path");
        let attribute = slot.attribute();
        if matches!(slot, Slot::Cdrom(_)) {
            self.attr(&property("path"), &attribute, &path)?;
            self.disk_parts(index, disk, &attribute)?;
            // The image has to be seen in the zone, under its own name.
            self.zone.add(Fs {
                dir: path.clone(),
                special: path,
                raw: None,
                fs_type: "lofs".to_owned(),
                options: READ_ONLY.map(str::to_owned).to_vec(),
            });
            return Ok(());
        }
        let mut value = path.strip_prefix(VOLUMES).unwrap_or(&path).to_owned();
        if disk.get("notrim") == Some(&Value::Bool(true)) {
            value.push_str(",nodelete");
        }
        match part(disk, "guest_block_size").as_str() {
            "" | "0" => {}
            size => value.push_str(&format!(",sectorsize={size}")),
        }
        self.attr(&property("path"), &attribute, &value)?;
        if self.brand() == "bhyve" {
            let model = part(disk, "model");
            let interface = translated(&DISK_MODELS, &model);
            match (interface, slot.interface_attribute()) {
                (None, _) if !model.is_empty() => {
                    return refused(&property("model"), "it is not virtio, ahci or nvme");
                }
                (Some(interface), Some(name)) if interface != "virtio-blk" => {
                    self.attr(&property("model"), &name, interface)?;
                }
                _ => {}
            }
        }
        self.disk_parts(index, disk, &attribute)?;
        self.zone.add(Device { matches: path, properties: Vec::new() });
        Ok(())
    }

    /// The kvm brand gives all disks one interface.
    fn kvm_interface(&mut self, vm: &Object) -> Result<()> {
        let disks = || objects(vm, "disks").filter(|(_, disk)| part(disk, "media") != "cdrom");
        let Some((_, first)) = disks().next() else { return Ok(()) };
        let model = part(first, "model");
        if let Some((index, _)) = disks().find(|(_, disk)| part(disk, "model") != model) {
            let why = format!("OmniOS's kvm brand gives all disks one model, here {model}");
            return refused(&format!("disks.{index}.model"), &why);
        }
        if matches!(model.as_str(), "" | "virtio") {
            return Ok(());
        }
        self.attr("disks.0.model", "diskif", &model)
    }

    fn disk_parts(&mut self, index: usize, disk: &Object, slot: &str) -> Result<()> {
        for (property, name) in DISK_PARTS {
            if let Some(value) = disk.get(property) {
                self.attr(
                    &format!("disks.{index}.{property}"),
                    &format!("{slot}-{name}"),
                    &shown(value),
                )?;
            }
        }
        Ok(())
    }

    /// `device` is the `/dev/pptN` of a path below `/devices`, where the caller knows it.
    pub(super) fn pci_device(&mut self, index: usize, device: &Object) -> Result<()> {
        let path = part(device, "path");
        let node = match part(device, "device") {
            node if node.is_empty() => path.clone(),
            node => node,
        };
        let property = |name: &str| format!("pci_devices.{index}.{name}");
        let Some(ppt) = node.strip_prefix("/dev/").filter(|name| name.starts_with("ppt")) else {
            let why = "it is no device for pass-through (/dev/pptN)";
            return refused(&property("path"), why);
        };
        let value = match part(device, "pci_slot").as_str() {
            "" => "on".to_owned(),
            slot => match slot.trim_start_matches("0:").strip_prefix("9:") {
                Some(function) if matches!(function.as_bytes(), [b'0'..=b'7']) => {
                    format!("slot{function}")
                }
                _ => {
                    let why = "on OmniOS pass-through devices are at 0:9:0 to 0:9:7";
                    return refused(&property("pci_slot"), why);
                }
            },
        };
        self.attr(&property("path"), ppt, &value)?;
        if node != path {
            self.attr(&property("path"), &format!("{ppt}-path"), &path)?;
        }
        self.zone.add(Device { matches: node, properties: Vec::new() });
        Ok(())
    }
}
