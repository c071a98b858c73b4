//! zoneadm(8): which zones there are, and their states.

use crate::root::Root;
use crate::tool::{Result, Tool};

const ZONEADM: &str = "/usr/sbin/zoneadm";

/// A `zoneadm` run for what has no function of its own here.
pub fn tool(root: &Root) -> Tool<'_> {
    root.tool(ZONEADM)
}

/// One line of `zoneadm list -p`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    /// The kernel's id; `None` while the zone is not up.
    pub id: Option<u32>,
    pub name: String,
    /// configured, incomplete, installed, ready, running, shutting_down or down.
    pub state: String,
    pub zonepath: String,
    pub uuid: String,
    pub brand: String,
    /// `shared` or `excl`.
    pub ip_type: String,
    /// SmartOS's stable number of the zone; empty on other systems.
    pub debug_id: String,
}

/// `zoneadm list -p` with `-c` (every zone): the global zone is left out.
pub fn list(root: &Root) -> Result<Vec<Zone>> {
    let text = tool(root).args(["list", "-p", "-c"]).text()?;
    Ok(text.lines().map(parse_line).filter(|zone| zone.name != "global").collect())
}

/// Fields are separated by colons; a colon or backslash in a value is escaped by a backslash.
fn parse_line(line: &str) -> Zone {
    let mut fields = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            ':' if !escaped => fields.push(String::new()),
            _ => {
                escaped = false;
                if let Some(last) = fields.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    let mut fields = fields.into_iter();
    let mut next = || fields.next().unwrap_or_default();
    Zone {
        id: next().parse().ok(),
        name: next(),
        state: next(),
        zonepath: next(),
        uuid: next(),
        brand: next(),
        ip_type: next(),
        debug_id: next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_both_systems() {
        let zone = parse_line("-:a:installed:/zones/a:u-1:joyent:excl:100");
        assert_eq!(
            (zone.id, zone.state.as_str(), zone.debug_id.as_str()),
            (None, "installed", "100")
        );
        let zone = parse_line("3:b:running:/z/b\\:c:u-2:lx:shared");
        assert_eq!(
            (zone.id, zone.zonepath.as_str(), zone.debug_id.as_str()),
            (Some(3), "/z/b:c", "")
        );
    }
}
