//! qcow2, versions 2 and 3, as QEMU's `docs/interop/qcow2.txt` describes it.

use std::fs::File;
use std::io::{self, Read};

use super::{Pieces, inflate, read_at, unsupported};

/// Where an entry of a table says that clusters are.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// The incompatible features that are known: the reference counts may be stale, which matters to no reader, and the
/// header says how clusters are compressed.
const DIRTY: u64 = 1;
const COMPRESSION_TYPE: u64 = 1 << 3;
/// Where the header says that, and the one way besides deflate.
const COMPRESSION_AT: u64 = 104;
const ZSTD: u8 = 1;
/// The largest first-level table that is read, in bytes.
const MOST_L1: u64 = 8 << 20;

pub struct Qcow2 {
    file: File,
    size: u64,
    cluster_bits: u32,
    /// Compressed clusters are so by zstd.
    zstd: bool,
    l1: Vec<u64>,
    /// The second-level table read last, by its place in the file.
    l2: (u64, Vec<u64>),
}

fn number<const N: usize>(head: &[u8], at: usize) -> u64 {
    head[at..at + N].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Qcow2 {
    pub fn open(mut file: File) -> io::Result<Self> {
        let mut head = [0; 80];
        read_at(&mut file, 0, &mut head)?;
        let version = number::<4>(&head, 4);
        if !(2..=3).contains(&version) {
            return Err(unsupported("it is of an unknown version of qcow"));
        }
        if number::<8>(&head, 8) != 0 {
            return Err(unsupported("it has a backing file, which is not followed"));
        }
        if number::<4>(&head, 32) != 0 {
            return Err(unsupported("it is encrypted"));
        }
        let features = if version == 3 { number::<8>(&head, 72) } else { 0 };
        if features & !(DIRTY | COMPRESSION_TYPE) != 0 {
            return Err(unsupported("it needs features that are not known here"));
        }
        let mut compression = [0];
        if features & COMPRESSION_TYPE != 0 {
            read_at(&mut file, COMPRESSION_AT, &mut compression)?;
        }
        if compression[0] > ZSTD {
            return Err(unsupported("it is compressed in a way that is not known here"));
        }
        let cluster_bits = number::<4>(&head, 20) as u32;
        if !(9..=21).contains(&cluster_bits) {
            return Err(unsupported("its cluster size is out of range"));
        }
        let size = number::<8>(&head, 24);
        let (entries, at) = (number::<4>(&head, 36), number::<8>(&head, 40));
        // One entry is for a cluster full of second-level entries, eight bytes each.
        let covered = 1u64 << (2 * cluster_bits - 3);
        if entries * 8 > MOST_L1 || entries < size.div_ceil(covered) {
            return Err(unsupported("its first-level table does not fit its size"));
        }
        let l1 = table(&mut file, at, entries as usize)?;
        let zstd = compression[0] == ZSTD;
        Ok(Self { file, size, cluster_bits, zstd, l1, l2: (0, Vec::new()) })
    }

    /// The second-level entry of the cluster at an offset; 0 where there is none.
    fn entry(&mut self, offset: u64) -> io::Result<u64> {
        let cluster = offset >> self.cluster_bits;
        let bits = self.cluster_bits - 3;
        let at = self.l1.get((cluster >> bits) as usize).map_or(0, |entry| entry & OFFSET);
        if at == 0 {
            return Ok(0);
        }
        if self.l2.0 != at {
            self.l2 = (at, table(&mut self.file, at, 1 << bits)?);
        }
        Ok(self.l2.1[(cluster & ((1 << bits) - 1)) as usize])
    }
}

fn table(file: &mut File, at: u64, entries: usize) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; entries * 8];
    read_at(file, at, &mut bytes)?;
    Ok(bytes.chunks_exact(8).map(|entry| number::<8>(entry, 0)).collect())
}

