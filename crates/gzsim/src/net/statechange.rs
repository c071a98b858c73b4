//! What SmartOS's brands set on the VNICs of a zone that gets ready (illumos-joyent, `jcommon/statechange`).

use std::collections::BTreeMap;

use zonecfg::model::Net;

/// The link properties of a net that SmartOS's vmadm has configured; others have no properties, and get none.
pub fn link_properties(net: &Net, brand: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    if net.global_nic.is_none() || net.properties.is_empty() {
        return properties;
    }
    let text = |name: &str| net.property(name).unwrap_or_default();
    let flag = |name: &str| matches!(text(name), "true" | "1");
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            properties.insert(name.to_owned(), value);
        }
    };
    let dhcp = flag("dhcp_server") || flag("allow_dhcp_spoofing");
    let any_ip = flag("allow_ip_spoofing") || dhcp;
    let kinds = [
        ("mac-nospoof", flag("allow_mac_spoofing")),
        ("ip-nospoof", any_ip),
        ("restricted", flag("allow_restricted_traffic")),
        ("dhcp-nospoof", dhcp),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(_, off)| !off).map(|(kind, _)| *kind).collect();
    set("protection", kinds.join(","));
    let ips = match text("ips") {
        "" => text("ip"),
        ips => ips,
    };
    if !any_ip {
        let mut addresses: Vec<&str> = Vec::new();
        let mut methods = Vec::new();
        for ip in ips.split(',') {
            match ip {
                "dhcp" => methods.push("dhcpv4"),
                "addrconf" => methods.push("addrconf"),
                _ => addresses.push(ip.split('/').next().unwrap_or(ip)),
            }
        }
        addresses.extend(text("allowed_ips").split(','));
        if brand.starts_with("joyent") {
            addresses.push(text("vrrp_primary_ip"));
        }
        let mut allowed: Vec<&str> = Vec::new();
        for ip in addresses.into_iter().filter(|ip| !ip.is_empty()) {
            if !allowed.contains(&ip) {
                allowed.push(ip);
            }
        }
        set("allowed-ips", allowed.join(","));
        set("dynamic-methods", methods.join(","));
    }
    let cids = text("allowed_dhcp_cids");
    if !dhcp {
        set("allowed-dhcp-cids", cids.to_owned());
        let asks = ips.split(',').any(|ip| matches!(ip, "dhcp" | "addrconf"));
        if cids.is_empty() && asks {
            set("allow-all-dhcp-cids", "true".to_owned());
        }
    }
    if matches!(brand, "bhyve" | "kvm") && flag("allow_unfiltered_promisc") {
        set("promisc-filtered", "off".to_owned());
    }
    properties
}
