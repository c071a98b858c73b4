//! JSON to the commands that make a zone's configuration what it says.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::lang::{Command, Complex, Item, PropertyName, ResourceType, Value, Verb};
use crate::model::Zone;

/// Why a file is refused; `place` is a path such as `net[0].vlan-id`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// Where in the file.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

fn error(place: impl Into<String>, message: impl Into<String>) -> Error {
    Error { place: place.into(), message: message.into() }
}

/// Properties that `apply` sets, and clears where they are missing.
const CLEARABLE: &[PropertyName] = &[
    PropertyName::Bootargs,
    PropertyName::Pool,
    PropertyName::Limitpriv,
    PropertyName::SchedulingClass,
    PropertyName::Hostid,
    PropertyName::FsAllowed,
];

/// Kinds of resources in a file, with the properties of each that are text.
const RESOURCES: &[(ResourceType, &[PropertyName])] = &[
    (
        ResourceType::Fs,
        &[PropertyName::Dir, PropertyName::Special, PropertyName::Raw, PropertyName::Type],
    ),
    (
        ResourceType::Net,
        &[
            PropertyName::Address,
            PropertyName::AllowedAddress,
            PropertyName::Physical,
            PropertyName::Defrouter,
            PropertyName::MacAddr,
            PropertyName::VlanId,
            PropertyName::GlobalNic,
        ],
    ),
    (ResourceType::Device, &[PropertyName::Match]),
    (ResourceType::Rctl, &[PropertyName::Name]),
    (ResourceType::Attr, &[PropertyName::Name, PropertyName::Type, PropertyName::Value]),
    (ResourceType::Dataset, &[PropertyName::Name]),
    (ResourceType::DedicatedCpu, &[PropertyName::Ncpus, PropertyName::Importance]),
    (ResourceType::Admin, &[PropertyName::User, PropertyName::Auths]),
    (
        ResourceType::SecurityFlags,
        &[PropertyName::Default, PropertyName::Lower, PropertyName::Upper],
    ),
];

/// The commands that make a zone's configuration what the file says. `now` is the zone as it is, `None`
/// for a new one,
/// and `uuid` its UUID. What the file does not name is cleared or removed, `zonepath`, `brand` and `uuid`
/// excepted.
///
/// # Errors
/// The file has a part that is not known, or of the wrong type.
pub fn commands(
    file: &Json,
    now: Option<&Zone>,
    uuid: Option<Uuid>,
) -> Result<Vec<Command>, Error> {
    let object = file.as_object().ok_or_else(|| error("file", "an object is expected"))?;
    let mut commands = Vec::new();
    if now.is_none() {
        commands.push(Command::Words(Verb::Create, vec!["-b".to_owned()]));
    }
    for name in object.keys() {
        known(name)?;
    }
    whole(object, now, uuid, &mut commands)?;
    for (resource, _) in RESOURCES {
        let there = now.is_some_and(|zone| zone.resources().any(|found| is_of(found, *resource)));
        if there {
            commands.push(Command::RemoveResource(Some("-F".to_owned()), *resource, Vec::new()));
        }
    }
    for (resource, texts) in RESOURCES {
        let name = resource.as_str();
        let elements = match object.get(name) {
            None => continue,
            Some(Json::Array(list)) if !is_single(*resource) => list
                .iter()
                .enumerate()
                .map(|(at, element)| (format!("{name}[{at}]"), element))
                .collect(),
            Some(element) if is_single(*resource) => vec![(name.to_owned(), element)],
            Some(_) => return Err(error(name, "a list is expected")),
        };
        for (place, element) in elements {
            add(*resource, texts, &place, element, &mut commands)?;
        }
    }
    Ok(commands)
}

const fn is_single(resource: ResourceType) -> bool {
    matches!(resource, ResourceType::DedicatedCpu | ResourceType::SecurityFlags)
}

fn is_of(found: &crate::model::Resource, resource: ResourceType) -> bool {
    use crate::model::Resource;
    matches!(
        (found, resource),
        (Resource::Fs(_), ResourceType::Fs)
            | (Resource::Net(_), ResourceType::Net)
            | (Resource::Device(_), ResourceType::Device)
            | (Resource::Rctl(_), ResourceType::Rctl)
            | (Resource::Attr(_), ResourceType::Attr)
            | (Resource::Dataset(_), ResourceType::Dataset)
            | (Resource::Pset(_), ResourceType::DedicatedCpu)
            | (Resource::Admin(_), ResourceType::Admin)
            | (Resource::SecurityFlags(_), ResourceType::SecurityFlags)
    )
}

