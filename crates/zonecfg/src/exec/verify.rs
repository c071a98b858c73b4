//! `verify` and `commit`

use super::getopt::Wrong;
use super::{Flow, Session};
use crate::fault::Fault;
use crate::index::hyphenated;
use crate::lang::Verb;
use crate::model::{IpType, SecurityFlags, Zone, key};
use crate::privileges;
use crate::system::Save;
use crate::values::{self, ALL_FLAGS};

/// Longest zone path, in bytes.
const PATH_LENGTH: usize = 1023;

/// Messages about a configuration and the reason that they come to.
struct Findings {
    reason: Option<Fault>,
}

impl Findings {
    /// Keeps the first reason.
    fn because(&mut self, fault: Fault) {
        self.reason.get_or_insert(fault);
    }
}

impl Session<'_> {
    pub(super) fn commit(&mut self, words: &[String]) -> Flow {
        if self.only_options(Verb::Commit, words, "?", Wrong::Help).is_none()
            || self.is_read_only(Verb::Commit)
        {
            return Ok(());
        }
        self.verify(&[], true)
    }

    pub(super) fn verify(&mut self, words: &[String], save: bool) -> Flow {
        if self.options(Verb::Verify, words, "?", Wrong::Help).is_none()
            || self.is_read_only(Verb::Verify)
        {
            return Ok(());
        }
        let save = save || words.first().is_some_and(|word| word == "save");
        if !self.initialize(true)? {
            return Ok(());
        }
        let zone = self.zone_ref().clone();
        let mut findings = Findings { reason: None };
        if let Some(brand) = self.check_whole(&zone, &mut findings) {
            self.check_filesystems(&zone, &mut findings);
            self.check_nets(&zone, &mut findings);
            self.check_limits(&zone, &mut findings);
            self.check_others(&zone, &mut findings);
            self.conclude(save, &brand, findings);
        }
        Ok(())
    }

    /// Checks the zone's own properties. `None` ends the verification: the original stops there, too.
    fn check_whole(&mut self, zone: &Zone, findings: &mut Findings) -> Option<String> {
        let name = self.zone.clone();
        if !self.is_global_zone() {
            if zone.zonepath().len() > PATH_LENGTH {
                findings.because(Fault::RequiredResourceMissing);
                self.error("zonepath not specified");
            } else if zone.zonepath().is_empty() {
                findings.because(Fault::RequiredResourceMissing);
                self.error("zonepath cannot be empty.");
            }
        }
        let brand = match self.brand_of(zone) {
            Ok(brand) => brand,
            Err(fault) => {
                self.fault(name, fault);
                return None;
            }
        };
        if !self.system.has_brand(&brand) {
            self.complain(format_args!("{name}: unknown brand.\n"));
            self.fault(name, Fault::InvalidDocument);
            return None;
        }
        if let Err(fault) = self.system.verify_brand(zone, &brand) {
            self.fault(name, fault);
            return None;
        }
        if !has_known_ip_type(zone) {
            findings.reason = Some(Fault::RequiredResourceMissing);
            self.error("cannot get ip-type");
        }
        let limitpriv = zone.get(key::LIMITPRIV).unwrap_or_default();
        if let Err(privilege) = privileges::check(limitpriv, &brand, zone.ip_type()) {
            self.complain(format_args!("{name}: invalid privilege: {privilege}"));
            return None;
        }
        if let Some(hostid) = zone.get(key::HOSTID)
            && values::check_hostid(hostid) == Err(Fault::InvalidProperty)
        {
            self.complain(format_args!("{name}: invalid hostid: {hostid}"));
            return None;
        }
        if let Some(allowed) = zone.get(key::FS_ALLOWED)
            && values::check_fs_allowed(allowed) == Err(Fault::InvalidProperty)
        {
            self.complain(format_args!("{name}: invalid fs-allowed: {allowed}"));
            return None;
        }
        Some(brand)
    }

    fn require(&mut self, value: &str, what: &str, findings: &mut Findings) {
        if value.is_empty() {
            self.error(format_args!("{what} not specified"));
            findings.because(Fault::RequiredPropertyMissing);
        }
    }

    fn check_filesystems(&mut self, zone: &Zone, findings: &mut Findings) {
        for fs in zone.filesystems() {
            self.require(&fs.dir, "fs: dir", findings);
            self.require(&fs.special, "fs: special", findings);
            self.require(&fs.fs_type, "fs: type", findings);
        }
    }

    fn check_nets(&mut self, zone: &Zone, findings: &mut Findings) {
        // Interfaces of an exclusive zone, the last one first: name, whether it has an allowed address and
        // a default router.
        let mut interfaces: Vec<(&str, bool, bool)> = Vec::new();
        for net in zone.nets() {
            self.require(&net.physical, "net: physical", findings);
            if let Some(problem) = self.interface_problem(&net.physical) {
                self.error(problem);
                findings.because(Fault::Invalid);
            }
            match zone.ip_type() {
                IpType::Shared => {
                    self.require(
                        net.address.as_deref().unwrap_or_default(),
                        "net: address",
                        findings,
                    );
                    if net.allowed_address.is_some() {
                        self.error("net: allowed-address cannot be specified for a shared IP type");
                        findings.because(Fault::Invalid);
                    }
                }
                IpType::Exclusive if net.address.is_some() => {
                    self.error("net: address cannot be specified for an exclusive IP type");
                    findings.because(Fault::Invalid);
                }
                IpType::Exclusive => {
                    let has = (net.allowed_address.is_some(), net.defrouter.is_some());
                    match interfaces.iter_mut().find(|(name, ..)| *name == net.physical) {
                        Some(interface) => {
                            interface.1 |= has.0;
                            interface.2 |= has.1;
                        }
                        None => interfaces.insert(0, (&net.physical, has.0, has.1)),
                    }
                }
            }
        }
        for (name, has_address, has_router) in interfaces {
            if has_router && !has_address {
                self.error(format_args!(
                    "net: defrouter for {name} cannot be specified without allowed-address for an \
                     exclusive IP type"
                ));
                findings.reason = Some(Fault::Invalid);
            }
        }
    }

    fn check_limits(&mut self, zone: &Zone, findings: &mut Findings) {
        for rctl in zone.rctls() {
            self.require(&rctl.name, "rctl: name", findings);
            if rctl.values.is_empty() {
                self.error("rctl: no value specified");
                findings.because(Fault::RequiredPropertyMissing);
            }
        }
        let has = |name: &str| zone.rctls().any(|rctl| rctl.name == name);
        let has_pset = zone.pset().is_some();
        let class = zone.get(key::SCHEDULING_CLASS).filter(|class| *class != "FSS");
        let mut incompatible = |message: String| {
            self.error(message);
            findings.because(Fault::Incompatible);
        };
        if has_pset && has("zone.cpu-shares") {
            incompatible("rctl zone.cpu-shares and dedicated-cpu are incompatible.".to_owned());
        }
        if let Some(class) = class.filter(|_| has("zone.cpu-shares")) {
            incompatible(format!(
                "WARNING: rctl zone.cpu-shares and scheduling-class={class} are incompatible"
            ));
        }
        if has_pset && has("zone.cpu-cap") {
            incompatible("rctl zone.cpu-cap and the dedicated-cpu are incompatible.".to_owned());
        }
    }

    fn check_others(&mut self, zone: &Zone, findings: &mut Findings) {
        for attr in zone.attrs() {
            self.require(&attr.name, "attr: name", findings);
            self.require(&attr.attr_type, "attr: type", findings);
            self.require(&attr.value, "attr: value", findings);
        }
        for dataset in zone.datasets() {
            self.require(dataset, "dataset: name", findings);
            if !dataset.is_empty() && !values::is_dataset_name(dataset) {
                self.error("dataset: name invalid");
                findings.because(Fault::BadProperty);
            }
        }
        for admin in zone.admins() {
            self.require(&admin.user, "admin: user", findings);
            self.require(&admin.auths, "admin: auths", findings);
            if findings.reason.is_none() && !self.system.is_user(&admin.user) {
                self.complain(format_args!("user {} is not a valid username", admin.user));
                findings.because(Fault::BadProperty);
            }
            if findings.reason.is_none() && !self.are_authorizations(&admin.auths) {
                findings.because(Fault::BadProperty);
            }
        }
        if let Some(flags) = zone.security_flags() {
            let (messages, failed) = security_flag_problems(flags);
            for message in messages {
                self.complain(message);
            }
            if failed {
                findings.reason = Some(Fault::BadProperty);
            }
        }
    }

    fn conclude(&mut self, save: bool, brand: &str, mut findings: Findings) {
        let name = self.zone.clone();
        if self.scope.is_some() {
            self.error("resource specification incomplete");
            findings.because(Fault::InsufficientSpecification);
        }
        if save {
            if findings.reason.is_none() {
                findings.reason = self.save(&name, brand).err();
            } else {
                self.complain(format_args!("Zone {name} failed to verify"));
            }
        }
        if let Some(fault) = findings.reason {
            self.fault(name, fault);
        }
    }

    /// Saves the configuration, with the UUID that was made or asked for. A wrong UUID is reported, but no
    /// failure; a nil one means none.
    fn save(&mut self, name: &str, brand: &str) -> Result<(), Fault> {
        let debugid = match self.zone_ref().get(key::DEBUGID) {
            Some(_) => None,
            None => self.system.next_debugid(),
        };
        let Some(handle) = &mut self.handle else { return Err(Fault::NoZone) };
        if let Some(debugid) = debugid {
            handle.zone.set(key::DEBUGID, &debugid.to_string());
        }
        let how = match &handle.renamed_from {
            Some(from) if !handle.is_new => Save::Renamed(from.clone()),
            _ if handle.is_new => Save::New,
            _ => Save::Existing,
        };
        let uuid = hyphenated(&self.new_uuid);
        self.system.save(&handle.zone, brand, &how, uuid.filter(|uuid| !uuid.is_nil()))?;
        handle.is_new = false;
        handle.renamed_from = None;
        self.changed = false;
        self.zone.clone_into(&mut self.saved_name);
        if uuid.is_some() {
            self.new_uuid.clear();
        } else if !self.new_uuid.is_empty() {
            self.complain(format_args!("{name}: {}", Fault::InvalidProperty));
        }
        Ok(())
    }
}

