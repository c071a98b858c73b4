//! What datasets use and what is left for them, after the rules of the DSL (dsl_dir.c, dsl_dataset.c).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::error::{Code, Error, Result};
use super::state::{Dataset, State, parent_of, pool_of};
use super::{Zfs, files};

/// What an empty filesystem refers to.
pub const FS_BASE: u64 = 24 * 1024;
/// What an empty volume refers to.
pub const VOL_BASE: u64 = 8 * 1024;

/// Sizes of one filesystem or volume, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Space {
    pub referenced: u64,
    /// Written since the latest snapshot, or since it was cloned; all of it where there is neither.
    pub written: u64,
    /// Held by the latest snapshot alone.
    pub freed: u64,
    pub by_dataset: u64,
    pub by_snapshots: u64,
    pub by_refreservation: u64,
    pub by_children: u64,
}

impl Space {
    pub fn used(&self) -> u64 {
        self.by_dataset
            .saturating_add(self.by_snapshots)
            .saturating_add(self.by_refreservation)
            .saturating_add(self.by_children)
    }
}

/// Sizes of many datasets at one moment.
pub struct SpaceMap<'a> {
    state: &'a State,
    spaces: HashMap<&'a str, Space>,
}

impl Zfs {
    /// Measures every dataset of a pool.
    pub(super) fn space(&self, pool: &str) -> SpaceMap<'_> {
        self.space_below(pool)
    }

    /// Measures a dataset and what is below it. `available` cannot be told from this, as it depends on the whole pool.
    pub(super) fn space_below(&self, top: &str) -> SpaceMap<'_> {
        let state = &self.state;
        let skip = self.mounted_paths();
        let own = state.datasets.get_key_value(top);
        let mut names: Vec<(&str, &Dataset)> = own
            .into_iter()
            .chain(state.descendants(top))
            .map(|(name, ds)| (name.as_str(), ds))
            .collect();
        // children before parents
        names.reverse();
        let mut map = SpaceMap { state, spaces: HashMap::with_capacity(names.len()) };
        let measured = self.measure_all(&names, &skip);
        for ((name, ds), mut space) in names.into_iter().zip(measured) {
            if let Some(children) = map.spaces.get(name) {
                space.by_children = children.by_children;
            }
            let counted = space.used().max(ds.own_number("reservation"));
            map.spaces.insert(name, space);
            if let Some(parent) = parent_of(name).filter(|p| p.len() >= top.len()) {
                map.spaces.entry(parent).or_default().by_children += counted;
            }
        }
        map
    }

    /// Measures datasets, many of them on all processors: it is mostly waiting for the host's directories.
    fn measure_all(&self, names: &[(&str, &Dataset)], skip: &HashSet<PathBuf>) -> Vec<Space> {
        const WORTH_A_THREAD: usize = 500;
        let one = |(name, ds): &(&str, &Dataset)| self.measure(name, ds, skip);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = names.len().div_ceil(threads).max(WORTH_A_THREAD);
        if names.len() <= share {
            return names.iter().map(one).collect();
        }
        std::thread::scope(|scope| {
            let workers: Vec<_> = names
                .chunks(share)
                .map(|chunk| scope.spawn(move || chunk.iter().map(one).collect::<Vec<_>>()))
                .collect();
            // a worker that panicked has said so; its datasets count as empty
            let sizes = names.chunks(share).map(<[_]>::len);
            workers
                .into_iter()
                .zip(sizes)
                .flat_map(|(w, n)| w.join().unwrap_or_else(|_| vec![Space::default(); n]))
                .collect()
        })
    }

    /// Measures one dataset, without what is below it.
    pub(super) fn own_space(&self, name: &str) -> Space {
        let ds = self.state.datasets.get(name);
        ds.map_or_else(Space::default, |ds| self.measure(name, ds, &self.mounted_paths()))
    }

    fn measure(&self, name: &str, ds: &Dataset, skip: &HashSet<PathBuf>) -> Space {
        let path = self.root.join(self.place(name, ds));
        let usage = files::usage(&path, skip, i128::from(ds.clean_at));
        let base = if ds.is_volume() { VOL_BASE } else { FS_BASE };
        let referenced = base + usage.bytes + ds.opaque_bytes;
        let mut space = Space { referenced, written: referenced, ..Space::default() };
        let last = ds.snaps.last();
        let origin = ds.origin.as_deref().and_then(|o| self.state.snap(o)).map(|(_, s)| s);
        if last.or(origin).is_some() {
            space.written = usage.newer;
        }
        if let Some(last) = last {
            space.freed = (last.referenced + space.written).saturating_sub(referenced);
        }
        space.by_snapshots = ds.snaps.iter().map(|s| s.unique).sum::<u64>() + space.freed;
        space.by_dataset = if origin.is_some() {
            let since: u64 = ds.snaps.iter().map(|s| s.written).sum();
            (since + space.written).min(referenced)
        } else {
            referenced
        };
        space.by_refreservation = ds.own_number("refreservation").saturating_sub(space.written);
        space
    }

    /// Refuses quotas and reservations that do not fit (dsl_dir_set_quota_check and its like).
    pub(super) fn check_space_for(
        &self,
        name: &str,
        action: &str,
        settings: &[(String, String)],
    ) -> Result<()> {
        const NAMES: [&str; 4] = ["quota", "refquota", "reservation", "refreservation"];
        let asked = settings.iter().any(|(n, _)| NAMES.contains(&n.as_str()));
        if !asked || !self.state.counts(name) {
            return Ok(());
        }
        let Some(ds) = self.state.datasets.get(name) else { return Ok(()) };
        let map = self.space(pool_of(name));
        let space = map.of(name);
        // A setting counts with the others of the same command, whatever their order.
        let value = |prop: &str| {
            settings
                .iter()
                .find(|(n, _)| n == prop)
                .map_or_else(|| ds.own_number(prop), |(_, v)| v.parse().unwrap_or(0))
        };
        let too_small = || {
            Error::cannot(Code::NoSpace, action, "size is less than current used or reserved space")
        };
        let too_large =
            || Error::cannot(Code::NoSpace, action, "size is greater than available space");
        let refreserv_used = value("refreservation").saturating_sub(space.written);
        let used = space.used() - space.by_refreservation + refreserv_used;
        for (prop, given) in settings {
            let new: u64 = given.parse().unwrap_or(0);
            match prop.as_str() {
                "quota" if new != 0 && (new < value("reservation") || new < used) => {
                    return Err(too_small());
                }
                "refquota"
                    if new != 0 && (new < space.referenced || new < value("refreservation")) =>
                {
                    return Err(too_small());
                }
                "reservation" => {
                    let before = space.used().max(ds.own_number("reservation"));
                    let wanted = used.max(new).saturating_sub(before);
                    let room = parent_of(name).map_or(u64::MAX, |p| map.dir_available(p));
                    let quota = value("quota");
                    if wanted > room || (quota > 0 && new > quota) {
                        return Err(too_large());
                    }
                }
                "refreservation" => {
                    let before = space.written.max(ds.own_number("refreservation"));
                    let wanted = space.written.max(new).saturating_sub(before);
                    let quota = value("refquota");
                    if wanted > map.dir_available_with(name, value("quota"))
                        || (quota > 0 && new > quota)
                    {
                        return Err(too_large());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl SpaceMap<'_> {
    pub fn of(&self, name: &str) -> Space {
        self.spaces.get(name).copied().unwrap_or_default()
    }

    /// What may still be allocated below a dataset (dsl_dir_space_available).
    pub fn dir_available(&self, name: &str) -> u64 {
        let quota = self.state.datasets.get(name).map_or(0, |d| d.own_number("quota"));
        self.dir_available_with(name, quota)
    }

    /// The same with another quota, 0 for none.
    pub fn dir_available_with(&self, name: &str, quota: u64) -> u64 {
        let used = self.of(name).used();
        let mut quota = if quota == 0 { u64::MAX } else { quota };
        let mut above = u64::MAX;
        match parent_of(name) {
            Some(parent) => {
                above = self.dir_available(parent);
                let reserved =
                    self.state.datasets.get(name).map_or(0, |d| d.own_number("reservation"));
                above = above.saturating_add(reserved.saturating_sub(used));
            }
            None => quota = quota.min(self.state.pools.get(name).map_or(0, |p| usable(p.size))),
        }
        quota.saturating_sub(used).min(above)
    }

    /// The property `available` (dsl_dataset_space).
    pub fn available(&self, name: &str) -> u64 {
        let Some(ds) = self.state.datasets.get(name) else { return 0 };
        let space = self.of(name);
        let mut room = self.dir_available(name).saturating_add(space.by_refreservation);
        let refquota = ds.own_number("refquota");
        if refquota > 0 {
            room = room.min(refquota.saturating_sub(space.referenced));
        }
        room
    }
}

/// A pool's size less what ZFS keeps back.
pub fn usable(size: u64) -> u64 {
    size - (size >> 5)
}
