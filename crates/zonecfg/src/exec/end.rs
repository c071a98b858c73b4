//! `end`

use super::getopt::Wrong;
use super::keys::{self, limit};
use super::{Ending, Flow, Pending, Scope, Session};
use crate::alias;
use crate::fault::Fault;
use crate::lang::Verb;
use crate::model::{Admin, Attr, Fs, Net, Resource, TmpPool};
use crate::values;

impl Session<'_> {
    pub(super) fn end(&mut self, words: &[String]) -> Flow {
        if self.only_options(Verb::End, words, "?", Wrong::Help).is_none() {
            return Ok(());
        }
        let Some(scope) = self.scope.clone() else {
            self.scope_usage(Verb::End);
            return Ok(());
        };
        if self.handle.is_none() {
            // The resource was opened although no zone could be loaded.
            let zone = self.zone.clone();
            self.fault(zone, Fault::NoZone);
            return Ok(());
        }
        if !self.is_complete(&scope.pending) {
            self.failed = true;
            return Ok(());
        }
        if scope.ending == Ending::Add
            && let Some(message) = self.duplicate_of(&scope.pending)
        {
            self.error(message);
            return Ok(());
        }
        self.store(scope);
        self.changed = true;
        self.scope = None;
        Ok(())
    }

    /// Whether the open resource has all it needs; reports what it lacks.
    fn is_complete(&mut self, pending: &Pending) -> bool {
        let problems = match pending {
            Pending::Fs(fs) => fs_problems(fs),
            Pending::Net(net) => missing(&[("physical", &net.physical)]),
            Pending::Device(device) => missing(&[("match", &device.matches)]),
            Pending::Rctl(rctl) => {
                let mut problems = missing(&[("name", &rctl.name)]);
                if rctl.values.is_empty() {
                    problems.push("no value specified".to_owned());
                }
                problems
            }
            Pending::Attr(attr) => {
                let fields =
                    [("name", &attr.name), ("type", &attr.attr_type), ("value", &attr.value)];
                let mut problems = missing(&fields.map(|(name, value)| (name, value.as_str())));
                problems.extend(attr_name_problem(&attr.name));
                problems.extend(attr_value_problem(attr));
                problems
            }
            Pending::Dataset(dataset) => missing(&[("name", &dataset.name)]),
            Pending::DedicatedCpu(pset, _) => missing(&[("ncpus", &pset.ncpu_min)]),
            Pending::CappedCpu => match alias::CPU_CAP.get(self.zone_ref()) {
                Ok(_) => Vec::new(),
                Err(_) => missing(&[("ncpus", "")]),
            },
            Pending::CappedMemory => self.memory_problem().into_iter().collect(),
            Pending::Admin(admin) => return self.is_complete_admin(admin),
            Pending::SecurityFlags(flags) => {
                let (messages, failed) = super::verify::security_flag_problems(flags);
                for message in messages {
                    self.complain(message);
                }
                return !failed;
            }
        };
        let complete = problems.is_empty();
        for problem in problems {
            self.complain(problem);
        }
        complete
    }

    fn is_complete_admin(&mut self, admin: &Admin) -> bool {
        let mut complete = true;
        if admin.user.is_empty() {
            self.complain("user not specified");
            complete = false;
        } else if !self.system.is_user(&admin.user) {
            self.complain(format_args!("user {} is not a valid username", admin.user));
            complete = false;
        }
        if admin.auths.is_empty() {
            self.complain("auths not specified");
            return false;
        }
        self.are_authorizations(&admin.auths) && complete
    }

    fn memory_problem(&self) -> Option<String> {
        let zone = self.zone_ref();
        let limits = [alias::PHYSICAL.get(zone), alias::SWAP.get(zone), alias::LOCKED.get(zone)];
        if limits.iter().all(Result::is_err) {
            return Some(
                "No property was specified.  One of physical, swap or locked is required."
                    .to_owned(),
            );
        }
        match limits {
            [Ok(physical), _, Ok(locked)] if physical < locked => {
                Some("The locked cap must be less than or equal to the physical cap.".to_owned())
            }
            _ => None,
        }
    }

    /// Whether all are authorizations; reports those that are not.
    pub(super) fn are_authorizations(&mut self, auths: &str) -> bool {
        let mut valid = true;
        for right in auths.split(',').filter(|right| !right.is_empty()) {
            if !self.system.is_authorization(right) {
                let message =
                    format!("zone '{}': '{right}' is not a valid authorization\n", self.zone);
                self.system.err(&message);
                valid = false;
            }
        }
        valid
    }

    /// The message about a resource that is there already.
    fn duplicate_of(&self, pending: &Pending) -> Option<String> {
        let zone = self.zone_ref();
        let of = |resource: &str, name: &str, value: &str| {
            format!("{resource} resource with the {name} '{value}' already exists.")
        };
        match pending {
            Pending::Fs(fs) => {
                let keys = Fs { dir: fs.dir.clone(), ..Fs::default() };
                keys::find_fs(zone, &keys).ok().map(|_| of("A fs", "dir", &fs.dir))
            }
            Pending::Net(net) => {
                let keys = Net {
                    mac_addr: None,
                    vlan_id: None,
                    global_nic: None,
                    properties: Vec::new(),
                    ..net.clone()
                };
                keys::find_net(zone, &keys).ok().map(|_| net_exists(net))
            }
            Pending::Device(device) => keys::find_device(zone, device)
                .ok()
                .map(|_| of("A device", "match", &device.matches)),
            Pending::Rctl(rctl) => {
                keys::find_rctl(zone, rctl).ok().map(|_| of("A rctl", "name", &rctl.name))
            }
            Pending::Attr(attr) => {
                let keys = Attr { name: attr.name.clone(), ..Attr::default() };
                keys::find_attr(zone, &keys).ok().map(|_| of("An attr", "name", &attr.name))
            }
            Pending::Dataset(dataset) => keys::find_dataset(zone, dataset)
                .ok()
                .map(|_| of("A dataset", "name", &dataset.name)),
            Pending::Admin(admin) => {
                keys::find_admin(zone, admin).ok().map(|_| of("A admin", "user", &admin.user))
            }
            _ => None,
        }
    }

    /// Puts the finished resource at the end; the one it replaces goes, and what was unknown in that stays.
    fn store(&mut self, scope: Scope) {
        let resources = &mut self.zone_mut().resources;
        let (resource, importance): (Resource, _) = match scope.pending {
            Pending::Fs(fs) => (fs.into(), None),
            Pending::Net(net) => (net.into(), None),
            Pending::Device(device) => (device.into(), None),
            Pending::Rctl(rctl) => (rctl.into(), None),
            Pending::Attr(attr) => (attr.into(), None),
            Pending::Dataset(dataset) => (dataset.into(), None),
            Pending::Admin(admin) => (admin.into(), None),
            Pending::SecurityFlags(flags) => (flags.into(), None),
            Pending::DedicatedCpu(pset, importance) => (pset.into(), Some(importance)),
            // These act at once.
            Pending::CappedCpu | Pending::CappedMemory => return,
        };
        if let Some(importance) = importance {
            resources.retain(|entry| {
                !matches!(entry.resource, Resource::Pset(_) | Resource::TmpPool(_))
            });
            resources.push(resource.into());
            if !importance.is_empty() {
                resources.push(Resource::from(TmpPool { importance }).into());
            }
            return;
        }
        match scope.ending {
            Ending::Replace(at) if at < resources.len() => {
                let mut entry = resources.remove(at);
                entry.resource = resource;
                resources.push(entry);
            }
            _ => resources.push(resource.into()),
        }
    }
}

