//! sysinfo(8): facts about the machine (SmartOS).

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use manifest::Object;
use serde_json::Value;

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

/// The address of the machine on its admin network, where screens of virtual machines are offered.
pub fn admin_ip(facts: &Object) -> Option<&str> {
    let fixed = facts.get("Admin IP").and_then(Value::as_str);
    // It may be "dhcp".
    if let Some(address) = fixed.filter(|address| address.parse::<IpAddr>().is_ok()) {
        return Some(address);
    }
    let tag = facts.get("Admin NIC Tag").and_then(Value::as_str).unwrap_or("admin");
    let interfaces = facts.get("Network Interfaces")?.as_object()?;
    let has_tag = |interface: &&Value| {
        let tags = interface.get("NIC Names").and_then(Value::as_array);
        tags.is_some_and(|tags| tags.iter().any(|known| known == tag))
    };
    interfaces.values().find(has_tag)?.get("ip4addr")?.as_str()
}

/// The cache, where it is a plain file that nobody else could have written: `/tmp` is open to all.
fn cached(root: &Root) -> Option<String> {
    let path = root.path(CACHE);
    let about = fs::symlink_metadata(&path).ok()?;
    let ours = about.uid() == nix::unistd::geteuid().as_raw() && about.mode() & 0o022 == 0;
    (about.is_file() && ours).then(|| fs::read_to_string(&path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_admin_address_is_given_or_found() {
        let address =
            |facts: Value| facts.as_object().and_then(|facts| admin_ip(facts).map(str::to_owned));
        let interfaces = json!({
            "igb0": {"NIC Names": ["external"], "ip4addr": "192.0.2.1"},
            "igb1": {"NIC Names": ["other", "admin"], "ip4addr": "192.0.2.2"},
        });
        assert_eq!(address(json!({"Admin IP": "192.0.2.3"})).as_deref(), Some("192.0.2.3"));
        let dhcp = json!({"Admin IP": "dhcp", "Network Interfaces": interfaces});
        assert_eq!(address(dhcp).as_deref(), Some("192.0.2.2"));
        assert_eq!(address(json!({"Network Interfaces": {}})), None);
    }
}
