//! From a zone back to a VM object.

use std::cell::RefCell;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{
    BOOTROMS, COM1, CONTROLS, Form, KEPT, Object, SHARED, TMP, VNC_PASSWORD, boot_order,
    load_disks, load_nics, translated_back,
};
use crate::model::{Fs, Resource, Zone, key};
use crate::xml;

/// What a zone's document says of its VM, whoever wrote it.
///
/// # Errors
/// The document is not well formed.
pub fn load(document: &str) -> Result<Object, xml::Error> {
    Ok(vm(&xml::read(document)?))
}

/// The attributes of a zone; which were asked for is kept, so that the others can be shown as they are.
pub(super) struct Attributes<'a> {
    zone: &'a Zone,
    seen: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Attributes<'a> {
    /// The value of the attribute called `name`, without blanks around it.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let attr = self.zone.attrs().find(|attr| attr.name == name)?;
        self.seen.borrow_mut().insert(&attr.name);
        Some(attr.value.trim())
    }

    /// Those called `KIND` and a number, with the number, in the order of numbers; one without a number has the first that
    /// is free.
    pub(super) fn numbered(&self, kind: &str) -> Vec<(usize, &'a str)> {
        let mut found: Vec<(usize, &'a str)> = Vec::new();
        let mut plain = None;
        for attr in self.zone.attrs() {
            let Some(number) = attr.name.strip_prefix(kind) else { continue };
            match number.parse() {
                Ok(number) => found.push((number, attr.value.trim())),
                Err(_) if number.is_empty() => plain = Some(attr.value.trim()),
                Err(_) => continue,
            }
            self.seen.borrow_mut().insert(&attr.name);
        }
        if let Some(value) = plain {
            // One of as many as there are, and one more, is free.
            let free = (0..=found.len()).find(|n| found.iter().all(|(taken, _)| taken != n));
            found.extend(free.map(|number| (number, value)));
        }
        found.sort_by_key(|(number, _)| *number);
        found
    }

    /// Those that nobody has asked for.
    fn others(&self) -> Object {
        let seen = self.seen.borrow();
        self.zone
            .attrs()
            .filter(|attr| !seen.contains(attr.name.as_str()))
            .map(|attr| (attr.name.clone(), json!(attr.value)))
            .collect()
    }
}

/// The VM object of a zone.
pub(super) fn vm(zone: &Zone) -> Object {
    let attributes = Attributes { zone, seen: RefCell::default() };
    let mut vm = Object::new();
    let mut set = |name: &str, value: Value| drop(vm.insert(name.to_owned(), value));
    let brand = zone.brand().unwrap_or_default();
    set("zonename", json!(zone.name()));
    set("uuid", json!(attributes.get("uuid").unwrap_or(zone.name())));
    set("zonepath", json!(zone.zonepath()));
    set("autoboot", json!(zone.autoboot()));
    if !brand.is_empty() {
        set("brand", json!(brand));
    }
    match attributes.get("alias").and_then(|alias| STANDARD.decode(alias).ok()) {
        Some(alias) => set("alias", json!(String::from_utf8_lossy(&alias))),
        // What its operator calls it.
        None if uuid::Uuid::try_parse(zone.name()).is_err() => set("alias", json!(zone.name())),
        None => {}
    }
    for (property, attr, form) in KEPT {
        if let Some(value) = attributes.get(attr) {
            set(property, form.read(value));
        }
    }
    for (property, name) in [("fs_allowed", key::FS_ALLOWED), ("limit_priv", key::LIMITPRIV)] {
        if let Some(value) = zone.get(name).filter(|value| !value.is_empty()) {
            set(property, if property == "limit_priv" { list(value) } else { json!(value) });
        }
    }
    for (property, control, _, unit) in CONTROLS {
        if let Some(limit) = zone.rctl_limit(control) {
            set(property, json!(limit / unit));
        }
    }
    if let Some(bytes) = memory_cap(zone) {
        set("max_physical_memory", json!(bytes >> 20));
    }
    let shares = if brand == "bhyve" { shared_directories(&attributes) } else { Vec::new() };
    if matches!(brand, "bhyve" | "kvm") {
        machine(&attributes, brand, &mut set);
    }
    let hidden = hidden_mounts(zone, &shares);
    if let Some(fs) = zone.filesystems().find(|fs| is_tmp(fs)) {
        let size = fs.options.iter().find_map(|option| option.strip_prefix("size="));
        if let Some(mib) = size.and_then(mebibytes) {
            set("tmpfs", json!(mib));
        }
    }
    let filesystems: Vec<Value> = zone
        .filesystems()
        .filter(|fs| !hidden.contains(&fs.dir.as_str()) && !is_tmp(fs))
        .map(filesystem)
        .chain(shares.iter().cloned())
        .collect();
    if !filesystems.is_empty() {
        set("filesystems", Value::from(filesystems));
    }
    let datasets: Vec<&str> = zone.datasets().collect();
    if !datasets.is_empty() {
        set("datasets", json!(datasets));
    }
    set("nics", Value::from(load_nics::nics(zone, &attributes)));
    let mut others = attributes.others();
    let is_ours = zone.attr("owner-uuid").is_some() && zone.attr("sshkey").is_some();
    if is_ours && zone.attr("cloud-init") == Some("on") {
        // Made of the metadata, which show the key.
        others.retain(|name, _| !matches!(name.as_str(), "cloud-init" | "sshkey"));
    }
    if !others.is_empty() {
        vm.insert("zone_attributes".to_owned(), others.into());
    }
    vm
}

