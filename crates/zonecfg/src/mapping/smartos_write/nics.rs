//! Network interfaces.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::Object;
use super::devices::property;
use super::quote::{Unmappable, text, token};
use super::updates::{NIC_UPDATABLE, changes, objects};

/// A MAC address as zonecfg prints and expects it: no leading zeros (`2:8:20:aa:0:1`). Letters keep their case, by
/// which zonecfg tells addresses apart.
pub fn zonecfg_mac(mac: &str) -> String {
    let octets = mac.split(':').map(|octet| {
        let octet = octet.trim_start_matches('0');
        if octet.is_empty() { "0" } else { octet }
    });
    octets.collect::<Vec<_>>().join(":")
}

/// A MAC address as VM objects have it: two digits an octet, lower case.
pub fn plain_mac(mac: &str) -> String {
    let octets = mac.split(':').map(|octet| format!("{octet:0>2}"));
    octets.collect::<Vec<_>>().join(":").to_lowercase()
}

/// Gives the NICs of a new zone (`nics` or `add_nics`) their interfaces' names, and one of them the primary flag, as
/// [`create_script`](super::create_script) does. For those who write files that name them.
pub fn complete_nics(payload: &mut Object, brand: &str) {
    choose_first_primary(payload);
    let mut used = BTreeSet::new();
    for property in ["nics", "add_nics"] {
        let nics = payload.get_mut(property).and_then(Value::as_array_mut).into_iter().flatten();
        for nic in nics.filter_map(Value::as_object_mut) {
            name_interface(nic, brand, &mut used);
        }
    }
}

/// The first NIC of a new zone is primary where none is asked to be.
pub(super) fn choose_first_primary(payload: &mut Object) {
    for property in ["nics", "add_nics"] {
        let Some(nics) = payload.get_mut(property).and_then(Value::as_array_mut) else { continue };
        if nics.iter().any(|nic| is_primary(nic.as_object())) {
            return;
        }
        if let Some(first) = nics.first_mut().and_then(Value::as_object_mut) {
            first.insert("primary".to_owned(), Value::Bool(true));
            return;
        }
    }
}

fn is_primary(nic: Option<&Object>) -> bool {
    nic.and_then(|nic| nic.get("primary")) == Some(&Value::Bool(true))
}

fn mac(nic: &Object) -> String {
    nic.get("mac").map(text).unwrap_or_default()
}

pub(super) fn write(
    out: &mut String,
    vm: &Object,
    payload: &Object,
    brand: &str,
) -> Result<(), Unmappable> {
    let mut changes = changes(vm, payload, "nics", "mac", NIC_UPDATABLE);
    let primary = new_primary(vm, payload);
    name_interfaces(vm, &mut changes.add, brand);
    for nic in &mut changes.add {
        // The VRID is a part of the MAC.
        if let Some(vrid) = nic.get("vrrp_vrid").and_then(Value::as_u64) {
            nic.insert("mac".to_owned(), Value::String(format!("00:00:5e:00:01:{vrid:02x}")));
        }
    }
    for address in &changes.remove {
        let known = objects(vm, "nics").map(mac).find(|known| known.eq_ignore_ascii_case(address));
        let address = zonecfg_mac(known.as_ref().unwrap_or(address));
        let _ = writeln!(out, "remove net mac-addr={}", token("remove_nics", &address)?);
    }
    for nic in &changes.add {
        add(out, nic, primary.is_none())?;
    }
    let Some(primary) = primary else { return Ok(()) };
    for address in macs_after(vm, payload) {
        let selected = token("nics.*.mac", &zonecfg_mac(&address))?.into_owned();
        let verb = if address == primary { "add" } else { "remove -F" };
        let _ = writeln!(
            out,
            "select net mac-addr={selected}; {verb} property (name=primary,value=\"true\"); end"
        );
    }
    Ok(())
}

/// New NICs that name no interface get the first free one of the brand's prefix.
fn name_interfaces(vm: &Object, add: &mut [Object], brand: &str) {
    let mut used: BTreeSet<u64> = objects(vm, "nics")
        .filter_map(|nic| nic.get("interface")?.as_str()?.strip_prefix(prefix(brand))?.parse().ok())
        .collect();
    for nic in add {
        name_interface(nic, brand, &mut used);
    }
}

fn name_interface(nic: &mut Object, brand: &str, used: &mut BTreeSet<u64>) {
    if nic.contains_key("interface") {
        return;
    }
    let mut free = 0;
    while !used.insert(free) {
        free += 1;
    }
    nic.insert("interface".to_owned(), Value::String(format!("{}{free}", prefix(brand))));
}

fn prefix(brand: &str) -> &'static str {
    if brand == "lx" { "eth" } else { "net" }
}

