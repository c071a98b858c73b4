//! JSON Schemas (draft 2020-12) of payloads, VM objects and image manifests, made from the property
//! table.
//!
//! The schemas of payloads are as loose as vmadm: numbers and booleans may be texts, lists may be
//! texts with commas.

use serde_json::{Value, json};

use crate::action::Action;
use crate::brand::{Brand, BrandSet, Flavour};
use crate::fields::{Fields, Object};
use crate::properties::{self, Kind, PROPERTIES, Property};

mod image;
mod object;
mod types;

pub use image::image;
pub use object::vm_object;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const BASE: &str = "https://zonekit.org/schemas/";

/// The files of the `schemas` directory with their contents.
pub fn all() -> [(&'static str, Value); 4] {
    [
        ("vm-create.schema.json", vm_create()),
        ("vm-update.schema.json", vm_update()),
        ("vm-object.schema.json", vm_object()),
        ("image.schema.json", image()),
    ]
}

fn document(file: &str, title: &str, description: &str) -> Object {
    let mut schema = Object::new();
    schema.set("$schema", DRAFT);
    schema.set("$id", format!("{BASE}{file}"));
    schema.set("title", title);
    schema.set("description", description);
    schema.set("type", "object");
    schema
}

/// The schema of create payloads: what each brand may and must have.
pub fn vm_create() -> Value {
    let mut schema = document(
        "vm-create.schema.json",
        "VM create payload",
        "What vmadm create takes. Without a brand it makes a joyent VM. Keys that start with __ are comments.",
    );
    schema.set("properties", payload_properties(Action::Create));
    let brands = Brand::ALL.into_iter().map(|brand| {
        json!({
            "if": { "properties": { "brand": { "const": brand.as_str() } }, "required": ["brand"] },
            "then": brand_rules(brand),
        })
    });
    schema.set("allOf", brands.collect::<Vec<_>>());
    schema.into()
}

/// What payloads of one brand may and must have.
fn brand_rules(brand: Brand) -> Value {
    let names = |fits: &dyn Fn(&Property) -> bool| -> Vec<&str> {
        let top_level = PROPERTIES.iter().filter(|property| property.nested().is_none());
        top_level.filter(|property| fits(property)).map(|property| property.name).collect()
    };
    let mut rules = Object::new();
    let required = names(&|property| property.required.contains(brand));
    if !required.is_empty() {
        rules.set("required", required);
    }
    let allowed = names(&|property| property.allows(Action::Create, brand, Flavour::OmniOs));
    rules.set("propertyNames", json!({ "anyOf": [{ "enum": allowed }, { "pattern": "^__" }] }));
    rules.into()
}

/// The schema of update payloads.
pub fn vm_update() -> Value {
    let mut schema = document(
        "vm-update.schema.json",
        "VM update payload",
        "What vmadm update takes. Null and the empty string unset a property. Keys that start with __ are comments.",
    );
    schema.set("properties", payload_properties(Action::Update));
    schema.set("patternProperties", json!({ "^__": true }));
    schema.set("additionalProperties", false);
    schema.into()
}

fn payload_properties(action: Action) -> Value {
    let mut members = Object::new();
    for property in PROPERTIES.iter().filter(|property| property.nested().is_none()) {
        if !on_any(property, action).is_empty() {
            members.set(property.name, payload_property(property, action));
        }
    }
    members.into()
}

/// The brands whose payloads may have the property, on one system or the other.
fn on_any(property: &Property, action: Action) -> BrandSet {
    property.brands(action).union(property.also_on_omnios(action))
}

fn payload_property(property: &Property, action: Action) -> Value {
    let mut schema = described(property);
    note_brands(&mut schema, on_any(property, action));
    if property.kind == Some(Kind::ObjectArray) {
        let update = property.name.starts_with("update_");
        let element_action = if update { Action::Update } else { Action::Create };
        schema.set("type", "array");
        schema.set("items", element(property.checked_as.unwrap_or(property.name), element_action));
    } else {
        schema.extend(types::of_payload(property));
    }
    schema.into()
}

/// The schema of the elements of an object array.
fn element(array: &str, action: Action) -> Value {
    let mut members = Object::new();
    for property in properties::nested(array) {
        if let Some((_, name)) = property.nested()
            && !on_any(property, action).is_empty()
        {
            members.set(name, payload_property(property, action));
        }
    }
    let mut schema = Object::new();
    schema.set("type", "object");
    if action == Action::Update
        && let Some(key) = properties::element_key(array)
    {
        schema.set("required", vec![key]);
    }
    schema.set("properties", members);
    schema.into()
}

/// The parts that say what a property is, not what it may be.
fn described(property: &Property) -> Object {
    let mut schema = Object::new();
    schema.set("description", property.doc);
    if property.deprecated {
        schema.set("deprecated", true);
    }
    if let Some(default) = property.default_text {
        schema.set("x-default", default);
    }
    schema
}

/// Notes the brands unless all have the property.
fn note_brands(schema: &mut Object, brands: BrandSet) {
    if Brand::ALL.into_iter().all(|brand| brands.contains(brand)) {
        return;
    }
    let names = |flavour: Flavour| {
        brands.iter().filter(move |brand| brand.exists_on(flavour)).map(Brand::as_str)
    };
    let mut all: Vec<&str> = names(Flavour::SmartOs).collect();
    let others: Vec<&str> = names(Flavour::OmniOs).filter(|name| !all.contains(name)).collect();
    all.extend(others);
    schema.set("x-brands", all);
}
