//! The property table: one row for each property that a payload or a VM object can have.
//!
//! Validation, JSON Schema, the mapping to zone XML, `list -o` columns, completions and the manual page's property list
//! are all read from here. Rows of nested objects are named like `nics.*.mac`.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::action::Action;
use crate::brand::{Brand, BrandSet};
use crate::suggest;

mod computed;
mod disks;
mod hvm;
mod metadata;
mod nics;
mod resources;
mod storage;
mod zone;

/// Sets of brands that rows are written with.
pub mod brands {
    use crate::brand::{Brand, BrandSet};

    /// Brands whose VMs share the host's kernel.
    pub const OS: BrandSet = BrandSet::of(&[
        Brand::Joyent,
        Brand::JoyentMinimal,
        Brand::Builder,
        Brand::Lx,
        Brand::Ipkg,
        Brand::Lipkg,
        Brand::Sparse,
        Brand::Pkgsrc,
        Brand::Illumos,
    ]);
    /// Brands whose VMs run a kernel of their own.
    pub const HVM: BrandSet = BrandSet::of(&[Brand::Bhyve, Brand::Kvm]);
    pub const ANY: BrandSet = OS.union(HVM);
    pub const BHYVE: BrandSet = BrandSet::of(&[Brand::Bhyve]);
    pub const KVM: BrandSet = BrandSet::of(&[Brand::Kvm]);
    pub const LX: BrandSet = BrandSet::of(&[Brand::Lx]);
    pub const NOT_BHYVE: BrandSet = OS.union(KVM);
    /// Brands that can run Docker images.
    pub const CONTAINER: BrandSet = BrandSet::of(&[Brand::JoyentMinimal, Brand::Lx]);
    /// SmartOS's brands whose VMs share the host's kernel: their root always comes from an image.
    pub const SMARTOS_OS: BrandSet =
        BrandSet::of(&[Brand::Joyent, Brand::JoyentMinimal, Brand::Builder, Brand::Lx]);
    pub const SMARTOS_NOT_BHYVE: BrandSet = SMARTOS_OS.union(KVM);
}

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
    /// `0x` and an even number of hexadecimal digits, 512 characters at most.
    DhcpClientId,
    IpAddress,
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

/// One property. For nested properties `create` and `receive` say where it may be given in an element that is added, and
/// `update` where in one that is changed.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    pub name: &'static str,
    /// The type of its value in a payload; `None` where no payload may have it.
    pub kind: Option<Kind>,
    pub create: BrandSet,
    pub receive: BrandSet,
    pub update: BrandSet,
    /// Brands that create and receive require it for.
    pub required: BrandSet,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub element: Option<ElementRule>,
    /// The property that elements of `add_…` and `update_…` arrays are checked as.
    pub checked_as: Option<&'static str>,
    pub source: Source,
    pub zfs: Option<ZfsSource>,
    pub encoding: Encoding,
    /// Other properties that must be loaded to compute it.
    pub depends_on: &'static [&'static str],
    pub flatten: Option<Flatten>,
    pub column: Option<Column>,
    /// The default value, as the manual page shows it.
    pub default_text: Option<&'static str>,
    /// Whether update changes it in the running VM.
    pub live: bool,
    pub deprecated: bool,
    /// Known in the stored configuration but not part of the VM object.
    pub hidden: bool,
    /// Whether update can change it in an element of a nested array.
    pub updatable: bool,
    /// Whether updating it to 0 stores 0; other integers are unset by 0.
    pub keeps_zero: bool,
    /// One line of documentation.
    pub doc: &'static str,
}

impl Property {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Property {
        Property { kind: Some(kind), ..Property::read_only(name, doc) }
    }

    const fn read_only(name: &'static str, doc: &'static str) -> Property {
        Property {
            name,
            kind: None,
            create: BrandSet::NONE,
            receive: BrandSet::NONE,
            update: BrandSet::NONE,
            required: BrandSet::NONE,
            min: None,
            max: None,
            element: None,
            checked_as: None,
            source: Source::Computed,
            zfs: None,
            encoding: Encoding::Text,
            depends_on: &[],
            flatten: None,
            column: None,
            default_text: None,
            live: false,
            deprecated: false,
            hidden: false,
            updatable: false,
            keeps_zero: false,
            doc,
        }
    }

