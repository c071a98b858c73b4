//! `zfs receive`: checks a stream whole, then makes the snapshot that it brings.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::destroy::Scope;
use super::error::{Code, Error, Result};
use super::mount::{snap_place, stream_place};
use super::redo::FsOp;
use super::snapshot::now_ns;
use super::spool::Spool;
use super::state::{Kind, Partial, Prop, Snap, parent_of};
use super::stream::nvlist::{List, Value};
use super::stream::reader::{Fault, Head, Reader};
use super::stream::record::{
    Begin, COMPOUND, END, FEATURE_RESUMING, FLAG_CLONE, OBJECT, Record, TYPE_VOLUME, WRITE,
};
use super::stream::{archive, volume};
use super::{STATE_DIR, Zfs, files, names, number, props, proptable, received, space, token};

/// How a stream is to be received.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-F`
    pub force: bool,
    /// `-u`
    pub unmounted: bool,
    /// `-v`
    pub verbose: bool,
    /// `-n`
    pub dry_run: bool,
    /// `-s`
    pub resumable: bool,
    /// `-d`: all of the sent name but the pool is added to the target.
    pub prefix: bool,
    /// `-e`: the last part of the sent name is added to the target.
    pub tail: bool,
    /// `-o`
    pub set: Vec<(String, String)>,
    /// `-x`
    pub exclude: Vec<String>,
}

/// The package that a stream is part of.
#[derive(Default)]
struct Package {
    /// Dataset that was sent; the names of all streams begin with it.
    sendfs: String,
    list: Option<List>,
    recursive: bool,
    /// The first dataset that was received: `-o` sets there, below it is inherited.
    top: Option<String>,
}

/// What a stream will do.
struct Plan {
    /// The dataset.
    name: String,
    snap: String,
    /// It is to be made.
    new: bool,
    /// Its contents are to be replaced (`-F` with a full stream).
    replace: bool,
    /// Full name of the snapshot whose contents the stream changes.
    base: Option<String>,
    /// The base is the origin of a clone.
    clone: bool,
    /// Continues a receive that was cut off.
    resume: bool,
}

/// Receives what is on `input` into `target`. The answer is what `-v` prints.
pub fn receive(
    root: &Path,
    target: &str,
    options: &Options,
    input: impl Read,
) -> std::result::Result<String, (String, Error)> {
    let mut told = String::new();
    match receive_all(root, target, options, input, &mut told) {
        Ok(()) => Ok(told),
        Err(e) => Err((told, e)),
    }
}

fn receive_all(
    root: &Path,
    target: &str,
    options: &Options,
    input: impl Read,
    told: &mut String,
) -> Result<()> {
    check_target(root, target, options)?;
    let mut input = BufReader::with_capacity(1 << 20, input);
    let mut reader = Reader::new(&mut input, Spill::Nowhere);
    let Head::Begin(begin, record) = reader.head().map_err(head_error)? else { return Ok(()) };
    let sendfs = dataset_of(&begin.toname).to_owned();
    let mut package = Package { sendfs, ..Package::default() };
    if begin.header_type != COMPOUND {
        return receive_one(
            root,
            target,
            options,
            &mut reader,
            &begin,
            &record,
            &mut package,
            told,
        );
    }
    let payload = reader.begin_payload(&record).map_err(head_error)?;
    let malformed = || bad_stream("cannot receive", "invalid stream (malformed nvlist)");
    if !payload.is_empty() {
        package.list = Some(List::unpack(&payload).ok_or_else(malformed)?);
    }
    package.recursive = package.list.as_ref().is_none_or(|l| !l.has("not_recursive"));
    if package.recursive && target.contains('@') {
        let why = "cannot specify snapshot name for multi-snapshot stream";
        return Err(bad_stream("cannot receive", why));
    }
    reader.package_header_end(record.swap).map_err(|fault| match fault {
        Fault::Checksum => bad_stream("cannot receive", "incorrect header checksum"),
        other => head_error(other),
    })?;
    loop {
        match reader.head().map_err(head_error)? {
            Head::PackageEnd => return Ok(()),
            Head::Begin(begin, record) => {
                receive_one(
                    root,
                    target,
                    options,
                    &mut reader,
                    &begin,
                    &record,
                    &mut package,
                    told,
                )?;
            }
        }
    }
}

