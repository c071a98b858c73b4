//! nictagadm(8).

use std::collections::BTreeMap;

use anyhow::Result;

use crate::ctx::Ctx;
use crate::getopt::{Options, getopt};
use crate::net::links::{self, Class, Link, Network, Tag};
use crate::zones::table;

const USAGE: &str = "Manage nic tags

Usage:
        nictagadm [OPTIONS] <subcommand> <args...> ...

General Options:
        -v
            Verbose output

        -h
            Print help and exit

        -?
            Print help and exit

Subcommands:
        add             [-l] [-p prop=value,...] <name> [mac]
        delete          [-f] <name>
        exists          [-l] <name>
        list            [-l | -L] [-p] [-d delim]
        update          [-l] [-p prop=value,...] <name> [mac]
        vms             <name>

See nictagadm(8) for more information";

/// The message of a failure; the caller prints it as `Error: …`.
type Outcome = std::result::Result<i32, String>;

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let general = getopt(arguments, "vh?");
    if general.has('h') || general.unknown.is_some() {
        eprintln!("{USAGE}");
        return Ok(if general.has('h') { 0 } else { 2 });
    }
    let Some((command, rest)) = general.operands.split_first() else {
        println!("no subcommand given");
        eprintln!("{USAGE}");
        return Ok(2);
    };
    let letters = match command.as_str() {
        "add" | "update" => "lp:",
        "delete" => "f",
        "list" => "lLpd:",
        "exists" => "l",
        _ => "",
    };
    let options = getopt(rest, letters);
    if let Some(letter) = options.unknown {
        println!("invalid option: {letter}");
        eprintln!("{USAGE}");
        return Ok(2);
    }
    let operand = |at: usize| options.operands.get(at).map(String::as_str);
    let needs_name = matches!(command.as_str(), "add" | "update" | "delete" | "vms");
    if needs_name && operand(0).is_none() {
        eprintln!("{USAGE}");
        return Ok(2);
    }
    let name = operand(0).unwrap_or_default();
    let outcome = match command.as_str() {
        "help" => {
            eprintln!("{USAGE}");
            Ok(0)
        }
        "exists" if options.operands.is_empty() => Err("tag_exists: no tag specified".to_owned()),
        "exists" => Ok(exists(&links::read(ctx)?, &options)),
        "list" => list(&links::read(ctx)?, &options),
        "add" | "update" => {
            let adding = command == "add";
            links::change(ctx, |network| Ok(put(network, &options, name, operand(1), adding)))?
        }
        "delete" => {
            let users = if options.has('f') { Vec::new() } else { users(ctx, name)? };
            links::change(ctx, |network| Ok(delete(network, name, !users.is_empty())))?
        }
        "vms" => {
            for zone in users(ctx, name)? {
                println!("{zone}");
            }
            Ok(0)
        }
        other => Err(format!("unknown command {other}")),
    };
    Ok(outcome.unwrap_or_else(|message| {
        eprintln!("Error: {message}");
        1
    }))
}

fn is_tag(network: &Network, name: &str) -> bool {
    network.tags.iter().any(|tag| tag.name == name) || network.etherstubs().contains(&name)
}

fn exists(network: &Network, options: &Options<'_>) -> i32 {
    let missing: Vec<&String> =
        options.operands.iter().filter(|name| !is_tag(network, name)).collect();
    for name in &missing {
        if options.has('l') {
            eprintln!("{name}");
        } else {
            eprintln!("invalid tag: {name}");
        }
    }
    i32::from(!missing.is_empty())
}

fn list(network: &Network, options: &Options<'_>) -> Outcome {
    let (parsable, local) = (options.has('p'), options.has('l'));
    if local && options.has('L') {
        return Err("Cannot specify both local and non-local options".to_owned());
    }
    if options.has('d') && !parsable {
        return Err("Delimiter option requires parsable option to be set".to_owned());
    }
    let delimiter = options.value('d').unwrap_or(":");
    let line = |name: &str, mac: &str, link: &str, kind: &str| {
        if parsable {
            let mac = if delimiter == ":" { mac.replace(':', "\\:") } else { mac.to_owned() };
            println!("{name}{delimiter}{mac}{delimiter}{link}{delimiter}{kind}");
        } else {
            println!("{name:<14} {mac:<18} {link:<14} {kind:<16}");
        }
    };
    if !parsable {
        line("NAME", "MACADDRESS", "LINK", "TYPE");
    }
    if !local {
        for tag in &network.tags {
            let link = network.physical(&tag.mac).map_or("-", |link| link.name.as_str());
            line(&tag.name, &tag.mac, link, "normal");
        }
    }
    if !options.has('L') {
        for stub in network.etherstubs() {
            line(stub, "-", "-", "etherstub");
        }
    }
    Ok(0)
}

