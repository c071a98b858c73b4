//! Plain attributes: defaults, aliases and boolean words.

use crate::refusal::{Result, refuse};
use crate::zone::HvmZone;

/// Options with their values, in the order of the brand's table of defaults.
#[derive(Debug, Clone)]
pub(super) struct Options(Vec<(&'static str, Option<String>)>);

/// An option, and the other names of its values.
pub(super) type Aliases = &'static [(&'static str, &'static [(&'static str, &'static str)])];

impl Options {
    /// The values that a zone's attributes and the defaults give. The first attribute of a name counts; one without
    /// a value leaves the default.
    pub(super) fn read(
        zone: &HvmZone,
        defaults: &'static [(&'static str, Option<&'static str>)],
        aliases: Aliases,
    ) -> Self {
        let value = |name: &str, default: Option<&str>| match zone.value(name) {
            Some(value) => Some(alias(aliases, name, value.trim())),
            None => default.map(str::to_owned),
        };
        Self(defaults.iter().map(|&(name, default)| (name, value(name, default))).collect())
    }

    /// An option's value; empty where it has none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .and_then(|(_, v)| v.as_deref())
            .unwrap_or_default()
    }

    /// A boolean option.
    pub(super) fn flag(&self, name: &str) -> Result<bool> {
        boolean(self.get(name), name)
    }

    /// Whether an option is anything but switched off.
    pub(super) fn is_not_off(&self, name: &str) -> bool {
        boolean_word(self.get(name)) != Some(false)
    }
}

/// A value after aliases. Boolean words are looked up as `on` or `off`, but stay as they are where those are no alias.
pub(super) fn alias(aliases: Aliases, name: &str, value: &str) -> String {
    let Some((_, values)) = aliases.iter().find(|(option, _)| *option == name) else {
        return value.to_owned();
    };
    let key = match boolean_word(value) {
        Some(true) => "on",
        Some(false) => "off",
        None => value,
    };
    values.iter().find(|(alias, _)| *alias == key).map_or(value, |(_, meaning)| meaning).to_owned()
}

/// A value that is itself an alias, without regard to boolean words.
pub(super) fn plain_alias(aliases: Aliases, name: &str, value: &str) -> Option<&'static str> {
    let (_, values) = aliases.iter().find(|(option, _)| *option == name)?;
    values.iter().find(|(alias, _)| *alias == value).map(|(_, meaning)| *meaning)
}

/// What a boolean word means; other words, and other letter cases, mean nothing.
pub(super) fn boolean_word(word: &str) -> Option<bool> {
    match word {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The boolean value of an option.
///
/// # Errors
/// It is no boolean word.
pub fn boolean(word: &str, name: &str) -> Result<bool> {
    match boolean_word(word) {
        Some(value) => Ok(value),
        None => refuse!("Invalid value {word} for boolean variable {name}"),
    }
}
