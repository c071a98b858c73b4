//! Rows of VMs for list and lookup: which are wanted, what is shown of them.

pub mod columns;
pub mod filter;
pub mod flatten;
pub mod sort;

use std::collections::HashSet;

use gz::Root;
use gz::inventory::{Fields, Inventory};
use manifest::{Brand, Fields as _, VmObject, VmType};

use crate::cli::{Failure, tell};
use crate::damage;
use filter::Filter;

/// The VMs that `filters` let through, with the wanted fields and the computed ones of [`add_computed`].
///
/// Where the filters need less than the wanted fields do, they are applied first, and the rest is read of the VMs that
/// remain.
pub fn select(root: &Root, filters: &[Filter], wanted: &Fields) -> Result<Vec<VmObject>, Failure> {
    let mut inventory = match filters.iter().find_map(Filter::exact_uuid) {
        Some(uuid) => match Inventory::one(root, uuid)? {
            Some(inventory) => inventory,
            None => return Ok(Vec::new()),
        },
        None => Inventory::all(root)?,
    };
    let needed = Fields::of(filters.iter().map(Filter::field));
    if !filters.is_empty() && !needed.cover(wanted) {
        let kept: HashSet<String> = matching(load(&inventory, &needed)?, filters)
            .iter()
            .map(|vm| vm.uuid().to_owned())
            .collect();
        inventory.retain(|uuid| kept.contains(uuid));
        let mut vms = load(&inventory, wanted)?;
        vms.iter_mut().for_each(add_computed);
        return Ok(vms);
    }
    Ok(matching(load(&inventory, &merge(&needed, wanted))?, filters))
}

/// The VMs that can be read; which ones cannot be is said on standard error.
fn load(inventory: &Inventory<'_>, fields: &Fields) -> Result<Vec<VmObject>, Failure> {
    let (vms, warnings) = damage::readable(inventory, fields)?;
    for warning in &warnings {
        tell(warning);
    }
    Ok(vms)
}

fn merge(needed: &Fields, wanted: &Fields) -> Fields {
    if needed.cover(wanted) { needed.clone() } else { wanted.clone() }
}

fn matching(mut vms: Vec<VmObject>, filters: &[Filter]) -> Vec<VmObject> {
    vms.iter_mut().for_each(add_computed);
    vms.retain(|vm| filters.iter().all(|filter| filter.accepts(vm)));
    vms
}

/// Adds what list and lookup know beside the VM object: `type`, and `ram` where there is none of its own.
fn add_computed(vm: &mut VmObject) {
    let vm_type = vm.brand().map_or(VmType::Os, Brand::vm_type);
    vm.set("type", vm_type.as_str());
    if !vm_type.is_hvm()
        && let Some(memory) = vm.value("max_physical_memory").cloned()
    {
        vm.set("ram", memory);
    }
}

/// Keeps the given fields of each VM, and of the VMs those that have any of them.
pub fn prune(vms: &mut Vec<VmObject>, fields: &[String]) {
    for vm in vms.iter_mut() {
        vm.object_mut().retain(|key, _| fields.iter().any(|field| field == key));
    }
    vms.retain(|vm| !vm.object().is_empty());
}
