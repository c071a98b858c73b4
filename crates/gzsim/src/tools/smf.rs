//! svcs(1), svcadm(8) and svccfg(8): services of the global zone, and of zones as far as vmadm touches them.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::state;
use crate::tools::table::Table;
use crate::zones::table::{self, State};

/// Name of the state file.
const NAME: &str = "services";

/// Services that are online from the start.
const SERVICES: &[&str] = &[
    "svc:/milestone/multi-user:default",
    "svc:/network/physical:default",
    "svc:/system/filesystem/local:default",
    "svc:/system/zones:default",
    "svc:/system/smartdc/init:default",
    "svc:/system/smartdc/metadata:default",
    "svc:/system/smartdc/vmadmd:default",
    "svc:/system/smartdc/vminfod:default",
];

/// What was changed, by zone and service.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Changes {
    /// States set with svcadm: key `ZONE FMRI`.
    states: BTreeMap<String, String>,
    /// Properties set with svccfg: key `REPOSITORY FMRI PROPERTY`.
    properties: BTreeMap<String, String>,
}

/// svcs.
pub fn svcs(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "aHvxpo:z:ls:S:dDR:LZ");
    if options.unknown.is_some() {
        eprintln!(
            "Usage: svcs [-aHpv] [-o col[,col ... ]] [-R restarter] [-sS col] [-Z | -z zone ] [<service> ...]"
        );
        return Ok(2);
    }
    let zone = options.value('z').unwrap_or("global");
    if zone != "global" && !runs(ctx, zone)? {
        eprintln!("svcs: zone '{zone}' is not running");
        return Ok(1);
    }
    if options.has('x') {
        return Ok(0);
    }
    let changes: Changes = state::read(ctx, NAME)?;
    let fields: Vec<&str> = options.value('o').unwrap_or("state,stime,fmri").split(',').collect();
    let mut table = Table::new(fields.iter().map(|field| field.to_ascii_uppercase()));
    let mut found = false;
    for fmri in SERVICES {
        let wanted = options.operands.is_empty()
            || options.operands.iter().any(|pattern| names_service(pattern, fmri));
        if !wanted {
            continue;
        }
        found = true;
        let state = changes.states.get(&format!("{zone} {fmri}")).map_or("online", String::as_str);
        if options.operands.is_empty() && !options.has('a') && state == "disabled" {
            continue;
        }
        table.row(fields.iter().map(|field| match field.to_ascii_lowercase().as_str() {
            "state" | "sta" => state.to_owned(),
            "stime" => "0:00:00".to_owned(),
            "fmri" => (*fmri).to_owned(),
            "zone" => zone.to_owned(),
            _ => "-".to_owned(),
        }));
    }
    if !found {
        for pattern in options.operands {
            eprintln!("svcs: Pattern '{pattern}' doesn't match any instances");
        }
        return Ok(1);
    }
    let text = table.aligned();
    let skipped = usize::from(options.has('H'));
    for line in text.lines().skip(skipped) {
        println!("{line}");
    }
    Ok(0)
}

/// svcadm: state changes are noted; any service name is taken.
pub fn svcadm(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let global = getopt(arguments, "vZz:S:");
    let zone = global.value('z').unwrap_or("global").to_owned();
    let Some((command, rest)) = global.operands.split_first() else {
        eprintln!("Usage: svcadm [-S <state>] [-v] [-Z | -z zone] [cmd [args ... ]]");
        return Ok(2);
    };
    if zone != "global" && !runs(ctx, &zone)? {
        eprintln!("svcadm: zone '{zone}' is not running");
        return Ok(1);
    }
    let state = match command.as_str() {
        "enable" | "clear" | "restart" | "refresh" => "online",
        "disable" => "disabled",
        "mark" => "maintenance",
        "milestone" => return Ok(0),
        other => {
            eprintln!("svcadm: unknown command '{other}'");
            return Ok(2);
        }
    };
    let operands = getopt(rest, "rstIcd").operands;
    let names = if command == "mark" { operands.get(1..).unwrap_or_default() } else { operands };
    state::update(ctx, NAME, |changes: &mut Changes| {
        for name in names {
            let full = SERVICES.iter().find(|fmri| names_service(name, fmri));
            let fmri = full.map_or(name.as_str(), |fmri| fmri);
            changes.states.insert(format!("{zone} {fmri}"), state.to_owned());
        }
        Ok(0)
    })
}

/// svccfg: `setprop` is noted, for the repository that `SVCCFG_REPOSITORY` names.
pub fn svccfg(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "?vs:f:");
    let service = options.value('s').unwrap_or_default().to_owned();
    let Some((command, rest)) = options.operands.split_first() else { return Ok(0) };
    match command.as_str() {
        "setprop" => {
            let text = rest.join(" ");
            let Some((property, value)) = text.split_once('=') else {
                eprintln!("svccfg: Syntax error.");
                return Ok(1);
            };
            let repository = std::env::var("SVCCFG_REPOSITORY").unwrap_or_default();
            let key = format!("{repository} {service} {}", property.trim());
            state::update(ctx, NAME, |changes: &mut Changes| {
                changes.properties.insert(key, value.trim().to_owned());
                Ok(0)
            })
        }
        "listprop" | "export" | "import" | "validate" | "delete" | "delprop" | "addpg"
        | "delpg" | "refresh" | "select" | "apply" | "extract" | "list" => Ok(0),
        other => {
            eprintln!("svccfg: Unknown command \"{other}\".");
            Ok(1)
        }
    }
}

fn runs(ctx: &Ctx, zone: &str) -> Result<bool> {
    Ok(table::row(ctx, zone)?.is_some_and(|row| row.state == State::Running))
}

/// Whether an abbreviation (`vmadmd`, `smartdc/vmadmd`, `svc:/system/smartdc/vmadmd`) names the service.
fn names_service(pattern: &str, fmri: &str) -> bool {
    let pattern = pattern.trim_start_matches("svc:/");
    let service = fmri.trim_start_matches("svc:/");
    let bare = service.rsplit_once(':').map_or(service, |(bare, _)| bare);
    [service, bare].iter().any(|name| *name == pattern || name.ends_with(&format!("/{pattern}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations() {
        let fmri = "svc:/system/smartdc/vmadmd:default";
        for name in
            ["vmadmd", "smartdc/vmadmd", "vmadmd:default", "svc:/system/smartdc/vmadmd", fmri]
        {
            assert!(names_service(name, fmri), "{name}");
        }
        assert!(!names_service("madmd", fmri));
    }
}
