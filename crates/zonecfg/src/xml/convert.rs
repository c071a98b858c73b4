//! Elements to resources and back.

use crate::model::{
    Admin, Attr, Dataset, Device, Element, Entry, Fs, MemoryCap, Net, Node, Property, Pset, Rctl,
    RctlValue, Resource, SecurityFlags, TmpPool,
};

/// The attributes that the typed form of an element holds, in the order in which they are written, and its
/// one known kind of child.
struct Form {
    attributes: &'static [&'static str],
    child: Option<&'static str>,
}

const fn form(name: &str) -> Option<Form> {
    let (attributes, child): (&'static [&'static str], Option<&'static str>) = match name.as_bytes()
    {
        b"filesystem" => (&["special", "raw", "directory", "type"], Some("fsoption")),
        b"network" => (
            &[
                "address",
                "allowed-address",
                "physical",
                "defrouter",
                "mac-addr",
                "vlan-id",
                "global-nic",
            ],
            Some("net-attr"),
        ),
        b"device" => (&["match"], Some("net-attr")),
        b"rctl" => (&["name"], Some("rctl-value")),
        b"attr" => (&["name", "type", "value"], None),
        b"dataset" | b"fsoption" => (&["name"], None),
        b"admin" => (&["user", "auths"], None),
        b"pset" => (&["ncpu_min", "ncpu_max"], None),
        b"tmp_pool" => (&["importance"], None),
        b"mcap" => (&["physcap"], None),
        b"security-flags" => (&["default", "lower", "upper"], None),
        b"net-attr" => (&["name", "value"], None),
        b"rctl-value" => (&["priv", "limit", "action"], None),
        _ => return None,
    };
    Some(Form { attributes, child })
}

fn text(element: &Element, name: &str) -> String {
    element.get(name).unwrap_or_default().to_owned()
}

