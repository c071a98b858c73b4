//! Validation of image manifests, as imgadm and IMGAPI servers do it.

use std::fmt;

use super::rules::FIELDS;
use crate::fields::Object;

/// Why a field is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// It is wrong.
    Invalid,
}

impl Problem {
    /// The code that IMGAPI answers with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Problem::Missing => "MissingParameter",
            Problem::Invalid => "Invalid",
        }
    }
}

/// A field that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name; of a requirement, `requirements.NAME`.
    pub field: String,
    /// Why it is refused.
    pub problem: Problem,
    /// What is wrong, where the field's name does not say it all.
    pub message: Option<String>,
}

impl FieldError {
    pub(super) fn missing(field: &str) -> FieldError {
        FieldError { field: field.to_owned(), problem: Problem::Missing, message: None }
    }

    pub(super) fn invalid(field: &str) -> FieldError {
        FieldError { field: field.to_owned(), problem: Problem::Invalid, message: None }
    }

    pub(super) fn because(mut self, message: impl Into<String>) -> FieldError {
        self.message = Some(message.into());
        self
    }
}

/// The field, with the message or the code in brackets, as imgadm prints it.
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, self.problem) {
            (Some(message), _) => write!(f, "{} ({message})", self.field),
            (None, Problem::Invalid) => f.write_str(&self.field),
            (None, problem) => write!(f, "{} ({})", self.field, problem.as_str()),
        }
    }
}

/// The text of imgadm's ManifestValidation error.
pub fn message(errors: &[FieldError]) -> String {
    let errors: Vec<String> = errors.iter().map(FieldError::to_string).collect();
    format!("invalid manifest: {}", errors.join(", "))
}

/// The fields that every manifest needs.
const REQUIRED: [&str; 6] = ["v", "uuid", "name", "version", "type", "os"];

