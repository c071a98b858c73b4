//! What the global zone knows of hardware for virtual machines: pass-through devices, firmware, MAC addresses.

use std::fs;
use std::path::{Path, PathBuf};

use crate::root::Root;
use crate::tool::Result;

const DLADM: &str = "/usr/sbin/dladm";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_node_leads_to_its_path() {
        let path = devices_path(Path::new("../devices/pci@0,0/pci8086,1@1/pci10de,2@0:ppt"));
        assert_eq!(path.as_deref(), Some("/devices/pci@0,0/pci8086,1@1/pci10de,2@0"));
        assert_eq!(devices_path(Path::new("/elsewhere")), None);
    }
}
