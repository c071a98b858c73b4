//! Receives that were cut off (`-s`): kept, taken up again, given up.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::Path;

use super::super::error::{Code, Error, Result};
use super::super::mount::stream_place;
use super::super::redo::FsOp;
use super::super::spool::Spool;
use super::super::state::{Kind, Partial};
use super::super::stream::archive;
use super::super::stream::reader::{Head, Reader};
use super::super::stream::record::{Begin, END, FEATURE_RESUMING, OBJECT, TYPE_VOLUME, WRITE};
use super::super::stream::writer::Writer;
use super::super::{Zfs, token};
use super::job::Job;
use super::plan::Plan;
use super::{bad_stream, stream_error};

/// Keeps what was checked of a stream that was cut off, behind what was kept of it before; the answer is its token.
pub fn save(
    root: &Path,
    plan: &Plan,
    begin: &Begin,
    verified: u64,
    spool: &Spool,
    action: &str,
) -> Result<Option<String>> {
    if verified == 0 {
        return Ok(None);
    }
    spool.file.set_len(verified)?;
    let mut zfs = Zfs::open(root)?;
    let before = zfs.partial(plan).filter(|_| plan.resume);
    let mut verified = verified;
    if let Some(before) = &before {
        zfs.join(before, spool, verified, action)?;
        verified = spool.file.metadata()?.len();
        zfs.ops.push(FsOp::Remove { path: stream_place(before.id) });
    }
    let (object, offset) = last_write(&spool.file, verified)?;
    let partial = Partial {
        id: zfs.state.new_id(),
        toguid: begin.toguid,
        fromguid: begin.fromguid,
        toname: begin.toname.clone(),
        bytes: verified,
        object,
        offset,
        features: begin.features & !FEATURE_RESUMING,
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

impl Job<'_> {
    /// Puts the part that came before in front of what came now. Says whether it holds files in our own archive.
    pub(super) fn join_partial(&mut self, plan: &Plan, spool: &Spool) -> Result<bool> {
        let partial = self.zfs.partial(plan);
        let partial = partial.ok_or_else(|| bad_stream(self.action, "invalid backup stream"))?;
        self.zfs.join(&partial, spool, u64::MAX, self.action)
    }
}

impl Zfs {
    /// What is kept of a receive into the plan's dataset that was cut off.
    fn partial(&self, plan: &Plan) -> Option<Partial> {
        self.state.datasets.get(&plan.name)?.partial.clone()
    }

    /// Puts what was kept in front of the spool file's first `length` bytes, as one stream with its checksums. Says
    /// whether it holds files in our own archive.
    fn join(&self, before: &Partial, spool: &Spool, length: u64, action: &str) -> Result<bool> {
        let first = File::open(self.root.join(stream_place(before.id)))?;
        let joined = Spool::create(&self.dir)?;
        let damaged = |fault| stream_error(fault, action, None);
        let mut out = Writer::new(BufWriter::new(joined.file.try_clone()?));
        let mut second = spool.file.try_clone()?;
        second.rewind()?;
        let mut begin_written = false;
        let mut archived = false;
        for (file, length) in [(first, before.bytes), (second.try_clone()?, length)] {
            let mut records = Reader::new(BufReader::new(file), io::sink());
            let Head::Begin(_, begin) = records.head().map_err(damaged)? else {
                return Err(bad_stream(action, "invalid backup stream"));
            };
            let payload = records.begin_payload(&begin).map_err(damaged)?;
            if !begin_written {
                out.put((*begin).clone(), &payload)?;
                begin_written = true;
            }
            while records.verified < length {
                let item = records.next(begin.swap).map_err(damaged)?;
                let end = item.record.kind() == END;
                archived |= item.record.kind() == OBJECT && archive::is_ours(&item.record);
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
        Ok(archived)
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
