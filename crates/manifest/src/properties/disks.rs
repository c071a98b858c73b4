//! Rows for disks.

use super::Kind::{Boolean, Integer, List, ObjectArray, Text, Uuid};
use super::brands::{BHYVE, HVM, KVM};
use super::{DatasetType, ElementRule, Encoding, Flatten, Property};

pub(super) const ROWS: &[Property] = &[
    Property::new("add_disks", ObjectArray, "Disks to add; the VM must be stopped.")
        .on_omnios()
        .update(HVM)
        .checked_as("disks"),
    Property::new("disk_driver", Text, "Model of disks that do not name their own.")
        .on_omnios()
        .payload(HVM)
        .attr("disk-driver"),
    Property::new("disks", ObjectArray, "Disks of the VM.")
        .on_omnios()
        .create_receive(HVM)
        .resources("device")
        .zfs(
            &[
                "compression",
                "name",
                "refreservation",
                "usedbysnapshots",
                "volblocksize",
                "volsize",
            ],
            &[DatasetType::Volume],
        )
        .flatten(Flatten::ArrayOfObjects),
    Property::new(
        "disks.*.block_size",
        Integer,
        "Block size of the volume, in bytes; fixed at creation.",
    )
    .on_omnios()
    .add(HVM)
    .min(0)
    .stored_in_zfs()
    .zfs(&["volblocksize"], &[DatasetType::Volume])
    .default_text("8192"),
    Property::new("disks.*.boot", Boolean, "Boot from this disk.")
        .on_omnios()
        .add_update(HVM)
        .device_property("boot")
        .encoding(Encoding::Boolean)
        .updatable(),
    Property::new("disks.*.compression", Text, "Compression of the volume.")
        .on_omnios()
        .add_update(HVM)
        .stored_in_zfs()
        .zfs(&["compression"], &[DatasetType::Volume])
        .default_text("off"),
    Property::new(
        "disks.*.dangerous_allow_shrink",
        Boolean,
        "Permit a smaller size, losing the data beyond it.",
    )
    .on_omnios()
    .update(BHYVE),
    Property::new(
        "disks.*.guest_block_size",
        Text,
        "Sector size that the guest sees: logical, or logical/physical.",
    )
    .on_omnios()
    .add_update(BHYVE)
    .device_property("guest-block-size")
    .updatable()
    .element(ElementRule::SectorSize),
    Property::new("disks.*.image_name", Text, "Name of the image; no longer used.")
        .on_omnios()
        .add_update(KVM)
        .device_property("image-name")
        .deprecated()
        .hidden(),
    Property::new("disks.*.image_size", Integer, "Size of the image, in MiB.")
        .on_omnios()
        .add(HVM)
        .min(0)
        .device_property("image-size")
        .encoding(Encoding::Number)
        .default_text("size of the image"),
    Property::new("disks.*.image_uuid", Uuid, "The image that the disk is cloned from.")
        .on_omnios()
        .add(HVM)
        .device_property("image-uuid"),
    Property::new("disks.*.media", Text, "What the device is: disk or cdrom.")
        .on_omnios()
        .add_update(HVM)
        .device_property("media")
        .default_text("disk"),
    Property::new("disks.*.model", Text, "How the disk is presented to the guest.")
        .on_omnios()
        .add_update(HVM)
        .device_property("model")
        .default_text("value of disk_driver")
        .updatable(),
    Property::new("disks.*.nocreate", Boolean, "Use an existing device or file; create no volume.")
        .on_omnios()
        .add(HVM)
        .default_text("false"),
    Property::new("disks.*.notrim", Boolean, "Do not offer TRIM to the guest.")
        .on_omnios()
        .add_update(BHYVE)
        .device_property("notrim")
        .encoding(Encoding::Boolean)
        .updatable(),
    Property::new("disks.*.path", Text, "Device or file behind the disk.")
        .on_omnios()
        .add_update(HVM)
        .device_field("match"),
    Property::new("disks.*.pci_slot", Text, "PCI slot of the disk as bus:device:function.")
        .on_omnios()
        .add_update(BHYVE)
        .device_property("pci-slot")
        .updatable(),
    Property::new("disks.*.refreservation", Integer, "MiB of pool space reserved for the disk.")
        .on_omnios()
        .add_update(HVM)
        .min(0)
        .stored_in_zfs()
        .zfs(&["refreservation"], &[DatasetType::Volume])
        .default_text("size of the disk"),
    Property::new("disks.*.size", Integer, "Size of the disk, in MiB.")
        .on_omnios()
        .add(HVM)
        .update(BHYVE)
        .min(0)
        .stored_in_zfs()
        .zfs(&["volsize"], &[DatasetType::Volume]),
    Property::new("disks.*.uuid", Uuid, "Unique identifier of the disk.")
        .on_omnios()
        .add_update(BHYVE)
        .device_property("uuid")
        .default_text("generated")
        .updatable(),
    Property::new("disks.*.zfs_filesystem", Text, "Name of the volume's dataset.")
        .on_omnios()
        .receive(HVM)
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Volume]),
    Property::read_only("disks.*.zonexml_size", "Size as the zone's XML records it; not shown.")
        .on_omnios()
        .device_property("size")
        .hidden(),
    Property::new("disks.*.zpool", Text, "The pool that holds the disk.")
        .on_omnios()
        .add(HVM)
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Volume])
        .default_text("zones"),
    Property::new(
        "flexible_disk_size",
        Integer,
        "MiB of disk space that all disks of the VM share.",
    )
    .on_omnios()
    .payload(BHYVE)
    .min(0)
    .attr("flexible-disk-size")
    .encoding(Encoding::Number)
    .column("FLEX_DISK_SIZE", 14)
    .live(),
    Property::read_only("free_space", "MiB of flexible_disk_size that no disk uses.")
        .on_omnios()
        .stored_in_zfs()
        .zfs(&["volsize", "usedbysnapshots"], &[DatasetType::Volume])
        .column("FREE_SPACE", 14)
        .depends_on(&["flexible_disk_size"]),
    Property::new("remove_disks", List, "Paths of disks to remove; the VM must be stopped.")
        .on_omnios()
        .update(HVM),
    Property::new("update_disks", ObjectArray, "Changes to disks, matched by path.")
        .on_omnios()
        .update(HVM)
        .checked_as("disks"),
];
