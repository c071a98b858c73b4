//! The files of a VM beside its zone configuration: `config/*.json`, `lastexited`, and when any was last written.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use manifest::Object;
use manifest::js::parse_number;
use serde_json::Value;

use crate::clock::iso8601;
use crate::files;
use crate::root::Root;
use crate::tool::{Error, Result};

/// One of the JSON files of a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFile {
    /// `customer_metadata` and `internal_metadata`.
    Metadata,
    Routes,
    Tags,
}

impl ConfigFile {
    /// Where it is below the zone path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Metadata => "config/metadata.json",
            Self::Routes => "config/routes.json",
            Self::Tags => "config/tags.json",
        }
    }

    /// Reads it; a file that is not there is an empty object. One that is no JSON, or not of its form, is an error: who means to change it
    /// must not go on from nothing.
    pub fn read(self, root: &Root, zonepath: &str) -> Result<Value> {
        let path = root.path(zonepath).join(self.path());
        let Some(text) = files::read_optional(&path)? else {
            return Ok(Value::Object(Object::new()));
        };
        let damaged = |why: String| Error::Unexpected { what: path.display().to_string(), why };
        let value = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        self.check_form(&value).map_err(damaged)?;
        Ok(value)
    }

    /// Refuses what is JSON, but not of the file's form: who changes it would drop that.
    fn check_form(self, value: &Value) -> std::result::Result<(), String> {
        if !value.is_object() {
            return Err("it is no JSON object".to_owned());
        }
        let tables: &[&str] = match self {
            Self::Metadata => &["customer_metadata", "internal_metadata"],
            Self::Routes | Self::Tags => &[],
        };
        match tables.iter().find(|table| !(value[**table].is_null() || value[**table].is_object()))
        {
            Some(table) => Err(format!("{table} is no object")),
            None => Ok(()),
        }
    }

    /// Reads it for showing: what cannot be read is empty, as in the original, and said in a warning.
    pub(super) fn show(self, root: &Root, zonepath: &str) -> Value {
        self.read(root, zonepath).unwrap_or_else(|error| {
            log::warn!("{error}; shown as empty");
            Value::Object(Object::new())
        })
    }
}

/// `exit_status` and `exit_timestamp` from the file that the brand leaves when a zone's init ends.
pub(super) fn last_exited(root: &Root, zonepath: &str) -> Option<(i64, String)> {
    let text = fs::read_to_string(root.path(zonepath).join("lastexited")).ok()?;
    parse_last_exited(&text)
}

/// `SECONDS.NANOSECONDS STATUS`: -1 is an orderly end, else a status as wait(3C) gives it; a signal becomes negative.
fn parse_last_exited(text: &str) -> Option<(i64, String)> {
    let mut fields = text.split_whitespace();
    let (Some(time), Some(status), None) = (fields.next(), fields.next(), fields.next()) else {
        return None;
    };
    let status: i64 = status.parse().ok()?;
    let status = match status {
        -1 => 0,
        other => match other & 0xff {
            0 => other >> 8,
            signal => -signal,
        },
    };
    let seconds = parse_number(time);
    seconds.is_finite().then(|| (status, iso8601((seconds * 1000.0) as i64)))
}

/// When the newest of the VM's files was written, to the second.
pub(super) fn last_modified(root: &Root, zonename: &str, zonepath: &str) -> Option<String> {
    let zone = root.path(zonepath);
    let written = |path: &Path| -> Option<i64> {
        match fs::metadata(path) {
            Ok(about) if about.is_file() => Some(about.mtime()),
            Ok(_) => None,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    log::warn!("{}: {error}", path.display());
                }
                None
            }
        }
    };
    [ConfigFile::Metadata, ConfigFile::Routes, ConfigFile::Tags]
        .iter()
        .map(|file| zone.join(file.path()))
        .chain([zone.join("lastexited"), configuration_path(root, zonename)])
        .filter_map(|path| written(&path))
        .max()
        .map(|seconds| iso8601(seconds * 1000))
}

/// The dataset that a VM will have once it is received whole.
pub(super) fn receiving_filesystem(root: &Root, uuid: &str) -> Option<Value> {
    let path = root.path("/etc/zones").join(format!("{uuid}-receiving.json"));
    let text = files::read_optional(&path).ok()??;
    let mut file: Value = serde_json::from_slice(&text).ok()?;
    file.get_mut("zfs_filesystem").map(Value::take)
}

/// Where the zone's configuration document is.
pub(super) fn configuration_path(root: &Root, zonename: &str) -> std::path::PathBuf {
    root.path("/etc/zones").join(format!("{zonename}.xml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_are_decoded() {
        for (status, decoded) in [("-1", 0), ("0", 0), ("256", 1), ("9", -9), ("139", -139)] {
            let (code, time) =
                parse_last_exited(&format!("1795235241.472074509 {status}\n")).unwrap();
            assert_eq!((code, time.as_str()), (decoded, "2026-11-21T04:27:21.472Z"), "{status}");
        }
        for text in ["", "1", "1 2 3", "x 0", "1 x"] {
            assert_eq!(parse_last_exited(text), None, "{text:?}");
        }
    }
}
