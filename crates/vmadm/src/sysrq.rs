//! `vmadm sysrq`: a non-maskable interrupt, or a screenshot, from outside the guest.

use bhyve_ctl::machine::Action;
use gz::inventory::{self, Fields};
use manifest::{Brand, Fields as _};
use serde_json::json;

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::{change, get, qemu};

pub const COMMAND: Command = Command { names: &["sysrq"], syntax: Syntax::NONE, run };

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    if call.operands.len() != 1 {
        return Err(Failure::usage("Wrong number of parameters to \"sysrq\""));
    }
    let request = call.operands.pop_front().unwrap_or_default();
    if !matches!(request.as_str(), "nmi" | "screenshot") {
        return Err(Failure::usage(format!("Invalid sysrq type: {request}")));
    }
    let wanted = Fields::of(["brand", "state", "uuid", "zonedid", "zonepath"]);
    let vm = inventory::get(&call.root, &uuid, &wanted)?.ok_or_else(get::gone)?;
    let state = vm.state();
    if !matches!(state, "running" | "stopping") {
        return Err(Failure::new(format!(
            "Unable to send request to vm from state \"{state}\", must be \"running\" or \
             \"stopping\"."
        )));
    }
    let known = vm.brand().map_or(&[][..], |brand| brand.features().sysrq);
    if known.is_empty() {
        // Two blanks, as scripts know it.
        return Err(Failure::new(
            "The sysrq command is only supported for VMs  with brand \"bhyve\" or \"kvm\".",
        ));
    }
    if !known.contains(&request.as_str()) {
        let known = known.join("\",\"");
        return Err(Failure::new(format!(
            "Invalid sysrq \"{request}\" valid values: \"{known}\"."
        )));
    }
    if change::is_omnios(&call.root) {
        let machine = qemu::machine(&call.root, &uuid)?;
        let done = match request.as_str() {
            "nmi" => machine.act(Action::Nmi),
            _ => machine.screendump().map(drop),
        };
        done.map_err(|error| Failure::new(format!("{error:#}")))?;
    } else if vm.brand() == Some(Brand::Kvm) {
        kvm(&call, vm.text("zonepath").unwrap_or_default(), &request)?;
    } else {
        let number = vm.integer("zonedid").unwrap_or_default();
        gz::hvm::bhyvectl(&call.root, &format!("SYSbhyve-{number}"), "--inject-nmi")?;
    }
    Ok(Some(match request.as_str() {
        "nmi" => format!("Sent NMI to VM {uuid}"),
        other => format!("Sent {other} sysrq to VM {uuid}"),
    }))
}

/// Where qemu leaves the picture, in the zone.
const SCREENSHOT: &str = "/tmp/vm.ppm";

fn kvm(call: &Call, zonepath: &str, request: &str) -> Result<(), Failure> {
    let mut qemu = qemu::connect(&call.root, zonepath)?;
    if request == "nmi" {
        return qemu.nmi().map_err(Failure::new);
    }
    // A key wakes the guest from a blanked screen.
    let wake = json!({"command-line": "sendkey shift"});
    qemu.execute("human-monitor-command", &wake).map_err(Failure::new)?;
    qemu.screendump(SCREENSHOT).map_err(Failure::new)
}
