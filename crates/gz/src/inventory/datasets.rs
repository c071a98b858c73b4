//! The ZFS datasets that VMs have, and their snapshots.

use std::collections::{HashMap, HashSet};

use manifest::Object;
use manifest::js::parse_number;
use serde_json::Value;

use crate::root::Root;
use crate::tool::{Error, Result};
use crate::zfs;

/// One dataset, numbers in bytes; `None` where zfs prints `-`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Dataset {
    pub compression: Option<String>,
    /// Seconds of the epoch.
    pub creation: Option<f64>,
    pub filesystem_limit: Option<f64>,
    pub quota: Option<f64>,
    pub recsize: Option<f64>,
    pub refquota: Option<f64>,
    pub refreservation: Option<f64>,
    pub snapshot_limit: Option<f64>,
    pub usedbysnapshots: Option<f64>,
    pub volblocksize: Option<f64>,
    pub volsize: Option<f64>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// What stands after the `@`.
    pub name: String,
    /// Seconds of the epoch.
    pub creation: f64,
    /// Bytes written since the snapshot before.
    pub written: f64,
    /// Number of holds.
    pub userrefs: f64,
}

/// Datasets by name, dataset names by mount point (volumes: by device path), and snapshots by dataset in the order
/// zfs lists them.
#[derive(Debug, Default)]
pub(super) struct Datasets {
    pub by_name: HashMap<String, Dataset>,
    pub by_mountpoint: HashMap<String, String>,
    pub snapshots: HashMap<String, Vec<Snapshot>>,
}

/// What is asked for, in one order for every run.
const PROPERTIES: &[&str] = &[
    "compression",
    "creation",
    "filesystem_limit",
    "mountpoint",
    "name",
    "quota",
    "recsize",
    "refquota",
    "refreservation",
    "snapshot_limit",
    "type",
    "usedbysnapshots",
    "userrefs",
    "volblocksize",
    "volsize",
    "written",
    "zoned",
];

/// Most datasets in one call: their names stay well below the system's limit on arguments.
const MOST_ARGUMENTS: usize = 10_000;

/// What a VM has of datasets.
pub(super) struct Wanted<'a> {
    pub zonepath: &'a str,
    /// Whether the zone is in a state in which it has its dataset.
    pub installed: bool,
    /// What is known of it from the zone's configuration.
    pub vm: &'a Object,
}

