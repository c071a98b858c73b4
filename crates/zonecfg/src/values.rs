//! What values may be: numbers, names, addresses, flags.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::fault::Fault;
use crate::model::ZONENAME_MAX;

/// Cuts a text to the bytes that the system's fixed buffers take, at a character boundary.
pub fn truncated(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// `[A-Za-z0-9][A-Za-z0-9_.-]*`, at most 63 bytes, not `global`.
pub fn is_zone_name(name: &str) -> bool {
    name != "global"
        && name.len() <= ZONENAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Hexadecimal up to 32 bits, `0x` optional; not all ones.
pub fn check_hostid(text: &str) -> Result<(), Fault> {
    /// Longest text, in bytes.
    const LONGEST: usize = 10;
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let valid = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
    if text.is_empty() || text.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(Fault::InvalidProperty);
    }
    if text.len() - digits.len() + valid > LONGEST {
        return Err(Fault::TooBig);
    }
    if valid != digits.len() {
        return Err(Fault::InvalidProperty);
    }
    let value = if digits.is_empty() { Ok(0) } else { u64::from_str_radix(digits, 16) };
    match value {
        Ok(value) if value < u64::from(u32::MAX) => Ok(()),
        _ => Err(Fault::InvalidProperty),
    }
}

/// A comma-separated list of `[A-Za-z0-9-]`; may be empty.
pub fn check_fs_allowed(text: &str) -> Result<(), Fault> {
    /// Longest text, in bytes.
    const LONGEST: usize = 1024;
    if text.len() > LONGEST {
        return Err(Fault::TooBig);
    }
    let name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.is_empty() || text.split(',').all(name) { Ok(()) } else { Err(Fault::InvalidProperty) }
}

/// A decimal number as strtoull(3C) takes it, without a minus sign; nothing may follow it.
pub fn unsigned(text: &str) -> Option<u64> {
    let number = text.trim_start_matches(is_space);
    let number = number.strip_prefix('+').unwrap_or(number);
    if text.is_empty() {
        return Some(0);
    }
    digits(number)?.parse().ok()
}

/// A decimal number as strtoll(3C) takes it; nothing may follow it.
pub fn signed(text: &str) -> Option<i64> {
    let number = text.trim_start_matches(is_space);
    if text.is_empty() {
        return Some(0);
    }
    digits(number.strip_prefix(['+', '-']).unwrap_or(number))?;
    number.parse().ok()
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// A limit of a resource control: decimal, `0x` hexadecimal or `0` octal.
pub fn is_rctl_limit(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let number = text.trim_start_matches(is_space);
    let number = number.strip_prefix('+').unwrap_or(number);
    let (digits, radix) =
        if let Some(hex) = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
            (hex, 16)
        } else if number.len() > 1 && number.starts_with('0') {
            (&number[1..], 8)
        } else {
            (number, 10)
        };
    !digits.is_empty()
        && digits.chars().all(|c| c.is_digit(radix))
        && u64::from_str_radix(digits, radix).is_ok()
}

/// A number with an optional fraction and an optional suffix K, M, G or T (powers of 1024), in bytes.
pub fn memory(text: &str) -> Option<u64> {
    let number = text.trim_start_matches(is_space);
    let end = float_length(number);
    let (value, unit) = number.split_at(end);
    let value: f64 = if value.is_empty() { 0.0 } else { value.parse().ok()? };
    if value < 0.0 {
        return None;
    }
    let scale = match unit.trim_start_matches(is_space).to_ascii_uppercase().as_str() {
        "" => 1_u64,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    // Whole numbers do not go through floating point, which would round large ones.
    match number[..end].parse::<u64>() {
        Ok(whole) => whole.checked_mul(scale),
        Err(_) => Some((value * scale as f64) as u64),
    }
}

/// A decimal number of processors, at least .01, in hundredths.
pub fn processors(text: &str) -> Option<u64> {
    let number = text.trim_start_matches(is_space);
    if number.is_empty() || float_length(number) != number.len() {
        return None;
    }
    let hundredths = number.parse::<f64>().ok()? * 100.0;
    (1.0..f64::from(u32::MAX)).contains(&hundredths).then_some((hundredths + 0.5) as u64)
}

/// How much of a text is a decimal floating-point number.
fn float_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = run(sign);
    let mut at = sign + whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = run(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = run((at + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// Bytes as `info` shows them: `1000`, `1.5G`.
pub fn memory_text(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let (mut number, mut before, mut units) = (bytes, 0, "BKMGT".chars().peekable());
    let mut unit = 'B';
    units.next();
    while number >= 1024 {
        let Some(next) = units.next() else { break };
        unit = next;
        before = number;
        number = number.saturating_add(512) >> 10;
    }
    if before % 1024 != 0 && before >> 10 < 10 {
        format!("{:.1}{unit}", before as f32 / 1024.0)
    } else {
        format!("{number}{unit}")
    }
}

/// MAC address with each group as two lower-case hexadecimal digits. As in the original, what comes after
/// the first group that is no number up to ff is dropped.
pub fn normalized_mac(text: &str) -> String {
    /// Longest text that is kept, in bytes.
    const LONGEST: usize = 19;
    let mut groups = Vec::new();
    for group in truncated(text, LONGEST).split(':').filter(|group| !group.is_empty()) {
        match u8::from_str_radix(group.strip_prefix("0x").unwrap_or(group), 16) {
            Ok(value) => groups.push(format!("{value:02x}")),
            Err(_) => break,
        }
    }
    truncated(&groups.join(":"), LONGEST).to_owned()
}

/// Why a network address is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// An IPv6 address without its prefix length.
    PrefixMissing,
    /// An IPv6 prefix length beyond 128.
    PrefixOf6,
    /// An IPv4 prefix length beyond 32.
    PrefixOf4,
    /// Neither an address nor a host name; the part before the slash.
    Bogus(String),
}

/// Checks an address or host name; a prefix length counts unless it is a host's.
pub fn check_address(text: &str, is_host: bool) -> Result<(), AddressError> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(leading_i64(prefix))),
        None => (text, None),
    };
    let beyond = |most| prefix.is_some_and(|prefix| !(0..=most).contains(&prefix));
    if address.parse::<Ipv6Addr>().is_ok() {
        return match prefix {
            None if !is_host => Err(AddressError::PrefixMissing),
            Some(_) if !is_host && beyond(128) => Err(AddressError::PrefixOf6),
            _ => Ok(()),
        };
    }
    if !is_host && beyond(32) {
        return Err(AddressError::PrefixOf4);
    }
    let host_name = address.starts_with(|c: char| c.is_ascii_alphanumeric())
        && address.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if host_name || address.parse::<Ipv4Addr>().is_ok() {
        Ok(())
    } else {
        Err(AddressError::Bogus(address.to_owned()))
    }
}

/// The number that a text begins with, as atoi(3C) reads it.
fn leading_i64(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let sign = text.len() - text.strip_prefix(['+', '-']).unwrap_or(text).len();
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    text[..sign + digits].parse().unwrap_or(0)
}

/// Whether two addresses are the same but for a prefix length that only one of them has.
pub fn same_address(a: &str, b: &str) -> bool {
    match (a.split_once('/'), b.split_once('/')) {
        (Some((a, _)), None) => a == b,
        (None, Some((b, _))) => a == b,
        _ => a == b,
    }
}

/// A datalink name as dladm(8) takes it: up to 31 of `[A-Za-z0-9_.]`, not beginning with a digit and ending
/// in a number without leading zeros.
pub fn is_link_name(name: &str) -> bool {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name.len() <= 31
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        && digits > 0
        && (digits == 1 || !name[name.len() - digits..].starts_with('0'))
}

/// An interface name taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Whether a logical unit stands after it.
    pub logical: bool,
}

