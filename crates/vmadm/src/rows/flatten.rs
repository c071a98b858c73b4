//! One value out of a VM object by a dotted key: `alias`, `tags.role`, `resolvers.0`, `nics.0.ip`.

use gz::inventory::VmObject;
use serde_json::Value;

/// Arrays of objects: `nics.0.ip`.
pub const ARRAYS_OF_OBJECTS: &[&str] = &["disks", "nics", "pci_devices"];
/// Objects: `tags.role`.
pub const OBJECTS: &[&str] = &["customer_metadata", "internal_metadata", "routes", "tags"];
/// Arrays: `resolvers.0`.
const ARRAYS: &[&str] = &["internal_metadata_namespaces", "resolvers"];

/// The value at `key`; `None` where there is none.
pub fn flatten<'a>(vm: &'a VmObject, key: &str) -> Option<&'a Value> {
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        [list, index, field] if ARRAYS_OF_OBJECTS.contains(list) => {
            vm.get(*list)?.get(index.parse::<usize>().ok()?)?.get(field)
        }
        [object, field] if OBJECTS.contains(object) => vm.get(*object)?.get(field),
        [list, index] if ARRAYS.contains(list) => vm.get(*list)?.get(index.parse::<usize>().ok()?),
        _ => vm.get(key),
    }
}

/// A value as JavaScript's `toString` gives it; `None` for null.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(
            items.iter().map(|item| text(item).unwrap_or_default()).collect::<Vec<_>>().join(","),
        ),
        Value::Object(_) => Some("[object Object]".to_owned()),
        other => Some(other.to_string()),
    }
}

/// Whether JavaScript takes the value for true.
pub fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_keys_reach_into_lists_and_objects() {
        let Value::Object(vm) = json!({"alias": "a", "tags": {"x.y": 1, "n": true},
            "resolvers": ["8.8.8.8"], "nics": [{"ip": "dhcp", "ips": ["a", "b"]}]})
        else {
            unreachable!()
        };
        let get = |key| flatten(&vm, key).and_then(text);
        assert_eq!(get("alias").as_deref(), Some("a"));
        assert_eq!(get("tags.n").as_deref(), Some("true"));
        assert_eq!(get("tags.x.y"), None);
        assert_eq!(get("resolvers.0").as_deref(), Some("8.8.8.8"));
        assert_eq!(get("nics.0.ips").as_deref(), Some("a,b"));
        assert_eq!(get("nics.1.ip"), None);
        assert_eq!(get("nics.x.ip"), None);
        assert_eq!(get("nics").as_deref(), Some("[object Object]"));
    }
}
