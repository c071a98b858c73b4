//! A row of the table, and the words that rows are written with.

use super::{
    Column, DatasetType, ElementRule, Encoding, Flatten, Kind, OnOmniOs, RctlAction, Source,
    ZfsSource, ZoneXml,
};
use crate::action::Action;
use crate::brand::{Brand, BrandSet, Flavour};

/// One property. For nested properties `create` and `receive` say where it may be given in an
/// element that is added, and `update` where in one that is changed.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// The name as in payloads; of nested ones `nics.*.mac`.
    pub name: &'static str,
    /// The type of its value in a payload; `None` where no payload may have it.
    pub kind: Option<Kind>,
    /// Brands whose payloads of create may have it.
    pub create: BrandSet,
    /// Brands whose payloads of receive may have it.
    pub receive: BrandSet,
    /// Brands whose payloads of update may have it.
    pub update: BrandSet,
    /// Brands whose payloads may have it on OmniOS alone, beside those above: when it is created or added, and in updates.
    pub create_on_omnios: BrandSet,
    pub update_on_omnios: BrandSet,
    /// Brands that create and receive require it for.
    pub required: BrandSet,
    /// The least value, in the property's own unit.
    pub min: Option<i64>,
    /// The greatest value, in the property's own unit.
    pub max: Option<i64>,
    /// What each element of a list has to be.
    pub element: Option<ElementRule>,
    /// The property that elements of `add_…` and `update_…` arrays are checked as.
    pub checked_as: Option<&'static str>,
    /// Where its value is read from.
    pub source: Source,
    /// The ZFS properties it is made of, where it comes from ZFS.
    pub zfs: Option<ZfsSource>,
    /// How it is written where it is stored.
    pub encoding: Encoding,
    /// Other properties that must be loaded to compute it.
    pub depends_on: &'static [&'static str],
    /// How lookup and list name what is inside it.
    pub flatten: Option<Flatten>,
    /// Its column in list.
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
    /// What becomes of it on OmniOS; every row says.
    pub omnios: Option<OnOmniOs>,
    /// One line of documentation.
    pub doc: &'static str,
}

impl Property {
    pub(super) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Property {
        Property { kind: Some(kind), ..Property::read_only(name, doc) }
    }

    pub(super) const fn read_only(name: &'static str, doc: &'static str) -> Property {
        Property {
            name,
            kind: None,
            create: BrandSet::NONE,
            receive: BrandSet::NONE,
            update: BrandSet::NONE,
            create_on_omnios: BrandSet::NONE,
            update_on_omnios: BrandSet::NONE,
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
            omnios: None,
            doc,
        }
    }

    pub(super) const fn create(mut self, brands: BrandSet) -> Property {
        self.create = brands;
        self
    }

    pub(super) const fn receive(mut self, brands: BrandSet) -> Property {
        self.receive = brands;
        self
    }

    pub(super) const fn update(mut self, brands: BrandSet) -> Property {
        self.update = brands;
        self
    }

    pub(super) const fn payload(self, brands: BrandSet) -> Property {
        self.create(brands).receive(brands).update(brands)
    }

    pub(super) const fn create_receive(self, brands: BrandSet) -> Property {
        self.create(brands).receive(brands)
    }

    pub(super) const fn add(self, brands: BrandSet) -> Property {
        self.create(brands)
    }

    pub(super) const fn add_update(self, brands: BrandSet) -> Property {
        self.create(brands).update(brands)
    }

    pub(super) const fn create_on_omnios(mut self, brands: BrandSet) -> Property {
        self.create_on_omnios = brands;
        self
    }

    pub(super) const fn update_on_omnios(mut self, brands: BrandSet) -> Property {
        self.update_on_omnios = brands;
        self
    }

    pub(super) const fn required(mut self, brands: BrandSet) -> Property {
        self.required = brands;
        self
    }

    pub(super) const fn min(mut self, min: i64) -> Property {
        self.min = Some(min);
        self
    }

    pub(super) const fn max(mut self, max: i64) -> Property {
        self.max = Some(max);
        self
    }

    pub(super) const fn element(mut self, rule: ElementRule) -> Property {
        self.element = Some(rule);
        self
    }

    pub(super) const fn checked_as(mut self, name: &'static str) -> Property {
        self.checked_as = Some(name);
        self
    }

    pub(super) const fn stored(mut self, place: ZoneXml) -> Property {
        self.source = Source::ZoneXml(place);
        self
    }

