//! The checks that a manifest made by an operator has to pass: the fields of version 2, as the IMGAPI documentation
//! has them.

use serde_json::{Map, Value};

use crate::errors::{Error, Result};
use crate::pipeline::decode::Compression;
use crate::store::is_uuid;

const MOST_NAME: usize = 1024;
const MOST_VERSION: usize = 512;
const MOST_DESCRIPTION: usize = 10 * 1024;
const MOST_URL: usize = 1024;
const MOST_BILLING_TAG: usize = 128;
const MOST_TAGS: usize = 100 * 1024;

const STATES: [&str; 5] = ["active", "unactivated", "disabled", "failed", "creating"];
const TYPES: [&str; 5] = ["zone-dataset", "zvol", "lx-dataset", "docker", "other"];
const SYSTEMS: [&str; 6] = ["smartos", "linux", "windows", "bsd", "illumos", "other"];
const BOOTROMS: [&str; 2] = ["bios", "uefi"];

/// The fields that every manifest needs.
const REQUIRED: [&str; 6] = ["v", "uuid", "name", "version", "type", "os"];
/// The fields that it may have, in the order in which they are checked.
const OPTIONAL: [&str; 24] = [
    "urn",
    "owner",
    "description",
    "homepage",
    "eula",
    "disabled",
    "activated",
    "published_at",
    "state",
    "public",
    "origin",
    "error",
    "files",
    "icon",
    "acl",
    "requirements",
    "users",
    "billing_tags",
    "traits",
    "tags",
    "generate_passwords",
    "inherited_directories",
    "image_size",
    "channels",
];
/// The fields that the image of a volume needs and others may not have.
const OF_VOLUMES: [&str; 3] = ["nic_driver", "disk_driver", "cpu_type"];

/// Checks a manifest; the error names every field that is missing or wrong.
pub fn minimal(manifest: &Value) -> Result<()> {
    let Value::Object(fields) = manifest else {
        return Err(Error::invalid_manifest("it is not a JSON object"));
    };
    let mut found = Problems { fields, list: Vec::new() };
    for name in REQUIRED {
        match fields.get(name) {
            None => found.missing(name),
            Some(value) => found.check(name, value),
        }
    }
    for name in OPTIONAL.iter().chain(&OF_VOLUMES) {
        if let Some(value) = fields.get(*name) {
            found.check(name, value);
        }
    }
    for name in fields.keys().map(String::as_str) {
        if !REQUIRED.contains(&name) && !OPTIONAL.contains(&name) && !OF_VOLUMES.contains(&name) {
            found.wrong(name);
        }
    }
    if found.list.is_empty() {
        return Ok(());
    }
    Err(Error::new("ManifestValidation", format!("invalid manifest: {}", found.list.join(", "))))
}

struct Problems<'a> {
    fields: &'a Map<String, Value>,
    list: Vec<String>,
}

