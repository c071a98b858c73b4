//! sysinfo(8): facts about the machine (SmartOS).

use std::fs;
use std::os::unix::fs::MetadataExt;

use manifest::Object;

use crate::root::Root;
use crate::tool::{Error, Result};

const SYSINFO: &str = "/usr/bin/sysinfo";

/// The copy that sysinfo keeps of its last answer: a thousandth of the time that asking again takes.
const CACHE: &str = "/tmp/.sysinfo.json";

/// What sysinfo knows of the machine: `UUID`, `Live Image`, `Datacenter Name`, ….
pub fn read(root: &Root) -> Result<Object> {
    if let Some(text) = cached(root)
        && let Ok(facts) = serde_json::from_str(&text)
    {
        return Ok(facts);
    }
    let text = root.tool(SYSINFO).text()?;
    serde_json::from_str(&text).map_err(|error| Error::Unexpected {
        what: "the output of sysinfo".into(),
        why: error.to_string(),
    })
}

/// The cache, where it is a plain file that nobody else could have written: `/tmp` is open to all.
fn cached(root: &Root) -> Option<String> {
    let path = root.path(CACHE);
    let about = fs::symlink_metadata(&path).ok()?;
    let ours = about.uid() == nix::unistd::geteuid().as_raw() && about.mode() & 0o022 == 0;
    (about.is_file() && ours).then(|| fs::read_to_string(&path).ok()).flatten()
}