/// A message for each property without a value.
fn missing(properties: &[(&str, &str)]) -> Vec<String> {
    let empty = properties.iter().filter(|(_, value)| value.is_empty());
    empty.map(|(name, _)| format!("{name} not specified")).collect()
}

fn fs_problems(fs: &Fs) -> Vec<String> {
    let mut problems = Vec::new();
    if fs.dir.is_empty() {
        problems.push("dir not specified".to_owned());
    } else if !fs.dir.starts_with('/') {
        problems.push(format!("dir {} is not an absolute path.", fs.dir));
    }
    if fs.special.is_empty() {
        problems.push("special not specified".to_owned());
    }
    if let Some(raw) = fs.raw.as_deref().filter(|raw| !raw.starts_with('/')) {
        problems.push(format!("raw {raw} is not an absolute path."));
    }
    if fs.fs_type.is_empty() {
        problems.push("type not specified".to_owned());
    }
    problems
}

fn attr_name_problem(name: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some(format!("Invalid attr name {name}: must start with an alpha-numeric character."))
    } else if !name.bytes().all(allowed) {
        Some(format!(
            "Invalid attr name {name}: can only contain alpha-numeric characters, plus '-' and '.'."
        ))
    } else {
        None
    }
}

fn attr_value_problem(attr: &Attr) -> Option<String> {
    let value = attr.value.as_str();
    let valid = match attr.attr_type.as_str() {
        "boolean" => matches!(value, "true" | "false"),
        "int" => values::signed(value).is_some(),
        "uint" => {
            values::unsigned(value).is_some()
                || values::signed(value).is_some_and(|number| number >= 0)
        }
        "string" => value.len() <= limit::NAME,
        other => return Some(format!("invalid attr type '{other}'")),
    };
    (!valid).then(|| format!("invalid attr value for type={}", attr.attr_type))
}

fn net_exists(net: &Net) -> String {
    let (name, value) = match &net.address {
        Some(address) => ("address", address.as_str()),
        None => ("allowed-address", net.allowed_address.as_deref().unwrap_or_default()),
    };
    format!(
        "A net resource with the physical '{}', and {name} '{value}' already exists.",
        net.physical
    )
}
