//! Rules for single values that depend on nothing but the VM.

use serde_json::Value;

use crate::brand::Brand;
use crate::fields::Fields;
use crate::js;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::vm_object::VmObject;

/// Compression algorithms of datasets.
pub(super) const COMPRESSION: [&str; 15] = [
    "on", "off", "gzip", "gzip-1", "gzip-2", "gzip-3", "gzip-4", "gzip-5", "gzip-6", "gzip-7",
    "gzip-8", "gzip-9", "lz4", "lzjb", "zle",
];
const VGA: [&str; 5] = ["cirrus", "std", "vmware", "qxl", "xenfb"];
/// Bytes.
const DEFAULT_RECORD_SIZE: i64 = 131_072;
const MIN_SWAP: f64 = 256.0;
/// The VNC protocol uses no more of a password.
const VNC_PASSWORD_LENGTH: usize = 8;

/// Whether a number of bytes can be a record or block size: a power of two from 512 to 131072.
pub(super) fn is_record_size(size: f64) -> bool {
    size.fract() == 0.0 && (512.0..=131_072.0).contains(&size) && (size as u32).is_power_of_two()
}

/// A guest's memory must fit into what its zone may use.
pub(super) fn check_memory_above_ram(
    payload: &Payload,
    vm: &VmObject,
    brand: Brand,
) -> Result<(), Refusal> {
    if brand.features().min_memory_overhead.is_none() {
        return Ok(());
    }
    let Some(ram) = payload.number("ram").or_else(|| vm.number("ram")) else {
        return Ok(());
    };
    for key in ["max_physical_memory", "max_locked_memory", "max_swap"] {
        if let Some(size) = payload.number(key).filter(|size| *size < ram) {
            return Refusal::rule(format!("vm.{key} ({size}) cannot be lower than vm.ram ({ram})"));
        }
    }
    match payload.number("max_swap") {
        Some(size) if size < MIN_SWAP => {
            Refusal::rule(format!("vm.max_swap ({size}) cannot be lower than {MIN_SWAP}MiB"))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_vga(payload: &Payload) -> Result<(), Refusal> {
    match payload.value("vga") {
        Some(vga) if !vga.as_str().is_some_and(|vga| VGA.contains(&vga)) => Refusal::rule(format!(
            "Invalid VGA type: \"{}\", supported types are: {}",
            js::to_text(vga),
            VGA.join(",")
        )),
        _ => Ok(()),
    }
}

pub(super) fn check_vnc_password(payload: &Payload) -> Result<(), Refusal> {
    // JavaScript counts UTF-16 units.
    let length = payload.text("vnc_password").map_or(0, |text| text.encode_utf16().count());
    if length > VNC_PASSWORD_LENGTH {
        return Refusal::rule("VNC password is too long, maximum length is 8 characters.");
    }
    Ok(())
}

/// Record sizes, compression and limits of datasets. A record size of 0 means the default.
pub(super) fn check_datasets(payload: &mut Payload) -> Result<(), Refusal> {
    for key in ["zfs_root_recsize", "zfs_data_recsize"] {
        match payload.value(key).map(js::to_number) {
            Some(0.0) => payload.set(key, DEFAULT_RECORD_SIZE),
            Some(size) if !is_record_size(size) => {
                return Refusal::rule(format!(
                    "invalid {key} ({size}), must be 512-131072 and a power of 2. (0 to disable)"
                ));
            }
            _ => {}
        }
    }
    for key in ["zfs_root_compression", "zfs_data_compression"] {
        match payload.value(key) {
            Some(value) if !value.as_str().is_some_and(|name| COMPRESSION.contains(&name)) => {
                return Refusal::rule(format!(
                    "invalid compression type for {}, must be one of: {}",
                    js::to_text(value),
                    COMPRESSION.join(", ")
                ));
            }
            _ => {}
        }
    }
    for key in ["zfs_filesystem_limit", "zfs_snapshot_limit"] {
        if payload.value(key).is_some_and(Value::is_null) {
            payload.set(key, "none");
        }
    }
    Ok(())
}
