//! Rules for NICs.

use serde_json::Value;

use crate::brand::{Brand, Flavour};
use crate::facts::Facts;
use crate::fields::{Fields, Object};
use crate::ids::vrrp_mac;
use crate::js;
use crate::json::Compact;
use crate::net;
use crate::normalise::list_items;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::validate::value::same_mac;
use crate::vm_object::VmObject;

const MAX_IPS: usize = 20;
const MAX_ALLOWED_IPS: usize = 13;
/// With `allowed_ips` and the VRRP address: what a network link can protect.
const MAX_ADDRESSES: usize = 32;
const MAX_CIDS: usize = 20;
const MAX_CIDS_LENGTH: usize = 1024;

/// The VM's NICs as they will be, and what is new about them.
#[derive(Default)]
pub(super) struct After {
    /// In the order that routes count them in.
    pub nics: Vec<Object>,
    /// New addresses with the NIC that gets them, automatic ones left out.
    pub ips: Vec<(String, Object)>,
    pub macs: Vec<String>,
    pub vrids: Vec<i64>,
}

/// What the VM has already, less what the payload replaces.
#[derive(Default)]
struct Current {
    ips: Vec<String>,
    macs: Vec<String>,
    vrids: Vec<i64>,
    primary_ips: Vec<String>,
}

/// What the VM's kind says of its NICs.
#[derive(Clone, Copy)]
struct Rules<'a> {
    brand: Brand,
    /// The model of a NIC that names none.
    default_model: Option<&'a str>,
    ipv6_gateways: bool,
}

pub(super) fn check(
    payload: &mut Payload,
    vm: Option<&VmObject>,
    brand: Brand,
    facts: &Facts,
) -> Result<After, Refusal> {
    let mut after = After::default();
    let mut current = Current::default();
    if let Some(vm) = vm {
        collect_current(payload, vm, &mut after, &mut current);
    }
    let default_model = default_model(vm);
    let rules = Rules {
        brand,
        default_model: default_model.as_deref(),
        ipv6_gateways: takes_ipv6_gateways(brand, facts.flavour),
    };
    let mut primaries = 0;
    for key in ["add_nics", "update_nics"] {
        let added = key == "add_nics";
        for nic in payload.objects_mut(key) {
            primaries += usize::from(nic.has("primary"));
            check_changed(nic, added, rules, &mut after, &mut current)?;
        }
    }
    remove(payload, &mut after, &mut current);
    check_together(&after, &current)?;
    if primaries > 1 {
        return Refusal::rule("payload specifies more than 1 primary NIC");
    }
    Ok(after)
}

/// Guests are told of all gateways and see to them themselves; zones whose files we write get routes for them. The other
/// brands' start-up knows IPv4 alone.
fn takes_ipv6_gateways(brand: Brand, flavour: Flavour) -> bool {
    flavour == Flavour::SmartOs
        && (brand.vm_type().is_hvm() || brand.features().write_zone_netfiles)
}

fn check_gateways(nic: &Object, ipv6: bool) -> Result<(), Refusal> {
    let good = |gateway: &String| net::is_ipv4(gateway) || (ipv6 && net::is_ipv6(gateway));
    match list_items(nic, "gateways").into_iter().find(|gateway| !good(gateway)) {
        Some(bad) => Refusal::rule(format!("Static gateways must be IPv4 addresses: {bad}")),
        None => Ok(()),
    }
}

fn collect_current(payload: &Payload, vm: &VmObject, after: &mut After, current: &mut Current) {
    for nic in vm.objects("nics") {
        after.nics.push(nic.clone());
        let update = payload.objects("update_nics").find(|update| same_nic(update, nic));
        if update.is_none_or(|update| !update.has("ips")) {
            current.ips.extend(static_ips(nic));
        }
        current.macs.extend(nic.text("mac").map(str::to_owned));
        current.vrids.extend(nic.integer("vrrp_vrid"));
        current.primary_ips.extend(nic.text("vrrp_primary_ip").map(str::to_owned));
    }
}

/// The MAC address of a NIC, given or following from its VRID.
fn mac_of(nic: &Object) -> Option<String> {
    nic.text("mac").map(str::to_owned).or_else(|| nic.integer("vrrp_vrid").map(vrrp_mac))
}

/// Whether that is the NIC's address, however it is spelt.
fn is_of(nic: &Object, mac: &str) -> bool {
    mac_of(nic).is_some_and(|own| same_mac(&own, mac))
}

