//! The Zstandard format, frame after frame as `zstd` reads a file, in bounded memory.

use std::io::{self, BufRead, Cursor, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::dictionary;
use super::fetch::CHUNK;

/// The largest block of a frame, in bytes (RFC 8878, 3.1.1.2.4).
const MOST_BLOCK: u64 = 128 << 10;

type Frame<R> = StreamingDecoder<io::Chain<Cursor<Vec<u8>>, R>, FrameDecoder>;

/// What comes out of the frames of a file.
pub struct Frames<R: BufRead> {
    input: Option<R>,
    frame: Option<Frame<R>>,
    /// The most memory for the window of a frame, in bytes.
    limit: u64,
}

impl<R: BufRead> Frames<R> {
    pub fn new(input: R, limit: u64) -> Self {
        Self { input: Some(input), frame: None, limit }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                // More at a time would make the ring larger.
                let room = buffer.len().min(CHUNK);
                let count = frame.read(&mut buffer[..room])?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                let (wanted, actual) = (
                    frame.decoder.get_checksum_from_data(),
                    frame.decoder.get_calculated_checksum(),
                );
                if wanted.is_some() && wanted != actual {
                    return Err(io::Error::other("the checksum of its content is wrong"));
                }
                self.input = self.frame.take().map(|frame| frame.into_inner().into_inner().1);
                if let Some(input) = &mut self.input
                    && input.fill_buf()?.is_empty()
                {
                    return Ok(0);
                }
            }
            let Some(input) = self.input.take() else { return Ok(0) };
            self.frame = begin(input, self.limit)?;
        }
    }
}

/// Begins with the next frame, once its window is known to be allowed. `None` where only frames to be skipped came.
fn begin<R: BufRead>(mut input: R, limit: u64) -> io::Result<Option<Frame<R>>> {
    let mut head = vec![0; 4];
    input.read_exact(&mut head)?;
    while let [0x50..=0x5f, 0x2a, 0x4d, 0x18] = head[..] {
        let mut size = [0; 4];
        input.read_exact(&mut size)?;
        let size = u64::from(u32::from_le_bytes(size));
        if io::copy(&mut input.by_ref().take(size), &mut io::sink())? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        input.read_exact(&mut head)?;
    }
    let mut descriptor = [0];
    input.read_exact(&mut descriptor)?;
    let [descriptor] = descriptor;
    let header = Header::of(descriptor);
    let mut rest = vec![0; header.window + header.dictionary + header.content];
    input.read_exact(&mut rest)?;
    // The library keeps its window in a ring whose size is a power of two, with what is not yet read out behind it.
    let ring = header.window_size(&rest).saturating_add(CHUNK as u64 + 2 * MOST_BLOCK);
    dictionary::check(ring.checked_next_power_of_two().unwrap_or(u64::MAX), limit)?;
    head.push(descriptor);
    head.append(&mut rest);
    StreamingDecoder::new(Cursor::new(head).chain(input)).map(Some).map_err(io::Error::other)
}

/// How long the fields of a frame's header are, in bytes (RFC 8878, 3.1.1.1).
struct Header {
    window: usize,
    dictionary: usize,
    content: usize,
}

impl Header {
    fn of(descriptor: u8) -> Self {
        const SINGLE_SEGMENT: u8 = 1 << 5;
        let single = descriptor & SINGLE_SEGMENT != 0;
        Self {
            window: usize::from(!single),
            dictionary: [0, 1, 2, 4][usize::from(descriptor & 3)],
            content: [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)],
        }
    }

    /// The size of the window in bytes, from the fields: as large as the content where that is a single segment.
    fn window_size(&self, fields: &[u8]) -> u64 {
        match fields {
            [byte, ..] if self.window == 1 => {
                let base = 1u64 << (10 + (byte >> 3));
                base + base / 8 * u64::from(byte & 7)
            }
            _ => {
                let size = fields.iter().skip(self.dictionary).rev();
                let size = size.fold(0u64, |size, byte| size << 8 | u64::from(*byte));
                // Sizes of two bytes begin at 256.
                if self.content == 2 { size + 256 } else { size }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::BufReader;

    const LIMIT: u64 = 8 << 20;

    fn unpack(packed: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Frames::new(BufReader::with_capacity(piece, packed), LIMIT).read_to_end(&mut out)?;
        Ok(out)
    }

    fn packed() -> Vec<u8> {
        compress_to_vec(&b"abc".repeat(1000)[..], CompressionLevel::Fastest)
    }

    #[test]
    fn frames_unpack_in_pieces_of_any_size_with_some_to_skip() {
        let frame = packed();
        let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let file = [&skipped[..], &frame, &skipped, &skipped, &frame, &skipped].concat();
        for piece in [1, 5, 4096] {
            assert_eq!(unpack(&file, piece).unwrap(), b"abc".repeat(2000));
        }
        assert!(unpack(&[&frame[..], &skipped[..9]].concat(), 4096).is_err());
        assert!(unpack(&[&frame[..], b"x"].concat(), 4096).is_err());
    }

    #[test]
    fn a_window_larger_than_allowed_is_refused_in_any_frame() {
        // Windows of 8 MiB (whose ring is larger) and 128 MiB, and a single segment of 4 GiB.
        for head in [&[0, 13 << 3][..], &[0, 17 << 3], &[0b1010_0000, 0xff, 0xff, 0xff, 0xff]] {
            let large = [&[0x28, 0xb5, 0x2f, 0xfd], head, &[0; 20]].concat();
            for (file, piece) in
                [(large.clone(), 4096), (large.clone(), 1), ([packed(), large].concat(), 4096)]
            {
                let error = unpack(&file, piece).unwrap_err().to_string();
                assert!(error.contains("its dictionary takes"), "{error}");
            }
        }
    }

    #[test]
    fn windows_are_read_from_every_form_of_header() {
        for (descriptor, fields, expected) in [
            (0, &[0][..], 1 << 10),
            (0, &[(13 << 3) | 4], 12 << 20),
            (0b1000_0011, &[13 << 3, 1, 2, 3, 4, 5, 6, 7, 8], 8 << 20),
            (0b0010_0000, &[9], 9),
            (0b0110_0001, &[1, 0, 1], 512),
            (0b1010_0000, &[0, 0, 0, 1], 1 << 24),
            (0b1110_0000, &[0, 0, 0, 0, 1, 0, 0, 0], 1 << 32),
        ] {
            let header = Header::of(descriptor);
            assert_eq!(header.window + header.dictionary + header.content, fields.len());
            assert_eq!(header.window_size(fields), expected, "{descriptor:b}");
        }
    }

    #[test]
    fn content_that_does_not_match_its_checksum_is_refused() {
        // Magic, a single segment with a checksum, its size; a last raw block of 3 bytes; XXH64 of another content.
        let file = [&[0x28, 0xb5, 0x2f, 0xfd, 0x24, 3, 0x19, 0, 0][..], b"abc", &[0; 4]].concat();
        let error = unpack(&file, 4096).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
    }
}