/// Where checked records go.
enum Spill {
    Nowhere,
    File(BufWriter<File>),
}

impl Write for Spill {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Nowhere => Ok(data.len()),
            Self::File(f) => f.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(f) => f.flush(),
        }
    }
}

fn dataset_of(snapshot: &str) -> &str {
    snapshot.split('@').next().unwrap_or(snapshot)
}

fn bad_stream(action: &str, why: &str) -> Error {
    Error::new(Code::BadStream, format!("{action}: {why}"))
}

fn head_error(fault: Fault) -> Error {
    let why = match fault {
        Fault::Io(e) => return e.into(),
        Fault::NoBegin | Fault::Checksum => "failed to read from stream".to_owned(),
        Fault::BadMagic => "invalid stream (bad magic number)".to_owned(),
        Fault::BadName => "invalid stream (bad snapshot name)".to_owned(),
        Fault::Unsupported(features) => {
            format!("stream has unsupported feature, feature flags = {features:x}")
        }
        Fault::Invalid => "invalid backup stream".to_owned(),
    };
    bad_stream("cannot receive", &why)
}

/// Refuses properties and targets that no stream could make right.
fn check_target(root: &Path, target: &str, options: &Options) -> Result<()> {
    let fail = |why: String| Err(Error::new(Code::Refused, format!("cannot receive: {why}")));
    let given = options.set.iter().map(|(n, _)| n).chain(&options.exclude);
    for name in given.filter(|n| *n != "origin") {
        match proptable::find(name) {
            None if proptable::is_user(name) => {}
            None => {
                return fail(format!(
                    "invalid property '{name}'\ncannot receive: invalid property value"
                ));
            }
            Some(native) if !native.settable() || matches!(native.name, "version" | "volsize") => {
                return fail(format!(
                    "invalid property '{name}'\ncannot receive: invalid property value"
                ));
            }
            Some(_) => {}
        }
    }
    let zfs = Zfs::open_shared(root)?;
    if (options.prefix || options.tail) && !zfs.exists(target) {
        return fail(format!("specified fs ({target}) does not exist"));
    }
    if let Some((_, origin)) = options.set.iter().find(|(n, _)| n == "origin")
        && !zfs.exists(origin)
    {
        return fail(format!("specified origin fs ({origin}) does not exist"));
    }
    Ok(())
}

/// Receives one stream, of a package or alone.
#[allow(clippy::too_many_arguments)] // the state of one receive, passed down once
fn receive_one<R: Read>(
    root: &Path,
    target: &str,
    options: &Options,
    reader: &mut Reader<R, Spill>,
    begin: &Begin,
    record: &Record,
    package: &mut Package,
    told: &mut String,
) -> Result<()> {
    let resuming = begin.features & FEATURE_RESUMING != 0;
    let origin = options.set.iter().find(|(n, _)| n == "origin").map(|(_, v)| v.as_str());
    let wants_new =
        (begin.fromguid == 0 || begin.flags & FLAG_CLONE != 0 || origin.is_some()) && !resuming;
    let action = if wants_new {
        "cannot receive new filesystem stream"
    } else {
        "cannot receive incremental stream"
    };
    let destination = destination(target, options, begin, package)?;
    let zfs = Zfs::open_shared(root)?;
    if already_there(&zfs, &destination, begin, wants_new) {
        if options.verbose {
            told.push_str(&format!("snap {destination} already exists; ignoring\n"));
        }
        drop(zfs);
        return skip(reader, record, action);
    }
    let plan = make_plan(&zfs, &destination, begin, options, origin, wants_new)?;
    drop(zfs);
    if options.verbose {
        told.push_str(&format!(
            "{} {} stream of {} into {destination}\n",
            if options.dry_run { "would receive" } else { "receiving" },
            if begin.fromguid == 0 { "full" } else { "incremental" },
            begin.toname
        ));
    }
    if options.dry_run {
        return skip(reader, record, action);
    }
    if !matches!(begin.kind, super::stream::record::TYPE_FILESYSTEM | TYPE_VOLUME) {
        return Err(bad_stream(action, &format!("invalid record type: 0x{}", begin.kind)));
    }
    let started = std::time::Instant::now();
    let spool = Spool::create(&root.join(STATE_DIR))?;
    reader.swap_copy(Spill::File(BufWriter::with_capacity(1 << 20, spool.file.try_clone()?)));
    let read = read_stream(reader, record);
    if let Spill::File(mut file) = reader.swap_copy(Spill::Nowhere) {
        file.flush()?;
    }
    match read {
        Ok(contents) => {
            let mut zfs = Zfs::open(root)?;
            // others may have been at work while the stream came in
            let plan = make_plan(&zfs, &destination, begin, options, origin, wants_new)?;
            let mut job = Job { zfs: &mut zfs, begin, options, package, action };
            job.finish(&plan, &spool, contents)?;
            if package.top.is_none() {
                package.top = Some(plan.name.clone());
            }
        }
        Err(fault) => {
            let saved = match (&fault, options.resumable && !resuming) {
                (Fault::Checksum, true) => {
                    save_partial(root, &plan, begin, reader.verified, &spool)?
                }
                _ => None,
            };
            return Err(stream_error(fault, action, saved));
        }
    }
    if options.verbose {
        let seconds = started.elapsed().as_secs().max(1);
        told.push_str(&format!(
            "received {}B stream in {seconds} seconds ({}B/sec)\n",
            number::nice(reader.verified),
            number::nice(reader.verified / seconds)
        ));
    }
    Ok(())
}

