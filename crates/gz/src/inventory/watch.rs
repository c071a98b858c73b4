//! Noticing that VMs come, change and go, whoever makes them.
//!
//! Nothing on the system tells of all changes at once, so what is cheap is looked at again and again: the list of zones
//! with their states, and when configurations and `config` directories were written. A VM is read whole only when one
//! of these differs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use manifest::VmObject;

use super::{Fields, Inventory, config};
use crate::root::Root;
use crate::tool::Result;
use crate::zoneadm::Zone;

/// What became of a VM.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Created(VmObject),
    Modified { before: VmObject, after: VmObject },
    Deleted { uuid: String, zonename: String },
}

/// What tells that a VM has to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    zone: Zone,
    /// Times of last change in nanoseconds: configuration, `config` directory.
    changed: [Option<i128>; 2],
}

/// The VMs as they were last seen.
#[derive(Debug)]
pub struct Watch<'a> {
    root: &'a Root,
    /// The one VM that is watched; `None`: every one.
    only: Option<String>,
    known: BTreeMap<String, (Stamp, VmObject)>,
}

impl<'a> Watch<'a> {
    /// Starts from the VMs there are.
    pub fn start(root: &'a Root, only: Option<&str>) -> Result<Self> {
        let mut watch = Self { root, only: only.map(str::to_owned), known: BTreeMap::new() };
        let inventory = watch.list()?;
        let stamps: Vec<Stamp> = inventory.zones.iter().map(|zone| watch.stamp(zone)).collect();
        let vms = inventory.load(&Fields::all())?;
        watch.known = stamps
            .into_iter()
            .zip(vms)
            .map(|(stamp, vm)| (stamp.zone.uuid.clone(), (stamp, vm)))
            .collect();
        Ok(watch)
    }

    /// The VMs as they were last seen, by UUID.
    pub fn vms(&self) -> impl Iterator<Item = (&str, &VmObject)> {
        self.known.iter().map(|(uuid, (_, vm))| (uuid.as_str(), vm))
    }

    /// What has changed since the last look.
    pub fn look(&mut self) -> Result<Vec<Change>> {
        let mut inventory = self.list()?;
        let mut changes = Vec::new();
        let gone: Vec<String> = self
            .known
            .keys()
            .filter(|uuid| !inventory.zones.iter().any(|zone| zone.uuid == **uuid))
            .cloned()
            .collect();
        for uuid in gone {
            if let Some((stamp, _)) = self.known.remove(&uuid) {
                changes.push(Change::Deleted { uuid, zonename: stamp.zone.name });
            }
        }
        inventory.zones.retain(|zone| {
            self.known.get(&zone.uuid).is_none_or(|(stamp, _)| *stamp != self.stamp(zone))
        });
        if inventory.zones.is_empty() {
            return Ok(changes);
        }
        // Stamped before it is read: what changes in between is seen at the next look.
        let stamps: Vec<Stamp> = inventory.zones.iter().map(|zone| self.stamp(zone)).collect();
        for (stamp, after) in stamps.into_iter().zip(inventory.load(&Fields::all())?) {
            let uuid = stamp.zone.uuid.clone();
            match self.known.insert(uuid, (stamp, after.clone())) {
                None => changes.push(Change::Created(after)),
                Some((_, before)) if before != after => {
                    changes.push(Change::Modified { before, after });
                }
                Some(_) => {}
            }
        }
        Ok(changes)
    }

    fn list(&self) -> Result<Inventory<'a>> {
        match &self.only {
            None => Inventory::all(self.root),
            Some(uuid) => {
                Ok(Inventory::one(self.root, uuid)?.unwrap_or(Inventory::empty(self.root)))
            }
        }
    }

    fn stamp(&self, zone: &Zone) -> Stamp {
        let configuration = config::configuration_path(self.root, &zone.name);
        let directory = self.root.path(&zone.zonepath).join("config");
        Stamp { zone: zone.clone(), changed: [changed(&configuration), changed(&directory)] }
    }
}

fn changed(path: &Path) -> Option<i128> {
    let about = fs::metadata(path).ok()?;
    Some(i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec()))
}
