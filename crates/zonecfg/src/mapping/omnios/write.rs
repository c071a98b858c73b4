//! From a manifest to a zone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{
    BOOT_ORDERS, BOOTROMS, CONTROLS, DISK_MODELS, DISK_PARTS, KEPT, NIC_PARTS, Object, Unmappable,
    VOLUMES, translated,
};
use crate::model::{Attr, Device, Fs, IpType, Net, Property, Rctl, RctlValue, Zone, key};

type Result<T> = std::result::Result<T, Unmappable>;

/// Most disks beside the boot disk, and most cdroms, that the brand takes.
const DISKS_MAX: usize = 16;
const CDROMS_MAX: usize = 8;

/// The zone of a manifest that has been validated and given its defaults, with `disks`, `nics`, `pci_devices` and
/// `filesystems` as in a VM object and the paths of disks filled in. A NIC's `link` is the datalink behind its `nic_tag`
/// where they differ.
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
    for (property, attr) in KEPT {
        if let Some(value) = text(property).filter(|value| !value.is_empty()) {
            writer.attr(property, attr, &value)?;
        }
    }
    if let Some(allowed) = text("fs_allowed").filter(|allowed| !allowed.is_empty()) {
        writer.zone.set(key::FS_ALLOWED, &allowed);
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
    if matches!(brand.as_str(), "bhyve" | "kvm") {
        writer.machine(vm)?;
    }
    for (index, filesystem) in objects(vm, "filesystems") {
        writer.filesystem(index, filesystem)?;
    }
    let uuid = text("uuid").unwrap_or_default();
    for (index, nic) in objects(vm, "nics") {
        writer.nic(index, nic, &uuid)?;
    }
    Ok(writer.zone)
}

struct Writer {
    zone: Zone,
}

