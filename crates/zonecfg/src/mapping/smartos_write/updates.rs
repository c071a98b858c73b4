//! What `add_X`, `remove_X` and `update_X` come to: zonecfg cannot change the properties of a resource in place for
//! all of them, so an updated one is removed and added anew.

use serde_json::Value;

use super::Object;

/// Disk properties that `update_disks` changes in the zone's configuration.
pub const DISK_UPDATABLE: &[&str] =
    &["boot", "guest_block_size", "model", "notrim", "pci_slot", "uuid"];
/// Filesystem properties that `update_filesystems` changes.
pub const FILESYSTEM_UPDATABLE: &[&str] = &["options", "raw", "source", "target", "type"];
/// PCI device properties that `update_pci_devices` changes.
pub const PCI_DEVICE_UPDATABLE: &[&str] = &["pci_slot"];
/// NIC properties that `update_nics` changes: all that it may have.
pub const NIC_UPDATABLE: &[&str] = &[
    "allow_dhcp_spoofing",
    "allow_ip_spoofing",
    "allow_mac_spoofing",
    "allow_restricted_traffic",
    "allow_unfiltered_promisc",
    "blocked_outgoing_ports",
    "dhcp_server",
    "gateway",
    "gateways",
    "interface",
    "ip",
    "ips",
    "mac",
    "model",
    "mtu",
    "netmask",
    "network_uuid",
    "nic_tag",
    "primary",
    "vlan_id",
    "vrrp_vrid",
    "vrrp_primary_ip",
    "allowed_ips",
    "allowed_dhcp_cids",
    "maxbw",
    "priority",
    "secondary_macs",
];

/// The resources of one kind to add and the keys of those to remove first.
pub(super) struct Changes {
    pub add: Vec<Object>,
    pub remove: Vec<String>,
}

/// Works out the changes to the resources `plural` (`nics`), which `key` (`mac`) tells apart.
pub(super) fn changes(
    vm: &Object,
    payload: &Object,
    plural: &str,
    key: &str,
    updatable: &[&str],
) -> Changes {
    let mut add = Vec::new();
    let mut remove = Vec::new();
    for update in objects(payload, &format!("update_{plural}")) {
        for old in objects(vm, plural).filter(|old| old.get(key) == update.get(key)) {
            remove.extend(old.get(key).map(super::text));
            add.push(updated(old, update, updatable));
        }
    }
    if let Some(keys) = payload.get(&format!("remove_{plural}")).and_then(Value::as_array) {
        remove.extend(keys.iter().map(super::text));
    }
    add.extend(objects(payload, plural).cloned());
    add.extend(objects(payload, &format!("add_{plural}")).cloned());
    Changes { add, remove }
}

/// An element of a list property as it is after `update`: null takes a property away.
pub fn updated(old: &Object, update: &Object, updatable: &[&str]) -> Object {
    let mut new = old.clone();
    for &field in updatable {
        match update.get(field) {
            Some(Value::Null) => drop(new.shift_remove(field)),
            Some(value) => drop(new.insert(field.to_owned(), value.clone())),
            None => {}
        }
    }
    new
}

/// The objects of a list property; nothing where it is absent.
pub(super) fn objects<'a>(from: &'a Object, property: &str) -> impl Iterator<Item = &'a Object> {
    from.get(property).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}
