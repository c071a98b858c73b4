//! A configuration as the commands that make it.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::info::ncpus;
use crate::model::{Property, RctlValue, Resource, Zone, key};
use crate::values::{check_fs_allowed, check_hostid};

/// What `export` takes from elsewhere than the configuration itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved<'a> {
    /// The saved zone's brand.
    pub brand: Option<&'a str>,
    /// The zone's UUID in the index.
    pub uuid: Option<Uuid>,
}

/// The commands. Values of zone properties are quoted where they would not read back otherwise; aliases
/// of resource controls appear as the controls.
pub fn commands(zone: &Zone, saved: &Saved<'_>) -> String {
    let mut out = "create -b\n".to_owned();
    whole(&mut out, zone, saved);
    let kinds: [fn(&Resource) -> bool; 6] = [
        |resource| matches!(resource, Resource::Fs(_)),
        |resource| matches!(resource, Resource::Net(_)),
        |resource| matches!(resource, Resource::Device(_)),
        |resource| matches!(resource, Resource::Rctl(_)),
        |resource| matches!(resource, Resource::Attr(_)),
        |resource| matches!(resource, Resource::Dataset(_)),
    ];
    for is_kind in kinds {
        for one in zone.resources().filter(|one| is_kind(one)) {
            out.push_str(&resource(one));
        }
    }
    if let Some(pset) = zone.pset() {
        let _ = writeln!(out, "add dedicated-cpu\nset ncpus={}", ncpus(pset));
        if let Some(pool) = zone.tmp_pool().filter(|pool| !pool.importance.is_empty()) {
            let _ = writeln!(out, "set importance={}", pool.importance);
        }
        out.push_str("end\n");
    }
    for admin in zone.admins() {
        out.push_str("add admin\n");
        quoted(&mut out, "user", &admin.user);
        quoted(&mut out, "auths", &admin.auths);
        out.push_str("end\n");
    }
    if let Some(flags) = zone.security_flags() {
        out.push_str("add security-flags\n");
        quoted(&mut out, "default", &flags.default);
        quoted(&mut out, "lower", &flags.lower);
        quoted(&mut out, "upper", &flags.upper);
        out.push_str("end\n");
    }
    out
}

/// The commands that add a resource: an `fs`, `net`, `device`, `rctl`, `attr` or `dataset`; nothing for others, of which a
/// zone has one of a kind.
pub fn resource(resource: &Resource) -> String {
    let mut out = String::new();
    match resource {
        Resource::Fs(fs) => {
            out.push_str("add fs\n");
            quoted(&mut out, "dir", &fs.dir);
            quoted(&mut out, "special", &fs.special);
            quoted(&mut out, "raw", fs.raw.as_deref().unwrap_or_default());
            quoted(&mut out, "type", &fs.fs_type);
            for option in &fs.options {
                // Words that hold a comma read back the same outside of a list.
                let text = if option.contains('=') { in_quotes(option) } else { if_needed(option) };
                let _ = writeln!(out, "add options {text}");
            }
            out.push_str("end\n");
        }
        Resource::Net(net) => {
            out.push_str("add net\n");
            let optional = [
                ("address", net.address.as_deref()),
                ("allowed-address", net.allowed_address.as_deref()),
                ("physical", Some(net.physical.as_str())),
                ("mac-addr", net.mac_addr.as_deref()),
                ("vlan-id", net.vlan_id.as_deref()),
                ("global-nic", net.global_nic.as_deref()),
                ("defrouter", net.defrouter.as_deref()),
            ];
            for (name, value) in optional {
                quoted(&mut out, name, value.unwrap_or_default());
            }
            properties(&mut out, &net.properties);
        }
        Resource::Device(device) => {
            out.push_str("add device\n");
            quoted(&mut out, "match", &device.matches);
            properties(&mut out, &device.properties);
        }
        Resource::Rctl(rctl) => {
            out.push_str("add rctl\n");
            quoted(&mut out, "name", &rctl.name);
            for RctlValue { privilege, limit, action } in &rctl.values {
                let _ = writeln!(out, "add value (priv={privilege},limit={limit},action={action})");
            }
            out.push_str("end\n");
        }
        Resource::Attr(attr) => {
            out.push_str("add attr\n");
            quoted(&mut out, "name", &attr.name);
            quoted(&mut out, "type", &attr.attr_type);
            quoted(&mut out, "value", &attr.value);
            out.push_str("end\n");
        }
        Resource::Dataset(dataset) => {
            out.push_str("add dataset\n");
            quoted(&mut out, "name", &dataset.name);
            out.push_str("end\n");
        }
        _ => {}
    }
    out
}

fn whole(out: &mut String, zone: &Zone, saved: &Saved<'_>) {
    let uuid = saved.uuid.map(|uuid| uuid.to_string());
    let short = |name: &str| zone.get(name).filter(|value| value.len() < 256);
    let set = [
        ("zonepath", Some(zone.zonepath()).filter(|path| path.len() < 1024)),
        ("brand", saved.brand.filter(|brand| *brand != "native")),
        ("autoboot", Some(if zone.autoboot() { "true" } else { "false" })),
        ("bootargs", short(key::BOOTARGS)),
        ("pool", short(key::POOL)),
        ("limitpriv", zone.get(key::LIMITPRIV)),
        ("scheduling-class", short(key::SCHEDULING_CLASS)),
        ("ip-type", Some(zone.ip_type().as_str())),
        ("hostid", zone.get(key::HOSTID).filter(|hostid| check_hostid(hostid).is_ok())),
        (
            "fs-allowed",
            zone.get(key::FS_ALLOWED).filter(|allowed| check_fs_allowed(allowed).is_ok()),
        ),
        ("uuid", uuid.as_deref()),
    ];
    for (name, value) in set {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = writeln!(out, "set {name}={}", if_needed(value));
        }
    }
}

/// A `set` of a property of a resource; nothing for an empty value.
fn quoted(out: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(out, "set {name}={}", in_quotes(value));
    }
}

fn properties(out: &mut String, properties: &[Property]) {
    for Property { name, value } in properties {
        let special = |c: char| matches!(c, ' ' | '\t' | ',' | ';' | '=' | '(' | ')' | '\n');
        let name =
            if name.is_empty() || name.contains(special) { in_quotes(name) } else { name.clone() };
        let _ = writeln!(out, "add property (name={name},value={})", in_quotes(value));
    }
    out.push_str("end\n");
}

fn if_needed(value: &str) -> String {
    let special = |c: char| matches!(c, ' ' | '\t' | ';' | '=' | '[' | ']' | '(' | ')' | '\n');
    if value.contains(special) { in_quotes(value) } else { value.to_owned() }
}

/// A value in quotes. A line end closes a quoted value, too, and belongs to it: one at the end of a value
/// can be written that way.
fn in_quotes(value: &str) -> String {
    if value.ends_with('\n') { format!("\"{value}") } else { format!("\"{value}\"") }
}