fn stream_error(fault: Fault, action: &str, token: Option<String>) -> Error {
    match (fault, token) {
        (Fault::Io(e), _) => e.into(),
        (Fault::Checksum, Some(token)) => bad_stream(
            action,
            &format!(
                "checksum mismatch or incomplete stream.\n\
                 Partially received snapshot is saved.\n\
                 A resuming stream can be generated on the sending system by running:\n    \
                 zfs send -t {token}"
            ),
        ),
        (Fault::Invalid, _) => bad_stream(action, "invalid backup stream"),
        _ => bad_stream(action, "checksum mismatch or incomplete stream"),
    }
}

/// Bytes of data that a checked stream brings.
struct Contents {
    data: u64,
    /// Files in our own archive.
    archived: bool,
}

/// Reads the records of a substream up to its END, checking them.
fn read_stream<R: Read>(
    reader: &mut Reader<R, Spill>,
    begin: &Record,
) -> std::result::Result<Contents, Fault> {
    reader.begin_payload(begin)?;
    let mut contents = Contents { data: 0, archived: false };
    loop {
        let item = reader.next(begin.swap)?;
        match item.record.kind() {
            END => return Ok(contents),
            OBJECT => contents.archived |= archive::is_ours(&item.record),
            _ => contents.data += item.payload.len() as u64,
        }
    }
}

/// Reads a stream to its end without keeping it.
fn skip<R: Read>(reader: &mut Reader<R, Spill>, begin: &Record, action: &str) -> Result<()> {
    read_stream(reader, begin).map(drop).map_err(|fault| stream_error(fault, action, None))
}

/// Name of the snapshot that a stream makes here.
fn destination(
    target: &str,
    options: &Options,
    begin: &Begin,
    package: &Package,
) -> Result<String> {
    let invalid = |why: &str| Error::new(Code::Refused, format!("cannot receive: {why}"));
    let toname = begin.toname.as_str();
    let below = toname.strip_prefix(&package.sendfs).unwrap_or(toname);
    let added = if options.tail {
        if target.contains('@') {
            return Err(invalid("invalid argument - snapshot not allowed with -e"));
        }
        let tail = package.sendfs.rsplit('/').next().unwrap_or_default();
        format!("/{tail}{below}")
    } else if options.prefix {
        if target.contains('@') {
            return Err(invalid("invalid argument - snapshot not allowed with -d"));
        }
        let at = toname.find('/').or_else(|| toname.find('@')).unwrap_or(toname.len());
        toname[at..].to_owned()
    } else if target.contains('@') {
        String::new()
    } else {
        below.to_owned()
    };
    let full = format!("{target}{added}");
    names::check(&full, names::Want::Snapshot, false).map_err(|why| invalid(&why))?;
    Ok(full)
}

