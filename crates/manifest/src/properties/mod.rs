//! The property table: one row for each property that a payload or a VM object can have.
//!
//! Validation, JSON Schema, the mapping to zone XML, `list -o` columns, completions and the manual
//! page's property list are all read from here. Rows of nested objects are named like `nics.*.mac`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::action::Action;
use crate::brand::{Brand, Flavour};
use crate::suggest;

mod computed;
mod disks;
mod hvm;
mod metadata;
mod nics;
mod resources;
mod row;
mod storage;
mod types;
mod zone;

pub use row::Property;
pub use types::{
    Column, DatasetType, ElementRule, Encoding, Flatten, Kind, OnOmniOs, RctlAction, Source,
    ZfsSource, ZoneXml,
};

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
    /// All brands.
    pub const ANY: BrandSet = OS.union(HVM);
    pub const BHYVE: BrandSet = BrandSet::of(&[Brand::Bhyve]);
    pub const KVM: BrandSet = BrandSet::of(&[Brand::Kvm]);
    pub const LX: BrandSet = BrandSet::of(&[Brand::Lx]);
    /// All brands but bhyve.
    pub const NOT_BHYVE: BrandSet = OS.union(KVM);
    /// Brands that can run Docker images.
    pub const CONTAINER: BrandSet = BrandSet::of(&[Brand::JoyentMinimal, Brand::Lx]);
    /// SmartOS's brands whose VMs share the host's kernel: their root always comes from an image.
    pub const SMARTOS_OS: BrandSet =
        BrandSet::of(&[Brand::Joyent, Brand::JoyentMinimal, Brand::Builder, Brand::Lx]);
    /// SmartOS's brands but bhyve.
    pub const SMARTOS_NOT_BHYVE: BrandSet = SMARTOS_OS.union(KVM);
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

/// The same on one system: properties that only OmniOS has are none elsewhere.
pub fn find_on(name: &str, flavour: Flavour) -> Option<&'static Property> {
    find(name).filter(|property| flavour == Flavour::OmniOs || !property.is_of_omnios())
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

/// The known property whose name is nearest to `name`, of those that a payload for `action` and
/// `brand` may have. For a nested name only the element's properties are candidates.
pub fn suggest(name: &str, action: Action, brand: Brand, flavour: Flavour) -> Option<&'static str> {
    let allowed = PROPERTIES.iter().filter(|property| property.allows(action, brand, flavour));
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
        let suggest = |name: &str, brand: Brand| {
            super::suggest(name, Action::Create, brand, Flavour::SmartOs)
        };
        assert_eq!(suggest("vcpu", Brand::Bhyve), Some("vcpus"));
        assert_eq!(suggest("vcpu", Brand::Joyent), None);
        assert_eq!(suggest("nics.*.nictag", Brand::Joyent), Some("nics.*.nic_tag"));
        assert_eq!(suggest("qouta", Brand::Joyent), Some("quota"));
    }

    #[test]
    fn what_only_omnios_has_is_unknown_elsewhere() {
        let name = "set_zone_attributes";
        assert!(find_on(name, Flavour::OmniOs).is_some());
        assert!(find_on(name, Flavour::SmartOs).is_none());
        let suggest =
            |flavour| suggest("set_zone_atributes", Action::Update, Brand::Bhyve, flavour);
        assert_eq!(suggest(Flavour::OmniOs), Some(name));
        assert_eq!(suggest(Flavour::SmartOs), None);
    }

    #[test]
    fn every_row_is_decided_for_omnios() {
        for property in PROPERTIES {
            let why = match property.omnios.expect(property.name) {
                OnOmniOs::Same => continue,
                OnOmniOs::Not(why) => why,
            };
            let is_clause = !why.is_empty() && !why.ends_with('.') && !why.contains('\n');
            assert!(is_clause, "{}: {why}", property.name);
        }
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
