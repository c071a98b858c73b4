//! The checks that a manifest made by an operator has to pass.

use serde_json::{Map, Value};

use crate::errors::{Error, Result};

/// Placeholder-free minimum: the fields without which an image cannot be used.
const REQUIRED: [&str; 6] = ["v", "uuid", "name", "version", "type", "os"];

/// Checks a manifest; the error names every field that is missing or wrong.
pub fn minimal(manifest: &Value) -> Result<()> {
    let Value::Object(fields) = manifest else {
        return Err(Error::invalid_manifest("it is not a JSON object"));
    };
    let problems = problems(fields);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::new("ManifestValidation", format!("invalid manifest: {}", problems.join(", "))))
}

fn problems(fields: &Map<String, Value>) -> Vec<String> {
    REQUIRED
        .iter()
        .filter(|name| !fields.contains_key(**name))
        .map(|name| format!("{name} (MissingParameter)"))
        .collect()
}
