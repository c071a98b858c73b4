//! New identifiers.

use uuid::Uuid;

/// Where new identifiers come from. Plans are pure: tests pass a source that counts.
pub trait Ids {
    /// A new UUID in lower case.
    fn uuid(&mut self) -> String;
    /// A new locally administered unicast MAC address, as two-digit numbers in lower case.
    fn mac(&mut self) -> String;
}

/// Random identifiers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&mut self) -> String {
        Uuid::new_v4().to_string()
    }

    fn mac(&mut self) -> String {
        // A version 4 UUID has fixed bits in its seventh and ninth byte only.
        mac_from(&Uuid::new_v4().into_bytes()[10..16])
    }
}

/// The address that random bytes stand for: the second digit is 2, no other octet is 0.
fn mac_from(random: &[u8]) -> String {
    let octets: Vec<String> = random
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            let octet = if index == 0 { (byte & 0xf0).max(0x10) | 0x02 } else { (*byte).max(1) };
            format!("{octet:02x}")
        })
        .collect();
    octets.join(":")
}

/// The MAC address that a VRRP virtual router has (RFC 5798).
pub fn vrrp_mac(vrid: i64) -> String {
    format!("00:00:5e:00:01:{vrid:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_local_and_unicast() {
        assert_eq!(mac_from(&[0, 0, 1, 0xff, 0x10, 0x80]), "12:01:01:ff:10:80");
        assert_eq!(mac_from(&[0xff; 6]), "f2:ff:ff:ff:ff:ff");
        assert_eq!(RandomIds.mac().len(), 17);
        assert_eq!(vrrp_mac(10), "00:00:5e:00:01:0a");
    }
}
