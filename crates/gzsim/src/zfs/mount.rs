//! Where datasets are: mountpoints, and the moves that follow from changes of names and properties.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Code, Error, Result};
use super::redo::FsOp;
use super::state::{Dataset, State};
use super::{STATE_DIR, Zfs};

/// Where an unmounted filesystem waits, relative to the root.
fn parked(id: u64) -> PathBuf {
    Path::new(STATE_DIR).join("fs").join(id.to_string())
}

/// Where a snapshot's contents are, relative to the root.
pub fn snap_place(id: u64) -> PathBuf {
    Path::new(STATE_DIR).join("snap").join(id.to_string())
}

/// Where a received stream is kept, relative to the root.
pub fn stream_place(id: u64) -> PathBuf {
    Path::new(STATE_DIR).join("stream").join(id.to_string())
}

fn rdsk(name: &str) -> PathBuf {
    Path::new("dev/zvol/rdsk").join(name)
}

fn dsk(name: &str) -> PathBuf {
    Path::new("dev/zvol/dsk").join(name)
}

/// The operations that put a volume's `dsk` link in place.
fn link_dsk(name: &str) -> FsOp {
    let up = "../".repeat(name.matches('/').count() + 1);
    FsOp::Link { path: dsk(name), target: Path::new(&up).join("rdsk").join(name) }
}

/// The operations that take a volume's directories away where they have become empty.
fn prune_volume(name: &str) -> [FsOp; 3] {
    let parent = |p: PathBuf| p.parent().map(Path::to_owned).unwrap_or_default();
    [
        FsOp::Remove { path: dsk(name) },
        FsOp::Prune { path: parent(dsk(name)), stop: "dev/zvol/dsk".into() },
        FsOp::Prune { path: parent(rdsk(name)), stop: "dev/zvol/rdsk".into() },
    ]
}

impl State {
    /// The mountpoint in force: an absolute path, `none` or `legacy`.
    pub fn mountpoint(&self, name: &str) -> String {
        let mut at = name;
        loop {
            let own = self.datasets.get(at).and_then(|d| d.own("mountpoint"));
            if let Some(own) = own {
                if !own.starts_with('/') {
                    return own.to_owned();
                }
                let base = own.trim_end_matches('/');
                let path = format!("{base}{}", &name[at.len()..]);
                return if path.is_empty() { "/".into() } else { path };
            }
            match super::state::parent_of(at) {
                Some(parent) => at = parent,
                None => return format!("/{name}"),
            }
        }
    }

    /// Whether a value of an on/off property in force is `on`, for the dataset or those above it.
    pub fn inherited_on(&self, name: &str, prop: &str) -> bool {
        let mut at = Some(name);
        while let Some(name) = at {
            if let Some(v) = self.datasets.get(name).and_then(|d| d.own(prop)) {
                return v == "on";
            }
            at = super::state::parent_of(name);
        }
        false
    }

    /// Whether properties allow a filesystem to be mounted in the global zone by itself.
    pub fn mountable(&self, name: &str, ds: &Dataset) -> bool {
        !ds.is_volume()
            && !ds.inconsistent
            && ds.own("canmount").unwrap_or("on") == "on"
            && self.mountpoint(name).starts_with('/')
            && !self.inherited_on(name, "zoned")
    }

    /// Contents of a dataset, relative to the root.
    fn place(&self, name: &str, ds: &Dataset) -> PathBuf {
        if ds.is_volume() {
            rdsk(name)
        } else if ds.mounted {
            relative(&self.mountpoint(name))
        } else {
            parked(ds.id)
        }
    }
}

fn relative(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches('/'))
}

struct Spot {
    name: String,
    path: PathBuf,
    mounted: bool,
    volume: bool,
}

fn spots(state: &State) -> BTreeMap<u64, Spot> {
    state
        .datasets
        .iter()
        .map(|(name, ds)| {
            let path = state.place(name, ds);
            (ds.id, Spot { name: name.clone(), path, mounted: ds.mounted, volume: ds.is_volume() })
        })
        .collect()
}

impl Zfs {
    /// Contents of a dataset, relative to the root.
    pub(super) fn place(&self, name: &str, ds: &Dataset) -> PathBuf {
        self.state.place(name, ds)
    }

