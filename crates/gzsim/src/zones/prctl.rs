//! prctl(1) on the resource controls of running zones.

use anyhow::Result;

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::zones::live::{self, Limit};

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "n:v:t:rsxPi:e:d:p:");
    let (Some("zone"), [zone]) = (options.value('i'), options.operands) else {
        eprintln!(
            "usage:\n    Report resource control values and actions:\n\tprctl [-P] [-t [basic | privileged | \
             system]\n\t[-n name] [-i process | task | project | zone] id ..."
        );
        return Ok(2);
    };
    let name = options.value('n');
    let wanted = match (options.has('r'), options.has('s'), options.has('x')) {
        (false, false, false) => return show(ctx, zone, name, options.has('P')),
        (_, _, true) => None,
        _ => {
            let value = options.value('v').and_then(parse_value);
            if value.is_none() {
                eprintln!("prctl: invalid value");
                return Ok(1);
            }
            value
        }
    };
    let Some(name) = name else {
        eprintln!("prctl: no resource control given");
        return Ok(1);
    };
    let replace = options.has('r');
    live::change(ctx, |zones| {
        let Some(live) = running(zones, zone) else { return Ok(not_running(zone)) };
        match wanted {
            None => {
                if live.rctls.remove(name).is_none() {
                    eprintln!("prctl: {zone}: no matching resource control to delete");
                    return Ok(1);
                }
            }
            Some(limit) => match live.rctls.get_mut(name) {
                Some(old) => old.limit = limit,
                None if replace => {
                    eprintln!("prctl: {zone}: no matching resource control to replace");
                    return Ok(1);
                }
                None => {
                    let action = if matches!(name, "zone.cpu-shares" | "zone.zfs-io-priority") {
                        "none"
                    } else {
                        "deny"
                    };
                    live.rctls.insert(name.to_owned(), Limit { limit, action: action.to_owned() });
                }
            },
        }
        Ok(0)
    })
}

fn show(ctx: &Ctx, zone: &str, name: Option<&str>, parsable: bool) -> Result<i32> {
    let mut zones = live::current(ctx)?;
    let Some(live) = running(&mut zones, zone) else { return Ok(not_running(zone)) };
    println!("zone: {}: {zone}", live.id);
    if !parsable {
        println!("NAME    PRIVILEGE       VALUE    FLAG   ACTION                       RECIPIENT");
    }
    for (rctl, value) in live.rctls.iter().filter(|(rctl, _)| name.is_none_or(|name| name == *rctl))
    {
        if parsable {
            println!("{rctl} privileged {} - {} -", value.limit, value.action);
        } else {
            println!(
                "{rctl}\n        privileged {:>12}       -   {:<34} -",
                value.limit, value.action
            );
        }
    }
    Ok(0)
}

/// The running zone of that name or ID.
fn running<'a>(zones: &'a mut live::Zones, zone: &str) -> Option<&'a mut live::Live> {
    let name = match zone.parse::<u32>() {
        Ok(id) => zones.live.iter().find(|(_, live)| live.id == id)?.0.clone(),
        Err(_) => zone.to_owned(),
    };
    zones.live.get_mut(&name)
}

fn not_running(zone: &str) -> i32 {
    eprintln!("prctl: {zone}: No controllable process found in task, project, or zone.");
    1
}

/// A number, with an optional unit K, M, G or T.
fn parse_value(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let factor: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        "T" | "TB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}
