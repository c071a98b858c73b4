//! vmdk as one sparse file (`monolithicSparse`, `streamOptimized`), as VMware's "Virtual Disk Format 5.0" describes it.

use std::fs::File;
use std::io;

use super::{Pieces, extents, inflate, read_at, unsupported};

const SECTOR: u64 = 512;
/// Grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// The grain directory is named by a second header before the end of the file.
const AT_END: u64 = u64::MAX;
/// The largest grain directory and descriptor that are read, in bytes.
const MOST_DIRECTORY: u64 = 8 << 20;
const MOST_DESCRIPTOR: u64 = 1 << 20;

pub struct Vmdk {
    file: File,
    size: u64,
    /// Bytes.
    grain: u64,
    compressed: bool,
    entries_a_table: u64,
    directory: Vec<u32>,
    /// The grain table read last, by its sector.
    table: (u32, Vec<u32>),
}

fn number<const N: usize>(head: &[u8], at: usize) -> u64 {
    head[at..at + N].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn header(file: &mut File, at: u64) -> io::Result<[u8; 512]> {
    let mut head = [0; 512];
    read_at(file, at, &mut head)?;
    if &head[..4] == b"KDMV" {
        return Ok(head);
    }
    Err(unsupported("it is not a sparse file"))
}

impl Vmdk {
    pub fn open(mut file: File) -> io::Result<Self> {
        let mut head = header(&mut file, 0)?;
        refuse_parent(&mut file, &head)?;
        if number::<8>(&head, 56) == AT_END {
            let length = file.metadata()?.len();
            head = header(&mut file, length.saturating_sub(2 * SECTOR))?;
        }
        let flags = number::<4>(&head, 8) as u32;
        let sectors = number::<8>(&head, 12);
        let grain_sectors = number::<8>(&head, 20);
        let entries_a_table = number::<4>(&head, 44);
        let fine = (8..=8192).contains(&grain_sectors)
            && grain_sectors.is_power_of_two()
            && (1..=65536).contains(&entries_a_table)
            && sectors > 0
            && sectors < 1 << 50;
        if !fine {
            return Err(unsupported("its header is damaged"));
        }
        let tables = sectors.div_ceil(grain_sectors * entries_a_table);
        if tables * 4 > MOST_DIRECTORY {
            return Err(unsupported("its grain directory is too large"));
        }
        let directory = words(&mut file, number::<8>(&head, 56), tables as usize)?;
        Ok(Self {
            file,
            size: sectors * SECTOR,
            grain: grain_sectors * SECTOR,
            compressed: flags & COMPRESSED != 0,
            entries_a_table,
            directory,
            table: (0, Vec::new()),
        })
    }

    /// The sector of the grain at an offset; 0 or 1 where there is none.
    fn entry(&mut self, offset: u64) -> io::Result<u32> {
        let grain = offset / self.grain;
        let at = self.directory.get((grain / self.entries_a_table) as usize).copied();
        let at = at.unwrap_or(0);
        if at == 0 {
            return Ok(0);
        }
        if self.table.0 != at {
            self.table = (at, words(&mut self.file, u64::from(at), self.entries_a_table as usize)?);
        }
        Ok(self.table.1[(grain % self.entries_a_table) as usize])
    }
}

/// Fails where the descriptor in the file names a parent that holds what this image has not.
fn refuse_parent(file: &mut File, head: &[u8; 512]) -> io::Result<()> {
    let (at, sectors) = (number::<8>(head, 28), number::<8>(head, 36));
    let length = sectors.saturating_mul(SECTOR);
    if at == 0 || length > MOST_DESCRIPTOR {
        return Ok(());
    }
    let mut text = vec![0; length as usize];
    read_at(file, at.saturating_mul(SECTOR), &mut text)?;
    extents::refuse_parent(&String::from_utf8_lossy(&text))
}

/// Whether a file is a text that names the files with the data.
pub fn is_descriptor(file: &mut File) -> io::Result<bool> {
    let mut sign = [0; 4];
    read_at(file, 0, &mut sign)?;
    Ok(&sign == b"# Di")
}

fn words(file: &mut File, sector: u64, count: usize) -> io::Result<Vec<u32>> {
    let mut bytes = vec![0; count * 4];
    read_at(file, sector.saturating_mul(SECTOR), &mut bytes)?;
    Ok(bytes.chunks_exact(4).map(|word| number::<4>(word, 0) as u32).collect())
}

impl Pieces for Vmdk {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self) -> u64 {
        self.grain
    }

    fn read_piece(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let at = u64::from(self.entry(offset)?) * SECTOR;
        // 1 says that the grain is zeros.
        if at <= SECTOR {
            buffer.fill(0);
            return Ok(());
        }
        if !self.compressed {
            return read_at(&mut self.file, at, buffer);
        }
        let mut marker = [0; 12];
        read_at(&mut self.file, at, &mut marker)?;
        let length = number::<4>(&marker, 8);
        // Deflate makes nothing much larger than it was.
        if length > self.grain * 2 {
            return Err(unsupported("a compressed grain is damaged"));
        }
        let mut data = vec![0; length as usize];
        read_at(&mut self.file, at + 12, &mut data)?;
        // The disk may end within its last grain.
        let least = (self.size - offset).min(self.grain) as usize;
        inflate(&data, buffer, true, least)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, Format};
    use std::io::Write;

    const GRAIN: usize = 128 * 512;

    /// A disk of three grains: data, none, data; the directory at sector 3, the table at 4, grains from 128 on.
    fn image(compressed: bool, parent: &str) -> Vec<u8> {
        let mut image = vec![0u8; 3 * GRAIN];
        image[..4].copy_from_slice(b"KDMV");
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(8, &(if compressed { 1u32 << 16 | 3 } else { 3 }).to_le_bytes());
        put(12, &384u64.to_le_bytes());
        put(20, &128u64.to_le_bytes());
        put(28, &1u64.to_le_bytes());
        put(36, &1u64.to_le_bytes());
        put(44, &512u32.to_le_bytes());
        put(56, &3u64.to_le_bytes());
        put(512, format!("# Disk DescriptorFile\nparentCID={parent}\n").as_bytes());
        put(3 * 512, &4u32.to_le_bytes());
        put(4 * 512, &128u32.to_le_bytes());
        put(4 * 512 + 8, &256u32.to_le_bytes());
        for (grain, byte) in [(1, 5u8), (2, 7u8)] {
            let data = vec![byte; GRAIN];
            if compressed {
                let mut packer =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(&data).unwrap();
                let packed = packer.finish().unwrap();
                put(grain * GRAIN + 8, &(packed.len() as u32).to_le_bytes());
                put(grain * GRAIN + 12, &packed);
            } else {
                put(grain * GRAIN, &data);
            }
        }
        image
    }

    fn open(image: &[u8]) -> std::io::Result<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.vmdk");
        std::fs::write(&path, image).unwrap();
        Disk::open(&path, Format::Vmdk)
    }

    #[test]
    fn grains_are_read_plain_and_compressed() {
        for compressed in [false, true] {
            let mut disk = open(&image(compressed, "ffffffff")).unwrap();
            assert_eq!(disk.size(), 3 * GRAIN as u64);
            let mut data = vec![9; 3 * GRAIN];
            disk.read(&mut data, 0).unwrap();
            for (grain, byte) in [5, 0, 7].into_iter().enumerate() {
                assert!(data[grain * GRAIN..(grain + 1) * GRAIN].iter().all(|b| *b == byte));
            }
        }
    }

    #[test]
    fn a_directory_at_the_end_is_found() {
        let mut image = image(true, "ffffffff");
        let head = image[..512].to_vec();
        image[56..64].copy_from_slice(&u64::MAX.to_le_bytes());
        image.extend(head);
        image.extend([0; 512]);
        let mut disk = open(&image).unwrap();
        let mut byte = [0];
        disk.read(&mut byte, 0).unwrap();
        assert_eq!(byte, [5]);
    }

    #[test]
    fn what_names_other_files_or_is_damaged_is_refused() {
        assert!(open(&image(false, "0badcafe")).is_err());
        assert!(open(b"# Disk DescriptorFile\nversion=1\n").is_err());
        for (at, byte) in [(20, 3), (44, 0), (19, 255)] {
            let mut image = image(false, "ffffffff");
            image[at] = byte;
            if at == 44 {
                image[45] = 0;
            }
            assert!(open(&image).is_err(), "byte {at}");
        }
    }
}
