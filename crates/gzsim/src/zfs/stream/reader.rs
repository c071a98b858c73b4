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
