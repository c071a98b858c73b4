//! `vmadm send`: the whole VM on standard output, for `vmadm receive` elsewhere.

use std::io::{self, IsTerminal, Write};

use gz::bundle::{self, Header};
use gz::inventory::Fields;
use gz::{Root, zfs};
use serde_json::Value;

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::{receive, stop};
use crate::{change, get};

pub const COMMAND: Command = Command { names: &["send"], syntax: Syntax::NONE, run };

/// What zones leave behind in their directory when they are moved by other means.
const LEFTOVERS: [&str; 2] = ["SUNWattached.xml", "SUNWdetached.xml"];

fn run(mut call: Call) -> Outcome {
    change::only_smartos(&call.root, "send")?;
    let uuid = call.uuid()?;
    if io::stdout().is_terminal() {
        return Err(Failure::new("Cannot send VM to a TTY."));
    }
    let root = &call.root;
    let _lock = change::begin(root, &uuid)?;
    let (vm, brand) = change::load(root, &uuid, &Fields::all())?.ok_or_else(get::gone)?;
    let datasets = receive::datasets(&vm);
    if datasets.is_empty() {
        return Err(Failure::new("VM has no datasets."));
    }
    let text = |key: &str| vm.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("state") != "stopped" {
        let plan = stop::plan(&vm, brand, None).map_err(Failure::new)?;
        change::execute(root, &plan)?;
    }
    for name in LEFTOVERS {
        gz::files::remove(&root.path(text("zonepath")).join(name))?;
    }
    send_json(&Value::Object(vm.clone()))?;
    for dataset in &datasets {
        send_dataset(root, dataset)?;
    }
    Ok(Some(format!("Successfully sent VM {uuid}")))
}

fn write(parts: &[&[u8]]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for part in parts {
        stdout.write_all(part)?;
    }
    Ok(stdout.flush()?)
}

fn send_json(vm: &Value) -> Result<(), Failure> {
    let json = format!("{vm:#}\n");
    let header = Header { name: bundle::JSON.to_owned(), size: json.len() as u64 };
    let padding = vec![0; header.padding() as usize];
    write(&[&header.to_bytes(), json.as_bytes(), &padding])
}

/// Sends a dataset with all below it, as it is now.
fn send_dataset(root: &Root, dataset: &str) -> Result<(), Failure> {
    let snapshot = format!("{dataset}@sending");
    // One may be left of a send that was cut off.
    if let Err(error) = zfs::destroy(root, &["-r", "-F"], &snapshot) {
        log::debug!("{error}");
    }
    zfs::tool(root).args(["snapshot", "-r", &snapshot]).run()?;
    let header = Header { name: dataset.to_owned(), size: 0 };
    let sent = write(&[&header.to_bytes()])
        .and_then(|()| Ok(zfs::tool(root).args(["send", "-R", &snapshot]).pass_through()?));
    let _shield = gz::interrupt::Shield::new();
    zfs::destroy(root, &["-r", "-F"], &snapshot)?;
    sent
}
