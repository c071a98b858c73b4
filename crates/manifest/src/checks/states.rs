//! What can only be changed while the VM is stopped.

use crate::fields::Fields;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::vm_object::VmObject;

/// Members of `update_disks` that can change while the VM runs.
const LIVE_DISK_MEMBERS: [&str; 3] = ["compression", "path", "refreservation"];

pub(super) fn check(payload: &Payload, vm: &VmObject) -> Result<(), Refusal> {
    let stopped = vm.state() == "stopped";
    let installed = vm.state() == "provisioning" && vm.zone_state() == "installed";
    let refuse = |what: &str, verb: &str| {
        Refusal::rule(format!(
            "{what} {verb} only allowed when state is \"stopped\", currently: {} ({})",
            vm.state(),
            vm.zone_state()
        ))
    };
    let has_any = |keys: &[&str]| keys.iter().any(|key| payload.has(key));

    if has_any(&["add_disks", "remove_disks"]) && !stopped && !installed {
        return refuse("updates to disks", "are");
    }
    let offline = payload
        .objects("update_disks")
        .any(|disk| disk.keys().any(|key| !LIVE_DISK_MEMBERS.contains(&key.as_str())));
    if offline && !stopped && !installed {
        return refuse("at least one specified update to disks", "is");
    }
    if has_any(&["add_pci_devices", "update_pci_devices", "remove_pci_devices"]) && !stopped {
        return refuse("updates to pci_devices", "are");
    }
    Ok(())
}
