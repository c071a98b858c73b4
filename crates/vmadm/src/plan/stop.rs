//! The plans of `vmadm stop`.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use manifest::brand::Shutdown;
use serde_json::Value;

use super::start::set_autoboot;
use super::{Object, flag, text};

/// Seconds that a zone may take to shut down before it is halted.
const SHUTDOWN_LIMIT: u64 = 60;
/// Seconds that a docker zone's init has after SIGTERM.
const DOCKER_LIMIT: u64 = 10;
/// Seconds that a guest system has to power down.
const GUEST_LIMIT: u64 = 180;

/// Plans the stop of a running VM, `timeout` in seconds.
pub fn plan(vm: &Object, brand: Brand, timeout: Option<u64>) -> Result<Plan, String> {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("stop", uuid, OnFailure::Keep);
    plan.steps.push(set_autoboot(uuid, brand, false));
    stop(&mut plan.steps, vm, brand, timeout)?;
    if !flag(vm, "docker") && brand != Brand::Bhyve {
        // Somebody may have started it anew while it went down.
        plan.steps.push(set_autoboot(uuid, brand, false));
    }
    Ok(plan)
}

/// Plans that a VM which is not running does not come up with the system: whoever stops it wants it stopped.
pub fn stay_down(vm: &Object, brand: Brand) -> Plan {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("stop", uuid, OnFailure::Keep);
    plan.steps.push(set_autoboot(uuid, brand, false));
    plan
}

/// Brings a running VM down.
pub(super) fn stop(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    timeout: Option<u64>,
) -> Result<(), String> {
    let uuid = text(vm, "uuid").to_owned();
    let terminate = |seconds: u64, kill: bool| Step::TerminateInit {
        uuid: uuid.clone(),
        pid: vm
            .get("pid")
            .and_then(Value::as_i64)
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or(-1),
        seconds,
        kill,
    };
    if flag(vm, "docker") {
        steps.push(terminate(timeout.unwrap_or(DOCKER_LIMIT), true));
        return Ok(());
    }
    match brand.features().shutdown {
        Shutdown::Acpi => steps.push(terminate(timeout.unwrap_or(GUEST_LIMIT), false)),
        Shutdown::Vmadmd => {
            steps.push(Step::PowerDown {
                uuid: uuid.clone(),
                zonepath: text(vm, "zonepath").to_owned(),
                seconds: timeout.unwrap_or(GUEST_LIMIT),
            });
        }
        Shutdown::InZone { halt, .. } => {
            if timeout.is_some() {
                return Err(
                    "Timeout option is only supported for bhyve, KVM and docker containers.".into(),
                );
            }
            steps.push(Step::ShutDown {
                uuid: uuid.clone(),
                zone: text(vm, "zonename").to_owned(),
                command: super::words(halt),
                seconds: SHUTDOWN_LIMIT,
            });
        }
    }
    Ok(())
}

/// Plans a stop by force, whatever the state: zoneadm knows best whether there is something to halt, as a zone that
/// does not run may be half way up. Only what was `up` is kept from booting with the system (observed).
pub fn halt(vm: &Object, brand: Brand, up: bool) -> Plan {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("stop", uuid, OnFailure::Keep);
    plan.steps.push(Step::Halt { uuid: uuid.to_owned() });
    if up {
        plan.steps.push(set_autoboot(uuid, brand, false));
    }
    if text(vm, "state") == "stopping" {
        plan.steps.push(super::create::change(uuid, "remove attr name=transition"));
    }
    plan
}
