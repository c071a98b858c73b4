//! From the payload as given to the payload that a planner works on: types, defaults, derived
//! values, and the checks that go beyond validation.
//!
//! After it `disks`, `nics`, `filesystems` and `pci_devices` of a create payload are called
//! `add_disks` and so on, and the `interface` of an added NIC is called `physical`. A null integer
//! of an update payload means "unset".

use serde_json::Value;

use crate::action::Action;
use crate::brand::{Brand, Flavour};
use crate::checks;
use crate::facts::Facts;
use crate::fields::{Fields, Object};
use crate::ids::Ids;
use crate::payload::Payload;
use crate::properties;
use crate::refusal::{Refusal, fatal};
use crate::validate::{self, Invalid};
use crate::vm_object::VmObject;

mod defaults;
mod disks;
mod docker;
mod dropped;
mod memory;
mod nics;
mod types;

pub use disks::assign_pci_slots;
pub use dropped::Dropped;

/// What became of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub brand: Brand,
    /// Properties that were dropped, in payload order.
    pub dropped: Vec<Dropped>,
}

const ARRAYS: [(&str, &str, &str); 4] = [
    ("disks", "add_disks", "update_disks"),
    ("nics", "add_nics", "update_nics"),
    ("filesystems", "add_filesystems", "update_filesystems"),
    ("pci_devices", "add_pci_devices", "update_pci_devices"),
];

/// Prepares the payload of a create, or of the create that a receive starts with.
///
/// `payload` gets a `uuid` if it has none; whether that UUID is free is the caller's to check.
pub fn prepare_create(
    action: Action,
    payload: &mut Payload,
    facts: &Facts,
    ids: &mut dyn Ids,
) -> Result<Prepared, Refusal> {
    if !payload.has("uuid") {
        let uuid = ids.uuid();
        payload.set("uuid", uuid);
    }
    remove_comments(payload);
    types::coerce_top_level(payload)?;
    if payload.value("quota").is_some_and(Value::is_null) {
        payload.set("quota", 0);
    }
    require_objects(payload)?;
    if !payload.has("brand") {
        if facts.flavour != Flavour::SmartOs {
            return Err(Refusal::missing(vec!["brand".to_owned()], payload));
        }
        payload.set("brand", "joyent");
    }
    let brand = validate::brand(payload.value("brand"), facts.flavour)
        .map_err(|invalid| refuse(&invalid, payload))?;
    adopt_old_pool_name(payload, brand, facts);
    defaults::apply_create(payload, brand, facts.default_zpool());
    adopt_old_image_names(payload, brand);
    docker::complete(action, payload, None, brand, ids);

    let mut dropped = validate_and_drop(action, brand, payload, facts)?;
    types::coerce_elements(payload);
    if !payload.truthy("zonename") {
        let uuid = payload.value("uuid").cloned().unwrap_or_default();
        payload.set("zonename", uuid);
    }
    rename_arrays(payload)?;
    defaults::separate_data_properties(payload, None);
    nics::complete_added(payload, ids);
    disks::complete_added(payload, None, brand, ids)?;
    nics::modernise_added(payload)?;
    types::coerce_booleans(payload);
    if action == Action::Create && !payload.has("image_uuid") {
        let spice = ["spice_opts", "spice_password", "spice_port"];
        let given = spice.into_iter().filter(|key| payload.take(key).is_some());
        dropped.extend(given.map(|key| Dropped::new(key.to_owned(), action, brand, facts.flavour)));
    }
    checks::check_create(payload, brand, facts)?;
    types::remove_unset(payload);
    Ok(Prepared { brand, dropped })
}

/// Prepares the payload of an update of `vm`.
pub fn prepare_update(
    payload: &mut Payload,
    vm: &VmObject,
    facts: &Facts,
    ids: &mut dyn Ids,
) -> Result<Prepared, Refusal> {
    let brand = validate::brand(vm.value("brand"), facts.flavour)
        .map_err(|invalid| refuse(&invalid, payload))?;
    remove_comments(payload);
    let given = payload.object().clone();
    types::coerce_top_level(payload)?;
    if payload.value("quota").is_some_and(Value::is_null) {
        payload.set("quota", 0);
    }
    require_objects(payload)?;
    memory::complete(payload, Some(vm), brand);
    adopt_old_image_names(payload, brand);
    docker::complete(Action::Update, payload, Some(vm), brand, ids);

    let mut dropped = validate_and_drop(Action::Update, brand, payload, facts)?;
    dropped::retain_changes(&mut dropped, &given, vm);
    types::coerce_elements(payload);
    rename_arrays(payload)?;
    defaults::separate_data_properties(payload, Some(vm));
    nics::complete_added(payload, ids);
    disks::complete_added(payload, Some(vm), brand, ids)?;
    nics::modernise_added(payload)?;
    nics::modernise_updated(payload, vm)?;
    nics::name_removed(payload, vm);
    types::coerce_booleans(payload);
    checks::check_update(payload, vm, brand, facts)?;
    Ok(Prepared { brand, dropped })
}