/// Refuses names that are not known, with the nearest one that is.
fn known(name: &str) -> Result<(), Error> {
    let globals = ["zonename", "zonepath", "brand", "autoboot", "ip-type", "uuid"];
    let cleared = CLEARABLE.iter().map(|name| name.as_str());
    let resources = RESOURCES.iter().map(|(resource, _)| resource.as_str());
    // What `info --json` shows besides is the resource controls over again.
    let derived = crate::alias::OF_ZONE.iter().map(|alias| alias.name);
    let also = ["capped-cpu", "capped-memory", "debugid"];
    let mut all = globals.into_iter().chain(cleared).chain(resources).chain(derived).chain(also);
    if all.clone().any(|known| known == name) {
        return Ok(());
    }
    let nearest = all.find(|known| known.starts_with(name) || name.starts_with(known));
    Err(error(
        name,
        nearest.map_or("not known".to_owned(), |near| format!("not known; did you mean {near}?")),
    ))
}

fn whole(
    object: &Map<String, Json>,
    now: Option<&Zone>,
    uuid: Option<Uuid>,
    commands: &mut Vec<Command>,
) -> Result<(), Error> {
    let mut set = |name: PropertyName, value: &str| {
        commands.push(Command::Set(None, name, Value::Simple(value.to_owned())));
    };
    let uuid = uuid.map(|uuid| uuid.to_string());
    // Of an installed zone these cannot be set, not even to what they are.
    let fixed = [
        (PropertyName::Zonepath, now.map(Zone::zonepath)),
        (PropertyName::Brand, now.and_then(Zone::brand)),
        (PropertyName::Uuid, uuid.as_deref()),
    ];
    for (name, now) in fixed {
        if let Some(value) = text(object, name.as_str(), name.as_str())?
            && now != Some(value.as_str())
        {
            set(name, &value);
        }
    }
    let autoboot = match object.get("autoboot") {
        None => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| error("autoboot", "true or false is expected"))?
        }
    };
    set(PropertyName::Autoboot, if autoboot { "true" } else { "false" });
    set(
        PropertyName::IpType,
        &text(object, "ip-type", "ip-type")?.unwrap_or_else(|| "shared".to_owned()),
    );
    for name in CLEARABLE {
        match text(object, name.as_str(), name.as_str())? {
            Some(value) => {
                commands.push(Command::Set(None, *name, Value::Simple(value)));
            }
            None => commands.push(Command::Clear(*name)),
        }
    }
    Ok(())
}

/// A member as text; numbers are taken as they stand.
fn text(object: &Map<String, Json>, name: &str, place: &str) -> Result<Option<String>, Error> {
    match object.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(Json::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(error(place, "text is expected")),
    }
}

fn add(
    resource: ResourceType,
    texts: &[PropertyName],
    place: &str,
    element: &Json,
    commands: &mut Vec<Command>,
) -> Result<(), Error> {
    let object = element.as_object().ok_or_else(|| error(place, "an object is expected"))?;
    let listed = match resource {
        ResourceType::Fs => Some(PropertyName::Options),
        ResourceType::Net | ResourceType::Device => Some(PropertyName::Property),
        ResourceType::Rctl => Some(PropertyName::Value),
        _ => None,
    };
    for name in object.keys() {
        let is_known = |known: &PropertyName| known.as_str() == name;
        if !texts.iter().any(is_known) && !listed.iter().any(is_known) {
            return Err(error(format!("{place}.{name}"), "not known"));
        }
    }
    commands.push(Command::AddResource(resource));
    for name in texts {
        if let Some(value) = text(object, name.as_str(), &format!("{place}.{name}"))?
            && !value.is_empty()
        {
            commands.push(Command::Set(None, *name, Value::Simple(value)));
        }
    }
    if let Some(name) = listed {
        let values = match object.get(name.as_str()) {
            None => &Vec::new(),
            Some(Json::Array(values)) => values,
            Some(_) => return Err(error(format!("{place}.{name}"), "a list is expected")),
        };
        for (at, value) in values.iter().enumerate() {
            let place = format!("{place}.{name}[{at}]");
            commands.push(Command::AddProperty(name, listed_value(name, &place, value)?));
        }
    }
    commands.push(Command::Words(Verb::End, Vec::new()));
    Ok(())
}

/// One element of `options`, `property` or `value`.
fn listed_value(name: PropertyName, place: &str, value: &Json) -> Result<Value, Error> {
    let parts: &[PropertyName] = match name {
        PropertyName::Options => {
            let option = value.as_str().ok_or_else(|| error(place, "text is expected"))?;
            return Ok(Value::List(vec![Item::Simple(option.to_owned())]));
        }
        PropertyName::Property => &[PropertyName::Name, PropertyName::Value],
        _ => &[PropertyName::Priv, PropertyName::Limit, PropertyName::Action],
    };
    let object = value.as_object().ok_or_else(|| error(place, "an object is expected"))?;
    let mut complex = Complex::new();
    for part in parts {
        let place = format!("{place}.{part}");
        let value =
            text(object, part.as_str(), &place)?.ok_or_else(|| error(place, "text is expected"))?;
        complex.push((*part, value));
    }
    Ok(Value::Complex(complex))
}