impl Problems<'_> {
    fn missing(&mut self, name: &str) {
        self.list.push(format!("{name} (MissingParameter)"));
    }

    fn wrong(&mut self, name: &str) {
        self.list.push(name.to_owned());
    }

    fn because(&mut self, name: &str, why: &str) {
        self.list.push(format!("{name} ({why})"));
    }

    /// Records a problem unless `fine`.
    fn need(&mut self, fine: bool, name: &str, why: impl FnOnce() -> String) {
        if !fine {
            self.because(name, &why());
        }
    }

    fn need_plain(&mut self, fine: bool, name: &str) {
        if !fine {
            self.wrong(name);
        }
    }

    fn check(&mut self, name: &str, value: &Value) {
        match name {
            "v" => {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                self.need(number.is_some_and(|v| v >= 0.0), name, || {
                    "\"v\" must be a positive integer".into()
                });
            }
            "uuid" | "owner" | "origin" => {
                self.need_plain(value.as_str().is_some_and(is_uuid), name);
            }
            "urn" => self.need_plain(value.is_string(), name),
            "name" | "version" => self.check_name(name, value),
            "description" => {
                let length = value.as_str().map_or(usize::MAX, str::len);
                self.need(length <= MOST_DESCRIPTION, name, || {
                    format!("image description is too long, max {MOST_DESCRIPTION} characters")
                });
            }
            "homepage" | "eula" => self.check_url(name, value),
            "disabled" | "activated" | "public" => self.need_plain(is_flag(value), name),
            "icon" | "generate_passwords" => self.need(is_flag(value), name, || {
                format!("invalid image \"{name}\" (not an accepted boolean value): {value}")
            }),
            "published_at" => {
                self.need(value.as_str().is_some_and(is_time), name, || {
                    "published_at date not in \"YYYY-MM-DDTHH:MM:SS(.SSS)Z\" format".into()
                });
            }
            "state" => self.need_plain(value.as_str().is_some_and(|s| STATES.contains(&s)), name),
            "type" => self.check_choice(name, value, &TYPES),
            "os" => self.check_choice(name, value, &SYSTEMS),
            "error" | "tags" | "traits" => self.check_object(name, value),
            "files" => self.check_files(value),
            "acl" | "users" | "billing_tags" | "channels" | "inherited_directories" => {
                self.check_list(name, value);
            }
            "requirements" => self.check_requirements(value),
            "image_size" => self.check_image_size(value),
            "nic_driver" | "disk_driver" | "cpu_type" => self.check_driver(name, value),
            _ => {}
        }
    }

    fn is_volume(&self) -> bool {
        self.fields.get("type").and_then(Value::as_str) == Some("zvol")
    }

    fn check_name(&mut self, name: &str, value: &Value) {
        // `version=1` on a command line is a number.
        let text = match value {
            Value::Number(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let (most, more, listed) = if name == "name" {
            (MOST_NAME, " ", "\" \", \".\", \"-\", \"_\" and \"/\" are allowed")
        } else {
            (MOST_VERSION, "+", "\".\", \"-\", \"_\" and \"/\" are allowed")
        };
        if text.len() > most {
            let why = format!("image {name} is too long, max {most} characters");
            return self.because(name, &why);
        }
        let fine = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c) || more.contains(c);
        self.need(!text.is_empty() && text.chars().all(fine), name, || {
            format!(
                "image {name} has invalid characters (only alpha-numeric characters and {listed})"
            )
        });
    }

    fn check_choice(&mut self, name: &str, value: &Value, known: &[&str]) {
        let fine = value.as_str().is_some_and(|text| known.contains(&text));
        self.need(fine, name, || {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("invalid image {name}, \"{text}\", must be one of: {}", known.join(", "))
        });
    }

    fn check_url(&mut self, name: &str, value: &Value) {
        let shown = if name == "eula" { "EULA" } else { name };
        let text = value.as_str().unwrap_or_default();
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return self.because(name, &format!("invalid image {shown} URL protocol"));
        }
        self.need(text.len() <= MOST_URL, name, || {
            format!("image {shown} URL is too long (max {MOST_URL} characters)")
        });
    }

    fn check_object(&mut self, name: &str, value: &Value) {
        let Some(object) = value.as_object() else {
            return self
                .because(name, &format!("invalid image \"{name}\" (not an object): {value}"));
        };
        if name == "tags" {
            let length = value.to_string().len();
            self.need(length <= MOST_TAGS, name, || {
                format!("image \"tags\" object is too big: {length} characters (max {MOST_TAGS})")
            });
        }
        if name == "traits" {
            for (key, trait_value) in object {
                let fine =
                    trait_value.is_string() || trait_value.is_boolean() || trait_value.is_array();
                self.need(fine, name, || {
                    format!("invalid image \"traits\" entry: ({key}, {trait_value})")
                });
            }
        }
    }

    fn check_list(&mut self, name: &str, value: &Value) {
        if name == "inherited_directories"
            && self.fields.get("type").and_then(Value::as_str) != Some("zone-dataset")
        {
            let why = format!(
                "invalid image \"{name}\" (only valid for a type:zone-dataset image): {value}"
            );
            return self.because(name, &why);
        }
        let Some(items) = value.as_array() else {
            return self
                .because(name, &format!("invalid image \"{name}\" (not an array): {value}"));
        };
        for (place, item) in items.iter().enumerate() {
            let (fine, why) = match name {
                "acl" => (
                    item.as_str().is_some_and(is_uuid),
                    format!("invalid image \"acl\" (item {place} is not a UUID): {item}"),
                ),
                "users" => (
                    item.as_object().is_some_and(|u| u.len() == 1 && u.contains_key("name")),
                    format!("invalid image \"users\" entry: {item}"),
                ),
                "billing_tags" => (
                    item.as_str().is_some_and(|tag| tag.len() <= MOST_BILLING_TAG),
                    format!("invalid image \"billing_tags\" entry : {item}"),
                ),
                _ => (item.is_string(), format!("invalid image \"{name}\" entry: {item}")),
            };
            if !fine {
                self.because(name, &why);
                if name == "acl" {
                    return;
                }
            }
        }
    }

    fn check_files(&mut self, value: &Value) {
        let name = "files";
        let Some(files) = value.as_array() else {
            return self.because(name, &format!("invalid image \"files\" (not an array): {value}"));
        };
        if files.len() > 1 {
            return self.because(name, "invalid image \"files\": too many files");
        }
        let Some(file) = files.first() else { return };
        let has_sum = ["sha1", "sha256"]
            .iter()
            .any(|sum| file.get(*sum).and_then(Value::as_str).is_some_and(|text| !text.is_empty()));
        self.need(has_sum, name, || "invalid image \"files\": file missing \"sha1\" field".into());
        let has_size = file.get("size").and_then(Value::as_u64).is_some_and(|size| size > 0);
        self.need(has_size, name, || "invalid image \"files\": file missing \"size\" field".into());
        match file.get("compression").and_then(Value::as_str) {
            None => self.because(name, "invalid image \"files\": file missing \"compression\" field"),
            Some(text) => self.need(Compression::parse(text).is_some(), name, || {
                let known = Compression::ALL.map(Compression::as_str).join(", ");
                format!(
                    "invalid image \"files\": invalid compression \"{text}\" (must be one of {known})"
                )
            }),
        }
    }

    fn check_image_size(&mut self, value: &Value) {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if number.is_some_and(|size| size > 0) && !self.is_volume() {
            let why = format!(
                "invalid image image_size: \"{shown}\" (cannot have a value when image type is \
                 not zvol)"
            );
            return self.because("image_size", &why);
        }
        self.need(number.is_some(), "image_size", || {
            format!("invalid image image_size: \"{shown}\" (must be a positive integer)")
        });
    }

    fn check_driver(&mut self, name: &str, value: &Value) {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let says_something = value.as_str().is_none_or(|text| !text.is_empty());
        if says_something && !self.is_volume() {
            let why = format!(
                "invalid image {name}: \"{shown}\" (cannot have a value when image type is not zvol)"
            );
            return self.because(name, &why);
        }
        self.need(value.is_string(), name, || {
            format!("invalid image {name}: \"{shown}\" (must be a string)")
        });
    }

    fn check_requirements(&mut self, value: &Value) {
        let Some(requirements) = value.as_object() else {
            let why = format!("invalid image \"requirements\" (not an object): {value}");
            return self.because("requirements", &why);
        };
        for (key, value) in requirements {
            let name = format!("requirements.{key}");
            // An empty value asks for nothing.
            if !is_truthy(value) {
                continue;
            }
            let invalid = |what: &str| format!("invalid image \"{name}\" ({what}): {value}");
            match key.as_str() {
                "networks" => self.check_networks(&name, value),
                "brand" => self.need(value.is_string(), &name, || invalid("not a string")),
                "ssh_key" => self.need(value.is_boolean(), &name, || invalid("not a boolean")),
                "min_ram" | "max_ram" => {
                    self.need(value.as_u64().is_some(), &name, || {
                        invalid("not a positive integer")
                    });
                }
                "min_platform" | "max_platform" => self.check_platforms(&name, value),
                "bootrom" => {
                    let brand = requirements.get("brand").and_then(Value::as_str);
                    self.need(brand == Some("bhyve"), &name, || {
                        let brand = brand.unwrap_or("undefined");
                        format!(
                            "invalid brand \"{brand}\" for \"requirements.bootrom\" \
                             \"requirements.brand\" must be \"bhyve\""
                        )
                    });
                    let known = value.as_str().is_some_and(|rom| BOOTROMS.contains(&rom));
                    self.need(known, &name, || invalid("not one of bios, uefi"));
                }
                _ => self.because(key, &format!("unsupported requirement \"{key}\"")),
            }
        }
        let ram = |key: &str| requirements.get(key).and_then(Value::as_u64).filter(|n| *n > 0);
        if let (Some(least), Some(most)) = (ram("min_ram"), ram("max_ram"))
            && least > most
        {
            let why = format!("min_ram must be <= max_ram, but:min_ram={least}, max_ram={most}");
            self.because("requirements.max_ram", &why);
        }
    }

    fn check_networks(&mut self, name: &str, value: &Value) {
        let Some(networks) = value.as_array() else {
            return self
                .because(name, &format!("invalid image \"{name}\" (not an array): {value}"));
        };
        for network in networks {
            let fine = network.as_object().is_some_and(|network| {
                network.len() == 2
                    && network.contains_key("name")
                    && network.contains_key("description")
            });
            self.need(fine, name, || format!("invalid image \"{name}\" entry: {network}"));
        }
    }

    fn check_platforms(&mut self, name: &str, value: &Value) {
        let Some(platforms) = value.as_object().filter(|platforms| !platforms.is_empty()) else {
            return self
                .because(name, &format!("invalid image \"{name}\" (not an object): {value}"));
        };
        for (version, stamp) in platforms {
            let parts: Vec<&str> = version.split('.').collect();
            let version_is_fine = parts.len() >= 2
                && parts
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
            let fine = version_is_fine && stamp.as_str().is_some_and(is_platform_stamp);
            self.need(fine, name, || {
                format!(
                    "invalid platform version \"{name}\" invalid entry {{\"{version}\":{stamp}}}"
                )
            });
        }
    }
}

