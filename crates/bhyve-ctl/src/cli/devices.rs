//! `bhyve-ctl devices`: the PCI devices of a virtual machine.

use serde_json::{Value, json};

use super::control::print_json;
use super::host::Host;
use crate::machine::Machine;
use crate::usage;

pub(super) fn run(host: &Host, machine: &Machine<'_>, as_json: bool) -> anyhow::Result<()> {
    if machine.zone().brand == "kvm" {
        let buses = machine.pci()?;
        return if as_json { print_json(&buses) } else { super::print(&qemu_table(&buses)) };
    }
    let argv = arguments(host, machine)?;
    let slots = usage::slots(&argv);
    if as_json {
        let slots: Vec<Value> = slots
            .iter()
            .map(|slot| {
                let (bus, device, function) = slot.address;
                json!({
                    "pci_slot": format!("{bus}:{device}:{function}"),
                    "device": slot.device,
                    "config": slot.config.map(without_password),
                })
            })
            .collect();
        return print_json(&Value::from(slots));
    }
    let mut text = format!("{:<8}  {:<16}  CONFIG\n", "SLOT", "DEVICE");
    for slot in slots {
        let (bus, device, function) = slot.address;
        let address = format!("{bus}:{device}:{function}");
        let config = slot.config.map(without_password).unwrap_or_default();
        let line = format!("{address:<8}  {:<16}  {config}", slot.device);
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    super::print(&text)
}

/// bhyve's arguments: those it runs with, else those it would be started with.
pub(super) fn arguments(host: &Host, machine: &Machine<'_>) -> anyhow::Result<Vec<String>> {
    let zone = machine.zone();
    match machine.arguments_in_use()? {
        Some(argv) => Ok(argv),
        None => super::cmdline::arguments(host, zone, host.flavour_of(zone)),
    }
}

/// A configuration without the VNC password, which ends it.
fn without_password(config: &str) -> &str {
    config.split_once(",password=").map_or(config, |(config, _)| config)
}

/// The devices in an answer of qemu, one a line.
fn qemu_table(buses: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut text = format!("{:<8}  {:<9}  DEVICE\n", "SLOT", "ID");
    for device in list(buses).iter().flat_map(|bus| list(&bus["devices"])) {
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let [bus, slot, function] = ["bus", "slot", "function"].map(|name| number(&device[name]));
        let id = &device["id"];
        let id = format!("{:04x}:{:04x}", number(&id["vendor"]), number(&id["device"]));
        // A class that this qemu has no words for is given by its number.
        let class = &device["class_info"];
        let class = class["desc"]
            .as_str()
            .map_or_else(|| format!("class {:04x}", number(&class["class"])), str::to_owned);
        let address = format!("{bus}:{slot}:{function}");
        text.push_str(&format!("{address:<8}  {id}  {class}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_qemu_are_a_table() {
        let buses = json!([{"bus": 0, "devices": [
            {"bus": 0, "slot": 0, "function": 0, "class_info": {"class": 1536, "desc": "Host bridge"},
             "id": {"vendor": 32902, "device": 4663}},
            {"bus": 0, "slot": 4, "function": 1, "class_info": {"class": 256}, "id": {"vendor": 6900, "device": 4097}},
        ]}]);
        assert_eq!(
            qemu_table(&buses),
            "SLOT      ID         DEVICE\n0:0:0     8086:1237  Host bridge\n0:4:1     1af4:1001  class 0100\n"
        );
    }
}
