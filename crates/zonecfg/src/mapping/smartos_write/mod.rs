//! VM payload to zonecfg script, for SmartOS's zonecfg.
//!
//! Pure: the payload has been validated, coerced and given its defaults before. The order of the lines and their exact
//! spelling are those that SmartOS's `vmadm` sends (observed), so that logs and tools that read them keep working.

mod attributes;
mod devices;
mod nics;
mod quote;
mod updates;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::values;

pub use nics::{complete_nics, new_primary, plain_mac, zonecfg_mac};
pub use quote::Unmappable;
pub use updates::{
    DISK_UPDATABLE, FILESYSTEM_UPDATABLE, NIC_UPDATABLE, PCI_DEVICE_UPDATABLE, updated,
};

use attributes::Attributes;
use quote::{quoted, text, token};

/// A payload or VM object: properties in the order they were given.
pub type Object = Map<String, Value>;

/// What a new zone's script says that is not in the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewZone<'a> {
    /// Directory of the zone (`/zones/<uuid>`).
    pub zonepath: &'a str,
    /// ISO 8601 with milliseconds, as JavaScript's `toISOString`.
    pub create_timestamp: &'a str,
    /// `from:to:expiry` in milliseconds since the epoch (`provisioning:running:1795235274705`); `None` for a zone that
    /// is not booted after it is made.
    pub transition: Option<&'a str>,
    /// Value of the `vm-version` attribute, 1 but for received zones.
    pub version: u64,
}

/// The script that `zonecfg -z NAME` is fed to make a zone of `payload`.
///
/// `payload` lists its parts as `nics`, `disks`, `filesystems` and `pci_devices`; disks carry the `path` of their
/// volume. Filesystems whose source is made only after the installation (UUIDs, URLs) are left out, see
/// [`filesystem_script`].
pub fn create_script(payload: &Object, new: &NewZone<'_>) -> Result<String, Unmappable> {
    let brand = payload.get("brand").and_then(Value::as_str).unwrap_or("joyent");
    let mut out = String::from("create -b\n");
    let _ = writeln!(out, "set zonepath={}", token("zonepath", new.zonepath)?);
    let _ = writeln!(out, "set brand={}", token("brand", brand)?);
    let uuid = payload.get("uuid").map(text).unwrap_or_default();
    let _ = writeln!(out, "set uuid={}", token("uuid", &uuid)?);
    out.push_str("set ip-type=exclusive\n");
    out.push_str("add attr; set name=\"provisioning\"; set type=string; set value=true;end\n");
    add_attr(&mut out, "vm-version", &new.version.to_string())?;
    add_attr(&mut out, "create-timestamp", new.create_timestamp)?;
    if let Some(transition) = new.transition {
        let _ = writeln!(out, "{}", transition_command(transition)?);
    }
    if let Some(image) = payload.get("image_uuid") {
        add_attr(&mut out, "dataset-uuid", &text(image))?;
    }
    if uses_vm_autoboot(brand) {
        // vmadmd boots these, the zones service must not: the vm-autoboot attribute says what the operator wants.
        out.push_str("set autoboot=false\n");
    }
    let mut payload = payload.clone();
    nics::choose_first_primary(&mut payload);
    out.push_str(&body(&Object::new(), &payload, brand)?);
    Ok(out)
}

/// The script that `zonecfg -u UUID` is fed to bring `vm` (a VM object) to what `payload` asks for; empty when the
/// payload changes nothing that zonecfg keeps.
pub fn update_script(vm: &Object, payload: &Object) -> Result<String, Unmappable> {
    let brand = vm.get("brand").and_then(Value::as_str).unwrap_or("joyent");
    body(vm, payload, brand)
}

/// The script lines that add `filesystems`, whatever their source.
pub fn filesystem_script(filesystems: &[Value]) -> Result<String, Unmappable> {
    let mut out = String::new();
    for filesystem in filesystems.iter().filter_map(Value::as_object) {
        devices::add_filesystem(&mut out, filesystem)?;
    }
    Ok(out)
}

/// The command that records a transition (`from:to:expiry`).
pub fn transition_command(transition: &str) -> Result<String, Unmappable> {
    Ok(format!(
        "add attr; set name=transition; set value={}; set type=string; end",
        quoted("transition", transition)?
    ))
}

/// Whether a filesystem's source is made by vmadm, so that it enters the configuration after the installation only.
pub fn is_created_later(source: &str) -> bool {
    source == "create-volume"
        || source.starts_with("http://")
        || source.starts_with("https://")
        || uuid::Uuid::try_parse(source).is_ok_and(|_| source.len() == 36)
}

/// Whether the brand's zones are booted by vmadmd and not by the zones service.
pub fn uses_vm_autoboot(brand: &str) -> bool {
    brand == "kvm"
}

