//! `vmadm create-snapshot`, `delete-snapshot` and `rollback-snapshot`.

use gz::Root;
use gz::inventory::Fields;
use manifest::Brand;
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::snapshot::{Held, Power};
use crate::plan::{Object, omnios, snapshot, start, stop};
use crate::{change, get};

pub const CREATE: Command = Command {
    names: &["create-snapshot"],
    syntax: Syntax { types: &[("all-datasets", Kind::Flag)], shorts: &[] },
    run: run_create,
};
pub const DELETE: Command =
    Command { names: &["delete-snapshot"], syntax: Syntax::NONE, run: run_delete };
pub const ROLLBACK: Command =
    Command { names: &["rollback-snapshot"], syntax: Syntax::NONE, run: run_rollback };

/// The VM and the snapshot that the operands name.
fn arguments(call: &mut Call) -> Result<(String, String), Failure> {
    let uuid = call.uuid()?;
    if call.operands.len() != 1 {
        return Err(Failure::usage(format!("Wrong number of parameters to \"{}\"", call.command)));
    }
    let name = call.operands.pop_front().unwrap_or_default();
    if !snapshot::is_name(&name) {
        return Err(Failure::new("Invalid snapshot name"));
    }
    Ok((uuid, name))
}

fn load(root: &Root, uuid: &str) -> Result<(Object, Brand), Failure> {
    change::load(root, uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))
}

fn run_create(mut call: Call) -> Outcome {
    let (uuid, name) = arguments(&mut call)?;
    let all = call.options.flag("all-datasets") == Some(true);
    let _lock = change::begin(&call.root, &uuid)?;
    let (vm, brand) = load(&call.root, &uuid)?;
    let roots = roots(&call.root, &vm, brand)?;
    let plan = snapshot::create(&vm, brand, &name, all, &roots).map_err(Failure::new)?;
    change::execute(&call.root, &plan)?;
    Ok(Some(format!("Created snapshot {name} for VM {uuid}")))
}

fn run_delete(mut call: Call) -> Outcome {
    let (uuid, name) = arguments(&mut call)?;
    let _lock = change::begin(&call.root, &uuid)?;
    let (vm, brand) = load(&call.root, &uuid)?;
    let plan = snapshot::delete(&vm, brand, &name).map_err(Failure::new)?;
    change::execute(&call.root, &plan)?;
    Ok(Some(format!("Deleted snapshot {name} for VM {uuid}")))
}

fn run_rollback(mut call: Call) -> Outcome {
    let (uuid, name) = arguments(&mut call)?;
    let _lock = change::begin(&call.root, &uuid)?;
    let (vm, brand) = change::load(&call.root, &uuid, &Fields::all())?.ok_or_else(get::gone)?;
    let roots = roots(&call.root, &vm, brand)?;
    let datasets = with_snapshot(&call.root, &vm, &roots, &name)?;
    let power = power(&call.root, &vm, brand).map_err(Failure::new)?;
    let plan = snapshot::rollback(&vm, brand, &name, &datasets, power).map_err(Failure::new)?;
    if let Some(held) = held_behind(&call.root, &datasets, &name)? {
        return Err(Failure::new(snapshot::refusal(&vm, &name, &held)));
    }
    change::check_nic_tags(&call.root, &vm)?;
    change::execute(&call.root, &plan)?;
    Ok(Some(format!("Rolled back snapshot {name} for VM {uuid}")))
}

/// The filesystems below the zone's own that hold its root, of brands that have such.
fn roots(root: &Root, vm: &Object, brand: Brand) -> Result<Vec<String>, Failure> {
    let own = vm.get("zfs_filesystem").and_then(Value::as_str).unwrap_or_default();
    if !snapshot::has_own_root(brand) || own.is_empty() {
        return Ok(Vec::new());
    }
    let rows = gz::zfs::list(root, "filesystem", &["name"], &["-r", own], None)?;
    let below = format!("{own}/ROOT");
    Ok(rows.into_iter().flatten().filter(|name| name.starts_with(&below)).collect())
}

fn power(root: &Root, vm: &Object, brand: Brand) -> Result<Power, String> {
    Ok(if change::is_omnios(root) {
        Power { halt: omnios::halt(vm).steps, start: omnios::start(vm, brand, "").steps }
    } else {
        let start = start::after_stop(vm, brand)?.steps;
        Power { halt: stop::halt(vm, brand, true).steps, start }
    })
}

/// A held snapshot of one of the datasets that is newer than that of this name: no rollback gets past it.
fn held_behind(root: &Root, datasets: &[String], name: &str) -> Result<Option<Held>, Failure> {
    let full = snapshot::full_name(name);
    for dataset in datasets {
        // Snapshots of one dataset are listed in the order in which they were taken.
        let rows =
            gz::zfs::list(root, "snapshot", &["name", "userrefs"], &[dataset.as_str()], Some(1))?;
        let own = format!("{dataset}@{full}");
        let newer = rows.iter().skip_while(|row| row[0] != own).skip(1);
        let held = newer.filter(|row| row[1] != "0").find_map(|row| row[0].split_once('@'));
        if let Some((dataset, snapshot)) = held {
            let (dataset, snapshot) = (dataset.to_owned(), snapshot.to_owned());
            return Ok(Some(Held { dataset, snapshot }));
        }
    }
    Ok(None)
}

/// Those of the VM's datasets that have the snapshot.
fn with_snapshot(
    root: &Root,
    vm: &Object,
    roots: &[String],
    name: &str,
) -> Result<Vec<String>, Failure> {
    let mut datasets = snapshot::datasets(vm);
    datasets.splice(1..1, roots.iter().cloned());
    for at in (1..datasets.len()).rev() {
        if !gz::zfs::exists(root, &format!("{}@vmsnap-{name}", datasets[at]))? {
            datasets.remove(at);
        }
    }
    Ok(datasets)
}