impl Writer {
    fn attr(&mut self, property: &str, name: &str, value: &str) -> Result<()> {
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
            let Some(order) = translated(&BOOT_ORDERS, &boot) else {
                return refused("boot", "OmniOS knows order=cd and order=dc only");
            };
            self.attr("boot", "bootorder", order)?;
        }
        self.vnc(vm)?;
        self.disks(vm)?;
        for (index, device) in objects(vm, "pci_devices") {
            let path = part(device, "path");
            let Some(ppt) = path.strip_prefix("/dev/").filter(|name| name.starts_with("ppt"))
            else {
                let why = "OmniOS takes pass-through devices as /dev/pptN only";
                return refused(&format!("pci_devices.{index}.path"), why);
            };
            self.attr("pci_devices", ppt, "on")?;
            self.zone.add(Device { matches: path.clone(), properties: Vec::new() });
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
            return self.attr("vnc_port", "vnc", "off");
        }
        match password {
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

    fn disks(&mut self, vm: &Object) -> Result<()> {
        let (mut disks, mut cdroms, mut has_boot_disk) = (0, 0, false);
        for (index, disk) in objects(vm, "disks") {
            let property = |name: &str| format!("disks.{index}.{name}");
            if disk.contains_key("pci_slot") {
                return refused(&property("pci_slot"), "OmniOS gives out PCI slots itself");
            }
            let model = part(disk, "model");
            let interface = match model.as_str() {
                "" => None,
                model => match translated(&DISK_MODELS, model) {
                    Some(interface) => Some(interface),
                    None => return refused(&property("model"), "it is not virtio, ahci or nvme"),
                },
            };
            let path = part(disk, "path");
            if part(disk, "media") == "cdrom" {
                if cdroms == CDROMS_MAX {
                    return refused(&property("media"), "OmniOS takes eight cdroms");
                }
                let slot = format!("cdrom{cdroms}");
                cdroms += 1;
                self.attr(&property("path"), &slot, &path)?;
                self.disk_parts(index, disk, &slot)?;
                // The image has to be seen in the zone, under its own name.
                self.zone.add(Fs {
                    dir: path.clone(),
                    special: path,
                    raw: None,
                    fs_type: "lofs".to_owned(),
                    options: vec!["ro".to_owned(), "nodevices".to_owned()],
                });
                continue;
            }
            let is_boot = disk.get("boot") == Some(&Value::Bool(true));
            if is_boot && has_boot_disk {
                return refused(&property("boot"), "there is another boot disk");
            }
            let (slot, interface_slot) = if is_boot {
                has_boot_disk = true;
                ("bootdisk".to_owned(), "bootdiskif".to_owned())
            } else if disks < DISKS_MAX {
                disks += 1;
                (format!("disk{}", disks - 1), format!("diskif{}", disks - 1))
            } else {
                return refused(&property("path"), "OmniOS takes 16 disks beside the boot disk");
            };
            let mut value = path.strip_prefix(VOLUMES).unwrap_or(&path).to_owned();
            if disk.get("notrim") == Some(&Value::Bool(true)) {
                value.push_str(",nodelete");
            }
            match part(disk, "guest_block_size").as_str() {
                "" | "0" => {}
                size => value.push_str(&format!(",sectorsize={size}")),
            }
            self.attr(&property("path"), &slot, &value)?;
            if let Some(interface) = interface.filter(|interface| *interface != "virtio-blk") {
                self.attr(&property("model"), &interface_slot, interface)?;
            }
            self.disk_parts(index, disk, &slot)?;
            self.zone.add(Device { matches: path, properties: Vec::new() });
        }
        Ok(())
    }

    fn disk_parts(&mut self, index: usize, disk: &Object, slot: &str) -> Result<()> {
        for (property, name) in DISK_PARTS {
            if let Some(value) = disk.get(property) {
                self.attr(
                    &format!("disks.{index}.{property}"),
                    &format!("{slot}-{name}"),
                    &shown(value),
                )?;
            }
        }
        Ok(())
    }

    fn nic(&mut self, index: usize, nic: &Object, uuid: &str) -> Result<()> {
        for (property, name) in NIC_PARTS {
            if let Some(value) = nic.get(property) {
                let of_nic = format!("nics.{index}.{property}");
                self.attr(&of_nic, &format!("net{index}-{name}"), &shown(value))?;
            }
        }
        let filled = |name: &str| Some(part(nic, name)).filter(|value| !value.is_empty());
        let link = filled("link");
        if link.is_some() {
            self.attr(
                &format!("nics.{index}.nic_tag"),
                &format!("net{index}-nic-tag"),
                &part(nic, "nic_tag"),
            )?;
        }
        let allowed_address = nic
            .get("ips")
            .and_then(|ips| ips.get(0)?.as_str())
            .filter(|ip| ip.contains('/'))
            .map(str::to_owned);
        let is_netif = |model: &String| model != "virtio" && self.zone.brand() == Some("bhyve");
        self.zone.add(Net {
            // Datalinks of all zones have to differ.
            physical: format!("v{}n{index}", uuid.split('-').next().unwrap_or_default()),
            global_nic: link.or_else(|| filled("nic_tag")),
            mac_addr: filled("mac"),
            vlan_id: filled("vlan_id").filter(|vlan| vlan != "0"),
            // A router needs an address of the zone's own.
            defrouter: filled("gateway").filter(|_| allowed_address.is_some()),
            allowed_address,
            address: None,
            properties: filled("model")
                .filter(is_netif)
                .map(|value| Property { name: "netif".to_owned(), value })
                .into_iter()
                .collect(),
        });
        Ok(())
    }

    fn filesystem(&mut self, index: usize, filesystem: &Object) -> Result<()> {
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

fn refused<T>(property: &str, why: &str) -> Result<T> {
    Err(Unmappable { property: property.to_owned(), why: why.to_owned() })
}

fn objects<'a>(vm: &'a Object, name: &str) -> impl Iterator<Item = (usize, &'a Object)> {
    let list = vm.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_object()?)))
}

fn part(object: &Object, name: &str) -> String {
    object.get(name).map(shown).unwrap_or_default()
}

/// A value as text, lists joined by commas.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
