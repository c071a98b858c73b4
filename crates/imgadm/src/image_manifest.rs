//! Image manifests: bringing those of the first version up to date, and checking what an operator gives.

use serde_json::{Map, Value};

use crate::errors::{Error, Result};
use crate::store;

/// The version of manifests that this program writes.
pub const VERSION: u64 = 2;

/// A manifest of the current version from one of any. A current one is not touched.
pub fn upgrade(manifest: Value) -> Result<Value> {
    let Value::Object(mut fields) = manifest else {
        return Err(Error::invalid_manifest("it is not a JSON object"));
    };
    let version = match fields.get("v") {
        Some(v) => v.as_f64().or_else(|| v.as_str()?.parse().ok()).filter(|v| *v > 0.0),
        // Only the first version has this.
        None if fields.contains_key("creator_uuid") => Some(1.0),
        None => None,
    };
    let Some(version) = version else {
        return Err(Error::invalid_manifest("manifest does not have a \"v\" field"));
    };
    if version < VERSION as f64 {
        upgrade_first(&mut fields)?;
    }
    Ok(fields.into())
}

/// Checks a manifest that an operator gives; the error names every field that is missing or wrong.
pub fn validate_minimal(manifest: &Value) -> Result<()> {
    let Value::Object(fields) = manifest else {
        return Err(Error::invalid_manifest("it is not a JSON object"));
    };
    manifest::image::validate(fields)
        .map_err(|errors| Error::new("ManifestValidation", manifest::image::message(&errors)))
}

/// The rules by which SmartOS's imgadm reads DSAPI manifests.
fn upgrade_first(fields: &mut Map<String, Value>) -> Result<()> {
    let uuid = fields.get("uuid").and_then(Value::as_str).unwrap_or_default();
    if !store::is_uuid(uuid) {
        return Err(Error::invalid_manifest(format_args!("uuid \"{uuid}\" is not a UUID")));
    }
    if let Some(owner) = fields.shift_remove("creator_uuid") {
        fields.insert("owner".into(), owner);
    }
    let restricted = fields.shift_remove("restricted_to_uuid").filter(|to| !to.is_null());
    fields.insert("public".into(), restricted.is_none().into());
    if let Some(to) = restricted {
        fields.insert("acl".into(), vec![to].into());
    }
    let disabled = fields.get("disabled").is_some_and(|flag| flag.as_bool().unwrap_or(true));
    fields.insert("disabled".into(), disabled.into());
    fields.insert("state".into(), if disabled { "disabled" } else { "active" }.into());
    if !fields.contains_key("published_at")
        && let Some(created) = fields.get("created_at").cloned()
    {
        fields.insert("published_at".into(), created);
    }
    if let Some(at) = fields.get("published_at").and_then(Value::as_str) {
        // Without seconds: `2012-01-02T03:04Z`.
        if at.len() == 17 && at.ends_with('Z') {
            let with_seconds = format!("{}:00Z", &at[..at.len() - 1]);
            fields.insert("published_at".into(), with_seconds.into());
        }
    }
    for file in fields.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
        upgrade_file(file);
    }
    if let Some(size) = fields.get("image_size").and_then(Value::as_str)
        && let Ok(size) = size.parse::<u64>()
    {
        fields.insert("image_size".into(), size.into());
    }
    for old in [
        "vendor_uuid",
        "creator_name",
        "cloud_name",
        "creator_admin",
        "owner_uuid",
        "platform_type",
        "created_at",
        "updated_at",
        "_url",
    ] {
        fields.shift_remove(old);
    }
    fields.insert("v".into(), VERSION.into());
    Ok(())
}

fn upgrade_file(file: &mut Value) {
    let Some(file) = file.as_object_mut() else { return };
    if !file.contains_key("compression") {
        let name = file.get("path").or_else(|| file.get("url")).and_then(Value::as_str);
        let compression = match name.and_then(|name| name.rsplit_once('.')) {
            Some((_, "gz")) => "gzip",
            Some((_, "bz2")) => "bzip2",
            _ => "none",
        };
        file.insert("compression".into(), compression.into());
    }
    file.shift_remove("url");
}

