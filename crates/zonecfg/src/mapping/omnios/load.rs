//! From a zone back to a VM object.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{
    BOOT_ORDERS, BOOTROMS, CONTROLS, DISK_MODELS, DISK_PARTS, KEPT, NIC_PARTS, Object, VOLUMES,
    translated_back,
};
use crate::model::{Net, Zone, key};
use crate::xml;

/// What a zone's document says of its VM, whoever wrote it.
///
/// # Errors
/// The document is not well formed.
pub fn load(document: &str) -> Result<Object, xml::Error> {
    Ok(vm(&xml::read(document)?))
}

fn vm(zone: &Zone) -> Object {
    let mut vm = Object::new();
    let mut set = |name: &str, value: Value| drop(vm.insert(name.to_owned(), value));
    set("zonename", json!(zone.name()));
    set("uuid", json!(zone.attr("uuid").unwrap_or(zone.name())));
    set("zonepath", json!(zone.zonepath()));
    set("autoboot", json!(zone.autoboot()));
    if let Some(brand) = zone.brand() {
        set("brand", json!(brand));
    }
    if let Some(alias) = zone.attr("alias").and_then(|alias| STANDARD.decode(alias).ok()) {
        set("alias", json!(String::from_utf8_lossy(&alias)));
    }
    for (property, attr) in KEPT {
        match zone.attr(attr) {
            Some(value) if property == "resolvers" => set(property, list(value)),
            Some(value) => set(property, json!(value)),
            None => {}
        }
    }
    if let Some(allowed) = zone.get(key::FS_ALLOWED).filter(|allowed| !allowed.is_empty()) {
        set("fs_allowed", json!(allowed));
    }
    for (property, control, _, unit) in CONTROLS {
        if let Some(limit) = zone.rctl_limit(control) {
            set(property, json!(limit / unit));
        }
    }
    if let Some(ram) = zone.attr("ram").and_then(mebibytes) {
        set("ram", json!(ram));
    }
    if let Some(vcpus) = zone.attr("vcpus").and_then(processors) {
        set("vcpus", json!(vcpus));
    }
    if let Some(bootrom) = zone.attr("bootrom") {
        set("bootrom", json!(translated_back(&BOOTROMS, bootrom).unwrap_or(bootrom)));
    }
    if let Some(order) = zone.attr("bootorder").and_then(|o| translated_back(&BOOT_ORDERS, o)) {
        set("boot", json!(order));
    }
    if let Some(vnc) = zone.attr("vnc") {
        let off = matches!(vnc.trim(), "off" | "false" | "no" | "0");
        set("vnc_port", json!(if off { -1 } else { 0 }));
        if let Some(password) = vnc.split(',').find_map(|o| o.strip_prefix("password=")) {
            set("vnc_password", json!(password));
        }
    }
    let disks = disks(zone);
    if !disks.is_empty() {
        set("disks", Value::from(disks));
    }
    let nics: Vec<Value> =
        zone.nets().enumerate().map(|(index, net)| nic(zone, index, net)).collect();
    set("nics", Value::from(nics));
    vm
}

/// An amount of memory in MiB: a plain number, or one with a unit.
fn mebibytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    match text[end..].to_ascii_lowercase().as_str() {
        // As bhyve reads it: small numbers are MiB, others bytes.
        "" if number < 1 << 20 => Some(number),
        "" | "b" => Some(number >> 20),
        "k" => Some(number >> 10),
        "m" => Some(number),
        "g" => number.checked_mul(1 << 10),
        "t" => number.checked_mul(1 << 20),
        _ => None,
    }
}

/// A number of processors, or the product of `sockets=`, `cores=` and `threads=`.
fn processors(text: &str) -> Option<u64> {
    if let Ok(number) = text.trim().parse() {
        return Some(number);
    }
    text.split(',').try_fold(1_u64, |product, part| {
        let number: u64 = match part.split_once('=') {
            Some(("cpus" | "sockets" | "cores" | "threads", number)) => {
                number.trim().parse().ok()?
            }
            Some(_) => return None,
            None => part.trim().parse().ok()?,
        };
        product.checked_mul(number)
    })
}

