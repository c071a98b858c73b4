//! Decompression of image files while they arrive. Data that is not of the format it should be is refused, never
//! passed through.

use std::io::{self, BufRead, Read};

use crate::errors::{Error, Result};

/// How an image file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    pub const ALL: [Self; 5] = [Self::None, Self::Bzip2, Self::Gzip, Self::Xz, Self::Zstd];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.as_str() == text)
    }

    /// What a file so compressed is called after its own ending: `.gz`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// What the first bytes of a file say.
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The largest dictionary of an xz file, or window of a zstd file, that is accepted, in bytes: what `xz -9` uses.
const MOST_WINDOW: u64 = 64 << 20;

fn check_window(size: u64) -> io::Result<()> {
    if size <= MOST_WINDOW {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "it needs a dictionary of {} MiB, more than the {} MiB that are allowed",
        size >> 20,
        MOST_WINDOW >> 20
    )))
}

/// What comes out of `input` when it is decompressed.
pub fn decoder<'a>(
    compression: Compression,
    mut input: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Compression::Xz => {
            check_xz_dictionary(input.fill_buf()?)?;
            Box::new(lzma_rust2::XzReader::new(input, true))
        }
        Compression::Zstd => Box::new(ZstdFrames { input: Some(input), frame: None }),
    })
}

/// Reads the first block header of an xz file (xz format specification, 3.1) for the size of the LZMA2 dictionary.
fn check_xz_dictionary(head: &[u8]) -> io::Result<()> {
    const STREAM_HEADER: usize = 12;
    const LZMA2: u8 = 0x21;
    let Some(block) = head.get(STREAM_HEADER..) else { return Ok(()) };
    // Size, flags, then id, property size and property of the one filter that images have.
    let [_, flags, rest @ ..] = block else { return Ok(()) };
    if flags & 0xc3 != 0 {
        return Ok(());
    }
    let [LZMA2, 1, bits, ..] = rest else { return Ok(()) };
    let bits = u64::from(bits & 0x3f);
    let size = (2 | (bits & 1)) << (bits / 2 + 11);
    check_window(size)
}

/// Reads the header of a zstd frame (RFC 8878, 3.1.1.1) for the size of its window.
fn check_zstd_window(head: &[u8]) -> io::Result<()> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let [_, _, _, _, descriptor, rest @ ..] = head else { return Ok(()) };
    if descriptor & SINGLE_SEGMENT == 0 {
        let Some(byte) = rest.first() else { return Ok(()) };
        let base = 1u64 << (10 + (byte >> 3));
        return check_window(base + base / 8 * u64::from(byte & 7));
    }
    // The window is as large as the content, whose size follows the id of the dictionary.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let Some(size) = rest.get(dictionary..dictionary + length) else { return Ok(()) };
    let size = size.iter().rev().fold(0u64, |size, byte| size << 8 | u64::from(*byte));
    check_window(size)
}

type ZstdFrame<R> = ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>;

/// Zstandard frames one after another, as `zstd` reads a file.
struct ZstdFrames<R: BufRead> {
    input: Option<R>,
    frame: Option<ZstdFrame<R>>,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.input = self.frame.take().map(ZstdFrame::into_inner);
                if let Some(input) = &mut self.input
                    && input.fill_buf()?.is_empty()
                {
                    return Ok(0);
                }
            }
            let Some(mut input) = self.input.take() else { return Ok(0) };
            check_zstd_window(input.fill_buf()?)?;
            self.frame = Some(ZstdFrame::new(input).map_err(io::Error::other)?);
        }
    }
}

/// The failure of a decompression, in the words that are known for it.
pub fn failure(compression: Compression, error: &io::Error) -> Error {
    Error::uncompression(format!(
        "{} uncompression error while importing: {error}",
        compression.as_str()
    ))
}

/// The compression that a manifest names for its file.
pub fn of_manifest(file: &serde_json::Value) -> Result<Compression> {
    let Some(name) = file.get("compression") else { return Ok(Compression::None) };
    name.as_str().and_then(Compression::parse).ok_or_else(|| {
        Error::invalid_manifest(format_args!(
            "file compression {name} is none of {}",
            Compression::ALL.map(Compression::as_str).join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn text() -> Vec<u8> {
        (0..20_000u32).flat_map(|n| n.to_string().into_bytes()).collect()
    }

    fn packed(compression: Compression) -> Vec<u8> {
        let data = text();
        match compression {
            Compression::None => data,
            Compression::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                out.write_all(&data).unwrap();
                out.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
                out.write_all(&data).unwrap();
                out.finish().unwrap()
            }
            Compression::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(3);
                let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                out.write_all(&data).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => ruzstd::encoding::compress_to_vec(
                data.as_slice(),
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
        }
    }

    fn unpack(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(compression, data)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_format_unpacks_whole_and_twice_over() {
        for compression in Compression::ALL {
            let once = packed(compression);
            assert_eq!(unpack(compression, &once).unwrap(), text(), "{compression:?}");
            let twice = [once.clone(), once].concat();
            assert_eq!(unpack(compression, &twice).unwrap().len(), 2 * text().len());
        }
    }

    #[test]
    fn what_is_not_of_the_format_or_cut_short_is_refused() {
        for compression in Compression::ALL.into_iter().filter(|c| *c != Compression::None) {
            assert!(
                unpack(compression, b"not compressed at all, really").is_err(),
                "{compression:?}"
            );
            let whole = packed(compression);
            assert!(unpack(compression, &whole[..whole.len() / 2]).is_err(), "{compression:?}");
            assert!(unpack(compression, b"").is_err(), "{compression:?}");
        }
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        for compression in Compression::ALL {
            assert_eq!(Compression::sniff(&packed(compression)), compression);
        }
    }

    #[test]
    fn a_dictionary_larger_than_allowed_is_refused() {
        let mut data = packed(Compression::Xz);
        // The dictionary size byte of the first block header: 1.5 GiB.
        data[16] = 37;
        assert!(unpack(Compression::Xz, &data).unwrap_err().to_string().contains("dictionary"));
        // A window of 128 MiB, and a single segment of 4 GiB.
        for head in [&[0, 17 << 3][..], &[0b1010_0000, 0xff, 0xff, 0xff, 0xff]] {
            let data = [&[0x28, 0xb5, 0x2f, 0xfd], head, &[0; 20]].concat();
            let error = unpack(Compression::Zstd, &data).unwrap_err().to_string();
            assert!(error.contains("dictionary"), "{error}");
        }
    }
}
