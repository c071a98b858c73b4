//! dladm(8): the subcommands that zone management uses.

use anyhow::Result;

use crate::ctx::Ctx;
use crate::getopt::{Options, getopt};
use crate::net::links::{self, Class, Link, Network};
use crate::net::nictagadm::normalise_mac;
use crate::tools::table::Table;

/// The message of a failure; the caller prints it as `dladm: …`.
type Outcome = std::result::Result<i32, String>;

/// The program.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let Some((command, rest)) = arguments.split_first() else { return Ok(usage()) };
    let letters = match command.as_str() {
        "show-link" => "po:z:sPi:",
        "show-phys" => "po:mHLP",
        "show-vnic" => "po:z:l:sPi:",
        "show-etherstub" => "pt",
        "show-linkprop" => "pco:z:P",
        "set-linkprop" | "reset-linkprop" => "tz:p:R:",
        "create-etherstub" | "delete-etherstub" | "delete-vnic" => "tz:R:",
        "create-vnic" => "tl:m:v:p:z:R:",
        _ => return Ok(usage()),
    };
    // Links are named by operands before or after the options.
    let (first, rest) = match rest.split_first() {
        Some((first, more)) if !first.starts_with('-') => (Some(first.as_str()), more),
        _ => (None, rest),
    };
    let options = getopt(rest, letters);
    if options.unknown.is_some() {
        return Ok(usage());
    }
    let link = first.or_else(|| options.operands.first().map(String::as_str));
    let outcome = match command.as_str() {
        "show-link" => show(
            &links::read(ctx)?,
            &options,
            link,
            None,
            LINK_FIELDS,
            "link,class,mtu,state,bridge,over",
        ),
        "show-phys" if options.has('m') => {
            let network = links::read(ctx)?;
            show(
                &network,
                &options,
                link,
                Some(Class::Phys),
                MAC_FIELDS,
                "link,slot,address,inuse,client",
            )
        }
        "show-phys" => {
            let network = links::read(ctx)?;
            let fields = "link,media,state,speed,duplex,device";
            show(&network, &options, link, Some(Class::Phys), PHYS_FIELDS, fields)
        }
        "show-vnic" => {
            let network = links::read(ctx)?;
            let fields = "link,over,speed,macaddress,macaddrtype,vid,zone";
            show(&network, &options, link, Some(Class::Vnic), VNIC_FIELDS, fields)
        }
        "show-etherstub" => {
            let network = links::read(ctx)?;
            show(&network, &options, link, Some(Class::Etherstub), &["link"], "link")
        }
        "show-linkprop" => show_properties(&links::read(ctx)?, &options, link),
        "set-linkprop" | "reset-linkprop" => {
            let reset = command == "reset-linkprop";
            links::change(ctx, |network| Ok(set_properties(network, &options, link, reset)))?
        }
        "create-etherstub" => links::change(ctx, |network| {
            Ok(create(network, link, |name| Link::new(name, Class::Etherstub, None)))
        })?,
        "create-vnic" => links::change(ctx, |network| Ok(create_vnic(network, &options, link)))?,
        "delete-etherstub" => {
            links::change(ctx, |network| Ok(delete(network, link, None, Class::Etherstub)))?
        }
        _ => links::change(ctx, |network| {
            Ok(delete(network, link, options.value('z'), Class::Vnic))
        })?,
    };
    Ok(outcome.unwrap_or_else(|message| {
        eprintln!("dladm: {message}");
        1
    }))
}

const LINK_FIELDS: &[&str] = &["link", "class", "mtu", "state", "bridge", "over", "zone"];
const PHYS_FIELDS: &[&str] = &["link", "media", "state", "speed", "duplex", "device"];
const MAC_FIELDS: &[&str] = &["link", "slot", "address", "inuse", "client"];
const VNIC_FIELDS: &[&str] =
    &["link", "over", "speed", "macaddress", "macaddrtype", "vid", "zone", "mtu"];

fn usage() -> i32 {
    eprintln!("usage:\tdladm <subcommand> <args> ...");
    1
}

fn show(
    network: &Network,
    options: &Options<'_>,
    name: Option<&str>,
    class: Option<Class>,
    known: &[&str],
    default: &str,
) -> Outcome {
    let zone = options.value('z');
    let links: Vec<&Link> = network
        .links
        .iter()
        .filter(|link| class.is_none_or(|class| link.class == class))
        .filter(|link| name.is_none_or(|name| link.name == name))
        .filter(|link| zone.is_none_or(|zone| link.zone.as_deref().unwrap_or("global") == zone))
        .collect();
    if let Some(name) = name.filter(|_| links.is_empty()) {
        return Err(format!(
            "invalid {} name '{name}': object not found",
            match class {
                Some(Class::Vnic) => "vnic",
                Some(Class::Etherstub) => "etherstub",
                _ => "link",
            }
        ));
    }
    let wanted = options.value('o').unwrap_or(default);
    let fields: Vec<String> = match wanted {
        "all" => known.iter().map(|field| (*field).to_owned()).collect(),
        list => list.split(',').map(str::to_ascii_lowercase).collect(),
    };
    if let Some(bad) = fields.iter().find(|field| !known.contains(&field.as_str())) {
        return Err(format!("invalid output field(s): {bad}"));
    }
    let mut table = Table::new(fields.iter().map(|field| field.to_ascii_uppercase()));
    for link in links {
        table.row(fields.iter().map(|field| value(link, field)));
    }
    print!("{}", if options.has('p') { table.parsable() } else { table.aligned() });
    Ok(0)
}

