//! The rule of each field of an image manifest.

use serde_json::Value;

use super::requirements;
use super::validate::{FieldError, Mode};
use super::{COMPRESSIONS, OSES, STATES, TYPES};
use crate::fields::{Fields, Object};
use crate::js;
use crate::json::Compact;
use crate::validate::value::is_uuid;

/// Checks one field of a manifest and adds what is wrong.
pub(super) type Rule = fn(&Object, &str, Mode, &mut Vec<FieldError>);

pub(super) struct Field {
    pub name: &'static str,
    pub rule: Rule,
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
    field("channels", channels),
];

const MAX_NAME: usize = 1024;
const MAX_VERSION: usize = 512;
const MAX_DESCRIPTION: usize = 10 * 1024;
const MAX_URL: usize = 1024;
const MAX_BILLING_TAG: usize = 128;
const MAX_TAGS: usize = 100 * 1024;

/// The value of a field that must be there.
fn present<'a>(object: &'a Object, name: &str, errors: &mut Vec<FieldError>) -> Option<&'a Value> {
    let value = object.value(name);
    if value.is_none() {
        errors.push(FieldError::missing(name));
    }
    value
}

fn version_number(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    let number = js::to_number(value);
    if number.is_nan() || number < 0.0 {
        errors.push(FieldError::invalid(name).because("\"v\" must be a positive integer"));
    }
}

fn uuid(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = present(object, name, errors)
        && !value.as_str().is_some_and(is_uuid)
    {
        errors.push(FieldError::invalid(name));
    }
}

fn text(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if present(object, name, errors).is_some_and(|value| !value.is_string()) {
        errors.push(FieldError::invalid(name));
    }
}

