//! Log records on standard error: one JSON object a line, in the form that `bunyan` and Triton's agents read.

use std::env;
use std::process;
use std::sync::OnceLock;
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};

use crate::errors::Error;
use crate::out::warn;
use crate::time;

/// The logger of the program.
struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && is_ours(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut line = head(level_number(record.level()));
            line["component"] = record.target().into();
            finish(&mut line, &record.args().to_string());
            warn(line);
        }
    }

    fn flush(&self) {}
}

/// Libraries log details that help nobody here.
fn is_ours(target: &str) -> bool {
    ["imgadm", "gz"].iter().any(|name| {
        target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    })
}

/// Whether so much is logged that failures are shown with their kind.
pub fn is_detailed() -> bool {
    log::max_level() >= LevelFilter::Debug
}

/// Starts logging at the level that `-v` or `IMGADM_LOG_LEVEL` asks for; warnings and worse otherwise.
pub fn start(verbose: bool) {
    let asked = env::var("IMGADM_LOG_LEVEL").ok();
    let level = match asked.as_deref() {
        _ if verbose => LevelFilter::Trace,
        Some("trace") => LevelFilter::Trace,
        Some("debug") => LevelFilter::Debug,
        Some("info") => LevelFilter::Info,
        Some("error" | "fatal") => LevelFilter::Error,
        _ => LevelFilter::Warn,
    };
    // Only a second call fails, and there is none.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}

fn level_number(level: Level) -> u8 {
    match level {
        Level::Trace => 10,
        Level::Debug => 20,
        Level::Info => 30,
        Level::Warn => 40,
        Level::Error => 50,
    }
}

/// The id of this run: what the caller gave as `REQ_ID`, or a new one.
fn request_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        env::var("REQ_ID")
            .or_else(|_| env::var("req_id"))
            .unwrap_or_else(|_| uuid::Uuid::new_v4().to_string())
    })
}

fn head(level: u8) -> Value {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    json!({
        "name": "imgadm",
        "req_id": request_id(),
        "hostname": host.unwrap_or_default(),
        "pid": process::id(),
        "level": level,
    })
}

fn finish(line: &mut Value, message: &str) {
    line["msg"] = message.into();
    line["time"] = time::iso(SystemTime::now()).into();
    line["v"] = 0.into();
}

/// A failure as the one line that `-E` asks for.
pub fn structured_error(error: &Error) -> Value {
    let mut line = head(50);
    line["err"] = json!({
        "message": error.message(),
        "name": error.name(),
        "stack": format!("{}: {}", error.name(), error.message()),
    });
    if !error.code().is_empty() {
        line["err"]["code"] = error.code().into();
    }
    finish(&mut line, error.message());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structured_error_has_what_agents_read() {
        let line = structured_error(&Error::no_sources());
        assert_eq!(line["err"]["code"], "NoSources");
        assert_eq!(line["err"]["message"], "imgadm has no configured sources");
        assert_eq!((line["level"].as_u64(), line["v"].as_u64()), (Some(50), Some(0)));
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')));
        assert_eq!(line["err"]["name"], "WError");
        assert_eq!(line["err"]["stack"], "WError: imgadm has no configured sources");
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        let known = ["name", "req_id", "hostname", "pid", "level", "err", "msg", "time", "v"];
        assert_eq!(keys, known);
        // A failure without a code has none here either.
        let line = structured_error(&Error::new("", "-m <manifest> (string) is required"));
        let keys: Vec<&String> = line["err"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["message", "name", "stack"]);
    }

    #[test]
    fn only_own_records_are_shown() {
        assert!(is_ours("gz::tool") && is_ours("imgadm"));
        assert!(!is_ours("ureq") && !is_ours("gzip_thing"));
    }
}
