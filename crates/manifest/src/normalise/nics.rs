//! NICs in their present form: a MAC address, `ips` in CIDR form and `gateways`.

use serde_json::Value;

use crate::fields::{Fields, Object};
use crate::ids::{Ids, vrrp_mac};
use crate::js;
use crate::json::Compact;
use crate::net;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::validate::value::{canonical_mac, same_mac};
use crate::vm_object::VmObject;

/// Gives NICs that are added a MAC address; `interface` becomes `physical`, and `primary` is true
/// or absent.
pub(super) fn complete_added(payload: &mut Payload, ids: &mut dyn Ids) {
    for nic in payload.objects_mut("add_nics") {
        // Blanks alone mean that it is unset; the original then makes a NIC without an address.
        let is_blank = nic.text("mac").is_some_and(|mac| mac.trim().is_empty());
        if !nic.has("mac") || is_blank {
            let mac = nic.integer("vrrp_vrid").map_or_else(|| ids.mac(), vrrp_mac);
            nic.set("mac", mac);
        }
        // zonecfg stores an address in this spelling, and takes twelve digits without colons for another one.
        if let Some(mac) = nic.text("mac").and_then(canonical_mac) {
            nic.set("mac", mac);
        }
        nic.take("index");
        nic.rename("interface", "physical");
        if nic.has("primary") && !nic.flag("primary") {
            nic.take("primary");
        }
    }
}

/// Brings `ip`, `netmask` and `gateway` of NICs that are added into present form.
pub(super) fn modernise_added(payload: &mut Payload) -> Result<(), Refusal> {
    for nic in payload.objects_mut("add_nics") {
        modernise(nic)?;
    }
    for nic in payload.objects_mut("add_nics") {
        nic.set_default("ips", Vec::<Value>::new());
    }
    Ok(())
}

/// Brings NICs that are updated into present form, with the help of what they were.
pub(super) fn modernise_updated(payload: &mut Payload, vm: &VmObject) -> Result<(), Refusal> {
    for nic in payload.objects_mut("update_nics") {
        let Some(mac) = nic.value("mac").map(js::to_text) else {
            return Refusal::rule("NIC object needs a .mac property to update");
        };
        let Some((old, mac)) = known(vm, &mac) else {
            return Refusal::rule("There is no existing NIC with that mac address");
        };
        nic.set("mac", mac);
        complete_update(nic, old)?;
        modernise(nic)?;
    }
    Ok(())
}

/// Spells the addresses in `remove_nics` as the VM does.
pub(super) fn name_removed(payload: &mut Payload, vm: &VmObject) {
    let Some(Value::Array(macs)) = payload.object_mut().get_mut("remove_nics") else { return };
    for mac in macs {
        if let Some((_, own)) = mac.as_str().and_then(|mac| known(vm, mac)) {
            *mac = own.into();
        }
    }
}

/// The VM's NIC that has this MAC address, and the address as the VM spells it.
fn known<'a>(vm: &'a VmObject, mac: &str) -> Option<(&'a Object, &'a str)> {
    let addresses = vm.objects("nics").filter_map(|nic| Some((nic, nic.text("mac")?)));
    addresses.into_iter().find(|(_, own)| same_mac(own, mac))
}

/// Adds the address to a new netmask, or the netmask to a new address, from the NIC's single IPv4
/// address.
fn complete_update(nic: &mut Object, old: &Object) -> Result<(), Refusal> {
    if nic.has("ips") {
        return Ok(());
    }
    let only = || match old.array("ips") {
        [Value::String(cidr)] if net::is_cidr_v4(cidr) => Ok(cidr.as_str()),
        _ => Refusal::rule("Need a single existing IPv4 address to update .ip or .netmask"),
    };
    if nic.has("netmask") {
        if !nic.has("ip") {
            let ip = net::address(only()?);
            nic.set("ip", ip);
        }
    } else if nic.text("ip").is_some_and(|ip| !net::is_auto(ip))
        && let Some(netmask) = net::netmask_of(only()?)
    {
        nic.set("netmask", netmask);
    }
    Ok(())
}

