//! A zone's configuration as JSON: the names are those of the command language.

mod read;
mod schema;

pub use read::{Error, commands};
pub use schema::schema;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::alias;
use crate::info::ncpus;
use crate::model::{Property, Resource, Zone, key};

/// What is shown of a zone besides its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside<'a> {
    /// The zone's brand; that of the default template where the configuration names none.
    pub brand: &'a str,
    /// UUID in the index.
    pub uuid: Option<Uuid>,
}

/// The configuration, as `apply` takes it.
pub fn export(zone: &Zone, beside: Beside<'_>) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            object.insert(name.to_owned(), Value::from(value));
        }
    };
    put("zonename", Some(zone.name()));
    put("zonepath", Some(zone.zonepath()));
    put("brand", Some(beside.brand));
    object.insert("autoboot".to_owned(), Value::from(zone.autoboot()));
    let mut put = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            object.insert(name.to_owned(), Value::from(value));
        }
    };
    put("bootargs", zone.get(key::BOOTARGS));
    put("pool", zone.get(key::POOL));
    put("limitpriv", zone.get(key::LIMITPRIV));
    put("scheduling-class", zone.get(key::SCHEDULING_CLASS));
    put("ip-type", Some(zone.ip_type().as_str()));
    put("hostid", zone.get(key::HOSTID));
    put("fs-allowed", zone.get(key::FS_ALLOWED));
    put("uuid", beside.uuid.map(|uuid| uuid.to_string()).as_deref());
    for resource in zone.resources() {
        if let Some((name, value)) = resource_value(resource) {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
        }
    }
    if let Some(pset) = zone.pset() {
        let mut dedicated = json!({ "ncpus": ncpus(pset) });
        if let Some(pool) = zone.tmp_pool() {
            dedicated["importance"] = Value::from(pool.importance.as_str());
        }
        object.insert("dedicated-cpu".to_owned(), dedicated);
    }
    if let Some(flags) = zone.security_flags() {
        let flags = [("default", &flags.default), ("lower", &flags.lower), ("upper", &flags.upper)];
        let set = flags.into_iter().filter(|(_, value)| !value.is_empty());
        let flags: Map<_, _> =
            set.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect();
        object.insert("security-flags".to_owned(), Value::Object(flags));
    }
    Value::Object(object)
}

/// The configuration with what `info` shows besides: aliases of resource controls as numbers, limits of
/// memory in bytes, of processors as a fraction.
pub fn info(zone: &Zone, beside: Beside<'_>) -> Value {
    let mut value = export(zone, beside);
    for alias in alias::OF_ZONE {
        if let Ok(limit) = alias.get(zone) {
            value[alias.name] = Value::from(limit);
        }
    }
    if let Ok(cap) = alias::CPU_CAP.get(zone) {
        value["capped-cpu"] = json!({ "ncpus": cap as f64 / 100.0 });
    }
    for alias in [alias::PHYSICAL, alias::SWAP, alias::LOCKED] {
        if let Ok(bytes) = alias.get(zone) {
            value["capped-memory"][alias.name] = Value::from(bytes);
        }
    }
    if let Some(debugid) = zone.debugid() {
        value["debugid"] = Value::from(debugid);
    }
    value
}

fn properties(list: &[Property]) -> Value {
    list.iter().map(|property| json!({ "name": property.name, "value": property.value })).collect()
}

/// The list that a resource belongs to, and its element.
fn resource_value(resource: &Resource) -> Option<(&'static str, Value)> {
    Some(match resource {
        Resource::Fs(fs) => {
            let mut value = json!({ "dir": fs.dir, "special": fs.special });
            if let Some(raw) = &fs.raw {
                value["raw"] = Value::from(raw.as_str());
            }
            value["type"] = Value::from(fs.fs_type.as_str());
            if !fs.options.is_empty() {
                value["options"] = fs.options.iter().map(String::as_str).collect();
            }
            ("fs", value)
        }
        Resource::Net(net) => {
            let mut value = Map::new();
            let fields = [
                ("address", net.address.as_deref()),
                ("allowed-address", net.allowed_address.as_deref()),
                ("physical", Some(net.physical.as_str())),
                ("defrouter", net.defrouter.as_deref()),
                ("mac-addr", net.mac_addr.as_deref()),
                ("vlan-id", net.vlan_id.as_deref()),
                ("global-nic", net.global_nic.as_deref()),
            ];
            for (name, text) in fields {
                value.extend(text.map(|text| (name.to_owned(), Value::from(text))));
            }
            if !net.properties.is_empty() {
                value.insert("property".to_owned(), properties(&net.properties));
            }
            ("net", Value::Object(value))
        }
        Resource::Device(device) => {
            let mut value = json!({ "match": device.matches });
            if !device.properties.is_empty() {
                value["property"] = properties(&device.properties);
            }
            ("device", value)
        }
        Resource::Rctl(rctl) => {
            let values: Vec<_> = rctl
                .values
                .iter()
                .map(|value| json!({ "priv": value.privilege, "limit": value.limit, "action": value.action }))
                .collect();
            ("rctl", json!({ "name": rctl.name, "value": values }))
        }
        Resource::Attr(attr) => {
            ("attr", json!({ "name": attr.name, "type": attr.attr_type, "value": attr.value }))
        }
        Resource::Dataset(dataset) => ("dataset", json!({ "name": dataset.name })),
        Resource::Admin(admin) => ("admin", json!({ "user": admin.user, "auths": admin.auths })),
        _ => return None,
    })
}
