//! What a docker zone gets: `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` from the global zone.

use gz::plan::{Step, ZoneFile};
use serde_json::{Value, json};

use super::{Object, as_text, flag, list, objects, text};

const HOSTS: [(&str, &str); 6] = [
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::0", "ip6-localnet"),
    ("ff00::0", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
];

/// One of the three files.
struct HostFile {
    /// Its name below `<zonepath>/config`.
    name: &'static str,
    /// Where the zone sees it.
    target: String,
    text: String,
}

/// The files' steps, and the filesystems that put them in place; an error names a bad `docker:` value.
pub(super) fn host_files(vm: &Object, zonepath: &str) -> Result<(Vec<Step>, Vec<Value>), String> {
    let mut steps = Vec::new();
    let mut filesystems = Vec::new();
    for file in files(vm)? {
        let root = format!("{zonepath}/root");
        steps.push(Step::TouchZoneFile {
            file: ZoneFile { root, path: file.target.clone() },
            directories: true,
        });
        let source = format!("{zonepath}/config/{}", file.name);
        steps.push(Step::WriteFile { path: source.clone(), text: file.text, mode: 0o644 });
        filesystems.push(
            json!({"source": source, "target": file.target, "type": "lofs", "options": ["rw"]}),
        );
    }
    Ok((steps, filesystems))
}

fn files(vm: &Object) -> Result<[HostFile; 3], String> {
    let none = Object::new();
    let metadata = vm.get("internal_metadata").and_then(Value::as_object).unwrap_or(&none);
    let hostname = match text(vm, "hostname") {
        "" => text(vm, "uuid"),
        name => name,
    };
    // SmartOS images have /etc/hosts as a link to this one.
    let hosts_file = match text(vm, "brand") {
        "joyent-minimal" => "/etc/inet/hosts",
        _ => "/etc/hosts",
    };
    let target = |key: &str, default: &str| match text(metadata, key) {
        "" => default.to_owned(),
        path => path.to_owned(),
    };
    Ok([
        HostFile {
            name: "resolv.conf",
            target: target("docker:resolvConfFile", "/etc/resolv.conf"),
            text: resolv_conf(vm, metadata),
        },
        HostFile {
            name: "hosts",
            target: target("docker:hostsFile", hosts_file),
            text: hosts(vm, metadata, hostname)?,
        },
        HostFile {
            name: "hostname",
            target: target("docker:hostnameFile", "/etc/hostname"),
            text: format!("{hostname}\n"),
        },
    ])
}

fn resolv_conf(vm: &Object, metadata: &Object) -> String {
    let mut out: String = list(vm, "resolvers")
        .iter()
        .map(|resolver| format!("nameserver {}\n", as_text(resolver)))
        .fold(String::new(), |all, line| all + &line);
    let mut search: Vec<String> =
        serde_json::from_str(text(metadata, "docker:dnssearch")).unwrap_or_default();
    if let domain @ 1.. = text(vm, "dns_domain").len() {
        search.push(text(vm, "dns_domain")[..domain].to_owned());
    }
    if !search.is_empty() {
        out.push_str(&format!("search {}\n", search.join(" ")));
    }
    out
}

fn hosts(vm: &Object, metadata: &Object, hostname: &str) -> Result<String, String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for nic in objects(vm, "nics").filter(|nic| flag(nic, "primary")) {
        for ip in list(nic, "ips").iter().filter_map(Value::as_str) {
            if !matches!(ip, "dhcp" | "addrconf") {
                let address = ip.split('/').next().unwrap_or(ip);
                lines.insert(0, (address.to_owned(), hostname.to_owned()));
            }
        }
    }
    lines.extend(HOSTS.map(|(address, names)| (address.to_owned(), names.to_owned())));
    let extra = text(metadata, "docker:extraHosts");
    if !extra.is_empty() {
        let bad = |why: String| format!("invalid \"docker:extraHosts\" internal_metadata: {why}");
        let entries: Vec<String> =
            serde_json::from_str(extra).map_err(|error| bad(error.to_string()))?;
        for entry in entries {
            let (name, address) = entry
                .split_once(':')
                .ok_or_else(|| bad(format!("\"{entry}\" is not of the form \"NAME:IP\"")))?;
            lines.push((address.to_owned(), name.to_owned()));
        }
    }
    let mut out = String::new();
    for (address, names) in lines {
        out.push_str(&format!("{address}\t{names}\n"));
    }
    out.push_str(text(metadata, "docker:linkHosts"));
    Ok(out)
}
