//! `vmadm receive --from-json`: a VM after its host was lost, of its saved JSON and its datasets.

use gz::inventory::Inventory;
use gz::{Root, zfs};
use serde_json::Value;

use super::checked::{self, Prepared};
use super::{exists, uuid_of};
use crate::cli::{Failure, Outcome};
use crate::plan::{rebuild, receive};
use crate::{change, facts};

/// Rebuilds a VM from the JSON that `vmadm get` printed once and the datasets that are still there.
pub(super) fn run(root: &Root, file: &str, pool: Option<&str>) -> Outcome {
    let text = match file {
        "-" => std::io::read_to_string(std::io::stdin())?,
        file => std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("Error reading: {file} {error}")))?,
    };
    let Value::Object(mut vm) = crate::cli::payload::parse(text.as_bytes(), file)? else {
        return Err(Failure::new(format!("{file} is not what vmadm get prints: not an object")));
    };
    let uuid = uuid_of(&vm)?;
    if let Some(pool) = pool {
        receive::retarget(&mut vm, pool);
    }
    let _lock = change::begin(root, &uuid)?;
    if Inventory::one(root, &uuid)?.is_some() {
        return Err(exists(&uuid));
    }
    let mut missing = Vec::new();
    for dataset in rebuild::needed(&vm) {
        if !zfs::exists(root, &dataset)? {
            missing.push(dataset);
        }
    }
    if !missing.is_empty() {
        return Err(Failure::new(format!("missing datasets: {}", missing.join(", "))));
    }
    let Prepared { payload, brand, reserved } = checked::without_images(root, &vm, &uuid)?;
    let zonepath = vm.get("zonepath").and_then(Value::as_str).unwrap_or_default();
    let plan = rebuild::plan(&vm, payload.into_object(), brand, facts::now_ms(), |name| {
        root.path(format!("{zonepath}/config/{name}")).exists()
    });
    change::execute_reserved(root, &plan.map_err(Failure::new)?, reserved)?;
    Ok(Some(format!("Successfully received VM {uuid}")))
}
