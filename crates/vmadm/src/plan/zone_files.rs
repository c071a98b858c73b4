//! Files in a new zone's root: what its first boot reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use gz::plan::{Step, ZoneFile};
use zonecfg::mapping::smartos_write::{self, NIC_UPDATABLE};

use super::{Object, as_text, flag, list, objects, text};

/// What makes a zone without tmpfs of an image whose zoneinit always mounts one.
const NO_TMPFS: &str = "# VM.js: tmpfs=0, so we do not want any tmpfs\n\
    grep -v \" /tmp .* tmpfs \" /etc/vfstab > /etc/vfstab.new && mv /etc/vfstab.new /etc/vfstab\n\n";

fn write(root: &str, path: &str, text: String) -> Step {
    let file = ZoneFile { root: root.to_owned(), path: path.to_owned() };
    Step::WriteZoneFile { file, text, mode: 0o644 }
}

fn addresses(nic: &Object) -> impl Iterator<Item = &str> {
    list(nic, "ips").iter().filter_map(serde_json::Value::as_str)
}

/// `/etc/hostname.net0` and its like, the default routers and the node name, for brands whose network is configured
/// from within.
pub(super) fn network(payload: &Object, root: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut primary_found = false;
    for nic in objects(payload, "add_nics") {
        let interface = text(nic, "interface");
        let mut fixed = String::new();
        for ip in addresses(nic).filter(|ip| !matches!(*ip, "dhcp" | "addrconf")) {
            fixed.push_str(ip);
            fixed.push_str(" up\n");
        }
        if !fixed.is_empty() {
            steps.push(write(root, &format!("/etc/hostname.{interface}"), fixed));
        }
        if addresses(nic).any(|ip| ip == "addrconf") {
            steps.push(write(root, &format!("/etc/addrconf.{interface}"), String::new()));
        }
        if flag(nic, "primary") && !primary_found {
            primary_found = true;
            // The file is for IPv4 alone; an empty one makes the zone drop all of its routes.
            let routers: String =
                ipv4_gateways(nic).fold(String::new(), |text, gateway| text + gateway + "\n");
            let none = nic.contains_key("gateways") && list(nic, "gateways").is_empty();
            if none || !routers.is_empty() {
                steps.push(write(root, "/etc/defaultrouter", routers));
            }
            let routes = ipv6_routes(nic);
            if !routes.is_empty() {
                steps.push(Step::ReplaceZoneLines {
                    file: static_routes(root),
                    remove: Vec::new(),
                    add: routes,
                });
            }
            if addresses(nic).any(|ip| ip == "dhcp") {
                steps.push(write(root, &format!("/etc/dhcp.{interface}"), String::new()));
            }
        }
    }
    let name = hostname(payload);
    steps.push(write(root, "/etc/nodename", format!("{name}\n")));
    steps
}

fn gateways(nic: &Object) -> impl Iterator<Item = &str> {
    list(nic, "gateways").iter().filter_map(serde_json::Value::as_str)
}

fn ipv4_gateways(nic: &Object) -> impl Iterator<Item = &str> {
    gateways(nic).filter(|gateway| !gateway.contains(':'))
}

/// The lines of the zone's static routes for a primary NIC's IPv6 gateways: arguments of `route add` (observed in
/// illumos's net-routing-setup, which runs it on each line).
fn ipv6_routes(nic: &Object) -> Vec<String> {
    gateways(nic)
        .filter_map(|gateway| {
            let gateway: Ipv6Addr = gateway.parse().ok()?;
            if !gateway.is_unicast_link_local() {
                return Some(format!("-inet6 default {gateway}"));
            }
            // Such an address is one of a link's; a NIC that an update adds has no name for it yet.
            let interface = Some(text(nic, "interface")).filter(|name| !name.is_empty())?;
            Some(format!("-inet6 default {gateway} -ifp {interface}"))
        })
        .collect()
}

fn static_routes(root: &str) -> ZoneFile {
    ZoneFile { root: root.to_owned(), path: "/etc/inet/static_routes".to_owned() }
}

/// What an update makes of the routes to IPv6 gateways, in the zone's file and, where it runs, in the zone. The zone's
/// own services see to all else.
pub(super) fn update_ipv6_routes(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    let before = objects(vm, "nics").find(|nic| flag(nic, "primary")).map(ipv6_routes);
    let before = before.unwrap_or_default();
    let after = primary_after(vm, payload).as_ref().map(ipv6_routes).unwrap_or_default();
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (remove, add) = (only(&before, &after), only(&after, &before));
    if remove.is_empty() && add.is_empty() {
        return;
    }
    if text(vm, "state") == "running" {
        for (verb, lines) in [("delete", &remove), ("add", &add)] {
            for line in lines {
                let words = ["/usr/sbin/route", "-n", verb].into_iter().chain(line.split(' '));
                steps.push(Step::Login {
                    zone: text(vm, "zonename").to_owned(),
                    command: words.map(str::to_owned).collect(),
                    // It comes to the same with the zone's next boot.
                    required: false,
                });
            }
        }
    }
    let root = format!("{}/root", text(vm, "zonepath"));
    steps.push(Step::ReplaceZoneLines { file: static_routes(&root), remove, add });
}

