//! `vmadm info`: what the hypervisor says of a running VM.

use bhyve_ctl::qmp::{self, Client};
use bhyve_ctl::screen::Screen;
use gz::inventory::{self, Fields};
use manifest::{Brand, Fields as _, VmObject};
use serde_json::{Map, Value, json};

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome, print};
use crate::commands::Command;
use crate::{change, get, qemu};

pub const COMMAND: Command = Command { names: &["info"], syntax: Syntax::NONE, run };

/// What qemu is asked, each as `query-NAME`, in the order of the answer.
const QUERIES: &[&str] =
    &["status", "version", "chardev", "block", "blockstats", "cpus", "pci", "kvm"];

/// The port of VNC's display 0.
const FIRST_DISPLAY: i64 = 5900;

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let types = types(&call);
    let info = info(&call, &uuid, &types).map_err(|failure| match failure {
        Failure::Failed(why) => Failure::new(format!("Unable to get VM info for VM {uuid}: {why}")),
        usage @ Failure::Usage(_) => usage,
    })?;
    print(&(manifest::json::pretty(&info) + "\n"))?;
    Ok(None)
}

/// Types stand in one operand with commas between, or in several.
fn types(call: &Call) -> Vec<String> {
    let given: Vec<String> =
        call.operands.iter().flat_map(|list| list.split(',').map(str::to_owned)).collect();
    if given.is_empty() { vec!["all".to_owned()] } else { given }
}

fn info(call: &Call, uuid: &str, types: &[String]) -> Result<Value, Failure> {
    let wanted = Fields::of([
        "brand",
        "spice_opts",
        "spice_password",
        "spice_port",
        "state",
        "uuid",
        "vnc_password",
        "vnc_port",
        "zonepath",
    ]);
    let vm = inventory::get(&call.root, uuid, &wanted)?.ok_or_else(get::gone)?;
    let state = vm.state();
    if !matches!(state, "running" | "stopping") {
        return Err(Failure::new(format!(
            "Unable to get info for vm from state \"{state}\", must be \"running\" or \"stopping\"."
        )));
    }
    check(&vm, types)?;
    let wants = |name: &str| types.iter().any(|given| given == "all" || given == name);
    if vm.brand() == Some(Brand::Kvm) {
        if change::is_omnios(&call.root) {
            return of_monitor(call, uuid, &wants);
        }
        return of_qemu(call, &vm, &wants);
    }
    let mut info = Map::new();
    if wants("vnc") {
        info.insert("vnc".into(), vnc(call, &vm)?);
    }
    Ok(Value::Object(info))
}

fn check(vm: &VmObject, types: &[String]) -> Result<(), Failure> {
    let known = vm.brand().map_or(&[][..], |brand| brand.features().info_types);
    if known.is_empty() {
        let brand = vm.text("brand").unwrap_or_default();
        return Err(Failure::new(format!("no info types supported for brand {brand}")));
    }
    match types.iter().find(|given| !known.contains(&given.as_str())) {
        Some(other) => Err(Failure::new(format!("unknown info type {other}"))),
        None => Ok(()),
    }
}

fn of_qemu(call: &Call, vm: &VmObject, wants: &dyn Fn(&str) -> bool) -> Result<Value, Failure> {
    let mut qemu = qemu::connect(&call.root, vm.text("zonepath").unwrap_or_default())?;
    let mut info = Map::new();
    for name in QUERIES.iter().filter(|name| wants(name)) {
        match query(&mut qemu, name) {
            Ok(answer) => drop(info.insert((*name).to_owned(), answer)),
            // Each version of qemu has its own; the original leaves out what it has no answer to.
            Err(error) if error.is_unknown_command() => {}
            Err(error) => return Err(Failure::new(error)),
        }
    }
    if wants("vnc") {
        info.insert("vnc".into(), vnc(call, vm)?);
    }
    if wants("spice") {
        info.insert("spice".into(), spice(call, vm));
    }
    Ok(Value::Object(info))
}

