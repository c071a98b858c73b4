//! The rules for single values, by type.
//!
//! Types are loose, as they have always been: numbers and booleans may be texts, lists may be texts
//! with commas.

use std::net::IpAddr;

use serde_json::Value;

use crate::facts::Facts;
use crate::js;
use crate::properties::{ElementRule, Kind, Property};

/// Whether `value` may stand for `property`.
pub fn is_good(property: &Property, value: &Value, facts: &Facts) -> bool {
    let Some(kind) = property.kind else {
        return true;
    };
    match kind {
        Kind::Uuid => value.as_str().is_some_and(is_uuid),
        Kind::Boolean => is_boolean(value),
        Kind::Text => is_text(property, value),
        Kind::Integer => is_integer(property, value),
        Kind::Zpool => {
            value.as_str().is_some_and(|name| facts.zpools.iter().any(|pool| pool == name))
        }
        Kind::FlatObject => is_flat_object(value),
        Kind::List => is_list(property, value),
        Kind::ObjectArray => is_object_array(value),
    }
}

/// Whether `text` is a UUID in lower case, of any version.
pub fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| {
            if dashes.contains(&i) {
                byte == b'-'
            } else {
                matches!(byte, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}

/// Whether the value unsets a property: null, or nothing but white space.
pub fn is_unset(value: &Value) -> bool {
    value.is_null() || js::trim(&js::to_text(value)).is_empty()
}

fn is_boolean(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => matches!(text.as_str(), "true" | "false" | "1"),
        _ => false,
    }
}

fn is_text(property: &Property, value: &Value) -> bool {
    if is_unset(value) {
        return true;
    }
    value.is_string() && property.element.is_none_or(|rule| satisfies(rule, value))
}

fn is_integer(property: &Property, value: &Value) -> bool {
    if is_unset(value) {
        return true;
    }
    if value.is_boolean() {
        return false;
    }
    let number = js::to_number(value);
    // Bounds are compared in floating point, so the largest 64-bit integer is within bounds of
    // itself.
    !number.is_nan()
        && (number.is_infinite() || number.fract() == 0.0)
        && property.min.is_none_or(|min| number >= min as f64)
        && property.max.is_none_or(|max| number <= max as f64)
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn is_flat_object(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.values().all(is_scalar),
        Value::Array(elements) => elements.iter().all(is_scalar),
        _ => false,
    }
}

fn is_list(property: &Property, value: &Value) -> bool {
    let element_good = |element: &Value| {
        (element.is_string() || element.is_number())
            && property.element.is_none_or(|rule| satisfies(rule, element))
            // A list is stored joined by commas and would come back as a different one. Paths of devices always have
            // commas, and lists of them are not stored.
            && (property.element == Some(ElementRule::DevicePath)
                || !js::to_text(element).contains(','))
    };
    match value {
        Value::String(text) => split_list(text).all(|part| element_good(&part.into())),
        Value::Array(elements) => elements.iter().all(element_good),
        _ => false,
    }
}

/// The elements of a list that is given as a text: the parts between commas that are not empty.
pub fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| !part.is_empty())
}

fn is_object_array(value: &Value) -> bool {
    // null is an object to JavaScript; what needs the element refuses it.
    value.as_array().is_some_and(|elements| {
        elements
            .iter()
            .all(|element| matches!(element, Value::Object(_) | Value::Array(_) | Value::Null))
    })
}

fn satisfies(rule: ElementRule, value: &Value) -> bool {
    match (rule, value) {
        (ElementRule::AttributeName, _) => is_attribute_name(&js::to_text(value)),
        (_, Value::String(text)) => match rule {
            ElementRule::AttributeName => is_attribute_name(text),
            ElementRule::DevicePath => true,
            ElementRule::DhcpClientId => is_dhcp_client_id(text),
            ElementRule::IpAddress => is_ip(text),
            ElementRule::LinkPriority => matches!(text.as_str(), "low" | "medium" | "high"),
            ElementRule::MacAddress => is_mac(text),
            ElementRule::SectorSize => is_sector_size(text),
        },
        _ => false,
    }
}

/// Letters, digits, dots, dashes and underscores: what can be part of an attribute's value
/// unquoted.
pub fn is_attribute_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn is_dhcp_client_id(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| {
        !digits.is_empty()
            && digits.len() % 2 == 0
            && text.len() <= 512
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether `text` is an IPv4 or IPv6 address.
pub fn is_ip(text: &str) -> bool {
    // A scope (fe80::1%net0) is part of an address to node, not to Rust.
    let address = match text.split_once('%') {
        Some((address, scope)) if !scope.is_empty() && address.contains(':') => address,
        _ => text,
    };
    address.parse::<IpAddr>().is_ok()
}

/// Whether `text` is a MAC address: six hexadecimal numbers of one or two digits with colons
/// between, or twelve digits.
pub fn is_mac(text: &str) -> bool {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return true;
    }
    let mut octets = 0;
    for octet in text.split(':') {
        octets += 1;
        if !matches!(octet.len(), 1 | 2) || !octet.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
    }
    octets == 6
}

/// The usual form of a MAC address that is given with colons, dashes or neither: two-digit numbers
/// in lower case with colons between.
pub fn canonical_mac(text: &str) -> Option<String> {
    let octets: Vec<&str> = if text.len() == 12 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        (0..12).step_by(2).map(|at| &text[at..at + 2]).collect()
    } else if text.contains(':') {
        text.split(':').collect()
    } else {
        text.split('-').collect()
    };
    let octets: Vec<String> =
        octets.iter().map(|octet| format!("{octet:0>2}").to_ascii_lowercase()).collect();
    let mac = octets.join(":");
    is_mac(&mac).then_some(mac)
}

