//! `vmadm send`: the whole VM on standard output, for `vmadm receive` elsewhere.

use std::io::{self, IsTerminal, Write};

use gz::bundle::{self, Header};
use gz::inventory::Fields;
use gz::{Root, zfs};
use manifest::json;
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::transfer::{self, Dataset, Have, Known, Part, SENDING};
use crate::plan::{Object, receive, stop};
use crate::{change, cli, get, moving};

pub const COMMAND: Command = Command {
    names: &["send"],
    syntax: Syntax {
        types: &[("since", Kind::Text), ("have", Kind::Text), ("resumable", Kind::Flag)],
        shorts: &[],
    },
    run,
};

/// What zones leave behind in their directory when they are moved by other means.
const LEFTOVERS: [&str; 2] = ["SUNWattached.xml", "SUNWdetached.xml"];

fn run(mut call: Call) -> Outcome {
    change::only_smartos(&call.root, "send")?;
    let uuid = call.uuid()?;
    if io::stdout().is_terminal() {
        return Err(Failure::new("Cannot send VM to a TTY."));
    }
    let have = call.options.text("have").map(|file| read_have(&file, &uuid)).transpose()?;
    let since = call.options.text("since");
    let resumable = call.options.flag("resumable") == Some(true);
    let root = &call.root;
    let _lock = change::begin(root, &uuid)?;
    let (vm, brand) = change::load(root, &uuid, &Fields::all())?.ok_or_else(get::gone)?;
    let tops = receive::datasets(&vm);
    if tops.is_empty() {
        return Err(Failure::new("VM has no datasets."));
    }
    if text(&vm, "state") != "stopped" {
        let plan = stop::plan(&vm, brand, None).map_err(Failure::new)?;
        change::execute(root, &plan)?;
    }
    for name in LEFTOVERS {
        gz::files::remove(&root.path(text(&vm, "zonepath")).join(name))?;
    }
    let known = match (&have, &since) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage("Only one of --have and --since can be given"));
        }
        (Some(have), None) => Some(Known::Told(have)),
        // A VM's images are what it was made since.
        (None, Some(since)) if is_image(&vm, since) => Some(Known::Images),
        (None, Some(since)) => Some(Known::Since(since)),
        (None, None) if resumable => Some(Known::Images),
        (None, None) => None,
    };
    if let Some(known) = known {
        send_parts(root, &vm, &tops, known, resumable)?;
    } else {
        send_json(bundle::WHOLE, bundle::JSON, &(json::pretty(&vm) + "\n"))?;
        for dataset in &tops {
            send_whole(root, dataset)?;
        }
    }
    Ok(Some(format!("Successfully sent VM {uuid}")))
}

fn text<'a>(vm: &'a Object, key: &str) -> &'a str {
    vm.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether the VM or one of its disks was made of that image.
fn is_image(vm: &Object, name: &str) -> bool {
    let disks = vm.get("disks").and_then(Value::as_array).into_iter().flatten();
    text(vm, "image_uuid") == name || disks.into_iter().any(|disk| disk["image_uuid"] == name)
}

fn read_have(file: &str, uuid: &str) -> Result<Have, Failure> {
    let (text, origin) = match file {
        "-" => (io::read_to_string(io::stdin())?, "standard input"),
        file => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("Error reading: {file} {error}")))?;
            (text, file)
        }
    };
    let have: Have = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("{origin} is not what receive --have says: {error}"))
    })?;
    if have.uuid != uuid {
        return Err(Failure::new(format!("{origin} is about VM {}", have.uuid)));
    }
    Ok(have)
}

fn write(parts: &[&[u8]]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for part in parts {
        stdout.write_all(part)?;
    }
    Ok(stdout.flush()?)
}

fn send_json(version: u32, name: &str, json: &str) -> Result<(), Failure> {
    let header = Header { version, name: name.to_owned(), size: json.len() as u64 };
    let padding = vec![0; header.padding() as usize];
    write(&[&header.to_bytes(), json.as_bytes(), &padding])
}

/// Announces a stream and lets zfs write it.
fn send_stream(root: &Root, version: u32, name: &str, arguments: &[&str]) -> Result<(), Failure> {
    let header = Header { version, name: name.to_owned(), size: 0 };
    write(&[&header.to_bytes()])?;
    Ok(zfs::tool(root).arg("send").args(arguments).pass_through()?)
}

/// Takes the snapshot that a dataset travels as, with those of all below it.
fn take_snapshot(root: &Root, dataset: &str) -> Result<String, Failure> {
    let snapshot = format!("{dataset}@{SENDING}");
    // One may be left of a send that was cut off.
    if let Err(error) = zfs::destroy(root, &["-r", "-F"], &snapshot) {
        log::debug!("{error}");
    }
    zfs::tool(root).args(["snapshot", "-r", &snapshot]).run()?;
    Ok(snapshot)
}

