//! What an update changes on a zone that is running.

use std::collections::BTreeSet;

use gz::plan::Step;
use manifest::Brand;
use serde_json::Value;
use zonecfg::mapping::smartos_write::NIC_UPDATABLE;

use super::{Object, flag, list, objects, text};

const MIB: u64 = 1 << 20;

fn is_running(vm: &Object) -> bool {
    text(vm, "state") == "running"
}

fn login(vm: &Object, command: &[&str]) -> Step {
    Step::Login {
        zone: text(vm, "zonename").to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        // It comes to the same with the zone's next boot.
        required: false,
    }
}

/// The zone's metadata service applies resolvers, routes and the size of `/tmp` when it starts.
pub(super) fn restart_metadata(steps: &mut Vec<Step>, vm: &Object, payload: &Object, brand: Brand) {
    const SERVICE: &str = "svc:/smartdc/mdata:fetch";
    let resolvers = payload.contains_key("resolvers") && flag(vm, "maintain_resolvers");
    let others = ["maintain_resolvers", "set_routes", "remove_routes", "tmpfs"];
    let wanted = resolvers || others.iter().any(|key| payload.contains_key(*key));
    if wanted && is_running(vm) && brand.features().mdata_restart {
        steps.push(login(vm, &["/usr/sbin/svcadm", "disable", "-st", SERVICE]));
        steps.push(login(vm, &["/usr/sbin/svcadm", "enable", "-s", SERVICE]));
    }
}

/// Resource controls, in their order, and what their unit is in MiB or single things.
pub(super) fn resource_controls(
    steps: &mut Vec<Step>,
    vm: &Object,
    payload: &Object,
    brand: Brand,
) {
    const CONTROLS: [(&str, &str, u64); 11] = [
        ("cpu_shares", "zone.cpu-shares", 1),
        ("zfs_io_priority", "zone.zfs-io-priority", 1),
        ("max_lwps", "zone.max-lwps", 1),
        ("max_msg_ids", "zone.max-msg-ids", 1),
        ("max_physical_memory", "zone.max-physical-memory", MIB),
        ("max_shm_memory", "zone.max-shm-memory", MIB),
        ("max_sem_ids", "zone.max-sem-ids", 1),
        ("max_shm_ids", "zone.max-shm-ids", 1),
        ("max_locked_memory", "zone.max-locked-memory", MIB),
        ("max_swap", "zone.max-swap", MIB),
        ("cpu_cap", "zone.cpu-cap", 1),
    ];
    if !is_running(vm) || !brand.features().update_rctls {
        return;
    }
    for (property, name, unit) in CONTROLS {
        let Some(value) = payload.get(property) else { continue };
        let value = match (property, value.as_u64()) {
            ("cpu_cap", Some(0) | None) => None,
            (_, Some(value)) => Some(value.saturating_mul(unit)),
            (_, None) => continue,
        };
        steps.push(Step::SetRctl {
            zone: text(vm, "zonename").to_owned(),
            name: name.to_owned(),
            value,
        });
    }
}

/// `/tmp` is resized last, when there is memory for it. Where it is none, it stays so until the next boot.
pub(super) fn resize_tmp(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    let size = |of: &Object| of.get("tmpfs").and_then(Value::as_u64);
    match size(payload) {
        Some(mib @ 1..) if is_running(vm) && size(vm) != Some(0) => {
            let option = format!("remount,size={mib}m");
            steps.push(login(vm, &["/usr/sbin/mount", "-F", "tmpfs", "-o", &option, "/tmp"]));
        }
        _ => {}
    }
}

/// The zone's packet filter.
pub(super) fn firewall(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    let Some(wanted) = payload.get("firewall_enabled") else { return };
    let wanted = wanted == &Value::Bool(true);
    if is_running(vm) && wanted != flag(vm, "firewall_enabled") {
        steps.push(Step::SetFirewall { uuid: text(vm, "uuid").to_owned(), enabled: wanted });
    }
}

/// What the links of updated NICs let through. `links` are the interfaces that are up.
pub(super) fn nic_properties(
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
        let mut nic = old.clone();
        for &field in NIC_UPDATABLE {
            if let Some(value) = update.get(field) {
                nic.insert(field.to_owned(), value.clone());
            }
        }
        let has = |keys: &[&str]| keys.iter().any(|key| update.contains_key(*key));
        let mut set = |property: &str, value: String| {
            steps.push(Step::SetLinkProperty {
                zone: text(vm, "zonename").to_owned(),
                link: text(old, "interface").to_owned(),
                property: property.to_owned(),
                value,
            });
        };
        if has(&SPOOFING) {
            set("protection", protection(&nic));
        }
        if has(&["vrrp_primary_ip", "ips", "allowed_ips", "allow_ip_spoofing"]) {
            let (addresses, methods) = allowed_addresses(&nic);
            set("allowed-ips", addresses);
            if !allows(&nic, "allow_ip_spoofing") {
                set("dynamic-methods", methods);
            }
        }
        if has(&["allowed_dhcp_cids"]) {
            let any = allows(&nic, "allow_dhcp_spoofing") || allows(&nic, "dhcp_server");
            let cids = if any { String::new() } else { joined(&nic, "allowed_dhcp_cids") };
            let all = if cids.is_empty() { "true" } else { "" };
            set("allowed-dhcp-cids", cids);
            set("allow-all-dhcp-cids", all.to_owned());
        }
    }
}

fn allows(nic: &Object, property: &str) -> bool {
    nic.get(property)
        .is_some_and(|value| value == true || value == 1 || value == "1" || value == "true")
}

fn joined(nic: &Object, property: &str) -> String {
    list(nic, property).iter().map(super::as_text).collect::<Vec<_>>().join(",")
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
        if !addresses.iter().any(|known| known == address) {
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
