//! From a manifest to a zone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::write_shares::Shares;
use super::{
    BOOTROMS, COM1, COM2, CONTROLS, Form, KEPT, Object, SHARED, TMP, Unmappable, VNC_PASSWORD,
    boot_order, translated,
};
use crate::model::{Attr, Dataset, Fs, IpType, Rctl, RctlValue, Zone, key};

pub(super) type Result<T> = std::result::Result<T, Unmappable>;

/// The zone of a manifest that has been validated and given its defaults, with `disks`, `nics`, `pci_devices` and
/// `filesystems` as in a VM object and the paths of disks filled in. A NIC's `link` is the datalink behind its `nic_tag`
/// where they differ, its `vnic` the name of its own datalink where it has one; a PCI device's `device` is the node of
/// its `path`.
///
/// # Errors
/// The first property that has no place in a zone of OmniOS.
pub fn zone(vm: &Object, zonepath: &str) -> Result<Zone> {
    let text = |name: &str| vm.get(name).map(shown);
    let brand = text("brand").unwrap_or_default();
    let name = text("zonename").or_else(|| text("uuid")).unwrap_or_default();
    let mut writer = Writer { zone: Zone::new(&name, &brand) };
    writer.zone.set(key::ZONEPATH, zonepath);
    writer.zone.set_ip_type(IpType::Exclusive);
    let autoboot = vm.get("autoboot").and_then(Value::as_bool).unwrap_or_default();
    writer.zone.set(key::AUTOBOOT, if autoboot { "true" } else { "false" });
    for (property, attr, form) in KEPT {
        let value = text(property).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|value| form != Form::Flag || value == "true") {
            writer.attr(property, attr, &value)?;
        }
    }
    for (property, name) in [("fs_allowed", key::FS_ALLOWED), ("limit_priv", key::LIMITPRIV)] {
        if let Some(value) = text(property).filter(|value| !value.is_empty()) {
            writer.zone.set(name, &value);
        }
    }
    if let Some(alias) = text("alias") {
        writer.attr("alias", "alias", &STANDARD.encode(alias))?;
    }
    for (property, control, action, unit) in CONTROLS {
        if let Some(limit) = vm.get(property).and_then(Value::as_u64) {
            let values = vec![RctlValue::privileged(limit.saturating_mul(unit), action)];
            writer.zone.add(Rctl { name: control.to_owned(), values });
        }
    }
    let is_hvm = matches!(brand.as_str(), "bhyve" | "kvm");
    if is_hvm {
        writer.machine(vm)?;
    } else {
        writer.tmpfs(vm)?;
    }
    let mut shares = Shares::of(vm);
    for (index, filesystem) in objects(vm, "filesystems") {
        writer.filesystem(index, filesystem, &mut shares)?;
    }
    let uuid = text("uuid").unwrap_or_default();
    for (index, nic) in objects(vm, "nics") {
        writer.nic(index, nic, &uuid)?;
    }
    if brand == "kvm" {
        writer.kvm_nics(&objects(vm, "nics").map(|(_, nic)| nic).collect::<Vec<_>>())?;
    }
    for dataset in vm.get("datasets").and_then(Value::as_array).into_iter().flatten() {
        writer.zone.add(Dataset { name: shown(dataset) });
    }
    writer.attributes(vm);
    Ok(writer.zone)
}

pub(super) struct Writer {
    pub(super) zone: Zone,
}

impl Writer {
    pub(super) fn brand(&self) -> String {
        self.zone.brand().unwrap_or_default().to_owned()
    }

    /// Whether the zone runs the system's own programs, so that the system sets up its network.
    pub(super) fn is_native(&self) -> bool {
        !matches!(self.brand().as_str(), "bhyve" | "kvm" | "lx")
    }

    pub(super) fn attr(&mut self, property: &str, name: &str, value: &str) -> Result<()> {
        if let Some(bad) = value.chars().find(|c| c.is_control() || *c == '"') {
            let why = format!("zonecfg cannot store the character {bad:?}");
            return Err(Unmappable { property: property.to_owned(), why });
        }
        self.zone.add(Attr {
            name: name.to_owned(),
            attr_type: "string".to_owned(),
            value: value.to_owned(),
        });
        Ok(())
    }

