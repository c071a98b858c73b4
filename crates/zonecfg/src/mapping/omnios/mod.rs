//! How VM manifests map onto the zones of OmniOS.
//!
//! OmniOS's bhyve brand is told of a virtual machine by generic attributes: `bootdisk`, `diskN`, `cdromN`, `ram`,
//! `vcpus`, `vnc`, … What a manifest says beside these is kept in attributes of the same names as SmartOS's, or, for
//! parts of disks and interfaces, in attributes named after them (`disk0-uuid`, `net0-ips`): brands pass over these.
//! Properties of a network resource are no place for them, as the brand hands those to bhyve.

mod attributes;
mod boot_order;
mod change;
mod load;
mod load_disks;
mod load_nics;
mod slots;
mod update;
mod write;
mod write_disks;
mod write_nics;
mod write_shares;

pub use attributes::check_attributes;
pub use change::{changed, name_parts};
pub use load::load;
pub use update::update_script;
pub use write::zone;

use serde_json::{Map, Value};

/// A payload or VM object: properties in the order they were given.
pub type Object = Map<String, Value>;

/// A property that a zone of OmniOS has no place for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {why}")]
pub struct Unmappable {
    /// The property, such as `disks.0.pci_slot`.
    pub property: String,
    /// Why not, and what to do.
    pub why: String,
}

/// How a value is written as an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Items with commas between.
    List,
    /// `true`, or no attribute.
    Flag,
    Number,
}

/// Properties that are kept as generic attributes: property, attribute, form.
const KEPT: [(&str, &str, Form); 18] = [
    ("archive_on_delete", "archive-on-delete", Form::Flag),
    ("billing_id", "billing-id", Form::Text),
    ("bhyve_extra_opts", "extra", Form::Text),
    ("com2", "com2", Form::Text),
    ("disk_driver", "disk-driver", Form::Text),
    ("dns_domain", "dns-domain", Form::Text),
    ("do_not_inventory", "do-not-inventory", Form::Flag),
    ("flexible_disk_size", "flexible-disk-size", Form::Number),
    ("hostname", "hostname", Form::Text),
    ("image_uuid", "dataset-uuid", Form::Text),
    ("internal_metadata_namespaces", "internal-metadata-namespaces", Form::List),
    ("kernel_version", "kernel-version", Form::Text),
    ("maintain_resolvers", "maintain-resolvers", Form::Flag),
    ("nic_driver", "nic-driver", Form::Text),
    ("owner_uuid", "owner-uuid", Form::Text),
    ("package_name", "package-name", Form::Text),
    ("package_version", "package-version", Form::Text),
    ("resolvers", "resolvers", Form::List),
];

/// Properties that are resource controls: property, control, action, unit in bytes (1: a plain number).
const CONTROLS: [(&str, &str, &str, u64); 10] = [
    ("cpu_cap", "zone.cpu-cap", "deny", 1),
    ("cpu_shares", "zone.cpu-shares", "none", 1),
    ("max_lwps", "zone.max-lwps", "deny", 1),
    ("max_msg_ids", "zone.max-msg-ids", "deny", 1),
    ("max_sem_ids", "zone.max-sem-ids", "deny", 1),
    ("max_shm_ids", "zone.max-shm-ids", "deny", 1),
    ("max_shm_memory", "zone.max-shm-memory", "deny", 1 << 20),
    ("max_locked_memory", "zone.max-locked-memory", "deny", 1 << 20),
    ("max_physical_memory", "zone.max-physical-memory", "deny", 1 << 20),
    ("max_swap", "zone.max-swap", "deny", 1 << 20),
];

/// Firmware: value of `bootrom` in a manifest, and of the attribute; the first of each is what is written.
const BOOTROMS: [(&str, &str); 6] = [
    ("bios", "BHYVE_RELEASE_CSM"),
    ("uefi", "BHYVE_RELEASE"),
    ("bios", "BHYVE_CSM"),
    ("uefi", "BHYVE"),
    ("bios", "BHYVE_RELEASE_CSM-2.40"),
    ("uefi", "BHYVE_RELEASE-2.70"),
];

