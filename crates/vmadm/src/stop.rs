//! `vmadm stop` and `vmadm reboot`.

use gz::inventory::Fields;
use gz::{Root, zoneadm};
use manifest::Brand;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::{Object, omnios, reboot, stop};
use crate::{change, damage, facts};

const SYNTAX: Syntax = Syntax {
    types: &[("timeout", Kind::Number), ("force", Kind::Flag)],
    shorts: &[("t", &["--timeout"]), ("F", &["--force", "true"])],
};

pub const STOP: Command = Command { names: &["stop", "halt"], syntax: SYNTAX, run: run_stop };
pub const REBOOT: Command = Command { names: &["reboot"], syntax: SYNTAX, run: run_reboot };

const FIELDS: [&str; 14] = [
    "autoboot",
    "brand",
    "customer_metadata",
    "docker",
    "internal_metadata",
    "nics",
    "pid",
    "state",
    "transition",
    "uuid",
    "zone_state",
    "zoneid",
    "zonename",
    "zonepath",
];

fn run_stop(mut call: Call) -> Outcome {
    // `halt` is told of as `stop`.
    STOP.names[0].clone_into(&mut call.command);
    let uuid = call.uuid()?;
    let force = call.options.flag("force") == Some(true);
    let root = &call.root;
    // It may go down while the command that has it gives way.
    let mut was_up = false;
    let _lock = if force {
        change::begin_by_force(root, &uuid, || {
            load(root, &uuid, true)?;
            was_up = is_up(root, &uuid)?;
            Ok(())
        })
    } else {
        change::begin(root, &uuid)
    }?;
    let (vm, brand) = load(root, &uuid, force)?;
    let state = state(&vm).to_owned();
    let on_omnios = change::is_omnios(root);
    let not_running = || format!("VM {uuid} is already not 'running' (currently: {state})");
    if force {
        let up = was_up || is_up(root, &uuid)?;
        let plan = if on_omnios { omnios::halt(&vm) } else { stop::halt(&vm, brand, up) };
        if up || !on_omnios {
            change::execute(root, &plan)?;
        }
        if !up {
            return Err(Failure::new(format!("first of 1 error: {}", not_running())));
        }
    } else {
        if state != "running" {
            let plan = if on_omnios { omnios::stay_down(&vm) } else { stop::stay_down(&vm, brand) };
            change::execute(root, &plan)?;
            return Ok(Some(not_running()));
        }
        let timeout = call.options.number("timeout").filter(|seconds| *seconds >= 1.0);
        let timeout = timeout.map(|seconds| seconds as u64);
        let plan = if on_omnios {
            omnios::stop(&vm, brand, timeout)
        } else {
            stop::plan(&vm, brand, timeout)
        };
        let plan = plan.map_err(Failure::new)?;
        change::execute(root, &plan)?;
    }
    Ok(Some(format!("Successfully completed stop for VM {uuid}")))
}

fn run_reboot(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let force = call.options.flag("force") == Some(true);
    let root = &call.root;
    let _lock = if force {
        change::begin_by_force(root, &uuid, || check_reset(&load(root, &uuid, true)?.0))
    } else {
        change::begin(root, &uuid)
    }?;
    let (vm, brand) = load(root, &uuid, true)?;
    let state = state(&vm);
    let plan = if force {
        check_reset(&vm)?;
        if change::is_omnios(root) { omnios::reset(&vm, brand) } else { reboot::reset(&vm) }
    } else {
        let docker = vm.get("docker").is_some_and(|docker| docker == true);
        if state != "running" && !(docker && state == "stopped") {
            return Err(Failure::new(format!(
                "Cannot reboot vm from state \"{state}\", must be \"running\""
            )));
        }
        check_nic_tags(root, &vm)?;
        let (vm, brand) = if brand.vm_type().is_hvm() { whole(root, &uuid)? } else { (vm, brand) };
        let plan = if change::is_omnios(root) {
            omnios::reboot(&vm, brand)
        } else {
            reboot::plan(&vm, brand, facts::disk_uuids(&vm))
        };
        let plan = plan.map_err(Failure::new)?;
        damage::check(root, &vm, &plan)?;
        plan
    };
    change::execute(root, &plan)?;
    Ok(Some(format!("Successfully completed reboot for VM {uuid}")))
}

fn check_reset(vm: &Object) -> Result<(), Failure> {
    match state(vm) {
        "running" => Ok(()),
        state => Err(Failure::new(format!(
            "Cannot reset vm from state \"{state}\", must be \"running\"."
        ))),
    }
}

/// Whether there is something to halt.
fn is_up(root: &Root, uuid: &str) -> Result<bool, Failure> {
    Ok(zoneadm::find(root, uuid)?.is_some_and(|zone| {
        !matches!(zone.state.as_str(), "installed" | "configured" | "incomplete")
    }))
}

fn check_nic_tags(root: &Root, vm: &Object) -> Result<(), Failure> {
    change::check_nic_tags(root, vm).map_err(|error| change::prefixed(error, "Cannot reboot vm: "))
}

fn state(vm: &Object) -> &str {
    vm.get("state").and_then(|state| state.as_str()).unwrap_or_default()
}

/// A missing VM is reported in two ways, and scripts match on both.
fn load(root: &Root, uuid: &str, by_service: bool) -> Result<(Object, Brand), Failure> {
    change::load(root, uuid, &Fields::of(FIELDS))?.ok_or_else(|| {
        Failure::new(if by_service {
            "bad statusCode: 404".to_owned()
        } else {
            format!("VM {uuid} not found")
        })
    })
}

/// Everything about a virtual machine: its start script names most of it.
fn whole(root: &Root, uuid: &str) -> Result<(Object, Brand), Failure> {
    change::load(root, uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))
}
