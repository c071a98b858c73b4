//! `set`

use super::clear::{is_barred_property, memory_alias, zone_alias};
use super::getopt::Wrong;
use super::keys::{Keys as _, limit};
use super::{Flow, Pending, Session};
use crate::alias::{self, Alias};
use crate::fault::Fault;
use crate::lang::{Listing, PropertyName, Value, Verb};
use crate::model::{IpType, key};
use crate::usage::{Topic, topics_of};
use crate::values::{self, AddressError, truncated};

const SCALE_EXPECTED: &str =
    "A non-negative number with a required scale suffix (K, M, G or T) was expected\nhere.";

/// Least swap limit, in bytes.
const LEAST_SWAP: u64 = 50 << 20;
/// Least swap limit of the global zone, in bytes.
const LEAST_GLOBAL_SWAP: u64 = 100 << 20;

impl Session<'_> {
    pub(super) fn set(&mut self, word: Option<&str>, name: PropertyName, value: &Value) -> Flow {
        if self.is_read_only(Verb::Set) {
            return Ok(());
        }
        self.quiet_options = true;
        let words: Vec<String> = word.into_iter().map(str::to_owned).collect();
        let Some(given) = self.options(Verb::Set, &words, "F", Wrong::HelpOrUsage) else {
            return Ok(());
        };
        let force = given.has('F');
        if self.scope.is_none() {
            if self.is_global_zone() && is_barred_property(name) {
                self.error(format_args!("{name} is not a valid property for the global zone."));
                return Ok(());
            }
            if !name.is_global() {
                self.error("Cannot set a resource-specific property from the global scope.");
                return Ok(());
            }
        }
        if force {
            if self.scope.is_some() || name != PropertyName::Zonepath {
                self.error("Only zonepath setting can be forced.");
                return Ok(());
            }
            if !self.options.alternate_root {
                self.error("Zonepath is changeable only in an alternate root.");
                return Ok(());
            }
        }
        let takes_any = match self.scope.as_ref().map(|scope| &scope.pending) {
            Some(Pending::Fs(_)) => name == PropertyName::Options,
            Some(Pending::Rctl(_)) => name == PropertyName::Value,
            Some(Pending::Net(_)) => name == PropertyName::Property,
            _ => false,
        };
        let text = match value {
            Value::Simple(text) => text.as_str(),
            _ if takes_any => "",
            _ => {
                self.error("A simple value was expected here.");
                return Ok(());
            }
        };
        if self.scope.is_none() && name == PropertyName::Zonename && !self.had_handle {
            let zone = self.zone.clone();
            if self.state_of(&zone).is_none() {
                self.name_new_zone(text);
                return Ok(());
            }
        }
        if !self.initialize(true)? {
            return Ok(());
        }
        if self.scope.is_none() {
            self.set_in_zone(name, text, force);
        } else {
            self.set_in_resource(name, text, value);
        }
        Ok(())
    }

    /// Nothing is loaded yet and the zone does not exist: the name is that of the zone to come.
    fn name_new_zone(&mut self, name: &str) {
        if values::is_zone_name(name) {
            name.clone_into(&mut self.zone);
        } else {
            self.fault(name, Fault::BogusZoneName);
            self.usage_error(&[Topic::Syntax]);
        }
    }

    fn set_in_zone(&mut self, name: PropertyName, text: &str, force: bool) {
        if let Some(alias) = zone_alias(name) {
            return self.set_alias(name, alias, text);
        }
        match name {
            PropertyName::Zonename => return self.rename(text),
            PropertyName::Zonepath => return self.set_zonepath(text, force),
            PropertyName::Brand => {
                if self.is_installed() {
                    let zone = self.zone.clone();
                    return self.complain(format_args!(
                        "Zone {zone} already installed; set brand not allowed."
                    ));
                }
                self.zone_mut().set(key::BRAND, text);
            }
            PropertyName::Autoboot => match text {
                "true" | "false" => self.zone_mut().set(key::AUTOBOOT, text),
                _ => return self.error("autoboot value must be 'true' or 'false'."),
            },
            PropertyName::Pool => {
                if text.starts_with("SUNW") {
                    return self.error("pool names starting with SUNW are reserved.");
                }
                if self.zone_ref().pset().is_some() {
                    return self.error(
                        "The dedicated-cpu resource already exists.  A persistent pool is incompatible\n\
                         with the dedicated-cpu resource.",
                    );
                }
                self.zone_mut().set(key::POOL, text);
            }
            PropertyName::Limitpriv => self.zone_mut().set(key::LIMITPRIV, text),
            PropertyName::Bootargs => self.zone_mut().set(key::BOOTARGS, text),
            PropertyName::SchedulingClass => self.zone_mut().set(key::SCHEDULING_CLASS, text),
            PropertyName::IpType => {
                let ip_type = match text {
                    "shared" => IpType::Shared,
                    "exclusive" => IpType::Exclusive,
                    _ => return self.error("ip-type value must be 'shared' or 'exclusive'."),
                };
                if ip_type == IpType::Exclusive && !self.may_be_exclusive() {
                    self.failed = true;
                    return;
                }
                self.zone_mut().set_ip_type(ip_type);
            }
            PropertyName::Hostid => match values::check_hostid(text) {
                Ok(()) => self.zone_mut().set(key::HOSTID, text),
                Err(Fault::TooBig) => {
                    return self.error(format_args!("hostid string is too large: {text}"));
                }
                Err(fault) => return self.fault(name, fault),
            },
            PropertyName::FsAllowed => match values::check_fs_allowed(text) {
                Ok(()) => self.zone_mut().set(key::FS_ALLOWED, text),
                Err(fault) => {
                    let zone = self.zone.clone();
                    return self.fault(zone, fault);
                }
            },
            PropertyName::Uuid => truncated(text, UUID_LENGTH).clone_into(&mut self.new_uuid),
            _ => return,
        }
        self.changed = true;
    }

    fn set_zonepath(&mut self, text: &str, force: bool) {
        let zone = self.zone.clone();
        if !force && self.is_installed() {
            return self.complain(format_args!(
                "Zone {zone} already installed; set zonepath not allowed."
            ));
        }
        if !text.starts_with('/') {
            return self.error(format_args!("{text} is not an absolute path."));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return self.error("/ is not allowed as a zonepath.");
        }
        self.zone_mut().set(key::ZONEPATH, &format!("/{}", parts.join("/")));
        self.changed = true;
    }

    fn rename(&mut self, name: &str) {
        match self.try_rename(name) {
            Ok(()) => {
                self.changed = true;
                name.clone_into(&mut self.zone);
            }
            Err(fault) => {
                self.fault(name, fault);
                self.usage_error(&[Topic::Syntax]);
            }
        }
    }

    fn try_rename(&mut self, name: &str) -> Result<(), Fault> {
        let current = self.zone_ref().name().to_owned();
        if name == current {
            return Ok(());
        }
        if name.starts_with("SUNW") || !values::is_zone_name(name) {
            return Err(Fault::BogusZoneName);
        }
        let handle = self.handle.as_ref();
        let (is_new, renamed_from) =
            handle.map_or((true, None), |h| (h.is_new, h.renamed_from.clone()));
        let back = !is_new && renamed_from.as_deref() == Some(name);
        if !back {
            if self.state_of(name).is_some() {
                return Err(Fault::NameInUse);
            }
            let saved = renamed_from.as_deref().unwrap_or(&current);
            if !is_new && self.system.is_active(saved) {
                return Err(Fault::BadZoneState);
            }
        }
        if let Some(handle) = &mut self.handle {
            handle.renamed_from =
                if back || is_new { None } else { renamed_from.or(Some(current)) };
            handle.zone.set(key::NAME, name);
        }
        Ok(())
    }

    /// Whether the brand lets a zone have its own IP stack; reported.
    fn may_be_exclusive(&mut self) -> bool {
        let (zone, configuration) = (self.zone.clone(), self.zone_ref().clone());
        let Ok(brand) = self.brand_of(&configuration) else {
            self.complain(format_args!("{zone}: could not get zone brand\n"));
            return false;
        };
        if !self.system.has_brand(&brand) {
            self.complain(format_args!("{zone}: unknown brand.\n"));
            return false;
        }
        let allowed = self.system.allows_exclusive_ip(&brand);
        if !allowed {
            self.complain(format_args!("ip-type cannot be 'exclusive' when brand is '{brand}'."));
        }
        allowed
    }

    fn set_alias(&mut self, name: PropertyName, alias: Alias, text: &str) {
        if alias != alias::CPU_SHARES {
            self.warn_of_global_limits("resource control");
        }
        let limit = if alias == alias::MAX_SHM_MEMORY {
            match values::memory(text) {
                Some(bytes) => Some(bytes),
                None => return self.error(SCALE_EXPECTED),
            }
        } else {
            values::unsigned(text)
        };
        if !alias.settable(self.zone_ref()) {
            return self.fault(name, Fault::AliasDisallowed);
        }
        let Some(limit) = limit.filter(|limit| *limit >= alias.least) else {
            return self.error(format_args!("{name} property is out of range."));
        };
        self.store_alias(alias, limit);
    }

    fn store_alias(&mut self, alias: Alias, limit: u64) {
        match alias.set(self.zone_mut(), limit) {
            Ok(()) => self.changed = true,
            Err(fault) => {
                let zone = self.zone.clone();
                self.fault(zone, fault);
            }
        }
    }

    fn set_in_resource(&mut self, name: PropertyName, text: &str, value: &Value) {
        let problem = match (self.scope.as_ref().map(|scope| &scope.pending), name) {
            (Some(Pending::Fs(_)), PropertyName::Type) if !values::is_fs_type(text) => {
                Some(format!("\"{text}\" is not a valid type."))
            }
            (Some(Pending::Rctl(_)), PropertyName::Name) if !values::is_rctl_name(text) => {
                // As in the original, no failure.
                return self.complain(format_args!("'{text}' is not a valid zone rctl name."));
            }
            (Some(Pending::Net(_)), PropertyName::Address | PropertyName::AllowedAddress) => {
                return self.set_address(name, text, false);
            }
            (Some(Pending::Net(_)), PropertyName::Defrouter) => {
                return self.set_address(name, text, true);
            }
            (Some(Pending::Net(_)), PropertyName::Physical) => self.interface_problem(text),
            (Some(Pending::DedicatedCpu(..)), PropertyName::Importance)
                if text.contains('-') || values::unsigned(text).is_none() =>
            {
                Some("importance property is out of range.".to_owned())
            }
            (Some(Pending::CappedCpu), PropertyName::Ncpus) => match values::processors(text) {
                Some(hundredths) => return self.store_alias(alias::CPU_CAP, hundredths),
                None => Some("ncpus property is out of range.".to_owned()),
            },
            (Some(Pending::CappedMemory), _) if memory_alias(name).is_some() => {
                return self.set_memory(name, text);
            }
            _ => None,
        };
        match problem {
            Some(problem) => self.error(problem),
            None => self.store_in_resource(name, text, value),
        }
    }

    fn store_in_resource(&mut self, name: PropertyName, text: &str, value: &Value) {
        let Some(scope) = &mut self.scope else { return };
        let empty = matches!(value, Value::List(items) if items.is_empty());
        let known = match (&mut scope.pending, name) {
            (Pending::Fs(fs), PropertyName::Options) => {
                if matches!(value, Value::Complex(_)) {
                    return self.error("A simple or list value was expected here.");
                }
                fs.options.clear();
                if !empty {
                    self.add_property(name, value);
                }
                true
            }
            (Pending::Net(net), PropertyName::Property) => {
                if !matches!(value, Value::Complex(_)) {
                    return self.error("A complex value was expected here.");
                }
                net.properties.clear();
                self.add_property(name, value);
                true
            }
            (Pending::Device(_), PropertyName::Property) => {
                return self.error("A complex value was expected here.");
            }
            (Pending::Rctl(rctl), PropertyName::Value) => {
                if matches!(value, Value::Simple(_)) {
                    return self.error("A complex or list value was expected here.");
                }
                rctl.values.clear();
                if !empty {
                    self.add_property(name, value);
                }
                true
            }
            (Pending::DedicatedCpu(pset, _), PropertyName::Ncpus) => {
                let (low, high) = text.split_once('-').unwrap_or((text, text));
                let number = |text: &str| values::unsigned(text).filter(|_| !text.contains('-'));
                match (number(low), number(high)) {
                    (Some(least), Some(most)) if least >= 1 && least <= most => {
                        truncated(low, limit::NAME).clone_into(&mut pset.ncpu_min);
                        truncated(high, limit::NAME).clone_into(&mut pset.ncpu_max);
                    }
                    _ => return self.error("ncpus property is out of range."),
                }
                true
            }
            (Pending::DedicatedCpu(_, importance), PropertyName::Importance) => {
                truncated(text, limit::NAME).clone_into(importance);
                true
            }
            (Pending::Fs(fs), _) => fs.take(name, text),
            (Pending::Net(net), _) => net.take(name, text),
            (Pending::Device(device), _) => device.take(name, text),
            (Pending::Rctl(rctl), _) => rctl.take(name, text),
            (Pending::Attr(attr), _) => attr.take(name, text),
            (Pending::Dataset(dataset), _) => dataset.take(name, text),
            (Pending::Admin(admin), _) => admin.take(name, text),
            (Pending::SecurityFlags(flags), _) => flags.take(name, text),
            (Pending::DedicatedCpu(..) | Pending::CappedCpu | Pending::CappedMemory, _) => false,
        };
        if !known {
            self.fault(name, Fault::NoPropertyType);
            self.long_usage(Verb::Set);
            self.usage_error(topics_of(Listing::Properties));
        }
    }

    fn set_address(&mut self, name: PropertyName, text: &str, is_host: bool) {
        if is_host && text.contains('/') {
            self.complain(format_args!(
                "Warning: prefix length in {text} is not required and will be ignored. The default \
                 host-prefix length will be used"
            ));
        }
        match values::check_address(text, is_host) {
            Ok(()) => self.store_in_resource(name, text, &Value::Simple(text.to_owned())),
            Err(AddressError::PrefixMissing) => {
                self.error(format_args!("{text}: IPv6 addresses require /prefix-length suffix."));
            }
            Err(AddressError::PrefixOf6) => {
                self.error(format_args!("{text}: IPv6 address prefix lengths must be 0 - 128."));
            }
            Err(AddressError::PrefixOf4) => {
                self.error(format_args!("{text}: IPv4 address prefix lengths must be 0 - 32."));
            }
            Err(AddressError::Bogus(address)) => {
                self.error(format_args!("{address}: bogus host name or network address syntax"));
                self.usage_error(&[Topic::NetAddress]);
            }
        }
    }

    /// What is wrong with an interface name, given the zone's IP type.
    pub(super) fn interface_problem(&self, name: &str) -> Option<String> {
        match self.zone_ref().ip_type() {
            IpType::Shared => match values::interface(name) {
                None => Some(format!("{name}: invalid physical interface name")),
                Some(interface) if interface.logical => {
                    Some(format!("{name}: LUNs not allowed in physical interface names"))
                }
                Some(_) => None,
            },
            IpType::Exclusive if values::is_link_name(name) => None,
            IpType::Exclusive if name.contains(':') => Some(format!(
                "{name}: physical interface name required; logical interface name not allowed"
            )),
            IpType::Exclusive => Some(format!("{name}: invalid physical interface name")),
        }
    }

    fn set_memory(&mut self, name: PropertyName, text: &str) {
        let Some(alias) = memory_alias(name) else { return };
        if !alias.settable(self.zone_ref()) {
            // The original names the property 'locked' for 'physical', too.
            let label = if name == PropertyName::Swap { name } else { PropertyName::Locked };
            return self.fault(label, Fault::AliasDisallowed);
        }
        let least = match (name, self.is_global_zone()) {
            (PropertyName::Swap, true) => LEAST_GLOBAL_SWAP,
            (PropertyName::Swap, false) => LEAST_SWAP,
            _ => 0,
        };
        match values::memory(text) {
            Some(bytes) if bytes < least => {
                let least = values::memory_text(least);
                self.error(format_args!(
                    "{name} value is too small.  It must be at least {least}."
                ));
            }
            Some(bytes) => self.store_alias(alias, bytes),
            None if name == PropertyName::Swap => self.error(
                "A positive number with a required scale suffix (K, M, G or T) was expected here.",
            ),
            None => self.error(SCALE_EXPECTED),
        }
    }
}

/// A UUID's text, in bytes.
const UUID_LENGTH: usize = 36;
