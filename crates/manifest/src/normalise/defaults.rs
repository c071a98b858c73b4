//! Defaults of create.

use serde_json::Value;

use super::memory;
use crate::brand::{Brand, VmType};
use crate::fields::Fields;
use crate::payload::Payload;
use crate::properties;
use crate::vm_object::VmObject;

/// The UUID that stands for the administrator.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const MAX_CPU_SHARES: i64 = 65535;
/// GiB.
const QUOTA: i64 = 10;
const BHYVE_QUOTA: i64 = 1;

/// Sizes that other sizes are derived from: unset, they take their defaults.
const MEMORY: [&str; 5] = ["ram", "max_physical_memory", "max_locked_memory", "max_swap", "tmpfs"];

/// Fills in the defaults of a create payload, in the order in which zone configuration is written
/// from them.
pub(super) fn apply_create(payload: &mut Payload, brand: Brand, zpool: &str) {
    for key in MEMORY {
        if payload.value(key).is_some_and(Value::is_null) {
            payload.take(key);
        }
    }
    payload.set_default("owner_uuid", NOBODY);
    payload.set_default("autoboot", true);
    payload.set_default("zpool", zpool);
    payload.set_default("dns_domain", "local");
    payload.set_default("cpu_shares", 100);
    if payload.number("cpu_shares").is_some_and(|shares| shares > MAX_CPU_SHARES as f64) {
        payload.set("cpu_shares", MAX_CPU_SHARES);
    }
    payload.set_default("zfs_io_priority", 100);
    payload.set_default("max_lwps", 2000);
    payload.set_default("ram", 256);
    memory::complete(payload, None, brand);
    if properties::find("vcpus").is_some_and(|property| property.known_to(brand)) {
        payload.set_default("vcpus", 1);
    }
    if !payload.has("limit_priv") {
        payload.set("limit_priv", brand.features().limit_priv.to_vec());
    }
    let quota = if brand.vm_type() == VmType::Bhyve { BHYVE_QUOTA } else { QUOTA };
    payload.set_default("quota", quota);
    payload.set_default("billing_id", NOBODY);

    let disk_driver = payload.value("disk_driver").cloned();
    for disk in payload.objects_mut("disks") {
        if let Some(model) = &disk_driver {
            disk.set_default("model", model.clone());
        }
        disk.set_default("media", "disk");
    }
    if let Some(model) = payload.value("nic_driver").cloned() {
        for nic in payload.objects_mut("nics") {
            nic.set_default("model", model.clone());
        }
    }
}

/// A delegated dataset would inherit compression and record size from the root; it keeps its own
/// instead.
pub(super) fn separate_data_properties(payload: &mut Payload, vm: Option<&VmObject>) {
    for (root, data, default) in [
        ("zfs_root_compression", "zfs_data_compression", Value::from("off")),
        ("zfs_root_recsize", "zfs_data_recsize", Value::from(131_072)),
    ] {
        if payload.has(root) {
            let own = vm.and_then(|vm| vm.value(data)).cloned();
            payload.set_default(data, own.unwrap_or(default));
        }
    }
}
