//! `bhyve-ctl cmdline`: the arguments that a zone's brand would start bhyve or qemu with.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use manifest::Flavour;
use serde_json::Value;

use super::host::Host;
use crate::config::Config;
use crate::omnios;
use crate::refusal::Result as Refused;
use crate::smartos::{self, environment::Environment};
use crate::usage;
use crate::zone::HvmZone;

pub(super) fn command() -> Command {
    Command::new("cmdline")
        .about("Print the arguments that bhyve or qemu is started with, one a line")
        .arg(super::vm_argument())
        .arg(
            Arg::new("xml")
                .long("xml")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Read the zone's configuration from FILE; - is standard input"),
        )
        .arg(
            Arg::new("flavour")
                .long("flavour")
                .value_name("FLAVOUR")
                .value_parser(["smartos", "omnios"])
                .help("Whose brand the zone has; by default what the configuration looks like"),
        )
        .arg(super::json_option().help("Print a JSON array"))
        .arg(
            Arg::new("config")
                .long("config")
                .action(ArgAction::SetTrue)
                .conflicts_with("json")
                .help("Print the configuration that bhyve makes of the arguments"),
        )
        .group(ArgGroup::new("source").args(["vm", "xml"]).required(true))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let host = Host::from_env();
    let zone = match (matches.get_one::<PathBuf>("xml"), matches.get_one::<String>("vm")) {
        (Some(path), _) => Host::zone_of_file(path)?,
        (None, Some(name)) => host.zone(name)?,
        (None, None) => bail!("no zone is named"),
    };
    let as_config = matches.get_flag("config");
    if as_config && zone.brand == "kvm" {
        bail!("zone {} is of brand kvm: only bhyve reads its settings from a file", zone.name);
    }
    let flavour = match matches.get_one::<String>("flavour").map(String::as_str) {
        Some("omnios") => Flavour::OmniOs,
        Some(_) => Flavour::SmartOs,
        None => host.flavour_of(&zone),
    };
    let argv = arguments(&host, &zone, flavour)?;
    for conflict in usage::conflicts(&argv) {
        eprintln!("bhyve-ctl: warning: {conflict}");
    }
    super::print(&if as_config {
        Config::of_arguments(&argv)?.print()
    } else if matches.get_flag("json") {
        serde_json::to_string_pretty(&Value::from(argv))? + "\n"
    } else {
        argv.join("\n") + "\n"
    })
}

/// The arguments of a zone's brand.
pub(super) fn arguments(
    host: &Host,
    zone: &HvmZone,
    flavour: Flavour,
) -> anyhow::Result<Vec<String>> {
    let argv = match (zone.brand.as_str(), flavour) {
        ("bhyve", Flavour::OmniOs) => omnios_bhyve(host, zone)?,
        ("kvm", Flavour::OmniOs) => omnios_kvm(host, zone)?,
        ("bhyve", Flavour::SmartOs) => smartos_bhyve(host, zone)?,
        ("kvm", Flavour::SmartOs) => smartos_kvm(host, zone)?,
        ("", _) => bail!("zone {} has no brand", zone.name),
        (brand, _) => bail!("zone {} is of brand {brand}, not bhyve or kvm", zone.name),
    };
    Ok(argv)
}

fn omnios_bhyve(host: &Host, zone: &HvmZone) -> Refused<Vec<String>> {
    let uuid = host.uuid_file(zone).unwrap_or_else(new_uuid);
    let exists = |path: &str| host.has_firmware(path);
    Ok(omnios::bhyve::boot(zone, omnios::bhyve::Host { uuid: &uuid, exists: &exists })?.argv)
}

fn omnios_kvm(host: &Host, zone: &HvmZone) -> Refused<Vec<String>> {
    let uuid = host.uuid_file(zone);
    let mac = |net: &crate::zone::Net| host.mac(net);
    omnios::kvm::command_line(zone, omnios::kvm::Host { uuid: uuid.as_deref(), mac: &mac })
}

fn smartos_bhyve(host: &Host, zone: &HvmZone) -> Refused<Vec<String>> {
    let uuid = host.index_uuid(zone).or_else(|| uuid_name(zone)).unwrap_or_else(new_uuid);
    let pass_through = |path: &str| host.pass_through(zone, path);
    let known = smartos::environment::Host { uuid: Some(&uuid), pass_through: &pass_through };
    let environment = Environment::of(zone, known)?;
    for lost in environment.lost() {
        eprintln!(
            "bhyve-ctl: warning: the list of devices is too long for the brand: {lost} is lost"
        );
    }
    smartos::bhyve::command_line(&zone.name, &environment, host.version())
}

fn smartos_kvm(host: &Host, zone: &HvmZone) -> Refused<Vec<String>> {
    let vm = smartos::vm::Vm::from_zone(zone, host.version().strip_prefix("joyent_"));
    let exists = |path: &str| host.in_zone(zone, path);
    smartos::kvm::command_line(&vm, &smartos::kvm::Extra::default(), &exists)?.argv()
}

/// A zone that is named by its UUID, as vmadm names them.
fn uuid_name(zone: &HvmZone) -> Option<String> {
    uuid::Uuid::try_parse(&zone.name).is_ok().then(|| zone.name.clone())
}

/// A zone without a UUID is given a random one when it starts.
fn new_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
