//! How much may come out of an image's decompression: a small file must not unpack without end.

use gz::{Root, zfs};
use serde_json::Value;

use crate::errors::{Error, Result};

/// Less than this is never too much, in bytes.
const HARMLESS: u64 = 64 << 20;
const MIB: u64 = 1 << 20;

/// The bound of one image.
pub struct Bound<'a> {
    root: &'a Root,
    pool: &'a str,
    most: Option<u64>,
    asked_pool: bool,
}

impl<'a> Bound<'a> {
    /// A volume's image says how large the volume is. For others the pool's free space tells, and it is asked only
    /// once much has been unpacked.
    pub fn new(root: &'a Root, pool: &'a str, manifest: &Value) -> Self {
        let volume = manifest.get("image_size").and_then(Value::as_u64);
        // A stream has its own records besides the data: an eighth more, and some.
        let most =
            volume.map(|size| size.saturating_mul(MIB).saturating_add(size * (MIB / 8)) + HARMLESS);
        Self { root, pool, most, asked_pool: false }
    }

    /// Fails where `bytes` is more than the image may unpack to.
    pub fn check(&mut self, bytes: u64) -> Result<()> {
        if bytes < HARMLESS {
            return Ok(());
        }
        if self.most.is_none() && !self.asked_pool {
            self.asked_pool = true;
            self.most = self.free_space();
        }
        match self.most {
            Some(most) if bytes > most => Err(Error::download(format!(
                "the image unpacks to more than {} MiB, which is more than it says or zpool \"{}\" can hold",
                most / MIB,
                self.pool
            ))),
            _ => Ok(()),
        }
    }

    /// Four times what is free: what is stored compressed may well be larger unpacked.
    fn free_space(&self) -> Option<u64> {
        let values = zfs::get(self.root, self.pool, &["available"]).ok()?;
        let free: u64 = values.get("available")?.parse().ok()?;
        Some(free.saturating_mul(4).max(HARMLESS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_volume_unpacks_to_little_more_than_its_size() {
        let root = Root::new("/nonexistent");
        let mut bound = Bound::new(&root, "zones", &json!({"image_size": 1024}));
        assert!(bound.check(1200 << 20).is_ok());
        assert_eq!(bound.check(1300 << 20).unwrap_err().code(), "DownloadError");
    }

    #[test]
    fn an_unknown_bound_holds_nothing_up() {
        let root = Root::new("/nonexistent");
        let mut bound = Bound::new(&root, "zones", &json!({}));
        assert!(bound.check(u64::MAX).is_ok());
    }
}
