//! Making what a checked stream brings.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Seek};
use std::path::PathBuf;

use super::super::destroy::Scope;
use super::super::error::{Code, Error, Result};
use super::super::mount::{snap_place, stream_place};
use super::super::redo::FsOp;
use super::super::snapshot::{new_place, now_ns};
use super::super::spool::Spool;
use super::super::state::{Kind, Prop, Snap, parent_of, pool_of};
use super::super::stream::nvlist::{List, Value};
use super::super::stream::reader::{Head, Reader};
use super::super::stream::record::{Begin, END, FEATURE_RAW, TYPE_VOLUME};
use super::super::stream::{archive, volume};
use super::super::{Zfs, files, props, proptable, received, space};
use super::plan::Plan;
use super::{Contents, Options, Package, bad_stream, stream_error};

/// The one file that a filesystem of a real stream is shown with, as its contents are not unpacked: without it vmadm
/// would take no image of a zone for one.
const ZONEINIT: &str = "root/var/zoneinit/zoneinit.json";
const ZONEINIT_TEXT: &str =
    "{\"features\": {\"var_svc_provisioning\": true, \"zoneconfig\": true}}\n";

/// A checked stream on its way into the state.
pub struct Job<'a> {
    pub zfs: &'a mut Zfs,
    pub begin: &'a Begin,
    pub options: &'a Options,
    pub package: &'a Package,
    pub action: &'a str,
}