/// Takes an interface name apart as ifparse_ifspec does: up to 31 bytes that end in a number, then
/// possibly a logical unit after a colon. `None` if it is none.
pub fn interface(name: &str) -> Option<Interface> {
    let (physical, unit) = match name.split_once(':') {
        Some((physical, unit)) => (physical, Some(unit)),
        None => (name, None),
    };
    let unit_ok =
        unit.is_none_or(|unit| !unit.is_empty() && unit.bytes().all(|b| b.is_ascii_digit()));
    let numbered = physical.ends_with(|c: char| c.is_ascii_digit());
    (name.len() <= 31 && numbered && unit_ok).then_some(Interface { logical: unit.is_some() })
}

/// A file system type: one path component, up to 255 bytes.
pub fn is_fs_type(text: &str) -> bool {
    text.len() < 256 && !text.contains('/') && !matches!(text, "" | "." | "..")
}

/// `zone.` and letters or hyphens.
pub fn is_rctl_name(name: &str) -> bool {
    name.strip_prefix("zone.").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

/// A ZFS file system name: components of `[A-Za-z0-9_.: -]` between slashes, the first beginning with a
/// letter.
pub fn is_dataset_name(name: &str) -> bool {
    name.len() < 256
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.split('/').all(|component| {
            !component.is_empty()
                && component.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b' ')
                })
        })
}