    /// Directory or file with a snapshot's contents; valid for what is committed.
    pub fn snapshot_path(&self, name: &str) -> Option<PathBuf> {
        self.state.snap(name).map(|(_, s)| self.root.join(snap_place(s.id)))
    }

    /// The mounted filesystem that a path of the simulated system (`/zones/x/y`) lies in.
    pub fn filesystem_at(&self, path: &str) -> Option<String> {
        let wanted = relative(path);
        self.state
            .datasets
            .iter()
            .filter(|(_, ds)| ds.mounted)
            .map(|(name, _)| (name, relative(&self.state.mountpoint(name))))
            .filter(|(_, at)| wanted.starts_with(at))
            .max_by_key(|(_, at)| at.components().count())
            .map(|(name, _)| name.clone())
    }

    /// Mountpoints of all mounted filesystems with their datasets, shallow ones first.
    pub fn mounts(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = self
            .state
            .datasets
            .iter()
            .filter(|(_, ds)| ds.mounted)
            .map(|(name, _)| (self.state.mountpoint(name), name.clone()))
            .collect();
        all.sort();
        all
    }

    /// Absolute paths of all mounted filesystems.
    pub(super) fn mounted_paths(&self) -> HashSet<PathBuf> {
        self.state
            .datasets
            .iter()
            .filter(|(_, ds)| ds.mounted)
            .map(|(name, ds)| self.root.join(self.place(name, ds)))
            .collect()
    }

    /// Notes the making of an empty place for a new dataset, mounting it if it is to be. Returns the message when
    /// the mountpoint is in the way.
    pub(super) fn make_place(&mut self, name: &str) -> Option<Error> {
        let ds = self.state.datasets.get(name)?;
        let mut refused = None;
        let mut mounted = false;
        if ds.is_volume() {
            let bytes = ds.own_number("volsize");
            self.ops.push(FsOp::Size { path: rdsk(name), bytes });
            self.ops.push(link_dsk(name));
        } else {
            if self.state.mountable(name, ds) {
                refused = self.mount_obstacle(name);
                mounted = refused.is_none();
            }
            let path = if mounted { relative(&self.state.mountpoint(name)) } else { parked(ds.id) };
            self.ops.push(FsOp::MkDir { path });
        }
        if let Some(ds) = self.state.datasets.get_mut(name) {
            ds.mounted = mounted;
        }
        refused
    }

    /// Notes the placing of prepared contents as a new dataset.
    pub(super) fn place_contents(&mut self, name: &str, prepared: PathBuf) -> Option<Error> {
        let ds = self.state.datasets.get(name)?;
        if ds.is_volume() {
            self.ops.push(FsOp::Move { from: prepared, to: rdsk(name) });
            self.ops.push(link_dsk(name));
            return None;
        }
        let refused = if self.state.mountable(name, ds) { self.mount_obstacle(name) } else { None };
        let mounted = refused.is_none() && self.state.mountable(name, ds);
        let to = if mounted { relative(&self.state.mountpoint(name)) } else { parked(ds.id) };
        self.ops.push(FsOp::Move { from: prepared, to });
        if let Some(ds) = self.state.datasets.get_mut(name) {
            ds.mounted = mounted;
        }
        refused
    }

    /// Notes the placing of prepared contents as a new dataset that stays unmounted.
    pub(super) fn place_unmounted(&mut self, name: &str, prepared: PathBuf) {
        let Some(ds) = self.state.datasets.get(name).filter(|d| !d.is_volume()) else {
            self.place_contents(name, prepared);
            return;
        };
        self.ops.push(FsOp::Move { from: prepared, to: parked(ds.id) });
    }

    /// Why a filesystem cannot be mounted where it belongs.
    fn mount_obstacle(&self, name: &str) -> Option<Error> {
        let mountpoint = self.state.mountpoint(name);
        let path = self.root.join(relative(&mountpoint));
        let why = match fs::read_dir(&path) {
            Ok(mut entries) => entries.next().map(|_| "directory is not empty")?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(_) => "Not a directory",
        };
        Some(Error::cannot(Code::Busy, format_args!("mount '{mountpoint}'"), why))
    }

