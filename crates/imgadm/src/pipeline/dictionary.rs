//! How much memory the dictionary (the window) of a compressed file may take. A file says itself how large a one it
//! needs, so a hostile one could ask for everything.

use std::{env, io};

/// The most memory for a dictionary unless the environment says otherwise, in MiB: that of `xz -8`, four times that of
/// `xz` and `zstd -19`.
const USUAL_MIB: u64 = 32;
/// The most that can be asked for, in MiB.
const MOST_MIB: u64 = 4096;

/// The most memory that a dictionary may take, in bytes: `IMGADM_DICTIONARY_LIMIT` in MiB.
pub fn limit() -> u64 {
    let asked = env::var("IMGADM_DICTIONARY_LIMIT").ok().and_then(|text| text.parse().ok());
    asked.filter(|mib| (1..=MOST_MIB).contains(mib)).unwrap_or(USUAL_MIB) << 20
}

/// Fails where a dictionary takes more bytes than the limit.
pub fn check(needed: u64, limit: u64) -> io::Result<()> {
    if needed <= limit {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "its dictionary takes {} MiB of memory, more than the {} MiB allowed: see \
         IMGADM_DICTIONARY_LIMIT in imgadm(8)",
        needed.div_ceil(1 << 20),
        limit >> 20
    )))
}
