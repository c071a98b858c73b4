//! Defaults and derived values of create, against the zone configurations that were observed to be
//! made of them.

mod common;

use std::collections::HashMap;

use common::TestResult;
use manifest::properties::{Encoding, PROPERTIES, RctlAction, Source, ZoneXml};
use manifest::{Action, Fields, Object, Payload, RandomIds, js, prepare_create};
use serde_json::Value;

/// What no payload says: written by create itself.
const OF_CREATE: [&str; 9] = [
    "provisioning",
    "vm-version",
    "create-timestamp",
    "transition",
    "zlog-mode",
    "zlog-name",
    "com1",
    "com2",
    "vm-autoboot",
];

/// One `add … end` block or `set` of a script: its type and its values.
struct Block {
    kind: String,
    values: HashMap<String, String>,
}

fn unquoted(text: &str) -> String {
    text.trim().trim_end_matches(';').trim_matches('"').to_owned()
}

/// Splits a script into blocks. The scripts have one command a line, or a block on a line with
/// semicolons.
fn blocks(script: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for command in script.iter().flat_map(|line| line.split("; ")) {
        let command = command.trim().trim_end_matches(";end").trim_end_matches(';');
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "add" if rest.starts_with("property") => {
                let inner = rest.trim_start_matches("property").trim().trim_matches(['(', ')']);
                if let (Some(block), Some((name, value))) =
                    (&mut open, inner.strip_prefix("name=").and_then(|rest| rest.split_once(',')))
                {
                    let value = value.trim().trim_start_matches("value=");
                    block.values.insert(name.to_owned(), unquoted(value));
                }
            }
            "add" => {
                blocks.extend(open.take());
                open = Some(Block { kind: rest.to_owned(), values: HashMap::new() });
            }
            "set" => {
                if let Some((name, value)) = rest.split_once('=') {
                    let value = unquoted(value);
                    match &mut open {
                        Some(block) => drop(block.values.insert(name.to_owned(), value)),
                        None => blocks.push(Block {
                            kind: "set".to_owned(),
                            values: HashMap::from([(name.to_owned(), value)]),
                        }),
                    }
                }
            }
            _ => blocks.extend(open.take()),
        }
        if command == "end" || command.ends_with(";end") || command.ends_with("true;end") {
            blocks.extend(open.take());
        }
    }
    blocks.extend(open);
    blocks
}

fn text(object: &Object, key: &str) -> Option<String> {
    object.value(key).map(js::to_text)
}

/// The property that a `set` of a resource control is made of.
fn rctl(name: &str) -> Option<&'static str> {
    let property = PROPERTIES.iter().find(|property| {
        [RctlAction::Deny, RctlAction::None].iter().any(|action| {
            matches!(property.source, Source::ZoneXml(ZoneXml::Rctl(rctl, own))
                if own == *action && rctl.strip_prefix("zone.") == Some(name))
        })
    });
    property.map(|property| property.name)
}

fn check_block(block: &Block, payload: &Payload, wrong: &mut Vec<String>) {
    let get = |name: &str| block.values.get(name).cloned();
    let mut expect = |what: &str, observed: Option<String>, ours: Option<String>| {
        if observed != ours {
            wrong.push(format!("{what}: observed {observed:?}, ours {ours:?}"));
        }
    };
    match block.kind.as_str() {
        "set" => {
            for (name, value) in &block.values {
                if name == "limitpriv" {
                    expect(name, Some(value.clone()), text(payload.object(), "limit_priv"));
                } else if let Some(key) = rctl(name) {
                    let bytes = key == "max_shm_memory";
                    let ours = payload.integer(key).map(|n| if bytes { n << 20 } else { n });
                    expect(name, Some(value.clone()), ours.map(|n| n.to_string()));
                }
            }
        }
        "capped-memory" => {
            for (name, key) in [
                ("physical", "max_physical_memory"),
                ("locked", "max_locked_memory"),
                ("swap", "max_swap"),
            ] {
                expect(name, get(name), text(payload.object(), key).map(|size| size + "m"));
            }
        }
        "attr" => {
            let name = get("name").unwrap_or_default();
            let property = PROPERTIES.iter().find(|property| {
                matches!(property.source, Source::ZoneXml(ZoneXml::Attr(attr)) if attr == name)
            });
            if let Some(property) = property
                && !OF_CREATE.contains(&name.as_str())
                && property.encoding != Encoding::Base64
            {
                expect(&name, get("value"), text(payload.object(), property.name));
            }
        }
        _ => {}
    }
}

/// Compares the values of resources of one type, in order, with the members of objects.
fn check_resources(
    blocks: &[Block],
    kind: &str,
    objects: &[&Object],
    members: &[(&str, &str)],
    wrong: &mut Vec<String>,
) {
    for (block, object) in blocks.iter().filter(|block| block.kind == kind).zip(objects) {
        for (name, key) in members {
            let ours = text(object, key).filter(|text| !text.is_empty());
            let observed = block.values.get(*name).cloned();
            if observed != ours {
                wrong.push(format!("{kind} {name}: observed {observed:?}, ours {ours:?}"));
            }
        }
    }
}

#[test]
fn observed_configurations_follow_from_prepared_payloads() -> TestResult {
    let mut wrong = Vec::new();
    let mut total = 0;
    for case in common::cases()? {
        let Some(run) = case.run_create.filter(|run| run.checks_passed) else { continue };
        total += 1;
        let mut payload = Payload::from(case.payload);
        prepare_create(Action::Create, &mut payload, &common::facts(), &mut RandomIds)?;
        let blocks = blocks(&run.zonecfg);
        let mut here = Vec::new();
        for block in &blocks {
            check_block(block, &payload, &mut here);
        }
        let nics: Vec<&Object> = payload.objects("add_nics").collect();
        let of_nics = [
            ("gateways", "gateways"),
            ("ips", "ips"),
            ("model", "model"),
            ("global-nic", "nic_tag"),
            ("vlan-id", "vlan_id"),
            ("allow_unfiltered_promisc", "allow_unfiltered_promisc"),
            ("dhcp_server", "dhcp_server"),
            ("network_uuid", "network_uuid"),
        ];
        check_resources(&blocks, "net", &nics, &of_nics, &mut here);
        let disks: Vec<&Object> = payload.objects("add_disks").collect();
        let of_disks = [
            ("model", "model"),
            ("media", "media"),
            ("image-size", "image_size"),
            ("image-uuid", "image_uuid"),
            ("pci-slot", "pci_slot"),
        ];
        check_resources(&blocks, "device", &disks, &of_disks, &mut here);
        wrong.extend(here.iter().map(|problem| format!("{}: {problem}", case.name)));
    }
    assert!(total > 150, "only {total} cases");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn scripts_are_split_into_blocks() {
    let script = [
        "set cpu-shares=100",
        "add attr; set name=\"provisioning\"; set type=string; set value=true;end",
        "add net",
        "set global-nic=admin",
        "add property (name=ips, value=\"dhcp\")",
        "end",
    ];
    let blocks = blocks(&script.map(str::to_owned));
    let kinds: Vec<&str> = blocks.iter().map(|block| block.kind.as_str()).collect();
    assert_eq!(kinds, ["set", "attr", "net"]);
    assert_eq!(blocks[1].values["value"], "true");
    assert_eq!(blocks[2].values["ips"], "dhcp");
    assert_eq!(Value::from(blocks[2].values["global-nic"].as_str()), "admin");
}
