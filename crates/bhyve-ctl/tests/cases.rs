//! Every observed command line of SmartOS's and OmniOS's brands (`data/hvm-cases.jsonl`).

use std::collections::BTreeMap;

use bhyve_ctl::config::Config;
use bhyve_ctl::omnios::{self, boot_order::BootTarget};
use bhyve_ctl::smartos::{self, environment::Environment, kvm, vm::Vm};
use bhyve_ctl::zone::{HvmZone, Net};
use manifest::normalise::assign_pci_slots;
use serde_json::{Value, json};

const CASES: &str = include_str!("data/hvm-cases.jsonl");
const OMNIOS_UUID: &str = "00000000-0000-4000-8000-000000000001";
const SMARTOS_UUID: &str = "564d1234-0000-4000-8000-00000000abcd";
const PLATFORM: &str = "joyent_20220407T000000Z";

/// What a case came to: arguments, or the message of a refusal.
type Outcome = Result<Vec<String>, String>;

fn zone(case: &Value) -> Result<HvmZone, String> {
    let xml = case["xml"].as_str().ok_or("there is no document")?;
    HvmZone::from_xml(xml).map_err(|error| error.to_string())
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)).collect()
}

fn omnios_boot(case: &Value, uuid: &str) -> Result<omnios::bhyve::Boot, String> {
    let host = omnios::bhyve::Host { uuid, exists: &|_| true };
    omnios::bhyve::boot(&zone(case)?, host).map_err(|error| error.to_string())
}

/// The stand-in for dladm that was observed with: an address from the name's characters, none for `nomac0`.
fn observed_mac(net: &Net) -> String {
    let name = net.physical.as_deref().unwrap_or_default().trim();
    let sum: u32 = name.bytes().map(u32::from).sum();
    if name == "nomac0" { String::new() } else { format!("2:8:20:aa:0:{:x}", sum & 0xff) }
}

fn omnios_kvm(case: &Value) -> Outcome {
    let host = omnios::kvm::Host { uuid: None, mac: &observed_mac };
    omnios::kvm::command_line(&zone(case)?, host).map_err(|error| error.to_string())
}

fn smartos_bhyve(case: &Value) -> Outcome {
    let name = case["name"].as_str().unwrap_or_default();
    let pass_through = |path: &str| match path {
        "/devices/pci@0,0/pci8086,1@1/pci10de,2@0" => Some("/dev/ppt0".to_owned()),
        "/devices/pci@0,0/pci8086,1@2/pci10de,2@0" => Some("/dev/ppt1".to_owned()),
        _ => None,
    };
    // What these cases changed is not in their documents.
    let uuid = (name != "nouuid").then_some(SMARTOS_UUID);
    let platform = if name == "uname-other" { "omnios-r151050" } else { PLATFORM };
    let (zonename, environment) = match (case["env"].as_str(), case["xml"].as_str()) {
        (Some(env), _) => (name.to_owned(), Ok(Environment::from_lines(env))),
        (None, None) => (name.to_owned(), Ok(Environment::default())),
        (None, Some(_)) => {
            let mut zone = zone(case)?;
            if name == "did-empty" {
                zone.debugid = None;
            }
            let host = smartos::environment::Host { uuid, pass_through: &pass_through };
            (zone.name.clone(), Environment::of(&zone, host))
        }
    };
    environment
        .and_then(|environment| smartos::bhyve::command_line(&zonename, &environment, platform))
        .map_err(|error| error.to_string())
}

fn check_arguments(case: &Value, outcome: &Outcome) -> Result<(), String> {
    match (outcome, &case["argv"]) {
        (Ok(argv), Value::Array(expected)) if !expected.is_empty() => {
            let expected = strings(&case["argv"]);
            if *argv == expected {
                Ok(())
            } else {
                Err(format!("got      {argv:?}\nexpected {expected:?}"))
            }
        }
        (Ok(argv), _) => Err(format!("is refused by the brand, but got {argv:?}")),
        (Err(message), expected) => {
            if expected.as_array().is_some_and(|argv| !argv.is_empty()) {
                return Err(format!("refused: {message}"));
            }
            check_message(case, message)
        }
    }
}