fn object(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = present(object, name, errors)
        && !matches!(value, Value::Object(_) | Value::Array(_) | Value::Null)
    {
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

fn name(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    let text = js::to_text(value);
    if text.chars().count() > MAX_NAME {
        let message = format!("image name is too long, max {MAX_NAME} characters");
        errors.push(FieldError::invalid(name).because(message));
    } else if !is_made_of(&text, "._/ -") {
        errors.push(FieldError::invalid(name).because(
            "image name has invalid characters (only alpha-numeric characters and \" \", \".\", \
             \"-\", \"_\" and \"/\" are allowed)",
        ));
    }
}

fn version(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    let text = js::to_text(value);
    if text.chars().count() > MAX_VERSION {
        let message = format!("image version is too long, max {MAX_VERSION} characters");
        errors.push(FieldError::invalid(name).because(message));
    } else if !is_made_of(&text, "._/+-") {
        errors.push(FieldError::invalid(name).because(
            "image version has invalid characters (only alpha-numeric characters and \".\", \
             \"-\", \"_\" and \"/\" are allowed)",
        ));
    }
}

fn is_made_of(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn description(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    if value.as_str().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        let message = format!("image description is too long, max {MAX_DESCRIPTION} characters");
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn web_address(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
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

fn boolean(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = present(object, name, errors)
        && as_boolean(value).is_none()
    {
        errors.push(FieldError::invalid(name));
    }
}

fn is_activated(object: &Object) -> bool {
    object.value("activated").and_then(as_boolean) == Some(true)
}

fn published_at(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    match object.value(name) {
        None if is_activated(object) => errors.push(
            FieldError::missing(name)
                .because("if activated is \"true\" published_at must be present"),
        ),
        Some(value) if js::truthy(value) && !value.as_str().is_some_and(is_timestamp) => {
            errors.push(
                FieldError::invalid(name)
                    .because("published_at date not in \"YYYY-MM-DDTHH:MM:SS(.SSS)Z\" format"),
            );
        }
        _ => {}
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

fn state(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = present(object, name, errors)
        && !value.as_str().is_some_and(|state| STATES.contains(&state))
    {
        errors.push(FieldError::invalid(name));
    }
}

fn public(object: &Object, name: &str, mode: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    let error = FieldError::invalid(name);
    match (as_boolean(value), mode) {
        (None, _) => {
            let message = format!("TypeError: invalid value for \"{name}\": {}", Compact(value));
            errors.push(error.because(message));
        }
        (Some(false), Mode::Public) => {
            errors.push(error.because("private images are not allowed on a public Images API"));
        }
        (Some(true), Mode::Private) => {
            errors.push(error.because("public images are not allowed on a private Images API"));
        }
        _ => {}
    }
}

fn image_type(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    choice(object, name, &TYPES, errors);
}

fn os(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    choice(object, name, &OSES, errors);
}

/// One of a few texts; "null" stands for one that is not known yet.
fn choice(object: &Object, name: &str, choices: &[&str], errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
    let value = js::to_text(value);
    let message = if value == "null" {
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

/// Fields that describe the hardware of a volume's guest: required for volumes, refused for the
/// others.
fn of_volumes<'a>(
    object: &'a Object,
    name: &str,
    errors: &mut Vec<FieldError>,
) -> Option<&'a Value> {
    let volume = object.text("type") == Some("zvol");
    match object.value(name) {
        None if volume => errors.push(FieldError::missing(name)),
        None => {}
        Some(value) if js::truthy(value) && !volume => {
            let message = format!(
                "invalid image {name}: \"{}\" (only images of type zvol have one)",
                js::to_text(value)
            );
            errors.push(FieldError::invalid(name).because(message));
        }
        Some(value) => return Some(value),
    }
    None
}

fn driver(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = of_volumes(object, name, errors)
        && !value.is_string()
    {
        let message =
            format!("invalid image {name}: \"{}\" (must be a string)", js::to_text(value));
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn image_size(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    if let Some(value) = of_volumes(object, name, errors)
        && js::to_number(value).fract() != 0.0
    {
        let message = format!(
            "invalid image {name}: \"{}\" (must be a positive integer)",
            js::to_text(value)
        );
        errors.push(FieldError::invalid(name).because(message));
    }
}

fn files(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let mut refuse = |message: String| errors.push(FieldError::invalid(name).because(message));
    match object.value(name) {
        None if is_activated(object) => errors.push(
            FieldError::missing(name).because("if activated is \"true\" files must be present"),
        ),
        None => {}
        Some(Value::Array(files)) => match files.as_slice() {
            [] => {}
            [file] => file_members(file, refuse),
            _ => refuse("invalid image \"files\": too many files".to_owned()),
        },
        Some(other) => {
            refuse(format!("invalid image \"files\" (not an array): {}", js::to_text(other)));
        }
    }
}

fn file_members(file: &Value, mut refuse: impl FnMut(String)) {
    for member in ["sha1", "size", "compression"] {
        if !file.get(member).is_some_and(js::truthy) {
            refuse(format!("invalid image \"files\": file missing \"{member}\" field"));
        }
    }
    if let Some(value) = file.get("compression").filter(|value| js::truthy(value))
        && !value.as_str().is_some_and(|name| COMPRESSIONS.contains(&name))
    {
        refuse(format!(
            "invalid image \"files\": invalid compression \"{}\" (must be one of {})",
            js::to_text(value),
            COMPRESSIONS.join(", ")
        ));
    }
}

/// The elements of an array field.
fn elements<'a>(object: &'a Object, name: &str, errors: &mut Vec<FieldError>) -> &'a [Value] {
    match present(object, name, errors) {
        Some(Value::Array(elements)) => elements,
        Some(other) => {
            errors.push(not(name, "an array", other));
            &[]
        }
        None => &[],
    }
}

fn acl(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let bad = elements(object, name, errors)
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

fn users(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    for user in elements(object, name, errors) {
        if !user.as_object().is_some_and(|user| user.len() == 1 && user.has("name")) {
            errors.push(bad_entry(name, user));
        }
    }
}

fn billing_tags(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    for tag in elements(object, name, errors) {
        if tag.as_str().is_none_or(|tag| tag.chars().count() > MAX_BILLING_TAG) {
            let message = format!("invalid image \"{name}\" entry : {}", js::to_text(tag));
            errors.push(FieldError::invalid(name).because(message));
        }
    }
}

fn texts(object: &Object, name: &str, errors: &mut Vec<FieldError>) {
    for element in elements(object, name, errors) {
        if !element.is_string() {
            errors.push(bad_entry(name, element));
        }
    }
}

fn channels(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    texts(object, name, errors);
}

fn inherited_directories(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    match object.value(name) {
        Some(value) if object.text("type") != Some("zone-dataset") => {
            errors.push(not_of_zones(name, value));
        }
        _ => texts(object, name, errors),
    }
}

fn not_of_zones(name: &str, value: &Value) -> FieldError {
    FieldError::invalid(name).because(format!(
        "invalid image \"{name}\" (only valid for a type:zone-dataset image): {}",
        Compact(value)
    ))
}

fn traits(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    match present(object, name, errors) {
        Some(Value::Object(traits)) => {
            for (key, value) in traits {
                if !matches!(value, Value::String(_) | Value::Bool(_) | Value::Array(_)) {
                    errors.push(FieldError::invalid(name).because(format!(
                        "invalid image \"{name}\" entry: ({key}, {})",
                        Compact(value)
                    )));
                }
            }
        }
        Some(other) => errors.push(not(name, "an object", other)),
        None => {}
    }
}

fn tags(object: &Object, name: &str, _: Mode, errors: &mut Vec<FieldError>) {
    let Some(value) = present(object, name, errors) else { return };
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
