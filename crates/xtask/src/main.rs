//! Developer tasks, run as `cargo xtask TASK`.

mod commands;
mod completions;
mod demo;
mod man_tables;
#[cfg(test)]
mod options;
mod schemas;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "usage: cargo xtask TASK

tasks:
  demo        build the programs and show the main job in a simulated global zone
  schemas     write schemas/*.json from the property table
  completions write man/completions/ from the programs' tables of commands
  man-tables  write the property lists of the manual pages from the property table
";

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let done = match task.as_str() {
        "demo" => demo::run(&root()),
        "schemas" => schemas::write(&root()),
        "completions" => completions::write(&root()),
        "man-tables" => man_tables::write(&root()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {task}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Writes a file unless it has the contents already, and says so.
fn write_changed(path: &Path, contents: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == contents) {
        return Ok(());
    }
    std::fs::write(path, contents)?;
    println!("wrote {}", path.display());
    Ok(())
}