/// What qemu's monitor for humans says, each as its lines: OmniOS's qemu has no other.
fn of_monitor(call: &Call, uuid: &str, wants: &dyn Fn(&str) -> bool) -> Result<Value, Failure> {
    let machine = qemu::machine(&call.root, uuid)?;
    let mut info = Map::new();
    for name in QUERIES.iter().chain(&["vnc"]).filter(|name| wants(name)) {
        let answer = machine.monitor_info(name);
        let answer = answer.map_err(|error| Failure::new(format!("{error:#}")))?;
        let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
        info.insert((*name).to_owned(), json!(lines));
    }
    Ok(Value::Object(info))
}

fn query(qemu: &mut Client, name: &str) -> qmp::Result<Value> {
    match qemu.execute(&format!("query-{name}"), &Value::Null) {
        // Its name since qemu 6.
        Err(error) if name == "cpus" && error.is_unknown_command() => {
            qemu.execute("query-cpus-fast", &Value::Null)
        }
        other => other,
    }
}

/// Where the screen is offered on TCP: what the service that does so says, else what is configured. Where no port is, only
/// the service would know.
fn vnc(call: &Call, vm: &VmObject) -> Result<Value, Failure> {
    if let Some(vnc) = gz::vmadmd::screen(&call.root, vm.text("uuid").unwrap_or_default(), "vnc") {
        return Ok(vnc);
    }
    if change::is_omnios(&call.root) {
        return screen(call, vm);
    }
    let mut vnc = Map::new();
    let port = vm.integer("vnc_port").filter(|port| *port > 0);
    // One of the two is offered.
    if let Some(port) = port.filter(|_| vm.integer("spice_port").is_none_or(|port| port <= 0)) {
        let facts = gz::sysinfo::read(&call.root)?;
        vnc.insert("host".into(), json!(gz::sysinfo::admin_ip(&facts)));
        vnc.insert("port".into(), json!(port));
        if port >= FIRST_DISPLAY {
            vnc.insert("display".into(), json!(port - FIRST_DISPLAY));
        }
        if let Some(password) = vm.text("vnc_password").filter(|password| !password.is_empty()) {
            vnc.insert("password".into(), json!(password));
        }
    }
    Ok(Value::Object(vnc))
}

/// Where bhyve offers the screen on OmniOS: nobody has it on TCP, unless bhyve-ctl does, or the attribute says so.
fn screen(call: &Call, vm: &VmObject) -> Result<Value, Failure> {
    let mut vnc = Map::new();
    match qemu::machine(&call.root, vm.text("uuid").unwrap_or_default())?.screen() {
        Some(Screen::Socket(path)) => {
            let root = format!("{}/root", vm.text("zonepath").unwrap_or_default());
            vnc.insert("socket".into(), json!(format!("{root}/{}", path.trim_start_matches('/'))));
        }
        Some(Screen::Tcp { address }) => {
            let (host, port) = address.rsplit_once(':').unwrap_or(("", &address));
            if !host.is_empty() {
                vnc.insert("host".into(), json!(host));
            }
            vnc.insert(
                "port".into(),
                port.parse::<u16>().map_or_else(|_| json!(port), |p| json!(p)),
            );
        }
        None => return Ok(Value::Object(vnc)),
    }
    if let Some(password) = vm.text("vnc_password").filter(|password| !password.is_empty()) {
        vnc.insert("password".into(), json!(password));
    }
    Ok(Value::Object(vnc))
}

/// SPICE in the same way.
fn spice(call: &Call, vm: &VmObject) -> Value {
    let uuid = vm.text("uuid").unwrap_or_default();
    if let Some(spice) = gz::vmadmd::screen(&call.root, uuid, "spice") {
        return spice;
    }
    let mut spice = Map::new();
    if let Some(port) = vm.integer("spice_port").filter(|port| *port > 0) {
        spice.insert("port".into(), json!(port));
        for (key, property) in [("password", "spice_password"), ("spice_opts", "spice_opts")] {
            if let Some(text) = vm.text(property).filter(|text| !text.is_empty()) {
                spice.insert(key.into(), json!(text));
            }
        }
    }
    Value::Object(spice)
}
