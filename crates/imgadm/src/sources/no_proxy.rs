//! Hosts that are reached without a proxy, as `no_proxy` lists them.

use std::net::IpAddr;

use super::http::{host_of, port_of};

/// Whether a list names the server of a URL.
///
/// Entries are separated by commas. One may be `*`, for every server; a host or domain with or without a leading dot
/// or `*.`, for it and all below; an address; or a network (`10.0.0.0/8`, `fd00::/8`) for the addresses in it. All but
/// a network may have a port and are then for that port alone; an IPv6 address is in brackets with one. Names are not
/// resolved: a network is for URLs that have an address.
pub fn excepts(list: &str, url: &str) -> bool {
    let (host, port) = (host_of(url), port_of(url));
    list.split(',').any(|entry| matches(entry.trim(), &host, port))
}

fn matches(entry: &str, host: &str, port: u16) -> bool {
    if let Some((network, length)) = entry.split_once('/') {
        return is_in(host, network, length);
    }
    let (named, of_port) = with_port(entry);
    if of_port.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    if named == "*" {
        return true;
    }
    if let Ok(host) = host.parse::<IpAddr>() {
        return named.parse() == Ok(host);
    }
    let named = named.strip_prefix("*").unwrap_or(named);
    let named = named.strip_prefix('.').unwrap_or(named).to_lowercase();
    let above = |rest: &str| rest.is_empty() || rest.ends_with('.');
    !named.is_empty() && host.strip_suffix(named.as_str()).is_some_and(above)
}

/// The host of an entry, without brackets, and its port.
fn with_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        // More than one colon: an IPv6 address.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// Whether a host is an address in a network.
fn is_in(host: &str, network: &str, length: &str) -> bool {
    /// The bits of an address at the upper end, and how many there are.
    fn bits(address: IpAddr) -> (u128, u32) {
        match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        }
    }
    let (Ok(host), Ok(network), Ok(length)) =
        (host.parse().map(bits), network.parse().map(bits), length.parse::<u32>())
    else {
        return false;
    };
    host.1 == network.1
        && length <= host.1
        && (host.0 ^ network.0).checked_shr(128 - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_hosts_domains_addresses_and_networks() {
        for (list, url, expected) in [
            ("localhost,127.0.0.1", "http://127.0.0.1:8080/x", true),
            ("example.com", "http://example.com", true),
            ("Example.COM", "http://A.example.com", true),
            (".example.com", "http://example.com", true),
            (".example.com", "http://a.example.com", true),
            ("*.example.com", "http://a.b.example.com", true),
            ("example.com", "http://notexample.com", false),
            ("example.com", "http://example.com.org", false),
            ("a, ,b ", "http://b", true),
            ("*", "http://x", true),
            ("", "http://x", false),
            (",.,*.", "http://x", false),
            // Ports, those that go without saying among them.
            ("x:80", "http://x/", true),
            ("x:80", "https://x/", false),
            ("x:443", "https://x", true),
            (".x:8080", "http://a.x:8080", true),
            ("x:8080", "http://x:8081", false),
            ("*:8080", "http://x:8080", true),
            ("x:http", "http://x", false),
            // Addresses are compared as such.
            ("::1", "http://[::1]:8080/", true),
            ("[::1]", "http://[::1]/", true),
            ("[::1]:8080", "http://[0:0::1]:8080/", true),
            ("[::1]:8080", "http://[::1]/", false),
            ("fd00::1", "http://[fd00:0::1]", true),
            ("0.0.1", "http://10.0.0.1", false),
            ("10.0.0.0/8", "http://10.255.0.1:80", true),
            ("10.0.0.0/8", "http://11.0.0.1", false),
            ("10.1.2.3/32", "http://10.1.2.3", true),
            ("10.1.2.3/32", "http://10.1.2.2", false),
            ("192.168.1.128/25", "http://192.168.1.127", false),
            ("0.0.0.0/0", "http://10.1.2.3", true),
            ("0.0.0.0/0", "http://[::1]", false),
            ("::/0", "http://[::1]", true),
            ("fd00::/8", "http://[fd12::1]:80", true),
            ("fd00::/8", "http://[fe80::1]", false),
            ("fe80::/10", "http://user:secret@[febf::1]:1/x", true),
            ("10.0.0.0/33", "http://10.0.0.0", false),
            ("10.0.0.0/x", "http://10.0.0.0", false),
            ("10.0.0.0/8", "http://name.example.com", false),
        ] {
            assert_eq!(excepts(list, url), expected, "{list} {url}");
        }
    }
}
