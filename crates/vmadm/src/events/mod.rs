//! `vmadm events`: a line for every VM that is made, changed or deleted, until stopped.

mod diff;

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gz::clock::iso8601;
use gz::interrupt;
use gz::inventory::{Change, Watch};
use manifest::{Fields, VmObject};
use serde_json::{Map, Value, json};

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, tell};
use crate::commands::Command;

pub const COMMAND: Command = Command {
    names: &["events"],
    syntax: Syntax {
        types: &[("full", Kind::Flag), ("json", Kind::Flag), ("ready", Kind::Flag)],
        shorts: &[("f", &["--full"]), ("j", &["--json"]), ("r", &["--ready"])],
    },
    run,
};

/// How often the system is looked at: a change is told of within a second.
const INTERVAL: Duration = Duration::from_millis(400);

/// A name longer than this is cut in the short form.
const LONGEST_ALIAS: usize = 30;

#[derive(Clone, Copy)]
enum Form {
    Short,
    Full,
    Json,
}

fn run(mut call: Call) -> Outcome {
    let uuid = call.optional_uuid();
    let flag = |name| call.options.flag(name).unwrap_or(false);
    let form = match (flag("json"), flag("full")) {
        (true, _) => Form::Json,
        (false, true) => Form::Full,
        (false, false) => Form::Short,
    };
    interrupt::handle()?;
    let (mut watch, changes) = Watch::start(&call.root, uuid.as_deref())?;
    warn_of(&changes, form);
    if let Some(uuid) = &uuid
        && watch.vms().next().is_none()
    {
        return Err(Failure::new(format!("VM {uuid} not found")));
    }
    let mut out = io::stdout();
    if flag("ready") && !say(&mut out, &ready(&watch, form))? {
        return Ok(None);
    }
    let mut said = String::new();
    while !interrupt::wait(&out, INTERVAL)? && !interrupt::requested() {
        let changes = match watch.look() {
            Ok(changes) => changes,
            Err(gz::Error::Interrupted) => break,
            // The system may be busy, or broken for a while: the watch goes on.
            Err(error) => {
                let error = error.to_string();
                if error != said {
                    warn(&error, form);
                    said = error;
                }
                continue;
            }
        };
        said.clear();
        warn_of(&changes, form);
        for change in changes {
            let text = lines(change, now(), form);
            if !text.is_empty() && !say(&mut out, &text)? {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// Says which VMs cannot be read.
fn warn_of(changes: &[Change], form: Form) {
    for change in changes {
        if let Change::Unreadable { uuid, why } = change {
            warn(&format!("VM {uuid} cannot be read: {why}"), form);
        }
    }
}

/// Programs that read JSON take whatever is on standard error for the end: node-vmadm aborts. They are told where they
/// ask for it, with `-v`.
fn warn(message: &str, form: Form) {
    match form {
        Form::Json => log::warn!("{message}"),
        Form::Short | Form::Full => tell(message),
    }
}

/// False where nobody reads any more.
fn say(out: &mut impl Write, text: &str) -> Result<bool, Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn ready(watch: &Watch<'_>, form: Form) -> String {
    let date = iso8601(now());
    let uuid = uuid::Uuid::new_v4();
    match form {
        Form::Json => {
            let name = |vm: &VmObject| vm.text("zonename").unwrap_or_default().to_owned();
            let vms: Map<String, Value> = watch.vms().map(|vm| (name(vm), json!(vm))).collect();
            let event =
                json!({"type": "ready", "date": date, "uuid": uuid.to_string(), "vms": vms});
            manifest::json::compact(&event) + "\n"
        }
        Form::Full => format!("[{date}] ready (uuid {uuid})\n"),
        Form::Short => format!("[{}] ready\n", time_of_day(&date)),
    }
}

/// One change as text: a line, or in the short and full forms one for every value that differs.
fn lines(change: Change, milliseconds: i64, form: Form) -> String {
    let date = iso8601(milliseconds);
    let (kind, uuid, zonename, vm, changes) = match change {
        Change::Created(vm) => {
            let zonename = vm.text("zonename").unwrap_or_default().to_owned();
            ("create", vm.uuid().to_owned(), zonename, Some(vm), None)
        }
        Change::Modified { before, after } => {
            let zonename = after.text("zonename").unwrap_or_default().to_owned();
            let changes = diff::diff(before.object(), after.object());
            ("modify", after.uuid().to_owned(), zonename, Some(after), Some(changes))
        }
        Change::Deleted { uuid, zonename } => ("delete", uuid, zonename, None, None),
        Change::Unreadable { .. } => return String::new(),
    };
    if matches!(form, Form::Json) {
        let mut event = json!({"type": kind, "date": date, "zonename": zonename, "uuid": uuid});
        if let Some(vm) = vm {
            event["vm"] = vm.into_value();
        }
        if let Some(changes) = changes {
            event["changes"] = Value::Array(changes);
        }
        return manifest::json::compact(&event) + "\n";
    }
    let alias = vm.as_ref().and_then(|vm| vm.text("alias")).filter(|alias| !alias.is_empty());
    let alias = shortened(alias.unwrap_or("-"));
    let (date, name) = match form {
        Form::Short => (time_of_day(&date), zonename.split('-').next().unwrap_or_default()),
        _ => (date.as_str(), zonename.as_str()),
    };
    let base = format!("[{date}] {name} {alias} {kind}");
    match changes {
        None => format!("{base}\n"),
        Some(changes) => changes.iter().map(|change| change_line(&base, change)).collect(),
    }
}

fn change_line(base: &str, change: &Value) -> String {
    let text = |key: &str| change.get(key).and_then(Value::as_str).unwrap_or_default();
    let value =
        |key: &str| change.get(key).map_or_else(|| "undefined".to_owned(), Value::to_string);
    let (path, action) = (text("prettyPath"), text("action"));
    format!("{base}: {path} {action} :: {} -> {}\n", value("oldValue"), value("newValue"))
}

fn time_of_day(date: &str) -> &str {
    date.split_once('T').map_or(date, |(_, time)| time)
}

fn shortened(alias: &str) -> String {
    if alias.chars().count() <= LONGEST_ALIAS {
        return alias.to_owned();
    }
    alias.chars().take(LONGEST_ALIAS - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(state: &str) -> VmObject {
        let vm = json!({"zonename": "a0000001-0000-4000-8000-000000000001", "alias": "x".repeat(31),
            "uuid": "a0000001-0000-4000-8000-000000000001", "state": state});
        serde_json::from_value(vm).unwrap()
    }

    #[test]
    fn the_short_form_has_a_line_a_change() {
        let change = Change::Modified { before: vm("running"), after: vm("stopped") };
        assert_eq!(
            lines(change, 1_795_235_225_000, Form::Short),
            format!(
                "[04:27:05.000Z] a0000001 {}... modify: state changed :: \"running\" -> \"stopped\"\n",
                "x".repeat(27)
            )
        );
    }

    #[test]
    fn deletions_have_no_vm() {
        let deleted = || Change::Deleted { uuid: "u-1".into(), zonename: "z-1".into() };
        assert_eq!(lines(deleted(), 0, Form::Full), "[1970-01-01T00:00:00.000Z] z-1 - delete\n");
        assert_eq!(
            lines(deleted(), 0, Form::Json),
            "{\"type\":\"delete\",\"date\":\"1970-01-01T00:00:00.000Z\",\"zonename\":\"z-1\",\"uuid\":\"u-1\"}\n"
        );
    }
}