/// Security flags as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// The flags that are assigned; none where the text only changes the current ones.
    pub assigned: u8,
    /// Whether the text assigns.
    pub assigns: bool,
}

/// All security flags.
pub const ALL_FLAGS: u8 = 0b111;

/// Reads a list of security flags (security-flags(7)).
pub fn security_flags(text: &str) -> Option<Flags> {
    let (mut added, mut removed, mut assigns) = (0, 0, true);
    for word in text.split(',') {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "all" => added = ALL_FLAGS,
            "none" => removed = ALL_FLAGS,
            "current" => assigns = false,
            _ => {
                let (set, name) = match word.strip_prefix(['-', '!']) {
                    Some(name) => (&mut removed, name),
                    None => (&mut added, word.strip_prefix('+').unwrap_or(&word)),
                };
                *set |= match name {
                    "aslr" => 0b001,
                    "forbidnullmap" => 0b010,
                    "noexecstack" => 0b100,
                    _ => return None,
                };
            }
        }
    }
    Some(Flags { assigned: if assigns { added & !removed } else { 0 }, assigns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_takes_fractions_and_suffixes() {
        for (text, bytes) in [
            ("1000", Some(1000)),
            ("1.5g", Some(1_610_612_736)),
            ("1 K", Some(1024)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551615k", None),
            ("-1", None),
            ("1x", None),
            ("", Some(0)),
        ] {
            assert_eq!(memory(text), bytes, "{text}");
        }
        for (bytes, text) in
            [(1000, "1000"), (1024, "1K"), (1_610_612_736, "1.5G"), (1_153_433_600, "1.1G")]
        {
            assert_eq!(memory_text(bytes), text);
        }
    }

    #[test]
    fn processors_are_counted_in_hundredths() {
        for (text, hundredths) in [
            ("2.5", Some(250)),
            (".01", Some(1)),
            ("0.001", None),
            ("1x", None),
            ("", None),
            ("1e1", Some(1000)),
            ("-1", None),
        ] {
            assert_eq!(processors(text), hundredths, "{text}");
        }
    }

    #[test]
    fn host_ids_have_32_bits() {
        assert_eq!(check_hostid("0x1F"), Ok(()));
        assert_eq!(check_hostid("fffffffe"), Ok(()));
        assert_eq!(check_hostid("ffffffff"), Err(Fault::InvalidProperty));
        assert_eq!(check_hostid("1 "), Err(Fault::InvalidProperty));
        assert_eq!(check_hostid("12345678901"), Err(Fault::TooBig));
    }

    #[test]
    fn names_of_interfaces() {
        for name in ["net0", "_a.b1", "e1000g12"] {
            assert!(is_link_name(name), "{name}");
        }
        for name in ["", "0net0", "net", "net00", "net0:1", "a-b0"] {
            assert!(!is_link_name(name), "{name}");
        }
        assert_eq!(interface("bge0"), Some(Interface { logical: false }));
        assert_eq!(interface("bge0:1"), Some(Interface { logical: true }));
        assert_eq!((interface("bge"), interface("bge0:")), (None, None));
    }

    #[test]
    fn macs_are_padded() {
        assert_eq!(normalized_mac("2:8:20:A:B:C"), "02:08:20:0a:0b:0c");
        assert_eq!(normalized_mac("zz:1"), "");
        assert_eq!(normalized_mac("2:100"), "02");
    }

    #[test]
    fn addresses_and_their_prefixes() {
        assert_eq!(check_address("10.0.0.1/24", false), Ok(()));
        assert_eq!(check_address("host.example/8", false), Ok(()));
        assert_eq!(check_address("10.0.0.1/33", false), Err(AddressError::PrefixOf4));
        assert_eq!(check_address("::1", false), Err(AddressError::PrefixMissing));
        assert_eq!(check_address("::1", true), Ok(()));
        assert_eq!(check_address("_a/1", false), Err(AddressError::Bogus("_a".into())));
        assert!(
            same_address("10.0.0.1", "10.0.0.1/24") && !same_address("10.0.0.1/8", "10.0.0.1/24")
        );
    }

    #[test]
    fn security_flags_are_assigned_or_changed() {
        assert_eq!(
            security_flags("aslr,noexecstack"),
            Some(Flags { assigned: 0b101, assigns: true })
        );
        assert_eq!(security_flags("all,-aslr"), Some(Flags { assigned: 0b110, assigns: true }));
        assert_eq!(security_flags("current,aslr"), Some(Flags { assigned: 0, assigns: false }));
        assert_eq!(security_flags("fly"), None);
    }
}
