//! Which system the global zone runs.

use std::fs;

use manifest::Flavour;

use crate::root::Root;

/// The version of the running system (`uname -v`): `joyent_20220407T000000Z`, `omnios-r151050-…`.
pub fn version(root: &Root) -> Option<String> {
    let text = root.tool("/usr/bin/uname").arg("-v").text().ok()?;
    Some(text.trim().to_owned()).filter(|version| !version.is_empty())
}

/// The flavour of the system below `root`, from `/etc/release`, else from its version. `None` where neither says.
pub fn flavour(root: &Root) -> Option<Flavour> {
    released_flavour(root).or_else(|| of_version(&version(root)?))
}

/// The flavour by `/etc/release` alone: no program is run.
pub fn released_flavour(root: &Root) -> Option<Flavour> {
    of_release(&fs::read_to_string(root.path("/etc/release")).ok()?)
}

/// The name of this machine; empty where it has none.
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Why VMs of the running system cannot be managed from here: that takes root in the global zone. Below another root than
/// the system's own anybody may.
pub fn why_not_here(root: &Root) -> Option<&'static str> {
    if !root.is_system() {
        return None;
    }
    if !nix::unistd::getuid().is_root() {
        return Some("you are not root.");
    }
    (!is_global_zone()).then_some("this is not the global zone.")
}

#[cfg(target_os = "illumos")]
#[allow(unsafe_code)] // The zone's number is asked of the C library, which cannot fail.
fn is_global_zone() -> bool {
    unsafe extern "C" {
        safe fn getzoneid() -> std::ffi::c_int;
    }
    getzoneid() == 0
}

/// Other systems have one zone.
#[cfg(not(target_os = "illumos"))]
fn is_global_zone() -> bool {
    true
}

fn of_release(text: &str) -> Option<Flavour> {
    let first = text.lines().next()?;
    if first.contains("OmniOS") {
        Some(Flavour::OmniOs)
    } else if first.contains("SmartOS") {
        Some(Flavour::SmartOs)
    } else {
        None
    }
}

fn of_version(version: &str) -> Option<Flavour> {
    if version.starts_with("joyent_") {
        Some(Flavour::SmartOs)
    } else if version.starts_with("omnios-") {
        Some(Flavour::OmniOs)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_and_version_tell_the_flavour() {
        assert_eq!(of_release("  OmniOS v11 r151050\n  Copyright"), Some(Flavour::OmniOs));
        assert_eq!(of_release("       SmartOS 20220407T000000Z x86_64\n"), Some(Flavour::SmartOs));
        assert_eq!(of_release("Debian"), None);
        assert_eq!(of_version("joyent_20220407T000000Z"), Some(Flavour::SmartOs));
        assert_eq!(of_version("omnios-r151050-a1b2c3"), Some(Flavour::OmniOs));
        assert_eq!(of_version("#1 SMP"), None);
    }
}
