//! The resources a zone can have. Values are text exactly as stored; what is absent or empty is `None`.

use super::{Element, Node};

/// One child of the `zone` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `fs`
    Fs(Fs),
    /// `net`
    Net(Net),
    /// `device`
    Device(Device),
    /// `rctl`
    Rctl(Rctl),
    /// `attr`
    Attr(Attr),
    /// `dataset`
    Dataset(Dataset),
    /// `admin`
    Admin(Admin),
    /// The processors of `dedicated-cpu`.
    Pset(Pset),
    /// The importance of `dedicated-cpu`.
    TmpPool(TmpPool),
    /// The older form of `capped-memory`'s physical limit.
    MemoryCap(MemoryCap),
    /// `security-flags`
    SecurityFlags(SecurityFlags),
    /// An element that this version does not know, kept as it is.
    Unknown(Element),
    /// A comment, processing instruction or stray text, kept as it is.
    Other(Node),
}

/// A file system that is mounted in the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fs {
    /// Mount point inside the zone, absolute.
    pub dir: String,
    /// What is mounted.
    pub special: String,
    /// Raw device to check before mounting, absolute.
    pub raw: Option<String>,
    /// File system type.
    pub fs_type: String,
    /// Mount options.
    pub options: Vec<String>,
}

/// A network interface. Which fields may be set depends on the zone's IP type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Net {
    /// Address with optional prefix length (shared IP).
    pub address: Option<String>,
    /// Address the zone is held to (exclusive IP).
    pub allowed_address: Option<String>,
    /// Interface or datalink.
    pub physical: String,
    /// Default router.
    pub defrouter: Option<String>,
    /// MAC address, groups padded to two digits (SmartOS).
    pub mac_addr: Option<String>,
    /// VLAN (SmartOS).
    pub vlan_id: Option<String>,
    /// NIC tag, etherstub or overlay that the datalink is made over (SmartOS).
    pub global_nic: Option<String>,
    /// Further properties (SmartOS).
    pub properties: Vec<Property>,
}

impl Net {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }
}

/// A device that appears in the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Path or pattern below `/dev`; the property `match`.
    pub matches: String,
    /// Further properties (SmartOS).
    pub properties: Vec<Property>,
}

impl Device {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }
}

/// A name and a value attached to a net or device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Property {
    /// Name, up to 255 bytes.
    pub name: String,
    /// Value, up to 1023 bytes.
    pub value: String,
}

/// A resource control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rctl {
    /// `zone.…`
    pub name: String,
    /// Values in order.
    pub values: Vec<RctlValue>,
}

/// One value of a resource control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RctlValue {
    /// Privilege, `privileged`.
    pub privilege: String,
    /// Limit, decimal, in the control's own unit.
    pub limit: String,
    /// `none` or `deny`.
    pub action: String,
}

impl RctlValue {
    /// A privileged value.
    pub fn privileged(limit: u64, action: &str) -> Self {
        Self {
            privilege: "privileged".to_owned(),
            limit: limit.to_string(),
            action: action.to_owned(),
        }
    }
}

/// A generic attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attr {
    /// Name.
    pub name: String,
    /// `string`, `int`, `uint` or `boolean`.
    pub attr_type: String,
    /// Value.
    pub value: String,
}

/// A delegated dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Dataset name.
    pub name: String,
}

/// A user who may administer the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admin {
    /// User or role.
    pub user: String,
    /// Authorizations, separated by commas.
    pub auths: String,
}

/// Processors dedicated to the zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pset {
    /// Least number.
    pub ncpu_min: String,
    /// Greatest number.
    pub ncpu_max: String,
}

/// The pool that is made for dedicated processors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TmpPool {
    /// Importance.
    pub importance: String,
}

/// The older form of a physical memory limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryCap {
    /// Bytes.
    pub physcap: String,
}

/// Security flags of the zone's processes; empty where not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityFlags {
    /// Flags that processes start with.
    pub default: String,
    /// Flags that cannot be cleared.
    pub lower: String,
    /// Flags that can be set.
    pub upper: String,
}

macro_rules! into_resource {
    ($($name:ident),* $(,)?) => {
        $(impl From<$name> for Resource {
            fn from(value: $name) -> Self {
                Resource::$name(value)
            }
        })*
    };
}

into_resource!(
    Fs,
    Net,
    Device,
    Rctl,
    Attr,
    Dataset,
    Admin,
    Pset,
    TmpPool,
    MemoryCap,
    SecurityFlags
);