/// `add` and `update`.
fn put(
    network: &mut Network,
    options: &Options<'_>,
    name: &str,
    mac_operand: Option<&str>,
    adding: bool,
) -> Outcome {
    let mut properties = BTreeMap::new();
    for part in options.value('p').unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                properties.insert(key, value);
            }
            _ => return Err(format!("invalid property: {part}")),
        }
    }
    if mac_operand.is_some() && properties.contains_key("mac") {
        return Err("mac address specified twice".to_owned());
    }
    let mac = mac_operand.or_else(|| properties.get("mac").copied());
    let mtu = match properties.get("mtu") {
        None => None,
        Some(text) => Some(parse_mtu(text)?),
    };
    let local = options.has('l');
    if adding && local {
        if mac.is_some() {
            return Err("create local tag, but mac address specified".to_owned());
        }
        if mtu.is_some() {
            return Err("Cannot specify MTU for local nic tag".to_owned());
        }
    } else if adding && mac.is_none() {
        return Err("create non-local tag, but no mac address specified".to_owned());
    } else if local {
        return Err("cannot update a local tag".to_owned());
    } else if mac.is_none() && mtu.is_none() {
        return Err("nothing to update".to_owned());
    }
    match (adding, is_tag(network, name)) {
        (true, true) => return Err(format!("nic tag '{name}' already exists")),
        (false, false) => return Err(format!("nic tag '{name}' does not exist")),
        _ => {}
    }
    let mac = match mac {
        None => None,
        Some(text) => {
            let mac =
                normalise_mac(text).ok_or_else(|| format!("MAC address '{text}' is invalid"))?;
            if network.physical(&mac).is_none() {
                return Err(format!("No physical nic found with MAC address '{mac}'"));
            }
            Some(mac)
        }
    };
    if adding && !valid_name(name, local) {
        return Err("nic tag name is invalid".to_owned());
    }
    if adding && local {
        network.links.push(Link::new(name, Class::Etherstub, None));
    } else if adding {
        let mac = mac.unwrap_or_default();
        network.tags.push(Tag { name: name.to_owned(), mac, mtu });
    } else if let Some(tag) = network.tags.iter_mut().find(|tag| tag.name == name) {
        if let Some(mac) = mac {
            tag.mac = mac;
        }
        tag.mtu = mtu.or(tag.mtu);
    }
    if mtu.is_some() {
        eprintln!("MTU changes will not take effect until next reboot");
    }
    Ok(0)
}

fn delete(network: &mut Network, name: &str, in_use: bool) -> Outcome {
    if !is_tag(network, name) {
        return Err(format!("nic tag '{name}' does not exist"));
    }
    if in_use {
        return Err(format!("nic tag '{name}' is in use"));
    }
    network.tags.retain(|tag| tag.name != name);
    network.links.retain(|link| !(link.class == Class::Etherstub && link.name == name));
    Ok(0)
}

/// The zones with a network interface on the tag.
fn users(ctx: &Ctx, tag: &str) -> Result<Vec<String>> {
    let mut users = Vec::new();
    for row in table::rows(ctx)? {
        let config = table::config(ctx, &row.name)?;
        if config.nets().any(|net| net.global_nic.as_deref() == Some(tag)) {
            users.push(row.uuid);
        }
    }
    Ok(users)
}

fn parse_mtu(text: &str) -> std::result::Result<u32, String> {
    let mtu: u32 = text.parse().map_err(|_| format!("invalid mtu: {text}"))?;
    if (1500..=9000).contains(&mtu) {
        Ok(mtu)
    } else {
        Err("mtu must be between 1500-9000".to_owned())
    }
}

/// Groups padded to two lower-case digits; `None` for what is no MAC address.
pub fn normalise_mac(text: &str) -> Option<String> {
    let groups: Option<Vec<String>> = text
        .split(':')
        .map(|group| {
            let value = u8::from_str_radix(group, 16).ok().filter(|_| group.len() <= 2)?;
            Some(format!("{value:02x}"))
        })
        .collect();
    groups.filter(|groups| groups.len() == 6).map(|groups| groups.join(":"))
}

fn valid_name(name: &str, local: bool) -> bool {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let ends_in_number = name.bytes().last().is_some_and(|byte| byte.is_ascii_digit());
    characters && !name.is_empty() && name.len() < 31 && (!local || ends_in_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses() {
        assert_eq!(normalise_mac("2:8:20:AA:0:1").as_deref(), Some("02:08:20:aa:00:01"));
        assert_eq!(normalise_mac("2:8:20:aa:0"), None);
        assert_eq!(normalise_mac("2:8:20:aa:0:100"), None);
    }
}
