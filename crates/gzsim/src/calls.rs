//! The log of tool runs: one JSON line a run in `/var/gzsim/calls.log`, so that tests can see and count them.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;

/// One run of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The tool's name and its arguments.
    pub argv: Vec<String>,
    /// What the tool was given on stdin, where that is a script (zonecfg).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The exit code; none where the tool was killed.
    pub exit: Option<i32>,
}

/// Appends a run. One write, so that tools that end at the same time do not mix their lines.
pub fn record(ctx: &Ctx, call: &Call) -> Result<()> {
    let path = ctx.state("calls.log");
    let mut line = serde_json::to_string(call)?;
    line.push('\n');
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    file.write_all(line.as_bytes())?;
    Ok(())
}

/// The runs so far, in the order in which they ended.
pub fn read(ctx: &Ctx) -> Result<Vec<Call>> {
    let path = ctx.state("calls.log");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Forgets the runs so far.
pub fn clear(ctx: &Ctx) -> Result<()> {
    match fs::remove_file(ctx.state("calls.log")) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The run as the observed traces write it: `  $ zfs list …`, then its stdin in lines `      < …`.
pub fn render(call: &Call) -> String {
    let mut text = String::from("  $");
    for argument in &call.argv {
        text.push(' ');
        text.push_str(&quote(argument));
    }
    match call.exit {
        Some(0) => {}
        Some(code) => {
            let _ = write!(text, "   [exit {code}]");
        }
        None => text.push_str("   [killed]"),
    }
    text.push('\n');
    for line in call.stdin.iter().flat_map(|stdin| stdin.lines()) {
        let _ = writeln!(text, "      < {line}");
    }
    text
}

fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,@=+%^~".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_as_in_the_traces() {
        let call = Call {
            argv: vec!["zonecfg".into(), "-u".into(), "x".into(), "set autoboot=true".into()],
            stdin: Some("create -b\nset brand=lx\n".into()),
            exit: Some(1),
        };
        assert_eq!(
            render(&call),
            "  $ zonecfg -u x 'set autoboot=true'   [exit 1]\n      < create -b\n      < set brand=lx\n"
        );
    }
}
