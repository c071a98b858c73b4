//! The rule of each field of an image manifest, as SmartOS's imgadm has them (imgmanifest.js, and sdc-imgapi's
//! documentation of manifests).

use serde_json::Value;

use super::requirements;
use super::validate::FieldError;
use super::{COMPRESSIONS, OSES, STATES, TYPES};
use crate::fields::{Fields, Object};
use crate::js;
use crate::json::Compact;
use crate::validate::value::is_uuid;

/// Checks the value of one field, given the whole manifest, the field's name and its value, and adds what is wrong.
pub(super) type Rule = fn(&Object, &str, &Value, &mut Vec<FieldError>);

/// A field and its rule.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
}

const fn field(name: &'static str, rule: Rule) -> Field {
    Field { name, rule }
}

/// Every field that a manifest can have, in the order in which they are checked.
pub(super) const FIELDS: &[Field] = &[
    field("v", version_number),
    field("uuid", uuid),
    field("urn", text),
    field("owner", uuid),
    field("name", name),
    field("version", version),
    field("description", description),
    field("homepage", web_address),
    field("eula", web_address),
    field("disabled", boolean),
    field("activated", boolean),
    field("published_at", published_at),
    field("state", state),
    field("public", public),
    field("type", image_type),
    field("os", os),
    field("origin", uuid),
    field("error", object),
    field("files", files),
    field("icon", boolean),
    field("acl", acl),
    field("requirements", requirements::check),
    field("users", users),
    field("billing_tags", billing_tags),
    field("traits", traits),
    field("tags", tags),
    field("generate_passwords", boolean),
    field("inherited_directories", inherited_directories),
    field("nic_driver", driver),
    field("disk_driver", driver),
    field("cpu_type", driver),
    field("image_size", image_size),
    field("channels", texts),
];

const MAX_NAME: usize = 1024;
const MAX_VERSION: usize = 512;
const MAX_DESCRIPTION: usize = 10 * 1024;
const MAX_URL: usize = 1024;
const MAX_BILLING_TAG: usize = 128;
const MAX_TAGS: usize = 100 * 1024;

fn version_number(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let number = js::to_number(value);
    if number.is_nan() || number < 0.0 {
        errors.push(FieldError::invalid(name).because("\"v\" must be a positive integer"));
    }
}

fn uuid(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if !value.as_str().is_some_and(is_uuid) {
        errors.push(FieldError::invalid(name));
    }
}

fn text(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if !value.is_string() {
        errors.push(FieldError::invalid(name));
    }
}

fn object(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if !matches!(value, Value::Object(_) | Value::Array(_) | Value::Null) {
        errors.push(not(name, "an object", value));
    }
}

/// "invalid image "acl" (not an array): 5"
fn not(name: &str, what: &str, value: &Value) -> FieldError {
    let shown = match (name, value) {
        // The known messages show these without quotes.
        ("acl" | "billing_tags", Value::String(text)) => text.clone(),
        _ => Compact(value).to_string(),
    };
    FieldError::invalid(name).because(format!("invalid image \"{name}\" (not {what}): {shown}"))
}

fn bad_entry(name: &str, value: &Value) -> FieldError {
    FieldError::invalid(name).because(format!("invalid image \"{name}\" entry: {}", Compact(value)))
}

fn name(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let text = js::to_text(value);
    if text.chars().count() > MAX_NAME {
        let message = format!("image name is too long, max {MAX_NAME} characters");
        errors.push(FieldError::invalid(name).because(message));
    } else if value.is_null() || !is_made_of(&text, "._/ -") {
        errors.push(FieldError::invalid(name).because(
            "image name has invalid characters (only alpha-numeric characters and \" \", \".\", \
             \"-\", \"_\" and \"/\" are allowed)",
        ));
    }
}

fn version(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let text = js::to_text(value);
    if text.chars().count() > MAX_VERSION {
        let message = format!("image version is too long, max {MAX_VERSION} characters");
        errors.push(FieldError::invalid(name).because(message));
    } else if value.is_null() || !is_made_of(&text, "._/+-") {
        errors.push(FieldError::invalid(name).because(
            "image version has invalid characters (only alpha-numeric characters and \".\", \
             \"-\", \"_\" and \"/\" are allowed)",
        ));
    }
}

fn is_made_of(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn description(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if value.as_str().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        let message = format!("image description is too long, max {MAX_DESCRIPTION} characters");
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn web_address(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let noun = if name == "eula" { "EULA" } else { name };
    let address = value.as_str().unwrap_or_default();
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        errors
            .push(FieldError::invalid(name).because(format!("invalid image {noun} URL protocol")));
    } else if address.chars().count() > MAX_URL {
        let message = format!("image {noun} URL is too long (max {MAX_URL} characters)");
        errors.push(FieldError::invalid(name).because(message));
    }
}

/// A boolean, given as one or as its name.
fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn boolean(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if as_boolean(value).is_none() {
        errors.push(FieldError::invalid(name));
    }
}

fn published_at(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if js::truthy(value) && !value.as_str().is_some_and(is_timestamp) {
        errors.push(
            FieldError::invalid(name)
                .because("published_at date not in \"YYYY-MM-DDTHH:MM:SS(.SSS)Z\" format"),
        );
    }
}

/// Whether `text` has the form of an ISO 8601 time in UTC, with or without milliseconds.
fn is_timestamp(text: &str) -> bool {
    let fits = |pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    };
    fits("0000-00-00T00:00:00Z") || fits("0000-00-00T00:00:00.000Z")
}

fn state(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if !value.as_str().is_some_and(|state| STATES.contains(&state)) {
        errors.push(FieldError::invalid(name));
    }
}

