//! Diagnostics on standard error: `-v`, `-d` and `VMADM_DEBUG_LEVEL`.

use std::env;

use log::{LevelFilter, Log, Metadata, Record};

use super::options::Options;
use super::tell;

/// Environment variable that names the lowest level to be said: trace, debug, info, warn or error.
const LEVEL_VARIABLE: &str = "VMADM_DEBUG_LEVEL";

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

/// Starts diagnostics at the level asked for. Without a wish nothing but the command's own messages is said.
pub fn start(options: &Options) {
    let level = if options.flag("debug") == Some(true) {
        LevelFilter::Debug
    } else if options.flag("verbose") == Some(true) {
        LevelFilter::Info
    } else {
        env::var(LEVEL_VARIABLE)
            .ok()
            .and_then(|level| level.parse().ok())
            .unwrap_or(LevelFilter::Off)
    };
    if level != LevelFilter::Off && log::set_logger(&ToStderr).is_ok() {
        log::set_max_level(level);
    }
}
