//! Properties in packages of streams: numbers for words, as the DSL stores them.

use std::collections::BTreeMap;

use super::proptable::{self, Attr, Form};
use super::state::Prop;
use super::stream::nvlist::{List, Value};

/// Words that are not numbered in the order off, on.
const NUMBERED: &[(&str, &[(&str, u64)])] = &[
    (
        "compression",
        &[
            ("on", 1),
            ("off", 2),
            ("lzjb", 3),
            ("gzip-1", 5),
            ("gzip-2", 6),
            ("gzip-3", 7),
            ("gzip-4", 8),
            ("gzip-5", 9),
            ("gzip", 10),
            ("gzip-7", 11),
            ("gzip-8", 12),
            ("gzip-9", 13),
            ("zle", 14),
            ("lz4", 15),
        ],
    ),
    (
        "checksum",
        &[
            ("on", 1),
            ("off", 2),
            ("fletcher2", 6),
            ("fletcher4", 7),
            ("sha256", 8),
            ("noparity", 10),
            ("sha512", 11),
            ("skein", 12),
            ("edonr", 13),
        ],
    ),
    ("canmount", &[("off", 0), ("on", 1), ("noauto", 2)]),
    ("snapdir", &[("hidden", 0), ("visible", 1)]),
    ("sync", &[("standard", 0), ("always", 1), ("disabled", 2)]),
    ("primarycache", &[("none", 0), ("metadata", 1), ("all", 2)]),
    ("secondarycache", &[("none", 0), ("metadata", 1), ("all", 2)]),
    ("logbias", &[("latency", 0), ("throughput", 1)]),
    ("redundant_metadata", &[("all", 0), ("most", 1)]),
    ("copies", &[("1", 1), ("2", 2), ("3", 3)]),
    ("version", &[("1", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5)]),
    ("aclmode", &[("discard", 0), ("groupmask", 2), ("passthrough", 3), ("restricted", 4)]),
    (
        "aclinherit",
        &[
            ("discard", 0),
            ("noallow", 1),
            ("passthrough", 3),
            ("restricted", 4),
            ("passthrough-x", 5),
        ],
    ),
];

const OFF_ON: &[(&str, u64)] = &[("off", 0), ("on", 1)];

fn numbered(name: &str, words: &[&str]) -> Option<&'static [(&'static str, u64)]> {
    if let Some((_, table)) = NUMBERED.iter().find(|(n, _)| *n == name) {
        return Some(table);
    }
    (words == ["on", "off"]).then_some(OFF_ON)
}

/// A property as a package carries it; `None` for those that it does not.
pub fn to_value(name: &str, exact: &str) -> Option<Value> {
    let Some(native) = proptable::find(name) else { return Some(Value::Text(exact.to_owned())) };
    if native.attr == Attr::ReadOnly {
        return None;
    }
    match native.form {
        Form::Text => Some(Value::Text(exact.to_owned())),
        Form::Number => exact.parse().ok().map(Value::Number),
        Form::Index(words) => {
            let table = numbered(native.name, words)?;
            table.iter().find(|(w, _)| *w == exact).map(|(_, n)| Value::Number(*n))
        }
    }
}

/// The `-p` form of a property that a package carries; `None` for those unknown here.
fn from_value(name: &str, value: &Value) -> Option<(String, String)> {
    let Some(native) = proptable::find(name) else {
        return match value {
            Value::Text(text) if proptable::is_user(name) => Some((name.to_owned(), text.clone())),
            _ => None,
        };
    };
    // the volume's size is in its stream
    if native.attr == Attr::ReadOnly || matches!(native.name, "volsize" | "volblocksize") {
        return None;
    }
    let exact = match (native.form, value) {
        (Form::Text, Value::Text(text)) => text.clone(),
        (Form::Number, Value::Number(n)) => n.to_string(),
        (Form::Index(words), Value::Number(n)) => {
            let table = numbered(native.name, words)?;
            table.iter().find(|(_, number)| number == n)?.0.to_owned()
        }
        _ => return None,
    };
    Some((native.name.to_owned(), exact))
}

/// The properties in a package's list that apply to a type of dataset.
pub fn read(list: &List, types: u8) -> Vec<(String, String)> {
    list.0
        .iter()
        .filter_map(|(name, value)| from_value(name, value))
        .filter(|(name, _)| proptable::find(name).is_none_or(|n| n.applies_to(types)))
        .collect()
}

/// Puts received values in the place of those that an earlier receive brought.
pub fn apply(props: &mut BTreeMap<String, Prop>, received: &[(String, String)]) {
    for prop in props.values_mut() {
        prop.received = None;
    }
    props.retain(|_, p| p.local.is_some());
    for (name, value) in received {
        props.entry(name.clone()).or_default().received = Some(value.clone());
    }
}

/// The list for a package: what is set or was received.
pub fn write(props: &BTreeMap<String, Prop>) -> List {
    let mut list = List::default();
    for name in props.keys() {
        if let Some((value, _)) = super::state::own(props, name)
            && let Some(value) = to_value(name, value)
        {
            list.put(name.clone(), value);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_survive_a_package() {
        let mut props = BTreeMap::new();
        for (name, value) in [
            ("compression", "lz4"),
            ("quota", "10737418240"),
            ("mountpoint", "/x"),
            ("zoned", "on"),
            ("smartdc:owner", "me"),
            ("canmount", "noauto"),
        ] {
            props.insert(name.to_owned(), Prop { local: Some(value.into()), ..Prop::default() });
        }
        let back = read(&write(&props), proptable::FS);
        assert_eq!(back.len(), props.len());
        for (name, value) in back {
            assert_eq!(props[&name].local.as_deref(), Some(value.as_str()), "{name}");
        }
    }
}
