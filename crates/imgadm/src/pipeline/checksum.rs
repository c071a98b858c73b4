//! Checksums of what is downloaded, computed as it passes; by the processor's own instructions where it has them.

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The kinds of checksum that manifests and registries carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
}

impl Algorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// A checksum that data should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    pub algorithm: Algorithm,
    /// In hexadecimal, lower case.
    pub hex: String,
}

/// Computes one checksum, or none.
#[derive(Debug, Clone)]
pub enum Hasher {
    None,
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Hasher {
    pub fn new(algorithm: Option<Algorithm>) -> Self {
        match algorithm {
            None => Self::None,
            Some(Algorithm::Sha1) => Self::Sha1(Box::default()),
            Some(Algorithm::Sha256) => Self::Sha256(Box::default()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    /// The checksum in hexadecimal; empty where none was wanted.
    pub fn hex(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Sha1(hash) => hex(&hash.finalize()),
            Self::Sha256(hash) => hex(&hash.finalize()),
        }
    }
}

/// Bytes in hexadecimal, lower case.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums() {
        for (algorithm, expected) in [
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            let mut hasher = Hasher::new(Some(algorithm));
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(hasher.hex(), expected);
        }
        assert_eq!(Hasher::new(None).hex(), "");
    }
}
