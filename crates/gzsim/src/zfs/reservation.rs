//! The reservation that a fully provisioned volume gets (libzfs's `zvol_volsize_to_reservation`).

/// log2 of the size of an indirect block.
const INDIRECT_SHIFT: u32 = 17;
/// Block pointers in an indirect block: its size over 128 bytes.
const POINTERS: u64 = 1 << (INDIRECT_SHIFT - 7);

/// Bytes that hold a volume of `volsize` bytes in blocks of `volblocksize` with all of its metadata, as
/// `refreservation=auto` and a plain `zfs create -V` set it. Pools here have no raidz.
pub fn for_volume(volsize: u64, volblocksize: u64, copies: u64) -> u64 {
    let mut blocks = volsize / volblocksize.max(1);
    // the meta dnode's own levels
    let mut indirect = 7u64;
    while blocks > 1 {
        blocks = blocks.div_ceil(POINTERS);
        indirect += blocks;
    }
    // metadata is stored once more than data, three times at most
    indirect *= (copies + 1).min(3);
    volsize.saturating_mul(copies).saturating_add(indirect << INDIRECT_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::for_volume;

    /// Sizes observed for `zfs create -nPV`.
    #[test]
    fn observed_reservations() {
        for (volsize, volblocksize, reservation) in [
            (5_368_709_120, 8192, 5_538_578_432),
            (2_147_483_648, 8192, 2_216_689_664),
            (10_737_418_240, 8192, 11_075_584_000),
            (536_870_912, 4096, 572_522_496),
        ] {
            assert_eq!(for_volume(volsize, volblocksize, 1), reservation, "{volsize}");
        }
        assert_eq!(for_volume(8192, 8192, 3), 3 * 8192 + 7 * 3 * 131_072);
    }
}
