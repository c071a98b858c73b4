//! What a bad value should have been, for people. The names that validation reports are for scripts.

use serde_json::Value;

use super::value::{is_good, is_uuid};
use crate::facts::Facts;
use crate::fields::Fields;
use crate::json::{Compact, type_name};
use crate::payload::Payload;
use crate::properties::{self, ElementRule, Kind, Property};

/// Values are shown up to this many characters.
const SHOWN: usize = 60;

/// One line on the bad value that validation reported as `name`: what was expected and what was found.
pub fn explain(name: &str, payload: &Payload, facts: &Facts) -> String {
    if let Some(line) = explain_indexed(name, payload) {
        return line;
    }
    let Some(property) = properties::find(name) else {
        return format!("{name}: not acceptable");
    };
    let bad = candidates(name, payload).into_iter().find(|value| !is_good(property, value, facts));
    match bad {
        Some(value) => format!("{name}: expected {}, found {}", expected(property), found(value)),
        None => format!("{name}: {}", beyond_type(name)),
    }
}

/// The values that a name can mean: the property's, or those in each element.
fn candidates<'a>(name: &str, payload: &'a Payload) -> Vec<&'a Value> {
    let Some((array, member)) = name.split_once(".*.") else {
        return payload.value(name).into_iter().collect();
    };
    ["", "add_", "update_"]
        .iter()
        .flat_map(|prefix| payload.array(&format!("{prefix}{array}")))
        .filter_map(|element| element.get(member))
        .collect()
}

/// Names such as `disks.0.image_uuid`, for rules between the members of an element.
fn explain_indexed(name: &str, payload: &Payload) -> Option<String> {
    let mut parts = name.splitn(3, '.');
    let (array, index, member) = (parts.next()?, parts.next()?, parts.next()?);
    let element = payload.array(array).get(index.parse::<usize>().ok()?)?;
    let value = element.get(member)?;
    let rule = match member {
        "image_uuid" if value.as_str().is_some_and(is_uuid) => {
            "no image of type zvol with this UUID is installed in the disk's pool"
        }
        "image_uuid" => "expected the UUID of an installed image",
        "image_size" => "differs from the size that the image's manifest states",
        "refreservation" => "expected at least 0",
        "path" => "expected a path below /devices",
        "pci_slot" => {
            "expected bus:device:function, with bus up to 255, device up to 31, function up to 7"
        }
        "model" => "expected \"passthru\"",
        _ => return None,
    };
    Some(format!("{name}: {rule}, found {}", found(value)))
}

/// Why a value of the right type can still be bad.
fn beyond_type(name: &str) -> &'static str {
    match name {
        "image_uuid" => "no image of a type that this brand takes is installed under this UUID",
        "bootrom" => "the image of the boot disk asks for another one",
        "size" => "a disk is smaller than its image",
        _ => "not acceptable",
    }
}

/// What a property takes.
fn expected(property: &Property) -> String {
    let kind = match (property.kind, property.element) {
        (Some(Kind::Text), Some(rule)) => element_name(rule).0.to_owned(),
        (Some(Kind::Text) | None, _) => "a string".to_owned(),
        (Some(Kind::Boolean), _) => "true or false".to_owned(),
        (Some(Kind::Integer), _) => "an integer".to_owned(),
        (Some(Kind::List), rule) => {
            let elements = rule.map_or("strings without commas", |rule| element_name(rule).1);
            format!("an array of {elements}, or a string with commas between them")
        }
        (Some(Kind::FlatObject), _) => "an object of strings, numbers and booleans".to_owned(),
        (Some(Kind::ObjectArray), _) => "an array of objects".to_owned(),
        (Some(Kind::Uuid), _) => "a UUID in lower case".to_owned(),
        (Some(Kind::Zpool), _) => "the name of a pool of this host".to_owned(),
    };
    match (property.min, property.max) {
        (Some(min), Some(max)) => format!("{kind} from {min} to {max}"),
        (Some(min), None) => format!("{kind} of at least {min}"),
        (None, Some(max)) => format!("{kind} of at most {max}"),
        (None, None) => kind,
    }
}

/// One element, and many.
fn element_name(rule: ElementRule) -> (&'static str, &'static str) {
    match rule {
        ElementRule::AttributeName => (
            "a name of letters, digits, dots, dashes and underscores",
            "names of letters, digits, dots, dashes and underscores",
        ),
        ElementRule::DhcpClientId => (
            "0x and an even number of hexadecimal digits",
            "identifiers of 0x and an even number of hexadecimal digits",
        ),
        ElementRule::IpAddress => ("an IP address", "IP addresses"),
        ElementRule::MacAddress => ("a MAC address", "MAC addresses"),
        ElementRule::SectorSize => (
            "a power of 2, or two with a slash between",
            "powers of 2, or two with a slash between",
        ),
    }
}

/// The value itself if it is short, else its type.
fn found(value: &Value) -> String {
    let text = Compact(value).to_string();
    if text.chars().count() <= SHOWN { text } else { type_name(value).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn explained(name: &str, payload: Value) -> String {
        let payload: Payload = serde_json::from_value(payload).unwrap_or_default();
        explain(name, &payload, &Facts::default())
    }

    #[test]
    fn types_and_ranges_are_named() {
        assert_eq!(
            explained("quota", json!({"quota": "abc"})),
            "quota: expected an integer of at least 0, found \"abc\""
        );
        assert_eq!(
            explained("nics.*.mtu", json!({"nics": [{"mtu": 1500}, {"mtu": 500}]})),
            "nics.*.mtu: expected an integer from 576 to 9000, found 500"
        );
        assert_eq!(
            explained("resolvers", json!({"resolvers": ["dns.example"]})),
            "resolvers: expected an array of IP addresses, or a string with commas between them, found [\"dns.example\"]"
        );
        assert_eq!(
            explained("tags", json!({"tags": "x".repeat(1000)})),
            "tags: expected an object of strings, numbers and booleans, found a string"
        );
    }

    #[test]
    fn rules_beyond_types_are_named() {
        let disk = json!({"disks": [{"image_uuid": "11111111-2222-4333-8444-555555555555"}]});
        assert!(explained("disks.0.image_uuid", disk).contains("no image of type zvol"));
        assert!(explained("bootrom", json!({"bootrom": "bios"})).contains("boot disk"));
        assert!(explained("disks.9.size", json!({})).contains("not acceptable"));
    }
}
