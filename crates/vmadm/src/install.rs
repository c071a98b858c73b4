//! `vmadm install`.

use gz::inventory::Fields;
use manifest::VmType;
use serde_json::Value;

use crate::change;
use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::install;

pub const COMMAND: Command = Command { names: &["install"], syntax: Syntax::NONE, run };

/// GiB for a VM whose dataset, which knows better, is not there yet.
const QUOTA: u64 = 10;
const BHYVE_QUOTA: u64 = 1;

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let _lock = change::begin(&call.root, &uuid)?;
    let (vm, brand) = change::load(&call.root, &uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))?;
    let default = if brand.vm_type() == VmType::Bhyve { BHYVE_QUOTA } else { QUOTA };
    let quota = vm.get("quota").and_then(Value::as_u64).unwrap_or(default);
    change::execute(&call.root, &install::plan(&vm, brand, quota))?;
    Ok(Some(format!("Successfully installed VM {uuid}")))
}
