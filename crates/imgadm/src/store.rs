//! What is installed: datasets that are images, and the records kept of them.

use std::collections::{HashMap, HashSet};

use gz::platform::released_flavour;
use gz::{Root, images, settings, zfs};
use manifest::Flavour;
use serde_json::{Map, json};

use crate::errors::{Error, Result};
use crate::out::warn;
use crate::rows::ImageInfo;

/// The pool used where none is named.
pub fn default_pool(root: &Root) -> Result<String> {
    settings::default_pool(root).map_err(|error| Error::internal(error.to_string()))
}

/// Whether a text is a UUID in the form that images have: lower case, with hyphens.
pub fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Fails where a text is not a UUID.
pub fn check_uuid(text: &str) -> Result<()> {
    if is_uuid(text) { Ok(()) } else { Err(Error::invalid_uuid(text)) }
}

/// Fails where a text cannot be a pool's name, so that it leads nowhere else in a path or a command.
pub fn check_pool(pool: &str) -> Result<()> {
    let begins = pool.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if begins && pool.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c)) {
        return Ok(());
    }
    Err(Error::usage(format!("invalid zpool name: \"{pool}\"")))
}

/// The images that are installed.
#[derive(Debug, Default)]
pub struct Installed {
    pub images: Vec<ImageInfo>,
}

impl Installed {
    /// The image installed on a pool.
    pub fn find(&self, pool: &str, uuid: &str) -> Option<&ImageInfo> {
        self.images.iter().find(|image| image.pool() == pool && image.text("uuid") == uuid)
    }
}

/// Lists the installed images: filesystems and volumes called `POOL/UUID` that are no zone's root. Two or three tool
/// runs, however many there are; of snapshots none is listed that is not asked for by name.
pub fn load(root: &Root) -> Result<Installed> {
    let zones =
        gz::zoneadm::list(root).map_err(|error| Error::tool("could not list zones", error))?;
    let zone_roots: HashSet<&str> = zones.iter().map(|zone| zone.zonepath.as_str()).collect();
    let text = zfs::tool(root)
        .args(["list", "-t", "filesystem,volume", "-pH"])
        .args(["-o", "name,origin,mountpoint,imgadm:ignore"])
        .text()
        .map_err(|error| Error::tool("could not load images", error))?;
    let rows = parse(&text)?;
    // Elsewhere than on SmartOS zones have names of their own, and their roots are anywhere below their datasets.
    let omnios = released_flavour(root) == Some(Flavour::OmniOs);
    let clones = clones_by_origin(&rows, |name| omnios || is_vm_dataset(name));
    let plausible = |row: &&DatasetRow<'_>| {
        image_name(row.name).is_some() && !zone_roots.contains(row.mountpoint) && !ignored(row)
    };
    let candidates: Vec<&DatasetRow<'_>> = rows.iter().filter(plausible).collect();
    let clone = |row: &&&DatasetRow<'_>| row.origin.ends_with("@final");
    let finals = candidates.iter().filter(clone).map(|row| final_of(row)).collect();
    let finals = existing(root, "snapshot", finals)
        .map_err(|error| Error::tool("could not load images", error))?;
    let mut images = Vec::new();
    for row in candidates {
        let Some((pool, uuid)) = image_name(row.name) else { continue };
        // A clone of an image that has no snapshot of its own to clone from is a zone's, not an image.
        if clone(&&row) && !finals.contains(&final_of(row)) {
            continue;
        }
        let mut image = record(root, pool, uuid);
        let names = clones.get(row.name).cloned().unwrap_or_default();
        image.record.insert("cloneNames".into(), json!(names));
        image.record.insert("clones".into(), names.len().into());
        images.push(image);
    }
    Ok(Installed { images })
}

fn final_of(row: &DatasetRow<'_>) -> String {
    format!("{}@final", row.name)
}

/// Those of the datasets or snapshots that exist; `types` are the kinds that are looked at. One tool run, none where
/// nothing is asked for.
pub fn existing(root: &Root, types: &str, names: Vec<String>) -> gz::Result<HashSet<String>> {
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let tool = zfs::tool(root).args(["list", "-t", types, "-pH", "-o", "name"]).args(names);
    let command = tool.display();
    let output = tool.output()?;
    // One that does not exist makes zfs fail, after it has listed the others.
    let stderr = output.error_text();
    if !output.success() && !stderr.lines().all(|line| line.contains("does not exist")) {
        return Err(gz::Error::Failed { command, status: output.status, stderr });
    }
    Ok(output.text().lines().map(str::to_owned).collect())
}

struct DatasetRow<'a> {
    name: &'a str,
    origin: &'a str,
    mountpoint: &'a str,
    ignore: &'a str,
}

fn parse(text: &str) -> Result<Vec<DatasetRow<'_>>> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| match *line.split('\t').collect::<Vec<_>>() {
            [name, origin, mountpoint, ignore] => {
                Ok(DatasetRow { name, origin, mountpoint, ignore })
            }
            _ => Err(Error::internal(format!("could not load images: zfs list said \"{line}\""))),
        })
        .collect()
}

