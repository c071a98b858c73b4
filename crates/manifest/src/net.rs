//! IP addresses, prefixes and netmasks as texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `text` asks for automatic configuration instead of naming an address.
pub fn is_auto(text: &str) -> bool {
    matches!(text, "dhcp" | "addrconf")
}

/// Whether `text` is an IPv4 address in dotted form.
pub fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// Whether `text` is an IPv6 address.
pub fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// The address before the prefix length, or all of `text` if it has none.
pub fn address(text: &str) -> &str {
    match text.split_once('/') {
        Some((address, rest)) if !rest.contains('/') => address,
        _ => text,
    }
}

/// The one spelling that all texts of the same address have, with the prefix length where there is one; what is no
/// address is given back.
pub fn canonical(text: &str) -> String {
    let plain = |address: &str| address.parse::<IpAddr>().map(|address| address.to_string());
    match split(text) {
        Some((address, length)) => plain(address).map(|address| format!("{address}/{length}")),
        None => plain(text),
    }
    .unwrap_or_else(|_| text.to_owned())
}

/// Whether two texts are the same address with the same prefix length.
pub fn same(a: &str, b: &str) -> bool {
    a == b || canonical(a) == canonical(b)
}

/// Splits `address/length`. The length is what JavaScript's parseInt reads: digits, followed by
/// anything.
fn split(text: &str) -> Option<(&str, u32)> {
    let (address, length) = text.split_once('/')?;
    if length.contains('/') {
        return None;
    }
    let end = length.bytes().take_while(u8::is_ascii_digit).count();
    Some((address, length[..end].parse().ok()?))
}

/// Whether `text` is an IPv4 address with a prefix length of 8 to 32.
pub fn is_cidr_v4(text: &str) -> bool {
    split(text).is_some_and(|(address, length)| is_ipv4(address) && (8..=32).contains(&length))
}

/// Whether `text` is an address with a prefix length: 8 to 32 for IPv4, 0 to 128 for IPv6.
pub fn is_cidr(text: &str) -> bool {
    is_cidr_v4(text)
        || split(text).is_some_and(|(address, length)| is_ipv6(address) && length <= 128)
}

/// The prefix length of a netmask such as `255.255.255.0`; `None` if it has holes or is none.
pub fn prefix_of_netmask(text: &str) -> Option<u32> {
    let mask = u32::from(text.parse::<Ipv4Addr>().ok()?);
    (mask.leading_ones() + mask.trailing_zeros() >= 32).then(|| mask.leading_ones())
}

/// The netmask of an IPv4 prefix length, which is at most 32.
pub fn netmask_of_prefix(length: u32) -> String {
    let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
    Ipv4Addr::from(mask).to_string()
}

/// The netmask that belongs to an IPv4 address with a prefix length.
pub fn netmask_of(cidr: &str) -> Option<String> {
    is_cidr_v4(cidr).then(|| split(cidr)).flatten().map(|(_, length)| netmask_of_prefix(length))
}

/// Whether `text` is an IPv4 address of the private ranges (RFC 1918).
pub fn is_private(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok_and(|address| address.is_private())
}

/// Whether `text` is an address, alone or with a prefix length of at least 1, as `allowed_ips`
/// takes it.
pub fn is_allowed_address(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(length)),
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32.0,
        Ok(IpAddr::V6(_)) => 128.0,
        Err(_) => return false,
    };
    length.is_none_or(|length| {
        let length = crate::js::to_number(&length.into());
        // Not a number passed here before, and was refused only when the network link was made.
        (1.0..=most).contains(&length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert!(is_cidr("10.0.0.1/24") && is_cidr("fd00::5/64") && is_cidr("fd00::5/0"));
        for bad in [
            "10.0.0.1",
            "10.0.0.1/7",
            "10.0.0.1/33",
            "fd00::/129",
            "x/24",
            "10.0.0.1/24/1",
            "10.0.0.1/x",
        ] {
            assert!(!is_cidr(bad), "{bad}");
        }
        assert_eq!(address("10.0.0.1/24"), "10.0.0.1");
        assert_eq!(address("dhcp"), "dhcp");
    }

    #[test]
    fn spellings_of_an_address_are_one() {
        assert!(same("FD00:0::5/64", "fd00::5/64") && same("fd00::5", "fd00:0:0::0005"));
        assert!(same("10.0.0.1/24", "10.0.0.1/024") && same("dhcp", "dhcp"));
        assert!(!same("10.0.0.1/24", "10.0.0.1/16") && !same("fd00::5/64", "fd00::5"));
        assert!(!same("dhcp", "addrconf"));
    }

    #[test]
    fn netmasks() {
        assert_eq!(prefix_of_netmask("255.255.255.0"), Some(24));
        assert_eq!(prefix_of_netmask("0.0.0.0"), Some(0));
        assert_eq!(prefix_of_netmask("255.255.255.255"), Some(32));
        assert_eq!(prefix_of_netmask("255.0.255.0"), None);
        assert_eq!(prefix_of_netmask(""), None);
        for length in 0..=32 {
            assert_eq!(prefix_of_netmask(&netmask_of_prefix(length)), Some(length));
        }
        assert_eq!(netmask_of("10.0.0.1/20").as_deref(), Some("255.255.240.0"));
    }

    #[test]
    fn allowed_addresses() {
        assert!(
            is_allowed_address("10.0.0.0")
                && is_allowed_address("10.0.0.0/1")
                && is_allowed_address("fd00::/128")
        );
        for bad in ["10.0.0.0/33", "10.0.0.0/0", "fd00::/129", "10.0.0.0/x", "x"] {
            assert!(!is_allowed_address(bad), "{bad}");
        }
    }

    #[test]
    fn private_ranges() {
        assert!(is_private("10.1.2.3") && is_private("172.31.0.1") && is_private("192.168.0.1"));
        assert!(!is_private("172.32.0.1") && !is_private("8.8.8.8") && !is_private("fd00::1"));
    }
}
