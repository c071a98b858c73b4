//! `zfs send`: gives back streams that were received, and makes streams of what was changed here.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};

use super::error::{Code, Error, Result};
use super::mount::{snap_place, stream_place};
use super::state::{Dataset, Snap, pool_of};
use super::stream::nvlist::{List, Value};
use super::stream::reader::{Fault, Head, Reader};
use super::stream::record::{
    self, Begin, COMPOUND, END, FEATURE_RESUMING, FEATURE_SA_SPILL, FLAG_CLONE, FLAG_FREERECORDS,
    Record, SUBSTREAM, TYPE_FILESYSTEM, TYPE_VOLUME,
};
use super::stream::writer::Writer;
use super::stream::{archive, volume};
use super::{Zfs, number, props, received};

/// What is sent and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-R`
    pub replicate: bool,
    /// `-p`
    pub props: bool,
    /// `-I`: snapshots in between too.
    pub all: bool,
    /// `-i` or `-I`: the part after `@`.
    pub from: Option<String>,
    /// `-i` with the snapshot that the dataset is a clone of.
    pub from_origin: bool,
}

impl Options {
    fn package(&self) -> bool {
        self.replicate || self.props || self.all
    }
}

/// One substream of a send.
pub struct Part {
    pub(super) dataset: String,
    pub(super) snap: String,
    /// Full name of the snapshot that it builds on.
    pub(super) base: Option<String>,
    pub(super) clone: bool,
    /// Guid of a bookmark that it builds on instead.
    pub(super) mark: Option<u64>,
}

/// What a send will write, and what it has to say against it.
pub struct SendPlan {
    pub parts: Vec<Part>,
    pub warnings: Vec<String>,
}

impl Zfs {
    /// Works out the substreams of `dataset@snap`.
    pub(super) fn plan_send(&self, name: &str, options: &Options) -> Result<SendPlan> {
        let (top, to) = name.split_once('@').unwrap_or((name, ""));
        if !self.state.datasets.contains_key(top) {
            return Err(Error::no_dataset(top));
        }
        let mut plan = SendPlan { parts: Vec::new(), warnings: Vec::new() };
        let mut datasets = vec![top];
        if options.replicate {
            datasets.extend(self.state.descendants(top).map(|(n, _)| n.as_str()));
            for ds in &datasets {
                let lacks = self.state.datasets.get(*ds).is_none_or(|d| d.snap(to).is_none());
                let younger = self.younger_than(ds, top, to);
                if lacks && !younger {
                    return Err(Error::new(
                        Code::NotFound,
                        format!(
                            "cannot send {top}@{to} recursively: snapshot {ds}@{to} does not exist"
                        ),
                    ));
                }
            }
            datasets
                .retain(|ds| self.state.datasets.get(*ds).is_some_and(|d| d.snap(to).is_some()));
        }
        for ds in datasets {
            self.plan_dataset(ds, to, options, &mut plan);
        }
        Ok(plan)
    }

    /// Whether a dataset was made after the snapshot that is sent.
    fn younger_than(&self, ds: &str, top: &str, to: &str) -> bool {
        let snap = self.state.snap(&format!("{top}@{to}")).map(|(_, s)| s.createtxg);
        let made = self.state.datasets.get(ds).map(|d| d.createtxg);
        matches!((snap, made), (Some(snap), Some(made)) if made > snap)
    }

    fn plan_dataset(&self, name: &str, to: &str, options: &Options, plan: &mut SendPlan) {
        let Some(ds) = self.state.datasets.get(name) else { return };
        let Some(end) = ds.snaps.iter().position(|s| s.name == to) else {
            plan.warnings.push(format!("WARNING: could not send {name}@{to}: does not exist"));
            return;
        };
        let at = |from: &str| ds.snaps.iter().position(|s| s.name == from);
        let mut previous: Option<usize> = None;
        if let Some(from) = &options.from {
            match at(from) {
                None if options.replicate => {}
                None => {
                    plan.warnings.push(format!(
                        "WARNING: could not send {name}@{to}:\n\
                         incremental source ({name}@{from}) does not exist"
                    ));
                    return;
                }
                Some(start) if start >= end => {
                    plan.warnings.push(format!(
                        "WARNING: could not send {name}@{to}:\n\
                         incremental source ({name}@{from}) is not earlier than it"
                    ));
                    return;
                }
                Some(start) => previous = Some(start),
            }
        }
        let every = options.all || (options.replicate && options.from.is_none());
        let first = previous.map_or(0, |p| p + 1);
        for (i, snap) in ds.snaps.iter().enumerate().take(end + 1).skip(first) {
            if i != end && !every {
                continue;
            }
            let origin = ds
                .origin
                .clone()
                .filter(|_| previous.is_none() && (options.replicate || options.from_origin));
            let clone = origin.is_some();
            let base = origin.or_else(|| {
                previous.and_then(|p| Some(format!("{name}@{}", ds.snaps.get(p)?.name)))
            });
            plan.parts.push(Part {
                dataset: name.to_owned(),
                snap: snap.name.clone(),
                base,
                clone,
                mark: None,
            });
            previous = Some(i);
        }
    }

