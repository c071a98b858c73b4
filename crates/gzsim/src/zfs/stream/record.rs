//! Records of a send stream (`dmu_replay_record_t`): 312 bytes, some with a payload after them.

use super::fletcher::Fletcher4;

/// Bytes of a record without its payload.
pub const SIZE: usize = 312;
/// Where the running checksum lies in every record but BEGIN.
pub const CHECKSUM_AT: usize = SIZE - 32;
/// `DMU_BACKUP_MAGIC`.
pub const MAGIC: u64 = 0x0002_F5BA_CBAC;

pub const BEGIN: u32 = 0;
pub const OBJECT: u32 = 1;
pub const FREEOBJECTS: u32 = 2;
pub const WRITE: u32 = 3;
pub const FREE: u32 = 4;
pub const END: u32 = 5;
pub const WRITE_BYREF: u32 = 6;
pub const SPILL: u32 = 7;
pub const WRITE_EMBEDDED: u32 = 8;
pub const OBJECT_RANGE: u32 = 9;

/// `DMU_OST_ZFS` and `DMU_OST_ZVOL`.
pub const TYPE_FILESYSTEM: u32 = 2;
pub const TYPE_VOLUME: u32 = 3;

pub const SUBSTREAM: u64 = 1;
pub const COMPOUND: u64 = 2;

/// The stream is to become a clone.
pub const FLAG_CLONE: u32 = 1;
/// Free records are trustworthy: always so in streams that are made today.
pub const FLAG_FREERECORDS: u32 = 4;

pub const FEATURE_SA_SPILL: u64 = 1 << 2;
pub const FEATURE_EMBED_DATA: u64 = 1 << 16;
pub const FEATURE_LARGE_BLOCKS: u64 = 1 << 19;
pub const FEATURE_RESUMING: u64 = 1 << 20;
pub const FEATURE_COMPRESSED: u64 = 1 << 22;
/// Blocks are encrypted as the sender stores them.
pub const FEATURE_RAW: u64 = 1 << 24;
/// What illumos can receive: dedup, spill, embedded data, lz4, large blocks, resuming, compressed, large dnodes, raw
/// and holds.
const SUPPORTED: u64 = 0x7
    | FEATURE_EMBED_DATA
    | 1 << 17
    | FEATURE_LARGE_BLOCKS
    | FEATURE_RESUMING
    | FEATURE_COMPRESSED
    | 1 << 23
    | FEATURE_RAW
    | 1 << 26;

/// Larger payloads do not exist (`SPA_MAXBLOCKSIZE`); the name-value list of a BEGIN record may be larger.
pub const MAX_PAYLOAD: u64 = 16 << 20;
const MAX_NVLIST: u64 = 1 << 30;

/// One record's fixed part, in the byte order of the stream.
#[derive(Clone)]
pub struct Record {
    pub bytes: [u8; SIZE],
    /// Whether the byte order is the other one (big-endian).
    pub swap: bool,
}

impl Record {
    /// A record of a type with everything else zero, in our byte order.
    pub fn new(kind: u32) -> Self {
        let mut record = Self { bytes: [0; SIZE], swap: false };
        record.put_u32(0, kind);
        record
    }

    pub fn u32(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at..at + 4]);
        let n = u32::from_le_bytes(word);
        if self.swap { n.swap_bytes() } else { n }
    }

    pub fn u64(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[at..at + 8]);
        let n = u64::from_le_bytes(word);
        if self.swap { n.swap_bytes() } else { n }
    }

    pub fn put_u32(&mut self, at: usize, n: u32) {
        let n = if self.swap { n.swap_bytes() } else { n };
        self.bytes[at..at + 4].copy_from_slice(&n.to_le_bytes());
    }

    pub fn put_u64(&mut self, at: usize, n: u64) {
        let n = if self.swap { n.swap_bytes() } else { n };
        self.bytes[at..at + 8].copy_from_slice(&n.to_le_bytes());
    }

    pub fn kind(&self) -> u32 {
        self.u32(0)
    }

    /// Bytes that follow; `None` for an unknown type or a length that cannot be.
    pub fn payload_len(&self) -> Option<u64> {
        let round = |n: u32| u64::from(n).next_multiple_of(8);
        let len = match self.kind() {
            BEGIN => return Some(u64::from(self.u32(4))).filter(|n| *n <= MAX_NVLIST),
            OBJECT => match self.u32(36) {
                0 => round(self.u32(28)),
                raw => u64::from(raw),
            },
            WRITE => match self.u64(96) {
                0 => self.u64(32),
                compressed => compressed,
            },
            SPILL => match self.u64(40) {
                0 => self.u64(16),
                compressed => compressed,
            },
            WRITE_EMBEDDED => round(self.u32(52)),
            FREEOBJECTS | FREE | END | WRITE_BYREF | OBJECT_RANGE => 0,
            _ => return None,
        };
        (len <= MAX_PAYLOAD && len.is_multiple_of(4)).then_some(len)
    }

    pub fn checksum(&self) -> Fletcher4 {
        self.checksum_at(CHECKSUM_AT)
    }

    /// The checksum of all before it that END carries.
    pub fn end_checksum(&self) -> Fletcher4 {
        self.checksum_at(8)
    }

    fn checksum_at(&self, at: usize) -> Fletcher4 {
        Fletcher4([self.u64(at), self.u64(at + 8), self.u64(at + 16), self.u64(at + 24)])
    }

    pub fn put_checksum(&mut self, at: usize, sum: Fletcher4) {
        for (i, word) in sum.0.iter().enumerate() {
            self.put_u64(at + 8 * i, *word);
        }
    }
}