fn modernise(nic: &mut Object) -> Result<(), Refusal> {
    drop_empty_netmask(nic);
    let netmask = nic.value("netmask").map(js::to_text);
    let prefix = netmask.as_deref().map(net::prefix_of_netmask);
    if prefix == Some(None) {
        let netmask = netmask.unwrap_or_default();
        return Refusal::rule(format!("Specified netmask value is invalid: {netmask}"));
    }
    if let Some(ip) = nic.value("ip").map(js::to_text) {
        if !nic.has("ips") {
            if net::is_auto(&ip) {
                nic.set("ips", vec![ip]);
            } else if let Some(Some(prefix)) = prefix {
                if net::is_ipv6(&ip) {
                    return Refusal::rule(format!(
                        "The IPv6 address {ip} cannot have an IPv4 netmask, use .ips for NIC: {}",
                        Compact(nic)
                    ));
                }
                nic.set("ips", vec![format!("{ip}/{prefix}")]);
                nic.take("netmask");
            } else {
                return Refusal::rule(format!("Missing .netmask option for NIC: {}", Compact(nic)));
            }
        }
        nic.take("ip");
    }
    if let Some(gateway) = nic.take("gateway")
        && !nic.has("gateways")
    {
        nic.set("gateways", vec![gateway]);
    }
    Ok(())
}

/// Takes out an empty netmask where no address needs one: clients give it with `dhcp`.
fn drop_empty_netmask(nic: &mut Object) {
    let needed = !nic.has("ips") && nic.text("ip").is_some_and(|ip| !net::is_auto(ip));
    if nic.text("netmask") == Some("") && !needed {
        nic.take("netmask");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn modern(nic: Value) -> Result<Value, String> {
        let mut nic: Object = serde_json::from_value(nic).unwrap_or_default();
        modernise(&mut nic).map_err(|refusal| refusal.to_string())?;
        Ok(nic.into())
    }

    #[test]
    fn addresses_get_a_prefix() {
        assert_eq!(
            modern(json!({"ip": "10.0.0.1", "netmask": "255.255.0.0", "gateway": "10.0.0.2"})),
            Ok(json!({"ips": ["10.0.0.1/16"], "gateways": ["10.0.0.2"]}))
        );
        assert_eq!(modern(json!({"ip": "dhcp", "netmask": ""})), Ok(json!({"ips": ["dhcp"]})));
        assert_eq!(
            modern(json!({"ip": "10.0.0.1", "netmask": "255.0.0.0", "ips": ["10.0.0.3/8"]})),
            Ok(json!({"netmask": "255.0.0.0", "ips": ["10.0.0.3/8"]}))
        );
    }

    #[test]
    fn bad_addresses_are_refused() {
        assert_eq!(
            modern(json!({"ip": "10.0.0.1"})),
            Err("Missing .netmask option for NIC: {\"ip\":\"10.0.0.1\"}".to_owned())
        );
        assert_eq!(
            modern(json!({"ip": "10.0.0.1", "netmask": "255.0.255.0"})),
            Err("Specified netmask value is invalid: 255.0.255.0".to_owned())
        );
        assert!(modern(json!({"ip": "fd00::1", "netmask": "255.255.255.0"})).is_err());
    }

    #[test]
    fn updates_keep_the_other_half() {
        let old: Object =
            serde_json::from_value(json!({"ips": ["10.0.0.1/16"]})).unwrap_or_default();
        let updated = |nic: Value| {
            let mut nic: Object = serde_json::from_value(nic).unwrap_or_default();
            complete_update(&mut nic, &old)
                .and_then(|()| modernise(&mut nic))
                .map(|()| Value::from(nic))
        };
        assert_eq!(updated(json!({"ip": "10.0.0.9"})), Ok(json!({"ips": ["10.0.0.9/16"]})));
        assert_eq!(updated(json!({"netmask": "255.0.0.0"})), Ok(json!({"ips": ["10.0.0.1/8"]})));
    }
}
