//! Rows of VMs for list and lookup: which are wanted, what is shown of them.

pub mod columns;
pub mod filter;
pub mod flatten;
pub mod sort;

use std::collections::HashSet;

use gz::Root;
use gz::inventory::{Fields, Inventory, VmObject};
use serde_json::{Value, json};

use crate::cli::Failure;
use filter::Filter;

/// The VMs that `filters` let through, with the wanted fields and the computed ones of [`add_computed`].
///
/// Where the filters need less than the wanted fields do, they are applied first, and the rest is read of the VMs that
/// remain.
pub fn select(root: &Root, filters: &[Filter], wanted: &Fields) -> Result<Vec<VmObject>, Failure> {
    let mut inventory = Inventory::all(root)?;
    let needed = Fields::of(filters.iter().map(Filter::field));
    if !filters.is_empty() && !needed.cover(wanted) {
        let kept: HashSet<String> = matching(inventory.load(&needed)?, filters)
            .iter()
            .filter_map(|vm| Some(vm.get("uuid")?.as_str()?.to_owned()))
            .collect();
        inventory.retain(|uuid| kept.contains(uuid));
        let mut vms = inventory.load(wanted)?;
        vms.iter_mut().for_each(add_computed);
        return Ok(vms);
    }
    Ok(matching(inventory.load(&merge(&needed, wanted))?, filters))
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
    let brand = vm.get("brand").and_then(Value::as_str).unwrap_or_default();
    let hvm = matches!(brand, "bhyve" | "kvm");
    vm.insert("type".to_owned(), json!(brand_type(brand)));
    if !hvm && let Some(memory) = vm.get("max_physical_memory").cloned() {
        vm.insert("ram".to_owned(), memory);
    }
}

/// The type of VM that a brand makes, at most four letters.
fn brand_type(brand: &str) -> &'static str {
    match brand {
        "bhyve" => "BHYV",
        "kvm" => "KVM",
        "lx" => "LX",
        _ => "OS",
    }
}

/// Keeps the given fields of each VM, and of the VMs those that have any of them.
pub fn prune(vms: &mut Vec<VmObject>, fields: &[String]) {
    for vm in vms.iter_mut() {
        vm.retain(|key, _| fields.iter().any(|field| field == key));
    }
    vms.retain(|vm| !vm.is_empty());
}
