//! A real zfs(8) and zpool(8) behind the links of a root made with `gzsim init --zfs PATH`.
//!
//! The pool is expected to have the root as its `altroot`, so that datasets are mounted below it; that prefix is taken
//! out of what the real programs print. Options that only SmartOS's zfs has are taken out of what they are given.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::ctx::{Ctx, is_omnios};

/// Holds the path of the real zfs.
const FILE: &str = "real-zfs";

/// Notes that the root uses this zfs.
pub fn set(ctx: &Ctx, zfs: &std::path::Path) -> Result<()> {
    fs::write(ctx.state(FILE), zfs.display().to_string())?;
    Ok(())
}

/// The real program behind `tool`, where the root has one.
pub fn program(ctx: &Ctx, tool: &str) -> Option<PathBuf> {
    let zfs = fs::read_to_string(ctx.state(FILE)).ok()?;
    Some(PathBuf::from(zfs.trim()).with_file_name(tool))
}

/// Runs the real program; gives its exit code.
pub fn run(ctx: &Ctx, program: PathBuf, arguments: &[String]) -> Result<i32> {
    let mut command = Command::new(&program);
    if is_omnios(ctx.root()) {
        command.args(arguments);
    } else {
        command.args(translate(arguments));
    }
    let shows = matches!(arguments.first().map(String::as_str), Some("list" | "get" | "mount"));
    let failed = || format!("cannot run {}", program.display());
    let status = if shows {
        let output = command.stderr(Stdio::inherit()).output().with_context(failed)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let prefix = ctx.root().display().to_string();
        io::stdout().write_all(text.replace(&prefix, "").as_bytes())?;
        output.status
    } else {
        command.status().with_context(failed)?
    };
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// The arguments without `-F`, where OpenZFS has no such option: there SmartOS's means to go on although the pool is
/// nearly full (create, clone) or although it is busy (destroy).
fn translate(arguments: &[String]) -> Vec<String> {
    let Some(command) = arguments.first() else { return Vec::new() };
    if !matches!(command.as_str(), "create" | "clone" | "destroy") {
        return arguments.to_vec();
    }
    let mut values = false;
    let mut translated = Vec::new();
    for argument in arguments {
        // What follows -o, -V or -b is a value.
        let is_value = std::mem::replace(&mut values, false);
        match argument.strip_prefix('-').filter(|_| !is_value) {
            Some(letters) => {
                values = letters.ends_with(['o', 'V', 'b']);
                let kept = letters.replace('F', "");
                if !kept.is_empty() {
                    translated.push(format!("-{kept}"));
                }
            }
            None => translated.push(argument.clone()),
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_smartos_alone_are_dropped() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (given, wanted) in [
            ("clone -F -o refreservation=auto a@b c", "clone -o refreservation=auto a@b c"),
            ("destroy -rF a", "destroy -r a"),
            ("create -o -F a", "create -o -F a"),
            ("receive -F a", "receive -F a"),
        ] {
            assert_eq!(translate(&words(given)), words(wanted), "{given}");
        }
    }
}
