//! Updates and deletion.

use gz::plan::{Plan, Step};
use manifest::Brand;
use serde_json::Value;
use zonecfg::mapping::omnios;
use zonecfg::model::Zone;

use super::create::check_sources;
use super::{Place, keep_given_slots, power, without_smartos_options};
use crate::plan::update::{self as common, Facts};
use crate::plan::{Object, delete as ordinary, list, text};

/// Plans an update. `given` is the payload as it was given, `payload` the same prepared against `vm`: coerced, completed
/// and checked. `real` is the zone as it is.
pub fn update(
    vm: &Object,
    given: &Object,
    mut payload: Object,
    brand: Brand,
    real: &Zone,
    place: &Place,
    facts: &Facts,
) -> Result<Plan, String> {
    check_sources(&payload)?;
    keep_given_slots(&mut payload, given);
    let zonepath = text(vm, "zonepath");
    let mut before = vm.clone();
    omnios::name_parts(&mut before, real);
    place.resolve(&mut before);
    let script = |payload: &Object| {
        let mut after = omnios::changed(&before, payload);
        place.resolve(&mut after);
        let zone = |vm: &Object| omnios::zone(vm, zonepath).map_err(|error| error.to_string());
        let after = zone(&after)?;
        if let Some(given) = payload.get("set_zone_attributes").and_then(Value::as_object) {
            omnios::check_attributes(&after, "set_zone_attributes", given)
                .map_err(|error| error.to_string())?;
        }
        Ok(omnios::update_script(real, &zone(&before)?, &after))
    };
    let mut plan = common::plan_with(vm, payload.clone(), brand, facts, &script)?;
    if text(vm, "state") == "running" {
        power::route_changes(&mut plan.steps, vm, &payload, brand);
    }
    without_smartos_options(&mut plan);
    Ok(plan)
}

/// Plans the deletion of a VM. The brands of native zones know nothing of a dataset that was delegated from below the
/// zone's own.
pub fn delete(vm: &Object) -> Result<Plan, String> {
    let mut plan = ordinary::plan(vm)?;
    let data = format!("{}/data", text(vm, "zfs_filesystem"));
    let delegated = list(vm, "datasets").iter().any(|dataset| dataset == data.as_str());
    let uninstall = plan.steps.iter().position(|step| matches!(step, Step::Uninstall { .. }));
    if let Some(index) = uninstall.filter(|_| delegated) {
        plan.steps.insert(index, Step::DestroyDataset { dataset: data, force: false });
    }
    without_smartos_options(&mut plan);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn an_update_changes_the_attributes() {
        let vm = object(json!({
            "uuid": "u", "zonename": "u", "zonepath": "/zones/u", "brand": "bhyve", "ram": 512,
            "state": "stopped", "hostname": "a", "zfs_filesystem": "rpool/zones/u", "zpool": "rpool"
        }));
        let real = omnios::zone(&vm, "/zones/u").unwrap();
        let payload = object(json!({"ram": 1024, "hostname": null}));
        let (place, facts) = (Place::default(), Facts::default());
        let plan = update(&vm, &payload, payload.clone(), Brand::Bhyve, &real, &place, &facts);
        let text = plan.unwrap().to_string();
        let expected = "update u: 1 steps, undone if a step fails\n  1. zonecfg -u u\n     \
            < remove attr name=hostname\n     < select attr name=ram; set value=\"1024M\"; end\n";
        assert_eq!(text, expected);
    }
}
