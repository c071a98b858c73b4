//! Files in a new zone's root: what its first boot reads.

use std::net::Ipv4Addr;

use gz::plan::{Step, ZoneFile};

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
            if nic.contains_key("gateways") {
                let routers: String =
                    list(nic, "gateways").iter().map(|gateway| as_text(gateway) + "\n").collect();
                steps.push(write(root, "/etc/defaultrouter", routers));
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
