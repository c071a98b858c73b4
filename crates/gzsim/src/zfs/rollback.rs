//! Going back to a snapshot.

use super::Zfs;
use super::destroy::Scope;
use super::error::{Code, Error, Result};
use super::mount::snap_place;
use super::snapshot::now_ns;
use super::state::Prop;

impl Zfs {
    /// Puts a dataset's contents back to a snapshot's. Newer snapshots are destroyed if `scope` says so, and refused otherwise.
    pub fn rollback(&mut self, name: &str, recursive: bool, clones: bool) -> Result<()> {
        self.settle()?;
        let (ds_name, snap_name) = name.split_once('@').ok_or_else(|| Error::no_dataset(name))?;
        let ds = self.state.datasets.get(ds_name).ok_or_else(|| Error::no_dataset(name))?;
        let at = ds
            .snaps
            .iter()
            .position(|s| s.name == snap_name)
            .ok_or_else(|| Error::no_dataset(name))?;
        let newer: Vec<String> =
            ds.snaps[at + 1..].iter().map(|s| format!("{ds_name}@{}", s.name)).collect();
        let txg = ds.snaps[at].createtxg;
        let marks: Vec<String> = ds
            .bookmarks
            .iter()
            .filter(|b| b.createtxg > txg)
            .map(|b| format!("{ds_name}#{}", b.name))
            .collect();
        let any_newer = !newer.is_empty() || !marks.is_empty();
        if any_newer && !recursive {
            let list: Vec<&str> = newer.iter().chain(&marks).map(String::as_str).collect();
            return Err(Error::new(
                Code::Exists,
                format!(
                    "cannot rollback to '{name}': more recent snapshots or bookmarks exist\n\
                     use '-r' to force deletion of the following snapshots and bookmarks:\n{}",
                    list.join("\n")
                ),
            ));
        }
        if !clones {
            let dependents: Vec<String> =
                newer.iter().flat_map(|s| self.state.clones_of(s)).collect();
            if !dependents.is_empty() {
                return Err(Error::new(
                    Code::Exists,
                    format!(
                        "cannot rollback to '{name}': clones of previous snapshots exist\n\
                         use '-R' to force deletion of the following clones and dependents:\n{}",
                        dependents.join("\n")
                    ),
                ));
            }
        }
        if !newer.is_empty() {
            let scope = Scope { recursive: true, clones, defer: false };
            self.destroy_snapshots(&newer, scope)?;
        }
        for mark in marks {
            self.destroy_bookmark(&mark)?;
        }
        let Some((_, snap)) = self.state.snap(name) else { return Err(Error::no_dataset(name)) };
        let (id, volsize, opaque) = (snap.id, snap.volsize, snap.opaque_bytes);
        let new_id = self.state.new_id();
        let prepared = self.copy_aside(&self.root.join(snap_place(id)), new_id)?;
        self.replace_contents(ds_name, prepared);
        let Some(ds) = self.state.datasets.get_mut(ds_name) else { return Ok(()) };
        ds.clean_at = now_ns();
        ds.opaque_bytes = opaque;
        if let Some(size) = volsize {
            let value = Prop { local: Some(size.to_string()), ..Prop::default() };
            ds.props.insert("volsize".into(), value);
        }
        Ok(())
    }
}
