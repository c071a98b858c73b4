//! Commands on virtual machines of this system: state, buttons, devices, pictures, QMP.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::devices;
use super::host::Host;
use crate::machine::{Action, Machine};

/// Commands that show a machine, as text or as JSON: name and what it is for.
const SHOWING: [(&str, &str); 3] = [
    ("status", "Print whether a virtual machine runs"),
    ("stats", "Print what the hypervisor has counted"),
    ("devices", "Print the PCI devices of a virtual machine"),
];

/// Commands that do something to a machine: name and what it is for.
const ACTING: [(&str, &str); 4] = [
    ("nmi", "Send a non-maskable interrupt to the guest"),
    ("reset", "Press the reset button"),
    ("powerdown", "Press the power button"),
    ("poweroff", "Pull the plug"),
];

pub(super) fn commands() -> Vec<Command> {
    let vm = || super::vm_argument().required(true);
    let command =
        |(name, about): &(&'static str, &'static str)| Command::new(*name).about(*about).arg(vm());
    let showing = SHOWING.iter().map(command).map(|command| command.arg(super::json_option()));
    let mut commands: Vec<Command> = showing
        .chain(ACTING.iter().map(command))
        .map(|command| match command.get_name() {
            "powerdown" => command.arg(
                Arg::new("timeout")
                    .short('t')
                    .long("timeout")
                    .value_name("SECONDS")
                    .value_parser(value_parser!(u64))
                    .help("Wait that long for the guest to go down, then pull the plug"),
            ),
            _ => command,
        })
        .collect();
    commands.push(Command::new("list").about("List virtual machines").arg(super::json_option()));
    commands.push(
        Command::new("screenshot")
            .about("Write what the screen shows to a PNG file")
            .arg(vm())
            .arg(
                Arg::new("file")
                    .value_name("FILE")
                    .required(true)
                    .value_parser(value_parser!(PathBuf)),
            ),
    );
    commands.push(
        Command::new("qmp")
            .about("Give qemu a command and print its answer")
            .arg(vm())
            .arg(Arg::new("command").value_name("COMMAND").required(true))
            .arg(Arg::new("arguments").value_name("JSON").help("Arguments, as a JSON object")),
    );
    commands
}

pub(super) fn run(name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    let host = Host::from_env();
    if name == "list" {
        return list(&host, matches.get_flag("json"));
    }
    let vm = super::vm_of(matches)?;
    let machine = host.machine(vm)?;
    match name {
        "status" => status(&host, &machine, matches.get_flag("json")),
        "stats" => stats(&machine, matches.get_flag("json")),
        "devices" => devices::run(&host, &machine, matches.get_flag("json")),
        "nmi" => machine.act(Action::Nmi),
        "reset" => machine.act(Action::Reset),
        "poweroff" => machine.act(Action::PowerOff),
        "powerdown" => powerdown(&machine, matches.get_one("timeout").copied()),
        "screenshot" => screenshot(&machine, matches),
        "qmp" => qmp(&machine, matches),
        other => anyhow::bail!("unknown command {other}"),
    }
}

pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    super::print(&(serde_json::to_string_pretty(value)? + "\n"))
}

fn list(host: &Host, as_json: bool) -> anyhow::Result<()> {
    let zones = gz::zoneadm::list(host.root())?;
    let machines = zones.into_iter().filter(|zone| matches!(zone.brand.as_str(), "bhyve" | "kvm"));
    if as_json {
        let machines: Vec<Value> = machines
            .map(|zone| {
                json!({
                    "uuid": host.vm_uuid(&zone.name, &zone.uuid),
                    "zonename": zone.name,
                    "brand": zone.brand,
                    "state": zone.state,
                    "zonepath": zone.zonepath,
                })
            })
            .collect();
        return print_json(&Value::from(machines));
    }
    let mut text = format!("{:<36}  {:<5}  {:<13}  NAME\n", "UUID", "BRAND", "STATE");
    for zone in machines {
        let uuid = host.vm_uuid(&zone.name, &zone.uuid).unwrap_or("-");
        let (brand, state, name) = (&zone.brand, &zone.state, &zone.name);
        text.push_str(&format!("{uuid:<36}  {brand:<5}  {state:<13}  {name}\n"));
    }
    super::print(&text)
}

