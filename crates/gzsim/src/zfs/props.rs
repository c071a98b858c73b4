//! Checking and setting properties.

use std::collections::BTreeMap;

use super::error::{Code, Error, Result};
use super::proptable::{self, Attr, FS, Form, Native, SNAP, UNLIMITED, VOL};
use super::state::{Dataset, Kind, Prop, State};
use super::{Zfs, number, reservation};

const MAX_VALUE: usize = 8192;
const MAX_USER_NAME: usize = 256;

/// Properties to set: canonical names with values in `-p` form, in the order given.
pub type Settings = Vec<(String, String)>;

/// What the properties are checked for.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Type of the dataset as a bit of the property table.
    pub types: u8,
    /// The dataset, when it exists already.
    pub existing: Option<&'a Dataset>,
    /// Whether it is (or will be) in use by a zone.
    pub zoned: bool,
}

/// Checks `name=value` pairs as libzfs's `zfs_valid_proplist` does; `action` is the beginning of the message
/// (`set property for 'x'`). `refreservation=auto` stays `auto`.
pub fn validate(action: &str, pairs: &[(String, String)], target: Target<'_>) -> Result<Settings> {
    let fail = |detail: String| Error::cannot(Code::Refused, action, detail);
    let mut out = Settings::with_capacity(pairs.len());
    for (name, value) in pairs {
        let Some(native) = proptable::find(name) else {
            if !proptable::is_user(name) {
                return Err(fail(format!("invalid property '{name}'")));
            }
            if name.len() >= MAX_USER_NAME {
                return Err(fail(format!("property name '{name}' is too long")));
            }
            if value.len() >= MAX_VALUE {
                return Err(fail("property value too long".into()));
            }
            out.push((name.clone(), value.clone()));
            continue;
        };
        if target.types == SNAP {
            return Err(fail("this property can not be modified for snapshots".into()));
        }
        if !native.applies_to(target.types) {
            return Err(fail(format!("'{name}' does not apply to datasets of this type")));
        }
        if !native.settable() || (native.attr == Attr::Once && target.existing.is_some()) {
            return Err(fail(format!("'{name}' is readonly")));
        }
        let value = parse(native, name, value, target.types).map_err(fail)?;
        check_value(native, name, &value, target).map_err(fail)?;
        out.push((native.name.to_owned(), value));
    }
    Ok(out)
}

/// Brings a value into its `-p` form.
fn parse(
    native: &Native,
    name: &str,
    value: &str,
    types: u8,
) -> std::result::Result<String, String> {
    match native.form {
        Form::Text if value.len() >= MAX_VALUE => Err(format!("'{name}' is too long")),
        Form::Text => Ok(value.to_owned()),
        Form::Index(words) if words.contains(&value) => Ok(match (native.name, value) {
            ("version", "current") => "5",
            ("compression", "gzip-6") => "gzip",
            _ => value,
        }
        .to_owned()),
        Form::Index(_) => Err(format!("'{}' must be one of '{}'", native.name, native.values)),
        Form::Number => {
            let limit = matches!(native.name, "filesystem_limit" | "snapshot_limit");
            if value == "none" {
                return Ok(if limit { UNLIMITED } else { "0" }.to_owned());
            }
            if value == "auto" {
                return match native.name {
                    "refreservation" if types == VOL => Ok("auto".to_owned()),
                    "refreservation" => Err(format!("'{name}=auto' only allowed on volumes")),
                    _ => Err(format!("'auto' is invalid value for '{name}'")),
                };
            }
            let n = number::parse(value)?;
            if n == 0 && matches!(native.name, "quota" | "refquota") {
                return Err("use 'none' to disable quota/refquota".into());
            }
            Ok(n.to_string())
        }
    }
}

fn check_value(
    native: &Native,
    name: &str,
    value: &str,
    target: Target<'_>,
) -> std::result::Result<(), String> {
    let n: u64 = value.parse().unwrap_or(0);
    match native.name {
        "volblocksize" | "recordsize" => {
            let max: u64 = if native.name == "volblocksize" { 128 << 10 } else { 1 << 20 };
            if !(512..=max).contains(&n) || !n.is_power_of_two() {
                return Err(format!("'{name}' must be power of 2 from 512B to {}KB", max >> 10));
            }
        }
        "special_small_blocks"
            if n != 0 && (!(512..=128 << 10).contains(&n) || !n.is_power_of_two()) =>
        {
            return Err(format!(
                "invalid '{name}={n}' property: must be zero or a power of 2 from 512B to 128K"
            ));
        }
        "mountpoint" | "sharenfs" | "sharesmb" => {
            if native.name == "mountpoint" && !matches!(value, "none" | "legacy") {
                if !value.starts_with('/') {
                    return Err(format!("'{name}' must be an absolute path, 'none', or 'legacy'"));
                }
                if value.split('/').any(|c| c.len() >= 256) {
                    return Err(format!("component of '{name}' is too long"));
                }
            }
            if target.zoned {
                return Err(format!("'{name}' cannot be set on dataset in a non-global zone"));
            }
        }
        _ => {}
    }
    let Some(volume) = target.existing.filter(|_| target.types == VOL) else { return Ok(()) };
    let volsize = volume.own_number("volsize");
    let volblocksize = volblocksize(volume);
    match native.name {
        "reservation" | "refreservation" if value != "auto" && n > volsize => {
            Err(format!("'{name}' is greater than current volume size"))
        }
        "volsize" if !n.is_multiple_of(volblocksize) => Err(format!(
            "'{name}' must be a multiple of volume block size ({})",
            number::nice(volblocksize)
        )),
        "volsize" if n == 0 => Err(format!("'{name}' cannot be zero")),
        _ => Ok(()),
    }
}