fn value(link: &Link, field: &str) -> String {
    let dashes = || "--".to_owned();
    match field {
        "link" | "device" | "client" => link.name.clone(),
        "class" => link.class.as_str().to_owned(),
        "mtu" => link.mtu.to_string(),
        "state" => if link.class == Class::Etherstub { "unknown" } else { "up" }.to_owned(),
        "over" => link.over.clone().unwrap_or_else(dashes),
        "zone" => link.zone.clone().unwrap_or_else(dashes),
        "address" | "macaddress" => link.mac.clone().unwrap_or_else(dashes),
        "macaddrtype" => "fixed".to_owned(),
        "vid" => link.vlan.to_string(),
        "media" => "Ethernet".to_owned(),
        "speed" => "1000".to_owned(),
        "duplex" => "full".to_owned(),
        "slot" => "primary".to_owned(),
        "inuse" => "yes".to_owned(),
        _ => dashes(),
    }
}

fn show_properties(network: &Network, options: &Options<'_>, name: Option<&str>) -> Outcome {
    let zone = options.value('z').filter(|zone| *zone != "global");
    let Some(link) = name.and_then(|name| network.link(name, zone)) else {
        return Err(format!("invalid link name '{}': object not found", name.unwrap_or_default()));
    };
    let fields: Vec<String> = options
        .value('o')
        .unwrap_or("link,property,perm,value,effective,default,possible")
        .split(',')
        .map(str::to_ascii_lowercase)
        .collect();
    let mut all = link.properties.clone();
    all.entry("mtu".to_owned()).or_insert_with(|| link.mtu.to_string());
    all.entry("zone".to_owned()).or_insert_with(|| link.zone.clone().unwrap_or_default());
    let mut table = Table::new(fields.iter().map(|field| field.to_ascii_uppercase()));
    for (property, value) in &all {
        table.row(fields.iter().map(|field| match field.as_str() {
            "link" => link.name.clone(),
            "property" => property.clone(),
            "perm" => "rw".to_owned(),
            "value" | "effective" if !value.is_empty() => value.clone(),
            _ => "--".to_owned(),
        }));
    }
    let parsable = options.has('p') || options.has('c');
    print!("{}", if parsable { table.parsable() } else { table.aligned() });
    Ok(0)
}

fn set_properties(
    network: &mut Network,
    options: &Options<'_>,
    name: Option<&str>,
    reset: bool,
) -> Outcome {
    let zone = options.value('z').filter(|zone| *zone != "global");
    let name = name.unwrap_or_default();
    let Some(link) =
        network.links.iter_mut().find(|link| link.name == name && link.zone.as_deref() == zone)
    else {
        return Err(format!("invalid link name '{name}': object not found"));
    };
    let given = options.value('p').unwrap_or_default();
    if reset {
        for property in given.split(',').filter(|property| !property.is_empty()) {
            link.properties.remove(property);
        }
        return Ok(0);
    }
    // A value may be a list: what has no `=` belongs to the property before.
    let mut last: Option<&str> = None;
    for part in given.split(',') {
        match (part.split_once('='), last) {
            (Some((property, value)), _) => {
                link.properties.insert(property.to_owned(), value.to_owned());
                last = Some(property);
            }
            (None, Some(property)) => {
                if let Some(value) = link.properties.get_mut(property) {
                    value.push(',');
                    value.push_str(part);
                }
            }
            (None, None) => {
                return Err(format!(
                    "warning: cannot set link property '{part}' on '{name}': invalid argument"
                ));
            }
        }
    }
    Ok(0)
}

fn create(network: &mut Network, name: Option<&str>, make: impl Fn(&str) -> Link) -> Outcome {
    let name = name.unwrap_or_default();
    if !name.bytes().last().is_some_and(|byte| byte.is_ascii_digit()) {
        return Err(format!("invalid link name '{name}'"));
    }
    if network.link(name, None).is_some() {
        return Err(format!("could not create '{name}': object already exists"));
    }
    network.links.push(make(name));
    Ok(0)
}

fn create_vnic(network: &mut Network, options: &Options<'_>, name: Option<&str>) -> Outcome {
    let over = options.value('l').unwrap_or_default();
    let Some(mtu) = network.link(over, None).map(|link| link.mtu) else {
        return Err(format!("invalid link name '{over}': object not found"));
    };
    let mac = match options.value('m') {
        None | Some("auto" | "random" | "factory") => None,
        Some(text) => Some(normalise_mac(text).ok_or("invalid MAC address")?),
    };
    let mac = mac.unwrap_or_else(|| format!("02:08:20:fe:00:{:02x}", network.links.len() % 256));
    let vlan = options.value('v').and_then(|vlan| vlan.parse().ok()).unwrap_or(0);
    create(network, name, |name| {
        let mut link = Link::new(name, Class::Vnic, Some(&mac));
        link.over = Some(over.to_owned());
        link.vlan = vlan;
        link.mtu = mtu;
        link
    })
}

fn delete(network: &mut Network, name: Option<&str>, zone: Option<&str>, class: Class) -> Outcome {
    let name = name.unwrap_or_default();
    let found = network
        .links
        .iter()
        .position(|link| link.name == name && link.class == class && link.zone.as_deref() == zone);
    let Some(at) = found else {
        return Err(format!("invalid {} name '{name}': object not found", class.as_str()));
    };
    if network.links.iter().any(|link| link.over.as_deref() == Some(name)) {
        return Err("deletion failed: link busy".to_owned());
    }
    network.links.remove(at);
    Ok(0)
}
