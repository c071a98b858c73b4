//! Changes to the manifest of an image that is on the server.

use serde_json::{Value, json};

use super::catalog::{Catalog, Entry};
use super::publish::keep;
use super::read::Answer;
use super::refusal::Refusal;
use crate::image_manifest;

/// The fields that may be changed (IMGAPI, UpdateImage).
const MUTABLE: [&str; 21] = [
    "owner",
    "name",
    "version",
    "description",
    "homepage",
    "eula",
    "public",
    "type",
    "os",
    "acl",
    "requirements",
    "users",
    "billing_tags",
    "traits",
    "tags",
    "generate_passwords",
    "inherited_directories",
    "nic_driver",
    "disk_driver",
    "cpu_type",
    "image_size",
];

/// Sets fields of a manifest; `null` takes one away.
pub fn update(entry: &Entry, fields: &Value) -> Answer {
    let given = fields.as_object().filter(|given| !given.is_empty()).ok_or_else(|| {
        Refusal::validation("no attributes were provided to update the image with")
            .about("body", "MissingParameter")
    })?;
    let mut manifest = entry.manifest.clone();
    for (name, value) in given {
        if !MUTABLE.contains(&name.as_str()) {
            return Err(Refusal::validation(format!("invalid image update data: {name}"))
                .about(name, "NotAllowed"));
        }
        match (manifest.as_object_mut(), value) {
            (Some(manifest), Value::Null) => drop(manifest.shift_remove(name)),
            _ => manifest[name] = value.clone(),
        }
    }
    image_manifest::validate_minimal(&manifest)
        .map_err(|error| Refusal::validation(error.message()))?;
    keep(&entry.manifest_path, &manifest)
}

/// Takes an image out of use, or into it again. One that was never activated is not by this.
pub fn set_disabled(entry: &Entry, disabled: bool) -> Answer {
    let mut manifest = entry.manifest.clone();
    manifest["disabled"] = disabled.into();
    if ["active", "disabled"].contains(&entry.text("state")) {
        manifest["state"] = if disabled { "disabled" } else { "active" }.into();
    }
    keep(&entry.manifest_path, &manifest)
}

/// Puts an image into a further channel.
pub fn add_channel(catalog: &Catalog, entry: &Entry, fields: &Value) -> Answer {
    let name = fields.get("channel").and_then(Value::as_str).unwrap_or_default();
    let channels = catalog.channels();
    let known = channels.as_ref().and_then(Value::as_array);
    let is_known = known.is_some_and(|all| {
        all.iter().any(|channel| channel.get("name").and_then(Value::as_str) == Some(name))
    });
    if !is_known {
        return Err(
            Refusal::validation(format!("unknown channel: {name}")).about("channel", "Invalid")
        );
    }
    let mut manifest = entry.manifest.clone();
    let mut names = channels_of(entry);
    if !names.iter().any(|there| there == name) {
        names.push(name.into());
    }
    manifest["channels"] = names.into();
    keep(&entry.manifest_path, &manifest)
}

/// The manifest of an image that left a channel; none where it is in no other.
pub fn without_channel(entry: &Entry, channel: &str) -> Option<Value> {
    let mut names = channels_of(entry);
    names.retain(|name| name != channel);
    if names.is_empty() {
        return None;
    }
    let mut manifest = entry.manifest.clone();
    manifest["channels"] = json!(names);
    Some(manifest)
}

fn channels_of(entry: &Entry) -> Vec<Value> {
    entry.manifest.get("channels").and_then(Value::as_array).cloned().unwrap_or_default()
}
