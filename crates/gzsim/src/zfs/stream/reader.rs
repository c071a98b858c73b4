//! Reading streams: structure and checksums.

use std::io::{self, Read, Write};

use super::super::files::read_full;
use super::fletcher::Fletcher4;
use super::record::{BEGIN, Begin, END, Record, SIZE};

/// What is wrong with a stream.
#[derive(Debug)]
pub enum Fault {
    Io(io::Error),
    /// It ends where a BEGIN (or the END of a package) was expected.
    NoBegin,
    BadMagic,
    /// The snapshot's name has no `@`.
    BadName,
    /// Feature flags that cannot be received.
    Unsupported(u64),
    /// A checksum is wrong, or the stream ends within a substream.
    Checksum,
    /// Checksums are right but the contents make no sense.
    Invalid,
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// What starts at a position where a stream may start.
pub enum Head {
    /// A stream or a package of streams.
    Begin(Begin, Box<Record>),
    /// The END record that closes a package.
    PackageEnd,
}

/// A record with its payload.
pub struct Item {
    pub record: Record,
    pub payload: Vec<u8>,
}

/// Reads records and checks their checksums; passes every byte on.
pub struct Reader<R, W> {
    input: R,
    copy: W,
    sum: Fletcher4,
    /// Bytes of the present substream that are whole, checked records.
    pub verified: u64,
}

impl<R: Read, W: Write> Reader<R, W> {
    /// `copy` gets the bytes of each record once it is checked.
    pub fn new(input: R, copy: W) -> Self {
        Self { input, copy, sum: Fletcher4::default(), verified: 0 }
    }

    /// Lets later records be copied to another place, and gives the one before.
    pub fn swap_copy(&mut self, copy: W) -> W {
        std::mem::replace(&mut self.copy, copy)
    }

    /// Reads what must be the head of a stream, and begins a new checksum.
    pub fn head(&mut self) -> Result<Head, Fault> {
        let mut bytes = [0; SIZE];
        if read_full(&mut self.input, &mut bytes)? != SIZE {
            return Err(Fault::NoBegin);
        }
        let kind = Record { bytes, swap: false }.u32(0);
        if kind == END || kind == END.swap_bytes() {
            return Ok(Head::PackageEnd);
        }
        let (begin, record) = Begin::parse(&bytes).ok_or(Fault::BadMagic)?;
        if !begin.supported() {
            return Err(Fault::Unsupported(begin.features));
        }
        if !begin.toname.contains('@') {
            return Err(Fault::BadName);
        }
        self.sum = Fletcher4::default();
        self.sum.update(&bytes, record.swap);
        self.verified = 0;
        Ok(Head::Begin(begin, Box::new(record)))
    }

    /// Reads the payload of a BEGIN record and passes both on.
    pub fn begin_payload(&mut self, begin: &Record) -> Result<Vec<u8>, Fault> {
        let len = begin.payload_len().ok_or(Fault::Checksum)?;
        let payload = self.payload(len, begin.swap)?;
        self.pass(begin, &payload)?;
        Ok(payload)
    }

    fn payload(&mut self, len: u64, swap: bool) -> Result<Vec<u8>, Fault> {
        let mut payload = Vec::new();
        // grows with what is there, whatever the record claims
        let got = (&mut self.input).take(len).read_to_end(&mut payload)?;
        if got as u64 != len {
            return Err(Fault::Checksum);
        }
        self.sum.update(&payload, swap);
        Ok(payload)
    }

    fn pass(&mut self, record: &Record, payload: &[u8]) -> Result<(), Fault> {
        self.copy.write_all(&record.bytes)?;
        self.copy.write_all(payload)?;
        self.verified += (SIZE + payload.len()) as u64;
        Ok(())
    }