/// Whether an image may be used on the platform that `sysinfo` describes.
pub fn check_platform(manifest: &Value, sysinfo: &Value) -> Result<()> {
    let requirement = |name: &str| {
        manifest.get("requirements")?.get(name)?.as_object().filter(|map| !map.is_empty())
    };
    let version = sysinfo.get("SDC Version").and_then(Value::as_str).unwrap_or("6.5");
    let stamp = sysinfo.get("Live Image").and_then(Value::as_str).unwrap_or_default();
    let at = |map: &Map<String, Value>| map.get(version).and_then(Value::as_str).map(str::to_owned);
    let refuse = |code: &'static str, name: &str, map: &Map<String, Value>| {
        let map = Value::Object(map.clone());
        Err(Error::new(
            code,
            format!(
                "current platform version, {version}/{stamp}, does not satisfy requirements.{name}={map}"
            ),
        ))
    };
    if let Some(map) = requirement("min_platform") {
        let too_old = match at(map) {
            Some(least) => stamp < least.as_str(),
            // A platform newer than every version named is new enough.
            None => map.keys().min().is_some_and(|lowest| version < lowest.as_str()),
        };
        if too_old {
            return refuse("MinPlatform", "min_platform", map);
        }
    }
    if let Some(map) = requirement("max_platform") {
        let too_new = match at(map) {
            Some(most) => stamp > most.as_str(),
            None => map.keys().max().is_some_and(|highest| version > highest.as_str()),
        };
        if too_new {
            return refuse("MaxPlatform", "max_platform", map);
        }
    }
    Ok(())
}

/// Whether a manifest says anything about platforms, so that it is worth asking which this is.
pub fn names_platforms(manifest: &Value) -> bool {
    let requirements = manifest.get("requirements");
    ["min_platform", "max_platform"]
        .iter()
        .any(|name| requirements.and_then(|r| r.get(name)).is_some_and(|map| !map.is_null()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = validate_minimal(&json!({"v": 2, "name": "a*b"})).unwrap_err();
        assert_eq!(error.code(), "ManifestValidation");
        assert_eq!(
            error.message(),
            "invalid manifest: uuid (MissingParameter), name (image name has invalid characters \
             (only alpha-numeric characters and \" \", \".\", \"-\", \"_\" and \"/\" are allowed)), \
             version (MissingParameter), type (MissingParameter), os (MissingParameter)"
        );
        assert_eq!(validate_minimal(&json!([])).unwrap_err().code(), "InvalidManifest");
    }

    #[test]
    fn platforms_are_compared_by_version_and_then_by_stamp() {
        let sysinfo = json!({"SDC Version": "7.0", "Live Image": "20260301T000000Z"});
        let image = |name: &str, map: Value| json!({"requirements": {name: map}});
        for (name, map, code) in [
            ("min_platform", json!({"7.0": "20990101T000000Z"}), Some("MinPlatform")),
            ("min_platform", json!({"7.0": "20200101T000000Z"}), None),
            ("min_platform", json!({"8.0": "20200101T000000Z"}), Some("MinPlatform")),
            ("min_platform", json!({"6.5": "20990101T000000Z"}), None),
            ("max_platform", json!({"7.0": "20100101T000000Z"}), Some("MaxPlatform")),
            ("max_platform", json!({"6.5": "20100101T000000Z"}), Some("MaxPlatform")),
            ("max_platform", json!({"7.1": "20100101T000000Z"}), None),
        ] {
            let checked = check_platform(&image(name, map.clone()), &sysinfo);
            assert_eq!(checked.err().map(|e| e.code().to_owned()).as_deref(), code, "{name} {map}");
        }
        let error =
            check_platform(&image("min_platform", json!({"7.0": "20990101T000000Z"})), &sysinfo);
        assert_eq!(
            error.unwrap_err().message(),
            "current platform version, 7.0/20260301T000000Z, does not satisfy \
             requirements.min_platform={\"7.0\":\"20990101T000000Z\"}"
        );
    }

    #[test]
    fn first_version_manifests_are_brought_up_to_date() {
        let old = json!({
            "uuid": "1a000001-0000-4000-8000-000000000001", "creator_uuid": "c", "creator_name": "n",
            "created_at": "2012-01-02T03:04Z", "image_size": "12",
            "files": [{"path": "x.zfs.bz2", "url": "http://h/x", "sha1": "s", "size": 3}]
        });
        let new = upgrade(old).unwrap();
        assert_eq!(new["v"], 2);
        assert_eq!(new["owner"], "c");
        assert_eq!(new["published_at"], "2012-01-02T03:04:00Z");
        assert_eq!((new["state"].as_str(), new["public"].as_bool()), (Some("active"), Some(true)));
        assert_eq!(new["files"][0]["compression"], "bzip2");
        assert_eq!(new["image_size"], 12);
        assert_eq!(new.get("creator_name"), None);
        assert_eq!(
            upgrade(json!({"uuid": "x"})).unwrap_err().message(),
            "manifest is invalid: manifest does not have a \"v\" field"
        );
        let current = json!({"v": 2, "extra": 1});
        assert_eq!(upgrade(current.clone()).unwrap(), current);
    }
}