/// What a BEGIN record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    pub header_type: u64,
    pub features: u64,
    /// Seconds since 1970.
    pub creation: u64,
    /// `TYPE_FILESYSTEM` or `TYPE_VOLUME`.
    pub kind: u32,
    pub flags: u32,
    pub toguid: u64,
    /// 0 for a full stream.
    pub fromguid: u64,
    /// `dataset@snapshot` on the sending side.
    pub toname: String,
}

const NAME_AT: usize = 56;
const NAME_LEN: usize = 256;

impl Begin {
    /// Reads a BEGIN record; `None` if it is none, in either byte order.
    pub fn parse(bytes: &[u8; SIZE]) -> Option<(Self, Record)> {
        let mut record = Record { bytes: *bytes, swap: false };
        if record.u64(8) == MAGIC.swap_bytes() {
            record.swap = true;
        }
        if record.u64(8) != MAGIC || record.kind() != BEGIN {
            return None;
        }
        let version = record.u64(16);
        let name = &record.bytes[NAME_AT..NAME_AT + NAME_LEN];
        let end = name.iter().position(|b| *b == 0).unwrap_or(NAME_LEN);
        let begin = Self {
            header_type: version & 3,
            features: (version >> 2) & 0x3fff_ffff,
            creation: record.u64(24),
            kind: record.u32(32),
            flags: record.u32(36),
            toguid: record.u64(40),
            fromguid: record.u64(48),
            toname: String::from_utf8_lossy(&name[..end]).into_owned(),
        };
        Some((begin, record))
    }

    /// Whether illumos could receive it.
    pub fn supported(&self) -> bool {
        self.features & !SUPPORTED == 0 && matches!(self.header_type, SUBSTREAM | COMPOUND)
    }

    /// The record that says this.
    pub fn record(&self, payload_len: usize) -> Record {
        let mut record = Record::new(BEGIN);
        record.put_u32(4, payload_len as u32);
        record.put_u64(8, MAGIC);
        record.put_u64(16, self.header_type | self.features << 2);
        record.put_u64(24, self.creation);
        record.put_u32(32, self.kind);
        record.put_u32(36, self.flags);
        record.put_u64(40, self.toguid);
        record.put_u64(48, self.fromguid);
        rename(&mut record, &self.toname);
        record
    }
}

/// Puts another snapshot name into a BEGIN record.
pub fn rename(begin: &mut Record, toname: &str) {
    let field = &mut begin.bytes[NAME_AT..NAME_AT + NAME_LEN];
    field.fill(0);
    let len = toname.len().min(NAME_LEN - 1);
    field[..len].copy_from_slice(&toname.as_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_records_are_read_back_in_both_byte_orders() {
        let begin = Begin {
            header_type: SUBSTREAM,
            features: 0x42_0004,
            creation: 1_795_235_222,
            kind: TYPE_VOLUME,
            flags: FLAG_CLONE,
            toguid: 7,
            fromguid: 9,
            toname: "zones/a@final".into(),
        };
        let record = begin.record(0);
        let (read, _) = Begin::parse(&record.bytes).unwrap();
        assert_eq!(read, begin);
        assert!(read.supported());
        let mut swapped = Record { bytes: [0; SIZE], swap: true };
        for at in [8, 16, 24, 40, 48] {
            swapped.put_u64(at, record.u64(at));
        }
        for at in [0, 4, 32, 36] {
            swapped.put_u32(at, record.u32(at));
        }
        rename(&mut swapped, &begin.toname);
        let (read, record) = Begin::parse(&swapped.bytes).unwrap();
        assert!(record.swap);
        assert_eq!(read, begin);
        assert!(Begin::parse(&[0; SIZE]).is_none());
    }

    #[test]
    fn impossible_payloads_are_refused() {
        let mut write = Record::new(WRITE);
        write.put_u64(32, 1 << 40);
        assert_eq!(write.payload_len(), None);
        write.put_u64(32, 8192);
        assert_eq!(write.payload_len(), Some(8192));
        write.put_u64(96, 512);
        assert_eq!(write.payload_len(), Some(512));
        assert_eq!(Record::new(77).payload_len(), None);
    }
}