fn status(host: &Host, machine: &Machine<'_>, as_json: bool) -> anyhow::Result<()> {
    let mut status = machine.status()?;
    if as_json {
        // A configuration that the brand refuses is no reason to say nothing.
        if machine.zone().brand == "bhyve"
            && let Ok(argv) = devices::arguments(host, machine)
        {
            match machine.boot_options(&argv) {
                Ok(Some(options)) => status["boot_options"] = serde_json::to_value(options)?,
                Ok(None) => {}
                Err(error) => eprintln!("bhyve-ctl: warning: {error:#}"),
            }
        }
        return print_json(&status);
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let zone = text(&status["state"]).unwrap_or_default();
    match text(&status["guest"]["status"]) {
        Some(guest) if guest != zone => super::print(&format!("{zone} ({guest})\n")),
        _ => super::print(&format!("{zone}\n")),
    }
}

fn stats(machine: &Machine<'_>, as_json: bool) -> anyhow::Result<()> {
    let stats = machine.stats()?;
    if as_json { print_json(&stats) } else { super::print(&counters(&stats)) }
}

/// Counters as text, one a line: `NAME: COUNT` of bhyve, `DISK NAME: COUNT` of qemu.
fn counters(stats: &Value) -> String {
    let mut text = String::new();
    let mut add = |prefix: &str, counters: &Value| {
        for (name, count) in counters.as_object().into_iter().flatten() {
            if count.is_number() {
                text.push_str(&format!("{prefix}{name}: {count}\n"));
            }
        }
    };
    match stats.as_array() {
        Some(disks) => disks.iter().for_each(|disk| {
            let name = disk["device"].as_str().unwrap_or_default();
            add(&format!("{name} "), &disk["stats"]);
        }),
        None => add("", stats),
    }
    text
}

fn powerdown(machine: &Machine<'_>, timeout: Option<u64>) -> anyhow::Result<()> {
    match timeout {
        None => machine.act(Action::PowerDown),
        Some(seconds) => {
            if !machine.shut_down(Duration::from_secs(seconds))? {
                eprintln!("bhyve-ctl: the guest did not go down within {seconds} s: powered off");
            }
            Ok(())
        }
    }
}

fn screenshot(machine: &Machine<'_>, matches: &ArgMatches) -> anyhow::Result<()> {
    let file: &PathBuf = matches.get_one("file").context("no file is named")?;
    let mut png = Vec::new();
    machine.screenshot()?.write_png(&mut png)?;
    std::fs::write(file, png).with_context(|| format!("cannot write {}", file.display()))
}

fn qmp(machine: &Machine<'_>, matches: &ArgMatches) -> anyhow::Result<()> {
    let command: &String = matches.get_one("command").context("no command is named")?;
    let arguments = match matches.get_one::<String>("arguments") {
        Some(text) => serde_json::from_str(text).context("the arguments are not JSON")?,
        None => Value::Null,
    };
    print_json(&machine.qmp()?.execute(command, &arguments)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_lines() {
        assert_eq!(
            counters(&json!({"total number of vm exits": 3})),
            "total number of vm exits: 3\n"
        );
        let stats = json!([
            {"device": "virtio0", "stats": {"rd_bytes": 512, "timed_stats": [], "account_failed": true}},
            {"device": "virtio1", "stats": {"rd_bytes": 1, "wr_bytes": 0}},
        ]);
        let text = "virtio0 rd_bytes: 512\nvirtio1 rd_bytes: 1\nvirtio1 wr_bytes: 0\n";
        assert_eq!(counters(&stats), text);
    }
}
