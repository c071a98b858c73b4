//! The plan of `vmadm install`: what a receive or create left configured becomes a VM that can be started.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;

use super::create::change;
use super::{Object, text};

/// Plans to install a VM's zone. `quota_gib` is the VM's; its datasets may be there already.
pub fn plan(vm: &Object, brand: Brand, quota_gib: u64) -> Plan {
    let uuid = text(vm, "uuid");
    let image = vm.get("image_uuid").and_then(Value::as_str).map(str::to_owned);
    let mut plan = Plan::new("install", uuid, OnFailure::Keep);
    plan.steps.push(Step::Install {
        zone: text(vm, "zonename").to_owned(),
        uuid: uuid.to_owned(),
        quota_gib,
        no_dataset: image.is_some() || brand == Brand::Bhyve,
        image,
    });
    for (property, attribute) in [("transition_to", "transition"), ("provisioning", "provisioning")]
    {
        if vm.contains_key(property) {
            plan.steps.push(change(uuid, &format!("remove attr name={attribute}")));
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_received_vm_is_installed_and_loses_its_marks() {
        let vm: Object = serde_json::from_value(json!({
            "uuid": "u", "zonename": "u", "image_uuid": "i", "transition_to": "stopped"
        }))
        .unwrap();
        let steps: Vec<String> =
            plan(&vm, Brand::Joyent, 10).steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            steps,
            [
                "zoneadm -z u install -q 10 -t i -x nodataset",
                "zonecfg -u u 'remove attr name=transition'",
            ]
        );
    }
}
