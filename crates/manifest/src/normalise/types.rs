//! Loose types made strict.

use serde_json::Value;

use super::ARRAYS;
use crate::fields::{Fields, Object};
use crate::js;
use crate::payload::Payload;
use crate::properties::{self, Kind};
use crate::refusal::Refusal;
use crate::validate::value::{is_unset, split_list};

/// Makes numbers of the payload's integers and arrays of its lists. Validation comes later, so what
/// is neither stays.
pub(super) fn coerce_top_level(payload: &mut Payload) -> Result<(), Refusal> {
    for (name, value) in payload.object_mut().iter_mut() {
        match properties::find(name).and_then(|property| property.kind) {
            Some(Kind::Integer) if *value == "" => *value = Value::Null,
            Some(Kind::Integer) if value.is_null() => {}
            Some(Kind::Integer) => {
                let number = js::to_number(value);
                if !number.is_finite() {
                    return Err(Refusal::NotANumber(name.clone()));
                }
                *value = js::number(number);
            }
            Some(Kind::List) => split(value),
            _ => {}
        }
    }
    Ok(())
}

/// Takes out integers that are unset: a new VM has nothing to unset.
pub(super) fn remove_unset(payload: &mut Payload) {
    payload.object_mut().retain(|name, value| {
        let kind = properties::find(name).and_then(|property| property.kind);
        !(value.is_null() && kind == Some(Kind::Integer))
    });
}

/// Makes booleans of the payload's booleans. Validation has seen that each is one.
pub(super) fn coerce_booleans(payload: &mut Payload) {
    for (name, value) in payload.object_mut().iter_mut() {
        if properties::find(name).is_some_and(|property| property.kind == Some(Kind::Boolean)) {
            coerce_boolean(value);
        }
    }
}

/// Makes the types of nested properties strict. Unset integers are taken out, those of NICs that are updated become
/// null.
pub(super) fn coerce_elements(payload: &mut Payload) {
    for (own, add, update) in ARRAYS {
        for key in [own, add, update] {
            for element in payload.objects_mut(key) {
                // What an update unsets of a NIC is cleared, and not left as it is.
                coerce_element(own, element, key == "update_nics");
            }
        }
    }
}

fn coerce_element(array: &str, element: &mut Object, keep_unset: bool) {
    element.retain(|name, value| {
        let Some(property) = properties::find(&format!("{array}.*.{name}")) else {
            return true;
        };
        match property.kind {
            Some(Kind::Integer) if is_unset(value) => {
                *value = Value::Null;
                return keep_unset;
            }
            Some(Kind::Integer) => *value = js::number(js::to_number(value)),
            Some(Kind::Boolean) => coerce_boolean(value),
            // The addresses of a NIC must be arrays; its checks say so.
            Some(Kind::List) if !matches!(name.as_str(), "ips" | "gateways" | "allowed_ips") => {
                split(value);
            }
            _ => {}
        }
        true
    });
}

fn coerce_boolean(value: &mut Value) {
    match js::to_text(value).as_str() {
        "true" | "1" => *value = true.into(),
        "false" | "0" => *value = false.into(),
        _ => {}
    }
}

fn split(value: &mut Value) {
    if let Value::String(text) = value {
        *value = split_list(text).collect::<Vec<_>>().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(value: Value) -> Payload {
        serde_json::from_value(value).unwrap_or_default()
    }

    #[test]
    fn texts_become_numbers_and_lists() {
        let mut loose = payload(
            json!({"quota": "40", "ram": "", "resolvers": "8.8.8.8,,1.1.1.1", "alias": "1"}),
        );
        assert_eq!(coerce_top_level(&mut loose), Ok(()));
        let strict =
            json!({"quota": 40, "ram": null, "resolvers": ["8.8.8.8", "1.1.1.1"], "alias": "1"});
        assert_eq!(loose.into_value(), strict);
    }

    #[test]
    fn what_is_no_number_is_named() {
        for bad in [json!("128k"), json!({}), json!("Infinity")] {
            let mut loose = payload(json!({"zfs_root_recsize": bad}));
            let refusal = coerce_top_level(&mut loose).map_err(|refusal| refusal.to_string());
            assert_eq!(refusal, Err("Invalid value for zfs_root_recsize: null:number".to_owned()));
        }
    }

    #[test]
    fn members_of_elements_are_coerced_too() {
        let mut loose = payload(json!({
            "nics": [{"primary": "1", "vlan_id": "5", "mtu": "", "blocked_outgoing_ports": "25,587"}],
            "add_disks": [{"size": "1024", "boot": "false"}],
        }));
        coerce_elements(&mut loose);
        assert_eq!(
            loose.into_value(),
            json!({
                "nics": [{"primary": true, "vlan_id": 5, "blocked_outgoing_ports": ["25", "587"]}],
                "add_disks": [{"size": 1024, "boot": false}],
            })
        );
    }
}