impl Datasets {
    /// Reads the datasets of the given VMs by name, in one run. Snapshots, where asked for, are those of these
    /// datasets alone: how many others there are on the system costs nothing.
    pub fn read(root: &Root, vms: &[Wanted<'_>], snapshots: bool) -> Result<Self> {
        let types = if snapshots { "filesystem,snapshot,volume" } else { "filesystem,volume" };
        let mut found = Self::default();
        let names: Vec<String> = vms.iter().flat_map(names_of).collect();
        for names in names.chunks(MOST_ARGUMENTS) {
            found.add(&list(root, types, Some(1), names)?);
        }
        if vms.iter().any(|vm| vm.installed && found.at(vm.zonepath).is_none()) {
            // Elsewhere than on SmartOS a zone's dataset is found by its mount point alone.
            found.add(&list(root, "filesystem,volume", None, &[])?);
            let mounted: Vec<String> = vms
                .iter()
                .filter_map(|vm| found.by_mountpoint.get(vm.zonepath))
                .filter(|name| snapshots && !names.contains(name))
                .cloned()
                .collect();
            for names in mounted.chunks(MOST_ARGUMENTS) {
                found.add(&list(root, "snapshot", Some(1), names)?);
            }
        }
        Ok(found)
    }

    fn add(&mut self, rows: &zfs::Rows) {
        for values in rows {
            let row = Row(values);
            if row.get("type") == "snapshot" {
                self.add_snapshot(&row);
            } else {
                self.add_dataset(&row);
            }
        }
    }

    fn add_dataset(&mut self, row: &Row<'_>) {
        let name = row.get("name").to_owned();
        let mountpoint = match row.get("mountpoint") {
            _ if row.get("type") == "volume" => format!("/dev/zvol/rdsk/{name}"),
            "-" | "legacy" => format!("/{name}"),
            path => path.to_owned(),
        };
        // A delegated dataset's mount point is the zone's affair: it says nothing about the zone's root.
        let delegated = row.get("zoned") == "on" || name.split('/').nth(2) == Some("data");
        if mountpoint.starts_with('/') && !delegated {
            self.by_mountpoint.insert(mountpoint, name.clone());
        }
        let dataset = Dataset {
            compression: row.text("compression"),
            creation: row.number("creation"),
            filesystem_limit: row.number("filesystem_limit"),
            quota: row.number("quota"),
            recsize: row.number("recsize"),
            refquota: row.number("refquota"),
            refreservation: row.number("refreservation"),
            snapshot_limit: row.number("snapshot_limit"),
            usedbysnapshots: row.number("usedbysnapshots"),
            volblocksize: row.number("volblocksize"),
            volsize: row.number("volsize"),
        };
        self.by_name.insert(name, dataset);
    }

    fn add_snapshot(&mut self, row: &Row<'_>) {
        if let Some((dataset, name)) = row.get("name").split_once('@') {
            self.snapshots.entry(dataset.to_owned()).or_default().push(Snapshot {
                name: name.to_owned(),
                creation: row.number("creation").unwrap_or(0.0),
                written: row.number("written").unwrap_or(0.0),
                userrefs: row.number("userrefs").unwrap_or(0.0),
            });
        }
    }

    /// The dataset mounted at (or device of) `path`, with its name.
    pub fn at(&self, path: &str) -> Option<(&str, &Dataset)> {
        let name = self.by_mountpoint.get(path)?;
        self.by_name.get(name).map(|dataset| (name.as_str(), dataset))
    }

    /// Whether the dataset is kept from being destroyed: it has a held snapshot `@indestructible`.
    pub fn indestructible(&self, name: &str) -> bool {
        self.snapshots
            .get(name)
            .is_some_and(|all| all.iter().any(|s| s.name == "indestructible" && s.userrefs > 0.0))
    }
}

/// The datasets to ask for by name. SmartOS makes a zone's dataset at its zone path; disks of KVM VMs and delegated
/// datasets from elsewhere are not below it.
fn names_of(vm: &Wanted<'_>) -> Vec<String> {
    let mut names = vec![vm.zonepath.trim_start_matches('/').to_owned()];
    let root = format!("{}/", names[0]);
    let items = |key: &str| vm.vm.get(key).and_then(Value::as_array).into_iter().flatten();
    let disks = items("disks").filter_map(|disk| {
        let path = disk.get("path")?.as_str()?;
        path.strip_prefix("/dev/zvol/rdsk/").or_else(|| path.strip_prefix("/dev/zvol/dsk/"))
    });
    let elsewhere =
        disks.filter(|name| name.strip_prefix(&root).is_none_or(|rest| rest.contains('/')));
    // Delegated datasets below the zone's are named too: `-d 1` from above does not reach their snapshots.
    for name in elsewhere.chain(items("datasets").filter_map(Value::as_str)) {
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// `zfs list`, where a dataset that does not exist is no failure: the others are listed all the same.
fn list(root: &Root, types: &str, depth: Option<u32>, names: &[String]) -> Result<zfs::Rows> {
    let below: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = match zfs::by_library(root, types, PROPERTIES, &below, depth) {
        Some(rows) => rows,
        None => list_by_program(root, types, depth, names)?,
    };
    // A dataset given by name may also be the child of another one given.
    let mut seen = HashSet::new();
    rows.retain(|row| {
        row.len() == PROPERTIES.len() && seen.insert(Row(row).get("name").to_owned())
    });
    Ok(rows)
}

fn list_by_program(
    root: &Root,
    types: &str,
    depth: Option<u32>,
    names: &[String],
) -> Result<zfs::Rows> {
    let mut tool = zfs::tool(root).args(["list", "-H", "-p", "-t", types, "-o"]);
    tool = tool.arg(PROPERTIES.join(","));
    if let Some(depth) = depth {
        tool = tool.arg("-d").arg(depth.to_string());
    }
    let tool = tool.args(names);
    let command = tool.display();
    let output = tool.output()?;
    let stderr = output.error_text();
    let only_missing = !names.is_empty()
        && !stderr.is_empty()
        && stderr.lines().all(|line| line.contains("does not exist"));
    if !output.success() && !only_missing {
        return Err(Error::Failed { command, status: output.status, stderr });
    }
    Ok(output.text().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// One line of zfs, of which values are taken by property.
struct Row<'a>(&'a [String]);

impl Row<'_> {
    fn get(&self, name: &str) -> &str {
        PROPERTIES.iter().position(|n| *n == name).map_or("-", |at| &self.0[at])
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|text| *text != "-").map(str::to_owned)
    }

    /// A number; none for `-` and for what zfs says in words ("none").
    fn number(&self, name: &str) -> Option<f64> {
        Some(parse_number(self.get(name))).filter(|number| number.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn datasets_are_asked_for_by_name_once() {
        let vm = json!({
            "disks": [{"path": "/dev/zvol/rdsk/zones/u/disk0"}, {"path": "/dev/zvol/rdsk/zones/u-disk1"},
                      {"path": "/x.iso"}],
            "datasets": ["zones/u/data", "zones/shared"]
        });
        let Value::Object(vm) = vm else { unreachable!() };
        let names = names_of(&Wanted { zonepath: "/zones/u", installed: true, vm: &vm });
        assert_eq!(names, ["zones/u", "zones/u-disk1", "zones/u/data", "zones/shared"]);
    }
}
