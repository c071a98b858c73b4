//! Disk images of other systems: raw, qcow2 and vmdk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use imago::file::File as Storage;
use imago::qcow2::Qcow2;
use imago::raw::Raw;
use imago::vmdk::Vmdk;
use imago::{
    DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, Storage as _, StorageOpenOptions,
};

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

/// A disk image, open for reading.
pub struct Disk {
    access: FormatAccess<Storage>,
}

impl Disk {
    /// Opens a disk image. Other files that it names (a backing file, external data, extents) are not followed: an
    /// image from elsewhere must not read files of this system.
    pub fn open(path: &Path, format: Format) -> Result<Self> {
        let failed = |e: std::io::Error| {
            Error::not_supported(format!("cannot read disk image {}: {e}", path.display()))
        };
        let storage = Storage::open(StorageOpenOptions::new().filename(path)).map_err(failed)?;
        let gate = DenyImplicitOpenGate::default;
        let access = match format {
            Format::Qcow2 => {
                let image: Qcow2<Storage> = Qcow2::builder(storage).open(gate()).map_err(failed)?;
                FormatAccess::new(image)
            }
            Format::Vmdk => {
                let image: Vmdk<Storage> = Vmdk::builder(storage).open(gate()).map_err(failed)?;
                FormatAccess::new(image)
            }
            _ => FormatAccess::new(Raw::builder(storage).open(gate()).map_err(failed)?),
        };
        Ok(Self { access })
    }

    /// The size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.access.size()
    }

    /// Reads at a byte offset; all of the buffer has to be within the disk.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.access.read(buffer, offset)
    }
}

/// The first bytes of a file.
pub fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
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
        let disk = Disk::open(&path, Format::Raw).unwrap();
        assert_eq!(disk.size(), data.len() as u64);
        let mut buffer = vec![0; 4096];
        disk.read(&mut buffer, 8192).unwrap();
        assert_eq!(buffer, data[8192..12288]);
    }

    #[test]
    fn a_backing_file_is_not_followed() {
        // A version 2 header with a backing file name: one 64 KiB cluster of it, and empty tables.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.qcow2");
        let mut image = vec![0u8; 4 << 16];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x02");
        image[8..16].copy_from_slice(&72u64.to_be_bytes());
        image[16..20].copy_from_slice(&11u32.to_be_bytes());
        image[20..24].copy_from_slice(&16u32.to_be_bytes());
        image[24..32].copy_from_slice(&(1u64 << 20).to_be_bytes());
        image[36..40].copy_from_slice(&1u32.to_be_bytes());
        image[40..48].copy_from_slice(&(1u64 << 16).to_be_bytes());
        image[48..56].copy_from_slice(&(2u64 << 16).to_be_bytes());
        image[56..60].copy_from_slice(&1u32.to_be_bytes());
        image[72..83].copy_from_slice(b"/etc/passwd");
        std::fs::write(&path, &image).unwrap();
        assert!(Disk::open(&path, Format::Qcow2).is_err());
    }
}
