//! The checked-in JSON Schema files are those that the property table gives.

mod common;

use std::fs;
use std::path::Path;

use common::TestResult;
use manifest::{json, schema};

#[test]
fn files_are_up_to_date() -> TestResult {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    for (name, contents) in schema::all() {
        let file = fs::read_to_string(directory.join(name))?;
        assert!(file == json::pretty(&contents) + "\n", "{name}: run cargo xtask schemas");
    }
    Ok(())
}

#[test]
fn brands_have_their_own_rules() {
    let create = schema::vm_create();
    let rules = create["allOf"].as_array().cloned().unwrap_or_default();
    let of = |brand: &str| {
        rules
            .iter()
            .find(|rule| rule["if"]["properties"]["brand"]["const"] == brand)
            .map(|rule| rule["then"].clone())
    };
    assert_eq!(
        of("lx").unwrap_or_default()["required"],
        serde_json::json!(["brand", "image_uuid", "kernel_version"])
    );
    let bhyve = of("bhyve").unwrap_or_default();
    assert!(bhyve.get("required").is_none());
    assert!(
        bhyve["propertyNames"]["anyOf"][0]["enum"]
            .as_array()
            .is_some_and(|names| names.contains(&"bootrom".into()))
    );
    assert!(create["properties"]["nics"]["items"]["properties"].get("mac").is_some());
    assert!(schema::vm_update()["properties"].get("brand").is_none());
    assert!(schema::vm_object()["properties"].get("state").is_some());
    assert!(schema::vm_object()["properties"].get("add_nics").is_none());
}
