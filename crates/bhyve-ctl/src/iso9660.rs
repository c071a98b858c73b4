//! A small ISO 9660 image with Joliet names: one directory of a few files. It is what cloud-init takes a NoCloud seed
//! from.

use crate::refusal::{Result, refuse};

const SECTOR: usize = 2048;

/// Where things are, in sectors. The first sixteen are the system's.
mod at {
    pub(super) const PRIMARY: u32 = 16;
    pub(super) const JOLIET: u32 = 17;
    pub(super) const END_OF_DESCRIPTORS: u32 = 18;
    pub(super) const PATHS: u32 = 19;
    pub(super) const JOLIET_PATHS: u32 = 21;
    pub(super) const DIRECTORY: u32 = 23;
    pub(super) const JOLIET_DIRECTORY: u32 = 24;
    pub(super) const FILES: u32 = 25;
}

/// How names are written in a tree of the image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// ISO 9660's own: capitals, with a version.
    Plain,
    /// Joliet's: as they are, in UCS-2.
    Joliet,
}

/// An image with the given volume identifier (capitals, at most 16) and files, by name.
///
/// # Errors
/// A name is longer than 30 characters or not of letters, digits, `-`, `_` and dots, or there are too many files.
pub fn image(volume: &str, files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if let Some((name, _)) = files
        .iter()
        .find(|(name, _)| name.is_empty() || name.len() > 30 || !name.bytes().all(is_plain))
    {
        refuse!("{name} is no name for a file of an image");
    }
    let mut placed = Vec::new();
    let mut next = at::FILES;
    for (name, text) in files {
        placed.push((*name, next, text.len() as u32));
        next += text.len().div_ceil(SECTOR) as u32;
    }
    // Directories list their files by name.
    placed.sort_by_key(|(name, ..)| name.to_ascii_uppercase());
    let mut image = vec![0; next as usize * SECTOR];
    for (names, descriptor, paths, directory) in [
        (Names::Plain, at::PRIMARY, at::PATHS, at::DIRECTORY),
        (Names::Joliet, at::JOLIET, at::JOLIET_PATHS, at::JOLIET_DIRECTORY),
    ] {
        put(&mut image, descriptor, &volume_descriptor(names, volume, next, paths, directory));
        put(&mut image, paths, &path_table(directory.to_le_bytes(), [1, 0]));
        put(&mut image, paths + 1, &path_table(directory.to_be_bytes(), [0, 1]));
        let listing = listing(names, directory, &placed);
        if listing.len() > SECTOR {
            refuse!("there are too many files for an image");
        }
        put(&mut image, directory, &listing);
    }
    put(&mut image, at::END_OF_DESCRIPTORS, b"\xffCD001\x01");
    for (name, sector, _) in &placed {
        let text = files.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text);
        put(&mut image, *sector, text.as_bytes());
    }
    Ok(image)
}

fn put(image: &mut [u8], sector: u32, bytes: &[u8]) {
    let start = sector as usize * SECTOR;
    image[start..start + bytes.len()].copy_from_slice(bytes);
}