/// The brand's message, where it has one of its own, is ours.
fn check_message(case: &Value, message: &str) -> Result<(), String> {
    let text = case["text"].as_str().unwrap_or_default();
    let observed = match case["errors"].as_array().and_then(|errors| errors.first()) {
        Some(error) => error.as_str(),
        None => text.lines().find(|line| {
            line.starts_with("Error: ")
                || line.starts_with("ERROR:root:")
                || line.starts_with("zoneadmd-error ")
        }),
    };
    let Some(observed) = observed else { return Ok(()) };
    let observed = observed.trim_start_matches("ERROR:root:").trim_start_matches("zoneadmd-error ");
    // A document that is not there is the program's to report; this model is one that the brand names wrongly.
    let ours = case["xml"].is_null() && case["env"].is_null()
        || observed == "Error: unknown disk model 'virtio-blk'";
    if ours || message == observed {
        Ok(())
    } else {
        Err(format!("got      {message}\nexpected {observed}"))
    }
}

fn check_omnios(case: &Value) -> Result<(), String> {
    match case["name"].as_str() {
        // Started for its reservation only.
        Some("sysboot-S") => {
            let reserved = omnios::bhyve::reservation(&zone(case)?).map_err(|e| e.to_string())?;
            if reserved.is_none() { Ok(()) } else { Err(format!("{reserved:?}")) }
        }
        // The brand fails when it sets the property; here that is left to who starts the zone.
        Some("net-promiscphys-fail") => {
            let properties = omnios_boot(case, OMNIOS_UUID)?.link_properties;
            let expected = [("faillink0".to_owned(), "off")];
            if properties == expected { Ok(()) } else { Err(format!("{properties:?}")) }
        }
        _ => check_arguments(case, &omnios_boot(case, OMNIOS_UUID).map(|boot| boot.argv)),
    }
}

fn target(target: &BootTarget) -> Value {
    match target {
        BootTarget::Path(index) => json!(["path", index]),
        BootTarget::Boot(index) => json!(["boot", index]),
        BootTarget::Pci { slot, function, http: false } => {
            json!(["pci", format!("{slot}.{function}")])
        }
        BootTarget::Pci { slot, function, http: true } => {
            json!(["pci", format!("{slot}.{function}"), "http"])
        }
        BootTarget::App(id) => json!(["app", id]),
    }
}

fn check_boot_order(case: &Value) -> Result<(), String> {
    let observed = &case["case"];
    let boot = match omnios_boot(case, OMNIOS_UUID) {
        Ok(boot) => boot,
        Err(_) if observed["exit"] != 0 => return Ok(()),
        Err(message) => return Err(message),
    };
    let mut calls = Vec::new();
    if let Some(order) = boot.boot_order.order().map_err(|e| e.to_string())? {
        calls.push(json!(["bootorder", order.iter().map(target).collect::<Vec<_>>()]));
    }
    if let Some(next) = boot.boot_order.next().map_err(|e| e.to_string())? {
        calls.push(json!(["bootnext", target(&next)]));
    }
    calls.push(json!(["write", null]));
    let calls = Value::from(calls);
    if calls == observed["uefi_calls"] { Ok(()) } else { Err(format!("{calls}")) }
}

fn check_outside_test_mode(case: &Value) -> Result<(), String> {
    const UUID: &str = "77777777-0000-4000-8000-000000000007";
    let text = case["text"].as_str().unwrap_or_default();
    // A template without variables is a matter of files; what there is to say beforehand is checked.
    let boot = omnios_boot(case, UUID)?;
    if let Some(expected) =
        text.split("--- command\n").find(|part| part.starts_with("/usr/sbin/bhyve"))
    {
        let expected: Vec<&str> =
            expected.lines().take_while(|line| !line.starts_with("--- ")).collect();
        if boot.argv != expected {
            return Err(format!("got      {:?}\nexpected {expected:?}", boot.argv));
        }
    }
    let reserved = boot.reservation.map_or("None".to_owned(), |bytes| format!("'{bytes}'"));
    let expected = format!("state-after {reserved}\n");
    if text.contains(&expected) { Ok(()) } else { Err(expected) }
}