/// Whether a stream of a package brings a snapshot that is here already.
fn already_there(zfs: &Zfs, destination: &str, begin: &Begin, wants_new: bool) -> bool {
    let snaps = zfs.state.datasets.get(dataset_of(destination)).map_or(&[][..], |d| &d.snaps);
    !wants_new && snaps.iter().any(|s| s.guid == begin.toguid)
}

/// Full name of a snapshot with a guid, in the same pool.
fn find_guid(zfs: &Zfs, near: &str, guid: u64) -> Option<String> {
    let pool = super::state::pool_of(near);
    zfs.state.datasets.iter().filter(|(name, _)| super::state::pool_of(name) == pool).find_map(
        |(name, ds)| {
            let snap = ds.snaps.iter().find(|s| s.guid == guid)?;
            Some(format!("{name}@{}", snap.name))
        },
    )
}

fn make_plan(
    zfs: &Zfs,
    destination: &str,
    begin: &Begin,
    options: &Options,
    origin: Option<&str>,
    wants_new: bool,
) -> Result<Plan> {
    let (name, snap) = destination.split_once('@').unwrap_or((destination, ""));
    let action = if wants_new {
        "cannot receive new filesystem stream"
    } else {
        "cannot receive incremental stream"
    };
    let fail = |code, why: String| Err(Error::new(code, format!("{action}: {why}")));
    let mut plan = Plan {
        name: name.to_owned(),
        snap: snap.to_owned(),
        new: false,
        replace: false,
        base: None,
        clone: false,
        resume: begin.features & FEATURE_RESUMING != 0,
    };
    if let Some(origin) = origin {
        if zfs.state.snap(origin).is_none_or(|(_, s)| s.guid != begin.fromguid) {
            return fail(Code::BadStream, "invalid backup stream".into());
        }
        plan.base = Some(origin.to_owned());
        plan.clone = true;
    } else if begin.flags & FLAG_CLONE != 0 {
        plan.base = find_guid(zfs, name, begin.fromguid);
        plan.clone = true;
        if plan.base.is_none() {
            let why =
                format!("cannot receive: local origin for clone {destination} does not exist");
            return Err(Error::new(Code::NotFound, why));
        }
    }
    let Some(ds) = zfs.state.datasets.get(name) else {
        let parent = parent_of(name).filter(|_| wants_new);
        let Some(parent) = parent else {
            return fail(Code::NotFound, format!("destination '{name}' does not exist"));
        };
        plan.new = true;
        return match zfs.state.datasets.get(parent) {
            Some(p) if p.is_volume() => {
                fail(Code::Refused, format!("parent '{parent}' is not a filesystem"))
            }
            Some(_) => Ok(plan),
            None if options.prefix => Ok(plan),
            None => Err(Error::new(
                Code::NotFound,
                format!(
                    "cannot open '{parent}': dataset does not exist\n\
                     {action}: unable to restore to destination"
                ),
            )),
        };
    };
    if plan.resume {
        return match &ds.partial {
            Some(p) if p.toguid == begin.toguid => {
                plan.new = ds.inconsistent;
                plan.base = find_own(ds, name, begin.fromguid);
                Ok(plan)
            }
            _ => fail(
                Code::BadStream,
                format!(
                    "destination '{name}' does not contain partially-complete state from \"zfs receive -s\""
                ),
            ),
        };
    }
    if wants_new {
        if !options.force {
            let why = format!("destination '{name}' exists\nmust specify -F to overwrite it");
            return fail(Code::Exists, why);
        }
        if let Some(first) = ds.snaps.first() {
            let why = format!(
                "destination has snapshots (eg. {name}@{})\nmust destroy them to overwrite it",
                first.name
            );
            return fail(Code::Exists, why);
        }
        if ds.origin.is_some() {
            let why = format!("destination '{name}' is a clone\nmust destroy it to overwrite it");
            return fail(Code::Exists, why);
        }
        plan.replace = true;
    } else {
        plan.base = find_own(ds, name, begin.fromguid);
        if ds.snap(snap).is_some() {
            let why = format!("cannot restore to {destination}: destination already exists");
            return Err(Error::new(Code::Exists, why));
        }
        let Some(base) = &plan.base else {
            let why = format!("most recent snapshot of {name} does not\nmatch incremental source");
            return fail(Code::BadStream, why);
        };
        let latest = ds.snaps.last().is_some_and(|s| format!("{name}@{}", s.name) == *base);
        if !options.force && (!latest || zfs.own_space(name).written > 0) {
            let why = format!("destination {name} has been modified\nsince most recent snapshot");
            return fail(Code::BadStream, why);
        }
    }
    if ds.partial.is_some() {
        let why = format!(
            "destination {name} contains partially-complete state from \"zfs receive -s\"."
        );
        return fail(Code::Busy, why);
    }
    if ds.is_volume() != (begin.kind == TYPE_VOLUME) {
        return fail(Code::BadStream, "invalid backup stream".into());
    }
    Ok(plan)
}

