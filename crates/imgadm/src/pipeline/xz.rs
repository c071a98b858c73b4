//! The xz format, stream after stream as `xz` reads a file, in bounded memory. The library allocates whatever
//! dictionary a block asks for, so each block's header is read here as it passes.

use std::io::{self, BufRead, Read};
use std::mem;

use lzma_rust2::XzReader;

use super::dictionary;

/// The most blocks of a stream: the library keeps a record of each when it reads the index. A file of 10 GiB that
/// `xz -T0` wrote has 427.
const MOST_BLOCKS: u64 = 1 << 18;

/// What comes out of the streams of a file.
pub struct Streams<R: BufRead> {
    input: Option<R>,
    stream: Option<XzReader<Guarded<R>>>,
    /// The most memory for the dictionary of a block, in bytes.
    limit: u64,
}

impl<R: BufRead> Streams<R> {
    pub fn new(input: R, limit: u64) -> Self {
        Self { input: None, stream: Some(XzReader::new(Guarded::new(input, limit), false)), limit }
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(stream) = &mut self.stream {
                let count = stream.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.input = self.stream.take().map(|stream| stream.into_inner().input);
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            if !skip_padding(&mut input)? {
                return Ok(0);
            }
            self.stream = Some(XzReader::new(Guarded::new(input, self.limit), false));
        }
    }
}

/// Skips the zeros between streams; says whether another stream follows.
fn skip_padding(input: &mut impl BufRead) -> io::Result<bool> {
    let mut skipped = 0;
    loop {
        let ready = input.fill_buf()?;
        let zeros = ready.iter().take_while(|byte| **byte == 0).count();
        let (ended, another) = (ready.is_empty(), zeros < ready.len());
        input.consume(zeros);
        skipped += zeros;
        if ended || another {
            return if skipped % 4 == 0 { Ok(another) } else { Err(damaged("stream padding")) };
        }
    }
}

fn damaged(part: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its {part} is damaged"))
}

/// What the bytes are that are gathered.
#[derive(Clone, Copy)]
enum Part {
    StreamHeader,
    /// The size of a block's header, or 0 for the index.
    HeaderSize,
    BlockHeader,
    /// The first byte of a chunk of LZMA2 data.
    Control,
    /// The size of a chunk that is stored as it is.
    StoredSize,
    /// The sizes, and perhaps properties, of a chunk that is compressed.
    PackedSize,
    /// What is beyond the longest index and the footer.
    Beyond,
}

/// Hands on the bytes of one stream, and fails before a header whose dictionary is too large.
struct Guarded<R> {
    input: R,
    limit: u64,
    part: Part,
    /// How long that part is, and what has passed of it.
    wanted: usize,
    gathered: Vec<u8>,
    /// How many bytes pass before it.
    skip: u64,
    /// The size of the checksum behind each block.
    check: u64,
    /// How much compressed data the block has so far.
    data: u64,
    blocks: u64,
}

impl<R> Guarded<R> {
    fn new(input: R, limit: u64) -> Self {
        let (part, wanted) = (Part::StreamHeader, 12);
        let gathered = Vec::new();
        Self { input, limit, part, wanted, gathered, skip: 0, check: 0, data: 0, blocks: 0 }
    }

    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                self.skip -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = bytes.len().min(self.wanted - self.gathered.len());
            self.gathered.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.gathered.len() == self.wanted {
                let part = mem::take(&mut self.gathered);
                (self.part, self.wanted) = self.next(&part)?;
            }
        }
        Ok(())
    }

    /// What comes after a whole part, and how long it is.
    fn next(&mut self, bytes: &[u8]) -> io::Result<(Part, usize)> {
        Ok(match (self.part, bytes) {
            (Part::StreamHeader, [.., kind, _, _, _, _]) => {
                self.check = [0, 4, 8, 16, 32, 64][usize::from(kind & 15).div_ceil(3)];
                (Part::HeaderSize, 1)
            }
            (Part::HeaderSize, [0]) => {
                // A number of records, two numbers each, padding, checksum and footer.
                self.skip = 9 + 18 * self.blocks + 3 + 4 + 12;
                (Part::Beyond, 1)
            }
            (Part::HeaderSize, [size, ..]) => (Part::BlockHeader, usize::from(*size) * 4 + 3),
            (Part::BlockHeader, header) => {
                let size = dictionary_size(header).ok_or_else(|| damaged("block header"))?;
                dictionary::check(size, self.limit)?;
                self.data = 0;
                self.blocks += 1;
                if self.blocks > MOST_BLOCKS {
                    return Err(io::Error::other(format!("it has more than {MOST_BLOCKS} blocks")));
                }
                (Part::Control, 1)
            }
            (Part::Control, [control]) => {
                self.data += 1;
                match control {
                    0 => {
                        self.skip = self.data.next_multiple_of(4) - self.data + self.check;
                        (Part::HeaderSize, 1)
                    }
                    1 | 2 => (Part::StoredSize, 2),
                    0x80..=0xbf => (Part::PackedSize, 4),
                    0xc0.. => (Part::PackedSize, 5),
                    _ => return Err(damaged("data")),
                }
            }
            (Part::StoredSize, [high, low]) | (Part::PackedSize, [_, _, high, low, ..]) => {
                self.skip = u64::from(u16::from_be_bytes([*high, *low])) + 1;
                self.data += bytes.len() as u64 + self.skip;
                (Part::Control, 1)
            }
            _ => return Err(damaged("index")),
        })
    }
}

impl<R: Read> Read for Guarded<R> {
    /// Fills the buffer unless the input ends: the library takes a short read for the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < buffer.len() {
            match self.input.read(&mut buffer[count..]) {
                Ok(0) => break,
                Ok(read) => count += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.follow(&buffer[..count])?;
        Ok(count)
    }
}