/// Checks what installing an image needs of its manifest.
///
/// # Errors
/// Every field that is missing or wrong: the required ones first, then the others that are there, then those that
/// nobody knows.
pub fn validate(manifest: &Object) -> Result<(), Vec<FieldError>> {
    let mut errors = Vec::new();
    let (required, optional): (Vec<_>, Vec<_>) =
        FIELDS.iter().partition(|field| REQUIRED.contains(&field.name));
    for field in required.into_iter().chain(optional) {
        match manifest.get(field.name) {
            Some(value) => (field.rule)(manifest, field.name, value, &mut errors),
            None if REQUIRED.contains(&field.name) => errors.push(FieldError::missing(field.name)),
            None => {}
        }
    }
    let unknown = manifest.keys().filter(|key| !FIELDS.iter().any(|field| field.name == **key));
    errors.extend(unknown.map(|key| FieldError::invalid(key)));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn base() -> Object {
        let base = json!({
            "v": 2, "uuid": "01b2c898-945f-11e1-a523-af1afbe22822", "name": "base", "version": "1.0",
            "type": "zone-dataset", "os": "smartos",
        });
        base.as_object().cloned().unwrap_or_default()
    }

    /// The message for the base manifest with `changes` made to it; null takes a field out.
    fn verdict(changes: Value) -> String {
        let mut manifest = base();
        for (key, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                manifest.shift_remove(key);
            } else {
                manifest.insert(key.clone(), value.clone());
            }
        }
        validate(&manifest).map_or_else(|errors| message(&errors), |()| "good".to_owned())
    }

    #[test]
    fn the_least_is_enough_for_imgadm() {
        assert_eq!(verdict(json!({})), "good");
        assert_eq!(
            verdict(json!({"v": null, "os": null})),
            "invalid manifest: v (MissingParameter), os (MissingParameter)"
        );
        assert_eq!(verdict(json!({"uuid": "X"})), "invalid manifest: uuid");
        assert_eq!(verdict(json!({"x-mine": 1})), "invalid manifest: x-mine");
    }

    #[test]
    fn types_decide_what_else_is_needed() {
        assert_eq!(verdict(json!({"type": "zvol"})), "good", "only servers ask for drivers");
        assert_eq!(
            verdict(json!({"image_size": 5})),
            "invalid manifest: image_size (invalid image image_size: \"5\" (cannot have a value when image type is zvol))"
        );
        assert_eq!(
            verdict(json!({"type": "zvol", "image_size": "x"})),
            "invalid manifest: image_size (invalid image image_size: \"x\" (must be a positive integer))"
        );
    }

    #[test]
    fn fields_have_their_forms() {
        for (field, value, wrong) in [
            ("published_at", json!("2020"), "published_at (published_at date not in"),
            ("homepage", json!("ftp://x"), "homepage (invalid image homepage URL protocol)"),
            ("acl", json!(["x"]), "acl (invalid image \"acl\" (item 0 is not a UUID): x)"),
            ("os", json!(1), "os (invalid image os, \"1\", must be one of"),
            ("nic_driver", json!("v"), "nic_driver (invalid image nic_driver: \"v\" (cannot have"),
            ("tags", json!([]), "tags (invalid image \"tags\" (not an object): [])"),
            ("traits", json!({"a": 1}), "traits (invalid image \"traits\" entry: (a, 1))"),
            ("channels", json!([5]), "channels (invalid image \"channels\" entry: 5)"),
            ("users", json!([{}]), "users (invalid image \"users\" entry: {})"),
            ("icon", json!(5), "icon"),
        ] {
            let verdict = verdict(json!({field: value}));
            assert!(verdict.starts_with(&format!("invalid manifest: {wrong}")), "{verdict}");
        }
        for value in [json!("2020-01-02T00:00:00Z"), json!("2020-01-02T00:00:00.123Z")] {
            assert_eq!(verdict(json!({"published_at": value})), "good");
        }
        let text = serde_json::from_str(r#"{"v": 2, "name": null}"#).unwrap_or_default();
        let errors = validate(&text).unwrap_err();
        assert!(errors.iter().any(|error| error.field == "name"), "null is no name: {errors:?}");
    }

    #[test]
    fn names_have_letters_and_lengths() {
        assert!(verdict(json!({"name": "a*b"})).contains("invalid characters"));
        assert!(verdict(json!({"name": "x".repeat(1025)})).contains("too long, max 1024"));
        assert!(
            verdict(json!({"version": "1 0"})).contains("image version has invalid characters")
        );
        assert_eq!(
            verdict(json!({"type": "tape"})),
            "invalid manifest: type (invalid image type, \"tape\", must be one of: zone-dataset, zvol, lx-dataset, docker, other)"
        );
    }

    #[test]
    fn files_name_their_checksum_size_and_compression() {
        let good = json!({"sha1": "ab", "size": 5, "compression": "gzip"});
        assert_eq!(verdict(json!({"files": [good.clone()]})), "good");
        let sha256 = json!({"sha256": "ab", "size": 5, "compression": "zstd"});
        assert_eq!(verdict(json!({"files": [sha256]})), "good");
        assert!(verdict(json!({"files": [good.clone(), good]})).contains("too many files"));
        let bad = verdict(json!({"files": [{"compression": "lzma"}]}));
        for part in [
            "file missing \"sha1\" field",
            "file missing \"size\" field",
            "invalid compression \"lzma\" (must be one of gzip, bzip2, xz, none, zstd)",
        ] {
            assert!(bad.contains(part), "{bad}");
        }
    }

    #[test]
    fn requirements_are_known_and_consistent() {
        let requirements = |value: Value| verdict(json!({"requirements": value}));
        assert_eq!(requirements(json!({"min_ram": 256, "max_ram": 256, "ssh_key": true})), "good");
        assert!(
            requirements(json!({"min_ram": 512, "max_ram": 256}))
                .contains("min_ram must be <= max_ram")
        );
        assert_eq!(requirements(json!({"min_platform": {"7.0": "20180301T000000Z"}})), "good");
        assert!(
            requirements(json!({"min_platform": {"7.0": "2018"}}))
                .contains("not a valid platform version")
        );
        assert_eq!(requirements(json!({"brand": "bhyve", "bootrom": "uefi"})), "good");
        assert!(requirements(json!({"bootrom": "uefi"})).contains("requirements.bootrom"));
        assert!(
            requirements(json!({"cpus": 5})).contains("cpus (unsupported requirement \"cpus\")")
        );
    }
}
