//! The rules of create and update that go beyond single values: between properties, with the rest
//! of the VM, and with the rest of the system. The order of the rules decides which message an
//! operator sees; it is the observed one.

use crate::brand::Brand;
use crate::facts::Facts;
use crate::fields::Fields;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::vm_object::VmObject;

mod conflicts;
mod disks;
mod filesystems;
mod limits;
mod nics;
mod routes;
mod states;

const ARRAYS: [&str; 12] = [
    "add_nics",
    "update_nics",
    "remove_nics",
    "add_disks",
    "update_disks",
    "remove_disks",
    "add_filesystems",
    "update_filesystems",
    "remove_filesystems",
    "add_pci_devices",
    "update_pci_devices",
    "remove_pci_devices",
];

/// Checks a normalised create payload. Disks and NICs get the model of their kind where they name
/// none.
pub fn check_create(payload: &mut Payload, brand: Brand, facts: &Facts) -> Result<(), Refusal> {
    check(payload, None, brand, facts)
}

/// Checks a normalised update payload against the VM that it changes.
pub fn check_update(
    payload: &mut Payload,
    vm: &VmObject,
    brand: Brand,
    facts: &Facts,
) -> Result<(), Refusal> {
    check(payload, Some(vm), brand, facts)
}

fn check(
    payload: &mut Payload,
    vm: Option<&VmObject>,
    brand: Brand,
    facts: &Facts,
) -> Result<(), Refusal> {
    for key in ARRAYS {
        if payload.value(key).is_some_and(|value| !value.is_array()) {
            return Refusal::rule(format!("{key} must be an array."));
        }
    }
    if let Some(vm) = vm {
        states::check(payload, vm)?;
        limits::check_memory_above_ram(payload, vm, brand)?;
    }
    disks::check_added(payload, vm, brand, facts)?;
    disks::check_updated(payload, vm, brand)?;
    filesystems::check(payload, facts)?;
    let after = nics::check(payload, vm, brand, facts)?;
    limits::check_vga(payload)?;
    routes::check(payload, vm, &after.nics)?;
    limits::check_vnc_password(payload)?;
    limits::check_datasets(payload)?;
    conflicts::check(payload, &after, facts)?;
    conflicts::check_nic_tags(payload, facts)
}