fn refuse(invalid: &Invalid, payload: &Payload) -> Refusal {
    fatal(invalid, payload).unwrap_or_else(|| Refusal::Rule(invalid.to_string()))
}

/// Keys that start with two underscores are comments.
fn remove_comments(payload: &mut Payload) {
    payload.object_mut().retain(|key, _| !key.starts_with("__"));
}

/// Elements of object arrays must be objects: null counts as one in validation, but nothing can be
/// made of it.
fn require_objects(payload: &Payload) -> Result<(), Refusal> {
    let bad: Vec<String> = ARRAYS
        .iter()
        .flat_map(|(own, add, update)| [*own, *add, *update])
        .filter(|key| {
            payload.array(key).iter().any(|element| element.is_null() || element.is_array())
        })
        .map(str::to_owned)
        .collect();
    if bad.is_empty() { Ok(()) } else { Err(Refusal::BadValues(bad)) }
}

/// Whether payloads of `brand` may have the property.
fn is_known(name: &str, brand: Brand) -> bool {
    properties::find(name).is_some_and(|property| property.known_to(brand))
}

/// `zfs_storage_pool_name` is the old name of `zpool`. A wrong one stays, for validation to name it
/// as it was given.
fn adopt_old_pool_name(payload: &mut Payload, brand: Brand, facts: &Facts) {
    let old = "zfs_storage_pool_name";
    let pool = payload.text(old).filter(|name| facts.zpools.iter().any(|pool| pool == name));
    if pool.is_some() && !payload.has("zpool") && is_known(old, brand) {
        payload.rename(old, "zpool");
    }
}

/// `dataset_uuid` and `zone_dataset_uuid` are old names of `image_uuid`.
fn adopt_old_image_names(payload: &mut Payload, brand: Brand) {
    if payload.has("image_uuid") {
        return;
    }
    if is_known("dataset_uuid", brand) {
        payload.rename("dataset_uuid", "image_uuid");
    }
    // This one stays beside it.
    if is_known("zone_dataset_uuid", brand)
        && let Some(uuid) = payload.value("zone_dataset_uuid").cloned()
    {
        payload.set("image_uuid", uuid);
    }
}

fn validate_and_drop(
    action: Action,
    brand: Brand,
    payload: &mut Payload,
    facts: &Facts,
) -> Result<Vec<Dropped>, Refusal> {
    let Err(invalid) = validate::validate(action, brand, payload, facts) else {
        return Ok(Vec::new());
    };
    if let Some(refusal) = fatal(&invalid, payload) {
        return Err(refusal);
    }
    let Invalid::Properties(problems) = invalid else {
        return Ok(Vec::new());
    };
    Ok(problems
        .bad_properties
        .into_iter()
        .map(|name| {
            drop_property(payload, &name);
            Dropped::new(name, action, brand, facts.flavour)
        })
        .collect())
}

/// Takes a property out of the payload, a nested one out of every element.
fn drop_property(payload: &mut Payload, name: &str) {
    payload.take(name);
    let Some((array, member)) = name.split_once(".*.") else { return };
    for (own, add, update) in ARRAYS.iter().filter(|(own, ..)| *own == array) {
        for key in [own, add, update] {
            for element in payload.objects_mut(key) {
                element.take(member);
            }
        }
    }
}

/// What create calls `nics` is called `add_nics` from here on, as in update.
fn rename_arrays(payload: &mut Payload) -> Result<(), Refusal> {
    for (own, add, _) in ARRAYS {
        if payload.has(own) && payload.has(add) {
            return Refusal::rule(format!("Cannot specify both \"{own}\" and \"{add}\""));
        }
        payload.rename(own, add);
    }
    Ok(())
}

/// The elements of a list as texts. A text in the place of a list counts as the list of its
/// characters, so that checks refuse it with the message that operators know.
pub(crate) fn list_items(object: &Object, key: &str) -> Vec<String> {
    match object.get(key) {
        Some(Value::Array(elements)) => elements.iter().map(crate::js::to_text).collect(),
        Some(Value::String(text)) => text.chars().map(String::from).collect(),
        _ => Vec::new(),
    }
}