    /// Notes the removal of a dataset's contents; it must have been taken out of the state already.
    pub(super) fn remove_place(&mut self, name: &str, ds: &Dataset, place: PathBuf) {
        self.ops.push(FsOp::Remove { path: place });
        if ds.is_volume() {
            self.ops.extend(prune_volume(name));
        }
        for snap in &ds.snaps {
            self.remove_snapshot_files(snap.id);
        }
        if let Some(partial) = &ds.partial {
            self.ops.push(FsOp::Remove { path: stream_place(partial.id) });
        }
    }

    pub(super) fn remove_snapshot_files(&mut self, id: u64) {
        self.ops.push(FsOp::Remove { path: snap_place(id) });
        self.ops.push(FsOp::Remove { path: stream_place(id) });
    }

    pub(super) fn resize_volume(&mut self, name: &str, bytes: u64) {
        self.ops.push(FsOp::Size { path: rdsk(name), bytes });
    }

    /// Refuses when a filesystem outside of `leaving` is mounted inside one of `leaving`.
    pub(super) fn check_nothing_mounted_inside(&self, leaving: &HashSet<&str>) -> Result<()> {
        let mounts = self.mounts();
        for (path, _) in mounts.iter().filter(|(_, name)| leaving.contains(name.as_str())) {
            let inside = mounts.iter().any(|(p, name)| {
                p != path && Path::new(p).starts_with(path) && !leaving.contains(name.as_str())
            });
            if inside {
                return Err(Error::cannot(
                    Code::Busy,
                    format_args!("unmount '{path}'"),
                    "Device busy",
                ));
            }
        }
        Ok(())
    }

    /// Makes a change of state after which datasets may be in other places, and notes the moves. Filesystems that
    /// had no mountpoint and get one are mounted, those that lose it are unmounted.
    pub(super) fn relocate(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        let before = spots(&self.state);
        let had_mountpoint: HashSet<u64> = self
            .state
            .datasets
            .iter()
            .filter(|(name, _)| self.state.mountpoint(name).starts_with('/'))
            .map(|(_, ds)| ds.id)
            .collect();
        change(&mut self.state);
        let flags: Vec<(String, bool)> = self
            .state
            .datasets
            .iter()
            .filter(|(_, ds)| !ds.is_volume())
            .map(|(name, ds)| {
                let wanted = ds.mounted || !had_mountpoint.contains(&ds.id);
                (name.clone(), wanted && self.state.mountable(name, ds))
            })
            .collect();
        for (name, mounted) in flags {
            if let Some(ds) = self.state.datasets.get_mut(&name) {
                ds.mounted = mounted;
            }
        }
        let after = spots(&self.state);
        self.move_places(&before, &after)
    }

    fn move_places(
        &mut self,
        before: &BTreeMap<u64, Spot>,
        after: &BTreeMap<u64, Spot>,
    ) -> Result<()> {
        let moved: Vec<(u64, &Spot, &Spot)> = before
            .iter()
            .filter_map(|(id, old)| Some((*id, old, after.get(id)?)))
            .filter(|(_, old, new)| old.path != new.path)
            .collect();
        for (_, old, new) in moved.iter().filter(|(_, old, _)| old.volume) {
            self.ops.push(FsOp::Move { from: old.path.clone(), to: new.path.clone() });
            self.ops.extend(prune_volume(&old.name));
            self.ops.push(link_dsk(&new.name));
        }
        let mut leaving: Vec<(u64, &Spot)> = moved
            .iter()
            .filter(|(_, old, _)| old.mounted)
            .map(|(id, old, _)| (*id, *old))
            .collect();
        let names: HashSet<u64> = leaving.iter().map(|(id, _)| *id).collect();
        for (_, old) in &leaving {
            let inside = before.iter().any(|(id, spot)| {
                spot.mounted && !names.contains(id) && spot.path.starts_with(&old.path)
            });
            if inside {
                return Err(Error::cannot(
                    Code::Busy,
                    format_args!("unmount '/{}'", old.path.display()),
                    "Device busy",
                ));
            }
        }
        leaving.sort_by_key(|(_, spot)| std::cmp::Reverse(spot.path.components().count()));
        for (id, spot) in leaving {
            self.ops.push(FsOp::Move { from: spot.path.clone(), to: parked(id) });
        }
        let mut arriving: Vec<(u64, &Spot)> = moved
            .iter()
            .filter(|(_, _, new)| new.mounted)
            .map(|(id, _, new)| (*id, *new))
            .collect();
        arriving.sort_by_key(|(_, spot)| spot.path.components().count());
        for (id, spot) in arriving {
            self.ops.push(FsOp::Move { from: parked(id), to: spot.path.clone() });
        }
        Ok(())
    }

