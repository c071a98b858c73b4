//! Which resource `select`, `remove` and `info` mean by `name=value` pairs.

use super::Session;
use crate::fault::Fault;
use crate::lang::{Pair, PropertyName, Value};
use crate::model::{
    Admin, Attr, Dataset, Device, Fs, IpType, Net, Rctl, Resource, SecurityFlags, Zone,
};
use crate::values::{normalized_mac, same_address, truncated};

/// Sizes of the system's fixed buffers, in bytes without the closing zero.
pub(super) mod limit {
    pub const PATH: usize = 1023;
    pub const NAME: usize = 255;
    pub const FS_TYPE: usize = 15;
    pub const ADDRESS: usize = 45;
    pub const INTERFACE: usize = 31;
    pub const VLAN_ID: usize = 10;
    pub const ATTR_VALUE: usize = 2047;
    pub const USER: usize = 31;
    pub const AUTHS: usize = 4095;
    pub const SECURITY_FLAGS: usize = 1023;
    pub const MOUNT_OPTION: usize = 1023;
    pub const PROPERTY_VALUE: usize = 1023;
}

/// A resource as far as the pairs describe it; empty fields match all.
pub(super) trait Keys: Default {
    /// Takes one pair; false where the resource has no such key.
    fn take(&mut self, name: PropertyName, value: &str) -> bool;
}

fn cut(field: &mut String, value: &str, limit: usize) -> bool {
    truncated(value, limit).clone_into(field);
    true
}

fn cut_optional(field: &mut Option<String>, value: &str, limit: usize) -> bool {
    *field = Some(truncated(value, limit).to_owned()).filter(|text| !text.is_empty());
    true
}

impl Keys for Fs {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        match name {
            PropertyName::Dir => cut(&mut self.dir, value, limit::PATH),
            PropertyName::Special => cut(&mut self.special, value, limit::PATH),
            PropertyName::Raw => cut_optional(&mut self.raw, value, limit::PATH),
            PropertyName::Type => cut(&mut self.fs_type, value, limit::FS_TYPE),
            _ => false,
        }
    }
}

impl Keys for Net {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        match name {
            PropertyName::Address => cut_optional(&mut self.address, value, limit::ADDRESS),
            PropertyName::AllowedAddress => {
                cut_optional(&mut self.allowed_address, value, limit::ADDRESS)
            }
            PropertyName::Physical => cut(&mut self.physical, value, limit::INTERFACE),
            PropertyName::MacAddr => {
                cut_optional(&mut self.mac_addr, &normalized_mac(value), limit::NAME)
            }
            PropertyName::VlanId => cut_optional(&mut self.vlan_id, value, limit::VLAN_ID),
            PropertyName::GlobalNic => cut_optional(&mut self.global_nic, value, limit::INTERFACE),
            PropertyName::Defrouter => cut_optional(&mut self.defrouter, value, limit::ADDRESS),
            _ => false,
        }
    }
}

impl Keys for Device {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        name == PropertyName::Match && cut(&mut self.matches, value, limit::PATH)
    }
}

impl Keys for Rctl {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        name == PropertyName::Name && cut(&mut self.name, value, limit::NAME)
    }
}

impl Keys for Attr {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        match name {
            PropertyName::Name => cut(&mut self.name, value, limit::NAME),
            PropertyName::Type => cut(&mut self.attr_type, value, limit::NAME),
            PropertyName::Value => cut(&mut self.value, value, limit::ATTR_VALUE),
            _ => false,
        }
    }
}

impl Keys for Dataset {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        name == PropertyName::Name && cut(&mut self.name, value, limit::NAME)
    }
}

impl Keys for Admin {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        match name {
            PropertyName::User => cut(&mut self.user, value, limit::USER),
            PropertyName::Auths => cut(&mut self.auths, value, limit::AUTHS),
            _ => false,
        }
    }
}

impl Keys for SecurityFlags {
    fn take(&mut self, name: PropertyName, value: &str) -> bool {
        match name {
            PropertyName::Default => cut(&mut self.default, value, limit::SECURITY_FLAGS),
            PropertyName::Lower => cut(&mut self.lower, value, limit::SECURITY_FLAGS),
            PropertyName::Upper => cut(&mut self.upper, value, limit::SECURITY_FLAGS),
            _ => false,
        }
    }
}

impl Session<'_> {
    /// Reads the pairs of a command; reports what is wrong with them.
    pub(super) fn keys<K: Keys>(&mut self, pairs: &[Pair]) -> Result<K, Fault> {
        let mut keys = K::default();
        for (name, value) in pairs {
            let Value::Simple(value) = value else {
                self.error("A simple value was expected here.");
                return Err(Fault::InsufficientSpecification);
            };
            if !keys.take(*name, value) {
                self.fault(name, Fault::NoPropertyType);
                return Err(Fault::InsufficientSpecification);
            }
        }
        Ok(keys)
    }
}

