//! What an update makes of a VM object.

use std::collections::BTreeSet;

use manifest::Brand;
use serde_json::Value;

use super::write_nics::vnic_name;
use super::{CONTROLS, Object, SHARED};
use crate::model::Zone;

/// Notes in a VM object what its zone calls the parts of it: the datalinks of NICs (`vnic`), which are not those that the
/// guest sees, the nodes of PCI devices (`device`), and the attributes of shared directories (`attribute`).
pub fn name_parts(vm: &mut Object, zone: &Zone) {
    let mut names: Vec<&str> = Vec::new();
    for net in zone.nets() {
        if !names.contains(&net.physical.as_str()) {
            names.push(&net.physical);
        }
    }
    for (nic, name) in elements(vm, "nics").zip(names) {
        nic.insert("vnic".to_owned(), name.into());
    }
    for share in
        elements(vm, "filesystems").filter(|fs| fs.get("type").is_some_and(|t| t == SHARED))
    {
        let name = share.get("target").and_then(Value::as_str).unwrap_or_default();
        let attribute = zone.attrs().find(|attr| {
            attr.name.starts_with(SHARED) && attr.value.trim().split(',').next() == Some(name)
        });
        if let Some(attribute) = attribute {
            share.insert("attribute".to_owned(), attribute.name.clone().into());
        }
    }
    for device in elements(vm, "pci_devices") {
        let path = device.get("path").and_then(Value::as_str).unwrap_or_default();
        let node = zone
            .attrs()
            .filter(|attr| attr.value == path)
            .find_map(|attr| attr.name.strip_suffix("-path"));
        if let Some(node) = node {
            device.insert("device".to_owned(), format!("/dev/{node}").into());
        }
    }
}

/// The VM object after an update by a payload that has been prepared against it: elements of lists updated, removed and
/// added; properties set, or taken away where they are null.
pub fn changed(vm: &Object, payload: &Object) -> Object {
    let mut after = vm.clone();
    for (name, value) in payload {
        let limit = CONTROLS.iter().any(|(property, ..)| property == name);
        if ["add_", "remove_", "set_", "update_"].iter().any(|verb| name.starts_with(verb)) {
            continue;
        }
        if value.is_null() || (limit && value == 0) {
            after.shift_remove(name);
        } else {
            after.insert(name.clone(), value.clone());
        }
    }
    // The zone has the first of the keys in the metadata for cloud-init.
    table(&mut after, payload, "customer_metadata");
    table(&mut after, payload, "zone_attributes");
    for (name, key) in
        [("disks", "path"), ("filesystems", "target"), ("nics", "mac"), ("pci_devices", "path")]
    {
        list(&mut after, payload, name, key);
    }
    disks(&mut after, payload);
    nics(&mut after, vm, payload);
    after
}

