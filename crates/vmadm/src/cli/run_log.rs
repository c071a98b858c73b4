//! The log of commands that change VMs: a file for each below `/var/log/vm/logs`, named like the original's, with a line
//! of JSON in bunyan's form for the command, each tool that it ran, and what became of it.
//!
//! Nothing of what the command was given on its standard input or in values is in it. That nothing can be logged is no
//! reason to fail.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gz::{Root, clock, platform, probes};
use serde_json::{Value, json};

use super::options::Options;
use super::{Failure, Outcome};
use crate::commands;
use crate::facts::now_ms;
use crate::plan::Object;

const DIRECTORY: &str = "/var/log/vm/logs";

/// Bunyan's levels.
pub const DEBUG: u32 = 20;
pub const INFO: u32 = 30;
const ERROR: u32 = 50;

/// How much of a message is logged.
const MESSAGE_MAX: usize = 2000;

/// The log of the command that runs; `None` where there is none.
static CURRENT: Mutex<Option<RunLog>> = Mutex::new(None);

struct RunLog {
    directory: PathBuf,
    command: String,
    started: Instant,
    started_ms: u64,
    /// Opened when there is something to say beside that the command was used wrongly.
    file: Option<File>,
}

/// Begins the log of a command, where it changes anything. `arguments` are those that follow its name.
pub fn start(root: &Root, name: &str, arguments: &[String], options: &Options) {
    if !commands::changes(name) || options.flag("dry-run") == Some(true) {
        return;
    }
    // A directory that is no global zone gets no log.
    if !root.path("/etc/zones").is_dir() {
        return;
    }
    let mut log = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *log = Some(RunLog {
        directory: root.path(DIRECTORY),
        command: command_line(name, arguments),
        started: Instant::now(),
        started_ms: now_ms(),
        file: None,
    });
    probes::observe(tool_done);
}

/// Ends the log with what became of the command.
pub fn finish(outcome: &Outcome) {
    let mut log = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(mut log) = log.take() else { return };
    let (level, exit, message) = match outcome {
        Ok(message) => (INFO, 0, message.as_deref().unwrap_or("done")),
        Err(Failure::Failed(message)) => (ERROR, 1, message.as_str()),
        // Nothing was done.
        Err(Failure::Usage(_)) => return,
    };
    let more = json!({"exit": exit, "ms": milliseconds(log.started.elapsed())});
    log.say(level, &without_values(message), more);
}

/// Called when a tool has ended: its command, exit status (-1 for a signal or none) and how long it took.
fn tool_done(command: &str, status: i32, took: Duration) {
    let mut log = CURRENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(log) = log.as_mut() {
        log.say(DEBUG, command, json!({"exit": status, "ms": milliseconds(took)}));
    }
}

impl RunLog {
    /// Adds a line, behind one that names the command where it is the first.
    fn say(&mut self, level: u32, message: &str, more: Value) {
        if self.file.is_none() {
            let Ok(mut file) = self.open() else { return };
            let _ = write_line(&mut file, INFO, &self.command, self.started_ms, json!({}));
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            // A disk that is full must not keep VMs from being stopped.
            let _ = write_line(file, level, message, now_ms(), more);
        }
    }

    fn open(&self) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        let name = format!("{}-{:06}-vmadm.log", self.started_ms, process::id());
        let path = self.directory.join(name);
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    }
}

/// Writes one record in bunyan's form, in one piece.
pub fn write_line(
    out: &mut impl Write,
    level: u32,
    message: &str,
    time_ms: u64,
    more: Value,
) -> io::Result<()> {
    let mut record = Object::new();
    let mut set = |key: &str, value: Value| drop(record.insert(key.to_owned(), value));
    set("name", json!("vmadm"));
    set("hostname", json!(platform::hostname()));
    set("pid", json!(process::id()));
    // Triton's agents name what they work on so.
    if let Some(request) = ["REQ_ID", "req_id"].iter().find_map(|name| env::var(name).ok()) {
        set("req_id", json!(request));
    }
    set("level", json!(level));
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(key, value)| set(&key, value));
    }
    set("msg", json!(message));
    set("time", json!(clock::iso8601(i64::try_from(time_ms).unwrap_or(i64::MAX))));
    set("v", json!(0));
    out.write_all(format!("{}\n", Value::Object(record)).as_bytes())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The command as it was typed. The values of properties are left out: they may be passwords.
fn command_line(name: &str, arguments: &[String]) -> String {
    let mut line = format!("vmadm {name}");
    for argument in arguments {
        line.push(' ');
        match argument.split_once('=') {
            Some((property, _)) if name == "update" && !property.starts_with('-') => {
                line.push_str(&format!("{property}=..."));
            }
            _ => line.push_str(argument),
        }
    }
    line
}

/// A message up to where it quotes what was given in JSON.
fn without_values(message: &str) -> String {
    let end = message.find(['{', '[']).unwrap_or(message.len());
    let kept: String = message[..end].chars().take(MESSAGE_MAX).collect();
    if kept.len() < message.len() { kept + "..." } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_logged() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            command_line("update", &words("U vnc_password=secret a=b=c --file=x -f y")),
            "vmadm update U vnc_password=... a=... --file=x -f y"
        );
        assert_eq!(command_line("start", &words("U order=cd")), "vmadm start U order=cd");
        assert_eq!(without_values("Invalid IP for NIC: {\"a\":1}"), "Invalid IP for NIC: ...");
        assert_eq!(without_values("done"), "done");
    }

    #[test]
    fn records_are_bunyans() {
        let mut line = Vec::new();
        write_line(&mut line, ERROR, "no\nsuch", 1000, json!({"exit": 1})).unwrap();
        let record: Object = serde_json::from_slice(&line).unwrap();
        let keys: Vec<&str> =
            record.keys().map(String::as_str).filter(|k| *k != "req_id").collect();
        assert_eq!(keys, ["name", "hostname", "pid", "level", "exit", "msg", "time", "v"]);
        assert_eq!(record["time"], "1970-01-01T00:00:01.000Z");
        assert_eq!(String::from_utf8_lossy(&line).lines().count(), 1);
    }
}
