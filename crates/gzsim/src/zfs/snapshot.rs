//! Taking snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{Code, Error, Result};
use super::mount::snap_place;
use super::names::{self, Want};
use super::props::{self, Target};
use super::proptable::SNAP;
use super::redo::FsOp;
use super::state::{Snap, pool_of};
use super::{STATE_DIR, Zfs, files, now};

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

impl Zfs {
    /// Takes one snapshot, `dataset@name`.
    pub fn snapshot(&mut self, name: &str) -> Result<()> {
        self.snapshot_all(&[name.to_owned()], &[])
    }

    /// Takes several snapshots, all or none. The message names each one that stands in the way.
    pub(super) fn snapshot_all(
        &mut self,
        names: &[String],
        props: &[(String, String)],
    ) -> Result<()> {
        for name in names {
            let action = format!("create snapshot '{name}'");
            names::check_for(&action, name, Want::Snapshot)?;
        }
        let target = Target { types: SNAP, existing: None, zoned: false };
        let settings = props::validate("create snapshots ", props, target)?;
        let mut seen = std::collections::HashSet::new();
        if !names.iter().all(|n| seen.insert(n.split('@').next().unwrap_or(n))) {
            return Err(Error::cannot(
                Code::Exists,
                "create snapshots ",
                "multiple snapshots of same fs not allowed",
            ));
        }
        self.settle()?;
        let mut refused = Vec::new();
        for name in names {
            let fail = |code, why: &str| {
                Error::cannot(code, format_args!("create snapshot '{name}'"), why)
            };
            let (ds, snap) = name.split_once('@').unwrap_or((name, ""));
            match self.state.datasets.get(ds) {
                None => refused.push(fail(Code::NotFound, "dataset does not exist")),
                Some(d) if d.snap(snap).is_some() => {
                    refused.push(fail(Code::Exists, "dataset already exists"));
                }
                Some(d) if d.inconsistent => refused.push(fail(Code::Busy, "dataset is busy")),
                Some(d) if d.own_number("refreservation") > 0 && self.state.counts(ds) => {
                    let map = self.space(pool_of(ds));
                    let need = map.of(ds).written.min(d.own_number("refreservation"));
                    if need > map.dir_available(ds) {
                        refused.push(fail(Code::NoSpace, "out of space"));
                    }
                }
                Some(_) => {}
            }
        }
        if let Some(first) = refused.first() {
            let text: Vec<String> = refused.iter().map(ToString::to_string).collect();
            return Err(Error::new(first.code(), text.join("\n")));
        }
        let txg = self.state.txg + 1;
        for name in names {
            let (ds, snap) = name.split_once('@').unwrap_or((name, ""));
            self.take(ds, snap, txg, &settings)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        ds_name: &str,
        snap: &str,
        txg: u64,
        settings: &[(String, String)],
    ) -> Result<()> {
        let space = self.own_space(ds_name);
        let id = self.state.new_id();
        let guid = self.state.new_guid();
        let at = now_ns();
        let ds = self.state.datasets.get(ds_name).ok_or_else(|| Error::no_dataset(ds_name))?;
        let source = self.root.join(self.place(ds_name, ds));
        let prepared = self.copy_aside(&source, id)?;
        self.ops.push(FsOp::Move { from: prepared, to: snap_place(id) });
        let Some(ds) = self.state.datasets.get_mut(ds_name) else { return Ok(()) };
        if let Some(last) = ds.snaps.last_mut() {
            last.unique += space.freed;
        }
        let mut own = std::collections::BTreeMap::new();
        props::apply(&mut own, settings);
        ds.snaps.push(Snap {
            name: snap.to_owned(),
            id,
            guid,
            createtxg: txg,
            creation: now(),
            props: own,
            holds: std::collections::BTreeMap::new(),
            referenced: space.referenced,
            written: space.written,
            unique: 0,
            volsize: ds.is_volume().then(|| ds.own_number("volsize")),
            defer_destroy: false,
            stream_from: None,
            opaque_bytes: ds.opaque_bytes,
        });
        ds.clean_at = at;
        Ok(())
    }

    /// Copies contents (a directory or a volume's file) into the state directory, for a commit to move into place.
    pub(super) fn copy_aside(&self, source: &Path, id: u64) -> Result<PathBuf> {
        let prepared = new_place(id);
        let target = self.root.join(&prepared);
        fs::create_dir_all(self.dir.join("new"))?;
        if source.is_dir() {
            files::copy_tree(source, &target, &self.mounted_paths())?;
        } else {
            files::copy_file(source, &target)?;
        }
        Ok(prepared)
    }
}

/// Where contents are prepared, relative to the root.
pub fn new_place(id: u64) -> PathBuf {
    Path::new(STATE_DIR).join("new").join(id.to_string())
}
