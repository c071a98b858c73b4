//! Disk images of other systems: raw, qcow2 and vmdk, read only.
//!
//! Other files that an image names (a backing file, external data, extents, a parent) are never followed: an image
//! from elsewhere must not read files of this system. The readers are our own because the library there is for these
//! formats does not compile for illumos.

mod qcow2;
mod vmdk;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::errors::{Error, Result};

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
}

impl Disk {
    /// Opens a disk image of a format.
    pub fn open(path: &Path, format: Format) -> Result<Self> {
        let failed = |e: io::Error| {
            Error::not_supported(format!("cannot read disk image {}: {e}", path.display()))
        };
        let file = File::open(path).map_err(failed)?;
        let pieces: Box<dyn Pieces> = match format {
            Format::Qcow2 => Box::new(qcow2::Qcow2::open(file).map_err(failed)?),
            Format::Vmdk => Box::new(vmdk::Vmdk::open(file).map_err(failed)?),
            _ => {
                let size = file.metadata().map_err(failed)?.len();
                return Ok(Self { inner: Inner::Raw { file, size } });
            }
        };
        let buffer = vec![0; pieces.piece() as usize];
        Ok(Self { inner: Inner::Pieces { pieces, buffer, at: None } })
    }

    /// The size of the disk in bytes.
    pub fn size(&self) -> u64 {
        match &self.inner {
            Inner::Raw { size, .. } => *size,
            Inner::Pieces { pieces, .. } => pieces.size(),
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

/// Inflates data that has to come to exactly the length of the output.
fn inflate(data: &[u8], out: &mut [u8], with_header: bool) -> io::Result<()> {
    let mut inflater = flate2::Decompress::new(with_header);
    inflater.decompress(data, out, flate2::FlushDecompress::Finish).map_err(io::Error::other)?;
    if inflater.total_out() == out.len() as u64 {
        return Ok(());
    }
    Err(unsupported("a compressed piece is damaged"))
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
