//! The form in which a VM travels from `vmadm send` to `vmadm receive`: a chunk of JSON, then the stream of each of its
//! datasets, each after a header of 512 bytes. A stream's length is not told: zfs knows where it ends.
//!
//! Two versions: [`WHOLE`] is SmartOS's, a replication stream a dataset. In [`PARTS`] a chunk [`LIST`] follows the VM
//! object and says which streams come, one a snapshot, and what they build on.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use crate::tool::{Error, Result};

/// Size of a header, and what chunks are padded to.
pub const BLOCK: usize = 512;

const MAGIC: &str = "MAGIC-VMBUNDLE";
/// Version of a stream that brings whole datasets.
pub const WHOLE: u32 = 1;
/// Version of a stream that brings what the other side lacks.
pub const PARTS: u32 = 2;

/// Name of the chunk with the VM object, in version [`WHOLE`].
pub const JSON: &str = "JSON";
/// The same in version [`PARTS`]: SmartOS's vmadm does not look at versions, but refuses a first chunk of another name
/// before it has made anything.
pub const VM: &str = "VM";
/// Name of the chunk that lists what comes, in version [`PARTS`].
pub const LIST: &str = "LIST";

/// The header of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// [`WHOLE`] or [`PARTS`].
    pub version: u32,
    /// [`JSON`], [`VM`], [`LIST`], or the name of a dataset or snapshot.
    pub name: String,
    /// Bytes of the chunk; 0 for streams.
    pub size: u64,
}

impl Header {
    /// Bytes of padding after the chunk.
    pub fn padding(&self) -> u64 {
        (BLOCK as u64 - self.size % BLOCK as u64) % BLOCK as u64
    }

    /// The header as it is sent. Fields end with a zero byte; the checksum is not used.
    pub fn to_bytes(&self) -> [u8; BLOCK] {
        let (size, padded) = (self.size.to_string(), (self.size + self.padding()).to_string());
        let version = self.version.to_string();
        let mut bytes = [0; BLOCK];
        let mut at = 0;
        for field in [MAGIC, &version, "CHECKSUM", &self.name, &size, &padded] {
            let room = bytes.len().saturating_sub(at + 1);
            let field = &field.as_bytes()[..field.len().min(room)];
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len() + 1;
        }
        bytes
    }

    /// Reads a header, which begins with the magic.
    fn parse(bytes: &[u8; BLOCK]) -> Result<Self> {
        let mut fields =
            bytes.split(|b| *b == 0).map(|field| std::str::from_utf8(field).unwrap_or_default());
        let mut next = || fields.next().unwrap_or_default();
        let _magic = next();
        let version = next().parse().unwrap_or(0);
        if !matches!(version, WHOLE | PARTS) {
            return Err(bad("it is of another version of vmadm send"));
        }
        let (_checksum, name) = (next(), next());
        let size = next().parse().map_err(|_| bad("a chunk's size is no number"))?;
        if name.is_empty() {
            return Err(bad("a chunk has no name"));
        }
        Ok(Self { version, name: name.to_owned(), size })
    }
}

/// Standard input, read without a buffer: what follows a chunk is for others.
pub fn stdin() -> Result<File> {
    let copy = io::stdin().as_fd().try_clone_to_owned();
    copy.map(File::from).map_err(|e| Error::io("cannot read standard input", e))
}

/// What stands next on the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A chunk, whose header this is.
    Chunk(Header),
    /// Something that vmadm send did not write.
    Foreign,
    /// Nothing: the input is at its end.
    End,
}

/// Reads the next header. One that is cut off or damaged is an error.
pub fn next_header(input: &mut impl Read) -> Result<Next> {
    let mut bytes = [0; BLOCK];
    let mut filled = 0;
    while filled < BLOCK {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read standard input", error)),
        }
    }
    if filled == 0 {
        return Ok(Next::End);
    }
    let magic = bytes.strip_prefix(MAGIC.as_bytes());
    if magic.is_none_or(|rest| rest.first() != Some(&0)) {
        return Ok(Next::Foreign);
    }
    if filled < BLOCK {
        return Err(bad("it ends too early"));
    }
    Header::parse(&bytes).map(Next::Chunk)
}

/// Reads the chunk that the header announces, without its padding.
pub fn read_chunk(input: &mut impl Read, header: &Header) -> Result<Vec<u8>> {
    /// More than any VM object takes.
    const MOST: u64 = 256 << 20;
    if header.size > MOST {
        return Err(bad(format!("its {} chunk is of {} bytes", header.name, header.size)));
    }
    let mut chunk = Vec::new();
    let whole = header.size + header.padding();
    let read = input.take(whole).read_to_end(&mut chunk);
    let read = read.map_err(|error| Error::io("cannot read standard input", error))?;
    if (read as u64) < whole {
        return Err(bad("it ends too early"));
    }
    chunk.truncate(header.size as usize);
    Ok(chunk)
}

/// What is wrong with the input.
pub(crate) fn bad(why: impl Into<String>) -> Error {
    Error::Unexpected { what: "the VM on standard input".to_owned(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_are_as_observed() {
        let header = Header { version: WHOLE, name: "JSON".into(), size: 700 };
        let bytes = header.to_bytes();
        assert!(bytes.starts_with(b"MAGIC-VMBUNDLE\x001\0CHECKSUM\0JSON\x00700\x001024\0\0"));
        assert_eq!(Header::parse(&bytes).unwrap(), header);
        let damaged = Header { version: 9, ..header };
        assert!(Header::parse(&damaged.to_bytes()).is_err());
    }

    #[test]
    fn chunks_are_read_with_their_padding() {
        let header = Header { version: PARTS, name: "JSON".into(), size: 2 };
        let mut sent = header.to_bytes().to_vec();
        sent.extend(b"{}");
        sent.resize(2 * BLOCK, 0);
        sent.extend(b"next");
        let mut input = sent.as_slice();
        assert_eq!(next_header(&mut input).unwrap(), Next::Chunk(header.clone()));
        assert_eq!(read_chunk(&mut input, &header).unwrap(), b"{}");
        assert_eq!(input, b"next");
        assert_eq!(next_header(&mut input).unwrap(), Next::Foreign);
        assert_eq!(next_header(&mut [].as_slice()).unwrap(), Next::End);
        assert!(next_header(&mut &sent[..BLOCK - 1]).is_err());
        assert_eq!(next_header(&mut &sent[..MAGIC.len() - 1]).unwrap(), Next::Foreign);
    }
}