/// A boolean, or the text of one.
fn is_flag(value: &Value) -> bool {
    value.is_boolean() || matches!(value.as_str(), Some("true" | "false"))
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => true,
    }
}

/// `2020-01-02T03:04:05Z`, with or without milliseconds.
fn is_time(text: &str) -> bool {
    let fits = |shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                wanted => byte == wanted,
            })
    };
    fits("0000-00-00T00:00:00Z") || fits("0000-00-00T00:00:00.000Z")
}

/// `20130308T102805Z`: the time a platform was built, from 2012 on.
fn is_platform_stamp(text: &str) -> bool {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<u32>().ok());
    text.len() == 16
        && text.is_ascii()
        && text.get(8..9) == Some("T")
        && text.ends_with('Z')
        && number(0, 4).is_some_and(|year| year >= 2012)
        && number(4, 6).is_some_and(|month| (1..=12).contains(&month))
        && number(6, 8).is_some_and(|day| (1..=31).contains(&day))
        && number(9, 11).is_some_and(|hour| hour <= 23)
        && number(11, 13).is_some_and(|minute| minute <= 59)
        && number(13, 15).is_some_and(|second| second <= 59)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "v": 2, "uuid": "1a000001-0000-4000-8000-000000000001", "name": "a", "version": "1.0.0",
            "type": "zone-dataset", "os": "smartos", "published_at": "2020-01-02T00:00:00Z",
            "requirements": {"networks": [{"name": "n", "description": "d"}],
                "min_platform": {"7.0": "20200101T000000Z"}},
            "files": [{"sha1": "s", "size": 1, "compression": "gzip"}], "tags": {"role": "os"}
        })
    }

    #[test]
    fn a_good_manifest_passes() {
        minimal(&good()).unwrap();
        let mut volume = good();
        for (key, value) in [
            ("type", json!("zvol")),
            ("version", json!(2)),
            ("image_size", json!(8)),
            ("nic_driver", json!("virtio")),
            ("disk_driver", json!("virtio")),
            ("cpu_type", json!("host")),
        ] {
            volume[key] = value;
        }
        minimal(&volume).unwrap();
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = minimal(&json!({"v": 2})).unwrap_err();
        assert_eq!(error.code(), "ManifestValidation");
        assert_eq!(
            error.message(),
            "invalid manifest: uuid (MissingParameter), name (MissingParameter), version \
             (MissingParameter), type (MissingParameter), os (MissingParameter)"
        );
        for (field, value, part) in [
            ("uuid", json!("x"), "uuid"),
            ("name", json!("a*b"), "name (image name has invalid characters"),
            ("type", json!("x"), "type (invalid image type, \"x\", must be one of: zone-dataset"),
            ("os", json!(1), "os (invalid image os, \"1\""),
            ("published_at", json!("2020"), "published_at (published_at date not in"),
            ("homepage", json!("ftp://x"), "homepage (invalid image homepage URL protocol)"),
            ("acl", json!(["x"]), "acl (invalid image \"acl\" (item 0 is not a UUID)"),
            ("files", json!([{}]), "files (invalid image \"files\": file missing \"sha1\" field)"),
            ("image_size", json!(8), "image_size (invalid image image_size: \"8\""),
            ("nic_driver", json!("v"), "nic_driver (invalid image nic_driver"),
            ("requirements", json!({"x": 1}), "x (unsupported requirement \"x\")"),
            ("requirements", json!({"min_platform": {"7.0": "x"}}), "requirements.min_platform"),
            ("requirements", json!({"min_ram": 2, "max_ram": 1}), "min_ram must be <= max_ram"),
            ("nosuch", json!(1), "nosuch"),
        ] {
            let mut manifest = good();
            manifest[field] = value;
            let error = minimal(&manifest).unwrap_err();
            assert!(error.message().contains(part), "{field}: {}", error.message());
        }
    }
}
