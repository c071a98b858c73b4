//! kstat(8): what the kernel counts about running zones.

use std::collections::HashMap;

use nix::unistd::Pid;
use serde::Deserialize;

use crate::root::Root;
use crate::tool::{Error, Result, Tool};
use crate::zoneadm::Zone;

const KSTAT: &str = "/usr/bin/kstat";

/// A `kstat` run for what has no function of its own here.
pub fn tool(root: &Root) -> Tool<'_> {
    root.tool(KSTAT)
}

/// What `zones:*:*:zone_misc` says of one running zone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ZoneMisc {
    pub zonename: String,
    /// Seconds of the epoch.
    pub boot_time: i64,
    /// Process id of the zone's init as the global zone sees it.
    pub init_pid: i64,
    /// How often init was restarted.
    #[serde(default)]
    pub init_restarts: i64,
}

#[derive(Deserialize)]
struct Statistic {
    data: serde_json::Value,
}

/// The running zones by name, in one run. `id` restricts it to one zone.
pub fn zone_misc(root: &Root, id: Option<u32>) -> Result<HashMap<String, ZoneMisc>> {
    let mut tool = tool(root).args(["-j", "-m", "zones", "-c", "zone_misc"]);
    if let Some(id) = id {
        tool = tool.arg("-i").arg(id.to_string());
    }
    let command = tool.display();
    let output = tool.output()?;
    let stderr = output.error_text();
    // Nothing found is said by the exit status alone.
    if !output.success() && !stderr.is_empty() {
        return Err(Error::Failed { command, status: output.status, stderr });
    }
    parse(&output.text())
}

/// The first process of a running zone; `None` where it has none.
pub fn init_of(root: &Root, zone: &Zone) -> Result<Option<Pid>> {
    let zones = zone_misc(root, zone.id)?;
    let pid = zones.get(&zone.name).and_then(|zone| i32::try_from(zone.init_pid).ok());
    // What is not above 1 means no process, or many.
    Ok(pid.filter(|pid| *pid > 1).map(Pid::from_raw))
}

/// A zone that comes or goes while the kernel is asked may leave an incomplete record: it is passed over.
fn parse(text: &str) -> Result<HashMap<String, ZoneMisc>> {
    if text.trim().is_empty() {
        return Ok(HashMap::new());
    }
    let all: Vec<Statistic> = serde_json::from_str(text).map_err(|error| Error::Unexpected {
        what: "the output of kstat".into(),
        why: error.to_string(),
    })?;
    Ok(all
        .into_iter()
        .filter_map(|one| serde_json::from_value::<ZoneMisc>(one.data).ok())
        .map(|zone| (zone.zonename.clone(), zone))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_and_passes_over_incomplete_ones() {
        let text = r#"[{"module":"zones","instance":1,"name":"x","class":"zone_misc","data":
            {"zonename":"x","boot_time":17,"init_pid":79,"init_restarts":2,"crtime":1.5}},
            {"class":"zone_misc","data":{"zonename":"y"}}]"#;
        let zones = parse(text).unwrap();
        assert_eq!(zones.len(), 1);
        assert_eq!(
            (zones["x"].boot_time, zones["x"].init_pid, zones["x"].init_restarts),
            (17, 79, 2)
        );
        assert!(parse("").unwrap().is_empty());
        assert!(parse("kstat: no").is_err());
    }
}
