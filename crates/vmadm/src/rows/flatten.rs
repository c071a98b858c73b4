//! One value out of a VM object by a dotted key: `alias`, `tags.role`, `resolvers.0`, `nics.0.ip`.

use manifest::properties::{self, Flatten};
use manifest::{Fields, VmObject, js};
use serde_json::Value;

/// How the property splits into dotted keys, if it does.
pub fn kind(property: &str) -> Option<Flatten> {
    properties::find(property)?.flatten
}

/// The value at `key`; `None` where there is none.
pub fn flatten<'a>(vm: &'a VmObject, key: &str) -> Option<&'a Value> {
    let parts: Vec<&str> = key.split('.').collect();
    let item = |list: &str, index: &str| vm.array(list).get(index.parse::<usize>().ok()?);
    match parts.as_slice() {
        [list, index, field] if kind(list) == Some(Flatten::ArrayOfObjects) => {
            item(list, index)?.get(field)
        }
        [object, field] if kind(object) == Some(Flatten::Object) => vm.value(object)?.get(field),
        [list, index] if kind(list) == Some(Flatten::Array) => item(list, index),
        _ => vm.value(key),
    }
}

/// A value as text; `None` for null.
pub fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| js::to_text(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_keys_reach_into_lists_and_objects() {
        let vm = json!({"alias": "a", "tags": {"x.y": 1, "n": true},
            "resolvers": ["8.8.8.8"], "nics": [{"ip": "dhcp", "ips": ["a", "b"]}]});
        let vm: VmObject = serde_json::from_value(vm).unwrap();
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
