//! Disk images of other systems: raw, qcow2 and vmdk, read only.
//!
//! Other files that an image names (a backing file, external data, a parent) are not followed, but for a vmdk's own
//! parts beside it: an image from elsewhere must not read files of this system. The readers are our own because the library there is for these
//! formats does not compile for illumos.

mod extents;
mod qcow2;
mod vmdk;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use self::extents::Extent;
use self::qcow2::Qcow2;
use self::vmdk::Vmdk;

/// What a file that is no image of this system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Raw,
    Qcow2,
    Vmdk,
    /// A tar archive of a root filesystem.
    Tar,
    /// A ZFS send stream.
    ZfsStream,
}

/// How many bytes [`Format::sniff`] wants to see.
pub const HEAD: usize = 512;

impl Format {
    /// Tells a format by a file's first bytes. What has no sign of its own counts as a raw disk.
    pub fn sniff(head: &[u8]) -> Self {
        let at = |from: usize, sign: &[u8]| head.get(from..from + sign.len()) == Some(sign);
        if at(0, b"QFI\xfb") {
            Self::Qcow2
        } else if at(0, b"KDMV") || at(0, b"# Disk DescriptorFile") {
            Self::Vmdk
        } else if at(257, b"ustar") {
            Self::Tar
        } else if at(8, &0x2_f5ba_cbac_u64.to_le_bytes()) || at(8, &0x2_f5ba_cbac_u64.to_be_bytes())
        {
            Self::ZfsStream
        } else {
            Self::Raw
        }
    }
}

/// The first bytes of a file.
pub fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// A format that keeps a disk in pieces of one size.
trait Pieces {
    /// The size of the disk in bytes.
    fn size(&self) -> u64;
    /// The size of a piece in bytes.
    fn piece(&self) -> u64;
    /// Reads the piece that begins at a multiple of its size into a buffer of that size.
    fn read_piece(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// A disk image, open for reading.
pub struct Disk {
    inner: Inner,
}

enum Inner {
    Raw { file: File, size: u64 },
    Pieces { pieces: Box<dyn Pieces>, buffer: Vec<u8>, at: Option<u64> },
    Joined(Vec<Extent>),
}

impl Disk {
    /// Opens a disk image of a format.
    pub fn open(path: &Path, format: Format) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if format == Format::Vmdk && vmdk::is_descriptor(&mut file)? {
            return Ok(Self { inner: Inner::Joined(extents::open(path)?) });
        }
        Ok(match format {
            Format::Qcow2 => Self::of_pieces(Box::new(Qcow2::open(file)?)),
            Format::Vmdk => Self::of_pieces(Box::new(Vmdk::open(file)?)),
            _ => {
                let size = file.metadata()?.len();
                Self { inner: Inner::Raw { file, size } }
            }
        })
    }

    fn of_pieces(pieces: Box<dyn Pieces>) -> Self {
        let buffer = vec![0; pieces.piece() as usize];
        Self { inner: Inner::Pieces { pieces, buffer, at: None } }
    }

    /// The size of the disk in bytes.
    pub fn size(&self) -> u64 {
        match &self.inner {
            Inner::Raw { size, .. } => *size,
            Inner::Pieces { pieces, .. } => pieces.size(),
            Inner::Joined(extents) => extents.iter().map(|extent| extent.length).sum(),
        }
    }

    /// Reads at a byte offset; all of the output has to be within the disk.
    pub fn read(&mut self, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
        match &mut self.inner {
            Inner::Raw { file, .. } => read_at(file, offset, out),
            Inner::Pieces { pieces, buffer, at } => {
                while !out.is_empty() {
                    let start = offset - offset % pieces.piece();
                    if *at != Some(start) {
                        *at = None;
                        pieces.read_piece(start, buffer)?;
                        *at = Some(start);
                    }
                    let from = (offset - start) as usize;
                    let count = out.len().min(buffer.len() - from);
                    let (now, rest) = out.split_at_mut(count);
                    now.copy_from_slice(&buffer[from..from + count]);
                    out = rest;
                    offset += count as u64;
                }
                Ok(())
            }
            Inner::Joined(extents) => {
                for extent in extents {
                    if offset >= extent.length {
                        offset -= extent.length;
                        continue;
                    }
                    let count = (out.len() as u64).min(extent.length - offset) as usize;
                    let (now, rest) = out.split_at_mut(count);
                    match &mut extent.held {
                        Some((disk, start)) => disk.read(now, *start + offset)?,
                        None => now.fill(0),
                    }
                    (out, offset) = (rest, 0);
                }
                if out.is_empty() { Ok(()) } else { Err(unsupported("it ends before its end")) }
            }
        }
    }
}

fn read_at(file: &mut File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(buffer)
}

/// A refusal.
fn unsupported(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}

/// Inflates data that has to come to `least` bytes at least, and to no more than the output takes.
fn inflate(data: &[u8], out: &mut [u8], with_header: bool, least: usize) -> io::Result<()> {
    let mut inflater = flate2::Decompress::new(with_header);
    inflater.decompress(data, out, flate2::FlushDecompress::Finish).map_err(io::Error::other)?;
    let made = inflater.total_out() as usize;
    if made < least {
        return Err(unsupported("a compressed piece is damaged"));
    }
    out[made..].fill(0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let mut stream = vec![0; 512];
        stream[8..16].copy_from_slice(&0x2_f5ba_cbac_u64.to_le_bytes());
        for (head, format) in [
            (b"QFI\xfb\0\0\0\x03".to_vec(), Format::Qcow2),
            (b"KDMV\x01".to_vec(), Format::Vmdk),
            (tar, Format::Tar),
            (stream, Format::ZfsStream),
            (vec![0xeb, 0x63, 0x90], Format::Raw),
        ] {
            assert_eq!(Format::sniff(&head), format);
        }
    }

    #[test]
    fn a_raw_disk_is_read_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let data: Vec<u8> = (0..64 * 1024u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &data).unwrap();
        let mut disk = Disk::open(&path, Format::Raw).unwrap();
        assert_eq!(disk.size(), data.len() as u64);
        let mut buffer = vec![0; 4096];
        disk.read(&mut buffer, 8192).unwrap();
        assert_eq!(buffer, data[8192..12288]);
    }
}