fn add(out: &mut String, nic: &Object, keep_primary: bool) -> Result<(), Unmappable> {
    let field = |name: &str| nic.get(name).map(text).unwrap_or_default();
    let _ =
        writeln!(out, "add net\nset physical={}", token("nics.*.interface", &field("interface"))?);
    let _ = writeln!(out, "set mac-addr={}", token("nics.*.mac", &zonecfg_mac(&field("mac")))?);
    if nic.contains_key("nic_tag") {
        let _ = writeln!(out, "set global-nic={}", token("nics.*.nic_tag", &field("nic_tag"))?);
    }
    let mut put = |name: &str, value: &str| property(out, &format!("nics.*.{name}"), name, value);
    addresses(nic, &mut put)?;
    if let Some(vlan) = nic.get("vlan_id").filter(|vlan| *vlan != "0") {
        let _ = writeln!(out, "set vlan-id={}", token("nics.*.vlan_id", &text(vlan))?);
    }
    let left_out = |name: &str| {
        matches!(name, "allowed_dhcp_cids" | "secondary_macs")
            && nic.get(name).and_then(Value::as_array).is_some_and(Vec::is_empty)
    };
    const COPIED: [&str; 17] = [
        "allowed_ips",
        "allowed_dhcp_cids",
        "secondary_macs",
        "network_uuid",
        "model",
        "dhcp_server",
        "allow_dhcp_spoofing",
        "blocked_outgoing_ports",
        "allow_ip_spoofing",
        "allow_mac_spoofing",
        "allow_restricted_traffic",
        "allow_unfiltered_promisc",
        "vrrp_vrid",
        "vrrp_primary_ip",
        "mtu",
        "maxbw",
        "priority",
    ];
    for name in COPIED {
        // Other lists are stored even when they are empty, as the original does.
        if nic.contains_key(name) && !left_out(name) {
            property(out, &format!("nics.*.{name}"), name, &field(name))?;
        }
    }
    if keep_primary && is_primary(Some(nic)) {
        property(out, "nics.*.primary", "primary", "true")?;
    }
    out.push_str("end\n");
    Ok(())
}

/// Addresses: the lists as they are, and one IPv4 address, netmask and gateway of them for programs that know only one.
fn addresses(
    nic: &Object,
    put: &mut dyn FnMut(&str, &str) -> Result<(), Unmappable>,
) -> Result<(), Unmappable> {
    let list = |name: &str| nic.get(name).and_then(Value::as_array);
    if let Some(gateways) = list("gateways") {
        if !gateways.is_empty() {
            let first = gateways.iter().filter_map(Value::as_str).find(|ip| is_ipv4(ip));
            if let Some(first) = first {
                put("gateway", first)?;
            }
            put("gateways", &text(&Value::Array(gateways.clone())))?;
        }
    } else if let Some(gateway) = nic.get("gateway") {
        put("gateway", &text(gateway))?;
    }
    if let Some(ips) = list("ips") {
        if !ips.is_empty() {
            let first = ips.iter().filter_map(Value::as_str).find_map(representative);
            if let Some((address, prefix)) = first {
                if let Some(prefix) = prefix {
                    put("netmask", &netmask(prefix))?;
                }
                put("ip", address)?;
            }
            put("ips", &text(&Value::Array(ips.clone())))?;
        }
    } else if let Some(ip) = nic.get("ip") {
        if let Some(netmask) = nic.get("netmask") {
            put("netmask", &text(netmask))?;
        }
        put("ip", &text(ip))?;
    }
    Ok(())
}

fn is_ipv4(ip: &str) -> bool {
    ip.parse::<Ipv4Addr>().is_ok()
}

/// `dhcp`, or the address and prefix length of an IPv4 CIDR.
fn representative(ip: &str) -> Option<(&str, Option<u32>)> {
    if ip == "dhcp" {
        return Some((ip, None));
    }
    let (address, prefix) = ip.split_once('/')?;
    let prefix = prefix.parse().ok().filter(|prefix| (8..=32).contains(prefix))?;
    is_ipv4(address).then_some((address, Some(prefix)))
}

fn netmask(prefix: u32) -> String {
    let bits = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
    Ipv4Addr::from_bits(bits).to_string()
}

/// MACs of the NICs there will be: the added ones, then those that stay.
fn macs_after(vm: &Object, payload: &Object) -> Vec<String> {
    let removed: Vec<String> = payload
        .get("remove_nics")
        .and_then(Value::as_array)
        .map(|list| list.iter().map(text).collect())
        .unwrap_or_default();
    let added = objects(payload, "nics").chain(objects(payload, "add_nics")).map(mac);
    let stay = objects(vm, "nics").map(mac).filter(|mac| !removed.contains(mac));
    added.chain(stay).collect()
}

/// The MAC of the NIC that becomes primary: the one asked for or, when the primary one goes, the first that stays with
/// a public address, else the first that stays. `None`: the one that is primary stays so.
pub fn new_primary(vm: &Object, payload: &Object) -> Option<String> {
    let asked = ["nics", "add_nics", "update_nics"]
        .into_iter()
        .flat_map(|list| objects(payload, list))
        .filter(|nic| is_primary(Some(nic)))
        .last();
    if let Some(nic) = asked {
        return Some(mac(nic));
    }
    let removed: Vec<String> = payload.get("remove_nics")?.as_array()?.iter().map(text).collect();
    let goes = objects(vm, "nics").any(|nic| is_primary(Some(nic)) && removed.contains(&mac(nic)));
    if !goes {
        return None;
    }
    let staying: Vec<&Object> = objects(vm, "nics")
        .filter(|nic| !removed.contains(&mac(nic)) && nic.contains_key("ips"))
        .collect();
    let public = staying.iter().find(|nic| addresses_of(nic).any(|ip| !is_private(ip)));
    public
        .or_else(|| staying.iter().find(|nic| addresses_of(nic).next().is_some()))
        .map(|nic| mac(nic))
}

fn addresses_of(nic: &Object) -> impl Iterator<Item = &str> {
    let ips = nic.get("ips").and_then(Value::as_array).into_iter().flatten();
    ips.filter_map(Value::as_str).map(|ip| ip.split('/').next().unwrap_or(ip))
}

fn is_private(ip: &str) -> bool {
    ip.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_private())
}
