//! Network interfaces of a zone.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::load::{Attributes, list};
use super::{Form, NIC_PARTS, Object};
use crate::mapping::smartos_write;
use crate::model::{Net, Zone};

/// One NIC a datalink: a datalink with several addresses has as many `net` resources.
pub(super) fn nics(zone: &Zone, attributes: &Attributes<'_>) -> Vec<Value> {
    let mut links: Vec<Vec<&Net>> = Vec::new();
    for net in zone.nets() {
        match links.iter_mut().find(|link| link[0].physical == net.physical) {
            Some(link) => link.push(net),
            None => links.push(vec![net]),
        }
    }
    links.iter().enumerate().map(|(index, link)| nic(zone, attributes, index, link)).collect()
}

fn nic(zone: &Zone, attributes: &Attributes<'_>, index: usize, nets: &[&Net]) -> Value {
    let net = nets[0];
    let mut nic = Object::new();
    let mut set = |name: &str, value: Value| drop(nic.insert(name.to_owned(), value));
    set("interface", json!(net.physical));
    if let Some(mac) = &net.mac_addr {
        set("mac", json!(smartos_write::plain_mac(mac)));
    }
    if let Some(tag) = &net.global_nic {
        set("nic_tag", json!(tag));
    }
    if let Some(vlan) = net.vlan_id.as_deref().and_then(|vlan| vlan.parse::<u16>().ok()) {
        set("vlan_id", json!(vlan));
    }
    if let Some(router) = net.defrouter.as_deref().or_else(|| net.property("gateway")) {
        set("gateway", json!(router));
        set("gateways", json!([router]));
    }
    let addresses: Vec<&str> =
        nets.iter().filter_map(|net| net.allowed_address.as_deref()).collect();
    match net.property("ips") {
        Some(ips) => set("ips", list(ips)),
        None if !addresses.is_empty() => set("ips", json!(addresses)),
        None => {}
    }
    if let Some(primary) = net.property("primary") {
        set("primary", Form::Flag.read(primary));
    }
    if matches!(net.property("promiscphys"), Some("on" | "true" | "yes" | "1")) {
        set("allow_unfiltered_promisc", json!(true));
    }
    if matches!(zone.brand(), Some("bhyve" | "kvm")) {
        let interface = net.property("netif").or_else(|| attributes.get("netif"));
        let model = interface.filter(|interface| !interface.starts_with("virtio"));
        set("model", json!(model.unwrap_or("virtio")));
    }
    for (property, name, form) in NIC_PARTS {
        if let Some(value) = attributes.get(&format!("net{index}-{name}")) {
            set(property, form.read(value));
        }
    }
    if let Some(tag) = attributes.get(&format!("net{index}-nic-tag")) {
        set("nic_tag", json!(tag));
    }
    complete(&mut nic);
    Value::Object(nic)
}

/// One IPv4 address, netmask and gateway of the lists, as on SmartOS.
fn complete(nic: &mut Object) {
    let first = |list: &str| nic.get(list)?.get(0)?.as_str().map(str::to_owned);
    let (ip, gateway) = (first("ips"), first("gateways"));
    if let Some(ip) = ip {
        let (address, prefix) = ip.split_once('/').unwrap_or((&ip, ""));
        nic.insert("ip".to_owned(), json!(address));
        if let Some(netmask) =
            prefix.parse().ok().filter(|_| !address.contains(':')).and_then(netmask)
        {
            nic.entry("netmask").or_insert_with(|| json!(netmask));
        }
    }
    if let Some(gateway) = gateway {
        nic.entry("gateway").or_insert_with(|| json!(gateway));
    }
}

/// The netmask of an IPv4 prefix length.
fn netmask(prefix: u32) -> Option<String> {
    let bits = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
    Some(Ipv4Addr::from_bits(bits).to_string())
}
