//! The VMs of this system as VM objects, reading only what the wanted fields need.
//!
//! Wanted fields say which sources are needed; each source is read once, whatever the number of VMs: one `zoneadm`,
//! one `kstat`, one `zfs` run. Files of many VMs are read on several threads.

mod assemble;
mod config;
mod datasets;
mod fields;
mod watch;

use std::collections::HashMap;
use std::io;
use std::thread;

use manifest::{Flavour, Object, VmObject};
use zonecfg::mapping::{omnios, smartos_load};

pub use config::ConfigFile;
pub use fields::Fields;
pub use watch::{Change, Watch};

use crate::kstat::{self, ZoneMisc};
use crate::root::Root;
use crate::tool::{Error, Result};
use crate::zoneadm::{self, Zone};
use crate::{files, platform, sysinfo};
use datasets::{Datasets, Wanted};

/// Below this many VMs a single thread is faster.
const WORTH_THREADS: usize = 256;

/// What is the same for all VMs.
#[derive(Debug, Default)]
struct Shared {
    sysinfo: Object,
    kstat: HashMap<String, ZoneMisc>,
}

/// A VM that cannot be read, and why.
#[derive(Debug)]
pub struct Unreadable {
    pub uuid: String,
    pub error: Error,
}

/// Some or all VMs of this system, before anything but the list of zones is read.
#[derive(Debug)]
pub struct Inventory<'a> {
    root: &'a Root,
    /// How the zones are configured.
    flavour: Flavour,
    zones: Vec<Zone>,
}

impl<'a> Inventory<'a> {
    /// Every VM, in the order in which they were created.
    pub fn all(root: &'a Root) -> Result<Self> {
        let flavour = flavour(root);
        let mut zones: Vec<Zone> =
            zoneadm::list(root)?.into_iter().filter_map(|zone| identified(zone, flavour)).collect();
        // zoneadm lists running zones first: their order would change with their state.
        if let Some(index) = files::read_optional(&root.path("/etc/zones/index"))? {
            let index = String::from_utf8_lossy(&index);
            let place: HashMap<&str, usize> = index
                .lines()
                .enumerate()
                .filter_map(|(place, line)| Some((line.split(':').next()?, place)))
                .collect();
            zones.sort_by_key(|zone| place.get(zone.name.as_str()).copied().unwrap_or(usize::MAX));
        }
        Ok(Self { root, flavour, zones })
    }

    /// The VM of that UUID; `None` where there is none.
    pub fn one(root: &'a Root, uuid: &str) -> Result<Option<Self>> {
        let flavour = flavour(root);
        let zones: Vec<Zone> = zoneadm::find(root, uuid)?
            .and_then(|zone| identified(zone, flavour))
            .filter(|zone| zone.uuid == uuid)
            .into_iter()
            .collect();
        Ok(if zones.is_empty() { None } else { Some(Self { root, flavour, zones }) })
    }

    /// No VM at all.
    fn empty(root: &'a Root) -> Self {
        Self { root, flavour: Flavour::default(), zones: Vec::new() }
    }

