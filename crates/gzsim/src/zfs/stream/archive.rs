//! Filesystems in streams of our own making: a tar archive in WRITE records of one object.
//!
//! Streams of real filesystems hold ZPL objects; these are kept and given back as they are, not unpacked.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::ARCHIVE_OBJECT;
use super::reader::{Fault, Reader};
use super::record::{END, OBJECT, Record, WRITE};
use super::volume::put_write;
use super::writer::Writer;

/// Bytes in a WRITE record.
const CHUNK: usize = 128 * 1024;
/// `DMU_OT_PLAIN_FILE_CONTENTS`.
const TYPE_FILE: u32 = 19;

/// Whether a record belongs to our archive.
pub fn is_ours(record: &Record) -> bool {
    matches!(record.kind(), WRITE | OBJECT) && record.u64(8) == ARCHIVE_OBJECT
}

/// Writes the records between BEGIN and END for the files below `dir`.
pub fn send<W: Write>(dir: &Path, toguid: u64, out: &mut Writer<W>) -> io::Result<()> {
    let mut object = Record::new(OBJECT);
    object.put_u64(8, ARCHIVE_OBJECT);
    object.put_u32(16, TYPE_FILE);
    object.put_u32(24, CHUNK as u32);
    object.bytes[34] = 1;
    object.put_u64(40, toguid);
    out.put(object, &[])?;
    let mut chunks = Chunks { out, toguid, offset: 0, buffer: Vec::with_capacity(CHUNK) };
    {
        let mut tar = tar::Builder::new(&mut chunks);
        tar.follow_symlinks(false);
        tar.append_dir(".", dir)?;
        add(&mut tar, dir, Path::new(""))?;
        tar.finish()?;
    }
    chunks.end()
}

fn add<W: Write>(tar: &mut tar::Builder<W>, dir: &Path, inside: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    // the same files give the same stream
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = inside.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            tar.append_dir(&name, entry.path())?;
            add(tar, &entry.path(), &name)?;
        } else if !kind.is_socket() {
            tar.append_path_with_name(entry.path(), &name)?;
        }
    }
    Ok(())
}

struct Chunks<'a, W> {
    out: &'a mut Writer<W>,
    toguid: u64,
    offset: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Chunks<'_, W> {
    fn put(&mut self) -> io::Result<()> {
        let data = std::mem::take(&mut self.buffer);
        put_write(self.out, ARCHIVE_OBJECT, TYPE_FILE, self.offset, &data, self.toguid)?;
        self.offset += data.len() as u64;
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.buffer.resize(self.buffer.len().next_multiple_of(512), 0);
        self.put()
    }
}

impl<W: Write> Write for Chunks<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = data.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&data[..n]);
        if self.buffer.len() == CHUNK {
            self.put()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks the archive in a stored stream, which `records` is about to read after its BEGIN, into the empty directory `to`.
pub fn unpack<R: Read>(records: Reader<R, io::Sink>, swap: bool, to: &Path) -> Result<(), Fault> {
    let mut tar =
        tar::Archive::new(Contents { records, swap, left: Vec::new(), at: 0, done: false });
    tar.set_preserve_permissions(true);
    tar.set_preserve_mtime(true);
    tar.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    tar.unpack(to).map_err(Fault::Io)
}

struct Contents<R> {
    records: Reader<R, io::Sink>,
    swap: bool,
    left: Vec<u8>,
    at: usize,
    done: bool,
}

impl<R: Read> Read for Contents<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.left.len() && !self.done {
            let item = self
                .records
                .next(self.swap)
                .map_err(|_| io::Error::other("a stored stream is damaged"))?;
            match item.record.kind() {
                END => self.done = true,
                WRITE if is_ours(&item.record) => (self.left, self.at) = (item.payload, 0),
                _ => {}
            }
        }
        let n = buf.len().min(self.left.len() - self.at);
        buf[..n].copy_from_slice(&self.left[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
