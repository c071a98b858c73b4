//! `remove`

use super::getopt::Wrong;
use super::{Flow, Pending, Session};
use crate::alias;
use crate::fault::Fault;
use crate::lang::{Complex, Item, Listing, Pair, PropertyName, ResourceType, Value, Verb};
use crate::model::{Property, RctlValue, Resource};
use crate::usage::topics_of;
use crate::values::truncated;

impl Session<'_> {
    pub(super) fn remove_resource(
        &mut self,
        word: Option<&str>,
        resource: ResourceType,
        pairs: &[Pair],
    ) -> Flow {
        if self.is_read_only(Verb::Remove) {
            return Ok(());
        }
        if self.scope.is_some() {
            return match pairs {
                [(name, value)] => self.remove_property(word, *name, value),
                [] => {
                    self.long_usage(Verb::Remove);
                    Ok(())
                }
                _ => {
                    self.long_usage(Verb::Add);
                    Ok(())
                }
            };
        }
        if self.is_barred_in_global_zone(resource) {
            self.error(format_args!("{resource} is not a valid resource for the global zone."));
            return Ok(());
        }
        let words: Vec<String> = word.into_iter().map(str::to_owned).collect();
        let Some(given) = self.options(Verb::Remove, &words, "?F", Wrong::Help) else {
            return Ok(());
        };
        let force = given.has('F');
        if !self.initialize(true)? {
            return Ok(());
        }
        match resource {
            ResourceType::DedicatedCpu => self.remove_dedicated_cpu(force),
            ResourceType::CappedCpu => self.remove_limits(resource, &[alias::CPU_CAP], force),
            ResourceType::CappedMemory => {
                self.remove_limits(resource, &[alias::PHYSICAL, alias::SWAP, alias::LOCKED], force);
            }
            ResourceType::SecurityFlags => self.remove_security_flags(),
            _ if pairs.is_empty() => self.remove_all(resource, force),
            _ => match self.pointed_at(resource, pairs) {
                Ok(at) => {
                    self.zone_mut().resources.remove(at);
                    self.changed = true;
                }
                Err(fault) if !force => self.fault(format_args!("remove {resource}"), fault),
                Err(_) => {}
            },
        }
        Ok(())
    }

    fn remove_all(&mut self, resource: ResourceType, force: bool) {
        let is_it = |found: &Resource| kind_of(found) == Some(resource);
        let count = self.zone_ref().resources().filter(|found| is_it(found)).count();
        if count == 0 && (!force || resource == ResourceType::Admin) {
            self.fault(format_args!("remove {resource}"), Fault::NoEntry);
            return;
        }
        if count > 1 && !force {
            if !self.is_interactive() {
                self.error(
                    "There are multiple instances of this resource.  Either qualify the resource to\n\
                     remove a single instance or use the -F option to remove all instances.",
                );
                return;
            }
            match self
                .ask(&format!("Are you sure you want to remove ALL '{resource}' resources"), false)
            {
                Some(true) => {}
                Some(false) => return,
                None => return self.complain("Resource incomplete."),
            }
        }
        self.zone_mut().resources.retain(|entry| !is_it(&entry.resource));
        self.changed = true;
    }

    fn remove_dedicated_cpu(&mut self, force: bool) {
        if self.zone_ref().pset().is_none() {
            if !force {
                self.fault("remove dedicated-cpu", Fault::NoEntry);
            }
            return;
        }
        let is_it = |found: &Resource| matches!(found, Resource::Pset(_) | Resource::TmpPool(_));
        self.zone_mut().resources.retain(|entry| !is_it(&entry.resource));
        self.changed = true;
    }

    fn remove_limits(&mut self, resource: ResourceType, limits: &[alias::Alias], force: bool) {
        let set: Vec<_> =
            limits.iter().filter(|limit| limit.get(self.zone_ref()).is_ok()).collect();
        if set.is_empty() {
            if !force {
                self.fault(format_args!("remove {resource}"), Fault::NoResourceType);
            }
            return;
        }
        for limit in set {
            limit.remove(self.zone_mut());
        }
        self.changed = true;
    }

    fn remove_security_flags(&mut self) {
        match super::keys::find_security_flags(self.zone_ref()) {
            Ok(at) => {
                self.zone_mut().resources.remove(at);
                self.changed = true;
            }
            Err(_) => {
                self.complain(format_args!("remove security-flags: {}", Fault::NoResourceType));
            }
        }
    }

    pub(super) fn remove_property_command(
        &mut self,
        word: Option<&str>,
        name: PropertyName,
        value: &Value,
    ) -> Flow {
        if self.is_read_only(Verb::Remove) {
            return Ok(());
        }
        if self.scope.is_none() {
            // A property of the zone is no resource; the same usage message as for no resource at all.
            self.long_usage(Verb::Remove);
            return Ok(());
        }
        self.remove_property(word, name, value)
    }

    fn remove_property(&mut self, word: Option<&str>, name: PropertyName, value: &Value) -> Flow {
        let words: Vec<String> = word.into_iter().map(str::to_owned).collect();
        let Some(given) = self.options(Verb::Remove, &words, "F", Wrong::Silent) else {
            self.failed = true;
            return Ok(());
        };
        let force = given.has('F');
        if !self.initialize(true)? {
            return Ok(());
        }
        let Some(scope) = &mut self.scope else { return Ok(()) };
        let absent = match (&mut scope.pending, name) {
            (Pending::Fs(fs), PropertyName::Options) => {
                let words: Vec<&str> = match value {
                    Value::Complex(_) => {
                        self.error("A simple or list value was expected here.");
                        return Ok(());
                    }
                    Value::Simple(word) => vec![word],
                    Value::List(items) => leading_words(items),
                };
                words
                    .iter()
                    .filter(|word| !take_first(&mut fs.options, |option| option == *word))
                    .count()
            }
            (
                Pending::Net(crate::model::Net { properties, .. })
                | Pending::Device(crate::model::Device { properties, .. }),
                PropertyName::Property,
            ) => {
                let Value::Complex(parts) = value else {
                    self.error("A complex value was expected here.");
                    return Ok(());
                };
                let Some(wanted) = property_of(parts) else {
                    self.no_property(name, Verb::Remove);
                    return Ok(());
                };
                usize::from(!take_first(properties, |property| *property == wanted))
            }
            (Pending::Rctl(rctl), PropertyName::Value) => {
                let Value::Complex(parts) = value else {
                    self.error("A complex value was expected here.");
                    return Ok(());
                };
                let Some(wanted) = rctl_value_of(parts) else {
                    self.no_property(name, Verb::Add);
                    return Ok(());
                };
                usize::from(!take_first(&mut rctl.values, |found| *found == wanted))
            }
            (Pending::Fs(_) | Pending::Net(_) | Pending::Device(_) | Pending::Rctl(_), _) => {
                self.no_property(name, Verb::Remove);
                return Ok(());
            }
            (pending, _) => {
                let resource = pending.kind();
                self.no_resource(resource, Verb::Remove);
                return Ok(());
            }
        };
        if !force {
            for _ in 0..absent {
                self.fault(name, Fault::NoPropertyId);
            }
        }
        Ok(())
    }

    /// The property is none of the open resource's.
    pub(super) fn no_property(&mut self, name: PropertyName, verb: Verb) {
        self.fault(name, Fault::NoPropertyType);
        self.long_usage(verb);
        self.usage_error(topics_of(Listing::Properties));
    }

    /// The open resource has no properties of that kind.
    pub(super) fn no_resource(&mut self, resource: ResourceType, verb: Verb) {
        self.fault(resource, Fault::NoResourceType);
        self.long_usage(verb);
        self.usage_error(&[crate::usage::Topic::Resources]);
    }

    /// What cannot be configured for the global zone.
    pub(super) fn is_barred_in_global_zone(&self, resource: ResourceType) -> bool {
        self.is_global_zone()
            && matches!(
                resource,
                ResourceType::Fs
                    | ResourceType::Net
                    | ResourceType::Device
                    | ResourceType::Attr
                    | ResourceType::Dataset
            )
    }
}