/// The serial ports of a bhyve VM, where nothing is said: the zone's console, and a socket that the guest asks for its
/// metadata on.
const COM1: &str = "/dev/zconsole";
const COM2: &str = "socket,/tmp/vm.ttyb";

/// Where the VNC password is kept while VNC is switched off.
const VNC_PASSWORD: &str = "vnc-off-password";

/// Where `tmpfs` is mounted.
const TMP: &str = "/tmp";

/// Disk models: in a manifest, and as the name of bhyve's device.
const DISK_MODELS: [(&str, &str); 3] =
    [("virtio", "virtio-blk"), ("ahci", "ahci-hd"), ("nvme", "nvme")];

/// Parts of a disk that have an attribute of their own: `SLOT-uuid`.
const DISK_PARTS: [(&str, &str); 4] = [
    ("image_name", "image-name"),
    ("image_size", "image-size"),
    ("image_uuid", "image-uuid"),
    ("uuid", "uuid"),
];

/// Parts of an interface that have an attribute of their own: `netN-ips`.
const NIC_PARTS: [(&str, &str, Form); 13] = [
    ("interface", "interface", Form::Text),
    ("ips", "ips", Form::List),
    ("gateways", "gateways", Form::List),
    ("netmask", "netmask", Form::Text),
    ("model", "model", Form::Text),
    ("primary", "primary", Form::Flag),
    ("network_uuid", "network-uuid", Form::Text),
    ("allowed_ips", "allowed-ips", Form::List),
    ("allow_dhcp_spoofing", "allow-dhcp-spoofing", Form::Flag),
    ("allow_ip_spoofing", "allow-ip-spoofing", Form::Flag),
    ("allow_mac_spoofing", "allow-mac-spoofing", Form::Flag),
    ("allow_restricted_traffic", "allow-restricted-traffic", Form::Flag),
    ("dhcp_server", "dhcp-server", Form::Flag),
];

/// The type of filesystems that are directories which bhyve shares with its guest.
const SHARED: &str = "virtfs";

const VOLUMES: &str = "/dev/zvol/rdsk/";

/// The other name of `value` in a table.
fn translated<'a>(table: &[(&'a str, &'a str)], value: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| *name == value).map(|(_, other)| *other)
}

