//! What the columns of the table can hold.

use std::fmt;

/// The type of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Boolean,
    Integer,
    /// An array of strings or numbers, or a string with commas.
    List,
    /// An object whose values are strings, numbers or booleans.
    FlatObject,
    ObjectArray,
    Uuid,
    /// The name of an existing pool.
    Zpool,
}

impl Kind {
    /// The name that the manual pages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::List => "list",
            Kind::FlatObject => "flat-object",
            Kind::ObjectArray => "object-array",
            Kind::Uuid => "uuid",
            Kind::Zpool => "zpool",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a property on OmniOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOmniOs {
    /// The same as on SmartOS.
    Same,
    /// A payload that asks for it is refused, and VM objects do not have it, for this reason.
    Not(&'static str),
}

/// What happens when a resource control is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RctlAction {
    Deny,
    None,
}

/// A place in a zone's XML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneXml {
    /// An attribute of the zone element.
    Zone(&'static str),
    /// An `attr` resource of this name.
    Attr(&'static str),
    /// The value of a privileged resource control.
    Rctl(&'static str, RctlAction),
    /// All resources of this type: `network`, `device` or `fs`.
    Resources(&'static str),
    /// An attribute of a network resource.
    NetField(&'static str),
    /// A property (`net-attr`) of a network resource.
    NetProperty(&'static str),
    /// An attribute of a device resource.
    DeviceField(&'static str),
    /// A property (`net-attr`) of a device resource.
    DeviceProperty(&'static str),
    /// An attribute of a filesystem resource.
    FsField(&'static str),
}

impl fmt::Display for ZoneXml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneXml::Zone(name) | ZoneXml::Resources(name) => write!(f, "zone.{name}"),
            ZoneXml::Attr(name) => write!(f, "zone.attr.{name}"),
            ZoneXml::Rctl(name, RctlAction::Deny) => write!(f, "zone.rctl.{name}.privileged.deny"),
            ZoneXml::Rctl(name, RctlAction::None) => write!(f, "zone.rctl.{name}.privileged.none"),
            ZoneXml::NetField(name) => write!(f, "zone.network.{name}"),
            ZoneXml::NetProperty(name) => write!(f, "zone.network.net-attr.{name}"),
            ZoneXml::DeviceField(name) => write!(f, "zone.device.{name}"),
            ZoneXml::DeviceProperty(name) => write!(f, "zone.device.net-attr.{name}"),
            ZoneXml::FsField(name) => write!(f, "zone.filesystem.{name}"),
        }
    }
}

/// Where the value of a property is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it is part of a request, or computed from other properties.
    Computed,
    ZoneXml(ZoneXml),
    /// A key of one of the JSON files in the zone's `config` directory.
    ConfigJson(&'static str),
    /// Properties of datasets; see [`Property::zfs`].
    Zfs,
    /// A statistic of the zone (module `zones`, class `zone_misc`).
    Kstat(&'static str),
    /// A field of `sysinfo`.
    Sysinfo(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Computed => f.write_str("-"),
            Source::ZoneXml(place) => write!(f, "zonexml:{place}"),
            Source::ConfigJson(key) => write!(f, "config-json:{key}"),
            Source::Zfs => f.write_str("zfs"),
            Source::Kstat(name) => write!(f, "kstat:{name}"),
            Source::Sysinfo(name) => write!(f, "sysinfo:{name}"),
        }
    }
}

/// A type of dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetType {
    Filesystem,
    Volume,
    Snapshot,
}

impl DatasetType {
    /// The name that `zfs list -t` takes.
    pub const fn as_str(self) -> &'static str {
        match self {
            DatasetType::Filesystem => "filesystem",
            DatasetType::Volume => "volume",
            DatasetType::Snapshot => "snapshot",
        }
    }
}

/// What of ZFS a property needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZfsSource {
    /// Names of `zfs list -o`.
    pub fields: &'static [&'static str],
    pub types: &'static [DatasetType],
}

/// How a stored text stands for the property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Text,
    Base64,
    /// `true` or `false`.
    Boolean,
    Number,
    /// Bytes, for a value in MiB.
    Mebibytes,
    CommaList,
    NumberList,
    /// Seconds since 1970, for an ISO 8601 time.
    EpochSeconds,
}

/// How a property splits into `key.subkey` names for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flatten {
    /// `resolvers.0`
    Array,
    /// `nics.*.ip`, `nics.0.ip`
    ArrayOfObjects,
    /// `tags.name`
    Object,
}

/// A rule for a text, or for each element of a list, beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementRule {
    /// Letters, digits, dots, dashes and underscores.
    AttributeName,
    /// A path, which may have commas.
    DevicePath,
    /// `0x` and an even number of hexadecimal digits, 512 characters at most.
    DhcpClientId,
    IpAddress,
    /// `low`, `medium` or `high`.
    LinkPriority,
    MacAddress,
    /// A power of two, or two joined by a slash.
    SectorSize,
}

/// A column of `vmadm list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub header: &'static str,
    pub width: usize,
}
