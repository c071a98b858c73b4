//! What a bad value should have been, for people. The names that validation reports are for
//! scripts.

use std::fmt;

use serde_json::Value;

use super::value::{is_good, is_uuid};
use crate::facts::Facts;
use crate::fields::Fields;
use crate::json::{Compact, Position, Step, locate, type_name};
use crate::payload::Payload;
use crate::properties::{self, ElementRule, Kind, Property};

/// Values are shown up to this many characters.
const SHOWN: usize = 60;

/// What was expected of a bad value and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Where the value is in the payload; empty if it is not there.
    pub path: Vec<Step>,
    /// One line, without the place.
    pub text: String,
}

impl Explanation {
    /// The line with the place of the value in the JSON `text` of `file`, where the value is.
    pub fn at(&self, text: &[u8], file: &str) -> String {
        match locate(text, &self.path).filter(|_| !self.path.is_empty()) {
            Some(Position { line, column }) => format!("{file}:{line}:{column}: {}", self.text),
            None => format!("{file}: {}", self.text),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was expected of the bad value that validation reported as `name`, and what was found.
pub fn explain(name: &str, payload: &Payload, facts: &Facts) -> Explanation {
    if let Some(explanation) = explain_indexed(name, payload) {
        return explanation;
    }
    let Some(property) = properties::find(name) else {
        return Explanation { path: Vec::new(), text: format!("{name}: {}", beyond_type(name)) };
    };
    let mut candidates = candidates(name, payload);
    let bad = candidates.iter().position(|(_, value)| !is_good(property, value, facts));
    let text = match bad {
        Some(at) => {
            let found = found(candidates[at].1);
            format!("{name}: expected {}, found {found}", expected(property))
        }
        None => format!("{name}: {}", beyond_type(name)),
    };
    let at = bad.unwrap_or_default();
    let path = if at < candidates.len() { candidates.swap_remove(at).0 } else { Vec::new() };
    Explanation { path, text }
}

/// The values that a name can mean: the property's, or those in each element.
fn candidates<'a>(name: &str, payload: &'a Payload) -> Vec<(Vec<Step>, &'a Value)> {
    let key = |name: &str| Step::Key(name.to_owned());
    let Some((array, member)) = name.split_once(".*.") else {
        return payload.value(name).map(|value| (vec![key(name)], value)).into_iter().collect();
    };
    let mut candidates = Vec::new();
    for prefix in ["", "add_", "update_"] {
        let array = format!("{prefix}{array}");
        for (index, element) in payload.array(&array).iter().enumerate() {
            if let Some(value) = element.get(member) {
                candidates.push((vec![key(&array), Step::Index(index), key(member)], value));
            }
        }
    }
    candidates
}

/// Names such as `disks.0.image_uuid`, for rules between the members of an element.
fn explain_indexed(name: &str, payload: &Payload) -> Option<Explanation> {
    let mut parts = name.splitn(3, '.');
    let (array, index, member) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    let value = payload.array(array).get::<usize>(index)?.get(member)?;
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
    let path = vec![Step::Key(array.to_owned()), Step::Index(index), Step::Key(member.to_owned())];
    Some(Explanation { path, text: format!("{name}: {rule}, found {}", found(value)) })
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
        ElementRule::DevicePath => ("a path", "paths"),
        ElementRule::DhcpClientId => (
            "0x and an even number of hexadecimal digits",
            "identifiers of 0x and an even number of hexadecimal digits",
        ),
        ElementRule::IpAddress => ("an IP address", "IP addresses"),
        ElementRule::LinkPriority => ("low, medium or high", "low, medium or high"),
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
        explain(name, &payload, &Facts::default()).to_string()
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

    #[test]
    fn places_are_those_of_the_text() {
        let text = b"{\n  \"quota\": -1,\n  \"nics\": [{},\n    {\"mtu\": 5}]\n}";
        let payload: Payload = serde_json::from_slice(text).unwrap_or_default();
        let at = |name| explain(name, &payload, &Facts::default()).at(text, "vm.json");
        assert_eq!(at("quota"), "vm.json:2:12: quota: expected an integer of at least 0, found -1");
        assert_eq!(
            at("nics.*.mtu"),
            "vm.json:4:13: nics.*.mtu: expected an integer from 576 to 9000, found 5"
        );
        assert_eq!(
            at("image_uuid"),
            "vm.json: image_uuid: no image of a type that this brand takes is installed under this UUID"
        );
    }
}