fn optional(element: &Element, name: &str) -> Option<String> {
    element.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn properties(element: &Element) -> Vec<Property> {
    element
        .elements()
        .filter(|child| child.name == "net-attr")
        .map(|child| Property { name: text(child, "name"), value: text(child, "value") })
        .collect()
}

fn resource(e: &Element) -> Option<Resource> {
    Some(match e.name.as_str() {
        "filesystem" => Resource::Fs(Fs {
            dir: text(e, "directory"),
            special: text(e, "special"),
            raw: optional(e, "raw"),
            fs_type: text(e, "type"),
            options: e
                .elements()
                .filter(|c| c.name == "fsoption")
                .map(|c| text(c, "name"))
                .collect(),
        }),
        "network" => Resource::Net(Net {
            address: optional(e, "address"),
            allowed_address: optional(e, "allowed-address"),
            physical: text(e, "physical"),
            defrouter: optional(e, "defrouter"),
            mac_addr: optional(e, "mac-addr"),
            vlan_id: optional(e, "vlan-id"),
            global_nic: optional(e, "global-nic"),
            properties: properties(e),
        }),
        "device" => {
            Resource::Device(Device { matches: text(e, "match"), properties: properties(e) })
        }
        "rctl" => Resource::Rctl(Rctl {
            name: text(e, "name"),
            values: e
                .elements()
                .filter(|c| c.name == "rctl-value")
                .map(|c| RctlValue {
                    privilege: text(c, "priv"),
                    limit: text(c, "limit"),
                    action: text(c, "action"),
                })
                .collect(),
        }),
        "attr" => Resource::Attr(Attr {
            name: text(e, "name"),
            attr_type: text(e, "type"),
            value: text(e, "value"),
        }),
        "dataset" => Resource::Dataset(Dataset { name: text(e, "name") }),
        "admin" => Resource::Admin(Admin { user: text(e, "user"), auths: text(e, "auths") }),
        "pset" => {
            Resource::Pset(Pset { ncpu_min: text(e, "ncpu_min"), ncpu_max: text(e, "ncpu_max") })
        }
        "tmp_pool" => Resource::TmpPool(TmpPool { importance: text(e, "importance") }),
        "mcap" => Resource::MemoryCap(MemoryCap { physcap: text(e, "physcap") }),
        "security-flags" => Resource::SecurityFlags(SecurityFlags {
            default: text(e, "default"),
            lower: text(e, "lower"),
            upper: text(e, "upper"),
        }),
        _ => return None,
    })
}

/// Reads one child of the `zone` element.
pub(crate) fn entry_from_node(node: Node) -> Entry {
    let element = match node {
        Node::Element(element) => element,
        Node::Text(_) | Node::Raw(_) => return Entry::from(Resource::Other(node)),
    };
    match resource(&element) {
        None => Entry::from(Resource::Unknown(element)),
        Some(resource) if self::element(&resource) == element => Entry::from(resource),
        Some(resource) => Entry { resource, as_read: Some(Box::new(element)) },
    }
}

/// The element of an entry: as it was read where nothing changed, else in canonical form together with
/// what was unknown in it.
pub(crate) fn entry_to_element(entry: &Entry) -> Element {
    let written = element(&entry.resource);
    let Some(read) = &entry.as_read else { return written };
    if resource(read).as_ref() == Some(&entry.resource) {
        return (**read).clone();
    }
    merge_unknown(written, read)
}

fn merge_unknown(mut written: Element, read: &Element) -> Element {
    let Some(form) = form(&written.name) else { return written };
    for (name, value) in read.attributes.iter() {
        if !form.attributes.contains(&name) {
            written.attributes.set(name, value);
        }
    }
    for node in &read.children {
        let known = matches!(node, Node::Element(child) if form.child == Some(&child.name));
        if !known {
            written.children.push(node.clone());
        }
    }
    written
}

fn element(resource: &Resource) -> Element {
    match resource {
        Resource::Fs(fs) => {
            let mut e = Element::new("filesystem")
                .with("special", fs.special.as_str())
                .with("raw", fs.raw.as_deref())
                .with("directory", fs.dir.as_str())
                .with("type", fs.fs_type.as_str());
            e.children = fs.options.iter().map(|o| node("fsoption", &[("name", o)])).collect();
            e
        }
        Resource::Net(net) => {
            let mut e = Element::new("network")
                .with("address", net.address.as_deref())
                .with("allowed-address", net.allowed_address.as_deref())
                .with("physical", net.physical.as_str())
                .with("defrouter", net.defrouter.as_deref())
                .with("mac-addr", net.mac_addr.as_deref())
                .with("vlan-id", net.vlan_id.as_deref())
                .with("global-nic", net.global_nic.as_deref());
            e.children = property_nodes(&net.properties);
            e
        }
        Resource::Device(device) => {
            let mut e = Element::new("device").with("match", device.matches.as_str());
            e.children = property_nodes(&device.properties);
            e
        }
        Resource::Rctl(rctl) => {
            let mut e = Element::new("rctl").with("name", rctl.name.as_str());
            e.children = rctl
                .values
                .iter()
                .map(|v| {
                    node(
                        "rctl-value",
                        &[("priv", &v.privilege), ("limit", &v.limit), ("action", &v.action)],
                    )
                })
                .collect();
            e
        }
        Resource::Attr(attr) => Element::new("attr")
            .with("name", attr.name.as_str())
            .with("type", attr.attr_type.as_str())
            .with("value", attr.value.as_str()),
        Resource::Dataset(dataset) => Element::new("dataset").with("name", dataset.name.as_str()),
        Resource::Admin(admin) => Element::new("admin")
            .with("user", admin.user.as_str())
            .with("auths", admin.auths.as_str()),
        Resource::Pset(pset) => Element::new("pset")
            .with("ncpu_min", pset.ncpu_min.as_str())
            .with("ncpu_max", pset.ncpu_max.as_str()),
        Resource::TmpPool(pool) => {
            Element::new("tmp_pool").with("importance", pool.importance.as_str())
        }
        Resource::MemoryCap(cap) => Element::new("mcap").with("physcap", cap.physcap.as_str()),
        Resource::SecurityFlags(flags) => Element::new("security-flags")
            .with("default", flags.default.as_str())
            .with("lower", flags.lower.as_str())
            .with("upper", flags.upper.as_str()),
        Resource::Unknown(element) => element.clone(),
        // Entries of this kind are printed as nodes and never asked for an element.
        Resource::Other(_) => Element::default(),
    }
}

fn node(name: &str, attributes: &[(&str, &str)]) -> Node {
    let mut element = Element::new(name);
    for (key, value) in attributes {
        element.attributes.set(key, value);
    }
    Node::Element(element)
}

fn property_nodes(properties: &[Property]) -> Vec<Node> {
    properties.iter().map(|p| node("net-attr", &[("name", &p.name), ("value", &p.value)])).collect()
}