/// The datasets cloned from each dataset's snapshots, as far as they count.
fn clones_by_origin<'a>(
    rows: &[DatasetRow<'a>],
    counts: impl Fn(&str) -> bool,
) -> HashMap<&'a str, Vec<&'a str>> {
    let mut clones: HashMap<&str, Vec<&str>> = HashMap::new();
    for row in rows.iter().filter(|row| counts(row.name)) {
        if let Some((origin, _)) = row.origin.split_once('@') {
            clones.entry(origin).or_default().push(row.name);
        }
    }
    clones
}

fn image_name(name: &str) -> Option<(&str, &str)> {
    let (pool, uuid) = name.split_once('/')?;
    (is_uuid(uuid) && check_pool(pool).is_ok()).then_some((pool, uuid))
}

/// Whether a dataset is that of a VM of SmartOS or of an image: `POOL/UUID`, `POOL/UUID-disk0`, `POOL/UUID/disk0`.
fn is_vm_dataset(name: &str) -> bool {
    let Some((_, rest)) = name.split_once('/') else { return false };
    let Some((uuid, rest)) = rest.split_at_checked(36) else { return false };
    let disk = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_uuid(uuid)
        && (rest.is_empty()
            || rest.strip_prefix("-disk").or(rest.strip_prefix("/disk")).is_some_and(disk))
}

fn ignored(row: &DatasetRow<'_>) -> bool {
    match row.ignore {
        "true" | "yes" => true,
        "-" | "false" | "no" => false,
        other => {
            log::warn!("dataset {}: invalid value for imgadm:ignore: \"{other}\"", row.name);
            false
        }
    }
}

/// The record of an image. Where there is none, or it is damaged, only the UUID and the pool are known; a damaged one
/// is named on standard error.
pub fn record(root: &Root, pool: &str, uuid: &str) -> ImageInfo {
    match images::read(root, pool, uuid) {
        Ok(Some(record)) => return ImageInfo { record: record.fields },
        Ok(None) => {}
        Err(error) => warn(format_args!("imgadm: warning: {error}: its manifest is not shown")),
    }
    let mut record = Map::new();
    record.insert("manifest".into(), json!({"uuid": uuid}));
    record.insert("zpool".into(), pool.into());
    ImageInfo { record }
}

/// Whether a dataset exists. Any refusal of `zfs list` counts as no; only a `zfs` that cannot run is an error.
pub fn dataset_exists(root: &Root, name: &str) -> Result<bool> {
    let output = zfs::tool(root).args(["list", "-H", "-p", "-o", "name", name]).output()?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(Error::internal(format!(
            "error running \"/usr/sbin/zfs list -H -p -o name {name}\": {}",
            output.error_text().lines().next().unwrap_or_default()
        ))),
    }
}

/// One installed image; `None` where its dataset is not there, whatever is on record.
pub fn get(root: &Root, pool: &str, uuid: &str) -> Result<Option<ImageInfo>> {
    if !dataset_exists(root, &format!("{pool}/{uuid}"))? {
        return Ok(None);
    }
    Ok(Some(record(root, pool, uuid)))
}

/// The snapshots of a dataset, by their whole names.
pub fn snapshots(root: &Root, dataset: &str) -> Result<Vec<String>> {
    let command = format!("/usr/sbin/zfs list -t all -pHr -o name {dataset}");
    let text = zfs::tool(root)
        .args(["list", "-t", "all", "-pHr", "-o", "name", dataset])
        .text()
        .map_err(|error| described(&command, error))?;
    Ok(text.lines().skip(1).map(str::to_owned).collect())
}

/// The filesystems and volumes cloned from any snapshot of a dataset.
pub fn dependent_clones(root: &Root, dataset: &str) -> Result<Vec<String>> {
    let command = "/usr/sbin/zfs list -t filesystem,volume -o origin,name -pH";
    let text = zfs::tool(root)
        .args(["list", "-t", "filesystem,volume", "-o", "origin,name", "-pH"])
        .text()
        .map_err(|error| described(command, error))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(origin, _)| origin.split_once('@').is_some_and(|(of, _)| of == dataset))
        .map(|(_, name)| name.to_owned())
        .collect())
}

fn described(command: &str, error: gz::Error) -> Error {
    match error {
        gz::Error::Failed { stderr, .. } => {
            let first = stderr.lines().next().unwrap_or_default();
            Error::internal(format!("error running \"{command}\": {first}"))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1a000001-0000-4000-8000-000000000001";

    #[test]
    fn names_of_images_and_of_vm_datasets() {
        assert!(is_uuid(A) && !is_uuid("bad") && !is_uuid(&A.to_uppercase()));
        assert_eq!(image_name(&format!("zones/{A}")), Some(("zones", A)));
        assert_eq!(image_name(&format!("zones/{A}@final")), None);
        assert_eq!(image_name(&format!("zones/x/{A}")), None);
        for (suffix, expected) in
            [("", true), ("-disk0", true), ("/disk12", true), ("-partial", false), ("/data", false)]
        {
            assert_eq!(is_vm_dataset(&format!("zones/{A}{suffix}")), expected, "{suffix}");
        }
    }

    #[test]
    fn pool_names_lead_nowhere_else() {
        assert!(check_pool("zones").is_ok() && check_pool("data-1_a.b").is_ok());
        for bad in ["", "../x", "a/b", "-r", "a b", "1a"] {
            assert!(check_pool(bad).is_err(), "{bad}");
        }
    }
}
