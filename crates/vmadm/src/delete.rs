//! `vmadm delete`.

use gz::Root;
use gz::inventory::{Fields, Inventory};
use gz::plan::Plan;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::{delete, omnios};
use crate::{change, damage};

pub const COMMAND: Command = Command {
    names: &["delete", "destroy"],
    // Ansible's module asks for it. A VM that is up is halted in any case.
    syntax: Syntax { types: &[("force", Kind::Flag)], shorts: &[("F", &["--force", "true"])] },
    run,
};

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    delete(&call.root, &uuid)
        .map_err(|error| damage::with_advice(&call.root, &uuid, error))
        .map_err(|error| change::prefixed(error, &format!("Failed to delete VM {uuid}: ")))?;
    Ok(Some(format!("Successfully deleted VM {uuid}")))
}

fn delete(root: &Root, uuid: &str) -> Result<(), Failure> {
    let _lock = change::begin_by_force(root, uuid, || plan(root, uuid).map(drop))?;
    change::execute(root, &plan(root, uuid)?)
}

/// Everything that can be refused is refused here, before anything is changed.
fn plan(root: &Root, uuid: &str) -> Result<Plan, Failure> {
    let (vm, _) = change::load(root, uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))?;
    let volumes =
        format!("{}/volumes/", vm.get("zonepath").and_then(|p| p.as_str()).unwrap_or("-"));
    let has_volumes = vm.get("filesystems").and_then(|list| list.as_array()).is_some_and(|list| {
        list.iter()
            .any(|fs| fs["source"].as_str().is_some_and(|source| source.starts_with(&volumes)))
    });
    if has_volumes {
        let others = Inventory::all(root)?.load(&Fields::of(["uuid", "filesystems"]))?;
        let users = delete::sharing(&vm, others.iter().map(manifest::Fields::object));
        if !users.is_empty() {
            return Err(Failure::new(format!(
                "Unable to delete VM {uuid} the following VMs are sharing its volumes: {}",
                manifest::json::compact(&users)
            )));
        }
    }
    let plan = if change::is_omnios(root) { omnios::delete(&vm) } else { delete::plan(&vm) };
    plan.map_err(Failure::new)
}