/// The other name in the other direction.
fn translated_back<'a>(table: &[(&'a str, &'a str)], value: &str) -> Option<&'a str> {
    table.iter().find(|(_, other)| *other == value).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::xml;

    fn payload() -> Object {
        let payload = json!({
            "uuid": "564d1234-0000-4000-8000-00000000abcd",
            "zonename": "564d1234-0000-4000-8000-00000000abcd",
            "brand": "bhyve",
            "alias": "web 1",
            "autoboot": true,
            "owner_uuid": "00000000-0000-0000-0000-000000000000",
            "hostname": "web1",
            "resolvers": ["192.0.2.53", "198.51.100.53"],
            "dns_domain": "example.org",
            "ram": 2048,
            "vcpus": 4,
            "bootrom": "uefi",
            "vnc_port": 0,
            "cpu_shares": 100,
            "max_lwps": 4000,
            "max_physical_memory": 3072,
            "disks": [
                {"path": "/dev/zvol/rdsk/tank/vm/disk0", "boot": true, "model": "virtio", "media": "disk",
                 "pci_slot": "0:4:0", "image_uuid": "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a", "image_size": 10240},
                {"path": "/dev/zvol/rdsk/tank/vm/disk1", "boot": false, "model": "nvme", "media": "disk",
                 "pci_slot": "0:8:2", "notrim": true, "guest_block_size": "4096"},
                {"path": "/images/a.iso", "boot": false, "model": "ahci", "media": "cdrom",
                 "pci_slot": "0:3:0"},
            ],
            "pci_devices": [
                {"path": "/dev/ppt3", "model": "passthru", "pci_slot": "0:9:2"},
                {"path": "/devices/pci@0,0/x@1", "device": "/dev/ppt0", "model": "passthru"},
            ],
            "nics": [
                {"interface": "net0", "mac": "02:08:20:aa:00:05", "nic_tag": "igb0", "vlan_id": 7,
                 "ip": "192.0.2.5", "netmask": "255.255.255.0", "ips": ["192.0.2.5/24"],
                 "gateway": "192.0.2.1", "gateways": ["192.0.2.1"], "model": "virtio", "primary": true},
                {"interface": "net1", "mac": "02:08:20:aa:00:06", "nic_tag": "igb1", "ip": "dhcp",
                 "ips": ["dhcp"], "model": "e1000"},
            ],
        });
        match payload {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_brand_finds_its_attributes() {
        let zone = zone(&payload(), "/zones/web").expect("everything has a place");
        for (name, value) in [
            ("uuid", "564d1234-0000-4000-8000-00000000abcd"),
            ("ram", "2048M"),
            ("vcpus", "4"),
            ("bootrom", "BHYVE_RELEASE"),
            ("bootdisk", "tank/vm/disk0"),
            ("disk10", "tank/vm/disk1,nodelete,sectorsize=4096"),
            ("diskif10", "nvme"),
            ("ppt3", "slot2"),
            ("ppt0", "on"),
            ("com2", "socket,/tmp/vm.ttyb"),
            ("cdrom0", "/images/a.iso"),
            ("vnc", "on"),
            ("resolvers", "192.0.2.53,198.51.100.53"),
            ("net0-ips", "192.0.2.5/24"),
        ] {
            assert_eq!(zone.attr(name), Some(value), "{name}");
        }
        let nets: Vec<_> = zone.nets().collect();
        assert_eq!(nets[0].physical, "v564d1234n0");
        assert_eq!(nets[0].allowed_address.as_deref(), Some("192.0.2.5/24"));
        assert_eq!(nets[0].defrouter.as_deref(), Some("192.0.2.1"));
        assert!(nets[0].properties.is_empty());
        assert_eq!(nets[1].allowed_address, None);
        assert_eq!(nets[1].property("netif"), Some("e1000"));
        let devices: Vec<_> = zone.devices().map(|device| device.matches.as_str()).collect();
        let volumes = ["/dev/zvol/rdsk/tank/vm/disk0", "/dev/zvol/rdsk/tank/vm/disk1"];
        assert_eq!(devices[..2], volumes);
        assert_eq!(devices[2..], ["/dev/ppt3", "/dev/ppt0"]);
        assert_eq!(zone.filesystems().next().map(|fs| fs.dir.as_str()), Some("/images/a.iso"));
        assert_eq!(zone.rctl_limit("zone.max-physical-memory"), Some(3072 << 20));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let payload = payload();
        let zone = zone(&payload, "/zones/web").expect("everything has a place");
        let vm = load(&xml::write(&zone)).expect("well formed");
        let mut expected = payload.clone();
        expected["pci_devices"] = json!([
            {"path": "/devices/pci@0,0/x@1", "model": "passthru"},
            {"path": "/dev/ppt3", "model": "passthru", "pci_slot": "0:9:2"},
        ]);
        for (name, value) in &expected {
            assert_eq!(vm.get(name), Some(value), "{name}");
        }
        assert_eq!(vm.get("zone_attributes"), None);
        assert_eq!(vm.get("zonepath"), Some(&json!("/zones/web")));
    }

    #[test]
    fn what_has_no_place_is_named() {
        for (property, value, named) in [
            (
                "disks",
                json!([{"path": "/a", "model": "virtio", "pci_slot": "0:7:0"}]),
                "disks.0.pci_slot",
            ),
            ("disks", json!([{"path": "/a", "model": "scsi"}]), "disks.0.model"),
            (
                "disks",
                json!([{"path": "/a", "boot": true}, {"path": "/b", "boot": true}]),
                "disks.1.boot",
            ),
            ("pci_devices", json!([{"path": "/devices/pci@0,0/x@1"}]), "pci_devices.0.path"),
            ("vnc_password", json!("a,b"), "vnc_password"),
            ("hostname", json!("a\nb"), "hostname"),
            ("boot", json!("once=d"), "boot"),
        ] {
            let mut payload = payload();
            payload.insert(property.into(), value);
            assert_eq!(zone(&payload, "/z").expect_err("no place").property, named);
        }
    }
}