fn check_smartos_kvm(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let extra = kvm::Extra {
        boot: input["extra"]["boot"].as_str().map(str::to_owned),
        disks: input["extra"]["disks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(smartos::vm::Disk::from_object)
            .collect(),
    };
    let existing = strings(&input["exist"]);
    let exists = |path: &str| existing.iter().any(|known| known == path);
    let line = kvm::command_line(&Vm::from_object(&input["vmobj"]), &extra, &exists);
    match (line, case["line"].as_str()) {
        (Ok(line), Some(expected)) => {
            let line = line.script_line();
            if line.trim_end() == expected {
                Ok(())
            } else {
                Err(format!("got      {line}\nexpected {expected}"))
            }
        }
        (Err(error), None) if case["error"] == error.to_string() => Ok(()),
        (outcome, _) => Err(format!("{outcome:?}")),
    }
}

fn check_slots(case: &Value) -> Result<(), String> {
    let case = &case["case"];
    let disks = case["disks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let objects: Vec<_> = disks.iter().filter_map(Value::as_object).collect();
    match assign_pci_slots(&objects, case["legacy_compat"] == true) {
        Ok(slots) => {
            // Observed in the order in which they were given out, here in that of the disks.
            let assigned = disks
                .iter()
                .zip(slots)
                .filter_map(|(disk, slot)| Some(json!([disk["path"], slot?])));
            let mut assigned: Vec<String> = assigned.map(|pair| pair.to_string()).collect();
            let expected = case["out"]["assign"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut expected: Vec<String> = expected.iter().map(Value::to_string).collect();
            assigned.sort();
            expected.sort();
            if assigned == expected { Ok(()) } else { Err(format!("{assigned:?}")) }
        }
        Err(error) => {
            // Where vmadm has nothing for the medium, we name it.
            let observed = case["out"]["error"].as_str().unwrap_or_default();
            let expected = observed.replace("undefined", "disk");
            if error.to_string() == expected { Ok(()) } else { Err(error.to_string()) }
        }
    }
}

#[test]
fn every_observed_case_comes_out_the_same() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("the data are JSON, one case a line");
        let set = case["set"].as_str().unwrap_or_default();
        let result = match set {
            "omnios" => check_omnios(&case),
            "omnios-nontest" => check_outside_test_mode(&case),
            "omnios-bootorder" => check_boot_order(&case),
            "omnios-kvm" => check_arguments(&case, &omnios_kvm(&case)),
            // The system call that this case made fail is not part of working out arguments.
            "smartos" if case["name"] == "inv-setattr" => Ok(()),
            "smartos" => check_arguments(&case, &smartos_bhyve(&case)),
            "smartos-kvm" => check_smartos_kvm(&case),
            "smartos-slots" => check_slots(&case),
            other => Err(format!("unknown set {other}")),
        };
        *counts.entry(set.to_owned()).or_default() += 1;
        if let Err(message) = result {
            failures.push(format!("{set} {}: {message}", case["name"]));
        }
    }
    assert_eq!(counts.values().sum::<usize>(), 298, "{counts:?}");
    assert!(failures.is_empty(), "{} of 298:\n{}", failures.len(), failures.join("\n"));
}

/// What bhyve's own parser made of the arguments: lines, or why it refused them.
fn check_config(case: &Value, observed: &str) -> Result<(), String> {
    let mut argv = strings(&case["argv"]);
    // The request to print the configuration, where the brand has not made it itself.
    if case["set"] == "smartos" {
        let name = argv.pop().ok_or("there are no arguments")?;
        argv.extend(["-o".into(), "config.dump=1".into(), name]);
    }
    let (head, lines) = observed.split_once("--- dump\n").ok_or("nothing was observed")?;
    match Config::of_arguments(&argv) {
        Ok(config) => {
            let expected = lines.replace("config.dump=1\n", "");
            if config.print() == expected { Ok(()) } else { Err(config.print()) }
        }
        // With options that it does not know, bhyve only says how it is used.
        Err(_) if head.contains("usage") => Ok(()),
        Err(error) if head.contains(&error.to_string()) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn bhyves_parser_is_followed() {
    let mut count = 0;
    let mut failures = Vec::new();
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("the data are JSON, one case a line");
        let Some(observed) = case["config"].as_str() else { continue };
        count += 1;
        if let Err(message) = check_config(&case, observed) {
            failures.push(format!("{} {}: {message}", case["set"], case["name"]));
        }
    }
    assert!(count > 170, "{count}");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}
