//! New names for datasets and snapshots.

use super::Zfs;
use super::error::{Code, Error, Result};
use super::names::{self, Want};
use super::state::pool_of;

impl Zfs {
    /// Renames a filesystem or volume with everything below it.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        if from == to {
            return Ok(());
        }
        let to_action = format!("rename to '{to}'");
        let fail = |code, why: &str| Err(Error::cannot(code, &to_action, why));
        if !self.state.datasets.contains_key(from) {
            return Err(Error::no_dataset(from));
        }
        names::check_for(&to_action, to, Want::Dataset)?;
        self.check_parents(to)?;
        if pool_of(from) != pool_of(to) || !from.contains('/') {
            return fail(Code::Refused, "datasets must be within same pool");
        }
        if to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
            let why = "New dataset name cannot be a descendant of current dataset name";
            return fail(Code::Refused, why);
        }
        let action = format!("rename '{from}'");
        if self.is_on(from, "zoned") {
            let why = "dataset is used in a non-global zone";
            return Err(Error::cannot(Code::Busy, action, why));
        }
        if self.state.datasets.contains_key(to) {
            return Err(Error::cannot(Code::Exists, action, "dataset already exists"));
        }
        let longest = self
            .state
            .descendants(from)
            .map(|(n, d)| n.len() + d.snaps.iter().map(|s| s.name.len() + 1).max().unwrap_or(0));
        if longest.max().unwrap_or(0) + to.len() >= 256 + from.len() {
            return Err(Error::cannot(Code::Refused, action, "dataset name is too long"));
        }
        self.relocate(|state| {
            let names: Vec<String> = std::iter::once(from.to_owned())
                .chain(state.descendants(from).map(|(n, _)| n.clone()))
                .collect();
            for old in names {
                let new = format!("{to}{}", &old[from.len()..]);
                if let Some(ds) = state.datasets.remove(&old) {
                    state.datasets.insert(new, ds);
                }
            }
            for ds in state.datasets.values_mut() {
                let Some(origin) = &mut ds.origin else { continue };
                let rest = origin.strip_prefix(from).filter(|r| r.starts_with(['/', '@']));
                if let Some(rest) = rest {
                    *origin = format!("{to}{rest}");
                }
            }
        })
    }

    /// Renames a snapshot; `to` may be the full name or the part after `@`. With `recursive`, also the snapshots of
    /// that name of everything below.
    pub fn rename_snapshot(&mut self, from: &str, to: &str, recursive: bool) -> Result<()> {
        let Some((ds, old)) = from.split_once('@') else { return Err(Error::no_dataset(from)) };
        if self.state.snap(from).is_none() {
            return Err(Error::no_dataset(from));
        }
        let to_action = format!("rename to '{to}'");
        let new = match to.split_once('@') {
            Some((other, _)) if !other.is_empty() && other != ds => {
                let why = "snapshots must be part of same dataset";
                return Err(Error::cannot(Code::Refused, to_action, why));
            }
            Some((_, new)) => new,
            None => to,
        };
        names::check_for(&to_action, &format!("{ds}@{new}"), Want::Snapshot)?;
        if old == new {
            return Ok(());
        }
        let mut all = vec![ds.to_owned()];
        if recursive {
            all.extend(self.state.descendants(ds).map(|(n, _)| n.clone()));
        }
        for name in &all {
            if self.state.datasets.get(name).is_some_and(|d| d.snap(new).is_some()) {
                let why = if recursive {
                    "a child dataset already has a snapshot with the new name"
                } else {
                    "dataset already exists"
                };
                let what = if recursive { name.clone() } else { from.to_owned() };
                return Err(Error::cannot(Code::Exists, format_args!("rename '{what}'"), why));
            }
        }
        for name in &all {
            let full = format!("{name}@{old}");
            let Some(snap) = self.state.snap_mut(&full) else { continue };
            new.clone_into(&mut snap.name);
            self.state.rename_origin(&full, &format!("{name}@{new}"));
        }
        Ok(())
    }
}
