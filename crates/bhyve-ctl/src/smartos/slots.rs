//! The PCI slots that vmadm gives to the disks of bhyve virtual machines.
//!
//! New disks are functions of device 4, the boot disk first; cdroms are functions of device 3. Machines from before
//! slots were stored have their data disks on device 5, where the brand puts disks without a slot.

use std::collections::BTreeMap;

use super::pci_slot::PciSlot;
use crate::refusal::{Result, refuse};

const HOSTBRIDGE: u8 = 0;
const CDROM: u8 = 3;
const BOOT_DISK: u8 = 4;
const DATA_DISKS: u8 = 5;
const NICS: u8 = 6;
const FRAME_BUFFER: u8 = 30;
const LPC: u8 = 31;

/// Devices of bus 0 that are the brand's own.
const RESERVED: [u8; 4] = [HOSTBRIDGE, NICS, FRAME_BUFFER, LPC];

/// What is to be known of a disk to give it a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk<'a> {
    /// Path of the disk, for messages.
    pub path: Option<&'a str>,
    /// Whether it is the boot disk.
    pub boot: bool,
    /// `disk`, `cdrom`, or unset, which is a disk.
    pub media: Option<&'a str>,
    /// The slot it has.
    pub pci_slot: Option<&'a str>,
}

/// Slots of bus 0 in use, with the path of the disk in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots(BTreeMap<(u8, u8), String>);

/// How disks without a slot are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Boot and data disks on device 4.
    Current,
    /// The boot disk on device 4, data disks on device 5, as the brand does by itself.
    Legacy,
}

/// Gives a slot to each disk that has none. Returns the index of each such disk with its slot, the boot disk first.
/// `slots` says which are taken already and is brought up to date.
///
/// # Errors
/// There are two boot disks, a slot is no PCI address, reserved or used twice, or no function is left.
pub fn assign(
    disks: &[Disk<'_>],
    layout: Layout,
    slots: &mut Slots,
) -> Result<Vec<(usize, PciSlot)>> {
    let mut boot_disk: Option<&Disk<'_>> = None;
    let mut unassigned = Vec::new();
    for (index, disk) in disks.iter().enumerate() {
        if disk.boot {
            if let Some(first) = boot_disk {
                refuse!(
                    "multiple boot disks: \"{}\" and \"{}\"",
                    description(first),
                    description(disk)
                );
            }
            boot_disk = Some(disk);
        }
        match disk.pci_slot {
            Some(text) => slots.occupy(text, disk.path.unwrap_or("undefined"))?,
            // The boot disk gets the first function, if that is free.
            None if disk.boot => unassigned.insert(0, index),
            None => unassigned.push(index),
        }
    }
    unassigned
        .into_iter()
        .map(|index| Ok((index, slots.take_free(&disks[index], layout)?)))
        .collect()
}

impl Slots {
    fn occupy(&mut self, text: &str, path: &str) -> Result<()> {
        let Some(slot) = PciSlot::parse(text) else {
            refuse!("pci_slot \"{text}\" is not valid");
        };
        if slot.bus != 0 {
            return Ok(());
        }
        if RESERVED.contains(&slot.device) {
            refuse!("pci_slot \"{text}\" invalid: PCI device {} is reserved", slot.device);
        }
        if let Some(other) = self.0.get(&(slot.device, slot.function)) {
            // The missing quotation mark is vmadm's.
            refuse!("VM has multiple disks in pci_slot \"{text}\": \"{other}\" and \"{path}");
        }
        self.0.insert((slot.device, slot.function), path.to_owned());
        Ok(())
    }

    fn take_free(&mut self, disk: &Disk<'_>, layout: Layout) -> Result<PciSlot> {
        let device = match disk.media {
            Some("cdrom") => CDROM,
            None | Some("disk") if disk.boot || layout == Layout::Current => BOOT_DISK,
            None | Some("disk") => DATA_DISKS,
            Some(media) => refuse!(
                "VM has no PCI bus or slot assigned for {media} devices; automatic pci_slot \
                 assignment not possible"
            ),
        };
        let Some(function) = (0..8).find(|function| !self.0.contains_key(&(device, *function)))
        else {
            let media = disk.media.unwrap_or("disk");
            refuse!("VM has more than 8 {media} devices on PCI device {device}");
        };
        self.0.insert((device, function), disk.path.unwrap_or("undefined").to_owned());
        Ok(PciSlot { bus: 0, device, function })
    }
}

fn description(disk: &Disk<'_>) -> String {
    match (disk.path, disk.pci_slot) {
        (Some(path), _) => format!("path={path}"),
        (None, Some(slot)) => format!("pci_slot={slot}"),
        (None, None) => "a disk without a path".to_owned(),
    }
}
