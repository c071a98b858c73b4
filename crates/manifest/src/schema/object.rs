//! The schema of VM objects.

use serde_json::{Value, json};

use super::{described, document, types};
use crate::brand::VmType;
use crate::fields::{Fields, Object};
use crate::properties::{self, Encoding, Kind, PROPERTIES, Property, Source};

/// The schema of what `vmadm get` prints. Properties that a VM does not have are left out.
pub fn vm_object() -> Value {
    let mut schema = document(
        "vm-object.schema.json",
        "VM object",
        "What vmadm get prints. Types are strict, and properties that the VM does not have are left out.",
    );
    let mut members = Object::new();
    for property in PROPERTIES.iter().filter(|property| property.nested().is_none()) {
        if is_loaded(property) {
            members.set(property.name, member(property));
        }
    }
    schema.set("properties", members);
    schema.set("required", ["zonename", "uuid", "brand"].as_slice());
    schema.into()
}

/// Whether the property is part of VM objects. What a payload can have but nothing stores is part
/// of a request.
fn is_loaded(property: &Property) -> bool {
    let elsewhere = ["uuid", "filesystems.*.options"];
    let stored = property.source != Source::Computed || elsewhere.contains(&property.name);
    !property.hidden && (stored || property.kind.is_none())
}

fn member(property: &Property) -> Value {
    let mut schema = described(property);
    schema.take("x-default");
    match property.kind {
        Some(Kind::ObjectArray) => {
            let mut members = Object::new();
            for nested in properties::nested(property.name).filter(|nested| is_loaded(nested)) {
                if let Some((_, name)) = nested.nested() {
                    members.set(name, member(nested));
                }
            }
            schema.set("type", "array");
            schema.set("items", json!({ "type": "object", "properties": members }));
        }
        _ => schema.extend(match value_type(property) {
            Value::Object(object) => object,
            _ => Object::new(),
        }),
    }
    schema.into()
}

/// The strict type of a loaded value.
fn value_type(property: &Property) -> Value {
    match property.name {
        "type" => {
            let types = [VmType::Os, VmType::Lx, VmType::Bhyve, VmType::Kvm];
            return json!({ "enum": types.map(VmType::as_str) });
        }
        "snapshots" => return json!({ "type": "array", "items": { "type": "object" } }),
        "missing" | "transition" => return json!({ "type": "object" }),
        // As zonecfg keeps them: one text with commas.
        "limit_priv" | "fs_allowed" => return json!({ "type": "string" }),
        "free_space" | "transition_expire" | "exit_status" => return json!({ "type": "integer" }),
        _ => {}
    }
    match (property.kind, property.encoding) {
        (Some(Kind::Integer), _) => types::integer(property),
        (Some(Kind::Boolean), _) | (None, Encoding::Boolean) => json!({ "type": "boolean" }),
        (Some(Kind::List), _) => json!({ "type": "array" }),
        (Some(Kind::FlatObject), _) => json!({ "type": "object" }),
        (None, Encoding::Number) => json!({ "type": "integer" }),
        _ => json!({ "type": "string" }),
    }
}
