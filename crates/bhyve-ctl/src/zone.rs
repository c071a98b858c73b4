//! The parts of a zone's configuration that the virtual machine brands read.
//!
//! Brand programs are laxer than zonecfg: OmniOS's read the XML document itself and so meet attributes without a
//! value and names that occur twice. This view keeps what they see, in document order.

use zonecfg::model::{Attributes, Element};

/// A zone as a virtual machine brand sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HvmZone {
    /// Zone name.
    pub name: String,
    /// Absolute path of the zone's directory.
    pub zonepath: String,
    /// Brand: `bhyve` or `kvm`.
    pub brand: String,
    /// Debug ID, where the document has one.
    pub debugid: Option<String>,
    /// Generic attributes in document order. A name may occur more than once.
    pub attrs: Vec<Attr>,
    /// Devices in document order.
    pub devices: Vec<Device>,
    /// Network interfaces in document order.
    pub nets: Vec<Net>,
}

/// A generic attribute (`attr`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attr {
    /// Name, as it stands in the document.
    pub name: String,
    /// Value; absent where the document has none.
    pub value: Option<String>,
}

/// A device and its properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// What the device matches: a path.
    pub matches: String,
    /// Properties in document order.
    pub properties: Vec<Attr>,
}

/// A network interface and its properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Net {
    /// Datalink; absent where the document has none.
    pub physical: Option<String>,
    /// Further attributes of the element (`mac-addr`, `allowed-address`, …).
    pub attributes: Attributes,
    /// Properties in document order.
    pub properties: Vec<Attr>,
}

impl HvmZone {
    /// The view of a parsed document's root element.
    pub fn from_element(root: &Element) -> Self {
        let text = |name: &str| root.get(name).unwrap_or_default().to_owned();
        let mut zone = Self {
            name: text("name"),
            zonepath: text("zonepath"),
            brand: text("brand"),
            debugid: root.get("debugid").map(str::to_owned),
            ..Self::default()
        };
        for child in root.elements() {
            match child.name.as_str() {
                "attr" => zone.attrs.extend(Attr::from_element(child)),
                "device" => zone.devices.push(Device {
                    matches: child.get("match").unwrap_or_default().to_owned(),
                    properties: properties(child),
                }),
                "network" => zone.nets.push(Net {
                    physical: child.get("physical").map(str::to_owned),
                    attributes: child.attributes.clone(),
                    properties: properties(child),
                }),
                _ => {}
            }
        }
        zone
    }

    /// Reads a zone's XML document.
    ///
    /// # Errors
    /// The document is not well formed.
    pub fn from_xml(text: &str) -> Result<Self, zonecfg::xml::Error> {
        let document = zonecfg::xml::parse(text)?;
        if document.root.name != "zone" {
            return Err(zonecfg::xml::Error::NotAZone(document.root.name));
        }
        Ok(Self::from_element(&document.root))
    }

    /// The first generic attribute of exactly that name.
    pub fn find(&self, name: &str) -> Option<&Attr> {
        self.attrs.iter().find(|attr| attr.name == name)
    }

    /// The value of the first generic attribute of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.find(name)?.value.as_deref()
    }
}

impl Attr {
    fn from_element(element: &Element) -> Option<Self> {
        let name = element.get("name")?.to_owned();
        Some(Self { name, value: element.get("value").map(str::to_owned) })
    }
}

impl Device {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        property(&self.properties, name)
    }
}

impl Net {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        property(&self.properties, name)
    }
}

fn properties(element: &Element) -> Vec<Attr> {
    element
        .elements()
        .filter(|child| child.name == "net-attr")
        .filter_map(Attr::from_element)
        .collect()
}

fn property<'a>(properties: &'a [Attr], name: &str) -> Option<&'a str> {
    properties.iter().rev().find(|p| p.name == name)?.value.as_deref()
}
