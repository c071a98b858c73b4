//! The plans of `vmadm reboot`.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use manifest::brand::Shutdown;
use serde_json::Value;

use super::start::{self, Extra};
use super::{Object, flag, links, stop, text};

/// Seconds that a zone may take to come back.
const LIMIT: u64 = 180;
/// Seconds to go down for VMs that are stopped and started.
const STOP_LIMIT: u64 = 10;

/// Plans the reboot of a VM. A docker zone may be stopped already. `disk_uuids` are for disks that have none yet.
pub fn plan(vm: &Object, brand: Brand, disk_uuids: Vec<String>) -> Result<Plan, String> {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("reboot", uuid, OnFailure::Keep);
    let command = match brand.features().shutdown {
        Shutdown::InZone { reboot, .. } if !flag(vm, "docker") => Some(reboot),
        _ => None,
    };
    if let Some(command) = command {
        plan.steps.push(Step::RebootFromWithin {
            uuid: uuid.to_owned(),
            zone: text(vm, "zonename").to_owned(),
            command: super::words(command),
            zone_id: vm.get("zoneid").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()),
            seconds: LIMIT,
        });
        links::restore(&mut plan.steps, vm);
        return Ok(plan);
    }
    if text(vm, "state") == "running" {
        let limit = (!brand.features().use_vmadmd).then_some(STOP_LIMIT);
        stop::stop(&mut plan.steps, vm, brand, limit)?;
    }
    start::docker_restarts(&mut plan.steps, vm);
    let extra = Extra { disk_uuids, ..Extra::default() };
    start::boot(&mut plan.steps, &super::stopped(vm), brand, &extra, start::NewVm::No)?;
    Ok(plan)
}

/// Plans a reboot by force.
pub fn reset(vm: &Object) -> Plan {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("reboot", uuid, OnFailure::Keep);
    plan.steps.push(Step::Reset { uuid: uuid.to_owned() });
    links::restore(&mut plan.steps, vm);
    plan
}
