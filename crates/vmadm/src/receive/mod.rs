//! `vmadm receive`: a VM that `vmadm send` wrote, from standard input.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use gz::bundle::{self, Next};
use gz::inventory::{Fields, Inventory};
use gz::plan::Step;
use gz::{Root, zfs};
use manifest::json;
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, print};
use crate::commands::Command;
use crate::plan::Object;
use crate::plan::receive::{self, Arrival, Zone};
use crate::plan::transfer::{self, Here, Part, SENDING};
use crate::{change, facts, moving};
use checked::Prepared;

mod checked;
mod rebuild;

pub const COMMAND: Command = Command {
    names: &["receive", "recv"],
    syntax: Syntax {
        types: &[
            ("from-json", Kind::Text),
            ("have", Kind::Text),
            ("pool", Kind::Text),
            ("resumable", Kind::Flag),
        ],
        shorts: &[("f", &["--file"]), ("P", &["--pool"]), ("s", &["--resumable", "true"])],
    },
    run,
};

fn run(call: Call) -> Outcome {
    change::only_smartos(&call.root, "receive")?;
    let pool = call.options.text("pool");
    let pool = pool.as_deref();
    if let Some(uuid) = call.options.text("have") {
        if !crate::cli::looks_like_uuid(&uuid) {
            return Err(Failure::usage("Invalid or missing UUID for receive --have"));
        }
        let have = moving::have(&call.root, &uuid, pool)?;
        print(&(json::pretty(&have) + "\n"))?;
        return Ok(None);
    }
    if let Some(file) = call.options.text("from-json") {
        return rebuild::run(&call.root, &file, pool);
    }
    take_input(&call)?;
    let (version, vm) = read_vm()?;
    if version == bundle::WHOLE {
        receive_whole(&call.root, vm, pool)
    } else {
        receive_parts(&call, vm, pool)
    }
}

/// With `-f FILE` the file becomes standard input, which zfs shares.
fn take_input(call: &Call) -> Result<(), Failure> {
    match call.options.text("file") {
        Some(name) if name != "-" => {
            let file = File::open(&name)
                .map_err(|error| Failure::new(format!("Error reading: {name} {error}")))?;
            Ok(gz::process::become_stdin(file.as_fd())?)
        }
        _ if io::stdin().is_terminal() => {
            Err(Failure::usage("Will not receive from stdin when stdin is a tty."))
        }
        _ => Ok(()),
    }
}

/// The version of the stream and the VM object that it begins with. Observed: nothing at all, what is no stream and a
/// stream that is damaged are three messages.
fn read_vm() -> Result<(u32, Object), Failure> {
    let mut input = bundle::stdin()?;
    let header = match bundle::next_header(&mut input).map_err(not_unpacked)? {
        Next::Chunk(header) => header,
        Next::Foreign => return Err(in_create(Failure::new("Failed to get JSON!"))),
        Next::End => return Err(unreceivable()),
    };
    let name = if header.version == bundle::WHOLE { bundle::JSON } else { bundle::VM };
    if header.name != name || header.size == 0 {
        return Err(not_unpacked(format!("it begins with {}, not the VM's {name}", header.name)));
    }
    let chunk = bundle::read_chunk(&mut input, &header).map_err(not_unpacked)?;
    match json::parse(&chunk, "the received stream") {
        Ok(Value::Object(vm)) => Ok((header.version, vm)),
        Ok(_) => Err(unreceivable()),
        Err(error) => Err(in_create(Failure::new(error))),
    }
}

fn read_parts() -> Result<Vec<Part>, Failure> {
    let mut input = bundle::stdin()?;
    let Next::Chunk(header) = bundle::next_header(&mut input).map_err(not_unpacked)? else {
        return Err(not_unpacked("the list of its datasets should follow"));
    };
    if header.name != bundle::LIST {
        return Err(not_unpacked(format!(
            "the list of its datasets should follow, not {}",
            header.name
        )));
    }
    let chunk = bundle::read_chunk(&mut input, &header).map_err(not_unpacked)?;
    let parts: Vec<Part> = serde_json::from_slice(&chunk)
        .map_err(|error| Failure::new(format!("the list of datasets in stdin: {error}")))?;
    Ok(parts)
}

/// The original unpacks streams by a program of that name, and says no more where that fails.
fn not_unpacked(why: impl ToString) -> Failure {
    in_create(Failure::explained(change::NOT_UNPACKED, [why.to_string()]))
}

/// Refusals of the VM as a new one, which the original makes in a step of the receive, and wraps once.
fn in_create(failure: Failure) -> Failure {
    change::wrapped(failure, 1)
}

fn unreceivable() -> Failure {
    Failure::new("unable to receive JSON")
}

