//! `add`

use super::getopt::Wrong;
use super::keys::limit;
use super::remove::leading_words;
use super::{Ending, Flow, Pending, Scope, Session};
use crate::alias;
use crate::fault::Fault;
use crate::lang::{Complex, Item, PropertyName, ResourceType, Value, Verb};
use crate::model::{Property, RctlValue};
use crate::values::{is_rctl_limit, truncated};

impl Session<'_> {
    pub(super) fn add_word(&mut self, word: &str) -> Flow {
        // Nothing that has a name can be added by a word: it is an option or wrong.
        let words = [word.to_owned()];
        if self.only_options(Verb::Add, &words, "?", Wrong::Help).is_none() {
            return Ok(());
        }
        if self.is_read_only(Verb::Add) || !self.initialize(true)? {
            return Ok(());
        }
        self.long_usage(Verb::Add);
        Ok(())
    }

    pub(super) fn add_resource(&mut self, resource: ResourceType) -> Flow {
        if self.is_read_only(Verb::Add) || !self.initialize(true)? {
            return Ok(());
        }
        if self.scope.is_some() {
            self.long_usage(Verb::Add);
            return Ok(());
        }
        if self.is_barred_in_global_zone(resource) {
            self.error(format_args!("Cannot add a {resource} resource to the global zone."));
            return Ok(());
        }
        if self.may_add(resource) {
            self.scope = Some(Scope { pending: Pending::empty(resource), ending: Ending::Add });
        }
        Ok(())
    }

    /// Whether nothing that is set already excludes the resource. Reported, but no failure.
    fn may_add(&mut self, resource: ResourceType) -> bool {
        let zone = self.zone_ref();
        let has_pset = zone.pset().is_some();
        let cpu_cap = alias::CPU_CAP.get(zone);
        let message = match resource {
            ResourceType::DedicatedCpu | ResourceType::CappedCpu if has_pset => {
                "The dedicated-cpu resource already exists."
            }
            ResourceType::DedicatedCpu if cpu_cap != Err(Fault::NoEntry) => {
                "The capped-cpu resource already exists."
            }
            ResourceType::DedicatedCpu if zone.get(crate::model::key::POOL).is_some() => {
                "The pool property is already set.  A persistent pool is incompatible with\n\
                 the dedicated-cpu resource."
            }
            ResourceType::CappedCpu if cpu_cap.is_ok() => "The capped-cpu resource already exists.",
            ResourceType::CappedCpu if cpu_cap == Err(Fault::AliasDisallowed) => {
                self.complain(format_args!("{resource}: {}", Fault::AliasDisallowed));
                return false;
            }
            ResourceType::CappedMemory => {
                let limits = [alias::SWAP, alias::PHYSICAL, alias::LOCKED];
                if limits.iter().any(|limit| limit.get(zone).is_ok()) {
                    "The capped-memory resource or a related resource control already exists."
                } else {
                    self.warn_of_global_limits("memory cap");
                    return true;
                }
            }
            ResourceType::Rctl => {
                self.warn_of_global_limits("resource control");
                return true;
            }
            ResourceType::SecurityFlags => {
                if zone.security_flags().is_some() {
                    self.complain("The security-flags resource already exists.");
                }
                return true;
            }
            _ => return true,
        };
        self.complain(message);
        false
    }

    pub(super) fn add_property_command(&mut self, name: PropertyName, value: &Value) -> Flow {
        if self.is_read_only(Verb::Add) || !self.initialize(true)? {
            return Ok(());
        }
        if self.scope.is_none() {
            self.long_usage(Verb::Add);
            return Ok(());
        }
        self.add_property(name, value);
        Ok(())
    }

    /// Adds a value to the open resource.
    pub(super) fn add_property(&mut self, name: PropertyName, value: &Value) {
        let Some(scope) = &mut self.scope else { return };
        match (&mut scope.pending, name, value) {
            (Pending::Fs(fs), PropertyName::Options, Value::Simple(option)) => {
                fs.options.push(truncated(option, limit::MOUNT_OPTION).to_owned());
            }
            (Pending::Fs(fs), PropertyName::Options, Value::List(items)) => {
                let options = leading_words(items);
                fs.options
                    .extend(options.iter().map(|o| truncated(o, limit::MOUNT_OPTION).to_owned()));
            }
            (Pending::Fs(_), PropertyName::Options, Value::Complex(_)) => {
                self.error("A simple or list value was expected here.");
            }
            (
                Pending::Net(_) | Pending::Device(_),
                PropertyName::Property,
                Value::Complex(parts),
            ) => {
                self.add_resource_property(parts);
            }
            (Pending::Net(_) | Pending::Device(_), PropertyName::Property, _) => {
                self.error("A complex value was expected here.");
            }
            (Pending::Rctl(_), PropertyName::Value, Value::Complex(parts)) => {
                self.add_rctl_value(parts);
            }
            (Pending::Rctl(_), PropertyName::Value, Value::List(items)) => {
                for item in items {
                    match item {
                        Item::Complex(parts) => self.add_rctl_value(parts),
                        Item::Simple(_) => self.add_rctl_value(&Vec::new()),
                    }
                }
            }
            (Pending::Rctl(_), PropertyName::Value, Value::Simple(_)) => {
                self.error("A complex or list value was expected here.");
            }
            (Pending::Fs(_) | Pending::Net(_) | Pending::Device(_) | Pending::Rctl(_), _, _) => {
                self.no_property(name, Verb::Add);
            }
            (pending, _, _) => {
                let resource = pending.kind();
                self.no_resource(resource, Verb::Add);
            }
        }
    }

    /// Adds a property to a net or device. What is missing is reported and stored empty; what is too long
    /// is reported and dropped.
    fn add_resource_property(&mut self, parts: &Complex) {
        let (mut label, mut value) = (None, None);
        for (name, text) in parts {
            let (field, longest) = match name {
                PropertyName::Name => (&mut label, limit::NAME),
                PropertyName::Value => (&mut value, limit::PROPERTY_VALUE),
                _ => return self.no_property(PropertyName::Property, Verb::Add),
            };
            if field.is_some() {
                return self.complain(format_args!("{name} already specified"));
            }
            if text.len() > longest {
                return self.complain(format_args!("Input for {name} is too long"));
            }
            *field = Some(text.clone());
        }
        if label.is_none() {
            self.complain("name not specified");
        }
        if value.is_none() {
            self.complain("value not specified");
        }
        let property =
            Property { name: label.unwrap_or_default(), value: value.unwrap_or_default() };
        match self.scope.as_mut().map(|scope| &mut scope.pending) {
            Some(Pending::Net(net)) => net.properties.push(property),
            Some(Pending::Device(device)) => device.properties.push(property),
            _ => {}
        }
    }

    fn add_rctl_value(&mut self, parts: &Complex) {
        let (mut privilege, mut quantity, mut action) = (None, None, None);
        for (name, text) in parts {
            let field = match name {
                PropertyName::Priv => &mut privilege,
                PropertyName::Limit => &mut quantity,
                PropertyName::Action => &mut action,
                _ => return self.no_property(PropertyName::Value, Verb::Add),
            };
            if field.is_some() {
                return self.complain(format_args!("{name} already specified"));
            }
            *field = Some(truncated(text, limit::NAME).to_owned());
        }
        let fields = [("priv", &privilege), ("limit", &quantity), ("action", &action)];
        let missing: Vec<_> =
            fields.iter().filter(|(_, field)| field.is_none()).map(|(n, _)| *n).collect();
        for name in &missing {
            self.complain(format_args!("{name} not specified"));
        }
        let (Some(privilege), Some(limit), Some(action)) = (privilege, quantity, action) else {
            return;
        };
        let valid = privilege == "privileged"
            && matches!(action.as_str(), "none" | "deny")
            && is_rctl_limit(&limit);
        if !valid {
            return self.complain("Invalid rctl value specification");
        }
        if let Some(Scope { pending: Pending::Rctl(rctl), .. }) = &mut self.scope {
            rctl.values.push(RctlValue { privilege, limit, action });
        }
    }
}
