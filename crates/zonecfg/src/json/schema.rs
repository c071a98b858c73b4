//! The JSON Schema of a zone's configuration.

use serde_json::{Value, json};

/// The schema of what `export --json` prints and `apply` takes.
pub fn schema() -> Value {
    let text = json!({ "type": "string" });
    let property = json!({
        "type": "array",
        "items": object(&json!({ "name": text, "value": text }), &["name", "value"]),
    });
    let mut properties = json!({
        "zonename": {
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            "maxLength": 63,
        },
        "zonepath": { "type": "string", "pattern": "^/", "maxLength": 1023 },
        "brand": text,
        "autoboot": { "type": "boolean", "default": false },
        "bootargs": { "type": "string", "maxLength": 255 },
        "pool": text,
        "limitpriv": text,
        "scheduling-class": text,
        "ip-type": { "enum": ["shared", "exclusive"], "default": "shared" },
        "hostid": { "type": "string", "pattern": "^(0[xX])?[0-9A-Fa-f]{1,8}$" },
        "fs-allowed": { "type": "string", "pattern": "^([A-Za-z0-9-]+(,[A-Za-z0-9-]+)*)?$" },
        "uuid": { "type": "string", "format": "uuid" },
    });
    let lists = [
        (
            "fs",
            object(
                &json!({
                    "dir": { "type": "string", "pattern": "^/" },
                    "special": text,
                    "raw": { "type": "string", "pattern": "^/" },
                    "type": { "type": "string", "maxLength": 15 },
                    "options": { "type": "array", "items": text },
                }),
                &["dir", "special", "type"],
            ),
        ),
        (
            "net",
            object(
                &json!({
                    "address": text,
                    "allowed-address": text,
                    "physical": { "type": "string", "maxLength": 31 },
                    "defrouter": text,
                    "mac-addr": { "type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2})*$" },
                    "vlan-id": { "type": ["string", "integer"] },
                    "global-nic": { "type": "string", "maxLength": 31 },
                    "property": property,
                }),
                &["physical"],
            ),
        ),
        ("device", object(&json!({ "match": text, "property": property }), &["match"])),
        (
            "rctl",
            object(
                &json!({
                    "name": { "type": "string", "pattern": "^zone\\.[A-Za-z-]+$" },
                    "value": {
                        "type": "array",
                        "minItems": 1,
                        "items": object(
                            &json!({
                                "priv": { "const": "privileged" },
                                "limit": { "type": ["string", "integer"] },
                                "action": { "enum": ["none", "deny"] },
                            }),
                            &["priv", "limit", "action"],
                        ),
                    },
                }),
                &["name", "value"],
            ),
        ),
        (
            "attr",
            object(
                &json!({
                    "name": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9.-]*$" },
                    "type": { "enum": ["string", "int", "uint", "boolean"] },
                    "value": text,
                }),
                &["name", "type", "value"],
            ),
        ),
        ("dataset", object(&json!({ "name": text }), &["name"])),
        ("admin", object(&json!({ "user": text, "auths": text }), &["user", "auths"])),
    ];
    for (name, items) in lists {
        properties[name] = json!({ "type": "array", "items": items });
    }
    properties["dedicated-cpu"] = object(
        &json!({
            "ncpus": { "type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?$" },
            "importance": { "type": ["string", "integer"] },
        }),
        &["ncpus"],
    );
    properties["security-flags"] =
        object(&json!({ "default": text, "lower": text, "upper": text }), &[]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://zonekit.org/schemas/zone.schema.json",
        "title": "Zone configuration",
        "description": "What `zonecfg export --json` prints and `zonecfg apply` takes. Names are those of \
            the command language; limits of memory and processors are resource controls.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn object(properties: &Value, required: &[&str]) -> Value {
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = required.iter().copied().collect();
    }
    object["additionalProperties"] = Value::from(false);
    object
}