    /// Reads the next record of a substream and checks it; END is the last one.
    pub fn next(&mut self, swap: bool) -> Result<Item, Fault> {
        let mut record = Record { bytes: [0; SIZE], swap };
        if read_full(&mut self.input, &mut record.bytes)? != SIZE {
            return Err(Fault::Checksum);
        }
        let before = self.sum;
        let (body, stored) = record.bytes.split_at(SIZE - 32);
        self.sum.update(body, swap);
        let wanted = record.checksum();
        // streams of old systems carry no checksum in each record
        if !wanted.is_zero() && wanted != self.sum {
            return Err(Fault::Checksum);
        }
        self.sum.update(stored, swap);
        if record.kind() == BEGIN {
            return Err(Fault::Checksum);
        }
        let len = record.payload_len().ok_or(Fault::Checksum)?;
        if record.kind() == END && record.end_checksum() != before {
            return Err(Fault::Checksum);
        }
        let payload = self.payload(len, swap)?;
        self.pass(&record, &payload)?;
        Ok(Item { record, payload })
    }

    /// Reads the END record that follows the BEGIN of a package.
    pub fn package_header_end(&mut self, swap: bool) -> Result<(), Fault> {
        let mut record = Record { bytes: [0; SIZE], swap };
        if read_full(&mut self.input, &mut record.bytes)? != SIZE {
            return Err(Fault::NoBegin);
        }
        if record.kind() != END {
            return Err(Fault::Invalid);
        }
        if record.end_checksum() != self.sum {
            return Err(Fault::Checksum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{CHECKSUM_AT, SUBSTREAM, TYPE_VOLUME, WRITE};
    use super::super::writer::Writer;
    use super::*;

    fn begin(swap: bool) -> Record {
        let begin = Begin {
            header_type: SUBSTREAM,
            features: 0,
            creation: 1,
            kind: TYPE_VOLUME,
            flags: 0,
            toguid: 5,
            fromguid: 0,
            toname: "zones/a@b".into(),
        };
        let native = begin.record(0);
        let mut record = Record { bytes: native.bytes, swap };
        if swap {
            for at in [8, 16, 24, 40, 48] {
                record.put_u64(at, native.u64(at));
            }
            for at in [0, 4, 32, 36] {
                record.put_u32(at, native.u32(at));
            }
        }
        record
    }

    fn empty(kind: u32, swap: bool) -> Record {
        let mut record = Record { bytes: [0; SIZE], swap };
        record.put_u32(0, kind);
        record
    }

    fn stream(swap: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        out.put(begin(swap), &[]).unwrap();
        let mut write = empty(WRITE, swap);
        write.put_u64(32, 512);
        out.put(write, &[3; 512]).unwrap();
        out.put(empty(END, swap), &[]).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<usize, Fault> {
        let mut reader = Reader::new(bytes, io::sink());
        let Head::Begin(_, begin) = reader.head()? else { return Ok(0) };
        reader.begin_payload(&begin)?;
        let mut records = 1;
        loop {
            records += 1;
            if reader.next(begin.swap)?.record.kind() == END {
                return Ok(records);
            }
        }
    }

    #[test]
    fn both_byte_orders_are_read_and_every_damaged_byte_is_noticed() {
        for swap in [false, true] {
            let good = stream(swap);
            assert_eq!(read(&good).unwrap(), 3);
            for at in SIZE..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 0x40;
                assert!(read(&bad).is_err(), "{at}");
                assert!(read(&good[..at]).is_err(), "{at}");
            }
        }
    }

    /// Streams of systems before 2014 have their only checksum in END.
    #[test]
    fn streams_without_checksums_in_each_record_are_read() {
        let mut write = empty(WRITE, false);
        write.put_u64(32, 512);
        let mut sum = Fletcher4::default();
        let mut bytes = begin(false).bytes.to_vec();
        bytes.extend_from_slice(&write.bytes);
        bytes.extend_from_slice(&[3; 512]);
        sum.update(&bytes, false);
        let mut end = empty(END, false);
        end.put_checksum(8, sum);
        bytes.extend_from_slice(&end.bytes);
        assert_eq!(read(&bytes).unwrap(), 3);
        assert!(end.bytes[CHECKSUM_AT..].iter().all(|b| *b == 0));
        bytes[SIZE + SIZE + 5] ^= 1;
        assert!(matches!(read(&bytes), Err(Fault::Checksum)));
    }
}