impl Job<'_> {
    /// Makes the snapshot, and its dataset where it is new; commits.
    pub fn finish(&mut self, plan: &Plan, spool: &Spool, mut contents: Contents) -> Result<()> {
        self.zfs.settle()?;
        self.check_space(plan, contents.data)?;
        if plan.new && !plan.resume && self.options.prefix {
            self.zfs.create_ancestors(&plan.name)?;
            self.zfs.settle()?;
        }
        let mut whole = spool.file.try_clone()?;
        if plan.resume {
            contents.archived |= self.join_partial(plan, spool)?;
        }
        whole.rewind()?;
        let live = self.zfs.state.new_id();
        let snap_id = self.zfs.state.new_id();
        let (prepared, facts) = self.materialise(plan, &whole, live, contents.archived)?;
        let absolute = self.zfs.root.join(&prepared);
        let copy = self.zfs.copy_aside(&absolute, snap_id)?;
        self.zfs.ops.push(FsOp::Move { from: copy, to: snap_place(snap_id) });
        let stored = spool.path.strip_prefix(&self.zfs.root).map_err(io::Error::other)?;
        self.zfs.ops.push(FsOp::Move { from: stored.to_owned(), to: stream_place(snap_id) });
        let usage = files::usage(&absolute, &HashSet::new(), 0);
        let newer = self.newer_snapshots(plan);
        if !newer.is_empty() {
            let scope = Scope { recursive: true, ..Scope::default() };
            self.zfs.destroy_snapshots(&newer, scope)?;
        }
        self.place_dataset(plan, prepared, &facts);
        let opaque = self.opaque_bytes(plan, contents);
        let base = if self.begin.kind == TYPE_VOLUME { space::VOL_BASE } else { space::FS_BASE };
        let previous = plan.base.as_ref().and_then(|b| self.zfs.state.snap(b));
        let before = previous.map_or(0, |(_, s)| s.referenced);
        let referenced = base + usage.bytes + opaque;
        let snap = Snap {
            name: plan.snap.clone(),
            id: snap_id,
            guid: self.begin.toguid,
            createtxg: self.zfs.state.txg + 1,
            creation: self.begin.creation,
            props: self.snapshot_properties(),
            holds: BTreeMap::new(),
            referenced,
            written: referenced.saturating_sub(before),
            unique: 0,
            volsize: facts.volsize,
            defer_destroy: false,
            stream_from: Some(self.begin.fromguid),
            opaque_bytes: opaque,
        };
        self.set_properties(plan);
        if let Some(ds) = self.zfs.state.datasets.get_mut(&plan.name) {
            ds.snaps.push(snap);
            ds.opaque_bytes = opaque;
            ds.clean_at = now_ns();
            ds.inconsistent = false;
            if let Some(partial) = ds.partial.take() {
                self.zfs.ops.push(FsOp::Remove { path: stream_place(partial.id) });
            }
        }
        if plan.resume && plan.new {
            self.mount_resumed(&plan.name);
        }
        self.zfs.commit()
    }

    /// Mounts a filesystem that was kept aside until its receive was complete.
    fn mount_resumed(&mut self, name: &str) {
        if self.options.unmounted || self.begin.kind == TYPE_VOLUME {
            return;
        }
        // It stays unmounted if it cannot be mounted, as on illumos.
        let _ = self.zfs.mount(name);
    }

    fn check_space(&self, plan: &Plan, data: u64) -> Result<()> {
        let zfs = &*self.zfs;
        if !zfs.state.counts(&plan.name) {
            return Ok(());
        }
        let map = zfs.space(pool_of(&plan.name));
        let mut at = plan.name.as_str();
        while !zfs.state.datasets.contains_key(at) {
            let Some(parent) = parent_of(at) else { return Ok(()) };
            at = parent;
        }
        if data <= map.dir_available(at) {
            return Ok(());
        }
        let mut above = Some(at);
        while let Some(name) = above {
            let quota = zfs.state.datasets.get(name).map_or(0, |d| d.own_number("quota"));
            if quota > 0 && map.of(name).used().saturating_add(data) > quota {
                let why = format!("destination {} space quota exceeded.", plan.name);
                return Err(Error::new(Code::NoSpace, format!("{}: {why}", self.action)));
            }
            above = parent_of(name);
        }
        Err(Error::new(Code::NoSpace, format!("{}: out of space", self.action)))
    }

    /// Snapshots of an existing dataset that are newer than the one the stream builds on; `-F` does away with them.
    fn newer_snapshots(&self, plan: &Plan) -> Vec<String> {
        let Some(base) = plan.base.as_ref().filter(|_| !plan.clone) else { return Vec::new() };
        let all = self.zfs.snapshots(&plan.name);
        match all.iter().position(|s| s == base) {
            Some(at) => all[at + 1..].to_vec(),
            None => Vec::new(),
        }
    }

    /// Works out the contents that the stream leads to, in the state directory.
    fn materialise(
        &mut self,
        plan: &Plan,
        stored: &File,
        id: u64,
        archived: bool,
    ) -> Result<(PathBuf, volume::Facts)> {
        let base = plan.base.as_ref().and_then(|b| self.zfs.snapshot_path(b));
        let prepared = new_place(id);
        let target = self.zfs.root.join(&prepared);
        fs::create_dir_all(self.zfs.dir.join("new"))?;
        let input = BufReader::with_capacity(1 << 20, stored.try_clone()?);
        let mut records = Reader::new(input, io::sink());
        let damaged = |fault| stream_error(fault, self.action, None);
        let Head::Begin(_, begin) = records.head().map_err(damaged)? else {
            return Err(bad_stream(self.action, "invalid backup stream"));
        };
        records.begin_payload(&begin).map_err(damaged)?;
        let mut facts = volume::Facts::default();
        if self.begin.kind == TYPE_VOLUME {
            match base {
                Some(base) => files::copy_file(&base, &target)?,
                None => drop(File::create(&target)?),
            }
            let file = fs::OpenOptions::new().read(true).write(true).open(&target)?;
            loop {
                let item = records.next(begin.swap).map_err(damaged)?;
                if item.record.kind() == END {
                    break;
                }
                if self.begin.features & FEATURE_RAW == 0 {
                    volume::apply(&item, &file, &mut facts).map_err(damaged)?;
                }
            }
            let len = file.metadata()?.len();
            let size = *facts.volsize.get_or_insert(len);
            file.set_len(size)?;
            return Ok((prepared, facts));
        }
        match base {
            Some(base) if !archived => {
                files::copy_tree(&base, &target, &HashSet::new())?;
            }
            _ => fs::create_dir_all(&target)?,
        }
        if archived {
            archive::unpack(records, begin.swap, &target).map_err(damaged)?;
        } else if plan.base.is_none() {
            let about = target.join(ZONEINIT);
            fs::create_dir_all(about.parent().unwrap_or(&target))?;
            fs::write(about, ZONEINIT_TEXT)?;
        }
        Ok((prepared, facts))
    }

    /// Bytes that the dataset refers to and that are not unpacked: those of real filesystems.
    fn opaque_bytes(&self, plan: &Plan, contents: Contents) -> u64 {
        if contents.archived || self.begin.kind == TYPE_VOLUME {
            return 0;
        }
        let base = plan.base.as_ref().and_then(|b| self.zfs.state.snap(b));
        base.map_or(0, |(_, s)| s.opaque_bytes) + contents.data
    }

    /// Makes the dataset, or gives the existing one its new contents.
    fn place_dataset(&mut self, plan: &Plan, prepared: PathBuf, facts: &volume::Facts) {
        let is_volume = self.begin.kind == TYPE_VOLUME;
        if !self.zfs.state.datasets.contains_key(&plan.name) {
            let kind = if is_volume { Kind::Volume } else { Kind::Filesystem };
            let mut ds = self.zfs.new_dataset(kind, BTreeMap::new());
            ds.origin = plan.base.clone().filter(|_| plan.clone);
            self.zfs.state.datasets.insert(plan.name.clone(), ds);
            self.set_volume_facts(plan, facts);
            // before it is placed: they say where it is mounted
            self.set_properties(plan);
            self.zfs.place_received(&plan.name, prepared, !self.options.unmounted);
            return;
        }
        self.set_volume_facts(plan, facts);
        self.zfs.replace_contents(&plan.name, prepared);
    }

    fn set_volume_facts(&mut self, plan: &Plan, facts: &volume::Facts) {
        let origin_block = plan
            .base
            .as_ref()
            .and_then(|b| self.zfs.state.snap(b))
            .map(|(origin, _)| props::volblocksize(origin));
        let Some(ds) = self.zfs.state.datasets.get_mut(&plan.name) else { return };
        if !ds.is_volume() {
            return;
        }
        let local = |n: u64| Prop { local: Some(n.to_string()), ..Prop::default() };
        if let Some(size) = facts.volsize {
            ds.props.insert("volsize".into(), local(size));
        }
        if let Some(block) = facts.block_size.or(origin_block) {
            ds.props.entry("volblocksize".into()).or_insert_with(|| local(block));
        }
    }

    /// The package's list for the dataset that the stream's snapshot belongs to, and the snapshot's name there.
    fn listed(&self) -> Option<(&List, &str)> {
        let all = self.package.list.as_ref()?.list("fss")?;
        all.0.iter().find_map(|(_, fs)| {
            let Value::List(fs) = fs else { return None };
            let snaps = fs.list("snaps")?;
            let guid = Value::Number(self.begin.toguid);
            let (name, _) = snaps.0.iter().find(|(_, v)| *v == guid)?;
            Some((fs, name.as_str()))
        })
    }

    fn snapshot_properties(&self) -> BTreeMap<String, Prop> {
        let mut own = BTreeMap::new();
        let list = self.listed().and_then(|(fs, snap)| fs.list("snapprops")?.list(snap));
        if let Some(list) = list {
            received::apply(&mut own, &received::read(list, proptable::SNAP));
        }
        own
    }

    /// Sets what the package brings, then what `-o` and `-x` say of it.
    fn set_properties(&mut self, plan: &Plan) {
        let is_volume = self.begin.kind == TYPE_VOLUME;
        let types = if is_volume { proptable::VOL } else { proptable::FS };
        let list = self.listed().and_then(|(fs, _)| fs.list("props"));
        let brought = list.map(|l| received::read(l, types));
        let top = self.package.top.as_ref().is_none_or(|t| *t == plan.name);
        let Some(ds) = self.zfs.state.datasets.get_mut(&plan.name) else { return };
        if let Some(brought) = brought {
            received::apply(&mut ds.props, &brought);
        }
        let canonical = |n: &str| proptable::find(n).map_or(n.to_owned(), |p| p.name.to_owned());
        for name in &self.options.exclude {
            if let Some(prop) = ds.props.get_mut(&canonical(name))
                && prop.local.is_none()
            {
                prop.inherit = true;
            }
        }
        let target = props::Target { types, existing: None, zoned: false };
        for pair in self.options.set.iter().filter(|(n, _)| n != "origin") {
            let one = std::slice::from_ref(pair);
            // below the top the value is inherited from there
            if !top {
                if let Some(prop) = ds.props.get_mut(&canonical(&pair.0)) {
                    prop.inherit = true;
                }
            } else if let Ok(settings) = props::validate("receive", one, target) {
                props::apply(&mut ds.props, &settings);
            }
        }
    }
}

impl Zfs {
    /// Places the contents of a received dataset; unmounted if asked, or if its mountpoint is in the way.
    fn place_received(&mut self, name: &str, prepared: PathBuf, mount: bool) {
        if mount {
            if let Some(refused) = self.place_contents(name, prepared) {
                eprintln!("{refused}");
            }
        } else {
            self.place_unmounted(name, prepared);
        }
    }
}
