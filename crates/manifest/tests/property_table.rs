//! The property table against the facts observed of SmartOS's vmadm.

mod common;

use std::collections::HashMap;

use common::TestResult;
use manifest::brand::Brand;
use manifest::properties::{self, Flatten, OnOmniOs, PROPERTIES, Property};
use manifest::{BrandSet, Flavour};

/// Properties that SmartOS's vmadm does not have: see docs/COMPATIBILITY.md.
const ADDED: [&str; 6] = [
    "nics.*.maxbw",
    "nics.*.priority",
    "nics.*.secondary_macs",
    "remove_zone_attributes",
    "set_zone_attributes",
    "zone_attributes",
];

/// A set as the facts write it: groups of brands, or the names of SmartOS's brands in order.
fn brands(set: BrandSet) -> String {
    let mut names: Vec<&str> =
        set.iter().filter(|brand| brand.exists_on(Flavour::SmartOs)).map(Brand::as_str).collect();
    names.sort_unstable();
    match names.join(",").as_str() {
        "" => "-".to_owned(),
        "bhyve,builder,joyent,joyent-minimal,kvm,lx" => "ANY".to_owned(),
        "builder,joyent,joyent-minimal,lx" => "OS".to_owned(),
        "bhyve,kvm" => "HVM".to_owned(),
        names => names.to_owned(),
    }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn ours(property: &Property) -> HashMap<&'static str, String> {
    let zfs = property.zfs;
    HashMap::from([
        ("type", or_dash(property.kind)),
        ("create", brands(property.create)),
        ("receive", brands(property.receive)),
        ("update", brands(property.update)),
        ("required_on_create", brands(property.required)),
        ("min", or_dash(property.min)),
        ("stored_in", property.source.to_string()),
        ("zfs_fields", or_dash(zfs.map(|zfs| zfs.fields.join(",")))),
        (
            "zfs_types",
            or_dash(zfs.map(|zfs| {
                let types: Vec<&str> = zfs.types.iter().map(|kind| kind.as_str()).collect();
                types.join(",")
            })),
        ),
        (
            "flatten",
            or_dash(property.flatten.map(|flatten| match flatten {
                Flatten::Array => "array",
                Flatten::ArrayOfObjects => "array_hash_key",
                Flatten::Object => "hash_key",
            })),
        ),
        ("list_header", or_dash(property.column.map(|column| column.header))),
        ("list_width", or_dash(property.column.map(|column| column.width))),
        ("live_update", or_dash(property.live.then_some("live"))),
        ("deprecated", or_dash(property.deprecated.then_some("deprecated"))),
    ])
}

#[test]
fn every_row_agrees_with_the_facts() -> TestResult {
    let text = common::data("vm-properties.tsv")?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let mut rows = 0;
    for line in lines {
        rows += 1;
        let facts: HashMap<&str, &str> = header.iter().copied().zip(line.split('\t')).collect();
        let name = facts["property"];
        let property = properties::find(name).ok_or(name)?;
        for (column, value) in ours(property) {
            assert_eq!(value, facts[column], "{column} of {name}");
        }
        let max = facts["max"].parse::<f64>().ok();
        assert_eq!(property.max.map(|max| max as f64), max, "max of {name}");
        // "no" in the facts says that there is no default.
        let has_default = !matches!(facts["man_default"], "-" | "no");
        assert_eq!(property.default_text.is_some(), has_default, "default of {name}");
    }
    for name in ADDED {
        assert!(!text.contains(&format!("{name}\t")), "{name} is SmartOS's");
    }
    assert_eq!(rows + ADDED.len(), PROPERTIES.len());
    Ok(())
}

#[test]
fn what_omnios_refuses_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/COMPATIBILITY.md");
    let text = std::fs::read_to_string(path).expect("it is in the repository");
    let (_, omnios) = text.split_once("## OmniOS\n").expect("it has the section");
    let undocumented: Vec<&str> = PROPERTIES
        .iter()
        .filter(|row| row.kind.is_some() && matches!(row.omnios, Some(OnOmniOs::Not(_))))
        .map(|row| row.name)
        .filter(|name| !omnios.contains(&format!("`{name}`")))
        .collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}
