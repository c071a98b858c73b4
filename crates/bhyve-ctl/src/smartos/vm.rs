//! A kvm virtual machine as vmadm's VM object describes it, and how it is stored in the zone's attributes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::zone::{HvmZone, Net};

/// What printing an absent property gives, as in the original.
const ABSENT: &str = "undefined";

/// What the command line needs of a VM object. Numbers that are only passed on are kept as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vm {
    /// UUID, which is also the zone's name.
    pub uuid: String,
    /// State of the virtual machine (`stopped`).
    pub state: Option<String>,
    /// State of the zone (`installed`).
    pub zone_state: Option<String>,
    /// Memory in MiB.
    pub ram: String,
    /// Virtual processors.
    pub vcpus: u64,
    /// Processor model.
    pub cpu_type: Option<String>,
    /// Value of `-boot`.
    pub boot: Option<String>,
    /// Graphics card.
    pub vga: Option<String>,
    /// Disks in order.
    pub disks: Vec<Disk>,
    /// Network interfaces in order.
    pub nics: Vec<Nic>,
    /// Host name for qemu's DHCP server.
    pub hostname: Option<String>,
    /// Name servers.
    pub resolvers: Vec<String>,
    /// Gateway of old configurations, that have no primary interface.
    pub default_gateway: Option<String>,
    /// Time stamp of the platform image (`20260101T000000Z`).
    pub platform_buildstamp: Option<String>,
    /// Timer of virtio interfaces.
    pub virtio_txtimer: String,
    /// Burst of virtio interfaces.
    pub virtio_txburst: String,
    /// VNC password, if there is one that is not empty.
    pub vnc_password: Option<String>,
    /// SPICE settings, where its port is set and not off.
    pub spice: Option<Spice>,
    /// Options that replace VNC, SPICE and input devices; empty for none.
    pub qemu_opts: String,
    /// Options at the end; empty for none.
    pub qemu_extra_opts: String,
}

/// A disk of a [`Vm`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// Path, as the zone sees it.
    pub path: String,
    /// Model.
    pub model: String,
    /// Medium; empty is a disk.
    pub media: String,
    /// Whether to boot from it.
    pub boot: bool,
}

/// A network interface of a [`Vm`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nic {
    /// MAC address.
    pub mac: String,
    /// Model.
    pub model: String,
    /// Datalink.
    pub interface: String,
    /// Addresses with prefix length, or `dhcp`.
    pub ips: Option<Vec<String>>,
    /// The address of configurations before `ips`.
    pub ip: Option<String>,
    /// Its netmask.
    pub netmask: String,
    /// Gateway.
    pub gateway: Option<String>,
    /// Whether this is the primary interface.
    pub primary: bool,
}

/// SPICE settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spice {
    /// Whether there is a password.
    pub password: bool,
    /// Further options.
    pub options: String,
}

