//! Noticing that VMs come, change and go, whoever makes them.
//!
//! Nothing on the system tells of all changes at once, and asking its tools again and again would cost. So files are
//! looked at that every change leaves a trace in, and tools are run only when one of them differs:
//!
//! | change | trace |
//! | --- | --- |
//! | zone made, installed, deleted | `/etc/zones/index` |
//! | zone configuration | its XML file |
//! | tags, routes, metadata | the directory `config` |
//! | snapshot of the zone's dataset | the directory `.zfs/snapshot` |
//! | zone boots | zoneadmd's door |
//! | zone ends or reboots | its init in `/proc` |
//! | anything that vmadm does | the directory of journals |
//!
//! A zone between two states is asked after at every look. What leaves no trace, such as a quota that was set by hand,
//! is found when everything is read anew, every five minutes.

mod signs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use manifest::{Fields as _, VmObject};

use self::signs::{Marks, Places};
use super::config::configuration_path;
use super::{Fields, Inventory};
use crate::plan::journal;
use crate::root::Root;
use crate::tool::Result;
use crate::zoneadm::Zone;

/// How often everything is read anew.
const REFRESH: Duration = Duration::from_mins(5);

/// How long a zone between two states is asked after at every look, and how often after that: one that cannot be
/// halted stays there for good.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(5);

/// What became of a VM.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Created(VmObject),
    Modified {
        before: VmObject,
        after: VmObject,
    },
    Deleted {
        uuid: String,
        zonename: String,
    },
    /// The VM cannot be read, so that its changes are not known; told once for every state it is in.
    Unreadable {
        uuid: String,
        why: String,
    },
}

/// A VM as it was last seen.
#[derive(Debug)]
struct Known {
    zone: Zone,
    places: Places,
    marks: Marks<3>,
    /// `None` where it could never be read.
    vm: Option<VmObject>,
    /// Since when it has been seen between two states.
    unsteady: Option<Instant>,
}

