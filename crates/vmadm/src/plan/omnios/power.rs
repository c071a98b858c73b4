//! Start, stop and reboot.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;

use super::zoneadm;
use crate::plan::create::change;
use crate::plan::{Object, as_text, list, reboot as common, stop as down, text};

/// Seconds that a KVM guest has to power down after its brand gave up waiting.
const GUEST_LIMIT: u64 = 60;

fn set_autoboot(vm: &Object, value: bool) -> Step {
    change(text(vm, "uuid"), &format!("set autoboot={value}"))
}

/// Boots a zone and gives a native one its static routes, which it keeps: no service of SmartOS in it does.
pub fn boot_steps(vm: &Object, brand: Brand) -> Vec<Step> {
    let mut steps = vec![zoneadm(text(vm, "zonename"), &["boot"])];
    for (destination, gateway) in vm.get("routes").and_then(Value::as_object).into_iter().flatten()
    {
        steps.extend(route(vm, brand, "add", destination, &as_text(gateway)));
    }
    steps
}

/// The routes that an update of a running native zone gives or takes.
pub(super) fn route_changes(steps: &mut Vec<Step>, vm: &Object, payload: &Object, brand: Brand) {
    let known = |destination: &str| vm.get("routes")?.get(destination).map(as_text);
    for destination in list(payload, "remove_routes").iter().map(as_text) {
        let gateway = known(&destination).unwrap_or_default();
        steps.extend(route(vm, brand, "delete", &destination, &gateway));
    }
    let set = payload.get("set_routes").and_then(Value::as_object);
    for (destination, gateway) in set.into_iter().flatten() {
        if let Some(old) = known(destination) {
            steps.extend(route(vm, brand, "delete", destination, &old));
        }
        steps.extend(route(vm, brand, "add", destination, &as_text(gateway)));
    }
}

/// `gateway` is an address, or one of the VM's NICs (`nics[0]`) whose network the destination is on.
fn route(vm: &Object, brand: Brand, verb: &str, destination: &str, gateway: &str) -> Option<Step> {
    if brand.is_hvm() || brand == Brand::Lx {
        // The guest's own metadata client asks for them.
        return None;
    }
    let number = gateway.strip_prefix("nics[").and_then(|rest| rest.strip_suffix(']'));
    let own = number.and_then(|n| {
        let nic = list(vm, "nics").get(n.parse::<usize>().ok()?)?;
        Some(nic["ips"].get(0)?.as_str()?.split('/').next()?.to_owned())
    });
    let route = match (number, own) {
        (Some(_), Some(address)) => format!("{verb} {destination} {address} -interface"),
        (Some(_), None) => return None,
        (None, _) => format!("{verb} {destination} {gateway}"),
    };
    // With -R only the file is changed, from which the zone's network service sets routes. A zone that has just been booted
    // has no network yet, for which route(8) would refuse the gateway and not keep it.
    let command = format!("/usr/sbin/route -p -R / {route}; /usr/sbin/route {route}");
    // One that is there already, or a network that is not up yet, is no reason to undo anything.
    let zone = text(vm, "zonename").to_owned();
    Some(Step::Login { zone, command: vec![command], required: false })
}

/// Plans the start of a VM that is stopped. `once` is the script of [`once::script`] for this start.
///
/// [`once::script`]: super::once::script
pub fn start(vm: &Object, brand: Brand, once: &str) -> Plan {
    let mut plan = Plan::new("start", text(vm, "uuid"), OnFailure::Keep);
    if once.is_empty() {
        plan.steps.extend(boot_steps(vm, brand));
    } else {
        let (uuid, script) = (text(vm, "uuid").to_owned(), once.to_owned());
        plan.steps.push(Step::BootOnce { uuid, script });
        // What is for this boot alone must not stay, also where the start is cut off.
        plan.on_failure = OnFailure::Undo;
    }
    plan.steps.push(set_autoboot(vm, true));
    plan
}

/// Plans the stop of a running VM, `timeout` in seconds.
pub fn stop(vm: &Object, brand: Brand, timeout: Option<u64>) -> Result<Plan, String> {
    let mut plan = stay_down(vm);
    shut_down(&mut plan.steps, vm, brand, timeout)?;
    Ok(plan)
}

/// Plans that a VM which is not running does not come up with the system.
pub fn stay_down(vm: &Object) -> Plan {
    let mut plan = Plan::new("stop", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(set_autoboot(vm, false));
    plan
}

/// Plans a stop by force, whatever the state.
pub fn halt(vm: &Object) -> Plan {
    let mut plan = Plan::new("stop", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(Step::Halt { uuid: text(vm, "uuid").to_owned() });
    plan.steps.push(set_autoboot(vm, false));
    plan
}

/// Plans the reboot of a running VM.
pub fn reboot(vm: &Object, brand: Brand) -> Result<Plan, String> {
    if !brand.vm_type().is_hvm() {
        return common::plan(vm, brand, Vec::new());
    }
    let mut plan = Plan::new("reboot", text(vm, "uuid"), OnFailure::Keep);
    shut_down(&mut plan.steps, vm, brand, None)?;
    plan.steps.push(zoneadm(text(vm, "zonename"), &["boot"]));
    Ok(plan)
}

/// Plans a reboot by force. The brand of bhyve zones does not let zoneadm's reboot be one: it has the guest power down
/// first.
pub fn reset(vm: &Object, brand: Brand) -> Plan {
    if brand != Brand::Bhyve {
        return common::reset(vm);
    }
    let mut plan = Plan::new("reboot", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(Step::Halt { uuid: text(vm, "uuid").to_owned() });
    plan.steps.push(zoneadm(text(vm, "zonename"), &["boot"]));
    plan
}

/// As on SmartOS, but for KVM: there the brand has the guest powered down.
fn shut_down(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    timeout: Option<u64>,
) -> Result<(), String> {
    if brand != Brand::Kvm {
        return down::stop(steps, vm, brand, timeout);
    }
    steps.push(zoneadm(text(vm, "zonename"), &["shutdown"]));
    steps.push(Step::AwaitDown {
        uuid: text(vm, "uuid").to_owned(),
        seconds: timeout.unwrap_or(GUEST_LIMIT),
    });
    Ok(())
}