/// A number in both byte orders.
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn both_short(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// Text padded with blanks to `length` bytes.
fn padded(names: Names, text: &str, length: usize) -> Vec<u8> {
    let mut bytes = match names {
        Names::Plain => text.as_bytes().to_vec(),
        Names::Joliet => ucs2(text),
    };
    let blank: &[u8] = if names == Names::Plain { b" " } else { b"\0 " };
    while bytes.len() + blank.len() <= length {
        bytes.extend_from_slice(blank);
    }
    bytes.resize(length, 0);
    bytes
}

fn ucs2(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn volume_descriptor(names: Names, volume: &str, size: u32, paths: u32, directory: u32) -> Vec<u8> {
    const TABLE_SIZE: u32 = 10;
    let mut out = vec![if names == Names::Plain { 1 } else { 2 }];
    out.extend_from_slice(b"CD001\x01\0");
    out.extend(padded(names, "", 32));
    out.extend(padded(names, volume, 32));
    out.extend([0; 8]);
    out.extend(both(size));
    // Level 3 of UCS-2 names.
    let escape: &[u8] = if names == Names::Joliet { b"%/E" } else { b"" };
    out.extend_from_slice(escape);
    out.resize(out.len() + 32 - escape.len(), 0);
    out.extend(both_short(1));
    out.extend(both_short(1));
    out.extend(both_short(SECTOR as u16));
    out.extend(both(TABLE_SIZE));
    out.extend(paths.to_le_bytes());
    out.extend([0; 4]);
    out.extend((paths + 1).to_be_bytes());
    out.extend([0; 4]);
    out.extend(record(&[0], directory, SECTOR as u32, true));
    for length in [128, 128, 128, 128, 37, 37, 37] {
        out.extend(padded(names, "", length));
    }
    // Four dates that are not given.
    for _ in 0..4 {
        out.extend_from_slice(b"0000000000000000\0");
    }
    out.extend([1, 0]);
    out.resize(SECTOR, 0);
    out
}

fn path_table(directory: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    let mut out = vec![1, 0];
    out.extend(directory);
    out.extend(parent);
    out.extend([0, 0]);
    out
}

fn listing(names: Names, directory: u32, files: &[(&str, u32, u32)]) -> Vec<u8> {
    // The directory itself and the one above it.
    let mut out = record(&[0], directory, SECTOR as u32, true);
    out.extend(record(&[1], directory, SECTOR as u32, true));
    for (name, sector, size) in files {
        let name = match names {
            Names::Plain => format!("{};1", name.to_ascii_uppercase()).into_bytes(),
            Names::Joliet => ucs2(name),
        };
        out.extend(record(&name, *sector, *size, false));
    }
    out
}

fn record(name: &[u8], sector: u32, size: u32, is_directory: bool) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(both(sector));
    out.extend(both(size));
    // The first of January 1980: images of the same files are the same.
    out.extend([80, 1, 1, 0, 0, 0, 0]);
    out.push(if is_directory { 2 } else { 0 });
    out.extend([0, 0]);
    out.extend(both_short(1));
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out[0] = out.len() as u8;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Joliet files of an image, read back.
    fn files(image: &[u8]) -> Vec<(String, String)> {
        let long =
            |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize;
        let descriptor = &image[at::JOLIET as usize * SECTOR..][..SECTOR];
        assert_eq!(&descriptor[..6], b"\x02CD001");
        let mut rest = &image[long(&descriptor[158..162]) * SECTOR..][..SECTOR];
        let mut files = Vec::new();
        while rest[0] > 0 {
            let (record, after) = rest.split_at(usize::from(rest[0]));
            rest = after;
            let name = &record[33..33 + usize::from(record[32])];
            if name.len() > 1 {
                let units: Vec<u16> =
                    name.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                let text = &image[long(&record[2..6]) * SECTOR..][..long(&record[10..14])];
                files.push((
                    String::from_utf16(&units).expect("a name"),
                    String::from_utf8(text.to_vec()).expect("text"),
                ));
            }
        }
        files
    }

    #[test]
    fn files_are_found_under_their_names() {
        let long = "x".repeat(5000);
        let image =
            image("CIDATA", &[("user-data", &long), ("meta-data", "a: b\n")]).expect("fine names");
        assert_eq!(&image[16 * SECTOR..][..6], b"\x01CD001");
        assert_eq!(&image[16 * SECTOR + 40..][..8], b"CIDATA  ");
        assert_eq!(image.len() % SECTOR, 0);
        assert_eq!(
            files(&image),
            [("meta-data".to_owned(), "a: b\n".to_owned()), ("user-data".to_owned(), long)]
        );
        assert!(super::image("X", &[("a/b", "")]).is_err());
    }
}