/// The VMs as they were last seen.
#[derive(Debug)]
pub struct Watch<'a> {
    root: &'a Root,
    /// The one VM that is watched; `None`: every one.
    only: Option<String>,
    system: Marks<2>,
    /// VMs that plans were under way for.
    busy: BTreeSet<String>,
    known: BTreeMap<String, Known>,
    /// When tools were last run, and when everything was last read.
    asked: Instant,
    refreshed: Instant,
    /// Since when the tools have failed.
    failed: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Starts from the VMs there are. The changes are those VMs that cannot be read.
    pub fn start(root: &'a Root, only: Option<&str>) -> Result<(Self, Vec<Change>)> {
        let now = Instant::now();
        let mut watch = Self {
            root,
            only: only.map(str::to_owned),
            system: Marks::take(&signs::of_system(root)),
            busy: BTreeSet::new(),
            known: BTreeMap::new(),
            asked: now,
            refreshed: now,
            failed: None,
        };
        let mut changes = watch.ask(true)?;
        changes.retain(|change| matches!(change, Change::Unreadable { .. }));
        Ok((watch, changes))
    }

    /// The VMs as they were last seen, in the order of their UUIDs.
    pub fn vms(&self) -> impl Iterator<Item = &VmObject> {
        self.known.values().filter_map(|known| known.vm.as_ref())
    }

    /// What has changed since the last look. After an error a later look asks again.
    pub fn look(&mut self) -> Result<Vec<Change>> {
        let all = self.refreshed.elapsed() >= REFRESH;
        if !all && self.is_quiet() {
            return Ok(Vec::new());
        }
        match self.ask(all) {
            Ok(changes) => {
                self.failed = None;
                Ok(changes)
            }
            Err(error) => {
                self.failed.get_or_insert_with(Instant::now);
                Err(error)
            }
        }
    }

    /// Whether nothing tells of a change.
    fn is_quiet(&mut self) -> bool {
        if self.failed.is_some() {
            return !is_due(self.failed, self.asked);
        }
        let mut quiet = self.system.hold(&signs::of_system(self.root));
        for known in self.known.values_mut() {
            if known.places.is_steady() {
                known.unsteady = None;
            } else {
                known.unsteady.get_or_insert_with(Instant::now);
            }
            quiet = quiet
                && known.marks.hold(&known.places.files)
                && !is_due(known.unsteady, self.asked);
        }
        quiet
    }

    /// Runs the tools: reads the VMs whose signs differ, or all of them.
    fn ask(&mut self, all: bool) -> Result<Vec<Change>> {
        self.asked = Instant::now();
        if all {
            self.refreshed = self.asked;
        }
        // Signs are taken before what they stand for is read: what changes in between is seen at the next look.
        let system = Marks::take(&signs::of_system(self.root));
        let busy: BTreeSet<String> = journal::all(self.root)?.into_iter().collect();
        let touched: BTreeSet<String> = self.busy.union(&busy).cloned().collect();
        let mut inventory = self.list()?;
        let mut changes = self.remove_absent(&inventory);
        inventory.zones.retain(|zone| {
            all || touched.contains(&zone.uuid)
                || self.known.get(&zone.uuid).is_none_or(|known| {
                    known.zone != *zone
                        || !known.marks.hold(&known.places.files)
                        || known.places.init_is_gone()
                })
        });
        let marks: Vec<Marks<3>> = inventory
            .zones
            .iter()
            .map(|zone| Marks::take(&Places::of(self.root, zone, None).files))
            .collect();
        let vms = inventory.load_each(&Fields::all())?;
        for ((zone, marks), vm) in
            std::mem::take(&mut inventory.zones).into_iter().zip(marks).zip(vms)
        {
            changes.extend(self.replace(zone, marks, vm));
        }
        self.system = system;
        self.busy = busy;
        Ok(changes)
    }

    fn remove_absent(&mut self, inventory: &Inventory<'_>) -> Vec<Change> {
        let here: BTreeSet<&str> = inventory.zones.iter().map(|zone| zone.uuid.as_str()).collect();
        let gone: Vec<String> =
            self.known.keys().filter(|uuid| !here.contains(uuid.as_str())).cloned().collect();
        gone.into_iter()
            .filter_map(|uuid| {
                let known = self.known.remove(&uuid)?;
                known.vm.map(|_| Change::Deleted { uuid, zonename: known.zone.name })
            })
            .collect()
    }

    /// Takes over what was read of a VM.
    fn replace(&mut self, zone: Zone, marks: Marks<3>, vm: Result<VmObject>) -> Option<Change> {
        let uuid = zone.uuid.clone();
        let before = self.known.remove(&uuid);
        let (vm, change) = match (vm, before) {
            (Ok(after), Some(Known { vm: Some(before), .. })) => {
                let differs = before != after;
                (Some(after.clone()), differs.then_some(Change::Modified { before, after }))
            }
            (Ok(after), _) => (Some(after.clone()), Some(Change::Created(after))),
            (Err(error), before) => {
                // Its marks are those of the last look where nothing was written since: that was told.
                let told = before.as_ref().is_some_and(|before| before.marks.same(&marks));
                let change = Change::Unreadable { uuid: uuid.clone(), why: error.to_string() };
                (before.and_then(|before| before.vm), (!told).then_some(change))
            }
        };
        let init = vm.as_ref().and_then(|vm| vm.object().get("pid")?.as_u64());
        let places = Places::of(self.root, &zone, init);
        self.known.insert(uuid, Known { zone, places, marks, vm, unsteady: None });
        change
    }

    fn list(&self) -> Result<Inventory<'a>> {
        let mut inventory = match &self.only {
            None => Inventory::all(self.root)?,
            Some(uuid) => Inventory::one(self.root, uuid)?.unwrap_or(Inventory::empty(self.root)),
        };
        // Coming and going zones are in the list for a moment without a configuration.
        inventory.zones.retain(|zone| configuration_path(self.root, &zone.name).exists());
        Ok(inventory)
    }
}

/// Whether what has been so since a time is to be asked after: at every look for a while, then now and then.
fn is_due(since: Option<Instant>, asked: Instant) -> bool {
    since.is_some_and(|since| since.elapsed() < PATIENCE || asked.elapsed() >= PAUSE)
}
