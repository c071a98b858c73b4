//! Clones, and promoting them.

use std::collections::BTreeMap;

use super::error::{Code, Error, Result};
use super::mount::snap_place;
use super::names::{self, Want};
use super::props::{self, Settings, Target, type_bit};
use super::snapshot::now_ns;
use super::state::{Prop, State, parent_of, pool_of};
use super::{Zfs, reservation};

impl Zfs {
    /// Clones a snapshot; values of `props` are as typed.
    pub fn clone_snapshot(
        &mut self,
        snap: &str,
        target: &str,
        props: &[(&str, &str)],
    ) -> Result<()> {
        let pairs: Settings =
            props.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.clone_to(snap, target, &pairs)?.map_or(Ok(()), Err)
    }

    /// Clones a snapshot; the answer is why the clone could not be mounted, if so.
    pub(super) fn clone_to(
        &mut self,
        snap_name: &str,
        target: &str,
        pairs: &[(String, String)],
    ) -> Result<Option<Error>> {
        self.settle()?;
        let action = format!("create '{target}'");
        let (origin, snap) =
            self.state.snap(snap_name).ok_or_else(|| Error::no_dataset(snap_name))?;
        names::check_for(&action, target, Want::Dataset)?;
        self.check_parents(target)?;
        let kind = origin.kind;
        let zoned = parent_of(target).is_some_and(|p| self.is_on(p, "zoned"));
        let wanted = Target { types: type_bit(kind), existing: None, zoned };
        let mut settings = props::validate(&action, pairs, wanted)?;
        if pool_of(snap_name) != pool_of(target) {
            return Err(Error::cannot(Code::Refused, action, "source and target pools differ"));
        }
        if self.state.datasets.contains_key(target) {
            return Err(Error::cannot(Code::Exists, action, "dataset already exists"));
        }
        let mut own: BTreeMap<String, Prop> = BTreeMap::new();
        if let Some(size) = snap.volsize {
            let block = props::volblocksize(origin);
            let local = |v: u64| Prop { local: Some(v.to_string()), ..Prop::default() };
            own.insert("volsize".into(), local(size));
            own.insert("volblocksize".into(), local(block));
            for (prop, value) in &mut settings {
                if prop == "refreservation" && value == "auto" {
                    *value = reservation::for_volume(size, block, 1).to_string();
                }
            }
        }
        props::apply(&mut own, &settings);
        let (snap_id, opaque_bytes) = (snap.id, snap.opaque_bytes);
        let mut ds = self.new_dataset(kind, own);
        ds.origin = Some(snap_name.to_owned());
        ds.opaque_bytes = opaque_bytes;
        let prepared = self.copy_aside(&self.root.join(snap_place(snap_id)), ds.id)?;
        ds.clean_at = now_ns();
        self.state.datasets.insert(target.to_owned(), ds);
        let obstacle = self.place_contents(target, prepared);
        self.check_new_fits(target, &action, &settings)?;
        Ok(obstacle)
    }

    /// Turns a clone and its origin around: the clone takes over the origin's snapshots up to the one it was made of.
    pub fn promote(&mut self, name: &str) -> Result<()> {
        let action = format!("promote '{name}'");
        if name.contains('@') {
            let why = "snapshots can not be promoted";
            return Err(Error::cannot(Code::Refused, action, why));
        }
        let ds = self.state.datasets.get(name).ok_or_else(|| Error::no_dataset(name))?;
        let Some(origin) = ds.origin.clone() else {
            return Err(Error::cannot(Code::Refused, action, "not a cloned filesystem"));
        };
        let Some((parent, snap)) = origin.split_once('@') else { return Ok(()) };
        let taken = ds.snaps.clone();
        let source = self.state.datasets.get(parent).ok_or_else(|| Error::no_dataset(parent))?;
        let Some(upto) = source.snaps.iter().position(|s| s.name == snap) else { return Ok(()) };
        let moved = &source.snaps[..=upto];
        if let Some(clash) = moved.iter().find(|m| taken.iter().any(|t| t.name == m.name)) {
            let why = format!("conflicting snapshot '{}' from parent '{origin}'", clash.name);
            return Err(Error::cannot(Code::Exists, action, why));
        }
        let old_origin = source.origin.clone();
        let moved_names: Vec<String> = moved.iter().map(|s| s.name.clone()).collect();
        let (parent, new_origin) = (parent.to_owned(), format!("{name}@{snap}"));
        let Some(source) = self.state.datasets.get_mut(&parent) else { return Ok(()) };
        let rest = source.snaps.split_off(upto + 1);
        let moved = std::mem::replace(&mut source.snaps, rest);
        source.origin = Some(new_origin);
        if let Some(ds) = self.state.datasets.get_mut(name) {
            ds.snaps.splice(0..0, moved);
            ds.origin = old_origin;
        }
        for moved in moved_names {
            let (from, to) = (format!("{parent}@{moved}"), format!("{name}@{moved}"));
            self.state.rename_origin(&from, &to);
        }
        Ok(())
    }
}

impl State {
    /// Makes clones of a snapshot follow its new name.
    pub fn rename_origin(&mut self, from: &str, to: &str) {
        for ds in self.datasets.values_mut() {
            if ds.origin.as_deref() == Some(from) {
                ds.origin = Some(to.to_owned());
            }
        }
    }
}
