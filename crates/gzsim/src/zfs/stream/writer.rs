//! Writing streams: records with their running checksums.

use std::io::{self, Write};

use super::fletcher::Fletcher4;
use super::record::{BEGIN, CHECKSUM_AT, END, Record};

/// Writes the records of one substream, or the head of a package.
pub struct Writer<W> {
    out: W,
    sum: Fletcher4,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Self {
        Self { out, sum: Fletcher4::default() }
    }

    /// Writes a record and its payload, working out its checksum. A BEGIN record starts the checksum anew.
    pub fn put(&mut self, mut record: Record, payload: &[u8]) -> io::Result<()> {
        let swap = record.swap;
        if record.kind() == BEGIN {
            self.sum = Fletcher4::default();
            self.sum.update(&record.bytes, swap);
        } else {
            if record.kind() == END {
                record.put_checksum(8, self.sum);
            }
            self.sum.update(&record.bytes[..CHECKSUM_AT], swap);
            record.put_checksum(CHECKSUM_AT, self.sum);
            self.sum.update(&record.bytes[CHECKSUM_AT..], swap);
        }
        self.sum.update(payload, swap);
        self.out.write_all(&record.bytes)?;
        self.out.write_all(payload)
    }

    /// Writes the END record after the BEGIN of a package: it has the checksum but is not part of any.
    pub fn end_package_header(&mut self) -> io::Result<()> {
        let mut end = Record::new(END);
        end.put_checksum(8, self.sum);
        self.out.write_all(&end.bytes)
    }

    /// Writes the empty END record that closes a package.
    pub fn end_package(&mut self) -> io::Result<()> {
        self.out.write_all(&Record::new(END).bytes)
    }
}