/// Whether a wanted text is the one there is; `None` where none is wanted.
fn wanted(want: &str, have: &str) -> Option<bool> {
    (!want.is_empty()).then(|| want == have)
}

/// The one candidate that the keys point to. As in the original, a key that matches counts even where an
/// earlier key of the same candidate did not, and a later mismatch takes it back.
fn point_to(candidates: impl Iterator<Item = (usize, Vec<Option<bool>>)>) -> Result<usize, Fault> {
    let mut found = None;
    for (at, matches) in candidates {
        for matched in matches.into_iter().flatten() {
            match (matched, found) {
                (true, None) => found = Some(at),
                (true, Some(other)) if other != at => return Err(Fault::InsufficientSpecification),
                (false, Some(other)) if other == at => found = None,
                _ => {}
            }
        }
    }
    found.ok_or(Fault::NoResourceId)
}

macro_rules! candidates {
    ($zone:expr, $variant:ident, $resource:ident => [$($key:expr),* $(,)?]) => {
        $zone.resources.iter().enumerate().filter_map(|(at, entry)| match &entry.resource {
            Resource::$variant($resource) => Some((at, vec![$($key),*])),
            _ => None,
        })
    };
}

pub(super) fn find_fs(zone: &Zone, keys: &Fs) -> Result<usize, Fault> {
    let raw = keys.raw.as_deref().unwrap_or_default();
    point_to(candidates!(zone, Fs, fs => [
        wanted(&keys.dir, &fs.dir),
        wanted(&keys.special, &fs.special),
        wanted(raw, fs.raw.as_deref().unwrap_or_default()),
        wanted(&keys.fs_type, &fs.fs_type),
    ]))
}

pub(super) fn find_device(zone: &Zone, keys: &Device) -> Result<usize, Fault> {
    point_to(candidates!(zone, Device, device => [wanted(&keys.matches, &device.matches)]))
}

pub(super) fn find_attr(zone: &Zone, keys: &Attr) -> Result<usize, Fault> {
    point_to(candidates!(zone, Attr, attr => [
        wanted(&keys.name, &attr.name),
        wanted(&keys.attr_type, &attr.attr_type),
        wanted(&keys.value, &attr.value),
    ]))
}

pub(super) fn find_dataset(zone: &Zone, keys: &Dataset) -> Result<usize, Fault> {
    point_to(candidates!(zone, Dataset, dataset => [wanted(&keys.name, &dataset.name)]))
}

pub(super) fn find_admin(zone: &Zone, keys: &Admin) -> Result<usize, Fault> {
    point_to(candidates!(zone, Admin, admin => [wanted(&keys.user, &admin.user)]))
}

pub(super) fn find_rctl(zone: &Zone, keys: &Rctl) -> Result<usize, Fault> {
    if keys.name.is_empty() {
        return Err(Fault::Invalid);
    }
    let mut candidates = candidates!(zone, Rctl, rctl => [Some(rctl.name == keys.name)]);
    candidates
        .find(|(_, matches)| matches == &[Some(true)])
        .map(|(at, _)| at)
        .ok_or(Fault::NoResourceId)
}

pub(super) fn find_security_flags(zone: &Zone) -> Result<usize, Fault> {
    let is_it = |entry: &crate::model::Entry| matches!(entry.resource, Resource::SecurityFlags(_));
    zone.resources.iter().position(is_it).ok_or(Fault::NoEntry)
}

/// Which keys count depends on the zone's IP type.
pub(super) fn find_net(zone: &Zone, keys: &Net) -> Result<usize, Fault> {
    if keys.address.is_some() && keys.allowed_address.is_some() {
        return Err(Fault::Invalid);
    }
    let none = keys.address.is_none()
        && keys.physical.is_empty()
        && keys.defrouter.is_none()
        && keys.allowed_address.is_none()
        && keys.mac_addr.is_none()
        && keys.global_nic.is_none();
    if none {
        return Err(Fault::InsufficientSpecification);
    }
    let exclusive = zone.ip_type() == IpType::Exclusive;
    let same = |want: &Option<String>, have: &Option<String>| match want {
        None => true,
        Some(want) => have.as_ref().is_some_and(|have| same_address(want, have)),
    };
    let matches = |net: &Net| {
        let mac = net.mac_addr.as_deref().map(normalized_mac);
        (keys.physical.is_empty() || keys.physical == net.physical)
            && (!exclusive || keys.mac_addr.is_none() || keys.mac_addr == mac)
            && (!exclusive || keys.global_nic.is_none() || keys.global_nic == net.global_nic)
            && (exclusive || same(&keys.address, &net.address))
            && (!exclusive || same(&keys.allowed_address, &net.allowed_address))
            && same(&keys.defrouter, &net.defrouter)
    };
    let mut found = None;
    for (at, entry) in zone.resources.iter().enumerate() {
        if matches!(&entry.resource, Resource::Net(net) if matches(net)) {
            if found.is_some() {
                return Err(Fault::InsufficientSpecification);
            }
            found = Some(at);
        }
    }
    found.ok_or(Fault::NoResourceId)
}