/// The NIC that is primary after an update, as it is then.
fn primary_after(vm: &Object, payload: &Object) -> Option<Object> {
    let updated = |old: &Object| {
        let update = objects(payload, "update_nics").find(|nic| nic.get("mac") == old.get("mac"));
        update.map_or_else(|| old.clone(), |new| smartos_write::updated(old, new, NIC_UPDATABLE))
    };
    let Some(mac) = smartos_write::new_primary(vm, payload) else {
        let removed = list(payload, "remove_nics");
        let stays = |nic: &&Object| {
            flag(nic, "primary") && !removed.iter().any(|mac| nic.get("mac") == Some(mac))
        };
        return objects(vm, "nics").find(stays).map(updated);
    };
    let added = objects(payload, "add_nics").find(|nic| text(nic, "mac") == mac).cloned();
    added.or_else(|| objects(vm, "nics").find(|nic| text(nic, "mac") == mac).map(updated))
}

fn hostname(payload: &Object) -> &str {
    ["hostname", "zonename", "uuid"]
        .into_iter()
        .map(|property| text(payload, property))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

/// `/root/zoneconfig`, which zoneinit in older images reads. The original writes `undefined` for addresses, because it
/// looks for ones without a prefix; here they are the addresses.
pub(super) fn zoneconfig(payload: &Object, root: &str) -> Step {
    let nics: Vec<&Object> = objects(payload, "add_nics").collect();
    let zonename = text(payload, "zonename");
    let mut data = format!(
        "TEMPLATE_VERSION=0.0.1\nZONENAME={zonename}\nHOSTNAME={}.{}\nTMPFS={}m\n",
        hostname(payload),
        text(payload, "dns_domain"),
        payload.get("tmpfs").map(as_text).unwrap_or_default(),
    );
    let mut line = |name: String, value: &str| {
        if !value.is_empty() {
            data.push_str(&name);
            data.push('=');
            data.push_str(value);
            data.push('\n');
        }
    };
    let first = nics.first().and_then(|nic| ipv4(nic));
    // zoneinit puts the private address into /etc/hosts, so there is one in any case.
    let second = nics.get(1).and_then(|nic| ipv4(nic)).or(first);
    line("PUBLIC_IP".into(), first.map_or("", |(address, _)| address));
    line("PRIVATE_IP".into(), second.map_or("", |(address, _)| address));
    if payload.contains_key("resolvers") {
        let resolvers: Vec<String> = list(payload, "resolvers").iter().map(as_text).collect();
        line("RESOLVERS".into(), &format!("\"{}\"", resolvers.join(" ")));
    }
    for nic in nics {
        let interface = text(nic, "interface").to_uppercase();
        line(format!("{interface}_MAC"), text(nic, "mac"));
        line(format!("{interface}_INTERFACE"), &interface);
        if let Some((address, prefix)) = ipv4(nic) {
            line(format!("{interface}_IP"), address);
            line(format!("{interface}_NETMASK"), &netmask(prefix));
        }
    }
    write(root, "/root/zoneconfig", data)
}

/// The first IPv4 address of a NIC and its prefix length.
fn ipv4(nic: &Object) -> Option<(&str, u32)> {
    addresses(nic).find_map(|ip| {
        let (address, prefix) = ip.split_once('/')?;
        address.parse::<Ipv4Addr>().ok()?;
        Some((address, prefix.parse().ok()?))
    })
}

fn netmask(prefix: u32) -> String {
    let bits = u32::MAX.checked_shl(32u32.saturating_sub(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(bits).to_string()
}

/// Removes what an image was made with and a new zone must not have.
pub(super) fn clean(root: &str, zoneinit: bool) -> Vec<Step> {
    let mut paths = vec![
        "/var/adm/utmpx",
        "/var/adm/wtmpx",
        "/var/svc/log/*.log",
        "/var/svc/mdata",
        "/var/svc/manifest/mdata.xml",
    ];
    if !zoneinit {
        paths.extend(["/root/zoneinit.xml", "/root/zoneinit", "/root/zoneinit.d/*"]);
    }
    let paths = paths.into_iter().map(str::to_owned).collect();
    vec![
        Step::RemoveZoneFiles { root: root.to_owned(), paths },
        Step::TouchZoneFile {
            file: ZoneFile { root: root.to_owned(), path: "/var/adm/wtmpx".to_owned() },
            directories: false,
        },
    ]
}

/// Makes zoneinit leave `/tmp` alone.
pub(super) fn without_tmpfs(root: &str) -> Step {
    Step::PrependZoneFile {
        root: root.to_owned(),
        paths: vec![
            "/root/zoneinit.d/11-files.sh".to_owned(),
            "/var/zoneinit/includes/11-files.sh".to_owned(),
        ],
        text: NO_TMPFS.to_owned(),
    }
}
