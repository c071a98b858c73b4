//! The configuration of one zone as plain typed data.
//!
//! A [`Zone`] keeps everything that its document held, in order: attributes and elements that are not known
//! here are carried along and written back.

mod element;
mod resources;

pub use element::{Attributes, Element, Node};
pub use resources::{
    Admin, Attr, Dataset, Device, Fs, MemoryCap, Net, Property, Pset, Rctl, RctlValue, Resource,
    SecurityFlags, TmpPool,
};

use crate::xml::convert;

/// Longest zone name, in bytes (zonecfg(8)).
pub const ZONENAME_MAX: usize = 63;

/// Names of the attributes of the `zone` element.
pub mod key {
    /// Zone name.
    pub const NAME: &str = "name";
    /// Absolute path of the zone's directory.
    pub const ZONEPATH: &str = "zonepath";
    /// `true` or `false`.
    pub const AUTOBOOT: &str = "autoboot";
    /// Brand name.
    pub const BRAND: &str = "brand";
    /// `exclusive`; absent means shared.
    pub const IP_TYPE: &str = "ip-type";
    /// Host identifier, hexadecimal.
    pub const HOSTID: &str = "hostid";
    /// Resource pool.
    pub const POOL: &str = "pool";
    /// Privilege limit.
    pub const LIMITPRIV: &str = "limitpriv";
    /// Boot arguments.
    pub const BOOTARGS: &str = "bootargs";
    /// Scheduling class.
    pub const SCHEDULING_CLASS: &str = "scheduling-class";
    /// File system types that may be mounted inside.
    pub const FS_ALLOWED: &str = "fs-allowed";
    /// Debug ID: a small number that no other zone of the machine ever had.
    pub const DEBUGID: &str = "debugid";
}

/// How a zone uses the IP stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpType {
    /// Shares the global zone's stack.
    #[default]
    Shared,
    /// Has its own stack and datalinks.
    Exclusive,
}

impl IpType {
    /// The word in `set ip-type=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }

    /// The two letters in the index.
    pub const fn index_str(self) -> &'static str {
        match self {
            Self::Shared => "sh",
            Self::Exclusive => "ex",
        }
    }
}

/// A resource together with the element it was read from, when that says more than the resource does
/// (unknown attributes, another order of attributes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The resource.
    pub resource: Resource,
    pub(crate) as_read: Option<Box<Element>>,
}

impl From<Resource> for Entry {
    fn from(resource: Resource) -> Self {
        Self { resource, as_read: None }
    }
}

impl Entry {
    /// The element to write for this resource.
    pub(crate) fn element(&self) -> Element {
        convert::entry_to_element(self)
    }
}

/// The configuration of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Attributes of the `zone` element, in order; see [`key`].
    pub attributes: Attributes,
    /// Resources in the order in which they stand in the document.
    pub resources: Vec<Entry>,
}

impl Zone {
    /// An empty configuration as `create -b` begins with.
    pub fn new(name: &str, brand: &str) -> Self {
        let mut attributes = Attributes::default();
        attributes.set(key::NAME, name);
        attributes.set(key::ZONEPATH, "");
        attributes.set(key::AUTOBOOT, "false");
        attributes.set(key::BRAND, brand);
        Self { attributes, resources: Vec::new() }
    }

    /// A zone attribute that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).filter(|value| !value.is_empty())
    }

    /// Sets a zone attribute; see [`key`].
    pub fn set(&mut self, name: &str, value: &str) {
        self.attributes.set(name, value);
    }

    /// Zone name; empty where the document had none.
    pub fn name(&self) -> &str {
        self.get(key::NAME).unwrap_or_default()
    }

    /// Zone path; empty until it is set.
    pub fn zonepath(&self) -> &str {
        self.get(key::ZONEPATH).unwrap_or_default()
    }

    /// Whether the zone boots with the machine.
    pub fn autoboot(&self) -> bool {
        self.get(key::AUTOBOOT) == Some("true")
    }

    /// Brand, if the document names one.
    pub fn brand(&self) -> Option<&str> {
        self.get(key::BRAND)
    }

    /// IP type; shared unless it says exclusive.
    pub fn ip_type(&self) -> IpType {
        if self.get(key::IP_TYPE) == Some("exclusive") { IpType::Exclusive } else { IpType::Shared }
    }

    /// Sets the IP type. Shared is stored as no attribute at all.
    pub fn set_ip_type(&mut self, ip_type: IpType) {
        match ip_type {
            IpType::Shared => self.attributes.remove(key::IP_TYPE),
            IpType::Exclusive => self.attributes.set(key::IP_TYPE, "exclusive"),
        }
    }

    /// Debug ID, once the zone has one.
    pub fn debugid(&self) -> Option<u32> {
        self.get(key::DEBUGID)?.parse().ok()
    }

    /// Resources in document order.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().map(|entry| &entry.resource)
    }

    /// Adds a resource at the end.
    pub fn add(&mut self, resource: impl Into<Resource>) {
        self.resources.push(Entry::from(resource.into()));
    }

    /// Network interfaces.
    pub fn nets(&self) -> impl Iterator<Item = &Net> {
        self.resources().filter_map(|r| if let Resource::Net(net) = r { Some(net) } else { None })
    }

    /// Devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.resources()
            .filter_map(|r| if let Resource::Device(device) = r { Some(device) } else { None })
    }

    /// File systems.
    pub fn filesystems(&self) -> impl Iterator<Item = &Fs> {
        self.resources().filter_map(|r| if let Resource::Fs(fs) = r { Some(fs) } else { None })
    }

    /// Generic attributes.
    pub fn attrs(&self) -> impl Iterator<Item = &Attr> {
        self.resources()
            .filter_map(|r| if let Resource::Attr(attr) = r { Some(attr) } else { None })
    }

    /// The value of the generic attribute of that name.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs().find(|attr| attr.name == name).map(|attr| attr.value.as_str())
    }

    /// Delegated datasets.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.resources()
            .filter_map(|r| if let Resource::Dataset(d) = r { Some(d.name.as_str()) } else { None })
    }

    /// Resource controls.
    pub fn rctls(&self) -> impl Iterator<Item = &Rctl> {
        self.resources()
            .filter_map(|r| if let Resource::Rctl(rctl) = r { Some(rctl) } else { None })
    }

    /// The first limit of the resource control of that name (`zone.max-lwps`, …), as stored.
    pub fn rctl_limit(&self, name: &str) -> Option<u64> {
        let rctl = self.rctls().find(|rctl| rctl.name == name)?;
        rctl.values.first()?.limit.parse().ok()
    }

    /// Delegated administrators.
    pub fn admins(&self) -> impl Iterator<Item = &Admin> {
        self.resources()
            .filter_map(|r| if let Resource::Admin(admin) = r { Some(admin) } else { None })
    }

    /// The dedicated processors, if any.
    pub fn pset(&self) -> Option<&Pset> {
        self.resources().find_map(|r| if let Resource::Pset(pset) = r { Some(pset) } else { None })
    }

    /// The temporary pool that goes with dedicated processors, if any.
    pub fn tmp_pool(&self) -> Option<&TmpPool> {
        self.resources()
            .find_map(|r| if let Resource::TmpPool(pool) = r { Some(pool) } else { None })
    }

    /// The security flags, if set.
    pub fn security_flags(&self) -> Option<&SecurityFlags> {
        self.resources()
            .find_map(|r| if let Resource::SecurityFlags(flags) = r { Some(flags) } else { None })
    }
}