impl Pieces for Qcow2 {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn read_piece(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let entry = self.entry(offset)?;
        if entry & COMPRESSED != 0 {
            // The place in bytes in the low bits, the length in further sectors above them.
            let bits = 62 - (self.cluster_bits - 8);
            let at = entry & ((1 << bits) - 1);
            let sectors = (entry & !(3 << 62)) >> bits;
            let length = (sectors + 1) * 512 - at % 512;
            let end = self.file.metadata()?.len();
            let mut data = vec![0; length.min(end.saturating_sub(at)) as usize];
            read_at(&mut self.file, at, &mut data)?;
            if self.zstd {
                // What is behind the frame is the rest of its last sector.
                let frame = ruzstd::decoding::StreamingDecoder::new(data.as_slice());
                return frame.map_err(io::Error::other)?.read_exact(buffer);
            }
            let whole = buffer.len();
            return inflate(&data, buffer, false, whole);
        }
        let at = entry & OFFSET;
        if at == 0 || entry & ZERO != 0 {
            buffer.fill(0);
            return Ok(());
        }
        read_at(&mut self.file, at, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, Format};
    use std::io::Write;

    const CLUSTER: usize = 1 << 16;

    /// A disk of four clusters: data, none, compressed data, zeros.
    fn image() -> Vec<u8> {
        let mut image = vec![0u8; 5 * CLUSTER];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        image[20..24].copy_from_slice(&16u32.to_be_bytes());
        image[24..32].copy_from_slice(&(4 * CLUSTER as u64).to_be_bytes());
        image[36..40].copy_from_slice(&1u32.to_be_bytes());
        image[40..48].copy_from_slice(&(CLUSTER as u64).to_be_bytes());
        let mut put =
            |at: usize, value: u64| image[at..at + 8].copy_from_slice(&value.to_be_bytes());
        put(CLUSTER, (2 * CLUSTER as u64) | (1 << 63));
        put(2 * CLUSTER, (3 * CLUSTER as u64) | (1 << 63));
        let mut deflater =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflater.write_all(&vec![7; CLUSTER]).unwrap();
        let packed = deflater.finish().unwrap();
        let sectors = (packed.len() as u64).div_ceil(512) - 1;
        put(2 * CLUSTER + 16, (1 << 62) | (sectors << 54) | (4 * CLUSTER as u64));
        put(2 * CLUSTER + 24, 1);
        image[3 * CLUSTER..4 * CLUSTER].fill(5);
        image[4 * CLUSTER..4 * CLUSTER + packed.len()].copy_from_slice(&packed);
        image
    }

    fn open(image: &[u8]) -> std::io::Result<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.qcow2");
        std::fs::write(&path, image).unwrap();
        Disk::open(&path, Format::Qcow2)
    }

    #[test]
    fn clusters_of_every_kind_are_read() {
        let mut disk = open(&image()).unwrap();
        assert_eq!(disk.size(), 4 * CLUSTER as u64);
        let mut data = vec![9; 4 * CLUSTER];
        disk.read(&mut data, 0).unwrap();
        for (cluster, byte) in [5, 0, 7, 0].into_iter().enumerate() {
            assert!(data[cluster * CLUSTER..(cluster + 1) * CLUSTER].iter().all(|b| *b == byte));
        }
        let mut across = [0; 4];
        disk.read(&mut across, 2 * CLUSTER as u64 - 2).unwrap();
        assert_eq!(across, [0, 0, 7, 7]);
    }

    #[test]
    fn what_names_other_files_or_is_damaged_is_refused() {
        for (at, byte) in [(15, 72), (35, 1), (79, 4), (23, 40), (39, 0), (7, 9)] {
            let mut image = image();
            image[at] = byte;
            assert!(open(&image).is_err(), "byte {at}");
        }
        assert!(open(&image()[..100]).is_err());
        let mut cut = open(&image()[..3 * CLUSTER]).unwrap();
        assert!(cut.read(&mut [0; 8], 0).is_err());
    }
}
