//! `zfs send -t`: the rest of a stream whose receive was cut off.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use super::error::{Code, Error, Result};
use super::send::{Part, resend};
use super::spool::Spool;
use super::state::Partial;
use super::stream::nvlist::Value;
use super::{Zfs, token};

/// What a resume token asks for.
pub struct Rest(Partial);

fn cannot(why: &str) -> Error {
    Error::new(Code::BadStream, format!("cannot resume send: {why}"))
}

impl Rest {
    /// Reads a token.
    pub fn read(text: &str) -> Result<Self> {
        token::read(text).map(Self).map_err(|why| cannot(&why))
    }

    /// What the token says, as `-v` shows it.
    pub fn contents(&self) -> String {
        let mut text = "resume token contents:\nnvlist version: 0\n".to_owned();
        for (name, value) in token::list(&self.0).0 {
            let _ = match value {
                Value::Number(n) => writeln!(text, "\t{name} = {n:#x}"),
                Value::Text(words) => writeln!(text, "\t{name} = {words}"),
                _ => writeln!(text, "\t{name} = 1"),
            };
        }
        text
    }
}

impl Zfs {
    /// The stream that the token's receive was of.
    pub(super) fn part_to_resume(&self, Rest(partial): &Rest) -> Result<Part> {
        let found = self.state.datasets.iter().find_map(|(name, ds)| {
            ds.snaps.iter().find(|s| s.guid == partial.toguid).map(|s| (name, s))
        });
        let Some((name, snap)) = found else {
            let toname = &partial.toname;
            let what = if self.exists(toname) {
                "is no longer the same snapshot used in the initial send"
            } else {
                "used in the initial send no longer exists"
            };
            return Err(cannot(&format!("'{toname}' {what}")));
        };
        let base = self.state.datasets.iter().find_map(|(n, ds)| {
            let s = ds.snaps.iter().find(|s| s.guid == partial.fromguid)?;
            Some(format!("{n}@{}", s.name))
        });
        if partial.fromguid != 0 && base.is_none() {
            let guid = partial.fromguid;
            return Err(cannot(&format!("incremental source {guid:#x} no longer exists")));
        }
        let clone = base.as_deref().is_some_and(|b| b.split('@').next() != Some(name));
        Ok(Part { dataset: name.clone(), snap: snap.name.clone(), base, clone, mark: None })
    }

    /// Writes what of the stream had not arrived.
    pub(super) fn send_rest(
        &self,
        Rest(partial): &Rest,
        part: &Part,
        out: impl Write,
    ) -> Result<()> {
        let whole = Spool::create(&self.dir)?;
        let mut file = BufWriter::new(whole.file.try_clone()?);
        self.send_part(part, false, &mut file)?;
        file.flush()?;
        drop(file);
        self.unlock()?;
        let mut whole_file = whole.file.try_clone()?;
        io::Seek::rewind(&mut whole_file)?;
        let mut out = BufWriter::new(out);
        resend(whole_file, &partial.toname, Some(partial), &mut out)?;
        out.flush()?;
        Ok(())
    }
}
