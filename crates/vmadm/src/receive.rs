//! `vmadm receive`: a VM that `vmadm send` wrote, from standard input.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use gz::bundle;
use gz::inventory::Inventory;
use manifest::ids::RandomIds;
use manifest::normalise;
use manifest::{Action, Payload};
use serde_json::Value;

use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::plan::{Object, receive};
use crate::{change, facts};

pub const COMMAND: Command =
    Command { names: &["receive", "recv"], syntax: crate::cli::payload::SYNTAX, run };

fn run(call: Call) -> Outcome {
    change::only_smartos(&call.root, "receive")?;
    take_input(&call)?;
    let vm = read_vm()?;
    let root = &call.root;
    let uuid = vm.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !crate::cli::looks_like_uuid(&uuid) {
        return Err(Failure::new("unable to receive JSON"));
    }
    let _lock = change::begin(root, &uuid)?;
    if Inventory::one(root, &uuid)?.is_some() {
        return Err(Failure::new(format!("VM with UUID {uuid} already exists")));
    }
    let object = receive::payload(vm.clone());
    let known = facts::for_checks(root, &object, None, &uuid)?;
    let mut payload = Payload::from(object);
    let prepared = normalise::prepare_create(Action::Receive, &mut payload, &known, &mut RandomIds)
        .map_err(Failure::new)?;
    let facts = facts::for_create(root, &payload, prepared.brand.vm_type().is_hvm())?;
    for dataset in receive::datasets(&vm) {
        if gz::zfs::exists(root, &dataset)? {
            return Err(Failure::new(format!("dataset {dataset} already exists")));
        }
    }
    let plan = receive::plan(&vm, payload.into_object(), prepared.brand, facts.now_ms)
        .map_err(Failure::new)?;
    change::execute(root, &plan)?;
    Ok(Some(format!("Successfully received VM {uuid}")))
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

fn read_vm() -> Result<Object, Failure> {
    let mut input = bundle::stdin()?;
    let header = bundle::next_header(&mut input)?
        .filter(|header| header.name == bundle::JSON)
        .ok_or_else(|| Failure::new("unable to find JSON in stdin."))?;
    let chunk = bundle::read_chunk(&mut input, &header)?;
    match crate::cli::payload::parse(&chunk, "the received stream")? {
        Value::Object(vm) => Ok(vm),
        _ => Err(Failure::new("unable to receive JSON")),
    }
}
