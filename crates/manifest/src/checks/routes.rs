//! Rules for static routes.

use crate::fields::{Fields, Object};
use crate::js;
use crate::net;
use crate::normalise::list_items;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::validate::members;
use crate::validate::value::{canonical_mac, same_mac};
use crate::vm_object::VmObject;

/// What the gateway of a route is.
enum Gateway {
    Address,
    /// A NIC of the VM, which must have a static address.
    Nic {
        usable: bool,
    },
    Bad,
}

/// Destinations must be IPv4 addresses or networks; gateways IPv4 addresses, `nics[INDEX]` or
/// `macs[MAC]`.
pub(super) fn check(
    payload: &Payload,
    vm: Option<&VmObject>,
    nics: &[Object],
) -> Result<(), Refusal> {
    let mut routes = vm.and_then(|vm| vm.map("routes")).cloned().unwrap_or_default();
    for key in ["routes", "set_routes"] {
        for (destination, gateway) in payload.value(key).map(members).unwrap_or_default() {
            if !net::is_ipv4(&destination) && !net::is_cidr_v4(&destination) {
                return Refusal::rule(format!(
                    "Invalid route destination: \"{destination}\" (must be IP address or CIDR)"
                ));
            }
            let text = js::to_text(gateway);
            match classify(&text, nics) {
                Gateway::Address | Gateway::Nic { usable: true } => {}
                Gateway::Nic { usable: false } => return dangling(&text),
                Gateway::Bad => {
                    return Refusal::rule(format!(
                        "Invalid route gateway: \"{text}\" (must be IP address, MAC address, or \
                         nic)"
                    ));
                }
            }
            routes.set(&destination, gateway.clone());
        }
    }
    for destination in payload.texts("remove_routes") {
        routes.take(destination);
    }
    // A route that is kept may refer to a NIC that is not.
    for gateway in routes.values().map(js::to_text) {
        if !matches!(classify(&gateway, nics), Gateway::Address | Gateway::Nic { usable: true }) {
            return dangling(&gateway);
        }
    }
    Ok(())
}

fn dangling(gateway: &str) -> Result<(), Refusal> {
    Refusal::rule(format!("Route gateway: \"{gateway}\" refers to non-existent or DHCP nic"))
}

fn classify(gateway: &str, nics: &[Object]) -> Gateway {
    if net::is_ipv4(gateway) {
        return Gateway::Address;
    }
    let nic = if let Some(mac) = within(gateway, "macs[").and_then(canonical_mac) {
        nics.iter().find(|nic| nic.text("mac").is_some_and(|own| same_mac(own, &mac)))
    } else if let Some(index) = within(gateway, "nics[").filter(|index| is_digits(index)) {
        index.parse::<usize>().ok().and_then(|index| nics.get(index))
    } else {
        return Gateway::Bad;
    };
    Gateway::Nic {
        usable: nic.is_some_and(|nic| list_items(nic, "ips").iter().any(|ip| !net::is_auto(ip))),
    }
}

fn within<'a>(text: &'a str, open: &str) -> Option<&'a str> {
    text.strip_prefix(open)?.strip_suffix(']')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
