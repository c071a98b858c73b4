//! fwadm(8) and ipf(8): accepted and logged, without effect on a network.

use anyhow::Result;
use serde_json::Value;

use crate::ctx::Ctx;
use crate::zones::table::{self, State};

/// fwadm: control of the firewall of a VM.
pub fn fwadm(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let Some((command, rest)) = arguments.split_first() else {
        eprintln!("Usage:\n    fwadm [OPTIONS] COMMAND [ARGS...]\n    fwadm help COMMAND");
        return Ok(1);
    };
    match command.as_str() {
        "list" | "vms" | "rules" | "list-rvms" => {
            if rest.iter().any(|argument| argument == "-j" || argument == "--json") {
                println!("[]");
            }
            Ok(0)
        }
        "start" | "stop" | "status" | "stats" => {
            let Some(uuid) = rest.iter().find(|argument| !argument.starts_with('-')) else {
                eprintln!("Error: missing VM UUID");
                return Ok(1);
            };
            let Some(row) = table::rows(ctx)?.into_iter().find(|row| row.uuid == *uuid) else {
                eprintln!("Could not find VM \"{uuid}\"");
                return Ok(1);
            };
            if command == "status" {
                println!("{}", if row.state == State::Running { "running" } else { "stopped" });
            }
            Ok(0)
        }
        "update" if rest.is_empty() => update(ctx),
        "add" | "update" | "delete" | "enable" | "disable" | "get" | "add-rvm" | "delete-rvm"
        | "get-rvm" | "help" => Ok(0),
        other => {
            eprintln!("Unknown command: \"{other}\"");
            Ok(1)
        }
    }
}

/// `fwadm update` of what standard input says: of it only the VMs that have changed are looked at.
fn update(ctx: &Ctx) -> Result<i32> {
    let changed: Value = match serde_json::from_reader(std::io::stdin()) {
        Ok(changed) => changed,
        Err(error) => {
            eprintln!("{error}");
            return Ok(1);
        }
    };
    let rows = table::rows(ctx)?;
    let mut code = 0;
    for vm in changed["localVMs"].as_array().into_iter().flatten() {
        if !rows.iter().any(|row| vm["uuid"] == row.uuid) {
            eprintln!("Could not find VM {} in VM list", vm["uuid"]);
            code = 1;
        }
    }
    Ok(code)
}

/// ipf: the packet filter of a running zone (`-G ZONE` or the last operand).
pub fn ipf(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let in_zone = arguments.iter().any(|argument| argument.starts_with("-G"));
    let Some(zone) = arguments.last().filter(|_| in_zone) else { return Ok(0) };
    let running = table::row(ctx, zone)?.is_some_and(|row| row.state >= State::Ready);
    if !running {
        eprintln!("open device: No such device or address");
    }
    Ok(i32::from(!running))
}
