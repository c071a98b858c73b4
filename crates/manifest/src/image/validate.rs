//! Validation of image manifests, as imgadm and IMGAPI servers do it.

use std::fmt;

use super::ImageManifest;
use super::rules::FIELDS;
use crate::fields::Fields;

/// Why a field is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    Missing,
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
    pub field: String,
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

/// What the manifest is for: a server asks for more than an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Installation by imgadm.
    Minimal,
    /// A server within a data centre.
    Dc,
    /// A server for everybody: its images are public.
    Public,
    /// A server for few: its images are not public.
    Private,
}

const MINIMAL: [&str; 6] = ["v", "uuid", "name", "version", "type", "os"];
const SERVED: [&str; 17] = [
    "v",
    "uuid",
    "owner",
    "name",
    "version",
    "disabled",
    "activated",
    "published_at",
    "public",
    "state",
    "type",
    "os",
    "files",
    "nic_driver",
    "disk_driver",
    "cpu_type",
    "image_size",
];

impl Mode {
    fn required(self) -> &'static [&'static str] {
        match self {
            Mode::Minimal => &MINIMAL,
            Mode::Dc | Mode::Public | Mode::Private => &SERVED,
        }
    }
}

/// Checks what installing an image needs.
pub fn validate_minimal(manifest: &ImageManifest) -> Result<(), Vec<FieldError>> {
    validate(manifest, Mode::Minimal)
}

/// Checks a manifest: required fields first, then the others that are there, then those that nobody
/// knows.
pub fn validate(manifest: &ImageManifest, mode: Mode) -> Result<(), Vec<FieldError>> {
    let object = manifest.object();
    let required = mode.required();
    let mut errors = Vec::new();
    for name in required {
        if let Some(field) = FIELDS.iter().find(|field| field.name == *name) {
            (field.rule)(object, field.name, mode, &mut errors);
        }
    }
    for field in FIELDS {
        if !required.contains(&field.name) && object.has(field.name) {
            (field.rule)(object, field.name, mode, &mut errors);
        }
    }
    let unknown = object.keys().filter(|key| !FIELDS.iter().any(|field| field.name == **key));
    errors.extend(unknown.map(|key| FieldError::invalid(key)));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn base() -> Value {
        json!({
            "v": 2, "uuid": "01b2c898-945f-11e1-a523-af1afbe22822", "name": "base", "version": "1.0",
            "type": "zone-dataset", "os": "smartos",
        })
    }

    /// The message for the base manifest with `changes` made to it; null takes a field out.
    fn verdict(changes: Value, mode: Mode) -> String {
        let mut manifest: ImageManifest = serde_json::from_value(base()).unwrap_or_default();
        for (key, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                manifest.take(key);
            } else {
                manifest.set(key, value.clone());
            }
        }
        validate(&manifest, mode).map_or_else(|errors| message(&errors), |()| "good".to_owned())
    }

    fn minimal(changes: Value) -> String {
        verdict(changes, Mode::Minimal)
    }

    #[test]
    fn the_least_is_enough_for_imgadm() {
        assert_eq!(minimal(json!({})), "good");
        assert_eq!(
            minimal(json!({"v": null, "os": null})),
            "invalid manifest: v (MissingParameter), os (MissingParameter)"
        );
        assert_eq!(minimal(json!({"uuid": "X"})), "invalid manifest: uuid");
        assert_eq!(minimal(json!({"x-mine": 1})), "invalid manifest: x-mine");
    }

    #[test]
    fn types_decide_what_else_is_needed() {
        assert_eq!(
            verdict(json!({"type": "zvol"}), Mode::Minimal),
            "good",
            "drivers are only asked for by servers"
        );
        assert_eq!(
            minimal(json!({"image_size": 5})),
            "invalid manifest: image_size (invalid image image_size: \"5\" (only images of type zvol have one))"
        );
        assert_eq!(
            minimal(json!({"type": "zvol", "image_size": "x"})),
            "invalid manifest: image_size (invalid image image_size: \"x\" (must be a positive integer))"
        );
    }

    #[test]
    fn names_have_letters_and_lengths() {
        assert!(minimal(json!({"name": "a*b"})).contains("invalid characters"));
        assert!(minimal(json!({"name": "x".repeat(1025)})).contains("too long, max 1024"));
        assert!(
            minimal(json!({"version": "1 0"})).contains("image version has invalid characters")
        );
        assert_eq!(
            minimal(json!({"type": "tape"})),
            "invalid manifest: type (invalid image type, \"tape\", must be one of: zone-dataset, zvol, lx-dataset, docker, other)"
        );
    }

    #[test]
    fn files_name_their_checksum_size_and_compression() {
        let good = json!({"sha1": "ab", "size": 5, "compression": "gzip"});
        assert_eq!(minimal(json!({"files": [good.clone()]})), "good");
        assert!(minimal(json!({"files": [good.clone(), good]})).contains("too many files"));
        let bad = minimal(json!({"files": [{"compression": "lzma"}]}));
        for part in [
            "file missing \"sha1\" field",
            "file missing \"size\" field",
            "invalid compression \"lzma\" (must be one of gzip, bzip2, xz, none)",
        ] {
            assert!(bad.contains(part), "{bad}");
        }
    }

    #[test]
    fn requirements_are_known_and_consistent() {
        let requirements = |value: Value| minimal(json!({"requirements": value}));
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

    #[test]
    fn servers_ask_for_more() {
        let served = json!({
            "owner": "00000000-0000-0000-0000-000000000000", "disabled": false, "activated": true,
            "published_at": "2020-01-02T03:04:05Z", "public": true, "state": "active",
            "files": [{"sha1": "ab", "size": 5, "compression": "gzip"}],
        });
        assert_eq!(verdict(served.clone(), Mode::Public), "good");
        assert!(
            verdict(served, Mode::Private)
                .contains("public images are not allowed on a private Images API")
        );
        assert!(
            verdict(json!({}), Mode::Dc)
                .starts_with("invalid manifest: owner (MissingParameter), disabled")
        );
    }
}
