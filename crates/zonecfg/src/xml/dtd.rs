//! The rules of the zone document type (zonecfg.dtd.1), as far as a document can break them.

use super::reader::{Document, Error};
use crate::model::{Element, Node};

/// What an attribute's value may be.
enum Kind {
    Text,
    OneOf(&'static [&'static str]),
}

use Kind::{OneOf, Text};

struct Rule {
    required: &'static [(&'static str, Kind)],
    optional: &'static [(&'static str, Kind)],
    children: &'static [&'static str],
}

const fn rule(
    required: &'static [(&'static str, Kind)],
    optional: &'static [(&'static str, Kind)],
    children: &'static [&'static str],
) -> Rule {
    Rule { required, optional, children }
}

const ZONE: Rule = rule(
    &[("name", Text), ("zonepath", Text), ("autoboot", OneOf(&["true", "false"]))],
    &[
        ("ip-type", Text),
        ("hostid", Text),
        ("pool", Text),
        ("limitpriv", Text),
        ("bootargs", Text),
        ("brand", Text),
        ("debugid", Text),
        ("scheduling-class", Text),
        ("fs-allowed", Text),
        ("version", OneOf(&["1"])),
    ],
    &[
        "filesystem",
        "inherited-pkg-dir",
        "network",
        "device",
        "deleted-device",
        "rctl",
        "attr",
        "dataset",
        "package",
        "patch",
        "dev-perm",
        "tmp_pool",
        "pset",
        "mcap",
        "admin",
        "security-flags",
    ],
);

fn rule_of(name: &str) -> Option<Rule> {
    Some(match name {
        "zone" => ZONE,
        "filesystem" => rule(
            &[("special", Text), ("directory", Text), ("type", Text)],
            &[("raw", Text)],
            &["fsoption"],
        ),
        "fsoption" | "dataset" => rule(&[("name", Text)], &[], &[]),
        "network" => rule(
            &[("physical", Text)],
            &[
                ("address", Text),
                ("allowed-address", Text),
                ("defrouter", Text),
                ("global-nic", Text),
                ("mac-addr", Text),
                ("vlan-id", Text),
            ],
            &["net-attr"],
        ),
        "net-attr" => rule(&[("name", Text), ("value", Text)], &[], &[]),
        "device" => rule(&[("match", Text)], &[], &["net-attr"]),
        "deleted-device" => rule(&[("match", Text)], &[], &[]),
        "inherited-pkg-dir" => rule(&[("directory", Text)], &[], &[]),
        "rctl" => rule(&[("name", Text)], &[], &["rctl-value"]),
        "rctl-value" => rule(&[("priv", Text), ("limit", Text), ("action", Text)], &[], &[]),
        "attr" => rule(
            &[
                ("name", Text),
                ("type", OneOf(&["boolean", "int", "string", "uint"])),
                ("value", Text),
            ],
            &[],
            &[],
        ),
        "package" => rule(&[("name", Text), ("version", Text)], &[], &[]),
        "patch" => rule(&[("id", Text)], &[], &["obsoletes", "incompatible"]),
        "obsoletes" | "incompatible" => rule(&[("id", Text)], &[], &[]),
        "dev-perm" => rule(
            &[("name", Text), ("uid", Text), ("gid", Text), ("mode", Text), ("acl", Text)],
            &[],
            &[],
        ),
        "tmp_pool" => rule(&[("importance", Text)], &[], &[]),
        "pset" => rule(&[("ncpu_min", Text), ("ncpu_max", Text)], &[], &[]),
        "mcap" => rule(&[("physcap", Text)], &[], &[]),
        "admin" => rule(&[("user", Text), ("auths", Text)], &[], &[]),
        "security-flags" => rule(&[], &[("default", Text), ("lower", Text), ("upper", Text)], &[]),
        _ => return None,
    })
}

/// Checks a document; the first breach is the error.
pub(super) fn check(document: &Document) -> Result<(), Error> {
    let doctype = document.doctype.as_deref().ok_or_else(|| invalid("there is no DOCTYPE"))?;
    let root = doctype.split_ascii_whitespace().next().unwrap_or_default();
    if root != document.root.name || root != "zone" {
        return Err(invalid("the root element is not the one that the DOCTYPE names"));
    }
    element(&document.root)
}

fn element(e: &Element) -> Result<(), Error> {
    let name = &e.name;
    let rule = rule_of(name).ok_or_else(|| invalid(format!("element <{name}> is not known")))?;
    for (required, _) in rule.required {
        if e.get(required).is_none() {
            return Err(invalid(format!("<{name}> lacks the attribute '{required}'")));
        }
    }
    for (attribute, value) in e.attributes.iter() {
        let known =
            rule.required.iter().chain(rule.optional).find(|(known, _)| *known == attribute);
        match known {
            None => {
                return Err(invalid(format!("<{name}> has the unknown attribute '{attribute}'")));
            }
            Some((_, OneOf(values))) if !values.contains(&value) => {
                return Err(invalid(format!(
                    "{attribute}=\"{value}\" in <{name}> is none of {}",
                    values.join(", ")
                )));
            }
            Some(_) => {}
        }
    }
    for child in &e.children {
        match child {
            Node::Element(child) if rule.children.contains(&child.name.as_str()) => element(child)?,
            Node::Element(child) => {
                return Err(invalid(format!("<{}> is not allowed in <{name}>", child.name)));
            }
            Node::Text(_) => return Err(invalid(format!("text is not allowed in <{name}>"))),
            Node::Raw(_) => {}
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::Invalid(message.into())
}