fn public(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if as_boolean(value).is_none() {
        let message = format!("TypeError: invalid value for \"{name}\": {}", Compact(value));
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn image_type(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    choice(object, name, value, &TYPES, errors);
}

fn os(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    choice(object, name, value, &OSES, errors);
}

/// One of a few texts; the text "null" stands for one that is not known yet.
fn choice(
    object: &Object,
    name: &str,
    value: &Value,
    choices: &[&str],
    errors: &mut Vec<FieldError>,
) {
    let is_unknown = value == "null";
    let value = js::to_text(value);
    let message = if is_unknown {
        if matches!(object.text("state"), Some("creating" | "failed")) {
            return;
        }
        format!("invalid image {name}, \"null\"")
    } else if choices.contains(&value.as_str()) {
        return;
    } else {
        format!("invalid image {name}, \"{value}\", must be one of: {}", choices.join(", "))
    };
    errors.push(FieldError::invalid(name).because(message));
}

/// Fields that describe the hardware of a volume's guest say nothing for the others. Whether there is more to check.
fn is_of_volume(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) -> bool {
    if !js::truthy(value) || object.text("type") == Some("zvol") {
        return true;
    }
    // The known words, which say the reverse of what is meant; one of them has two blanks.
    let blanks = if name == "disk_driver" { "  " } else { " " };
    errors.push(FieldError::invalid(name).because(format!(
        "invalid image {name}: \"{}\" (cannot have a value{blanks}when image type is zvol)",
        js::to_text(value)
    )));
    false
}

fn driver(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if is_of_volume(object, name, value, errors) && !value.is_string() {
        let message =
            format!("invalid image {name}: \"{}\" (must be a string)", js::to_text(value));
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn image_size(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if is_of_volume(object, name, value, errors) && js::to_number(value).fract() != 0.0 {
        let message = format!(
            "invalid image {name}: \"{}\" (must be a positive integer)",
            js::to_text(value)
        );
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn files(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let mut refuse = |message: String| errors.push(FieldError::invalid(name).because(message));
    match value {
        Value::Array(files) => match files.as_slice() {
            [] => {}
            [file] => file_members(file, refuse),
            _ => refuse("invalid image \"files\": too many files".to_owned()),
        },
        other => {
            refuse(format!("invalid image \"files\" (not an array): {}", js::to_text(other)));
        }
    }
}

/// A file has a checksum, its size and its compression. SmartOS's imgadm knows SHA-1 alone.
fn file_members(file: &Value, mut refuse: impl FnMut(String)) {
    let mut need = |there: bool, member: &str| {
        if !there {
            refuse(format!("invalid image \"files\": file missing \"{member}\" field"));
        }
    };
    let is_text = |member: &str| file[member].as_str().is_some_and(|text| !text.is_empty());
    need(is_text("sha1") || is_text("sha256"), "sha1");
    need(file["size"].as_u64().is_some_and(|size| size > 0), "size");
    let compression = &file["compression"];
    need(js::truthy(compression), "compression");
    if js::truthy(compression)
        && !compression.as_str().is_some_and(|name| COMPRESSIONS.contains(&name))
    {
        refuse(format!(
            "invalid image \"files\": invalid compression \"{}\" (must be one of {})",
            js::to_text(compression),
            COMPRESSIONS.join(", ")
        ));
    }
}

/// The elements of an array field.
fn elements<'a>(name: &str, value: &'a Value, errors: &mut Vec<FieldError>) -> &'a [Value] {
    value.as_array().map_or_else(
        || {
            errors.push(not(name, "an array", value));
            [].as_slice()
        },
        Vec::as_slice,
    )
}

fn acl(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let bad = elements(name, value, errors)
        .iter()
        .enumerate()
        .find(|(_, element)| !element.as_str().is_some_and(is_uuid));
    if let Some((index, element)) = bad {
        errors.push(FieldError::invalid(name).because(format!(
            "invalid image \"acl\" (item {index} is not a UUID): {}",
            js::to_text(element)
        )));
    }
}

fn users(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    for user in elements(name, value, errors) {
        if !user.as_object().is_some_and(|user| user.len() == 1 && user.has("name")) {
            errors.push(bad_entry(name, user));
        }
    }
}

fn billing_tags(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    for tag in elements(name, value, errors) {
        if tag.as_str().is_none_or(|tag| tag.chars().count() > MAX_BILLING_TAG) {
            let message = format!("invalid image \"{name}\" entry : {}", js::to_text(tag));
            errors.push(FieldError::invalid(name).because(message));
        }
    }
}

fn texts(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    for element in elements(name, value, errors) {
        if !element.is_string() {
            errors.push(bad_entry(name, element));
        }
    }
}

fn inherited_directories(object: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if object.text("type") == Some("zone-dataset") {
        texts(object, name, value, errors);
    } else {
        errors.push(not_of_zones(name, value));
    }
}

fn not_of_zones(name: &str, value: &Value) -> FieldError {
    FieldError::invalid(name).because(format!(
        "invalid image \"{name}\" (only valid for a type:zone-dataset image): {}",
        Compact(value)
    ))
}

fn traits(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let Some(traits) = value.as_object() else {
        errors.push(not(name, "an object", value));
        return;
    };
    for (key, value) in traits {
        if !matches!(value, Value::String(_) | Value::Bool(_) | Value::Array(_)) {
            errors.push(
                FieldError::invalid(name).because(format!(
                    "invalid image \"{name}\" entry: ({key}, {})",
                    Compact(value)
                )),
            );
        }
    }
}

fn tags(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    if !value.is_object() {
        errors.push(not(name, "an object", value));
        return;
    }
    let length = crate::json::compact(value).chars().count();
    if length > MAX_TAGS {
        let message =
            format!("image \"tags\" object is too big: {length} characters (max {MAX_TAGS})");
        errors.push(FieldError::invalid(name).because(message));
    }
}
