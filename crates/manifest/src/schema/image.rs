//! The schema of image manifests.

use serde_json::{Value, json};

use super::document;
use crate::fields::Fields;
use crate::image::{COMPRESSIONS, OSES, STATES, TYPES};

/// The schema of image manifests as imgadm installs them.
pub fn image() -> Value {
    let uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    let stamps = json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "pattern": "^[0-9]{8}T[0-9]{6}Z$" },
    });
    let file = json!({
        "type": "object",
        "required": ["size", "compression"],
        "anyOf": [{ "required": ["sha1"] }, { "required": ["sha256"] }],
        "properties": {
            "sha1": { "type": "string", "description": "SHA-1 of the stored bytes." },
            "sha256": { "type": "string", "description": "SHA-256 of the stored bytes." },
            "size": { "type": "integer", "minimum": 1, "description": "Bytes, as stored." },
            "compression": { "enum": COMPRESSIONS },
            "dataset_guid": { "type": "string" },
            "digest": { "type": "string" },
            "uncompressedDigest": { "type": "string" },
        },
    });
    let requirements = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "networks": { "type": "array", "items": {
                "type": "object", "required": ["name", "description"], "maxProperties": 2,
            } },
            "brand": { "type": "string" },
            "ssh_key": { "type": "boolean" },
            "min_ram": { "type": "integer", "description": "MiB." },
            "max_ram": { "type": "integer", "description": "MiB." },
            "min_platform": stamps,
            "max_platform": stamps,
            "bootrom": { "enum": ["bios", "uefi"], "description": "Only with brand bhyve." },
        },
    });
    let mut schema = document(
        "image.schema.json",
        "Image manifest",
        "Version 2 of the manifest that describes an image.",
    );
    schema.set("required", ["v", "uuid", "name", "version", "type", "os"].as_slice());
    schema.set("properties", json!({
        "v": { "type": "integer", "minimum": 0, "description": "Version of the manifest's layout." },
        "uuid": { "type": "string", "pattern": uuid },
        "urn": { "type": "string" },
        "owner": { "type": "string", "pattern": uuid },
        "name": { "type": "string", "maxLength": 1024, "pattern": "^[A-Za-z0-9._/ -]+$" },
        "version": { "type": "string", "maxLength": 512, "pattern": "^[A-Za-z0-9._/+-]+$" },
        "description": { "type": "string", "maxLength": 10240 },
        "homepage": { "type": "string", "maxLength": 1024, "pattern": "^[hH][tT][tT][pP][sS]?:" },
        "eula": { "type": "string", "maxLength": 1024, "pattern": "^[hH][tT][tT][pP][sS]?:" },
        "disabled": { "type": "boolean" },
        "activated": { "type": "boolean" },
        "published_at": {
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$",
        },
        "state": { "enum": STATES },
        "public": { "type": "boolean" },
        "type": { "enum": TYPES },
        "os": { "enum": OSES },
        "origin": {
            "type": "string", "pattern": uuid,
            "description": "The image that this one's stream is incremental to.",
        },
        "error": { "type": "object" },
        "files": { "type": "array", "maxItems": 1, "items": file },
        "icon": { "type": "boolean" },
        "acl": { "type": "array", "items": { "type": "string", "pattern": uuid } },
        "requirements": requirements,
        "users": { "type": "array", "items": {
            "type": "object", "required": ["name"], "maxProperties": 1,
        } },
        "billing_tags": { "type": "array", "items": { "type": "string", "maxLength": 128 } },
        "traits": { "type": "object", "additionalProperties": { "type": ["string", "boolean", "array"] } },
        "tags": { "type": "object" },
        "generate_passwords": { "type": "boolean" },
        "inherited_directories": { "type": "array", "items": { "type": "string" } },
        "nic_driver": { "type": "string" },
        "disk_driver": { "type": "string" },
        "cpu_type": { "type": "string" },
        "image_size": { "type": "integer", "minimum": 0, "description": "MiB; for type zvol." },
        "channels": { "type": "array", "items": { "type": "string" } },
    }));
    schema.set("additionalProperties", false);
    schema.into()
}
