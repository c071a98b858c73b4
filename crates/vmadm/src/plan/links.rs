//! Properties of the links of running VMs' NICs. Links go when a zone halts.
//!
//! The brand sets antispoofing and DHCP clients whenever a zone gets ready, from the zone's configuration; vmadm changes
//! them on a running zone. Bandwidth, priority and further MAC addresses are in the configuration too, but no brand looks
//! at them: vmadm sets them after each start, and `vmadm links` where a zone was started by others.

use std::collections::BTreeSet;

use gz::plan::{OnFailure, Plan, Step};
use serde_json::Value;
use zonecfg::mapping::smartos_write::{self, NIC_UPDATABLE};

use super::{Object, list, objects, text};

/// NIC properties that are link properties as they stand, and what dladm calls them.
const PLAIN: [(&str, &str); 3] =
    [("maxbw", "maxbw"), ("priority", "priority"), ("secondary_macs", "secondary-macs")];

/// Plans to set what no brand sets, on a VM that runs.
pub fn plan(vm: &Object) -> Plan {
    let mut plan = Plan::new("links", text(vm, "uuid"), OnFailure::Keep);
    restore(&mut plan.steps, vm);
    plan
}

/// Sets what no brand sets, on a zone that has just been booted.
pub(super) fn restore(steps: &mut Vec<Step>, vm: &Object) {
    for nic in objects(vm, "nics") {
        for (field, property) in PLAIN {
            let value = plain(nic, field);
            if !value.is_empty() {
                steps.push(set(vm, nic, property, value, String::new()));
            }
        }
    }
}

fn set(vm: &Object, nic: &Object, property: &str, value: String, before: String) -> Step {
    Step::SetLinkProperty {
        zone: text(vm, "zonename").to_owned(),
        link: text(nic, "interface").to_owned(),
        property: property.to_owned(),
        value,
        before,
        required: true,
    }
}

fn plain(nic: &Object, field: &str) -> String {
    nic.get(field).filter(|value| !value.is_null()).map(super::as_text).unwrap_or_default()
}

/// Brings the links of updated NICs to what the update asks for. `links` are the interfaces that are up.
pub(super) fn update(
    steps: &mut Vec<Step>,
    vm: &Object,
    payload: &Object,
    links: &BTreeSet<String>,
) {
    const SPOOFING: [&str; 5] = [
        "allow_ip_spoofing",
        "allow_mac_spoofing",
        "allow_dhcp_spoofing",
        "allow_restricted_traffic",
        "dhcp_server",
    ];
    for update in objects(payload, "update_nics") {
        let Some(old) = objects(vm, "nics").find(|nic| nic.get("mac") == update.get("mac")) else {
            continue;
        };
        if !links.contains(text(old, "interface")) {
            continue;
        }
        let new = smartos_write::updated(old, update, NIC_UPDATABLE);
        let has = |keys: &[&str]| keys.iter().any(|key| update.contains_key(*key));
        let mut set = |property: &str, value: String, before: String| {
            steps.push(set(vm, old, property, value, before));
        };
        if has(&SPOOFING) {
            set("protection", protection(&new), protection(old));
        }
        if has(&["vrrp_primary_ip", "ips", "allowed_ips", "allow_ip_spoofing"]) {
            let (addresses, methods) = allowed_addresses(&new);
            let (old_addresses, old_methods) = allowed_addresses(old);
            set("allowed-ips", addresses, old_addresses);
            if !allows(&new, "allow_ip_spoofing") {
                set("dynamic-methods", methods, old_methods);
            }
        }
        if has(&["allowed_dhcp_cids"]) {
            let all = |cids: &str| if cids.is_empty() { "true" } else { "" }.to_owned();
            let (cids, old_cids) = (allowed_cids(&new), allowed_cids(old));
            let (any, old_any) = (all(&cids), all(&old_cids));
            set("allowed-dhcp-cids", cids, old_cids);
            set("allow-all-dhcp-cids", any, old_any);
        }
        for (field, property) in PLAIN {
            if has(&[field]) {
                set(property, plain(&new, field), plain(old, field));
            }
        }
    }
}

/// The DHCP client identifiers that are let through; none where all are.
fn allowed_cids(nic: &Object) -> String {
    if allows(nic, "allow_dhcp_spoofing") || allows(nic, "dhcp_server") {
        return String::new();
    }
    list(nic, "allowed_dhcp_cids").iter().map(super::as_text).collect::<Vec<_>>().join(",")
}

fn allows(nic: &Object, property: &str) -> bool {
    nic.get(property)
        .is_some_and(|value| value == true || value == 1 || value == "1" || value == "true")
}

/// The kinds of protection that a NIC's flags leave on its link; none where all are allowed.
fn protection(nic: &Object) -> String {
    let dhcp = allows(nic, "dhcp_server") || allows(nic, "allow_dhcp_spoofing");
    let kinds = [
        ("ip-nospoof", allows(nic, "allow_ip_spoofing") || dhcp),
        ("mac-nospoof", allows(nic, "allow_mac_spoofing")),
        ("dhcp-nospoof", dhcp),
        ("restricted", allows(nic, "allow_restricted_traffic")),
    ];
    kinds.iter().filter(|(_, off)| !off).map(|(kind, _)| *kind).collect::<Vec<_>>().join(",")
}

/// The addresses that a NIC may send from, and the ways in which it may get others.
fn allowed_addresses(nic: &Object) -> (String, String) {
    if allows(nic, "allow_ip_spoofing") {
        return (String::new(), String::new());
    }
    let mut addresses: Vec<String> = Vec::new();
    let mut methods = Vec::new();
    let mut add = |address: &str| {
        // A list that was emptied is stored as one empty text.
        if !address.is_empty() && !addresses.iter().any(|known| known == address) {
            addresses.push(address.to_owned());
        }
    };
    for ip in list(nic, "ips").iter().filter_map(Value::as_str) {
        match ip {
            "dhcp" => methods.push("dhcpv4"),
            "addrconf" => methods.push("addrconf"),
            _ => add(ip.split('/').next().unwrap_or(ip)),
        }
    }
    if let Some(ip) = nic.get("vrrp_primary_ip").and_then(Value::as_str) {
        add(ip);
    }
    for ip in list(nic, "allowed_ips").iter().filter_map(Value::as_str) {
        add(ip);
    }
    (addresses.join(","), methods.join(","))
}