/// Sends a dataset with all below it, as it is now.
fn send_whole(root: &Root, dataset: &str) -> Result<(), Failure> {
    let snapshot = take_snapshot(root, dataset)?;
    let sent = send_stream(root, bundle::WHOLE, dataset, &["-R", &snapshot]);
    let _shield = gz::interrupt::Shield::new();
    zfs::destroy(root, &["-r", "-F"], &snapshot)?;
    sent
}

/// Sends what the other side lacks. With `resumable` the snapshots stay where that fails, so that the rest can follow.
fn send_parts(
    root: &Root,
    vm: &Object,
    tops: &[String],
    known: Known<'_>,
    resumable: bool,
) -> Result<(), Failure> {
    let mut datasets = moving::datasets(root, tops)?;
    if goes_on(&datasets, known) {
        check_unchanged(root, &datasets)?;
    } else {
        for dataset in tops {
            take_snapshot(root, dataset)?;
        }
        datasets = moving::datasets(root, tops)?;
    }
    let sent = announce(root, vm, tops, &datasets, known)
        .and_then(|parts| parts.iter().try_for_each(|part| send_part(root, part, known)));
    if sent.is_err() && resumable {
        cli::tell(
            "what has arrived can be kept: \"vmadm receive --have UUID\" there says what it is, \
             \"vmadm send --have FILE --resumable UUID\" here sends the rest",
        );
        return sent;
    }
    let _shield = gz::interrupt::Shield::new();
    for dataset in tops {
        zfs::destroy(root, &["-r", "-F"], &format!("{dataset}@{SENDING}"))?;
    }
    sent
}

/// Whether the other side has part of what an earlier send wrote.
fn goes_on(datasets: &[Dataset], known: Known<'_>) -> bool {
    let Known::Told(have) = known else { return false };
    let is_there = |guid: &str| {
        have.datasets.iter().flat_map(|there| &there.snapshots).any(|there| there.guid == guid)
    };
    let mut kept =
        datasets.iter().flat_map(|dataset| &dataset.snapshots).filter(|s| s.name == SENDING);
    let begun = have.datasets.iter().any(|there| there.resume_token.is_some());
    kept.any(|snapshot| begun || is_there(&snapshot.guid))
}

/// Refuses to send the rest of a VM that is another one by now.
fn check_unchanged(root: &Root, datasets: &[Dataset]) -> Result<(), Failure> {
    for dataset in datasets {
        let values = zfs::get(root, &dataset.name, &["written"])?;
        let kept = dataset.snapshots.last().is_some_and(|last| last.name == SENDING);
        if !kept || values.get("written").is_some_and(|written| written != "0") {
            return Err(Failure::new(format!(
                "{} has changed since the VM was sent: delete the VM on the other side and send it anew",
                dataset.name
            )));
        }
    }
    Ok(())
}

/// Sends the VM object and the list of what follows.
fn announce(
    root: &Root,
    vm: &Object,
    tops: &[String],
    datasets: &[Dataset],
    known: Known<'_>,
) -> Result<Vec<Part>, Failure> {
    let mut parts = transfer::parts(datasets, known).map_err(Failure::new)?;
    let mut properties = moving::properties(root, tops)?;
    for part in &mut parts {
        part.properties = properties.remove(&part.dataset).unwrap_or_default();
    }
    send_json(bundle::PARTS, bundle::VM, &(json::pretty(vm) + "\n"))?;
    send_json(bundle::PARTS, bundle::LIST, &(json::pretty(&parts) + "\n"))?;
    Ok(parts)
}

fn send_part(root: &Root, part: &Part, known: Known<'_>) -> Result<(), Failure> {
    let mut builds_on = match (&part.base, &part.origin) {
        (Some(base), _) => Some(format!("@{}", base.name)),
        (None, Some(origin)) => Some(origin.name.clone()),
        (None, None) => None,
    };
    let mut token = part.resumed.then(|| resume_token(part, known)).flatten();
    for snapshot in &part.snapshots {
        let name = format!("{}@{}", part.dataset, snapshot.name);
        let arguments = match (&token, &builds_on) {
            (Some(token), _) => vec!["-t", token],
            (None, Some(base)) => vec!["-i", base, &name],
            (None, None) => vec![name.as_str()],
        };
        send_stream(root, bundle::PARTS, &name, &arguments)?;
        token = None;
        builds_on = Some(format!("@{}", snapshot.name));
    }
    Ok(())
}

fn resume_token(part: &Part, known: Known<'_>) -> Option<String> {
    let Known::Told(have) = known else { return None };
    let name = transfer::on_pool(&part.dataset, have.zpool.as_deref());
    have.datasets.iter().find(|there| there.name == name)?.resume_token.clone()
}