/// The size of the dictionary of a block in bytes, from its header after the first byte (xz format specification,
/// 3.1). `None` where it cannot be told.
fn dictionary_size(header: &[u8]) -> Option<u64> {
    const LZMA2: u64 = 0x21;
    let (flags, mut rest) = header.split_first()?;
    // Compressed and uncompressed size.
    for present in [0x40, 0x80] {
        if flags & present != 0 {
            number(&mut rest)?;
        }
    }
    for _ in 0..flags & 3 {
        // Another filter before LZMA2; these need no memory worth counting.
        let (id, size) = (number(&mut rest)?, number(&mut rest)?);
        rest = rest.get(usize::try_from(size).ok()?..)?;
        if id == LZMA2 {
            return None;
        }
    }
    if (number(&mut rest)?, number(&mut rest)?) != (LZMA2, 1) {
        return None;
    }
    match u64::from(*rest.first()?) {
        40 => Some((1 << 32) - 1),
        bits @ 0..40 => Some((2 | (bits & 1)) << (bits / 2 + 11)),
        _ => None,
    }
}

/// Takes a number of variable length off the front.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use lzma_rust2::{XzOptions, XzWriter};
    use std::io::{BufReader, Write};
    use std::num::NonZeroU64;

    const LIMIT: u64 = 8 << 20;

    /// Data that does not compress away, so that a block has many chunks of both kinds.
    fn data() -> Vec<u8> {
        let mut seed = 1u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        };
        let mut data: Vec<u8> = (0..300_000).map(|_| noise()).collect();
        data.extend((0..300_000u32).flat_map(|n| (n / 7).to_be_bytes()));
        data
    }

    fn packed(data: &[u8], dictionary: u32, block: u64) -> Vec<u8> {
        let mut options = XzOptions::with_preset(1);
        options.lzma_options.dict_size = dictionary;
        options.set_block_size(NonZeroU64::new(block));
        let mut out = XzWriter::new(Vec::new(), options).unwrap();
        out.write_all(data).unwrap();
        out.finish().unwrap()
    }

    /// Unpacks what comes in pieces of so many bytes.
    fn unpack(packed: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Streams::new(BufReader::with_capacity(piece, packed), LIMIT).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn blocks_and_streams_unpack_in_pieces_of_any_size() {
        let data = data();
        let blocks = packed(&data, 1 << 20, 200_000);
        let padded = [&blocks[..], &[0; 8], &blocks[..], &[0; 4]].concat();
        for piece in [1, 5, 4096, 1 << 20] {
            assert!(unpack(&blocks, piece).unwrap() == data, "{piece}");
            assert!(unpack(&padded, piece).unwrap() == [&data[..], &data[..]].concat(), "{piece}");
        }
    }

    #[test]
    fn a_large_dictionary_is_found_in_any_block_of_any_stream() {
        let (small, large) = (packed(b"abc", 1 << 20, 1 << 20), packed(b"abc", 16 << 20, 1 << 20));
        // The second block of a stream: the first stream without its index and footer, then a block of the other.
        let without_index = small.len() - 12 - 8;
        let second_block = [&small[..without_index], &large[12..]].concat();
        for file in [large.clone(), [&small[..], &large[..]].concat(), second_block] {
            for piece in [1, 4096] {
                let error = unpack(&file, piece).unwrap_err().to_string();
                assert!(error.contains("its dictionary takes 16 MiB of memory"), "{error}");
            }
        }
    }

    #[test]
    fn dictionaries_are_read_past_sizes_and_other_filters() {
        for (header, expected) in [
            (&[0, 0x21, 1, 0][..], Some(4096)),
            (&[0, 0x21, 1, 1], Some(6144)),
            (&[0, 0x21, 1, 22], Some(8 << 20)),
            (&[0, 0x21, 1, 40], Some(u64::from(u32::MAX))),
            (&[0, 0x21, 1, 41], None),
            // As `xz -T0` writes it: with both sizes.
            (&[0xc0, 0x80, 1, 0x81, 0x80, 4, 0x21, 1, 26], Some(32 << 20)),
            // Delta, then x86 with a start offset, before it.
            (&[1, 3, 1, 0, 0x21, 1, 22], Some(8 << 20)),
            (&[2, 3, 1, 0, 4, 4, 1, 1, 1, 1, 0x21, 1, 22], Some(8 << 20)),
            (&[1, 0x21, 1, 0, 0x21, 1, 22], None),
            (&[0, 3, 1, 0], None),
            (&[1, 3, 0x80, 0x80, 0x80, 0x80], None),
            (&[0], None),
        ] {
            assert_eq!(dictionary_size(header), expected, "{header:?}");
        }
    }

    #[test]
    fn an_index_longer_than_its_blocks_is_refused() {
        let file = packed(b"abc", 1 << 20, 1 << 20);
        let index = file.len() - 12 - 8;
        // 0, a million records.
        let long = [&file[..=index], &[0xc0, 0x84, 0x3d][..], &vec![1; 1 << 20]].concat();
        let error = unpack(&long, 4096).unwrap_err().to_string();
        assert!(error.contains("its index is damaged"), "{error}");
    }

    #[test]
    fn what_follows_the_streams_is_refused() {
        let file = packed(b"abc", 1 << 20, 1 << 20);
        for rest in [&b"\0\0\0"[..], b"\0\0\0\0more data that is no stream", b"x"] {
            assert!(unpack(&[&file[..], rest].concat(), 4096).is_err(), "{rest:?}");
        }
    }
}
