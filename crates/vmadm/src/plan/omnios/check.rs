//! What OmniOS has no place for is refused by name, with the reason, before anything is looked at or changed.

use manifest::properties::{self, OnOmniOs};
use serde_json::Value;

use crate::plan::Object;

/// Refuses a payload, as it was given, that asks for what a zone of OmniOS cannot have. What asks for nothing (`false`,
/// an empty list) passes, and so does what no VM has: it is reported elsewhere.
pub fn check(given: &Object) -> Result<(), String> {
    for (name, value) in given {
        refuse(name, name, value)?;
        let row = properties::find(name);
        let list = row.and_then(|row| row.checked_as).unwrap_or(name);
        for (index, element) in value.as_array().into_iter().flatten().enumerate() {
            for (member, value) in element.as_object().into_iter().flatten() {
                let shown = format!("{name}.{index}.{member}");
                refuse(&format!("{list}.*.{member}"), &shown, value)?;
            }
        }
    }
    Ok(())
}

fn refuse(property: &str, shown: &str, value: &Value) -> Result<(), String> {
    let Some(OnOmniOs::Not(why)) = properties::find(property).and_then(|row| row.omnios) else {
        return Ok(());
    };
    let asks = match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    if asks { Err(format!("{shown}: not available on OmniOS: {why}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_place_is_named() {
        let check = |given: Value| check(given.as_object().expect("an object"));
        for (given, property) in [
            (json!({"brand": "lx", "docker": true}), "docker"),
            (json!({"nics": [{}, {"mtu": 9000}]}), "nics.1.mtu"),
            (json!({"update_nics": [{"vrrp_vrid": 1}]}), "update_nics.0.vrrp_vrid"),
        ] {
            let refused = check(given).unwrap_err();
            let named = format!("{property}: not available on OmniOS: ");
            assert!(refused.starts_with(&named), "{refused}");
        }
        let nothing = json!({
            "firewall_enabled": false, "routes": {}, "alais": "misspelt", "add_disks": [{"size": 1}]
        });
        assert_eq!(check(nothing), Ok(()));
    }
}
