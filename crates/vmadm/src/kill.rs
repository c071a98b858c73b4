//! `vmadm kill`: a signal to the init process of a VM.

use gz::inventory::{self, Fields};
use gz::process;
use manifest::Fields as _;
use serde_json::json;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::get;

const SYNTAX: Syntax = Syntax { types: &[("signal", Kind::Text)], shorts: &[("s", &["--signal"])] };

pub const COMMAND: Command = Command { names: &["kill"], syntax: SYNTAX, run };

fn run(mut call: Call) -> Outcome {
    let (uuid, signal) = arguments(&mut call)?;
    let wanted = Fields::of(["brand", "pid", "state", "uuid", "zone_state", "zonename"]);
    let vm = inventory::get(&call.root, &uuid, &wanted)?.ok_or_else(get::gone)?;
    let pid = vm.integer("pid").and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    let (true, Some(pid)) = (vm.zone_state() == "running", pid) else {
        return Err(Failure::new(format!("Cannot find running init PID for VM {uuid}")));
    };
    let name = process::signal_name(&signal)
        .ok_or_else(|| Failure::new(format!("Unknown signal \"{signal}\"")))?;
    process::send(pid, name)?;
    Ok(Some(format!("Sent signal \"{signal}\" to init process for VM {uuid}")))
}

/// `-s SIGNAL UUID`, `UUID` alone for SIGTERM, or `-SIGNAL UUID`.
fn arguments(call: &mut Call) -> Result<(String, String), Failure> {
    let (uuid, signal) = if let Some(signal) = call.options.text("signal") {
        (call.uuid()?, signal)
    } else if call.operands.len() == 1 && is_uuid(&call.operands[0]) {
        (call.uuid()?, "SIGTERM".to_owned())
    } else {
        dashed(call)?
    };
    if !call.operands.is_empty() {
        return Err(Failure::usage("Too many arguments."));
    }
    Ok((uuid, signal))
}

fn dashed(call: &Call) -> Result<(String, String), Failure> {
    let mut found = None;
    let mut unexpected = Vec::new();
    for (name, value) in call.options.unknown(&SYNTAX) {
        if found.is_none() && is_uuid(&value) {
            found = Some((value, name.to_owned()));
        } else {
            unexpected.push(name);
        }
    }
    if !unexpected.is_empty() {
        return Err(Failure::usage(format!("Unexpected args: {}", json!(unexpected))));
    }
    found.ok_or_else(|| {
        Failure::usage(if call.operands.is_empty() {
            "Invalid or missing argument UUID"
        } else {
            "Too many arguments."
        })
    })
}

/// Whether the text is a UUID in lower case.
fn is_uuid(text: &str) -> bool {
    crate::cli::looks_like_uuid(text)
        && text.bytes().all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}
