//! The image store: one record a file, `/var/imgadm/images/POOL-UUID.json`, of every image installed on a pool.
//!
//! A record is a JSON object with `manifest`, `zpool` and, where it came from one, `source` (a URL). SmartOS's imgadm
//! reads and writes the same files.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::files;
use crate::root::Root;
use crate::tool::{Error, Result};

/// Where the records are kept.
pub const DIRECTORY: &str = "/var/imgadm/images";

/// The length of a UUID as text.
const UUID_LENGTH: usize = 36;

/// One record of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub pool: String,
    pub uuid: String,
    /// Everything of the file, unknown fields too, in the file's order.
    pub fields: Map<String, Value>,
}

impl Record {
    /// The image manifest; an object with `uuid` at least.
    pub fn manifest(&self) -> &Value {
        static NONE: Value = Value::Null;
        self.fields.get("manifest").unwrap_or(&NONE)
    }

    /// The URL the image came from.
    pub fn source(&self) -> Option<&str> {
        self.fields.get("source").and_then(Value::as_str)
    }
}

/// The file that holds the record of an image on a pool.
pub fn path(root: &Root, pool: &str, uuid: &str) -> PathBuf {
    // A pool name has no slash; one that does must not lead elsewhere.
    root.path(DIRECTORY).join(format!("{}-{uuid}.json", pool.replace('/', "-")))
}

/// Reads one record; `None` where there is none. A file that is not JSON, or that is of another image than its name
/// says, is [`Error::Unexpected`].
pub fn read(root: &Root, pool: &str, uuid: &str) -> Result<Option<Record>> {
    let path = path(root, pool, uuid);
    let Some(bytes) = files::read_optional(&path)? else { return Ok(None) };
    let unexpected = |why: String| Error::Unexpected { what: path.display().to_string(), why };
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| unexpected(e.to_string()))?;
    let Value::Object(fields) = value else {
        return Err(unexpected("it is not a JSON object".into()));
    };
    let named = fields.get("manifest").and_then(|manifest| manifest.get("uuid"));
    if named.and_then(Value::as_str) != Some(uuid) {
        return Err(unexpected("its manifest's uuid is not that of the file's name".into()));
    }
    Ok(Some(Record { pool: pool.to_owned(), uuid: uuid.to_owned(), fields }))
}

/// Reads every record, in order of pool and UUID. Those that cannot be read come second, so that one damaged file
/// does not hide the others.
pub fn read_all(root: &Root) -> Result<(Vec<Record>, Vec<Error>)> {
    let directory = root.path(DIRECTORY);
    let mut names: Vec<String> = match std::fs::read_dir(&directory) {
        Ok(entries) => {
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(Error::io(format!("cannot read {}", directory.display()), e)),
    };
    names.sort();
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    for name in &names {
        let Some((pool, uuid)) = split_name(name) else { continue };
        match read(root, pool, uuid) {
            Ok(record) => records.extend(record),
            Err(error) => errors.push(error),
        }
    }
    Ok((records, errors))
}

/// `POOL-UUID.json` taken apart; a pool's name may have hyphens itself.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(".json").filter(|stem| !stem.starts_with('.'))?;
    let split = stem.len().checked_sub(UUID_LENGTH)?;
    let (pool, uuid) = stem.split_at_checked(split)?;
    Some((pool.strip_suffix('-').filter(|pool| !pool.is_empty())?, uuid))
}

/// Writes the record of an image. Fails where the manifest has no `uuid`.
pub fn write(root: &Root, pool: &str, manifest: &Value, source: Option<&str>) -> Result<()> {
    let uuid = manifest.get("uuid").and_then(Value::as_str).ok_or_else(|| Error::Unexpected {
        what: "the image manifest".into(),
        why: "it has no \"uuid\"".into(),
    })?;
    let mut fields = Map::new();
    fields.insert("manifest".into(), manifest.clone());
    fields.insert("zpool".into(), pool.into());
    if let Some(source) = source {
        fields.insert("source".into(), source.into());
    }
    let path = path(root, pool, uuid);
    if let Some(directory) = path.parent() {
        files::make_directory(directory)?;
    }
    files::replace(&path, format!("{:#}\n", Value::Object(fields)).as_bytes(), 0o644)
}

/// Removes the record of an image; one that is not there is fine.
pub fn delete(root: &Root, pool: &str, uuid: &str) -> Result<()> {
    files::remove(&path(root, pool, uuid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const UUID: &str = "1a000001-0000-4000-8000-000000000001";

    #[test]
    fn what_is_written_is_read_back_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let manifest = json!({"v": 2, "uuid": UUID});
        write(&root, "my-pool", &manifest, Some("http://h")).unwrap();
        let text = std::fs::read_to_string(path(&root, "my-pool", UUID)).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\n  \"manifest\": {{\n    \"v\": 2,\n    \"uuid\": \"{UUID}\"\n  }},\n  \
                 \"zpool\": \"my-pool\",\n  \"source\": \"http://h\"\n}}\n"
            )
        );
        let (records, errors) = read_all(&root).unwrap();
        assert_eq!((records.len(), errors.len()), (1, 0));
        assert_eq!(records[0].pool, "my-pool");
        assert_eq!(records[0].manifest(), &manifest);
        assert_eq!(records[0].source(), Some("http://h"));
        delete(&root, "my-pool", UUID).unwrap();
        assert_eq!(read(&root, "my-pool", UUID).unwrap(), None);
    }

    #[test]
    fn a_damaged_record_is_named_and_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        write(&root, "zones", &json!({"uuid": UUID}), None).unwrap();
        let other = "1a000002-0000-4000-8000-000000000002";
        std::fs::write(path(&root, "zones", other), "{bad").unwrap();
        let third = "1a000003-0000-4000-8000-000000000003";
        std::fs::write(
            path(&root, "zones", third),
            format!("{{\"manifest\":{{\"uuid\":\"{UUID}\"}}}}"),
        )
        .unwrap();
        let (records, errors) = read_all(&root).unwrap();
        assert_eq!((records.len(), errors.len()), (1, 2));
        assert!(errors[0].to_string().contains(other), "{}", errors[0]);
    }

    #[test]
    fn names_are_taken_apart_from_the_right() {
        assert_eq!(split_name(&format!("a-b-{UUID}.json")), Some(("a-b", UUID)));
        assert_eq!(split_name(&format!("{UUID}.json")), None);
        assert_eq!(split_name("x.json"), None);
    }
}