    /// One substream from a full name of a snapshot or bookmark.
    pub(super) fn plan_from(&self, name: &str, from: &str) -> Result<Part> {
        let warning = |why: String| {
            Error::new(Code::NotFound, format!("warning: cannot send '{name}': {why}"))
        };
        let (ds, to) = self.state.snap(name).ok_or_else(|| Error::no_dataset(name))?;
        let (dataset, snap) = name.split_once('@').unwrap_or((name, ""));
        let mut part = Part {
            dataset: dataset.to_owned(),
            snap: snap.to_owned(),
            base: None,
            clone: false,
            mark: None,
        };
        let missing = || warning(format!("incremental source ({from}) does not exist"));
        if let Some((of, mark)) = from.split_once('#') {
            let source = self.state.datasets.get(of).ok_or_else(missing)?;
            let mark = source.bookmarks.iter().find(|b| b.name == mark).ok_or_else(missing)?;
            if mark.createtxg >= to.createtxg || pool_of(of) != pool_of(name) {
                return Err(warning("not an earlier snapshot from the same fs".into()));
            }
            part.mark = Some(mark.guid);
            return Ok(part);
        }
        let (_, source) = self.state.snap(from).ok_or_else(missing)?;
        part.clone = ds.origin.as_deref() == Some(from);
        if !part.clone
            && (from.split('@').next() != Some(dataset) || source.createtxg >= to.createtxg)
        {
            return Err(warning("not an earlier snapshot from the same fs".into()));
        }
        part.base = Some(from.to_owned());
        Ok(part)
    }

    /// What `-v` says of a plan, with `size` of each part when it is known without writing.
    pub(super) fn describe(&self, plan: &SendPlan, parsable: bool) -> String {
        let mut text = String::new();
        let mut total = 0;
        for part in &plan.parts {
            let full = format!("{}@{}", part.dataset, part.snap);
            let size = self.state.snap(&full).map_or(0, |(_, s)| match part.base {
                Some(_) => s.written,
                None => s.referenced,
            });
            total += size;
            let from = part.base.as_deref().filter(|_| !part.clone);
            let from = from.and_then(|b| b.split_once('@')).map(|(_, s)| s);
            text.push_str(&match (parsable, from) {
                (true, Some(from)) => format!("incremental\t{from}\t{full}\t{size}\n"),
                (true, None) => format!("full\t{full}\t{size}\n"),
                (false, Some(from)) => {
                    format!(
                        "send from @{from} to {full} estimated size is {}\n",
                        number::nice(size)
                    )
                }
                (false, None) => {
                    format!("full send of {full} estimated size is {}\n", number::nice(size))
                }
            });
        }
        text.push_str(&if parsable {
            format!("size\t{total}\n")
        } else {
            format!("total estimated size is {}\n", number::nice(total))
        });
        text
    }

    /// Writes a planned send. Others may change the pools meanwhile: one of them may be the receiver at the end of the
    /// pipe. A snapshot that is destroyed meanwhile ends the send.
    pub(super) fn send(
        &self,
        name: &str,
        plan: &SendPlan,
        options: &Options,
        out: impl Write,
    ) -> Result<()> {
        self.unlock()?;
        let mut out = BufWriter::with_capacity(1 << 20, out);
        if options.package() {
            let mut writer = Writer::new(&mut out);
            let payload = if options.replicate || options.props {
                self.package_list(name, options).pack()
            } else {
                Vec::new()
            };
            let begin = Begin {
                header_type: COMPOUND,
                features: FEATURE_SA_SPILL,
                creation: 0,
                kind: 0,
                flags: 0,
                toguid: 0,
                fromguid: 0,
                toname: name.to_owned(),
            };
            writer.put(begin.record(payload.len()), &payload)?;
            writer.end_package_header()?;
        }
        for part in &plan.parts {
            self.send_part(part, options.package(), &mut out)?;
        }
        if options.package() {
            Writer::new(&mut out).end_package()?;
        }
        out.flush()?;
        Ok(())
    }

    /// Writes one substream: the stored one if it was received as such, or one made of the contents.
    pub(super) fn send_part(
        &self,
        part: &Part,
        in_package: bool,
        out: &mut impl Write,
    ) -> Result<()> {
        let full = format!("{}@{}", part.dataset, part.snap);
        let (ds, snap) = self.state.snap(&full).ok_or_else(|| Error::no_dataset(&full))?;
        let base = part.base.as_deref().and_then(|b| self.state.snap(b)).map(|(_, s)| s);
        let fromguid = part.mark.or(base.map(|b| b.guid)).unwrap_or(0);
        if snap.stream_from == Some(fromguid) {
            let stored = File::open(self.root.join(stream_place(snap.id)))?;
            return if in_package {
                resend(stored, &full, None, out)
            } else {
                let mut stored = stored;
                io::copy(&mut stored, out)?;
                Ok(())
            };
        }
        let begin = Begin {
            header_type: SUBSTREAM,
            features: if ds.is_volume() { 0 } else { FEATURE_SA_SPILL },
            creation: snap.creation,
            kind: if ds.is_volume() { TYPE_VOLUME } else { TYPE_FILESYSTEM },
            flags: FLAG_FREERECORDS | if part.clone { FLAG_CLONE } else { 0 },
            toguid: snap.guid,
            fromguid,
            toname: full,
        };
        self.generate(ds, snap, base, &begin, out)
    }