/// The block size of a volume in bytes.
pub fn volblocksize(volume: &Dataset) -> u64 {
    match volume.own_number("volblocksize") {
        0 => 8192,
        n => n,
    }
}

/// Sets local values in a map of properties.
pub fn apply(props: &mut BTreeMap<String, Prop>, settings: &[(String, String)]) {
    for (name, value) in settings {
        let prop = props.entry(name.clone()).or_default();
        prop.local = Some(value.clone());
        prop.inherit = false;
    }
}

/// The bit of the property table for a type of dataset.
pub fn type_bit(kind: Kind) -> u8 {
    match kind {
        Kind::Filesystem => FS,
        Kind::Volume => VOL,
    }
}

fn owned(props: &[(&str, &str)]) -> Settings {
    props.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

impl Zfs {
    /// Sets properties of a filesystem, volume or snapshot; values as typed (`10G`, `none`, `auto`).
    pub fn set(&mut self, name: &str, props: &[(&str, &str)]) -> Result<()> {
        self.set_pairs(name, &owned(props))
    }

    pub(super) fn set_pairs(&mut self, name: &str, pairs: &[(String, String)]) -> Result<()> {
        let action = format!("set property for '{name}'");
        if name.contains('@') {
            let target = Target { types: SNAP, existing: None, zoned: false };
            let settings = validate(&action, pairs, target)?;
            let snap = self.state.snap_mut(name).ok_or_else(|| Error::no_dataset(name))?;
            apply(&mut snap.props, &settings);
            return Ok(());
        }
        let zoned = self.is_on(name, "zoned");
        let ds = self.state.datasets.get(name).ok_or_else(|| Error::no_dataset(name))?;
        let target = Target { types: type_bit(ds.kind), existing: Some(ds), zoned };
        let mut settings = validate(&action, pairs, target)?;
        if ds.is_volume() {
            self.fix_reservation(name, &mut settings);
        }
        self.check_space_for(name, &action, &settings)?;
        self.set_checked(name, settings)
    }

    /// Works out `refreservation=auto`, and lets a reservation that matches the volume's size follow a new size.
    fn fix_reservation(&self, name: &str, settings: &mut Settings) {
        let Some(ds) = self.state.datasets.get(name) else { return };
        let block = volblocksize(ds);
        let old_size = ds.own_number("volsize");
        let size = settings.iter().find(|(n, _)| n == "volsize").and_then(|(_, v)| v.parse().ok());
        let auto = reservation::for_volume(size.unwrap_or(old_size), block, 1).to_string();
        let given = settings.iter_mut().find(|(n, _)| n == "refreservation");
        match given {
            Some((_, value)) if value == "auto" => *value = auto,
            None if size.is_some()
                && ds.own_number("refreservation")
                    == reservation::for_volume(old_size, block, 1) =>
            {
                settings.push(("refreservation".into(), auto));
            }
            _ => {}
        }
    }

    /// Sets what has been checked, and moves, mounts, unmounts and resizes as that asks for.
    pub(super) fn set_checked(&mut self, name: &str, settings: Settings) -> Result<()> {
        let moves =
            settings.iter().any(|(n, _)| matches!(n.as_str(), "mountpoint" | "canmount" | "zoned"));
        let size = settings.iter().find(|(n, _)| n == "volsize").and_then(|(_, v)| v.parse().ok());
        if let Some(bytes) = size {
            self.resize_volume(name, bytes);
        }
        if moves {
            return self.relocate(|state| {
                if let Some(ds) = state.datasets.get_mut(name) {
                    apply(&mut ds.props, &settings);
                }
            });
        }
        if let Some(ds) = self.state.datasets.get_mut(name) {
            apply(&mut ds.props, &settings);
        }
        Ok(())
    }

    /// Clears a property's local value (`zfs inherit`); with `received` (`-S`) goes back to the received value.
    pub fn inherit(&mut self, name: &str, prop: &str, received: bool) -> Result<()> {
        let action = format!("inherit {prop} for '{name}'");
        let fail = |why: &str| Err(Error::cannot(Code::Refused, &action, why));
        let canonical = match proptable::find(prop) {
            None if proptable::is_user(prop) => prop,
            None => return fail("invalid property"),
            Some(native) => {
                let types = match self.state.datasets.get(name) {
                    Some(ds) => type_bit(ds.kind),
                    None => SNAP,
                };
                let once = native.attr == Attr::Once;
                if !native.settable() || once {
                    return fail("read-only property");
                }
                if !native.inheritable() && !received {
                    return fail("property cannot be inherited");
                }
                if !native.applies_to(types) {
                    return fail("property doesn't apply to datasets of this type");
                }
                if native.name == "mountpoint" && self.is_on(name, "zoned") {
                    return fail("dataset is used in a non-global zone");
                }
                native.name
            }
        };
        let clear = |props: &mut BTreeMap<String, Prop>| {
            let Some(p) = props.get_mut(canonical) else { return };
            p.local = None;
            p.inherit = !received;
            if p.received.is_none() {
                props.remove(canonical);
            }
        };
        if let Some(snap) = self.state.snap_mut(name) {
            clear(&mut snap.props);
            return Ok(());
        }
        if !self.state.datasets.contains_key(name) {
            return Err(Error::no_dataset(name));
        }
        let change = |state: &mut State| {
            if let Some(ds) = state.datasets.get_mut(name) {
                clear(&mut ds.props);
            }
        };
        if matches!(canonical, "mountpoint" | "canmount" | "zoned") {
            return self.relocate(change);
        }
        change(&mut self.state);
        Ok(())
    }
}
