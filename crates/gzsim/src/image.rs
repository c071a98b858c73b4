//! Images of the simulated systems, as their manifests describe them.

use serde_json::{Value, json};

/// An image and what its manifest says.
pub struct Image {
    pub uuid: &'static str,
    pub name: &'static str,
    /// `type` of the manifest.
    pub kind: &'static str,
    pub os: &'static str,
    /// What the manifest says beyond the common fields.
    pub more: fn() -> Value,
}

/// Nothing beyond the common fields.
pub fn nothing() -> Value {
    json!({})
}

impl Image {
    /// The manifest of an active, public image with one gzip file.
    pub fn manifest(&self, published_at: &str, sha1: &str, size: usize) -> Value {
        let mut manifest = json!({
            "v": 2,
            "uuid": self.uuid,
            "owner": "00000000-0000-0000-0000-000000000000",
            "name": self.name,
            "version": "1.0.0",
            "state": "active",
            "disabled": false,
            "public": true,
            "published_at": published_at,
            "type": self.kind,
            "os": self.os,
            "files": [{"sha1": sha1, "size": size, "compression": "gzip"}],
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut manifest, (self.more)()) {
            all.extend(more);
        }
        manifest
    }
}