    fn generate(
        &self,
        ds: &Dataset,
        snap: &Snap,
        base: Option<&Snap>,
        begin: &Begin,
        out: &mut impl Write,
    ) -> Result<()> {
        let mut writer = Writer::new(out);
        writer.put(begin.record(0), &[])?;
        let contents = self.root.join(snap_place(snap.id));
        if ds.is_volume() {
            let base = base.map(|b| File::open(self.root.join(snap_place(b.id)))).transpose()?;
            let file = File::open(contents)?;
            let source = volume::Source {
                file: &file,
                base: base.as_ref(),
                volsize: snap.volsize.unwrap_or_else(|| ds.own_number("volsize")),
                block_size: props::volblocksize(ds),
                toguid: snap.guid,
            };
            volume::send(&source, &mut writer)?;
        } else {
            archive::send(&contents, snap.guid, &mut writer)?;
        }
        let mut end = Record::new(END);
        end.put_u64(40, snap.guid);
        writer.put(end, &[])?;
        Ok(())
    }

    /// The list at the head of a package: datasets with their snapshots and properties.
    fn package_list(&self, name: &str, options: &Options) -> List {
        let (top, to) = name.split_once('@').unwrap_or((name, ""));
        let mut list = List::default();
        if let Some(from) = &options.from {
            list.put("fromsnap", Value::Text(from.clone()));
        }
        list.put("tosnap", Value::Text(to.to_owned()));
        if !options.replicate {
            list.put("not_recursive", Value::Flag);
        }
        let mut datasets = List::default();
        let below = self.state.descendants(top).take_while(|_| options.replicate);
        for (full, ds) in self.state.datasets.get_key_value(top).into_iter().chain(below) {
            if ds.snap(to).is_some() {
                let entry = self.package_entry(full, ds, to, options);
                datasets.put(format!("{:#x}", ds.guid), Value::List(entry));
            }
        }
        list.put("fss", Value::List(datasets));
        list
    }

    fn package_entry(&self, name: &str, ds: &Dataset, to: &str, options: &Options) -> List {
        let mut entry = List::default();
        entry.put("name", Value::Text(name.to_owned()));
        let from = options.from.as_deref().unwrap_or(to);
        let parent = super::state::parent_of(name)
            .and_then(|p| self.state.datasets.get(p))
            .and_then(|p| p.snap(from).or_else(|| p.snap(to)));
        entry.put("parentfromsnap", Value::Number(parent.map_or(0, |s| s.guid)));
        if let Some((_, origin)) = ds.origin.as_deref().and_then(|o| self.state.snap(o)) {
            entry.put("origin", Value::Number(origin.guid));
        }
        if options.props || options.replicate {
            entry.put("props", Value::List(received::write(&ds.props)));
        }
        let mut snaps = List::default();
        let mut snap_props = List::default();
        for snap in &ds.snaps {
            snaps.put(snap.name.clone(), Value::Number(snap.guid));
            snap_props.put(snap.name.clone(), Value::List(received::write(&snap.props)));
            if snap.name == to {
                break;
            }
        }
        entry.put("snaps", Value::List(snaps));
        entry.put("snapprops", Value::List(snap_props));
        entry
    }
}

/// Writes a stored stream again under another name, or what of it comes after the part that a token tells of.
pub(super) fn resend(
    stored: File,
    toname: &str,
    after: Option<&super::state::Partial>,
    out: &mut impl Write,
) -> Result<()> {
    let damaged = |fault: Fault| match fault {
        Fault::Io(e) => Error::from(e),
        _ => io::Error::other("a stored stream is damaged").into(),
    };
    let mut records = Reader::new(BufReader::with_capacity(1 << 20, stored), io::sink());
    let mut writer = Writer::new(out);
    let Head::Begin(facts, mut begin) = records.head().map_err(damaged)? else { return Ok(()) };
    let mut payload = records.begin_payload(&begin).map_err(damaged)?;
    if let Some(partial) = after {
        let mut list = List::default();
        list.put("resume_object", Value::Number(partial.object));
        list.put("resume_offset", Value::Number(partial.offset));
        payload = list.pack();
        payload.resize(payload.len().next_multiple_of(8), 0);
        let resumed = Begin { features: facts.features | FEATURE_RESUMING, ..facts };
        *begin = resumed.record(payload.len());
    }
    let swap = begin.swap;
    record::rename(&mut begin, toname);
    writer.put(*begin, &payload)?;
    let from = after.map_or(0, |p| p.bytes);
    loop {
        let before = records.verified;
        let item = records.next(swap).map_err(damaged)?;
        let end = item.record.kind() == END;
        if before >= from {
            writer.put(item.record, &item.payload)?;
        }
        if end {
            return Ok(());
        }
    }
}
