//! zoneadm(8): which zones there are, and their states.

use manifest::Flavour;

use crate::platform;
use crate::root::Root;
use crate::tool::{Error, Result, Tool};

const ZONEADM: &str = "/usr/sbin/zoneadm";

/// A `zoneadm` run for what has no function of its own here.
pub fn tool(root: &Root) -> Tool<'_> {
    root.tool(ZONEADM)
}

/// The option that names a VM's zone. Zones that vmadm makes on OmniOS, whose zonecfg chooses UUIDs itself, have the VM's
/// for a name.
fn selector(root: &Root, uuid: &str) -> [String; 2] {
    let named = is_omnios(root) && root.path(format!("/etc/zones/{uuid}.xml")).exists();
    [if named { "-z" } else { "-u" }.to_owned(), uuid.to_owned()]
}

/// SmartOS's `-X`, which has zoneadmd log what it does; other systems do not know it.
fn logged(root: &Root) -> &'static [&'static str] {
    if is_omnios(root) { &[] } else { &["-X"] }
}

pub(crate) fn is_omnios(root: &Root) -> bool {
    platform::released_flavour(root) == Some(Flavour::OmniOs)
}

/// `boot`, `halt` or `reboot` of the zone with that UUID.
pub(crate) fn transition<'a>(root: &'a Root, uuid: &str, command: &str) -> Tool<'a> {
    tool(root).args(selector(root, uuid)).arg(command).args(logged(root))
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

/// The zone with that UUID, or of that name; `None` where there is none.
pub fn find(root: &Root, uuid: &str) -> Result<Option<Zone>> {
    match tool(root).args(selector(root, uuid)).args(["list", "-p"]).text() {
        Ok(text) => Ok(text.lines().next().map(parse_line)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of the zone with that UUID: the UUID itself for all but a few.
pub fn name_of(root: &Root, uuid: &str) -> Result<String> {
    if root.path(format!("/etc/zones/{uuid}.xml")).exists() {
        return Ok(uuid.to_owned());
    }
    Ok(find(root, uuid)?.map_or_else(|| uuid.to_owned(), |zone| zone.name))
}

/// Halts a zone at once. False where it was not up, or does not exist.
pub fn halt(root: &Root, uuid: &str) -> Result<bool> {
    if is_omnios(root) {
        power_off(root, uuid)?;
    }
    match transition(root, uuid, "halt").run() {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) || is_not_up(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the power from the guest of a bhyve zone, as OmniOS's brand does not: zoneadm's halt presses the power button
/// and waits up to half an hour (its `support prestate`). Others have nothing to wait for.
fn power_off(root: &Root, uuid: &str) -> Result<()> {
    let zone = find(root, uuid)?.filter(|zone| zone.id.is_some() && zone.brand == "bhyve");
    if let Some(zone) = zone
        && let Err(error @ Error::Failed { .. }) =
            crate::hvm::bhyvectl(root, &zone.name, "--force-poweroff")
    {
        // Its bhyve may not be there yet, or not any more.
        log::info!("{error}");
    }
    Ok(())
}

/// Uninstalls a zone: its dataset goes, and all below it. One that is not installed is fine.
pub fn uninstall(root: &Root, uuid: &str) -> Result<()> {
    match tool(root).args(selector(root, uuid)).args(["uninstall", "-F"]).run() {
        Err(error) if is_absent(&error) || is_not_installed(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Detaches a zone: its datasets stay, its state is configured. One that is not installed is fine.
pub fn detach(root: &Root, uuid: &str) -> Result<()> {
    match tool(root).args(selector(root, uuid)).arg("detach").run() {
        Err(error) if is_absent(&error) || is_not_installed(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// Attaches a zone whose datasets are there: its state is installed. One that is installed is fine.
pub fn attach(root: &Root, uuid: &str) -> Result<()> {
    match tool(root).args(selector(root, uuid)).arg("attach").run() {
        Err(error) if error.stderr().contains("is already installed") => Ok(()),
        other => other.map(drop),
    }
}

fn is_absent(error: &Error) -> bool {
    crate::zonecfg::is_absent(error.stderr())
}

fn is_not_installed(error: &Error) -> bool {
    let stderr = error.stderr();
    stderr.contains("must be installed") || stderr.contains("is already in state 'configured'")
}

fn is_not_up(error: &Error) -> bool {
    let stderr = error.stderr();
    stderr.contains("already halted") || stderr.contains("must be ")
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