fn same_nic(a: &Object, b: &Object) -> bool {
    mac_of(a).zip(mac_of(b)).is_some_and(|(a, b)| same_mac(&a, &b))
}

fn static_ips(nic: &Object) -> impl Iterator<Item = String> {
    list_items(nic, "ips").into_iter().filter(|ip| !net::is_auto(ip))
}

/// The model of a NIC that names none: the VM's driver, or that of its first NIC.
fn default_model(vm: Option<&VmObject>) -> Option<String> {
    let vm = vm?;
    let first = || vm.objects("nics").next().and_then(|nic| nic.text("model"));
    vm.text("nic_driver").or_else(first).map(str::to_owned)
}

fn check_changed(
    nic: &mut Object,
    added: bool,
    rules: Rules<'_>,
    after: &mut After,
    current: &mut Current,
) -> Result<(), Refusal> {
    if let Some(vrid) = nic.integer("vrrp_vrid") {
        let own = !added
            && after
                .nics
                .iter()
                .any(|old| same_nic(old, nic) && old.integer("vrrp_vrid") == Some(vrid));
        if !own && current.vrids.contains(&vrid) || after.vrids.contains(&vrid) {
            return Refusal::rule(format!("Cannot add multiple NICs with the same VRID: {vrid}"));
        }
        after.vrids.push(vrid);
    }
    if added && let Some(mac) = nic.text("mac") {
        if after.macs.iter().chain(&current.macs).any(|known| same_mac(known, mac)) {
            return Refusal::rule(format!("Cannot add multiple NICs with the same MAC: {mac}"));
        }
        after.macs.push(mac.to_owned());
    }
    if let Some(primary) = nic.value("primary").filter(|primary| **primary != Value::Bool(true)) {
        return Refusal::rule(format!(
            "invalid value for NIC's primary flag: {} (must be true)",
            js::to_text(primary)
        ));
    }
    check_gateways(nic, rules.ipv6_gateways)?;
    check_ips(nic, after, current)?;
    if added
        && let Some(vrid) = nic.integer("vrrp_vrid")
        && nic.text("mac") != Some(&vrrp_mac(vrid))
    {
        return Refusal::rule("Cannot set both mac and vrrp_vrid");
    }
    current.primary_ips.extend(nic.text("vrrp_primary_ip").map(str::to_owned));
    check_model_and_tag(nic, added, rules.brand, rules.default_model)?;
    merge(nic, &mut after.nics);
    check_allowed_ips(nic)?;
    check_ports(nic)?;
    check_cids(nic)
}

fn check_ips(nic: &Object, after: &mut After, current: &Current) -> Result<(), Refusal> {
    // An update names only what changes: the network is that of the NIC as it will be.
    let known = after.nics.iter().find(|known| same_nic(known, nic));
    let mut whole = known.cloned().unwrap_or_default();
    whole.extend(nic.clone());
    let count = list_items(nic, "ips").len();
    if count > MAX_IPS {
        return Refusal::rule(format!(
            "nic.*.ips contains {count} addresses, but is limited to {MAX_IPS}"
        ));
    }
    for ip in static_ips(nic) {
        if !net::is_cidr(&ip) {
            return Refusal::rule(format!("Invalid IP for NIC: {}", Compact(nic)));
        }
        let mut taken = current.ips.iter().chain(after.ips.iter().map(|(known, _)| known));
        if taken.any(|known| net::same(known, &ip)) {
            return Refusal::rule(format!("Cannot add multiple NICs with the same IP: {ip}"));
        }
        after.ips.push((ip, whole.clone()));
    }
    Ok(())
}

fn check_model_and_tag(
    nic: &mut Object,
    added: bool,
    brand: Brand,
    default_model: Option<&str>,
) -> Result<(), Refusal> {
    let no_model = !nic.truthy("model") || nic.text("model") == Some("undefined");
    if added && no_model && brand.features().model_required {
        let Some(model) = default_model else {
            return Refusal::rule(format!("missing .model option for NIC: {}", Compact(nic)));
        };
        nic.set("model", model);
    }
    if added && !nic.text("nic_tag").is_some_and(|tag| is_tag(tag, true)) {
        return Refusal::rule(format!(
            "invalid or missing .nic_tag option for NIC: {}",
            Compact(nic)
        ));
    }
    if !added && nic.has("model") && no_model {
        return Refusal::rule(format!("invalid .model option for NIC: {}", Compact(nic)));
    }
    if !added && nic.has("nic_tag") && !nic.text("nic_tag").is_some_and(|tag| is_tag(tag, false)) {
        return Refusal::rule(format!("invalid .nic_tag option for NIC: {}", Compact(nic)));
    }
    Ok(())
}