fn body(vm: &Object, payload: &Object, brand: &str) -> Result<String, Unmappable> {
    let mut out = String::new();
    globals(&mut out, vm, payload)?;
    if !uses_vm_autoboot(brand)
        && let Some(autoboot) = payload.get("autoboot")
    {
        let _ = writeln!(out, "set autoboot={}", token("autoboot", &text(autoboot))?);
    }
    capped_memory(&mut out, vm, payload)?;
    capped_cpu(&mut out, vm, payload)?;
    Attributes { vm, payload, brand }.write(&mut out)?;
    devices::disks(&mut out, vm, payload)?;
    if let Some(allowed) = payload.get("fs_allowed") {
        let allowed = text(allowed);
        if values::check_fs_allowed(&allowed).is_err() {
            return Err(Unmappable {
                property: "fs_allowed".to_owned(),
                character: "anything but letters, digits and hyphens there".to_owned(),
            });
        }
        let _ = writeln!(out, "set fs-allowed=\"{allowed}\"");
    }
    devices::filesystems(&mut out, vm, payload)?;
    if let Some(datasets) = payload.get("datasets").and_then(Value::as_array) {
        for dataset in datasets {
            let _ =
                writeln!(out, "add dataset; set name={}; end", quoted("datasets", &text(dataset))?);
        }
    }
    nics::write(&mut out, vm, payload, brand)?;
    devices::pci_devices(&mut out, vm, payload)?;
    Ok(out)
}

/// Properties that zonecfg keeps at the top: set where they differ, cleared where they are unset.
fn globals(out: &mut String, vm: &Object, payload: &Object) -> Result<(), Unmappable> {
    const GLOBALS: [(&str, &str); 8] = [
        ("cpu_shares", "cpu-shares"),
        ("limit_priv", "limitpriv"),
        ("max_lwps", "max-lwps"),
        ("max_msg_ids", "max-msg-ids"),
        ("max_sem_ids", "max-sem-ids"),
        ("max_shm_ids", "max-shm-ids"),
        ("max_shm_memory", "max-shm-memory"),
        ("zfs_io_priority", "zfs-io-priority"),
    ];
    for (property, name) in GLOBALS {
        let Some(value) = payload.get(property) else { continue };
        // A list is compared as it is stored, joined by commas.
        let wanted = if value.is_array() { Value::String(text(value)) } else { value.clone() };
        if vm.get(property) == Some(&wanted) {
            continue;
        }
        match (property, &wanted) {
            (_, Value::Null) => {
                let _ = writeln!(out, "clear {name}");
            }
            ("limit_priv", _) => {
                let _ = writeln!(out, "set {name}={}", quoted(property, &text(&wanted))?);
            }
            ("max_shm_memory", value) => {
                let bytes = value.as_u64().unwrap_or_default().saturating_mul(1 << 20);
                let _ = writeln!(out, "set {name}={bytes}");
            }
            _ => {
                let _ = writeln!(out, "set {name}={}", token(property, &text(&wanted))?);
            }
        }
    }
    Ok(())
}

const MEMORY: [(&str, &str); 3] =
    [("max_physical_memory", "physical"), ("max_locked_memory", "locked"), ("max_swap", "swap")];

fn capped_memory(out: &mut String, vm: &Object, payload: &Object) -> Result<(), Unmappable> {
    if !MEMORY.iter().any(|(property, _)| payload.contains_key(*property)) {
        return Ok(());
    }
    let exists = MEMORY.iter().any(|(property, _)| vm.contains_key(*property));
    out.push_str(if exists { "select capped-memory; " } else { "add capped-memory; " });
    for (property, name) in MEMORY {
        if let Some(value) = payload.get(property) {
            let _ = write!(out, "set {name}={}m; ", token(property, &text(value))?);
        }
    }
    out.push_str("end\n");
    Ok(())
}

/// `cpu_cap` is in percent of one CPU; zonecfg wants CPUs. It is sent what JavaScript's multiplication gives
/// (`2.5500000000000003` for 255) and rounds to percents.
fn capped_cpu(out: &mut String, vm: &Object, payload: &Object) -> Result<(), Unmappable> {
    let Some(value) = payload.get("cpu_cap") else { return Ok(()) };
    let exists = vm.contains_key("cpu_cap");
    match value.as_u64() {
        Some(cap) if cap > 0 => {
            let verb = if exists { "select" } else { "add" };
            let cpus = cap as f64 * 0.01;
            let _ = writeln!(out, "{verb} capped-cpu; set ncpus={cpus}; end");
        }
        _ if exists => out.push_str("remove capped-cpu\n"),
        _ => {}
    }
    Ok(())
}

fn add_attr(out: &mut String, name: &str, value: &str) -> Result<(), Unmappable> {
    let value = quoted(name, value)?;
    let _ = writeln!(out, "add attr; set name=\"{name}\"; set type=string; set value={value}; end");
    Ok(())
}

#[cfg(test)]
mod tests;