    const fn create(mut self, brands: BrandSet) -> Property {
        self.create = brands;
        self
    }

    const fn receive(mut self, brands: BrandSet) -> Property {
        self.receive = brands;
        self
    }

    const fn update(mut self, brands: BrandSet) -> Property {
        self.update = brands;
        self
    }

    const fn payload(self, brands: BrandSet) -> Property {
        self.create(brands).receive(brands).update(brands)
    }

    const fn create_receive(self, brands: BrandSet) -> Property {
        self.create(brands).receive(brands)
    }

    const fn add(self, brands: BrandSet) -> Property {
        self.create(brands)
    }

    const fn add_update(self, brands: BrandSet) -> Property {
        self.create(brands).update(brands)
    }

    const fn required(mut self, brands: BrandSet) -> Property {
        self.required = brands;
        self
    }

    const fn min(mut self, min: i64) -> Property {
        self.min = Some(min);
        self
    }

    const fn max(mut self, max: i64) -> Property {
        self.max = Some(max);
        self
    }

    const fn element(mut self, rule: ElementRule) -> Property {
        self.element = Some(rule);
        self
    }

    const fn checked_as(mut self, name: &'static str) -> Property {
        self.checked_as = Some(name);
        self
    }

    const fn stored(mut self, place: ZoneXml) -> Property {
        self.source = Source::ZoneXml(place);
        self
    }

    const fn zone(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Zone(name))
    }

    const fn attr(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Attr(name))
    }

    const fn rctl(self, name: &'static str, action: RctlAction) -> Property {
        self.stored(ZoneXml::Rctl(name, action))
    }

    const fn resources(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Resources(name))
    }

    const fn net_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::NetField(name))
    }

    const fn net_property(self, name: &'static str) -> Property {
        self.stored(ZoneXml::NetProperty(name))
    }

    const fn device_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::DeviceField(name))
    }

    const fn device_property(self, name: &'static str) -> Property {
        self.stored(ZoneXml::DeviceProperty(name))
    }

    const fn fs_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::FsField(name))
    }

    const fn config_json(mut self, key: &'static str) -> Property {
        self.source = Source::ConfigJson(key);
        self
    }

    const fn kstat(mut self, name: &'static str) -> Property {
        self.source = Source::Kstat(name);
        self
    }

    const fn sysinfo(mut self, field: &'static str) -> Property {
        self.source = Source::Sysinfo(field);
        self
    }

    const fn stored_in_zfs(mut self) -> Property {
        self.source = Source::Zfs;
        self
    }

    const fn zfs(
        mut self,
        fields: &'static [&'static str],
        types: &'static [DatasetType],
    ) -> Property {
        self.zfs = Some(ZfsSource { fields, types });
        self
    }

    const fn encoding(mut self, encoding: Encoding) -> Property {
        self.encoding = encoding;
        self
    }

    const fn depends_on(mut self, names: &'static [&'static str]) -> Property {
        self.depends_on = names;
        self
    }

    const fn flatten(mut self, flatten: Flatten) -> Property {
        self.flatten = Some(flatten);
        self
    }

    const fn column(mut self, header: &'static str, width: usize) -> Property {
        self.column = Some(Column { header, width });
        self
    }

    const fn default_text(mut self, text: &'static str) -> Property {
        self.default_text = Some(text);
        self
    }

    const fn live(mut self) -> Property {
        self.live = true;
        self
    }

    const fn deprecated(mut self) -> Property {
        self.deprecated = true;
        self
    }

    const fn hidden(mut self) -> Property {
        self.hidden = true;
        self
    }

    const fn updatable(mut self) -> Property {
        self.updatable = true;
        self
    }

    const fn keeps_zero(mut self) -> Property {
        self.keeps_zero = true;
        self
    }

    /// Whether a payload for `action` on a VM of `brand` may have this property. For nested properties, whether an
    /// element that is added (create, receive) or changed (update) may have it.
    pub const fn allows(&self, action: Action, brand: Brand) -> bool {
        self.brands(action).contains(brand)
    }

    /// The brands whose payloads for `action` may have this property.
    pub const fn brands(&self, action: Action) -> BrandSet {
        match action {
            Action::Create => self.create,
            Action::Receive => self.receive,
            Action::Update => self.update,
        }
    }

    /// Whether any payload of a VM of `brand` may have this property.
    pub const fn known_to(&self, brand: Brand) -> bool {
        self.create.contains(brand) || self.receive.contains(brand) || self.update.contains(brand)
    }

    /// The array that a nested property belongs to and its own name: `nics` and `mac` for `nics.*.mac`.
    pub fn nested(&self) -> Option<(&'static str, &'static str)> {
        self.name.split_once(".*.")
    }
}

