//! Rules that look beyond the VM: at other VMs and at the host's networks.

use super::nics::After;
use crate::facts::Facts;
use crate::fields::{Fields, Object};
use crate::net;
use crate::normalise::list_items;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::validate::value::same_mac;
use crate::vm_object::VmObject;

/// The MTU of Ethernet, which NICs on physical networks must have at least.
const MIN_MTU: i64 = 1500;

/// Addresses, router identifiers and VNC ports must not be another VM's.
pub(super) fn check(payload: &Payload, after: &After, facts: &Facts) -> Result<(), Refusal> {
    let vnc_port = payload.integer("vnc_port").filter(|port| *port > 0);
    let conflicts = |vm: &VmObject| {
        // A failed VM holds nothing, unless it runs against all expectation.
        let inert = vm.state() == "failed" && vm.zone_state() != "running";
        let nic_conflicts = |nic: &Object| {
            after.ips.iter().any(|(ip, new)| same_network(nic, new) && has_ip(nic, ip))
                || nic
                    .text("mac")
                    .is_some_and(|mac| after.macs.iter().any(|new| same_mac(new, mac)))
                || nic.integer("vrrp_vrid").is_some_and(|vrid| after.vrids.contains(&vrid))
        };
        let same_port = vnc_port.is_some() && vm.integer("vnc_port") == vnc_port;
        !inert && (same_port || vm.objects("nics").any(nic_conflicts))
    };
    if facts.other_vms.iter().any(conflicts) {
        return Refusal::rule(
            "Conflict detected with another vm, please check the MAC, IP, and VRID",
        );
    }
    Ok(())
}

fn has_ip(nic: &Object, ip: &str) -> bool {
    list_items(nic, "ips").iter().any(|own| net::same(own, ip))
}

fn same_network(a: &Object, b: &Object) -> bool {
    let vlan = |nic: &Object| nic.integer("vlan_id").unwrap_or(0);
    a.value("nic_tag") == b.value("nic_tag") && vlan(a) == vlan(b)
}

/// Nic tags must exist, and their networks must carry the NICs' packets.
pub(super) fn check_nic_tags(payload: &Payload, facts: &Facts) -> Result<(), Refusal> {
    let Some(tags) = &facts.nic_tags else { return Ok(()) };
    let nics: Vec<&Object> =
        payload.objects("add_nics").chain(payload.objects("update_nics")).collect();

    let mut missing: Vec<String> = Vec::new();
    for tag in nics.iter().filter_map(|nic| nic.text("nic_tag")) {
        // overlay/NUMBER is a network of the overlay rule "overlay".
        let name = tag.split_once('/').map_or(tag, |(rule, _)| rule);
        let message = format!("Invalid nic tag \"{tag}\"");
        if !tags.iter().any(|known| known.name == name) && !missing.contains(&message) {
            missing.push(message);
        }
    }
    if !missing.is_empty() {
        return Refusal::rule(missing.join("\n"));
    }

    let mut small = Vec::new();
    for tag in tags.iter().filter(|tag| tag.kind == "normal") {
        let lowest = nics
            .iter()
            .enumerate()
            .filter(|(_, nic)| nic.text("nic_tag") == Some(&tag.name))
            .filter_map(|(index, nic)| Some((nic.integer("mtu")?, index, nic)))
            .min_by_key(|(mtu, ..)| *mtu);
        if let Some((_, index, nic)) = lowest.filter(|(mtu, ..)| *mtu < MIN_MTU) {
            small.push(format!(
                "nic {index} ({}): MTU is below the supported MTU ({MIN_MTU}) of nic tag \"{}\"",
                nic.text("mac").unwrap_or("undefined"),
                tag.name
            ));
        }
    }
    if small.is_empty() { Ok(()) } else { Refusal::rule(small.join("\n")) }
}
