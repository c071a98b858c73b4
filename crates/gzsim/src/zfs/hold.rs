//! User holds on snapshots.

use super::error::{Code, Error, Result};
use super::names::{self, Want};
use super::{Zfs, now};

const MAX_TAG: usize = 255;

impl Zfs {
    /// The snapshots that `action` on the snapshot `name`, recursive or not, is about; an error where there is none.
    fn same_named(&self, action: &str, name: &str, recursive: bool) -> Result<Vec<String>> {
        names::check_for(action, name, Want::Snapshot)?;
        let (ds, snap) = name.split_once('@').unwrap_or((name, ""));
        if !self.state.datasets.contains_key(ds) {
            return Err(Error::no_dataset(ds));
        }
        let mut all = vec![ds.to_owned()];
        if recursive {
            all.extend(self.state.descendants(ds).map(|(n, _)| n.clone()));
        }
        all.retain(|n| self.state.datasets.get(n).is_some_and(|d| d.snap(snap).is_some()));
        if all.is_empty() {
            return Err(Error::cannot(Code::NotFound, action, "dataset does not exist"));
        }
        Ok(all.iter().map(|n| format!("{n}@{snap}")).collect())
    }

    /// Puts a hold on a snapshot (`dataset@name`), with `recursive` also on those of the same name below.
    pub fn hold(&mut self, tag: &str, name: &str, recursive: bool) -> Result<()> {
        let action = format!("hold snapshot '{name}'");
        let snaps = self.same_named(&action, name, recursive)?;
        if tag.len() > MAX_TAG {
            return Err(Error::cannot(Code::Refused, action, "tag too long"));
        }
        for full in &snaps {
            let held = self.state.snap(full).is_some_and(|(_, s)| s.holds.contains_key(tag));
            if held {
                let action = format!("hold snapshot '{full}'");
                let why = "tag already exists on this dataset";
                return Err(Error::cannot(Code::Exists, action, why));
            }
        }
        for full in &snaps {
            if let Some(snap) = self.state.snap_mut(full) {
                snap.holds.insert(tag.to_owned(), now());
            }
        }
        Ok(())
    }

    /// Takes a hold off; a snapshot whose destruction was waiting for that goes.
    pub fn release(&mut self, tag: &str, name: &str, recursive: bool) -> Result<()> {
        let action = format!("release hold from snapshot '{name}'");
        let snaps = self.same_named(&action, name, recursive)?;
        let mut released = false;
        for full in snaps {
            let Some(snap) = self.state.snap_mut(&full) else { continue };
            if snap.holds.remove(tag).is_none() {
                continue;
            }
            released = true;
            if snap.defer_destroy && snap.holds.is_empty() && self.state.clones_of(&full).is_empty()
            {
                self.drop_snapshot(&full);
            }
        }
        if !released {
            return Err(Error::cannot(Code::NotFound, action, "no such tag on this dataset"));
        }
        Ok(())
    }

    /// Tags and times of the holds on a snapshot.
    pub fn holds(&self, name: &str) -> Result<Vec<(String, u64)>> {
        let (_, snap) = self.state.snap(name).ok_or_else(|| Error::no_dataset(name))?;
        Ok(snap.holds.iter().map(|(t, at)| (t.clone(), *at)).collect())
    }
}
