//! The environment in which zoneadmd runs SmartOS's bhyve brand: the zone's configuration as variables.
//!
//! The brand knows the zone by these variables alone, so what they cannot carry is lost to it: names that differ in
//! punctuation only, and devices beyond the length of a list.

use std::collections::HashMap;

use crate::refusal::{Result, refuse};
use crate::zone::HvmZone;

/// Longest list of device or interface names, in bytes.
const LIST_MAX: usize = 511;
/// Longest variable name that the brand looks up, in bytes.
const NAME_MAX: usize = 255;
/// Longest variable name that zoneadmd makes, in bytes.
const LONG_NAME_MAX: usize = 543;

/// What the zone's configuration does not say.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The zone's UUID, from the index.
    pub uuid: Option<&'a str>,
    /// The pass-through device (`/dev/ppt0`) of a `/devices` path, where there is one.
    pub pass_through: &'a dyn Fn(&str) -> Option<String>,
}

/// Variables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: HashMap<String, String>,
    lost: Vec<String>,
}

impl Environment {
    /// The variables that a zone's configuration gives.
    ///
    /// # Errors
    /// A pass-through device is not given by its `/devices` path, or there is no such device.
    pub fn of(zone: &HvmZone, host: Host<'_>) -> Result<Self> {
        let mut environment = Self::default();
        if let Some(uuid) = host.uuid {
            environment.set("_ZONECFG_uuid", uuid);
        }
        if let Some(debugid) = &zone.debugid {
            environment.set("_ZONECFG_did", debugid);
        }
        let mut names = List::default();
        for net in &zone.nets {
            let physical = net.physical.as_deref().unwrap_or_default();
            names.push(physical, physical);
            environment.set_of("net", physical, "physical", physical);
            for name in
                ["address", "allowed-address", "defrouter", "global-nic", "mac-addr", "vlan-id"]
            {
                let value = net.attributes.get(name).unwrap_or_default();
                environment.set_of("net", physical, name, value);
            }
            for property in &net.properties {
                let value = property.value.as_deref().unwrap_or_default();
                environment.set_of("net", physical, &property.name, value);
            }
        }
        environment.finish("_ZONECFG_net_resources", names);

        let mut names = List::default();
        for device in &zone.devices {
            let resource = &device.matches;
            let is_pass_through =
                |p: &crate::zone::Attr| p.name == "model" && p.value.as_deref() == Some("passthru");
            let path = if device.properties.iter().any(is_pass_through) {
                pass_through(resource, host)?
            } else {
                resource.clone()
            };
            environment.set_of("device", resource, "path", &path);
            for property in &device.properties {
                let value = property.value.as_deref().unwrap_or_default();
                environment.set_of("device", resource, &property.name, value);
            }
            names.push(&sanitized(resource), resource);
        }
        environment.finish("_ZONECFG_device_resources", names);

        for attr in &zone.attrs {
            let name = cut(&format!("_ZONECFG_attr_{}", attr.name), LONG_NAME_MAX).to_owned();
            environment.set(&sanitized(&name), attr.value.as_deref().unwrap_or_default());
        }
        Ok(environment)
    }

    /// An environment of `NAME=VALUE` lines.
    pub fn from_lines(text: &str) -> Self {
        let variables = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { variables, lost: Vec::new() }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A generic attribute; dashes in its name are underscores here.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.lookup(&format!("_ZONECFG_attr_{name}"))
    }

    /// A property of a device or network interface (`resource` is `device` or `net`).
    pub fn property(&self, resource: &str, instance: &str, name: &str) -> Option<&str> {
        self.lookup(&format!("_ZONECFG_{resource}_{instance}_{name}"))
    }

    /// The names in a list, as far as it goes.
    pub fn resources(&self, resource: &str) -> Option<&str> {
        self.get(&format!("_ZONECFG_{resource}_resources"))
    }

    /// Devices and interfaces whose names did not fit into the list, so that the brand does not see them.
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    fn lookup(&self, name: &str) -> Option<&str> {
        if name.len() > NAME_MAX { None } else { self.get(name) }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    fn set_of(&mut self, resource: &str, instance: &str, name: &str, value: &str) {
        let variable = format!("_ZONECFG_{resource}_{instance}_{name}");
        self.set(&sanitized(cut(&variable, LONG_NAME_MAX)), value);
    }

    fn finish(&mut self, name: &str, list: List) {
        self.set(name, &list.text);
        self.lost.extend(list.lost);
    }
}

/// A list of names, each followed by a blank, that is cut off at its greatest length.
#[derive(Default)]
struct List {
    text: String,
    lost: Vec<String>,
}

impl List {
    fn push(&mut self, name: &str, described: &str) {
        let fits = self.text.len() + name.len() <= LIST_MAX;
        self.text.push_str(name);
        self.text.push(' ');
        let kept = cut(&self.text, LIST_MAX).len();
        self.text.truncate(kept);
        if !fits {
            self.lost.push(described.to_owned());
        }
    }
}

fn pass_through(path: &str, host: Host<'_>) -> Result<String> {
    if !path.starts_with("/devices") {
        refuse!("invalid passthru match value '{path}'");
    }
    match (host.pass_through)(path) {
        Some(device) => Ok(device),
        None => refuse!("failed to resolve passthru device {path}"),
    }
}

/// A name as it can be part of a variable's name: everything but letters and digits is an underscore.
fn sanitized(name: &str) -> String {
    name.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b) } else { '_' }).collect()
}

/// The beginning of a text, at most `max` bytes, cut between characters.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
