//! What a stream will do, told from its BEGIN record and what is there.

use std::collections::HashSet;

use super::super::error::{Code, Error, Result};
use super::super::state::{Dataset, parent_of, pool_of};
use super::super::stream::nvlist::{List, Value};
use super::super::stream::record::{Begin, FEATURE_RESUMING, FLAG_CLONE, TYPE_VOLUME};
use super::super::{Zfs, names};
use super::{Receive, dataset_of};

/// What a stream will do.
pub struct Plan {
    /// The dataset.
    pub name: String,
    pub snap: String,
    /// It is to be made.
    pub new: bool,
    /// Its contents are to be replaced (`-F` with a full stream).
    pub replace: bool,
    /// Full name of the snapshot whose contents the stream changes.
    pub base: Option<String>,
    /// The base is the origin of a clone.
    pub clone: bool,
    /// Continues a receive that was cut off.
    pub resume: bool,
}

impl Receive<'_> {
    /// Name of the snapshot that a stream makes here.
    pub(super) fn destination(&self, begin: &Begin) -> Result<String> {
        let (target, options, package) = (self.target, self.options, &self.package);
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

    /// Works out what a stream will do, or why it is refused.
    pub(super) fn plan(
        &self,
        zfs: &Zfs,
        destination: &str,
        begin: &Begin,
        wants_new: bool,
    ) -> Result<Plan> {
        let (options, origin) = (self.options, self.origin());
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
                let why =
                    format!("destination '{name}' is a clone\nmust destroy it to overwrite it");
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
                let why =
                    format!("most recent snapshot of {name} does not\nmatch incremental source");
                return fail(Code::BadStream, why);
            };
            let latest = ds.snaps.last().is_some_and(|s| format!("{name}@{}", s.name) == *base);
            if !options.force && (!latest || zfs.own_space(name).written > 0) {
                let why =
                    format!("destination {name} has been modified\nsince most recent snapshot");
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
}

/// Whether a stream of a package brings a snapshot that is here already.
pub fn already_there(zfs: &Zfs, destination: &str, begin: &Begin, wants_new: bool) -> bool {
    let snaps = zfs.state.datasets.get(dataset_of(destination)).map_or(&[][..], |d| &d.snaps);
    !wants_new && snaps.iter().any(|s| s.guid == begin.toguid)
}

/// Full name of a snapshot with a guid, in the same pool.
fn find_guid(zfs: &Zfs, near: &str, guid: u64) -> Option<String> {
    let pool = pool_of(near);
    zfs.state.datasets.iter().filter(|(name, _)| pool_of(name) == pool).find_map(|(name, ds)| {
        let snap = ds.snaps.iter().find(|s| s.guid == guid)?;
        Some(format!("{name}@{}", snap.name))
    })
}

/// Full name of a dataset's own snapshot with a guid.
fn find_own(ds: &Dataset, name: &str, guid: u64) -> Option<String> {
    let snap = ds.snaps.iter().find(|s| s.guid == guid)?;
    Some(format!("{name}@{}", snap.name))
}

/// Guids of all snapshots that a package tells of.
pub fn snapshot_guids(sent: &List) -> HashSet<u64> {
    let lists = sent.0.iter().filter_map(|(_, fs)| match fs {
        Value::List(fs) => fs.list("snaps"),
        _ => None,
    });
    lists
        .flat_map(|snaps| &snaps.0)
        .filter_map(|(_, guid)| match guid {
            Value::Number(n) => Some(*n),
            _ => None,
        })
        .collect()
}
