//! Screenshots: qemu writes PPM, people want PNG.

use std::io;

/// Most pixels a picture may have.
const PIXELS_MAX: u64 = 1 << 26;

/// Why a screenshot cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The picture is not a binary PPM of 8 bits a colour.
    #[error("the screenshot cannot be read: {0}")]
    Ppm(&'static str),
    /// The PNG file cannot be made.
    #[error("cannot make a PNG file: {0}")]
    Png(#[from] png::EncodingError),
}

/// A picture of 8-bit red, green and blue values, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Three bytes a pixel.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Reads a binary PPM (`P6`).
    ///
    /// # Errors
    /// It is none, has another depth than 8 bits, or is cut off.
    pub fn from_ppm(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes.strip_prefix(b"P6").ok_or(Error::Ppm("it is no PPM file"))?;
        let mut header = [0_u32; 3];
        for number in &mut header {
            (*number, rest) = header_number(rest).ok_or(Error::Ppm("its header is damaged"))?;
        }
        let [width, height, depth] = header;
        if depth != 255 {
            return Err(Error::Ppm("it has not 8 bits a colour"));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels > PIXELS_MAX {
            return Err(Error::Ppm("its size is out of range"));
        }
        // One blank ends the header.
        let pixels = rest.get(1..=pixels as usize * 3).ok_or(Error::Ppm("it is cut off"))?;
        Ok(Self { width, height, pixels: pixels.to_vec() })
    }

    /// Writes a PNG.
    ///
    /// # Errors
    /// Writing fails.
    pub fn write_png(&self, to: impl io::Write) -> Result<(), Error> {
        let mut encoder = png::Encoder::new(to, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(())
    }
}

/// A number of the header and what follows. Blanks and comment lines come before it.
fn header_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut rest = bytes.trim_ascii_start();
    while rest.first() == Some(&b'#') {
        let end = rest.iter().position(|&b| b == b'\n')?;
        rest = rest[end..].trim_ascii_start();
    }
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    let (digits, rest) = rest.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ppm_becomes_a_png() {
        let picture = Picture::from_ppm(b"P6\n# a comment\n2 1\n255\n\x01\x02\x03\x0a\x0b\x0c")
            .expect("a PPM");
        assert_eq!((picture.width, picture.height), (2, 1));
        let mut file = Vec::new();
        picture.write_png(&mut file).expect("in memory");
        let mut reader = png::Decoder::new(io::Cursor::new(&file)).read_info().expect("a PNG");
        let mut pixels = vec![0; 6];
        reader.next_frame(&mut pixels).expect("an image");
        assert_eq!(pixels, [1, 2, 3, 10, 11, 12]);
    }

    #[test]
    fn damaged_pictures_are_refused() {
        for bytes in [
            &b""[..],
            b"P5\n1 1\n255\n\0",
            b"P6\n2 1\n255\n\0\0\0",
            b"P6\n1 1\n65535\n\0\0",
            b"P6\n99999 99999\n255\n",
        ] {
            assert!(Picture::from_ppm(bytes).is_err(), "{bytes:?}");
        }
    }
}
