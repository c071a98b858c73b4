//! Sizes as the messages have them.

/// A number of bytes for people: one decimal, cut off rather than rounded, in the largest unit that fits.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if bytes == 0 {
        return "0 B".into();
    }
    let mut unit = 0;
    let mut divisor = 1u64;
    while unit + 1 < UNITS.len() && bytes / divisor >= 1024 {
        divisor *= 1024;
        unit += 1;
    }
    let tenths = u128::from(bytes) * 10 / u128::from(divisor);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn sizes_are_cut_not_rounded() {
        for (bytes, text) in [
            (0, "0 B"),
            (840, "840.0 B"),
            (1023, "1023.0 B"),
            (1024, "1.0 KiB"),
            (3102, "3.0 KiB"),
            (3582, "3.4 KiB"),
            (6272, "6.1 KiB"),
            (3002, "2.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (5 << 50, "5120.0 TiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
