//! What `info` shows of resources.

use std::fmt::Write as _;

use crate::alias::{self, Alias};
use crate::model::{
    Admin, Attr, Dataset, Device, Fs, Net, Property, Pset, Rctl, SecurityFlags, Zone,
};
use crate::values::memory_text;

fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = match value {
        "" => writeln!(out, "\t{name} not specified"),
        _ => writeln!(out, "\t{name}: {}", quoted(value)),
    };
}

fn optional(out: &mut String, name: &str, value: Option<&str>) {
    line(out, name, value.unwrap_or_default());
}

fn properties(out: &mut String, properties: &[Property]) {
    for Property { name, value } in properties {
        let _ = writeln!(out, "\tproperty: (name={name},value=\"{value}\")");
    }
}

/// A file system.
pub fn fs(fs: &Fs) -> String {
    let mut out = "fs:\n".to_owned();
    line(&mut out, "dir", &fs.dir);
    line(&mut out, "special", &fs.special);
    optional(&mut out, "raw", fs.raw.as_deref());
    line(&mut out, "type", &fs.fs_type);
    let option = |option: &String| {
        if option.contains('=') { format!("\"{option}\"") } else { option.clone() }
    };
    let options: Vec<_> = fs.options.iter().map(option).collect();
    let _ = writeln!(out, "\toptions: [{}]", options.join(","));
    out
}

/// A network interface.
pub fn net(net: &Net) -> String {
    let mut out = "net:\n".to_owned();
    optional(&mut out, "address", net.address.as_deref());
    optional(&mut out, "allowed-address", net.allowed_address.as_deref());
    optional(&mut out, "defrouter", net.defrouter.as_deref());
    optional(&mut out, "global-nic", net.global_nic.as_deref());
    optional(&mut out, "mac-addr", net.mac_addr.as_deref());
    line(&mut out, "physical", &net.physical);
    optional(&mut out, "vlan-id", net.vlan_id.as_deref());
    properties(&mut out, &net.properties);
    out
}

/// A device.
pub fn device(device: &Device) -> String {
    let mut out = "device:\n".to_owned();
    line(&mut out, "match", &device.matches);
    properties(&mut out, &device.properties);
    out
}

/// A resource control.
pub fn rctl(rctl: &Rctl) -> String {
    let mut out = "rctl:\n".to_owned();
    line(&mut out, "name", &rctl.name);
    for value in &rctl.values {
        let _ = writeln!(
            out,
            "\tvalue: (priv={},limit={},action={})",
            value.privilege, value.limit, value.action
        );
    }
    out
}

/// A generic attribute.
pub fn attr(attr: &Attr) -> String {
    let mut out = "attr:\n".to_owned();
    line(&mut out, "name", &attr.name);
    line(&mut out, "type", &attr.attr_type);
    line(&mut out, "value", &attr.value);
    out
}

/// A dataset.
pub fn dataset(dataset: &Dataset) -> String {
    let mut out = "dataset:\n".to_owned();
    line(&mut out, "name", &dataset.name);
    out
}

/// A delegated administrator.
pub fn admin(admin: &Admin) -> String {
    let mut out = "admin:\n".to_owned();
    line(&mut out, "user", &admin.user);
    line(&mut out, "auths", &admin.auths);
    out
}

/// Security flags.
pub fn security_flags(flags: &SecurityFlags) -> String {
    let mut out = "security-flags:\n".to_owned();
    line(&mut out, "default", &flags.default);
    line(&mut out, "lower", &flags.lower);
    line(&mut out, "upper", &flags.upper);
    out
}

/// The range of a number of processors.
pub(crate) fn ncpus(pset: &Pset) -> String {
    if pset.ncpu_min == pset.ncpu_max {
        pset.ncpu_max.clone()
    } else {
        format!("{}-{}", pset.ncpu_min, pset.ncpu_max)
    }
}

/// Dedicated processors.
pub fn dedicated_cpu(pset: &Pset, importance: &str) -> String {
    let mut out = format!("dedicated-cpu:\n\tncpus: {}\n", ncpus(pset));
    if !importance.is_empty() {
        let _ = writeln!(out, "\timportance: {importance}");
    }
    out
}

/// A processor limit; nothing where none is set.
pub fn capped_cpu(zone: &Zone) -> String {
    match alias::CPU_CAP.get(zone) {
        Ok(cap) => format!("capped-cpu:\n\t[ncpus: {:.2}]\n", cap as f32 / 100.0),
        Err(_) => String::new(),
    }
}

/// Memory limits that are set. `open` shows the heading even where none is.
pub fn capped_memory(zone: &Zone, open: bool) -> String {
    let mut out = "capped-memory:\n".to_owned();
    let mut any = open;
    for alias in [alias::PHYSICAL, alias::SWAP, alias::LOCKED] {
        if let Ok(bytes) = alias.get(zone) {
            let _ = writeln!(out, "\t[{}: {}]", alias.name, memory_text(bytes));
            any = true;
        }
    }
    if any { out } else { String::new() }
}

/// An alias of a resource control; nothing where it is not set.
pub fn aliased(zone: &Zone, alias: Alias) -> String {
    match alias.get(zone) {
        Ok(limit) if alias == alias::MAX_SHM_MEMORY => {
            format!("[{}: {}]\n", alias.name, memory_text(limit))
        }
        Ok(limit) => format!("[{}: {limit}]\n", alias.name),
        Err(_) => String::new(),
    }
}
