//! JSON Schema types of the table's types.

use serde_json::{Value, json};

use crate::fields::{Fields, Object};
use crate::properties::{ElementRule, Kind, Property};

const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// White space, or a number as JavaScript reads one.
const NUMBER_TEXT: &str = r"^\s*([+-]?[0-9]+(\.0*)?([eE]\+?[0-9]+)?|0[xX][0-9a-fA-F]+)?\s*$";

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// The loose type of a value in a payload.
pub(super) fn of_payload(property: &Property) -> Object {
    object(match property.kind {
        Some(Kind::Text | Kind::Zpool) | None => {
            let mut text = object(json!({ "type": ["string", "null"] }));
            if let Some(pattern) = property.element.and_then(pattern) {
                text.set("pattern", pattern);
            }
            text.into()
        }
        Some(Kind::Uuid) => json!({ "type": "string", "pattern": UUID }),
        Some(Kind::Boolean) => json!({ "enum": [true, false, "true", "false", 1, "1"] }),
        Some(Kind::Integer) => {
            let text = json!({ "type": "string", "pattern": NUMBER_TEXT });
            json!({ "anyOf": [integer(property), text, { "type": "null" }] })
        }
        Some(Kind::List) => {
            let mut text = object(json!({ "type": "string", "pattern": "^[^,]*$" }));
            if let Some(pattern) = property.element.and_then(pattern) {
                text.set("pattern", pattern);
            }
            let items = json!({ "anyOf": [text, { "type": "number" }] });
            json!({ "anyOf": [{ "type": "array", "items": items }, { "type": "string" }] })
        }
        Some(Kind::FlatObject) => json!({
            "type": ["object", "null"],
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        Some(Kind::ObjectArray) => json!({ "type": "array" }),
    })
}

/// An integer within the property's bounds.
pub(super) fn integer(property: &Property) -> Value {
    let mut schema = object(json!({ "type": "integer" }));
    if let Some(min) = property.min {
        schema.set("minimum", min);
    }
    if let Some(max) = property.max {
        schema.set("maximum", max);
    }
    schema.into()
}

/// The pattern of an element rule, where one says it.
fn pattern(rule: ElementRule) -> Option<&'static str> {
    match rule {
        ElementRule::AttributeName => Some("^[A-Za-z0-9._-]+$"),
        ElementRule::DhcpClientId => Some("^0x([0-9A-Fa-f]{2}){1,255}$"),
        ElementRule::MacAddress => Some("^([0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}$"),
        ElementRule::SectorSize => Some("^[0-9]+(/[0-9]+)?$"),
        ElementRule::LinkPriority => Some("^(low|medium|high)$"),
        // Written in too many ways for a pattern that anybody could read.
        ElementRule::DevicePath | ElementRule::IpAddress => None,
    }
}
