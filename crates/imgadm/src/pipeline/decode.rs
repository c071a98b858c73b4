//! Decompression of image files while they arrive. Data that is not of the format it should be is refused, never
//! passed through.

use std::io::{self, BufRead, Read};

use super::{dictionary, xz, zstd};
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

/// What comes out of `input` when it is decompressed, in memory that does not grow with it: at most
/// [`dictionary::limit`] and a few MiB.
pub fn decoder<'a>(compression: Compression, input: impl BufRead + 'a) -> Box<dyn Read + 'a> {
    match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Compression::Xz => Box::new(xz::Streams::new(input, dictionary::limit())),
        Compression::Zstd => Box::new(zstd::Frames::new(input, dictionary::limit())),
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
        decoder(compression, data).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn manifests_may_name_every_compression() {
        let mut known = manifest::image::COMPRESSIONS;
        let mut ours = Compression::ALL.map(Compression::as_str);
        known.sort_unstable();
        ours.sort_unstable();
        assert_eq!(known, ours);
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
}
