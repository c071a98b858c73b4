//! Destroying datasets and snapshots.

use std::collections::HashSet;

use super::Zfs;
use super::error::{Code, Error, Result};
use super::state::{Snap, pool_of};

/// What besides the named thing is destroyed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// `-r`: everything below and all snapshots.
    pub recursive: bool,
    /// `-R`: also clones, wherever they are.
    pub clones: bool,
    /// `-d`: snapshots that are held or cloned go when that ends.
    pub defer: bool,
}

impl Zfs {
    /// Destroys a filesystem, volume, snapshot or bookmark, with `recursive` also what is below it.
    pub fn destroy(&mut self, name: &str, recursive: bool) -> Result<()> {
        let scope = Scope { recursive, ..Scope::default() };
        if name.contains('#') {
            return self.destroy_bookmark(name);
        }
        if name.contains('@') {
            let snaps = self.plan_snapshots(name, scope)?;
            return self.destroy_snapshots(&snaps, scope);
        }
        let plan = self.plan_destroy(name, scope)?;
        self.destroy_planned(&plan)
    }

    /// Everything that depends on a dataset or snapshot, dependents first, itself last.
    fn dependents(&self, name: &str) -> Vec<String> {
        let mut list = Vec::new();
        let mut seen = HashSet::new();
        self.add_dependents(name, &mut list, &mut seen);
        list
    }

    fn add_dependents(&self, name: &str, list: &mut Vec<String>, seen: &mut HashSet<String>) {
        if !seen.insert(name.to_owned()) {
            return;
        }
        if name.contains('@') {
            for clone in self.state.clones_of(name) {
                self.add_dependents(&clone, list, seen);
            }
        } else {
            for child in self.children(name) {
                self.add_dependents(&child, list, seen);
            }
            for snap in self.snapshots(name) {
                self.add_dependents(&snap, list, seen);
            }
        }
        list.push(name.to_owned());
    }