    /// Keeps the VMs whose UUIDs `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.zones.retain(|zone| keep(&zone.uuid));
    }

    /// The VM objects with the wanted fields and whatever came with them for free.
    pub fn load(&self, wanted: &Fields) -> Result<Vec<VmObject>> {
        self.load_each(wanted)?.into_iter().collect()
    }

    /// The same of the VMs that can be read, and the others with what is wrong with them: one damaged VM must not keep
    /// the others from being seen.
    pub fn load_readable(&self, wanted: &Fields) -> Result<(Vec<VmObject>, Vec<Unreadable>)> {
        let (mut vms, mut unreadable) = (Vec::new(), Vec::new());
        for (zone, vm) in self.zones.iter().zip(self.load_each(wanted)?) {
            match vm {
                Ok(vm) => vms.push(vm),
                Err(error) => unreadable.push(Unreadable { uuid: zone.uuid.clone(), error }),
            }
        }
        Ok((vms, unreadable))
    }

    /// The same, where those that can be read are wanted whether the others can be or not.
    fn load_each(&self, wanted: &Fields) -> Result<Vec<Result<VmObject>>> {
        let shared = self.read_shared(wanted)?;
        let mut vms = self.read_files(wanted, &shared);
        // Older VMs have no attribute that says when they were created: their dataset's creation stands in.
        let lack_creation = || vms.iter().flatten().any(|vm| !vm.contains_key("create_timestamp"));
        if wanted.need_datasets() || (wanted.wants("create_timestamp") && lack_creation()) {
            let of: Vec<Wanted<'_>> = self
                .zones
                .iter()
                .zip(&vms)
                .filter_map(|(zone, vm)| {
                    Some(Wanted {
                        zonepath: &zone.zonepath,
                        installed: !matches!(zone.state.as_str(), "configured" | "incomplete"),
                        vm: vm.as_ref().ok()?,
                    })
                })
                .collect();
            let datasets = Datasets::read(self.root, &of, wanted.need_snapshots())?;
            for vm in vms.iter_mut().flatten() {
                assemble::add_datasets(&datasets, wanted, vm);
            }
        }
        Ok(vms.into_iter().map(|vm| vm.map(VmObject::from)).collect())
    }

    fn read_shared(&self, wanted: &Fields) -> Result<Shared> {
        let mut shared = Shared::default();
        if self.zones.is_empty() {
            return Ok(shared);
        }
        // OmniOS has no sysinfo: what it would say of the machine is left out.
        if wanted.need_sysinfo() && self.flavour == Flavour::SmartOs {
            shared.sysinfo = sysinfo::read(self.root)?;
        }
        if wanted.need_kstat() {
            match self.zones.as_slice() {
                [Zone { id: None, .. }] => {}
                [Zone { id, .. }] => shared.kstat = kstat::zone_misc(self.root, *id)?,
                _ => shared.kstat = kstat::zone_misc(self.root, None)?,
            }
        }
        Ok(shared)
    }

    fn read_files(&self, wanted: &Fields, shared: &Shared) -> Vec<Result<Object>> {
        let read = |zones: &[Zone]| -> Vec<Result<Object>> {
            zones.iter().map(|zone| self.read_vm(zone, wanted, shared)).collect()
        };
        let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
        if threads == 1 || self.zones.len() < WORTH_THREADS {
            return read(&self.zones);
        }
        let share = self.zones.len().div_ceil(threads);
        thread::scope(|scope| {
            let parts: Vec<_> =
                self.zones.chunks(share).map(|zones| scope.spawn(|| read(zones))).collect();
            let mut vms = Vec::with_capacity(self.zones.len());
            for part in parts {
                match part.join() {
                    Ok(mut part) => vms.append(&mut part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            vms
        })
    }

    fn read_vm(&self, zone: &Zone, wanted: &Fields, shared: &Shared) -> Result<Object> {
        let mut vm = if wanted.need_configuration() {
            self.read_configuration(zone, wanted)?
        } else {
            Object::new()
        };
        assemble::add_zone(self.root, zone, wanted, shared, &mut vm);
        Ok(vm)
    }

    fn read_configuration(&self, zone: &Zone, wanted: &Fields) -> Result<Object> {
        let path = config::configuration_path(self.root, &zone.name);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::io(format!("cannot read {}", path.display()), error));
        let text = match text {
            // A zone that is being deleted is in the list for a moment longer than its configuration is.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                log::warn!("{} is gone", path.display());
                return Ok(Object::new());
            }
            text => text?,
        };
        let damaged = |why: String| Error::Unexpected { what: path.display().to_string(), why };
        if self.flavour == Flavour::OmniOs {
            let mut vm = omnios::load(&text).map_err(|error| damaged(error.to_string()))?;
            vm.retain(|field, _| wanted.wants(field));
            return Ok(vm);
        }
        smartos_load::load(&text, &|field| wanted.wants(field))
            .map_err(|error| damaged(error.to_string()))
    }
}

/// The flavour of the system; SmartOS's where it does not say.
fn flavour(root: &Root) -> Flavour {
    platform::released_flavour(root).unwrap_or_default()
}

/// A zone with its VM's UUID. Zones without one whose name is a UUID have that; others are no VMs. OmniOS's zonecfg
/// chooses UUIDs itself, so that there the name goes first.
fn identified(mut zone: Zone, flavour: Flavour) -> Option<Zone> {
    let has_uuid = zone.uuid.len() == 36;
    if (!has_uuid || flavour == Flavour::OmniOs) && is_uuid(&zone.name) {
        zone.uuid.clone_from(&zone.name);
        return Some(zone);
    }
    has_uuid.then_some(zone)
}

fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The VM object of one VM with the wanted fields; `None` where there is no such VM.
pub fn get(root: &Root, uuid: &str, wanted: &Fields) -> Result<Option<VmObject>> {
    match Inventory::one(root, uuid)? {
        Some(inventory) => Ok(inventory.load(wanted)?.pop()),
        None => Ok(None),
    }
}
