//! Compression of image files.

use std::io::{self, Read, Write};

use crate::pipeline::decode::Compression;
use crate::pipeline::fetch::CHUNK;

/// Compresses all of `input` into `out` and gives that back. The levels are those of the programs of these names.
pub fn encode<W: Write>(compression: Compression, mut input: impl Read, out: W) -> io::Result<W> {
    match compression {
        Compression::None => {
            let mut out = out;
            copy(&mut input, &mut out)?;
            out.flush()?;
            Ok(out)
        }
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(out, flate2::Compression::new(6));
            copy(&mut input, &mut out)?;
            out.finish()
        }
        Compression::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(out, bzip2::Compression::best());
            copy(&mut input, &mut out)?;
            out.finish()
        }
        Compression::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(6);
            let mut out = lzma_rust2::XzWriter::new(out, options)?;
            copy(&mut input, &mut out)?;
            out.finish()
        }
        Compression::Zstd => zstd(input, out),
    }
}

fn copy(input: &mut impl Read, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(&buffer[..count])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// How much goes into one frame, in bytes: the encoder wants all of a frame's data, and the frames of a file are read
/// one after another.
const ZSTD_FRAME: usize = 4 << 20;

fn zstd<W: Write>(mut input: impl Read, mut out: W) -> io::Result<W> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    loop {
        let mut data = Vec::with_capacity(ZSTD_FRAME);
        input.by_ref().take(ZSTD_FRAME as u64).read_to_end(&mut data)?;
        if data.is_empty() {
            out.flush()?;
            return Ok(out);
        }
        out.write_all(&compress_to_vec(data.as_slice(), CompressionLevel::Fastest))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::decode::decoder;

    #[test]
    fn what_is_compressed_unpacks_to_the_same() {
        let data: Vec<u8> = (0..400_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        for compression in Compression::ALL {
            let packed = encode(compression, data.as_slice(), Vec::new()).unwrap();
            let mut unpacked = Vec::new();
            decoder(compression, packed.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == data, "{compression:?}");
        }
    }
}
