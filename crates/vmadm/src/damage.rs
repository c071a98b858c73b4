//! Damaged files of VMs. A damaged configuration of one VM does not keep the others from being seen; damaged metadata,
//! routes and tags are shown as empty, and must not be written as empty.

use gz::Root;
use gz::inventory::{self, ConfigFile, Fields, Inventory, Unreadable};
use gz::plan::{Plan, Step};
use manifest::VmObject;

use crate::cli::Failure;
use crate::plan::Object;

/// The VMs that can be read, with the wanted fields, and a warning for each of the others.
pub fn readable(
    inventory: &Inventory<'_>,
    wanted: &Fields,
) -> Result<(Vec<VmObject>, Vec<String>), Failure> {
    let (vms, unreadable) = inventory.load_readable(wanted)?;
    let warning = |Unreadable { uuid, error }| format!("warning: VM {uuid} is left out: {error}");
    Ok((vms, unreadable.into_iter().map(warning).collect()))
}

/// What an operator can do about a VM whose zone configuration cannot be read, where that is why `failure` came about.
pub fn with_advice(root: &Root, uuid: &str, failure: Failure) -> Failure {
    let damage = inventory::get(root, uuid, &Fields::of(["nics"])).err();
    let (Some(gz::Error::Unexpected { what, .. }), Failure::Failed(message)) = (damage, &failure)
    else {
        return failure;
    };
    if !what.contains("/etc/zones/") || !message.contains(&what) {
        return failure;
    }
    let zone = gz::zoneadm::name_of(root, uuid).unwrap_or_else(|_| uuid.to_owned());
    Failure::new(format!(
        "{message}\nMend that file, or delete the zone by hand: zoneadm -z {zone} halt; zonecfg -z {zone} delete -F; \
         then zfs destroy -r for its datasets (zfs list | grep {zone}), that of its cores first"
    ))
}

const FILES: [ConfigFile; 3] = [ConfigFile::Metadata, ConfigFile::Routes, ConfigFile::Tags];

/// What is wrong with the VM's `metadata.json`, `routes.json` and `tags.json`, with each file.
pub fn of(root: &Root, zonepath: &str) -> Vec<(ConfigFile, gz::Error)> {
    let damage = |file: ConfigFile| Some((file, file.read(root, zonepath).err()?));
    FILES.into_iter().filter_map(damage).collect()
}

/// Refuses a plan that would write one of these files of the VM anew although it cannot be read: what it holds would be
/// lost. Gives a warning for each damaged one that the plan leaves alone.
pub fn check(root: &Root, vm: &Object, plan: &Plan) -> Result<Vec<String>, Failure> {
    let zonepath = vm.get("zonepath").and_then(|path| path.as_str()).unwrap_or_default();
    let mut warnings = Vec::new();
    for (file, error) in of(root, zonepath) {
        if writes(plan, &format!("{zonepath}/{}", file.path())) {
            return Err(Failure::new(format!(
                "{error}: mend this file or move it away first, what it holds would be lost"
            )));
        }
        warnings.push(format!("warning: {error}; taken as empty, and left as it is"));
    }
    Ok(warnings)
}

fn writes(plan: &Plan, file: &str) -> bool {
    plan.steps.iter().any(|step| matches!(step, Step::WriteFile { path, .. } if path == file))
}