/// Whether the document says what it should of the IP type.
pub(super) fn has_known_ip_type(zone: &Zone) -> bool {
    zone.get(key::IP_TYPE).is_none_or(|text| matches!(text, "shared" | "exclusive"))
}

/// What is wrong with security flags; whether it is more than a warning.
pub(super) fn security_flag_problems(flags: &SecurityFlags) -> (Vec<String>, bool) {
    let mut messages = Vec::new();
    let mut failed = false;
    let mut parse = |label: &str, text: &str, unset: u8| {
        if text.is_empty() {
            return (unset, None);
        }
        let Some(flags) = values::security_flags(text) else {
            messages.push(format!("{label} security flags '{text}' are invalid"));
            failed = true;
            return (0, Some(not_assigned(label, text)));
        };
        (flags.assigned, (!flags.assigns).then(|| not_assigned(label, text)))
    };
    let (default, default_warning) = parse("default", &flags.default, 0);
    let (upper, upper_warning) = parse("upper", &flags.upper, ALL_FLAGS);
    let (lower, lower_warning) = parse("lower", &flags.lower, 0);
    messages.extend([default_warning, lower_warning, upper_warning].into_iter().flatten());
    for (outside, message) in [
        (default & !upper, "default secflags must be within the upper limit"),
        (lower & !default, "default secflags must be above the lower limit"),
        (lower & !upper, "lower secflags must be within the upper limit"),
    ] {
        if outside != 0 {
            messages.push(message.to_owned());
            failed = true;
        }
    }
    (messages, failed)
}

fn not_assigned(label: &str, text: &str) -> String {
    format!("only assignment of security flags is allowed ({label}: {text})")
}
