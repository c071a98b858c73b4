//! The images in a directory.
//!
//! An image is a manifest and a file. Three ways of laying them out are understood, beside each other:
//! `images/UUID/index.json` with `images/UUID/file` (what `publish` and `mirror` write), `UUID.json` with `UUID.file`,
//! and `NAME.imgmanifest` with `NAME.zfs…` or `NAME.zvol…` (what `imgadm create` writes).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use crate::errors::{Error, Result};
use crate::out::warn;
use crate::store::is_uuid;

/// One image of the directory.
#[derive(Debug, PartialEq)]
pub struct Entry {
    pub uuid: String,
    pub manifest: Value,
    /// Where its manifest is.
    pub manifest_path: PathBuf,
    /// Where its file is, once it has one.
    pub file: Option<PathBuf>,
}

impl Entry {
    pub fn text(&self, field: &str) -> &str {
        self.manifest.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// When a file was last changed and how long it is: another of either means another content.
type Stamp = (SystemTime, u64);

/// The directory, with what has been read of it.
#[derive(Debug)]
pub struct Catalog {
    directory: PathBuf,
    read: Mutex<HashMap<PathBuf, (Stamp, Option<Value>)>>,
}

/// How a catalog's channels are described: `channels.json`.
const CHANNELS: &str = "channels.json";

impl Catalog {
    pub fn new(directory: &Path) -> Result<Self> {
        let failed = |e| Error::file_system(format!("cannot serve {}: {e}", directory.display()));
        let directory = fs::canonicalize(directory).map_err(failed)?;
        fs::read_dir(&directory).map_err(failed)?;
        Ok(Self { directory, read: Mutex::default() })
    }

    /// The directory that holds an image published here.
    pub fn home(&self, uuid: &str) -> PathBuf {
        self.directory.join("images").join(uuid)
    }

    /// One image. `uuid` has to be one.
    pub fn get(&self, uuid: &str) -> Option<Arc<Entry>> {
        if !is_uuid(uuid) {
            return None;
        }
        let homes = [
            (self.home(uuid).join("index.json"), self.home(uuid).join("file")),
            (
                self.directory.join(format!("{uuid}.json")),
                self.directory.join(format!("{uuid}.file")),
            ),
        ];
        for (manifest, file) in homes {
            if let Some(entry) = self.entry(&manifest, Some(file))
                && entry.uuid == uuid
            {
                return Some(Arc::new(entry));
            }
        }
        // It may have a name of its own.
        self.list().into_iter().find(|entry| entry.uuid == uuid)
    }

    /// Every image, oldest first. Manifests that cannot be read are left out; each UUID is there once.
    pub fn list(&self) -> Vec<Arc<Entry>> {
        let mut entries: HashMap<String, Entry> = HashMap::new();
        let names = |directory: &Path| {
            let list = fs::read_dir(directory).into_iter().flatten().flatten();
            let mut names: Vec<PathBuf> = list.map(|entry| entry.path()).collect();
            names.sort();
            names
        };
        let nested = names(&self.directory.join("images"));
        let nested = nested.iter().map(|home| (home.join("index.json"), Some(home.join("file"))));
        let flat = names(&self.directory);
        let flat = flat.iter().filter_map(|path| Some((path.clone(), Some(beside(path)?))));
        for (manifest, file) in nested.chain(flat) {
            if let Some(entry) = self.entry(&manifest, file) {
                entries.entry(entry.uuid.clone()).or_insert(entry);
            }
        }
        let mut entries: Vec<Arc<Entry>> = entries.into_values().map(Arc::new).collect();
        entries.sort_by(|a, b| {
            (a.text("published_at"), &a.uuid).cmp(&(b.text("published_at"), &b.uuid))
        });
        entries
    }

    /// The channels on offer, where there are any.
    pub fn channels(&self) -> Option<Value> {
        self.json(&self.directory.join(CHANNELS)).filter(Value::is_array)
    }

    fn entry(&self, path: &Path, file: Option<PathBuf>) -> Option<Entry> {
        let manifest = self.json(path)?;
        let uuid = manifest.get("uuid")?.as_str().filter(|uuid| is_uuid(uuid))?.to_owned();
        let file = file.filter(|file| file.is_file());
        let manifest = completed(manifest, path, file.is_some());
        Some(Entry { uuid, manifest, manifest_path: path.to_owned(), file })
    }

    /// A JSON file, parsed again only when it has changed.
    fn json(&self, path: &Path) -> Option<Value> {
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let stamp = (meta.modified().ok()?, meta.len());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = read.get(path)
            && *known == stamp
        {
            return value.clone();
        }
        let value = parsed(path);
        if let Err(why) = &value {
            // Once, until the file changes.
            warn(format_args!("imgadm: warning: {} is not served: {why}", path.display()));
        }
        let value = value.ok();
        read.insert(path.to_owned(), (stamp, value.clone()));
        value
    }
}

/// What a JSON file holds, or why that cannot be told.
fn parsed(path: &Path) -> std::result::Result<Value, String> {
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| format!("it is not JSON: {e}"))
}

/// A manifest such as `imgadm create` writes says nothing of its state: with its file beside it, it counts as active,
/// published when it was written.
fn completed(mut manifest: Value, path: &Path, has_file: bool) -> Value {
    if let Some(fields) = manifest.as_object_mut()
        && has_file
        && !fields.contains_key("state")
    {
        fields.insert("state".into(), "active".into());
        let written = fs::metadata(path).and_then(|meta| meta.modified());
        let written = crate::time::iso(written.unwrap_or(SystemTime::UNIX_EPOCH));
        for (name, value) in [
            ("disabled", Value::Bool(false)),
            ("public", Value::Bool(true)),
            ("published_at", written.into()),
        ] {
            fields.entry(name).or_insert(value);
        }
    }
    manifest
}

/// The image file that belongs to a manifest's path in the flat layouts.
fn beside(manifest: &Path) -> Option<PathBuf> {
    let name = manifest.file_name()?.to_str()?;
    if let Some(stem) = name.strip_suffix(".json") {
        return (name != CHANNELS && is_uuid(stem)).then(|| manifest.with_extension("file"));
    }
    let stem = name.strip_suffix(".imgmanifest")?;
    let kinds = ["zfs", "zvol", "tar"];
    let compressed = ["", ".gz", ".bz2", ".xz", ".zst"];
    kinds
        .iter()
        .flat_map(|kind| compressed.iter().map(move |end| format!("{stem}.{kind}{end}")))
        .map(|name| manifest.with_file_name(name))
        .find(|path| path.is_file())
        .or_else(|| Some(manifest.with_extension("file")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn uuid(n: u32) -> String {
        format!("1a00000{n}-0000-4000-8000-000000000001")
    }

    #[test]
    fn every_layout_is_found_and_damage_hides_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let manifest =
            |n: u32, date: &str| json!({"uuid": uuid(n), "published_at": date}).to_string();
        fs::create_dir_all(at("images").join(uuid(1))).unwrap();
        fs::write(at("images").join(uuid(1)).join("index.json"), manifest(1, "2021")).unwrap();
        fs::write(at(&format!("{}.json", uuid(2))), manifest(2, "2020")).unwrap();
        fs::write(at(&format!("{}.file", uuid(2))), "x").unwrap();
        fs::write(at("base-1.imgmanifest"), manifest(3, "2019")).unwrap();
        fs::write(at("base-1.zfs.gz"), "y").unwrap();
        fs::write(at(&format!("{}.json", uuid(4))), "{bad").unwrap();
        let catalog = Catalog::new(dir.path()).unwrap();
        let list = catalog.list();
        let uuids: Vec<&str> = list.iter().map(|entry| entry.uuid.as_str()).collect();
        assert_eq!(uuids, [uuid(3), uuid(2), uuid(1)]);
        assert_eq!(
            list[0].file.as_deref(),
            Some(at("base-1.zfs.gz").canonicalize().unwrap().as_path())
        );
        assert_eq!(catalog.get(&uuid(3)).unwrap().uuid, uuid(3));
        assert!(catalog.get(&uuid(1)).unwrap().file.is_none());
        assert_eq!(list[0].text("state"), "active");
        assert_eq!(catalog.get(&uuid(1)).unwrap().text("state"), "");
        assert!(catalog.get(&uuid(4)).is_none());
        assert!(catalog.get("../../etc/passwd").is_none());
    }
}
