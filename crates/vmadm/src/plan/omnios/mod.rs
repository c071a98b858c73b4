//! Plans for VMs of OmniOS, where a VM is its zone and its datasets: no services of SmartOS watch over it, and the brands
//! read what they need from the zone's attributes.

mod change;
mod check;
mod create;
mod once;
mod power;

use std::collections::BTreeMap;

use gz::plan::{Plan, Step};
use serde_json::Value;

pub use change::{delete, update};
pub use check::check;
pub use create::create;
pub use once::script as boot_once;
pub use power::{boot_steps, halt, reboot, reset, start, stay_down, stop};

use super::{Object, list, text};

/// Where VMs go, and what is behind the names of networks and devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The filesystem below which VMs have theirs.
    pub dataset: String,
    /// Where it is mounted.
    pub directory: String,
    /// The datalinks behind NIC tags that are no links themselves.
    pub nic_tags: BTreeMap<String, String>,
    /// The devices for pass-through, `/dev/pptN` by the path below `/devices`.
    pub pass_through: BTreeMap<String, String>,
}

impl Place {
    /// Notes the links of NICs and the nodes of devices in a VM object.
    fn resolve(&self, vm: &mut Object) {
        for nic in elements(vm, "nics") {
            if let Some(link) = self.nic_tags.get(text(nic, "nic_tag")) {
                nic.insert("link".to_owned(), link.clone().into());
            }
        }
        for device in elements(vm, "pci_devices") {
            if let Some(node) = self.pass_through.get(text(device, "path")) {
                device.entry("device").or_insert_with(|| node.clone().into());
            }
        }
    }
}

fn elements<'a>(vm: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    let list = vm.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
    list.filter_map(Value::as_object_mut)
}

/// Keeps the PCI slots of new disks that were asked for: preparing a payload gives every disk one, in SmartOS's order.
fn keep_given_slots(payload: &mut Object, given: &Object) {
    let asked: Vec<bool> = ["disks", "add_disks"]
        .iter()
        .flat_map(|name| list(given, name))
        .map(|disk| disk.get("pci_slot").is_some_and(|slot| !slot.is_null()))
        .collect();
    for (index, disk) in elements(payload, "add_disks").enumerate() {
        if asked.get(index) != Some(&true) {
            disk.shift_remove("pci_slot");
        }
    }
}

/// Takes out what only SmartOS's zfs knows.
fn without_smartos_options(plan: &mut Plan) {
    for step in &mut plan.steps {
        if let Step::CloneDataset { force, .. } | Step::DestroyDataset { force, .. } = step {
            *force = false;
        }
    }
}

fn zoneadm(zone: &str, arguments: &[&str]) -> Step {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    Step::Zoneadm { zone: zone.to_owned(), arguments }
}
