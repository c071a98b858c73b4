//! What the global zone knows of hardware for virtual machines: pass-through devices, firmware, MAC addresses.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};

use nix::sys::signal::{Signal, kill};

use crate::root::Root;
use crate::tool::{Error, Output, Result};
use crate::{kstat, zoneadm};

const DLADM: &str = "/usr/sbin/dladm";
const BHYVECTL: &str = "/usr/sbin/bhyvectl";

/// The pass-through devices: `/dev/pptN` and the `/devices` path that each leads to, in the order of their numbers.
pub fn pass_through_devices(root: &Root) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(root.path("/dev")) else { return Vec::new() };
    let mut devices: Vec<(u32, String)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.strip_prefix("ppt")?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            Some((number, devices_path(&target)?))
        })
        .collect();
    devices.sort();
    devices.into_iter().map(|(number, path)| (format!("/dev/ppt{number}"), path)).collect()
}

/// The path of a device node without its minor name: `../devices/pci@0,0/x@1:ppt` is `/devices/pci@0,0/x@1`.
fn devices_path(target: &Path) -> Option<String> {
    let target = target.to_str()?;
    let (_, path) = target.split_once("devices/")?;
    let path = path.rsplit_once(':').map_or(path, |(path, _)| path);
    Some(format!("/devices/{path}"))
}

/// The directory in which OmniOS has bhyve's firmware is.
pub const FIRMWARE: &str = "/usr/share/bhyve/firmware";

/// Whether a file of the global zone exists.
pub fn exists(root: &Root, path: &str) -> bool {
    root.path(path).exists()
}

/// The text of a file of the global zone, if it can be read.
pub fn read_text(root: &Root, path: &str) -> Option<String> {
    fs::read_to_string(root.path(path)).ok()
}

/// Whether this system has dladm(8).
pub fn has_dladm(root: &Root) -> bool {
    root.path(DLADM).exists()
}

/// The MAC address of a virtual NIC as dladm prints it, without leading zeros; `None` where there is no such NIC.
pub fn mac_address(root: &Root, link: &str) -> Result<Option<String>> {
    let tool = root.tool(DLADM).args(["show-vnic", "-p", "-o", "macaddress", link]);
    let output = tool.output()?;
    Ok(output.success().then(|| output.text().trim().to_owned()))
}

/// Where a zone's file, named by its path inside the zone, is in the global zone.
pub fn zone_file(root: &Root, zonepath: &str, path: &str) -> PathBuf {
    root.path(zonepath).join("root").join(path.trim_start_matches('/'))
}

/// Where a zone's file is, after a look at each directory on the way: what a zone's own processes could have made a
/// link out of the zone is refused. The file itself need not exist.
pub fn safe_zone_file(root: &Root, zonepath: &str, path: &str) -> Result<PathBuf> {
    let mut full = root.path(zonepath).join("root");
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::CurDir => continue,
            Component::Normal(name) => full.push(name),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(unsafe_path(&full, "leads out of the zone"));
            }
        }
        match fs::symlink_metadata(&full) {
            Ok(about) if about.is_symlink() => return Err(unsafe_path(&full, "is a link")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::io(format!("cannot look at {}", full.display()), error));
            }
        }
    }
    Ok(full)
}

fn unsafe_path(path: &Path, why: &str) -> Error {
    Error::io(
        format!("cannot use {}", path.display()),
        io::Error::new(io::ErrorKind::InvalidInput, why),
    )
}

/// Connects to a socket in a zone, named by its path inside the zone.
pub fn connect(root: &Root, zonepath: &str, path: &str) -> Result<UnixStream> {
    let path = safe_zone_file(root, zonepath, path)?;
    UnixStream::connect(&path)
        .map_err(|error| Error::io(format!("cannot connect to {}", path.display()), error))
}

/// Runs bhyvectl(8) on a virtual machine with one option, such as `--inject-nmi`.
pub fn bhyvectl(root: &Root, vm: &str, option: &str) -> Result<Output> {
    root.tool(BHYVECTL).arg(format!("--vm={vm}")).arg(option).run()
}

/// Asks the first process of a running zone to end. bhyve takes that as a press of the power button. False where the
/// zone does not run.
pub fn terminate_init(root: &Root, uuid: &str) -> Result<bool> {
    let Some(zone) = zoneadm::find(root, uuid)?.filter(|zone| zone.id.is_some()) else {
        return Ok(false);
    };
    let Some(pid) = kstat::init_of(root, &zone)? else { return Ok(false) };
    match kill(pid, Signal::SIGTERM) {
        Ok(()) => Ok(true),
        Err(nix::Error::ESRCH) => Ok(false),
        Err(error) => Err(Error::io(format!("cannot signal process {pid}"), error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_node_leads_to_its_path() {
        let path = devices_path(Path::new("../devices/pci@0,0/pci8086,1@1/pci10de,2@0:ppt"));
        assert_eq!(path.as_deref(), Some("/devices/pci@0,0/pci8086,1@1/pci10de,2@0"));
        assert_eq!(devices_path(Path::new("/elsewhere")), None);
    }

    #[test]
    fn links_in_a_zone_are_not_followed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = Root::new(directory.path());
        let zone = directory.path().join("zones/z/root");
        fs::create_dir_all(zone.join("var")).expect("an empty zone");
        std::os::unix::fs::symlink("/tmp", zone.join("tmp")).expect("a link");
        assert!(safe_zone_file(&root, "/zones/z", "/var/run/socket").is_ok());
        assert!(safe_zone_file(&root, "/zones/z", "/tmp/vm.qmp").is_err());
        assert!(safe_zone_file(&root, "/zones/z", "/var/../../x").is_err());
    }
}