/// Full name of a dataset's own snapshot with a guid.
fn find_own(ds: &super::state::Dataset, name: &str, guid: u64) -> Option<String> {
    let snap = ds.snaps.iter().find(|s| s.guid == guid)?;
    Some(format!("{name}@{}", snap.name))
}

/// A checked stream on its way into the state.
struct Job<'a> {
    zfs: &'a mut Zfs,
    begin: &'a Begin,
    options: &'a Options,
    package: &'a Package,
    action: &'a str,
}

impl Job<'_> {
    fn finish(&mut self, plan: &Plan, spool: &Spool, contents: Contents) -> Result<()> {
        self.zfs.settle()?;
        self.check_space(plan, contents.data)?;
        if plan.new && !plan.resume && self.options.prefix {
            self.zfs.create_ancestors(&plan.name)?;
            self.zfs.settle()?;
        }
        let mut whole = spool.file.try_clone()?;
        if plan.resume {
            self.join_partial(plan, spool)?;
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
        let usage = files::usage(&absolute, &std::collections::HashSet::new(), 0);
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
            holds: std::collections::BTreeMap::new(),
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
        let map = zfs.space(super::state::pool_of(&plan.name));
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
    ) -> Result<(std::path::PathBuf, volume::Facts)> {
        let base = plan.base.as_ref().and_then(|b| self.zfs.snapshot_path(b));
        let prepared = super::snapshot::new_place(id);
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
                volume::apply(&item, &file, &mut facts).map_err(damaged)?;
            }
            let len = file.metadata()?.len();
            let size = *facts.volsize.get_or_insert(len);
            file.set_len(size)?;
            return Ok((prepared, facts));
        }
        match base {
            Some(base) if !archived => {
                files::copy_tree(&base, &target, &std::collections::HashSet::new())?;
            }
            _ => fs::create_dir_all(&target)?,
        }
        if archived {
            archive::unpack(records, begin.swap, &target).map_err(damaged)?;
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
    fn place_dataset(&mut self, plan: &Plan, prepared: std::path::PathBuf, facts: &volume::Facts) {
        let is_volume = self.begin.kind == TYPE_VOLUME;
        if !self.zfs.state.datasets.contains_key(&plan.name) {
            let kind = if is_volume { Kind::Volume } else { Kind::Filesystem };
            let mut ds = self.zfs.new_dataset(kind, std::collections::BTreeMap::new());
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

    fn snapshot_properties(&self) -> std::collections::BTreeMap<String, Prop> {
        let mut own = std::collections::BTreeMap::new();
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

    /// Puts the part that came before in front of what came now, as one stream with its checksums.
    fn join_partial(&mut self, plan: &Plan, spool: &Spool) -> Result<()> {
        let partial = self.zfs.state.datasets.get(&plan.name).and_then(|d| d.partial.clone());
        let partial = partial.ok_or_else(|| bad_stream(self.action, "invalid backup stream"))?;
        let first = File::open(self.zfs.root.join(stream_place(partial.id)))?;
        let joined = Spool::create(&self.zfs.dir)?;
        let damaged = |fault| stream_error(fault, self.action, None);
        let mut out = super::stream::writer::Writer::new(BufWriter::new(joined.file.try_clone()?));
        let mut second = spool.file.try_clone()?;
        second.rewind()?;
        let mut begin_written = false;
        for (file, len) in [(first, partial.bytes), (second.try_clone()?, u64::MAX)] {
            let mut records = Reader::new(BufReader::new(file), io::sink());
            let Head::Begin(_, begin) = records.head().map_err(damaged)? else {
                return Err(bad_stream(self.action, "invalid backup stream"));
            };
            let payload = records.begin_payload(&begin).map_err(damaged)?;
            if !begin_written {
                out.put((*begin).clone(), &payload)?;
                begin_written = true;
            }
            while records.verified < len {
                let item = records.next(begin.swap).map_err(damaged)?;
                let end = item.record.kind() == END;
                out.put(item.record, &item.payload)?;
                if end {
                    break;
                }
            }
        }
        drop(out);
        // the spool file takes the joined contents
        let mut joined_file = joined.file.try_clone()?;
        joined_file.rewind()?;
        second.set_len(0)?;
        second.rewind()?;
        io::copy(&mut joined_file, &mut second)?;
        Ok(())
    }
}

/// Keeps what was checked of a stream that was cut off; the answer is its token.
fn save_partial(
    root: &Path,
    plan: &Plan,
    begin: &Begin,
    verified: u64,
    spool: &Spool,
) -> Result<Option<String>> {
    if verified == 0 {
        return Ok(None);
    }
    spool.file.set_len(verified)?;
    let (object, offset) = last_write(&spool.file, verified)?;
    let mut zfs = Zfs::open(root)?;
    let partial = Partial {
        id: zfs.state.new_id(),
        toguid: begin.toguid,
        fromguid: begin.fromguid,
        toname: begin.toname.clone(),
        bytes: verified,
        object,
        offset,
    };
    let text = token::make(&partial);
    let stored = spool.path.strip_prefix(root).map_err(io::Error::other)?;
    zfs.ops.push(FsOp::Move { from: stored.to_owned(), to: stream_place(partial.id) });
    if plan.new && !zfs.exists(&plan.name) {
        let kind = if begin.kind == TYPE_VOLUME { Kind::Volume } else { Kind::Filesystem };
        let mut ds = zfs.new_dataset(kind, std::collections::BTreeMap::new());
        ds.inconsistent = true;
        zfs.state.datasets.insert(plan.name.clone(), ds);
        zfs.make_place(&plan.name);
    }
    if let Some(ds) = zfs.state.datasets.get_mut(&plan.name) {
        ds.partial = Some(partial);
    }
    zfs.commit()?;
    Ok(Some(text))
}

/// Object and offset of the last write among stored records.
fn last_write(file: &File, verified: u64) -> Result<(u64, u64)> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut records = Reader::new(BufReader::new(file), io::sink());
    let damaged = |fault| stream_error(fault, "cannot receive", None);
    let Head::Begin(_, begin) = records.head().map_err(damaged)? else { return Ok((0, 0)) };
    records.begin_payload(&begin).map_err(damaged)?;
    let mut last = (0, 0);
    while records.verified < verified {
        let item = records.next(begin.swap).map_err(damaged)?;
        if item.record.kind() == WRITE {
            last = (item.record.u64(8), item.record.u64(24));
        }
    }
    Ok(last)
}

impl Zfs {
    /// Places the contents of a received dataset; unmounted if asked, or if its mountpoint is in the way.
    fn place_received(&mut self, name: &str, prepared: std::path::PathBuf, mount: bool) {
        if mount {
            if let Some(refused) = self.place_contents(name, prepared) {
                eprintln!("{refused}");
            }
        } else {
            self.place_unmounted(name, prepared);
        }
    }

    /// Gives up a receive that was cut off (`zfs receive -A`).
    pub fn abort_receive(&mut self, name: &str) -> Result<()> {
        let ds = self.state.datasets.get_mut(name).ok_or_else(|| Error::no_dataset(name))?;
        let Some(partial) = ds.partial.take() else {
            let why = format!("'{name}' does not have any resumable receive state to abort");
            return Err(Error::new(Code::Refused, why));
        };
        let unfinished = ds.inconsistent;
        self.ops.push(FsOp::Remove { path: stream_place(partial.id) });
        if unfinished { self.destroy(name, false) } else { Ok(()) }
    }
}
