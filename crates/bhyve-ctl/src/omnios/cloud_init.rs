//! The data of a NoCloud seed image: what OmniOS's bhyve brand tells cloud-init in a guest.

use serde_json::{Map, Value, json};

use crate::refusal::{Refusal, Result};
use crate::yaml;
use crate::zone::HvmZone;

/// Volume identifier of a seed image, by which cloud-init finds it.
pub const VOLUME_ID: &str = "CIDATA";

/// The files of a seed image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// `meta-data`
    pub meta_data: String,
    /// `user-data`
    pub user_data: String,
    /// `network-config`, where the zone has addresses.
    pub network_config: Option<String>,
}

/// What the zone's configuration does not say.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// UUID of the virtual machine.
    pub uuid: &'a str,
    /// The text of a file of the global zone; asked for absolute paths only.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// The MAC address of a datalink, as dladm prints it.
    pub mac: &'a dyn Fn(&str) -> Option<String>,
}

impl Seed {
    /// The files' names and contents.
    pub fn files(&self) -> Vec<(&'static str, &str)> {
        let mut files =
            vec![("meta-data", self.meta_data.as_str()), ("user-data", self.user_data.as_str())];
        files.extend(self.network_config.as_deref().map(|text| ("network-config", text)));
        files
    }
}

/// The seed of a zone whose `cloud-init` attribute is `source`: a file with user data, or a word that means on.
///
/// # Errors
/// `password`, `sshkey`, `resolvers` or `dns-domain` has no value.
pub fn seed(zone: &HvmZone, source: &str, host: Host<'_>) -> Result<Seed> {
    let name = zone.name.as_str();
    let meta_data = json!({"instance-id": host.uuid, "local-hostname": name});
    let file = if source.starts_with('/') { (host.read)(source) } else { None };
    let user_data = match file {
        Some(text) => text,
        None => format!("#cloud-config\n{}", yaml::print(&user_data(zone, host)?)),
    };
    Ok(Seed {
        meta_data: yaml::print(&meta_data),
        user_data,
        network_config: network_config(zone, host)?.map(|config| yaml::print(&config)),
    })
}

fn user_data(zone: &HvmZone, host: Host<'_>) -> Result<Value> {
    let mut data = json!({"hostname": zone.name, "disable_root": false});
    if let Some(password) = secret(zone, "password", host)? {
        data["password"] = json!(password);
        data["chpasswd"] = json!({"expire": false});
        data["ssh_pwauth"] = json!(true);
    }
    if let Some(key) = secret(zone, "sshkey", host)? {
        data["ssh_authorized_keys"] = json!([key]);
        data["users"] = json!(["default", {"name": "root", "ssh_authorized_keys": [key]}]);
    }
    Ok(data)
}

/// An attribute that holds a text or names the file that does.
fn secret(zone: &HvmZone, name: &str, host: Host<'_>) -> Result<Option<String>> {
    let Some(value) = value(zone, name)? else { return Ok(None) };
    let file = if value.starts_with('/') { (host.read)(value) } else { None };
    Ok(Some(file.as_deref().unwrap_or(value).trim().to_owned()))
}

/// An attribute's value; one that is there must have one.
fn value<'a>(zone: &'a HvmZone, name: &str) -> Result<Option<&'a str>> {
    match zone.find(name) {
        None => Ok(None),
        Some(attr) => match &attr.value {
            Some(value) => Ok(Some(value)),
            None => Err(Refusal::new(format_args!("{name} has no value"))),
        },
    }
}

fn network_config(zone: &HvmZone, host: Host<'_>) -> Result<Option<Value>> {
    let mut ethernets = Map::new();
    let mut any = false;
    for net in &zone.nets {
        let Some(address) = net.attributes.get("allowed-address") else { continue };
        any = true;
        let link = net.physical.as_deref().unwrap_or_default();
        let Some(mac) = (host.mac)(link) else { continue };
        let mut data = json!({
            "match": {"macaddress": super::pad_mac(&mac)},
            "set-name": link,
            "addresses": [address],
        });
        if let Some(router) = net.attributes.get("defrouter").filter(|router| !router.is_empty()) {
            data["routes"] = json!([{"to": "0.0.0.0/0", "via": router}]);
        }
        // Name servers are said once.
        if ethernets.is_empty()
            && let Some(nameservers) = nameservers(zone)?
        {
            data["nameservers"] = nameservers;
        }
        ethernets.insert(link.to_owned(), data);
    }
    Ok(any.then(|| json!({"version": 2, "ethernets": ethernets})))
}

fn nameservers(zone: &HvmZone) -> Result<Option<Value>> {
    let mut servers = Map::new();
    if let Some(domain) = value(zone, "dns-domain")? {
        servers.insert("search".into(), json!([domain.trim()]));
    }
    if let Some(resolvers) = value(zone, "resolvers")? {
        servers.insert("addresses".into(), resolvers.trim().split(',').collect());
    }
    Ok((!servers.is_empty()).then_some(Value::Object(servers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As observed of OmniOS's brand, up to where its record ends.
    #[test]
    fn a_zone_with_addresses_password_and_key() {
        let xml = r#"<zone name="ci" zonepath="/z" brand="bhyve">
          <attr name="password" type="string" value="secret"/>
          <attr name="sshkey" type="string" value="/keys/id.pub"/>
          <attr name="resolvers" type="string" value="1.1.1.1,9.9.9.9"/>
          <attr name="dns-domain" type="string" value="example.org"/>
          <network physical="x0" allowed-address="10.0.0.5/24" defrouter="10.0.0.1"/>
          <network physical="gone0" allowed-address="10.0.0.6/24"/>
        </zone>"#;
        let zone = HvmZone::from_xml(xml).expect("well formed");
        let host = Host {
            uuid: "77777777-0000-4000-8000-000000000007",
            read: &|path| (path == "/keys/id.pub").then(|| "ssh-ed25519 AAAA u@h\n".to_owned()),
            mac: &|link| (link == "x0").then(|| "2:8:20:aa:0:a8".to_owned()),
        };
        let seed = seed(&zone, "on", host).expect("complete");
        assert_eq!(
            seed.meta_data,
            "instance-id: 77777777-0000-4000-8000-000000000007\nlocal-hostname: ci\n"
        );
        assert_eq!(
            seed.user_data,
            "#cloud-config\nchpasswd:\n  expire: false\ndisable_root: false\nhostname: ci\n\
             password: secret\nssh_authorized_keys:\n- ssh-ed25519 AAAA u@h\nssh_pwauth: true\n\
             users:\n- default\n- name: root\n  ssh_authorized_keys:\n  - ssh-ed25519 AAAA u@h\n"
        );
        assert_eq!(
            seed.network_config.as_deref(),
            Some(
                "ethernets:\n  x0:\n    addresses:\n    - 10.0.0.5/24\n    match:\n      \
                 macaddress: 02:08:20:aa:00:a8\n    nameservers:\n      addresses:\n      - \
                 1.1.1.1\n      - 9.9.9.9\n      search:\n      - example.org\n    routes:\n    - \
                 to: 0.0.0.0/0\n      via: 10.0.0.1\n    set-name: x0\nversion: 2\n"
            )
        );
    }
}