/// What only virtual machines have; where nothing is said, what the brand takes.
fn machine(attributes: &Attributes<'_>, brand: &str, set: &mut impl FnMut(&str, Value)) {
    const RAM: u64 = 1024;
    set("ram", json!(attributes.get("ram").map_or(Some(RAM), mebibytes).unwrap_or(RAM)));
    set("vcpus", json!(attributes.get("vcpus").and_then(processors).unwrap_or(1)));
    if let Some(bootrom) = attributes.get("bootrom") {
        set("bootrom", json!(translated_back(&BOOTROMS, bootrom).unwrap_or(bootrom)));
    }
    if let Some(order) = attributes.get("bootorder").and_then(boot_order::boot) {
        set("boot", json!(order));
    }
    if brand == "bhyve" {
        set("com1", json!(attributes.get("console").unwrap_or(COM1)));
        let extra: Vec<&str> =
            attributes.numbered("extra").into_iter().map(|(_, options)| options).collect();
        if !extra.is_empty() {
            set("bhyve_extra_opts", json!(extra.join(" ")));
        }
        let devices: Vec<Value> = load_disks::pci_devices(attributes);
        if !devices.is_empty() {
            set("pci_devices", Value::from(devices));
        }
    } else if let Some(cpu) = attributes.get("cpu") {
        set("cpu_type", json!(cpu));
    }
    if let Some(vnc) = attributes.get("vnc") {
        let off = matches!(vnc.split(',').next(), Some("off" | "false" | "no" | "0" | "none" | ""));
        set("vnc_port", json!(if off { -1 } else { 0 }));
        let password = vnc.split(',').find_map(|option| option.strip_prefix("password="));
        if let Some(password) = password.or_else(|| attributes.get(VNC_PASSWORD)) {
            set("vnc_password", json!(password));
        }
    }
    let disks = load_disks::disks(attributes, brand);
    if !disks.is_empty() {
        set("disks", Value::from(disks));
    }
}

/// The older form of a limit of memory, in bytes, where the zone has no resource control for it.
fn memory_cap(zone: &Zone) -> Option<u64> {
    if zone.rctl_limit("zone.max-physical-memory").is_some() {
        return None;
    }
    zone.resources().find_map(|resource| match resource {
        Resource::MemoryCap(cap) => cap.physcap.parse().ok(),
        _ => None,
    })
}

/// Directories of the host that bhyve shares with the guest (`virtfsN`), as filesystems of type `virtfs` whose target is
/// the name of the share.
fn shared_directories(attributes: &Attributes<'_>) -> Vec<Value> {
    attributes
        .numbered(SHARED)
        .into_iter()
        .filter_map(|(_, value)| {
            let mut parts = value.split(',');
            let (name, path) = (parts.next()?, parts.next()?);
            let mut share = json!({"source": path, "target": name, "type": SHARED});
            if parts.next() == Some("ro") {
                share["options"] = json!(["ro"]);
            }
            Some(share)
        })
        .collect()
}

/// Where filesystems are mounted that only serve the hypervisor: images of cdroms and shared directories.
fn hidden_mounts<'a>(zone: &'a Zone, shares: &'a [Value]) -> Vec<&'a str> {
    if !matches!(zone.brand(), Some("bhyve" | "kvm")) {
        return Vec::new();
    }
    let is_cdrom = |name: &str| {
        name.strip_prefix("cdrom").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    };
    let cdroms = zone.attrs().filter(|attr| is_cdrom(&attr.name)).map(|attr| attr.value.trim());
    cdroms.chain(shares.iter().filter_map(|share| share["source"].as_str())).collect()
}

fn is_tmp(fs: &Fs) -> bool {
    fs.dir == TMP && fs.fs_type == "tmpfs"
}

fn filesystem(fs: &Fs) -> Value {
    let mut filesystem = json!({"source": fs.special, "target": fs.dir});
    if let Some(raw) = &fs.raw {
        filesystem["raw"] = json!(raw);
    }
    filesystem["type"] = json!(fs.fs_type);
    if !fs.options.is_empty() {
        filesystem["options"] = json!(fs.options);
    }
    filesystem
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

/// The items of a list with commas.
pub(super) fn list(text: &str) -> Value {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

impl Form {
    /// The value that an attribute's text stands for; what does not fit is shown as it is.
    pub(super) fn read(self, text: &str) -> Value {
        match self {
            Self::Text => json!(text),
            Self::List => list(text),
            Self::Flag => text.parse().map_or_else(|_| json!(text), |flag: bool| json!(flag)),
            Self::Number => text.parse().map_or_else(|_| json!(text), |number: u64| json!(number)),
        }
    }
}
