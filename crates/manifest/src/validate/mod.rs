//! Checks of a payload's shape: which properties it may and must have, and what their values may
//! be.
//!
//! The order and the names of what is reported are those that `vmadm validate` prints.

use std::fmt;

use serde_json::{Value, json};

use crate::action::Action;
use crate::brand::{Brand, Flavour};
use crate::facts::Facts;
use crate::fields::Fields;
use crate::json;
use crate::payload::Payload;
use crate::properties::{self, Kind, PROPERTIES, Property};

mod devices;
mod explain;
mod images;
pub mod value;

pub use devices::{PciSlot, parse_pci_slot};
pub use explain::{Explanation, explain};

/// A payload that validation refuses.
#[derive(Clone, Debug, PartialEq)]
pub enum Invalid {
    /// There is no such brand; the value as given, or the text `undefined` where there was none.
    Brand { brand: Value, flavour: Flavour },
    /// Properties are missing, wrong or not the brand's.
    Properties(Problems),
}

/// What is wrong with a payload, by name of the property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// Values of the wrong type or out of range, in payload order. A name may occur twice.
    pub bad_values: Vec<String>,
    /// Properties that the brand does not have, or not for this action.
    pub bad_properties: Vec<String>,
    /// Properties that the brand requires for this action.
    pub missing_properties: Vec<String>,
}

impl Problems {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.bad_values.is_empty()
            && self.bad_properties.is_empty()
            && self.missing_properties.is_empty()
    }

    fn bad_value(&mut self, name: &str) {
        push_once(&mut self.bad_values, name);
    }

    fn bad_property(&mut self, name: &str) {
        push_once(&mut self.bad_properties, name);
    }
}

fn push_once(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

impl Invalid {
    /// The verdict as `vmadm validate` prints it.
    pub fn to_json(&self) -> Value {
        match self {
            Invalid::Brand { brand, .. } => json!({ "bad_brand": brand }),
            Invalid::Properties(problems) => json!({
                "bad_values": problems.bad_values,
                "bad_properties": problems.bad_properties,
                "missing_properties": problems.missing_properties,
            }),
        }
    }
}

/// The verdict as indented JSON.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::pretty(&self.to_json()))
    }
}

impl std::error::Error for Invalid {}

/// Finds the brand that `value` names.
pub fn brand(value: Option<&Value>, flavour: Flavour) -> Result<Brand, Invalid> {
    let given = value.filter(|value| crate::js::truthy(value));
    given.and_then(Value::as_str).and_then(|name| Brand::of_flavour(name, flavour)).ok_or_else(
        || Invalid::Brand { brand: given.cloned().unwrap_or_else(|| "undefined".into()), flavour },
    )
}

/// Validates `payload` for `action` on a VM of `brand`.
///
/// Where it names images, what their manifests say is filled in: `disks.*.image_size`, `bootrom`
/// and the cloud-init data source in `internal_metadata`.
pub fn validate(
    action: Action,
    brand: Brand,
    payload: &mut Payload,
    facts: &Facts,
) -> Result<(), Invalid> {
    let mut problems = Problems::default();
    for (name, value) in payload.object() {
        check_property(name, value, action, brand, facts, &mut problems);
        check_elements(name, value, brand, facts, &mut problems);
    }
    devices::check_disk_sources(brand, payload, &mut problems);
    devices::check_pci_devices(brand, facts.flavour, payload, &mut problems);
    check_required(action, brand, payload, &mut problems);
    images::check(brand, payload, facts, &mut problems);
    devices::check_refreservations(payload, &mut problems);
    if problems.is_empty() { Ok(()) } else { Err(Invalid::Properties(problems)) }
}

/// The message of a valid payload. `brand` is the name the caller validated for.
pub fn valid_message(action: Action, brand: Brand) -> String {
    format!("VALID '{action}' payload for {brand} brand VMs.")
}

fn check_property(
    name: &str,
    value: &Value,
    action: Action,
    brand: Brand,
    facts: &Facts,
    problems: &mut Problems,
) {
    let property = properties::find_on(name, facts.flavour);
    if !property.is_some_and(|property| property.allows(action, brand, facts.flavour)) {
        problems.bad_property(name);
    }
    let Some(property) = property else { return };
    if value::is_good(property, value, facts) {
        return;
    }
    // Integers are the only type that is reported each time it occurs.
    if property.kind == Some(Kind::Integer) {
        problems.bad_values.push(name.to_owned());
    } else {
        problems.bad_value(name);
    }
}

/// Checks the members of each element of an object array against the rows of the array.
fn check_elements(name: &str, value: &Value, brand: Brand, facts: &Facts, problems: &mut Problems) {
    let Some(array) = properties::find(name).and_then(element_array) else {
        return;
    };
    let Some(elements) = value.as_array() else {
        return;
    };
    let action = if name.starts_with("update_") { Action::Update } else { Action::Create };
    for element in elements {
        for (key, value) in members(element) {
            check_property(&format!("{array}.*.{key}"), value, action, brand, facts, problems);
        }
    }
}

/// The name that the elements of an object array have in the table.
fn element_array(property: &'static Property) -> Option<&'static str> {
    (property.kind == Some(Kind::ObjectArray)).then(|| property.checked_as.unwrap_or(property.name))
}

/// The members of an object, or of an array by index.
pub(crate) fn members(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    }
}

fn check_required(action: Action, brand: Brand, payload: &Payload, problems: &mut Problems) {
    if action == Action::Update {
        return;
    }
    for property in PROPERTIES {
        if property.required.contains(brand) && !payload.has(property.name) {
            problems.missing_properties.push(property.name.to_owned());
        }
    }
}
