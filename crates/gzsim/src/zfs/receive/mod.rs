//! `zfs receive`: checks a stream whole, then makes the snapshot that it brings.

mod job;
mod partial;
mod plan;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use super::error::{Code, Error, Result};
use super::spool::Spool;
use super::stream::archive;
use super::stream::nvlist::List;
use super::stream::reader::{Fault, Head, Reader};
use super::stream::record::{
    Begin, COMPOUND, END, FEATURE_RESUMING, FLAG_CLONE, OBJECT, Record, TYPE_FILESYSTEM,
    TYPE_VOLUME,
};
use super::{STATE_DIR, Zfs, number, proptable};

use job::Job;

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

/// Receives what is on `input` into `target`. The answer is what `-v` prints, also beside an error.
pub fn receive(
    root: &Path,
    target: &str,
    options: &Options,
    input: impl Read,
) -> (String, Result<()>) {
    let package = Package::default();
    let mut receive = Receive { root, target, options, package, told: String::new() };
    let result = receive.all(input);
    (receive.told, result)
}

/// One run of `zfs receive`.
struct Receive<'a> {
    root: &'a Path,
    target: &'a str,
    options: &'a Options,
    package: Package,
    told: String,
}

impl Receive<'_> {
    fn all(&mut self, input: impl Read) -> Result<()> {
        self.check_target()?;
        // Without a buffer: another stream may follow this one.
        let mut reader = Reader::new(input, Spill::Nowhere);
        let Head::Begin(begin, record) = reader.head().map_err(head_error)? else { return Ok(()) };
        dataset_of(&begin.toname).clone_into(&mut self.package.sendfs);
        if begin.header_type != COMPOUND {
            return self.one(&mut reader, &begin, &record);
        }
        let payload = reader.begin_payload(&record).map_err(head_error)?;
        let malformed = || bad_stream("cannot receive", "invalid stream (malformed nvlist)");
        if !payload.is_empty() {
            self.package.list = Some(List::unpack(&payload).ok_or_else(malformed)?);
        }
        self.package.recursive = self.package.list.as_ref().is_none_or(|l| !l.has("not_recursive"));
        if self.package.recursive && self.target.contains('@') {
            let why = "cannot specify snapshot name for multi-snapshot stream";
            return Err(bad_stream("cannot receive", why));
        }
        reader.package_header_end(record.swap).map_err(|fault| match fault {
            Fault::Checksum => bad_stream("cannot receive", "incorrect header checksum"),
            other => head_error(other),
        })?;
        self.forget_what_was_destroyed()?;
        while let Head::Begin(begin, record) = reader.head().map_err(head_error)? {
            self.one(&mut reader, &begin, &record)?;
        }
        Ok(())
    }

    /// With `-F`, an incremental `-R` package destroys here the snapshots that the sender has destroyed.
    fn forget_what_was_destroyed(&self) -> Result<()> {
        let Some(list) = &self.package.list else { return Ok(()) };
        let incremental = list.has("fromsnap") && self.package.recursive;
        if !incremental || !self.options.force || self.options.dry_run {
            return Ok(());
        }
        let Some(sent) = list.list("fss") else { return Ok(()) };
        let known = plan::snapshot_guids(sent);
        let mut zfs = Zfs::open(self.root)?;
        let Some(own) = zfs.state.datasets.get_key_value(self.target) else { return Ok(()) };
        let gone: Vec<String> = std::iter::once(own)
            .chain(zfs.state.descendants(self.target))
            .flat_map(|(name, ds)| ds.snaps.iter().map(move |s| (name, s)))
            .filter(|(_, s)| !known.contains(&s.guid))
            .map(|(name, s)| format!("{name}@{}", s.name))
            .collect();
        for name in gone {
            // one that is held or cloned stays, and the stream that needs it gone is refused
            if zfs.destroy(&name, false).is_ok() {
                zfs.commit()?;
            } else {
                zfs.revert()?;
            }
        }
        Ok(())
    }

    /// Refuses properties and targets that no stream could make right.
    fn check_target(&self) -> Result<()> {
        let fail = |why: String| Err(Error::new(Code::Refused, format!("cannot receive: {why}")));
        let given = self.options.set.iter().map(|(n, _)| n).chain(&self.options.exclude);
        for name in given.filter(|n| *n != "origin") {
            let fine = match proptable::find(name) {
                None => proptable::is_user(name),
                Some(native) => native.settable() && !matches!(native.name, "version" | "volsize"),
            };
            if !fine {
                return fail(format!("invalid property '{name}'"));
            }
        }
        let zfs = Zfs::open_shared(self.root)?;
        if self.options.prefix && !zfs.exists(self.target) {
            return fail(format!("specified fs ({}) does not exist", self.target));
        }
        match self.origin() {
            Some(origin) if !zfs.exists(origin) => {
                fail(format!("specified origin fs ({origin}) does not exist"))
            }
            _ => Ok(()),
        }
    }

    /// The snapshot given with `-o origin=`.
    fn origin(&self) -> Option<&str> {
        self.options.set.iter().find(|(n, _)| n == "origin").map(|(_, v)| v.as_str())
    }

    /// Receives one stream, of a package or alone.
    fn one<R: Read>(
        &mut self,
        reader: &mut Reader<R, Spill>,
        begin: &Begin,
        record: &Record,
    ) -> Result<()> {
        let resuming = begin.features & FEATURE_RESUMING != 0;
        let clones = begin.flags & FLAG_CLONE != 0 || self.origin().is_some();
        let wants_new = (begin.fromguid == 0 || clones) && !resuming;
        let action = if wants_new {
            "cannot receive new filesystem stream"
        } else {
            "cannot receive incremental stream"
        };
        let destination = self.destination(begin)?;
        let zfs = Zfs::open_shared(self.root)?;
        if plan::already_there(&zfs, &destination, begin, wants_new) {
            if self.options.verbose {
                self.told.push_str(&format!("snap {destination} already exists; ignoring\n"));
            }
            drop(zfs);
            return skip(reader, record, action);
        }
        let plan = self.plan(&zfs, &destination, begin, wants_new)?;
        // a stream may take hours: others go on meanwhile
        drop(zfs);
        if self.options.verbose {
            self.told.push_str(&format!(
                "{} {} stream of {} into {destination}\n",
                if self.options.dry_run { "would receive" } else { "receiving" },
                if begin.fromguid == 0 { "full" } else { "incremental" },
                begin.toname
            ));
        }
        if self.options.dry_run {
            return skip(reader, record, action);
        }
        if !matches!(begin.kind, TYPE_FILESYSTEM | TYPE_VOLUME) {
            return Err(bad_stream(action, &format!("invalid record type: 0x{}", begin.kind)));
        }
        let started = Instant::now();
        let spool = Spool::create(&self.root.join(STATE_DIR))?;
        let copy = BufWriter::with_capacity(1 << 20, spool.file.try_clone()?);
        reader.swap_copy(Spill::File(copy));
        let read = read_stream(reader, record);
        reader.swap_copy(Spill::Nowhere).flush()?;
        match read {
            Ok(contents) => {
                let mut zfs = Zfs::open(self.root)?;
                // others may have been at work while the stream came in
                let plan = self.plan(&zfs, &destination, begin, wants_new)?;
                let (options, package) = (self.options, &self.package);
                let mut job = Job { zfs: &mut zfs, begin, options, package, action };
                job.finish(&plan, &spool, contents)?;
                self.package.top.get_or_insert(plan.name);
            }
            Err(fault) => {
                let token = match fault {
                    Fault::Checksum if self.options.resumable => {
                        partial::save(self.root, &plan, begin, reader.verified, &spool, action)?
                    }
                    _ => None,
                };
                return Err(stream_error(fault, action, token));
            }
        }
        if self.options.verbose {
            let seconds = started.elapsed().as_secs().max(1);
            self.told.push_str(&format!(
                "received {}B stream in {seconds} seconds ({}B/sec)\n",
                number::nice(reader.verified),
                number::nice(reader.verified / seconds)
            ));
        }
        Ok(())
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
