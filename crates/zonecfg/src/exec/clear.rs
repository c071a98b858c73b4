//! `clear`

use super::{Flow, Pending, Session};
use crate::alias::{self, Alias};
use crate::fault::Fault;
use crate::lang::{PropertyName, Verb};
use crate::model::{IpType, key};

/// The alias that a property of the zone is.
pub(super) fn zone_alias(name: PropertyName) -> Option<Alias> {
    alias::OF_ZONE.iter().copied().find(|alias| alias.name == name.as_str())
}

/// The alias that a property of capped-memory is.
pub(super) const fn memory_alias(name: PropertyName) -> Option<Alias> {
    match name {
        PropertyName::Physical => Some(alias::PHYSICAL),
        PropertyName::Swap => Some(alias::SWAP),
        PropertyName::Locked => Some(alias::LOCKED),
        _ => None,
    }
}

impl Session<'_> {
    pub(super) fn clear(&mut self, name: PropertyName) -> Flow {
        if self.is_read_only(Verb::Clear) {
            return Ok(());
        }
        if self.scope.is_none() && self.is_global_zone() && is_barred_property(name) {
            self.error(format_args!("{name} is not a valid property for the global zone."));
            return Ok(());
        }
        if !self.initialize(true)? {
            return Ok(());
        }
        if self.scope.is_some() {
            self.clear_in_resource(name);
        } else {
            self.clear_in_zone(name);
        }
        Ok(())
    }

    fn clear_in_zone(&mut self, name: PropertyName) {
        if let Some(alias) = zone_alias(name) {
            return self.clear_alias(name, alias);
        }
        let zone = self.zone_mut();
        match name {
            PropertyName::Autoboot => zone.set(key::AUTOBOOT, "false"),
            PropertyName::IpType => zone.set_ip_type(IpType::Shared),
            PropertyName::Pool => zone.attributes.remove(key::POOL),
            PropertyName::Limitpriv => zone.attributes.remove(key::LIMITPRIV),
            PropertyName::Bootargs => zone.attributes.remove(key::BOOTARGS),
            PropertyName::SchedulingClass => zone.attributes.remove(key::SCHEDULING_CLASS),
            PropertyName::Hostid => zone.attributes.remove(key::HOSTID),
            PropertyName::FsAllowed => zone.attributes.remove(key::FS_ALLOWED),
            PropertyName::Zonename
            | PropertyName::Zonepath
            | PropertyName::Uuid
            | PropertyName::Brand => {
                return self.fault(name, Fault::ClearDisallowed);
            }
            _ => return self.no_property(name, Verb::Clear),
        }
        self.changed = true;
    }

    fn clear_in_resource(&mut self, name: PropertyName) {
        let Some(scope) = &mut self.scope else { return };
        match (&mut scope.pending, name) {
            (Pending::Fs(fs), PropertyName::Raw) => fs.raw = None,
            (Pending::DedicatedCpu(_, importance), PropertyName::Importance) => importance.clear(),
            (Pending::Net(net), PropertyName::AllowedAddress) => net.allowed_address = None,
            (Pending::Net(net), PropertyName::Defrouter) => net.defrouter = None,
            (Pending::Net(net), PropertyName::GlobalNic) => net.global_nic = None,
            (Pending::Net(net), PropertyName::MacAddr) => net.mac_addr = None,
            (Pending::Net(net), PropertyName::VlanId) => net.vlan_id = None,
            (Pending::SecurityFlags(flags), PropertyName::Default) => flags.default.clear(),
            (Pending::SecurityFlags(flags), PropertyName::Lower) => flags.lower.clear(),
            (Pending::SecurityFlags(flags), PropertyName::Upper) => flags.upper.clear(),
            (Pending::CappedMemory, _) => {
                return match memory_alias(name) {
                    Some(alias) => self.clear_alias(name, alias),
                    None => self.fault(name, Fault::ClearDisallowed),
                };
            }
            _ => return self.fault(name, Fault::ClearDisallowed),
        }
        self.changed = true;
    }

    fn clear_alias(&mut self, name: PropertyName, alias: Alias) {
        match alias.get(self.zone_ref()) {
            Ok(_) => {
                alias.remove(self.zone_mut());
                self.changed = true;
            }
            Err(fault) => self.fault(format_args!("clear {name}"), fault),
        }
    }
}

/// What the global zone has no say in.
pub(super) const fn is_barred_property(name: PropertyName) -> bool {
    matches!(
        name,
        PropertyName::Zonename
            | PropertyName::Zonepath
            | PropertyName::Autoboot
            | PropertyName::Limitpriv
            | PropertyName::Uuid
            | PropertyName::Bootargs
            | PropertyName::Brand
            | PropertyName::SchedulingClass
            | PropertyName::IpType
            | PropertyName::Hostid
            | PropertyName::FsAllowed
    )
}