    /// What destroying a filesystem or volume takes with it, in order; itself last.
    pub(super) fn plan_destroy(&self, name: &str, scope: Scope) -> Result<Vec<String>> {
        let ds = self.state.datasets.get(name).ok_or_else(|| Error::no_dataset(name))?;
        if !scope.recursive && !name.contains('/') {
            return Err(Error::new(
                Code::Refused,
                format!(
                    "cannot destroy '{name}': operation does not apply to pools\n\
                     use 'zfs destroy -r {name}' to destroy all datasets in the pool\n\
                     use 'zpool destroy {name}' to destroy the pool itself"
                ),
            ));
        }
        let plan = self.dependents(name);
        let kind = if ds.is_volume() { "volume" } else { "filesystem" };
        let inside = |n: &str| {
            n.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with(['/', '@']))
        };
        let (own, clones): (Vec<&String>, Vec<&String>) = plan.iter().partition(|n| inside(n));
        let refuse = |what: &str, option: &str, list: &[&String]| {
            let names: Vec<&str> = list.iter().map(|s| s.as_str()).collect();
            Err(Error::new(
                Code::Busy,
                format!(
                    "cannot destroy '{name}': {kind} has {what}\n\
                     use '{option}' to destroy the following datasets:\n{}",
                    names.join("\n")
                ),
            ))
        };
        if !scope.recursive && own.len() > 1 {
            return refuse("children", "-r", &own[..own.len() - 1]);
        }
        if !scope.clones && !clones.is_empty() {
            return refuse("dependent clones", "-R", &clones);
        }
        Ok(plan)
    }

    /// Carries out [`Zfs::plan_destroy`]'s list. A pool's root stays.
    pub(super) fn destroy_planned(&mut self, plan: &[String]) -> Result<()> {
        for name in plan.iter().filter(|n| n.contains('@')) {
            self.check_not_held(name)?;
        }
        let filesystems: Vec<&str> =
            plan.iter().filter(|n| n.contains('/')).map(String::as_str).collect();
        self.check_nothing_mounted_inside(&filesystems.iter().copied().collect())?;
        for name in plan {
            if name.contains('@') {
                self.drop_snapshot(name);
            } else if name.contains('/') {
                self.drop_dataset(name);
            }
        }
        Ok(())
    }

    fn check_not_held(&self, name: &str) -> Result<()> {
        let Some((_, snap)) = self.state.snap(name) else { return Ok(()) };
        if snap.holds.is_empty() {
            return Ok(());
        }
        Err(Error::cannot(Code::Busy, format_args!("destroy snapshot {name}"), "dataset is busy"))
    }

    fn drop_dataset(&mut self, name: &str) {
        let Some(ds) = self.state.datasets.remove(name) else { return };
        let place = self.place(name, &ds);
        self.remove_place(name, &ds, place);
        if let Some(origin) = &ds.origin {
            let waits =
                self.state.snap(origin).is_some_and(|(_, s)| s.defer_destroy && s.holds.is_empty());
            if waits && self.state.clones_of(origin).is_empty() {
                self.drop_snapshot(origin);
            }
        }
    }

    /// Takes a snapshot out. What only it and its neighbour held is from then on held by the neighbour alone.
    pub(super) fn drop_snapshot(&mut self, full: &str) {
        let Some((ds, name)) = full.split_once('@') else { return };
        let Some(ds) = self.state.datasets.get_mut(ds) else { return };
        let Some(at) = ds.snaps.iter().position(|s| s.name == name) else { return };
        let snap = ds.snaps.remove(at);
        if let Some(next) = ds.snaps.get_mut(at) {
            next.written += snap.written.saturating_sub(snap.unique);
        }
        self.remove_snapshot_files(snap.id);
    }

    /// The snapshots that `dataset@spec` names: `a`, `a,b`, `a%b`, `%b`, `a%`, `%`.
    pub(super) fn plan_snapshots(&self, name: &str, scope: Scope) -> Result<Vec<String>> {
        let (top, spec) = name.split_once('@').unwrap_or((name, ""));
        if !self.state.datasets.contains_key(top) {
            return Err(Error::no_dataset(top));
        }
        let mut datasets = vec![top.to_owned()];
        if scope.recursive {
            datasets.extend(self.state.descendants(top).map(|(n, _)| n.clone()));
        }
        let mut found = Vec::new();
        for ds in datasets {
            let snaps = self.state.datasets.get(&ds).map_or(&[][..], |d| &d.snaps);
            for part in spec.split(',') {
                for snap in in_range(snaps, part) {
                    let full = format!("{ds}@{}", snap.name);
                    if !found.contains(&full) {
                        found.push(full);
                    }
                }
            }
        }
        if found.is_empty() {
            return Err(Error::new(
                Code::NotFound,
                "could not find any snapshots to destroy; check snapshot names.",
            ));
        }
        if !scope.clones && !scope.defer {
            for full in &found {
                let mut dependents = self.dependents(full);
                dependents.pop();
                if !dependents.is_empty() {
                    return Err(Error::new(
                        Code::Busy,
                        format!(
                            "cannot destroy '{full}': snapshot has dependent clones\n\
                             use '-R' to destroy the following datasets:\n{}",
                            dependents.join("\n")
                        ),
                    ));
                }
            }
        }
        Ok(found)
    }

    /// Carries out [`Zfs::plan_snapshots`]'s list.
    pub(super) fn destroy_snapshots(&mut self, snaps: &[String], scope: Scope) -> Result<()> {
        if scope.defer {
            for full in snaps {
                let cloned = !self.state.clones_of(full).is_empty();
                match self.state.snap_mut(full) {
                    Some(s) if cloned || !s.holds.is_empty() => s.defer_destroy = true,
                    _ => self.drop_snapshot(full),
                }
            }
            return Ok(());
        }
        let mut plan = Vec::new();
        for full in snaps {
            for name in self.dependents(full) {
                if !plan.contains(&name) {
                    plan.push(name);
                }
            }
        }
        self.destroy_planned(&plan)
    }

    /// Destroys a pool with all that is in it.
    pub fn destroy_pool(&mut self, name: &str) -> Result<()> {
        if self.state.pools.remove(name).is_none() {
            return Err(super::no_pool(name));
        }
        let mut all: Vec<String> =
            self.state.datasets.keys().filter(|n| pool_of(n) == name).cloned().collect();
        all.reverse();
        for ds in all {
            self.drop_dataset(&ds);
        }
        Ok(())
    }
}

/// The snapshots of a dataset that one part of a specification names.
fn in_range<'a>(snaps: &'a [Snap], spec: &str) -> &'a [Snap] {
    let at = |name: &str| snaps.iter().position(|s| s.name == name);
    let Some((first, last)) = spec.split_once('%') else {
        return at(spec).map_or(&[], |i| &snaps[i..=i]);
    };
    let start = if first.is_empty() { Some(0) } else { at(first) };
    let end = if last.is_empty() { Some(snaps.len()) } else { at(last).map(|i| i + 1) };
    match (start, end) {
        (Some(start), Some(end)) if start < end => &snaps[start..end],
        _ => &[],
    }
}
