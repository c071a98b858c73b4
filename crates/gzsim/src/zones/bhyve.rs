//! What the boot program of SmartOS's bhyve brand does when a zone boots: it works out bhyve's arguments and leaves them
//! in the zone, where bhyve reads them.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::ctx::{Ctx, NESTED};
use crate::tools::passthrough;
use crate::zfs::stream::nvlist::{List, Value};

/// The file with the arguments, below the zone's root.
const ARGUMENTS: &str = "root/var/run/bhyve/zhyve.cmd";

/// The setting that asks for it: else every zone boots, and there is no such file.
const SETTING: &str = "GZSIM_BHYVE_BOOT";

/// Prepares the boot of a zone; gives the brand's words where it refuses. The arguments are worked out by our bhyve-ctl.
pub fn prepare(ctx: &Ctx, zone: &str, zonepath: &str) -> Result<Option<String>> {
    if ctx.setting(SETTING).is_none_or(|setting| setting != "yes") {
        return Ok(None);
    }
    let program = passthrough::sibling("bhyve-ctl")?;
    let output = Command::new(program)
        .args(["cmdline", "--flavour", "smartos", "--json", zone])
        .env("ZONEKIT_ROOT", ctx.root())
        .env(NESTED, "1")
        .stdin(Stdio::null())
        .output()
        .context("cannot run bhyve-ctl")?;
    if !output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    let arguments: Vec<String> =
        serde_json::from_slice(&output.stdout).context("the answer of bhyve-ctl")?;
    let mut list = List::default();
    list.put("bhyve_args", Value::Texts(arguments));
    let path = ctx.path(zonepath).join(ARGUMENTS);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, list.pack()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(None)
}
