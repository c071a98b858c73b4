//! `bhyve-ctl seed`: the NoCloud seed image of a bhyve zone of OmniOS.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use manifest::Flavour;

use super::host::Host;
use crate::iso9660;
use crate::omnios::cloud_init;

pub(super) fn command() -> Command {
    Command::new("seed")
        .about("Write the cloud-init seed image of a virtual machine (OmniOS)")
        .arg(super::vm_argument().required(true))
        .arg(
            Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)),
        )
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let host = Host::from_env();
    let vm = super::vm_of(matches)?;
    let zone = host.zone(vm)?;
    if host.flavour_of(&zone) != Flavour::OmniOs {
        bail!("{vm} is configured for SmartOS, where guests ask for their metadata");
    }
    let file: &PathBuf = matches.get_one("file").context("no file is named")?;
    let uuid = zone
        .value("uuid")
        .map(|uuid| uuid.trim().to_owned())
        .filter(|uuid| !uuid.is_empty())
        .or_else(|| host.uuid_file(&zone))
        .or_else(|| host.index_uuid(&zone))
        .with_context(|| format!("{vm} has no UUID"))?;
    let read = |path: &str| gz::hvm::read_text(host.root(), path);
    let mac = |link: &str| {
        let net = zone.nets.iter().find(|net| net.physical.as_deref() == Some(link))?;
        Some(host.mac(net)).filter(|mac| !mac.is_empty())
    };
    let source = zone.value("cloud-init").unwrap_or("on").trim();
    let known = cloud_init::Host { uuid: &uuid, read: &read, mac: &mac };
    let seed = cloud_init::seed(&zone, source, known)?;
    let image = iso9660::image(cloud_init::VOLUME_ID, &seed.files())?;
    // It may hold a password.
    gz::files::replace(file, &image, 0o600)?;
    Ok(())
}