/// A table of names and values after `remove_…` and `set_…`.
fn table(after: &mut Object, payload: &Object, name: &str) {
    let mut table = match after.shift_remove(name) {
        Some(Value::Object(table)) => table,
        _ => Object::new(),
    };
    for key in strings(payload, &format!("remove_{name}")) {
        table.shift_remove(key);
    }
    let set = payload.get(&format!("set_{name}")).and_then(Value::as_object);
    table.extend(set.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    if !table.is_empty() {
        after.insert(name.to_owned(), table.into());
    }
}

fn list(after: &mut Object, payload: &Object, name: &str, key: &str) {
    let removed: Vec<&str> = strings(payload, &format!("remove_{name}")).collect();
    let updates = array(payload, &format!("update_{name}"));
    let added = array(payload, &format!("add_{name}"));
    if removed.is_empty() && updates.is_empty() && added.is_empty() {
        return;
    }
    let mut elements = array(after, name).to_vec();
    elements.retain(|element| element[key].as_str().is_none_or(|own| !removed.contains(&own)));
    for update in updates.iter().filter_map(Value::as_object) {
        let element = elements.iter_mut().filter_map(Value::as_object_mut);
        for element in element.filter(|element| element.get(key) == update.get(key)) {
            update_element(element, update);
        }
    }
    elements.extend_from_slice(added);
    after.insert(name.to_owned(), elements.into());
}

fn update_element(element: &mut Object, update: &Object) {
    // One address of the lists, for programs that know no lists.
    for (list, single) in [("ips", &["ip", "netmask"][..]), ("gateways", &["gateway"])] {
        if update.contains_key(list) {
            for name in single {
                element.shift_remove(*name);
            }
        }
    }
    for (name, value) in update {
        if value.is_null() {
            element.shift_remove(name);
        } else {
            element.insert(name.clone(), value.clone());
        }
    }
}

/// A disk that becomes the boot disk, or is it no more, gets another place than it had, unless it is told one.
fn disks(after: &mut Object, payload: &Object) {
    let moved: Vec<&Value> = array(payload, "update_disks")
        .iter()
        .filter(|update| update.get("boot").is_some() && update.get("pci_slot").is_none())
        .map(|update| &update["path"])
        .collect();
    for disk in elements(after, "disks") {
        if disk.get("path").is_some_and(|path| moved.contains(&path)) {
            disk.shift_remove("pci_slot");
        }
    }
}

fn nics(after: &mut Object, vm: &Object, payload: &Object) {
    let uuid = after.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let brand = after.get("brand").and_then(Value::as_str).unwrap_or_default().to_owned();
    let taken: BTreeSet<&str> =
        array(vm, "nics").iter().filter_map(|nic| nic["vnic"].as_str()).collect();
    let mut free =
        (0..).map(|number| vnic_name(&uuid, number)).filter(|name| !taken.contains(name.as_str()));
    // The last that asks to be primary is; the one before is no more.
    let asks = |nic: &&Value| nic["primary"] == true;
    let mut asked =
        ["add_nics", "update_nics"].iter().flat_map(|name| array(payload, name)).filter(asks);
    let primary = asked.next_back().map(|nic| nic["mac"].clone());
    for nic in elements(after, "nics") {
        if !nic.contains_key("vnic")
            && let Some(name) = free.next()
        {
            nic.insert("vnic".to_owned(), name.into());
        }
        if let Some(interface) = nic.shift_remove("physical") {
            nic.entry("interface").or_insert(interface);
        }
        if primary.as_ref().is_some_and(|primary| nic.get("mac") != Some(primary)) {
            nic.shift_remove("primary");
        }
        let gateway = nic.get("gateways").and_then(|gateways| gateways.get(0)).cloned();
        if let Some(gateway) = gateway {
            nic.insert("gateway".to_owned(), gateway);
        }
    }
    name_interfaces(after, &brand);
    let is_primary = |nic: &Value| nic["primary"] == true;
    if !array(after, "nics").iter().any(is_primary)
        && let Some(first) = elements(after, "nics").next()
    {
        first.insert("primary".to_owned(), true.into());
    }
}

/// New NICs that name no interface get the first free one of the brand's prefix.
fn name_interfaces(after: &mut Object, brand: &str) {
    let prefix = Brand::from_name(brand).map_or("net", |brand| brand.features().interface_prefix);
    let taken: BTreeSet<String> = array(after, "nics")
        .iter()
        .filter_map(|nic| nic["interface"].as_str().map(str::to_owned))
        .collect();
    let mut free = (0..).map(|n| format!("{prefix}{n}")).filter(|name| !taken.contains(name));
    for nic in elements(after, "nics").filter(|nic| !nic.contains_key("interface")) {
        if let Some(name) = free.next() {
            nic.insert("interface".to_owned(), name.into());
        }
    }
}

fn array<'a>(object: &'a Object, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn strings<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a str> {
    array(object, name).iter().filter_map(Value::as_str)
}

fn elements<'a>(vm: &'a mut Object, name: &str) -> impl Iterator<Item = &'a mut Object> {
    let list = vm.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
    list.filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn lists_lose_gain_and_change_elements() {
        let vm = object(json!({
            "uuid": "1234-5", "brand": "bhyve", "ram": 512, "max_lwps": 9,
            "disks": [{"path": "/a", "boot": true, "pci_slot": "0:4:0"}, {"path": "/b", "pci_slot": "0:5:0"}],
            "nics": [
                {"mac": "1", "vnic": "v1234n1", "interface": "net0", "ips": ["10.0.0.1/8"],
                 "ip": "10.0.0.1", "netmask": "255.0.0.0", "primary": true},
                {"mac": "2", "vnic": "v1234n0", "interface": "net1"},
            ],
        }));
        let after = changed(
            &vm,
            &object(json!({
                "ram": 1024, "max_lwps": 0, "remove_disks": ["/a"],
                "update_disks": [{"path": "/b", "boot": true}],
                "update_nics": [{"mac": "1", "ips": ["dhcp"]}],
                "remove_nics": ["2"],
                "add_nics": [{"mac": "3", "primary": true, "gateways": ["10.0.0.9"]}],
                "set_customer_metadata": {"a": "b"},
            })),
        );
        assert_eq!(
            Value::Object(after),
            json!({
                "uuid": "1234-5", "brand": "bhyve", "ram": 1024,
                "disks": [{"path": "/b", "boot": true}],
                "nics": [
                    {"mac": "1", "vnic": "v1234n1", "interface": "net0", "ips": ["dhcp"]},
                    {"mac": "3", "vnic": "v1234n2", "interface": "net1", "primary": true,
                     "gateways": ["10.0.0.9"], "gateway": "10.0.0.9"},
                ],
                "customer_metadata": {"a": "b"},
            })
        );
    }
}