    /// What only virtual machines have.
    fn machine(&mut self, vm: &Object) -> Result<()> {
        let text = |name: &str| vm.get(name).map(shown);
        let bhyve = self.brand() == "bhyve";
        if let Some(uuid) = text("uuid") {
            self.attr("uuid", "uuid", &uuid)?;
        }
        if let Some(ram) = text("ram") {
            self.attr("ram", "ram", &format!("{ram}M"))?;
        }
        if let Some(vcpus) = text("vcpus") {
            self.attr("vcpus", "vcpus", &vcpus)?;
        }
        if let Some(bootrom) = text("bootrom") {
            self.attr("bootrom", "bootrom", translated(&BOOTROMS, &bootrom).unwrap_or(&bootrom))?;
        }
        if let Some(boot) = text("boot") {
            let Some(order) = boot_order::attribute(&boot, bhyve) else {
                return refused("boot", "OmniOS knows order= with the letters c, d and n only");
            };
            self.attr("boot", "bootorder", &order)?;
        }
        if bhyve {
            if let Some(port) = text("com1").filter(|port| !port.is_empty() && port != COM1) {
                self.attr("com1", "console", &port)?;
            }
            let port = text("com2").filter(|port| !port.is_empty());
            self.attr("com2", "com2", port.as_deref().unwrap_or(COM2))?;
        } else if let Some(cpu) = text("cpu_type") {
            self.attr("cpu_type", "cpu", &cpu)?;
        }
        self.vnc(vm)?;
        self.disks(vm)?;
        for (index, device) in objects(vm, "pci_devices") {
            self.pci_device(index, device)?;
        }
        let key = vm.get("customer_metadata").and_then(|data| data.get("root_authorized_keys"));
        if let Some(first) = key.and_then(Value::as_str).and_then(|keys| keys.lines().next()) {
            self.attr("customer_metadata.root_authorized_keys", "sshkey", first)?;
            self.attr("customer_metadata", "cloud-init", "on")?;
        }
        Ok(())
    }

    fn vnc(&mut self, vm: &Object) -> Result<()> {
        let port = vm.get("vnc_port").and_then(Value::as_i64);
        let password = vm.get("vnc_password").map(shown).filter(|password| !password.is_empty());
        if port == Some(-1) {
            if let Some(password) = password {
                // For when it is switched on again.
                self.attr("vnc_password", VNC_PASSWORD, &password)?;
            }
            return self.attr("vnc_port", "vnc", "off");
        }
        match password {
            Some(_) if self.brand() == "kvm" => {
                refused("vnc_password", "OmniOS's kvm brand cannot give one")
            }
            Some(password) if password.contains([',', '=']) || password.starts_with('/') => {
                refused(
                    "vnc_password",
                    "OmniOS cannot store a comma or =, nor / as the first character",
                )
            }
            Some(password) => self.attr("vnc_password", "vnc", &format!("on,password={password}")),
            None if port.is_some() => self.attr("vnc_port", "vnc", "on"),
            None => Ok(()),
        }
    }

    /// `/tmp` of that size. An lx zone without one has its image's.
    fn tmpfs(&mut self, vm: &Object) -> Result<()> {
        match vm.get("tmpfs").and_then(Value::as_u64) {
            Some(0) if self.brand() != "lx" => {
                refused("tmpfs", "zones of OmniOS always have /tmp in memory")
            }
            None | Some(0) => Ok(()),
            Some(mib) => {
                self.zone.add(Fs {
                    dir: TMP.to_owned(),
                    // zoneadm asks for something that exists.
                    special: TMP.to_owned(),
                    raw: None,
                    fs_type: "tmpfs".to_owned(),
                    options: vec![format!("size={mib}m")],
                });
                Ok(())
            }
        }
    }

    fn filesystem(&mut self, index: usize, filesystem: &Object, shares: &mut Shares) -> Result<()> {
        if part(filesystem, "type") == SHARED {
            return self.share(index, filesystem, shares);
        }
        let options = filesystem.get("options").and_then(Value::as_array);
        let fs = Fs {
            dir: part(filesystem, "target"),
            special: part(filesystem, "source"),
            raw: filesystem.get("raw").map(shown),
            fs_type: part(filesystem, "type"),
            options: options.into_iter().flatten().map(shown).collect(),
        };
        if fs.dir.is_empty() {
            return refused(&format!("filesystems.{index}.target"), "it is missing");
        }
        self.zone.add(fs);
        Ok(())
    }
}

pub(super) fn refused<T>(property: &str, why: &str) -> Result<T> {
    Err(Unmappable { property: property.to_owned(), why: why.to_owned() })
}

pub(super) fn objects<'a>(
    vm: &'a Object,
    name: &str,
) -> impl Iterator<Item = (usize, &'a Object)> + Clone {
    let list = vm.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_object()?)))
}

pub(super) fn part(object: &Object, name: &str) -> String {
    object.get(name).map(shown).unwrap_or_default()
}

/// A value as text, lists joined by commas.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