const GROUPS: [&[Property]; 8] = [
    zone::ROWS,
    resources::ROWS,
    storage::ROWS,
    disks::ROWS,
    nics::ROWS,
    hvm::ROWS,
    metadata::ROWS,
    computed::ROWS,
];

const fn count() -> usize {
    let mut total = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        total += GROUPS[group].len();
        group += 1;
    }
    total
}

#[expect(clippy::large_stack_arrays, reason = "only evaluated at compile time")]
const fn join() -> [Property; count()] {
    let mut all = [GROUPS[0][0]; count()];
    let (mut next, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            all[next] = GROUPS[group][row];
            next += 1;
            row += 1;
        }
        group += 1;
    }
    all
}

static TABLE: [Property; count()] = join();

/// Every property, by subject.
pub static PROPERTIES: &[Property] = &TABLE;

static BY_NAME: LazyLock<HashMap<&'static str, &'static Property>> =
    LazyLock::new(|| PROPERTIES.iter().map(|property| (property.name, property)).collect());

/// The row of the property called `name`.
pub fn find(name: &str) -> Option<&'static Property> {
    BY_NAME.get(name).copied()
}

/// The rows of the elements of `array`: those named `nics.*.…` for `nics`.
pub fn nested(array: &str) -> impl Iterator<Item = &'static Property> {
    PROPERTIES
        .iter()
        .filter(move |property| property.nested().is_some_and(|(parent, _)| parent == array))
}

/// The member by which update finds an element of an object array.
pub fn element_key(array: &str) -> Option<&'static str> {
    match array {
        "nics" => Some("mac"),
        "disks" | "pci_devices" => Some("path"),
        "filesystems" => Some("target"),
        _ => None,
    }
}

/// The known property whose name is nearest to `name`, of those that a payload for `action` and `brand` may have. For a
/// nested name only the element's properties are candidates.
pub fn suggest(name: &str, action: Action, brand: Brand) -> Option<&'static str> {
    let allowed = PROPERTIES.iter().filter(|property| property.allows(action, brand));
    let Some((array, member)) = name.split_once(".*.") else {
        let top_level = allowed.filter(|property| property.nested().is_none());
        return suggest::nearest(name, top_level.map(|property| property.name));
    };
    let members = || {
        allowed.clone().filter_map(|property| {
            let (parent, member) = property.nested()?;
            (parent == array).then_some((member, property.name))
        })
    };
    let near = suggest::nearest(member, members().map(|(member, _)| member))?;
    members().find(|(member, _)| *member == near).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        assert_eq!(BY_NAME.len(), PROPERTIES.len());
    }

    #[test]
    fn rows_are_found_by_name() {
        assert_eq!(find("nics.*.mac").and_then(Property::nested), Some(("nics", "mac")));
        assert!(find("nic.*.mac").is_none());
        assert!(nested("filesystems").all(|property| property.name.starts_with("filesystems.*.")));
        assert_eq!(nested("filesystems").count(), 5);
    }

    #[test]
    fn suggestions_fit_the_brand() {
        assert_eq!(suggest("vcpu", Action::Create, Brand::Bhyve), Some("vcpus"));
        assert_eq!(suggest("vcpu", Action::Create, Brand::Joyent), None);
        assert_eq!(suggest("nics.*.nictag", Action::Create, Brand::Joyent), Some("nics.*.nic_tag"));
        assert_eq!(suggest("qouta", Action::Create, Brand::Joyent), Some("quota"));
    }

    #[test]
    fn every_row_is_documented_in_one_line() {
        for property in PROPERTIES {
            assert!(
                property.doc.ends_with('.') && !property.doc.contains('\n'),
                "{}",
                property.name
            );
        }
    }
}
