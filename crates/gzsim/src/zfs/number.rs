//! Numbers as zfs reads and prints them.

/// Reads `10G`, `1.5m`, `512`, `none` excluded.
///
/// # Errors
/// The reason in libzfs's words: `bad numeric value 'x'`, `invalid numeric suffix 'x'`,
/// `numeric value is too large`.
pub fn parse(value: &str) -> Result<u64, String> {
    if !value.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(format!("bad numeric value '{value}'"));
    }
    let too_large = || "numeric value is too large".to_string();
    let int_end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (int, rest) = value.split_at(int_end);
    if let Some(fraction) = rest.strip_prefix('.') {
        let frac_end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let (frac, suffix) = fraction.split_at(frac_end);
        let number: f64 = format!("0{int}.{frac}0").parse().map_err(|_| too_large())?;
        let number = number * f64::from(shift(suffix)?).exp2();
        // u64::MAX as f64 is 2^64: one too many already
        return if number >= u64::MAX as f64 { Err(too_large()) } else { Ok(number as u64) };
    }
    let number: u64 = int.parse().map_err(|_| too_large())?;
    let shift = shift(rest)?;
    number
        .checked_shl(shift)
        .filter(|shifted| shifted.checked_shr(shift) == Some(number))
        .ok_or_else(too_large)
}

fn shift(suffix: &str) -> Result<u32, String> {
    let bad = || format!("invalid numeric suffix '{suffix}'");
    let mut chars = suffix.chars();
    let Some(first) = chars.next() else { return Ok(0) };
    let first = first.to_ascii_uppercase();
    let power = "BKMGTPEZ".find(first).ok_or_else(bad)?;
    match (chars.next().map(|c| c.to_ascii_uppercase()), chars.next()) {
        (None, _) => Ok(10 * power as u32),
        (Some('B'), None) if first != 'B' => Ok(10 * power as u32),
        _ => Err(bad()),
    }
}

/// A size for people: `1.50G`, `24K`, `512` (bytes carry no letter on illumos).
pub fn nice(n: u64) -> String {
    if n < 1024 {
        return n.to_string();
    }
    let index = n.ilog2() / 10;
    let unit = ["", "K", "M", "G", "T", "P", "E"][index as usize];
    let divisor = 1u64 << (10 * index);
    if n & (divisor - 1) == 0 {
        return format!("{}{unit}", n / divisor);
    }
    // the longest of three forms that fits into five characters, as libzfs does
    let value = n as f64 / divisor as f64;
    for precision in [2, 1, 0] {
        let text = format!("{value:.precision$}{unit}");
        if text.len() <= 5 {
            return text;
        }
    }
    format!("{value:.0}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, n) in [
            ("0", 0),
            ("512", 512),
            ("8k", 8192),
            ("8KB", 8192),
            ("2048M", 2 << 30),
            ("20g", 20 << 30),
            ("1.5K", 1536),
            (".5k", 512),
            ("10B", 10),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(n), "{text}");
        }
        assert_eq!(parse("x"), Err("bad numeric value 'x'".into()));
        assert_eq!(parse("-5"), Err("bad numeric value '-5'".into()));
        assert_eq!(parse("5q"), Err("invalid numeric suffix 'q'".into()));
        assert_eq!(parse("5BB"), Err("invalid numeric suffix 'BB'".into()));
        for large in ["18446744073709551616", "1Z", "16E", "99999999999.5P"] {
            assert_eq!(parse(large), Err("numeric value is too large".into()), "{large}");
        }
    }

    #[test]
    fn prints_sizes() {
        for (n, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.50K"),
            (24_576, "24K"),
            (10 << 30, "10G"),
            (11_075_584_000, "10.3G"),
            (104_333_312, "99.5M"),
            (1_072_693_248, "1023M"),
            (1_099_511_627_775, "1024G"),
            (u64::MAX, "16.0E"),
        ] {
            assert_eq!(nice(n), text, "{n}");
        }
    }
}
