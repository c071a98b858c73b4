//! `cargo xtask demo`: builds the programs that the demo needs and runs it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// The programs that the demo runs.
const PACKAGES: &[&str] = &["gzsim", "zonecfg", "imgadm", "bhyve-ctl", "vmadm"];

/// Runs the demo in the workspace at `root`.
pub fn run(root: &Path) -> Result<()> {
    let mut build = e2e::programs::cargo_by_hand();
    build.args(["build", "--quiet", "--bins"]).current_dir(root);
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    if !build.status()?.success() {
        bail!("the programs cannot be built");
    }
    // cargo put this program beside them.
    let gzsim = std::env::current_exe()?.with_file_name("gzsim");
    // In its place, not beside it: an interrupt is gzsim's to clean up after.
    Err(Command::new(gzsim).arg("demo").current_dir(root).exec().into())
}
