//! The columns that `list` can show, and the keys that filters, columns and sort orders may name.

use manifest::PROPERTIES;
use manifest::properties::{self, Flatten};

use super::flatten;

/// A column's heading and least width in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub header: String,
    pub width: usize,
}

/// Columns of what is no property but comes with the list of zones.
const OF_ZONES: &[(&str, &str, usize)] =
    &[("hvm", "HVM", 5), ("zone_state", "ZONE_STATE", 10), ("zoneid", "ZONEID", 6)];

/// Width of a column that shows one value out of a list or object.
const INNER_WIDTH: usize = 20;

/// Names of the columns, but for those of inner values.
pub fn names() -> impl Iterator<Item = &'static str> {
    let properties = PROPERTIES.iter().filter(|p| p.column.is_some()).map(|p| p.name);
    properties.chain(OF_ZONES.iter().map(|(name, ..)| *name))
}

fn plain(name: &str) -> Option<(&'static str, usize)> {
    let of_property = properties::find(name).and_then(|property| property.column);
    of_property.map(|column| (column.header, column.width)).or_else(|| {
        let (_, header, width) = OF_ZONES.iter().find(|(zone, ..)| *zone == name)?;
        Some((header, *width))
    })
}

/// The column of that name; `None` where there is none.
pub fn find(name: &str) -> Option<Column> {
    if let Some((header, width)) = plain(name) {
        return Some(Column { header: header.to_owned(), width });
    }
    let parts: Vec<&str> = name.split('.').collect();
    let inner = match parts.as_slice() {
        [list, _, _] => flatten::kind(list) == Some(Flatten::ArrayOfObjects),
        [object, _] => flatten::kind(object) == Some(Flatten::Object),
        _ => false,
    };
    inner.then(|| Column { header: name.to_uppercase(), width: INNER_WIDTH })
}

/// Whether a column or sort order may be that key: one with `*` would not say which item to show.
pub fn single(name: &str) -> bool {
    !["disks", "filesystems", "nics"].iter().any(|list| {
        name.strip_prefix(list).is_some_and(|rest| {
            let mut rest = rest.chars();
            rest.next().is_some() && rest.next() == Some('*')
        })
    })
}

/// Whether a filter may name that key.
pub fn filterable(key: &str) -> bool {
    const DISK: &[&str] =
        &["boot", "image_name", "image_size", "image_uuid", "media", "model", "size", "zpool"];
    const NIC: &[&str] = &[
        "dhcp_server",
        "gateway",
        "interface",
        "ip",
        "mac",
        "model",
        "netmask",
        "nic_tag",
        "vlan_id",
    ];
    if plain(key).is_some() {
        return true;
    }
    let parts: Vec<&str> = key.split('.').collect();
    let place = |index: &str| index.bytes().all(|b| b == b'*' || b.is_ascii_digit());
    match parts.as_slice() {
        ["disks", index, field] => place(index) && DISK.contains(field),
        ["nics", index, field] => place(index) && NIC.contains(field),
        ["tags" | "customer_metadata" | "internal_metadata", _, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_columns_are_twenty_wide() {
        assert_eq!(find("nics.0.ip"), Some(Column { header: "NICS.0.IP".into(), width: 20 }));
        assert_eq!(find("tags.role"), Some(Column { header: "TAGS.ROLE".into(), width: 20 }));
        assert_eq!(find("filesystems.0.type"), None);
        assert_eq!(find("nosuch"), None);
    }

    #[test]
    fn keys_with_a_star_are_for_filters() {
        assert!(!single("nics.*.ip"));
        assert!(single("nics.0.ip"));
        assert!(filterable("nics.*.ip") && filterable("disks.0.size") && filterable("tags.a.b"));
        assert!(!filterable("nics.*.ips") && !filterable("tags") && !filterable("snapshots"));
    }
}