    pub(super) const fn zone(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Zone(name))
    }

    pub(super) const fn attr(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Attr(name))
    }

    pub(super) const fn rctl(self, name: &'static str, action: RctlAction) -> Property {
        self.stored(ZoneXml::Rctl(name, action))
    }

    pub(super) const fn resources(self, name: &'static str) -> Property {
        self.stored(ZoneXml::Resources(name))
    }

    pub(super) const fn net_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::NetField(name))
    }

    pub(super) const fn net_property(self, name: &'static str) -> Property {
        self.stored(ZoneXml::NetProperty(name))
    }

    pub(super) const fn device_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::DeviceField(name))
    }

    pub(super) const fn device_property(self, name: &'static str) -> Property {
        self.stored(ZoneXml::DeviceProperty(name))
    }

    pub(super) const fn fs_field(self, name: &'static str) -> Property {
        self.stored(ZoneXml::FsField(name))
    }

    pub(super) const fn config_json(mut self, key: &'static str) -> Property {
        self.source = Source::ConfigJson(key);
        self
    }

    pub(super) const fn kstat(mut self, name: &'static str) -> Property {
        self.source = Source::Kstat(name);
        self
    }

    pub(super) const fn sysinfo(mut self, field: &'static str) -> Property {
        self.source = Source::Sysinfo(field);
        self
    }

    pub(super) const fn stored_in_zfs(mut self) -> Property {
        self.source = Source::Zfs;
        self
    }

    pub(super) const fn zfs(
        mut self,
        fields: &'static [&'static str],
        types: &'static [DatasetType],
    ) -> Property {
        self.zfs = Some(ZfsSource { fields, types });
        self
    }

    pub(super) const fn encoding(mut self, encoding: Encoding) -> Property {
        self.encoding = encoding;
        self
    }

    pub(super) const fn depends_on(mut self, names: &'static [&'static str]) -> Property {
        self.depends_on = names;
        self
    }

    pub(super) const fn flatten(mut self, flatten: Flatten) -> Property {
        self.flatten = Some(flatten);
        self
    }

    pub(super) const fn column(mut self, header: &'static str, width: usize) -> Property {
        self.column = Some(Column { header, width });
        self
    }

    pub(super) const fn default_text(mut self, text: &'static str) -> Property {
        self.default_text = Some(text);
        self
    }

    pub(super) const fn live(mut self) -> Property {
        self.live = true;
        self
    }

    pub(super) const fn deprecated(mut self) -> Property {
        self.deprecated = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Property {
        self.hidden = true;
        self
    }

    pub(super) const fn updatable(mut self) -> Property {
        self.updatable = true;
        self
    }

    pub(super) const fn keeps_zero(mut self) -> Property {
        self.keeps_zero = true;
        self
    }

    pub(super) const fn on_omnios(mut self) -> Property {
        self.omnios = Some(OnOmniOs::Same);
        self
    }

    pub(super) const fn not_on_omnios(mut self, why: &'static str) -> Property {
        self.omnios = Some(OnOmniOs::Not(why));
        self
    }

    /// Whether a payload for `action` on a VM of `brand` may have this property on that system. For
    /// nested properties, whether an element that is added (create, receive) or changed (update) may
    /// have it.
    pub const fn allows(&self, action: Action, brand: Brand, flavour: Flavour) -> bool {
        let also =
            matches!(flavour, Flavour::OmniOs) && self.also_on_omnios(action).contains(brand);
        also || self.brands(action).contains(brand)
    }

    /// The brands whose payloads for `action` may have this property on OmniOS alone.
    pub const fn also_on_omnios(&self, action: Action) -> BrandSet {
        match action {
            Action::Create | Action::Receive => self.create_on_omnios,
            Action::Update => self.update_on_omnios,
        }
    }

    /// Whether no payload may have this property but on OmniOS.
    pub const fn is_of_omnios(&self) -> bool {
        let also = !self.create_on_omnios.is_empty() || !self.update_on_omnios.is_empty();
        let both = [self.create, self.receive, self.update];
        also && both[0].is_empty() && both[1].is_empty() && both[2].is_empty()
    }

    /// The brands whose payloads for `action` may have this property on every system that has them.
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

    /// The array that a nested property belongs to and its own name: `nics` and `mac` for
    /// `nics.*.mac`.
    pub fn nested(&self) -> Option<(&'static str, &'static str)> {
        self.name.split_once(".*.")
    }
}