/// The words of a list up to its first complex value.
pub(super) fn leading_words(items: &[Item]) -> Vec<&str> {
    items
        .iter()
        .map_while(|item| if let Item::Simple(word) = item { Some(word.as_str()) } else { None })
        .collect()
}

/// Removes the first element that is meant; false if there is none.
fn take_first<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    match list.iter().position(is_it) {
        Some(at) => {
            list.remove(at);
            true
        }
        None => false,
    }
}

/// A property from its parts; `None` where one has another name.
fn property_of(parts: &Complex) -> Option<Property> {
    let mut property = Property::default();
    for (name, value) in parts {
        match name {
            PropertyName::Name => value.clone_into(&mut property.name),
            PropertyName::Value => value.clone_into(&mut property.value),
            _ => return None,
        }
    }
    Some(property)
}

fn rctl_value_of(parts: &Complex) -> Option<RctlValue> {
    let mut found = RctlValue::default();
    for (name, value) in parts {
        let value = truncated(value, super::keys::limit::NAME);
        match name {
            PropertyName::Priv => value.clone_into(&mut found.privilege),
            PropertyName::Limit => value.clone_into(&mut found.limit),
            PropertyName::Action => value.clone_into(&mut found.action),
            _ => return None,
        }
    }
    Some(found)
}

const fn kind_of(resource: &Resource) -> Option<ResourceType> {
    Some(match resource {
        Resource::Fs(_) => ResourceType::Fs,
        Resource::Net(_) => ResourceType::Net,
        Resource::Device(_) => ResourceType::Device,
        Resource::Rctl(_) => ResourceType::Rctl,
        Resource::Attr(_) => ResourceType::Attr,
        Resource::Dataset(_) => ResourceType::Dataset,
        Resource::Admin(_) => ResourceType::Admin,
        _ => return None,
    })
}
