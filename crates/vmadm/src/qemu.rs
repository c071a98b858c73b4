//! Talking to the qemu of a KVM VM.

use std::time::Duration;

use bhyve_ctl::machine::Machine;
use bhyve_ctl::qmp::Client;
use bhyve_ctl::zone::HvmZone;
use gz::Root;
use manifest::Flavour;

use crate::cli::Failure;

/// How long qemu may take to answer a command.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection to the qemu of the VM whose zone is at `zonepath`.
pub fn connect(root: &Root, zonepath: &str) -> Result<Client, Failure> {
    let stream = gz::hvm::connect(root, zonepath, "/tmp/vm.qmp")?;
    Client::connect(stream, ANSWER).map_err(Failure::new)
}

/// The virtual machine of a VM of OmniOS.
pub fn machine<'a>(root: &'a Root, uuid: &str) -> Result<Machine<'a>, Failure> {
    let (path, text) = gz::zonecfg::read_file(root, uuid)?.ok_or_else(crate::get::gone)?;
    let zone =
        HvmZone::from_xml(&text).map_err(|error| Failure::new(format!("{path}: {error}")))?;
    Ok(Machine::new(root, zone, Flavour::OmniOs, uuid.to_owned()))
}