/// Whether two texts are the same MAC address.
pub fn same_mac(a: &str, b: &str) -> bool {
    a == b || canonical_mac(a).is_some_and(|usual| Some(usual) == canonical_mac(b))
}

fn is_sector_size(text: &str) -> bool {
    let sizes: Vec<&str> = text.split('/').collect();
    sizes.len() <= 2
        && sizes.iter().all(|size| {
            !size.is_empty()
                && size.bytes().all(|byte| byte.is_ascii_digit())
                && size.parse::<u32>().is_ok_and(u32::is_power_of_two)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties;
    use serde_json::json;

    fn good(name: &str, value: Value) -> bool {
        let facts = Facts { zpools: vec!["zones".to_owned()], ..Facts::default() };
        properties::find(name).is_some_and(|property| is_good(property, &value, &facts))
    }

    #[test]
    fn integers_are_loose() {
        for value in [
            json!(5),
            json!("40"),
            json!("0x10"),
            json!("1e3"),
            json!(" 10 "),
            json!(""),
            json!(null),
            json!([5]),
        ] {
            assert!(good("quota", value.clone()), "{value}");
        }
        for value in [json!(1.5), json!(true), json!("abc"), json!({}), json!(-1), json!([1, 2])] {
            assert!(!good("quota", value.clone()), "{value}");
        }
        assert!(good("zlog_max_size", json!(9_223_372_036_854_775_807_i64)));
        assert!(!good("zlog_max_size", json!(36_893_488_147_419_103_232_f64)));
        assert!(good("vnc_port", json!(-1)) && !good("vnc_port", json!(-2)));
    }

    #[test]
    fn booleans_are_loose() {
        for value in [json!(true), json!("false"), json!(1), json!("1")] {
            assert!(good("autoboot", value.clone()), "{value}");
        }
        for value in [json!(0), json!("0"), json!("TRUE"), json!(null), json!(""), json!([])] {
            assert!(!good("autoboot", value.clone()), "{value}");
        }
    }

    #[test]
    fn lists_and_objects() {
        assert!(good("resolvers", json!("8.8.8.8,,1.1.1.1")));
        assert!(good("resolvers", json!([])));
        assert!(!good("resolvers", json!(["8.8.8.8,1.1.1.1"])));
        assert!(!good("limit_priv", json!(5)));
        assert!(good("nics.*.blocked_outgoing_ports", json!([25, 587])));
        assert!(!good("internal_metadata_namespaces", json!([""])));
        assert!(
            good("tags", json!({"a": 1, "b": true}))
                && good("tags", json!(null))
                && good("tags", json!([]))
        );
        assert!(!good("tags", json!({"a": null})) && !good("tags", json!("x")));
        assert!(
            good("nics", json!([null])) && !good("nics", json!([5])) && !good("nics", json!({}))
        );
    }

    #[test]
    fn texts() {
        assert!(
            good("alias", json!(null)) && good("alias", json!("héllo")) && good("alias", json!([]))
        );
        assert!(!good("alias", json!(5)) && !good("alias", json!(false)));
        assert!(good("zpool", json!("zones")) && !good("zpool", json!("tank")));
        assert!(good("disks.*.guest_block_size", json!("512/4096")));
        assert!(
            !good("disks.*.guest_block_size", json!("1000"))
                && !good("disks.*.guest_block_size", json!(512))
        );
        assert!(
            good("nics.*.allowed_dhcp_cids", json!(["0x01ab"]))
                && !good("nics.*.allowed_dhcp_cids", json!(["01ab"]))
        );
        assert!(
            good("nics.*.mac", json!("2:8:20:a:B:c"))
                && !good("nics.*.mac", json!("02-08-20-0a-0b-0c"))
        );
    }

    #[test]
    fn addresses_have_one_usual_form() {
        let usual = Some("02:08:20:0a:bb:cc".to_owned());
        for text in ["2:8:20:a:BB:cc", "02-08-20-0A-bb-cc", "0208200abbcc", "02:08:20:0a:bb:cc"] {
            assert_eq!(canonical_mac(text), usual, "{text}");
        }
        for bad in [
            "",
            "02:08:20:0a:bb",
            "02:08:20:0a:bb:cc:dd",
            "02-08:20:0a:bb:cc",
            "0208200abbcg",
            "::::::",
        ] {
            assert_eq!(canonical_mac(bad), None, "{bad}");
        }
        assert_eq!(canonical_mac("2:8:20:0:0:A").as_deref(), Some("02:08:20:00:00:0a"));
        assert!(same_mac("2:8:20:a:BB:cc", "0208200abbcc") && same_mac("x", "x"));
        assert!(!same_mac("2:8:20:a:bb:cc", "2:8:20:a:bb:cd") && !same_mac("", "x"));
    }

    #[test]
    fn uuids_are_lower_case() {
        assert!(is_uuid("01b2c898-945f-11e1-a523-af1afbe22822"));
        assert!(!is_uuid("01B2C898-945F-11E1-A523-AF1AFBE22822"));
        assert!(!is_uuid("01b2c898945f11e1a523af1afbe22822"));
    }
}
