//! Image manifests, version 2, as IMGAPI servers give them and imgadm stores them.

use crate::fields::{Fields, Object, object_type};

mod requirements;
mod rules;
mod validate;

pub use requirements::is_platform_stamp;
pub use validate::{FieldError, Mode, Problem, message, validate, validate_minimal};

/// Values of `type`.
pub const TYPES: [&str; 5] = ["zone-dataset", "zvol", "lx-dataset", "docker", "other"];
/// Values of `os`.
pub const OSES: [&str; 6] = ["smartos", "linux", "windows", "bsd", "illumos", "other"];
/// Values of `files.*.compression`.
pub const COMPRESSIONS: [&str; 4] = ["gzip", "bzip2", "xz", "none"];
/// Values of `state`.
pub const STATES: [&str; 5] = ["active", "unactivated", "disabled", "failed", "creating"];

object_type! {
    /// An image manifest. It keeps every field, known or not, in the order given.
    ImageManifest
}

/// A file of an image: the ZFS stream that it is installed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFile {
    /// Bytes, as stored on the server.
    pub size: Option<u64>,
    /// Hexadecimal SHA-1 of the stored bytes.
    pub sha1: Option<String>,
    /// Hexadecimal SHA-256 of the stored bytes.
    pub sha256: Option<String>,
    /// `gzip`, `bzip2`, `xz` or `none`.
    pub compression: Option<String>,
    /// Name of the ZFS snapshot's GUID as a decimal text, where the server knows it.
    pub dataset_guid: Option<String>,
}

impl ImageManifest {
    pub fn uuid(&self) -> &str {
        self.text("uuid").unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    pub fn version(&self) -> &str {
        self.text("version").unwrap_or_default()
    }

    /// The `type` field, such as `zone-dataset`.
    pub fn image_type(&self) -> &str {
        self.text("type").unwrap_or_default()
    }

    pub fn os(&self) -> &str {
        self.text("os").unwrap_or_default()
    }

    /// The image that this one's stream is incremental to.
    pub fn origin(&self) -> Option<&str> {
        self.text("origin")
    }

    /// Size of the volume in MiB, for zvol images.
    pub fn image_size(&self) -> Option<i64> {
        self.integer("image_size")
    }

    pub fn requirements(&self) -> Option<&Object> {
        self.map("requirements")
    }

    /// The first file; images have at most one.
    pub fn file(&self) -> Option<ImageFile> {
        let file = self.objects("files").next()?;
        let text = |key: &str| file.text(key).map(str::to_owned);
        Some(ImageFile {
            size: file.integer("size").and_then(|size| size.try_into().ok()),
            sha1: text("sha1"),
            sha256: text("sha256"),
            compression: text("compression"),
            dataset_guid: text("dataset_guid"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accessors_read_the_fields() {
        let manifest: ImageManifest = serde_json::from_value(json!({
            "v": 2, "uuid": "u", "type": "zvol", "image_size": 10240, "x-mine": 1,
            "files": [{"sha1": "abc", "size": 5, "compression": "gzip"}],
        }))
        .unwrap_or_default();
        assert_eq!((manifest.uuid(), manifest.image_type()), ("u", "zvol"));
        assert_eq!(manifest.image_size(), Some(10240));
        assert_eq!(manifest.origin(), None);
        let file = manifest.file().unwrap_or_default();
        assert_eq!((file.size, file.compression.as_deref()), (Some(5), Some("gzip")));
        assert!(manifest.has("x-mine"));
    }
}
