//! Diagnostics: `-v` and `-d` on standard error, `VMADM_DEBUG_LEVEL` there or in the file that `VMADM_DEBUG_FILE` names.

use std::env;
use std::fs::{File, OpenOptions};
use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::json;

use super::options::Options;
use super::{run_log, tell};
use crate::facts::now_ms;

/// Environment variable that names the lowest level to be said: trace, debug, info, warn or error.
const LEVEL_VARIABLE: &str = "VMADM_DEBUG_LEVEL";
/// Environment variable that names a file to which that is added, as lines of JSON in bunyan's form.
const FILE_VARIABLE: &str = "VMADM_DEBUG_FILE";

struct ToStderr;

impl Log for ToStderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            tell(&format!("vmadm: {level}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

struct ToFile(Mutex<File>);

impl Log for ToFile {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if let (true, Ok(mut file)) = (self.enabled(record.metadata()), self.0.lock()) {
            let level = bunyan_level(record.level());
            // Diagnostics that cannot be written are no reason to fail.
            let message = record.args().to_string();
            let _ = run_log::write_line(&mut *file, level, &message, now_ms(), json!({}));
        }
    }

    fn flush(&self) {}
}

fn bunyan_level(level: Level) -> u32 {
    match level {
        Level::Trace => 10,
        Level::Debug => 20,
        Level::Info => 30,
        Level::Warn => 40,
        Level::Error => 50,
    }
}

/// Starts diagnostics at the level asked for. Without a wish nothing but the command's own messages is said.
pub fn start(options: &Options) {
    let (level, file) = if options.flag("debug") == Some(true) {
        (LevelFilter::Debug, None)
    } else if options.flag("verbose") == Some(true) {
        (LevelFilter::Info, None)
    } else {
        let level = env::var(LEVEL_VARIABLE).ok().and_then(|level| level.parse().ok());
        (level.unwrap_or(LevelFilter::Off), env::var_os(FILE_VARIABLE))
    };
    if level == LevelFilter::Off {
        return;
    }
    let file = file.and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok());
    let logger: Box<dyn Log> = match file {
        Some(file) => Box::new(ToFile(Mutex::new(file))),
        None => Box::new(ToStderr),
    };
    if log::set_boxed_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}