impl Vm {
    /// The machine that a VM object describes.
    pub fn from_object(vm: &Value) -> Self {
        let list = |name: &str| vm[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let filled = |name: &str| text(vm, name).filter(|text| !text.is_empty());
        let spice = Spice {
            password: filled("spice_password").is_some(),
            options: text(vm, "spice_opts").unwrap_or_default(),
        };
        Self {
            uuid: printed(vm, "uuid"),
            state: text(vm, "state"),
            zone_state: text(vm, "zone_state"),
            ram: printed(vm, "ram"),
            vcpus: text(vm, "vcpus").and_then(|vcpus| vcpus.parse().ok()).unwrap_or_default(),
            cpu_type: text(vm, "cpu_type"),
            boot: text(vm, "boot"),
            vga: text(vm, "vga"),
            disks: list("disks").iter().map(Disk::from_object).collect(),
            nics: list("nics").iter().map(Nic::from_object).collect(),
            hostname: text(vm, "hostname"),
            resolvers: strings(list("resolvers")),
            default_gateway: filled("default_gateway"),
            platform_buildstamp: text(vm, "platform_buildstamp"),
            virtio_txtimer: text(vm, "virtio_txtimer").unwrap_or_else(|| "200000".into()),
            virtio_txburst: text(vm, "virtio_txburst").unwrap_or_else(|| "128".into()),
            vnc_password: filled("vnc_password"),
            spice: text(vm, "spice_port").filter(|port| port != "-1").map(|_| spice),
            qemu_opts: text(vm, "qemu_opts").unwrap_or_default(),
            qemu_extra_opts: text(vm, "qemu_extra_opts").unwrap_or_default(),
        }
    }

    /// The machine that a zone's attributes describe, as if it were stopped.
    pub fn from_zone(zone: &HvmZone, platform_buildstamp: Option<&str>) -> Self {
        let attr = |name: &str| zone.value(name).map(str::to_owned);
        // These can hold characters that zonecfg cannot carry.
        let encoded = |name: &str| zone.value(name).map(decoded).unwrap_or_default();
        let filled = |text: String| if text.is_empty() { None } else { Some(text) };
        let spice = Spice {
            password: !encoded("spice-password").is_empty(),
            options: encoded("spice-opts"),
        };
        Self {
            uuid: zone.name.clone(),
            state: Some("stopped".into()),
            zone_state: Some("installed".into()),
            ram: attr("ram").unwrap_or_else(|| ABSENT.into()),
            vcpus: zone.value("vcpus").and_then(|v| v.parse().ok()).unwrap_or_default(),
            cpu_type: attr("cpu-type"),
            boot: attr("boot"),
            vga: attr("vga"),
            disks: zone.devices.iter().map(Disk::from_device).collect(),
            nics: zone.nets.iter().map(Nic::from_net).collect(),
            hostname: attr("hostname"),
            resolvers: attr("resolvers").map(|list| split(&list)).unwrap_or_default(),
            default_gateway: attr("default-gateway").and_then(filled),
            platform_buildstamp: platform_buildstamp.map(str::to_owned),
            virtio_txtimer: attr("virtio-txtimer").unwrap_or_else(|| "200000".into()),
            virtio_txburst: attr("virtio-txburst").unwrap_or_else(|| "128".into()),
            vnc_password: filled(encoded("vnc-password")),
            spice: attr("spice-port").filter(|port| port != "-1").map(|_| spice),
            qemu_opts: encoded("qemu-opts"),
            qemu_extra_opts: encoded("qemu-extra-opts"),
        }
    }
}

impl Disk {
    /// The disk that an element of a VM object's `disks` describes.
    pub fn from_object(disk: &Value) -> Self {
        Self {
            path: printed(disk, "path"),
            model: printed(disk, "model"),
            media: text(disk, "media").unwrap_or_default(),
            boot: disk["boot"].as_bool().unwrap_or_default(),
        }
    }

    fn from_device(device: &crate::zone::Device) -> Self {
        let property = |name| device.property(name).unwrap_or_default();
        Self {
            path: device.matches.clone(),
            model: device.property("model").unwrap_or(ABSENT).to_owned(),
            media: property("media").to_owned(),
            boot: property("boot") == "true",
        }
    }
}

impl Nic {
    fn from_object(nic: &Value) -> Self {
        Self {
            mac: printed(nic, "mac"),
            model: printed(nic, "model"),
            interface: printed(nic, "interface"),
            ips: nic["ips"].as_array().map(|ips| strings(ips)),
            ip: text(nic, "ip"),
            netmask: printed(nic, "netmask"),
            gateway: text(nic, "gateway"),
            primary: nic["primary"].as_bool().unwrap_or_default(),
        }
    }

    fn from_net(net: &Net) -> Self {
        let property = |name| net.property(name).map(str::to_owned);
        let printed = |value: Option<&str>| value.unwrap_or(ABSENT).to_owned();
        Self {
            mac: printed(net.attributes.get("mac-addr")),
            model: printed(net.property("model")),
            interface: printed(net.physical.as_deref()),
            ips: net.property("ips").map(split),
            ip: property("ip"),
            netmask: printed(net.property("netmask")),
            gateway: property("gateway"),
            primary: net.property("primary") == Some("true"),
        }
    }
}

/// A string or number of an object as text.
fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn printed(object: &Value, name: &str) -> String {
    text(object, name).unwrap_or_else(|| ABSENT.to_owned())
}

fn strings(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn split(list: &str) -> Vec<String> {
    list.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
