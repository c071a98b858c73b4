//! Rows for the devices and firmware of hardware virtual machines.

use super::Kind::{Integer, List, ObjectArray, Text};
use super::brands::{BHYVE, HVM, KVM};
use super::{ElementRule, Encoding, Flatten, Property};

/// Why OmniOS has not what depends on it.
const NO_SPICE: &str = "the kvm brand's qemu has no SPICE server";

pub(super) const ROWS: &[Property] = &[
    Property::new("add_pci_devices", ObjectArray, "PCI devices to pass through to the guest.")
        .on_omnios()
        .payload(BHYVE)
        .checked_as("pci_devices"),
    Property::new("bhyve_extra_opts", Text, "Further arguments for bhyve.")
        .on_omnios()
        .payload(BHYVE)
        .attr("bhyve-extra-opts"),
    Property::new("boot", Text, "Order in which devices are tried at boot.")
        .on_omnios()
        .payload(HVM)
        .attr("boot")
        .default_text("order=cd"),
    Property::new(
        "bootrom",
        Text,
        "Firmware of the guest: bios, uefi or the path of a file in the zone.",
    )
    .on_omnios()
    .payload(BHYVE)
    .attr("bootrom")
    .default_text("bios"),
    Property::new("com1", Text, "Backend of the first serial port.")
        .on_omnios()
        .payload(BHYVE)
        .attr("com1"),
    Property::new("com2", Text, "Backend of the second serial port.")
        .on_omnios()
        .payload(BHYVE)
        .attr("com2"),
    Property::new("cpu_type", Text, "CPU model that the guest sees: host or qemu64.")
        .on_omnios()
        .payload(KVM)
        .attr("cpu-type")
        .column("CPU_TYPE", 8)
        .default_text("qemu64"),
    Property::new("pci_devices", ObjectArray, "PCI devices passed through to the guest.")
        .on_omnios()
        .payload(BHYVE)
        .resources("device")
        .flatten(Flatten::ArrayOfObjects),
    Property::new(
        "pci_devices.*.path",
        Text,
        "Device path of the PCI device on the host, below /devices.",
    )
    .on_omnios()
    .add_update(BHYVE)
    .device_field("match"),
    Property::new("pci_devices.*.pci_slot", Text, "PCI slot in the guest as bus:device:function.")
        .on_omnios()
        .add_update(BHYVE)
        .device_property("pci-slot")
        .updatable(),
    Property::new("qemu_extra_opts", Text, "Further arguments for qemu.")
        .not_on_omnios("the kvm brand fails on extra options")
        .payload(KVM)
        .attr("qemu-extra-opts")
        .encoding(Encoding::Base64)
        .column("QEMU_EXTRA_OPTS", 15),
    Property::new("qemu_opts", Text, "Arguments for qemu in place of the default ones.")
        .not_on_omnios("the kvm brand makes qemu's arguments itself")
        .payload(KVM)
        .attr("qemu-opts")
        .encoding(Encoding::Base64),
    Property::new("remove_pci_devices", List, "Paths of PCI devices to remove.")
        .on_omnios()
        .update(BHYVE)
        .element(ElementRule::DevicePath),
    Property::new("spice_opts", Text, "Options of the SPICE server.")
        .not_on_omnios(NO_SPICE)
        .payload(KVM)
        .attr("spice-opts")
        .encoding(Encoding::Base64),
    Property::new("spice_password", Text, "Password of the SPICE server.")
        .not_on_omnios(NO_SPICE)
        .payload(KVM)
        .attr("spice-password")
        .encoding(Encoding::Base64),
    Property::new(
        "spice_port",
        Integer,
        "TCP port of the SPICE server; 0 picks one, -1 turns it off.",
    )
    .not_on_omnios(NO_SPICE)
    .payload(KVM)
    .min(-1)
    .attr("spice-port")
    .encoding(Encoding::Number),
    Property::new("update_pci_devices", ObjectArray, "Changes to PCI devices, matched by path.")
        .on_omnios()
        .update(BHYVE)
        .checked_as("pci_devices"),
    Property::new("vga", Text, "Emulated graphics card.")
        .not_on_omnios("the kvm brand always takes std")
        .payload(KVM)
        .attr("vga")
        .default_text("std"),
    Property::new("virtio_txburst", Integer, "Packets sent at once by a virtio interface.")
        .not_on_omnios("the kvm brand has its own values")
        .payload(KVM)
        .min(0)
        .attr("virtio-txburst")
        .encoding(Encoding::Number)
        .default_text("128"),
    Property::new(
        "virtio_txtimer",
        Integer,
        "Nanoseconds that a virtio interface gathers packets before sending.",
    )
    .not_on_omnios("the kvm brand has its own values")
    .payload(KVM)
    .min(0)
    .attr("virtio-txtimer")
    .encoding(Encoding::Number)
    .default_text("200000"),
    Property::new("vnc_password", Text, "Password of the VNC server, at most 8 characters.")
        .on_omnios()
        .payload(HVM)
        .attr("vnc-password")
        .encoding(Encoding::Base64)
        .default_text("unset"),
    Property::new("vnc_port", Integer, "TCP port of the VNC server; 0 picks one, -1 turns it off.")
        .on_omnios()
        .payload(HVM)
        .min(-1)
        .attr("vnc-port")
        .encoding(Encoding::Number)
        .default_text("0"),
];
