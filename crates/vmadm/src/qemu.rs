//! Talking to the qemu of a KVM VM.

use std::time::Duration;

use bhyve_ctl::qmp::Client;
use gz::Root;

use crate::cli::Failure;

/// How long qemu may take to answer a command.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection to the qemu of the VM whose zone is at `zonepath`.
pub fn connect(root: &Root, zonepath: &str) -> Result<Client, Failure> {
    let stream = gz::hvm::connect(root, zonepath, "/tmp/vm.qmp")?;
    Client::connect(stream, ANSWER).map_err(Failure::new)
}