    /// Puts prepared contents in the place of a dataset's own, below what is mounted inside.
    pub(super) fn replace_contents(&mut self, name: &str, prepared: PathBuf) {
        let Some(ds) = self.state.datasets.get(name) else { return };
        let path = self.place(name, ds);
        let mut inside: Vec<(u64, PathBuf)> = self
            .state
            .datasets
            .iter()
            .filter(|(n, d)| d.mounted && n.as_str() != name)
            .map(|(n, d)| (d.id, self.place(n, d)))
            .filter(|(_, p)| ds.mounted && p.starts_with(&path))
            .collect();
        inside.sort_by_key(|(_, p)| std::cmp::Reverse(p.components().count()));
        for (id, p) in &inside {
            self.ops.push(FsOp::Move { from: p.clone(), to: parked(*id) });
        }
        self.ops.push(FsOp::Remove { path: path.clone() });
        self.ops.push(FsOp::Move { from: prepared, to: path });
        for (id, p) in inside.iter().rev() {
            self.ops.push(FsOp::Move { from: parked(*id), to: p.clone() });
        }
    }

    /// Mounts a filesystem where its mountpoint says (`zfs mount`).
    pub fn mount(&mut self, name: &str) -> Result<()> {
        let ds = self.state.datasets.get(name).ok_or_else(|| Error::no_dataset(name))?;
        let fail = |code, why: &str| Err(Error::cannot(code, format_args!("mount '{name}'"), why));
        if ds.is_volume() {
            let why = "operation not applicable to datasets of this type";
            return Err(Error::cannot(Code::Refused, format_args!("open '{name}'"), why));
        }
        let mountpoint = self.state.mountpoint(name);
        match mountpoint.as_str() {
            "legacy" => {
                return fail(
                    Code::Refused,
                    "legacy mountpoint\nuse mount(8) to mount this filesystem",
                );
            }
            "none" => return fail(Code::Refused, "no mountpoint set"),
            _ => {}
        }
        if self.state.inherited_on(name, "zoned") {
            return fail(Code::Refused, "dataset is exported to a local zone");
        }
        if ds.own("canmount") == Some("off") {
            return fail(Code::Refused, "'canmount' property is set to 'off'");
        }
        if ds.mounted {
            return fail(Code::Busy, "filesystem already mounted");
        }
        if let Some(refused) = self.mount_obstacle(name) {
            return Err(refused);
        }
        let from = parked(ds.id);
        self.ops.push(FsOp::Move { from, to: relative(&mountpoint) });
        if let Some(ds) = self.state.datasets.get_mut(name) {
            ds.mounted = true;
        }
        Ok(())
    }

    /// Unmounts a filesystem and those below it (`zfs unmount`); its directory stays, empty.
    pub fn unmount(&mut self, name: &str) -> Result<()> {
        let ds = self.state.datasets.get(name).ok_or_else(|| Error::no_dataset(name))?;
        if !ds.mounted {
            let what = format!("unmount '{name}'");
            return Err(Error::cannot(Code::Refused, what, "not currently mounted"));
        }
        let mut below: Vec<String> = self
            .state
            .descendants(name)
            .filter(|(_, d)| d.mounted)
            .map(|(n, _)| n.clone())
            .collect();
        below.push(name.to_owned());
        self.check_nothing_mounted_inside(&below.iter().map(String::as_str).collect())?;
        below.sort_by_key(|n| std::cmp::Reverse(self.state.mountpoint(n).matches('/').count()));
        for n in below {
            let path = relative(&self.state.mountpoint(&n));
            let Some(ds) = self.state.datasets.get_mut(&n) else { continue };
            ds.mounted = false;
            self.ops.push(FsOp::Move { from: path.clone(), to: parked(ds.id) });
            self.ops.push(FsOp::MkDir { path });
        }
        Ok(())
    }
}