/// Letters, digits and underscores; tags of overlay networks also have a slash.
fn is_tag(tag: &str, overlay: bool) -> bool {
    !tag.is_empty()
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || (overlay && byte == b'/'))
}

/// Applies a change to the NIC that it is for, or adds the NIC.
fn merge(nic: &Object, nics: &mut Vec<Object>) {
    if mac_of(nic).is_none() {
        return;
    }
    match nics.iter_mut().find(|known| same_nic(known, nic)) {
        Some(known) => known.extend(nic.clone()),
        None => nics.push(nic.clone()),
    }
}

fn check_allowed_ips(nic: &Object) -> Result<(), Refusal> {
    let allowed = match nic.value("allowed_ips") {
        Some(Value::String(text)) => vec![text.clone()],
        _ => list_items(nic, "allowed_ips"),
    };
    let bad: Vec<&str> =
        allowed.iter().map(String::as_str).filter(|ip| !net::is_allowed_address(ip)).collect();
    if !bad.is_empty() {
        return Refusal::rule(format!("invalid allowed_ips: {}", bad.join(", ")));
    }
    if allowed.len() > MAX_ALLOWED_IPS {
        return Refusal::rule(format!("Maximum of {MAX_ALLOWED_IPS} allowed_ips per nic"));
    }
    Ok(())
}

/// The original stores whatever it is given and reads what is no number as null.
fn check_ports(nic: &Object) -> Result<(), Refusal> {
    let is_port = |text: &String| text.parse::<u16>().is_ok_and(|port| port > 0);
    match list_items(nic, "blocked_outgoing_ports").iter().find(|text| !is_port(text)) {
        Some(bad) => Refusal::rule(format!("invalid blocked_outgoing_ports: {bad}")),
        None => Ok(()),
    }
}

fn check_cids(nic: &Object) -> Result<(), Refusal> {
    let cids = list_items(nic, "allowed_dhcp_cids");
    if cids.len() > MAX_CIDS {
        return Refusal::rule(format!(
            "nics.*.allowed_dhcp_cids contains {} Client Identifiers, but is limited to {MAX_CIDS}",
            cids.len()
        ));
    }
    if cids.join(",").len() >= MAX_CIDS_LENGTH {
        return Refusal::rule("nics.*.allowed_dhcp_cids contains too many long Client Identifiers");
    }
    Ok(())
}

/// Takes out the NICs that are removed, with their addresses.
fn remove(payload: &Payload, after: &mut After, current: &mut Current) {
    for mac in payload.texts("remove_nics") {
        let Some(at) = after.nics.iter().position(|nic| is_of(nic, mac)) else { continue };
        let nic = after.nics.remove(at);
        for ip in static_ips(&nic) {
            after.ips.retain(|(known, _)| *known != ip);
            current.ips.retain(|known| *known != ip);
        }
    }
}

/// Rules between the NICs as they will be.
fn check_together(after: &After, current: &Current) -> Result<(), Refusal> {
    for nic in &after.nics {
        if nic.has("vrrp_vrid") {
            let own = |ip: &String| {
                current.primary_ips.iter().any(|primary| net::same(primary, net::address(ip)))
            };
            if list_items(nic, "ips").iter().any(own) {
                return Refusal::rule("Cannot set vrrp_primary_ip to the IP of a VRRP nic");
            }
            if !nic.has("vrrp_primary_ip") {
                return Refusal::rule("vrrp_vrid set but not vrrp_primary_ip");
            }
        }
        let addresses = list_items(nic, "allowed_ips").len()
            + usize::from(nic.has("vrrp_primary_ip"))
            + list_items(nic, "ips").len();
        if addresses > MAX_ADDRESSES {
            return Refusal::rule(format!(
                "More than {MAX_ADDRESSES} IPs cannot be associated with a NIC"
            ));
        }
    }
    if !after.nics.is_empty() && after.nics.iter().all(|nic| nic.has("vrrp_vrid")) {
        return Refusal::rule("VM cannot contain only VRRP nics");
    }
    for primary in &current.primary_ips {
        let mut ips = current.ips.iter().chain(after.ips.iter().map(|(ip, _)| ip));
        if !ips.any(|ip| net::same(net::address(ip), primary)) {
            return Refusal::rule("vrrp_primary_ip must belong to the same VM");
        }
    }
    Ok(())
}