/// Boot disk, disks and cdroms, in this order.
fn disks(zone: &Zone) -> Vec<Value> {
    let mut disks = Vec::new();
    let default = zone.attr("diskif").unwrap_or("virtio-blk");
    if let Some(value) = zone.attr("bootdisk") {
        disks.push(disk(zone, "bootdisk", value, zone.attr("bootdiskif").unwrap_or(default), true));
    }
    for number in 0..16 {
        let slot = format!("disk{number}");
        if let Some(value) = zone.attr(&slot) {
            let interface = zone.attr(&format!("diskif{number}")).unwrap_or(default);
            disks.push(disk(zone, &slot, value, interface, false));
        }
    }
    for number in 0..8 {
        let slot = format!("cdrom{number}");
        if let Some(path) = zone.attr(&slot) {
            let mut cdrom = Object::new();
            cdrom.insert("path".into(), json!(path));
            cdrom.insert("boot".into(), json!(false));
            cdrom.insert("model".into(), json!("ahci"));
            cdrom.insert("media".into(), json!("cdrom"));
            disk_parts(zone, &slot, &mut cdrom);
            disks.push(Value::Object(cdrom));
        }
    }
    disks
}

fn disk(zone: &Zone, slot: &str, value: &str, interface: &str, boot: bool) -> Value {
    let mut options = value.trim().split(',');
    let path = options.next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("{VOLUMES}{path}") };
    let mut disk = Object::new();
    disk.insert("path".into(), json!(path));
    disk.insert("boot".into(), json!(boot));
    disk.insert(
        "model".into(),
        json!(translated_back(&DISK_MODELS, interface).unwrap_or(interface)),
    );
    disk.insert("media".into(), json!("disk"));
    for option in options {
        match option.split_once('=') {
            None if option == "nodelete" => drop(disk.insert("notrim".into(), json!(true))),
            Some(("sectorsize", size)) => drop(disk.insert("guest_block_size".into(), json!(size))),
            _ => {}
        }
    }
    disk_parts(zone, slot, &mut disk);
    Value::Object(disk)
}

fn disk_parts(zone: &Zone, slot: &str, disk: &mut Object) {
    for (property, name) in DISK_PARTS {
        let Some(value) = zone.attr(&format!("{slot}-{name}")) else { continue };
        let number = value.parse::<u64>().ok().filter(|_| property == "image_size");
        disk.insert(property.into(), number.map_or_else(|| json!(value), |number| json!(number)));
    }
}

fn nic(zone: &Zone, index: usize, net: &Net) -> Value {
    let mut nic = Object::new();
    let mut set = |name: &str, value: Value| drop(nic.insert(name.to_owned(), value));
    set("interface", json!(net.physical));
    if let Some(mac) = &net.mac_addr {
        set("mac", json!(super::super::smartos_write::plain_mac(mac)));
    }
    if let Some(tag) = &net.global_nic {
        set("nic_tag", json!(tag));
    }
    if let Some(vlan) = net.vlan_id.as_deref().and_then(|vlan| vlan.parse::<u16>().ok()) {
        set("vlan_id", json!(vlan));
    }
    if let Some(router) = &net.defrouter {
        set("gateway", json!(router));
        set("gateways", json!([router]));
    }
    if let Some(address) = &net.allowed_address {
        set("ips", json!([address]));
    }
    set("model", json!(net.property("netif").unwrap_or("virtio")));
    for (property, name) in NIC_PARTS.into_iter().chain([("nic_tag", "nic-tag")]) {
        let Some(value) = zone.attr(&format!("net{index}-{name}")) else { continue };
        match property {
            "ips" | "gateways" => set(property, list(value)),
            "primary" => set(property, json!(value == "true")),
            _ => set(property, json!(value)),
        }
    }
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
    Value::Object(nic)
}

/// The netmask of an IPv4 prefix length.
fn netmask(prefix: u32) -> Option<String> {
    let bits = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
    Some(Ipv4Addr::from_bits(bits).to_string())
}

fn list(text: &str) -> Value {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}
