//! What a VM with `docker` set needs besides.

use serde_json::Value;

use crate::action::Action;
use crate::brand::Brand;
use crate::fields::{Fields, Object};
use crate::ids::Ids;
use crate::payload::Payload;
use crate::vm_object::VmObject;

/// Adds the metadata namespace, the init and the identifier that Docker clients expect.
pub(super) fn complete(
    action: Action,
    payload: &mut Payload,
    vm: Option<&VmObject>,
    brand: Brand,
    ids: &mut dyn Ids,
) {
    if !payload.truthy("docker") || payload.value("docker") == Some(&"false".into()) {
        return;
    }
    let has_namespace = vm.is_some_and(|vm| {
        vm.texts("internal_metadata_namespaces").any(|namespace| namespace == "docker")
    });
    if !has_namespace {
        if !payload.has("internal_metadata_namespaces") {
            payload.set("internal_metadata_namespaces", Vec::<Value>::new());
        }
        let namespaces = payload.object_mut().get_mut("internal_metadata_namespaces");
        if let Some(Value::Array(namespaces)) = namespaces
            && !namespaces.contains(&"docker".into())
        {
            namespaces.push("docker".into());
        }
    }
    // The zone ends with its first process; nothing but the operator starts it again.
    if vm.is_none_or(|vm| vm.boolean("restart_init") != Some(false)) {
        payload.set("restart_init", false);
    }
    if let Some(init) = brand.features().dockerinit
        && vm.is_none_or(|vm| !vm.truthy("init_name"))
        && !payload.truthy("init_name")
    {
        payload.set("init_name", init);
    }

    let known = vm
        .and_then(|vm| vm.map("internal_metadata"))
        .is_some_and(|metadata| metadata.truthy("docker:id"));
    let uuid = vm.map_or_else(|| payload.text("uuid"), |vm| vm.text("uuid"));
    if let (false, Some(uuid)) = (known, uuid) {
        let id = container_id(uuid, &ids.uuid());
        let key =
            if action == Action::Update { "set_internal_metadata" } else { "internal_metadata" };
        if !payload.truthy(key) {
            payload.set(key, Object::new());
        }
        if let Some(Value::Object(metadata)) = payload.object_mut().get_mut(key)
            && !metadata.truthy("docker:id")
        {
            metadata.set("docker:id", id);
        }
    }
}

/// A Docker identifier, 64 hexadecimal digits: the VM's UUID and another one.
fn container_id(uuid: &str, other: &str) -> String {
    format!("{uuid}{other}").replace('-', "")
}