fn uuid_of(vm: &Object) -> Result<String, Failure> {
    let uuid = vm.get("uuid").and_then(Value::as_str).unwrap_or_default();
    if crate::cli::looks_like_uuid(uuid) { Ok(uuid.to_owned()) } else { Err(unreceivable()) }
}

fn exists(uuid: &str) -> Failure {
    Failure::new(format!("VM with UUID {uuid} already exists"))
}

/// Receives a VM as SmartOS's vmadm sends it: whole datasets.
fn receive_whole(root: &Root, mut vm: Object, pool: Option<&str>) -> Outcome {
    let uuid = uuid_of(&vm)?;
    let _lock = change::begin(root, &uuid)?;
    if Inventory::one(root, &uuid)?.is_some() {
        return Err(in_create(exists(&uuid)));
    }
    let datasets = receive::whole(receive::datasets(&vm), pool);
    if let Some(pool) = pool {
        receive::retarget(&mut vm, pool);
    }
    let Prepared { payload, brand, reserved } =
        checked::whole(root, &vm, &uuid).map_err(in_create)?;
    let facts = facts::for_create(root, &payload, brand).map_err(in_create)?;
    for dataset in receive::datasets(&vm) {
        if zfs::exists(root, &dataset)? {
            return Err(in_create(Failure::new(format!("dataset {dataset} already exists"))));
        }
    }
    let plan = receive::plan(Arrival {
        vm: &vm,
        prepared: payload.into_object(),
        brand,
        now_ms: facts.now_ms,
        zone: Zone::New,
        datasets,
        resumable: false,
        others_have_firewall: facts.others_have_firewall,
    });
    change::execute_reserved(root, &plan.map_err(|why| in_create(Failure::new(why)))?, reserved)?;
    Ok(Some(format!("Successfully received VM {uuid}")))
}

/// Receives what this side lacked.
fn receive_parts(call: &Call, mut vm: Object, pool: Option<&str>) -> Outcome {
    let root = &call.root;
    let parts = read_parts()?;
    let uuid = uuid_of(&vm)?;
    let _lock = change::begin(root, &uuid)?;
    let (zone, mut names) = present(root, &uuid)?;
    if zone == Zone::Replaced && parts.iter().all(|part| part.base.is_none()) {
        return Err(in_create(exists(&uuid)));
    }
    if let Some(pool) = pool {
        receive::retarget(&mut vm, pool);
    }
    let tops = receive::datasets(&vm);
    names.extend(tops.iter().filter(|top| !names.contains(top)).cloned().collect::<Vec<_>>());
    let datasets = moving::datasets(root, &names)?;
    let own_pool = vm.get("zpool").and_then(Value::as_str);
    let here = Here {
        datasets,
        origins: moving::image_snapshots(root, own_pool)?
            .into_iter()
            .map(|snapshot| snapshot.guid)
            .collect(),
    };
    transfer::check(&parts, &here, pool).map_err(Failure::new)?;
    let Prepared { payload, brand, reserved } =
        checked::without_images(root, &vm, &uuid).map_err(in_create)?;
    let resumable = call.options.flag("resumable") == Some(true) || zone == Zone::Begun;
    let mut steps = transfer::receive(&parts, pool, resumable);
    steps.extend(
        tops.iter().map(|top| Step::DestroySending { snapshot: format!("{top}@{SENDING}") }),
    );
    let plan = receive::plan(Arrival {
        vm: &vm,
        prepared: payload.into_object(),
        brand,
        now_ms: facts::now_ms(),
        zone,
        datasets: steps,
        resumable,
        others_have_firewall: facts::others_have_firewall(root, &vm)?,
    });
    change::execute_reserved(root, &plan.map_err(Failure::new)?, reserved).map_err(|failure| {
        let keeps =
            "what has arrived is kept for the rest to follow; \"vmadm delete\" lets go of it";
        if resumable { behind(failure, keeps) } else { failure }
    })?;
    Ok(Some(format!("Successfully received VM {uuid}")))
}

/// A failure with a line behind its message.
fn behind(failure: Failure, line: &str) -> Failure {
    match failure {
        Failure::Failed(message) => Failure::Failed(format!("{}\n{line}", message.trim_end())),
        usage @ Failure::Usage(_) => usage,
    }
}

/// What there is of the VM: its zone's configuration, and the datasets that it is known to have.
fn present(root: &Root, uuid: &str) -> Result<(Zone, Vec<String>), Failure> {
    let Some((vm, _)) = change::load(root, uuid, &Fields::all())? else {
        return Ok((Zone::New, Vec::new()));
    };
    let text = |key: &str| vm.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("state") {
        "receiving" => Ok((Zone::Begun, Vec::new())),
        "stopped" => Ok((Zone::Replaced, receive::datasets(&vm))),
        state => Err(Failure::new(format!(
            "VM {uuid} is here, in state {state}: only a stopped one can be brought up to date"
        ))),
    }
}
