//! cloud-init's NoCloud seed: files on a small volume of the VM, from which guests that do not ask for metadata set
//! themselves up. What the files say is the original's choice; cloud-init's documentation has the formats.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gz::plan::Step;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{ConfigFiles, Object, flag, list, objects, text};

/// The size and block size of the volume, in MiB and bytes.
pub(super) const SIZE_MIB: u64 = 16;
pub(super) const BLOCK_SIZE: u64 = 512;

/// Where it is noted that the VM has a seed, where that is, and what was written there last.
const SOURCE: &str = "cloudinit_datasource";
const PATH: &str = "cloudinit_nocloud_path";
const HASH: &str = "cloudinit_nocloud_hash";

/// Whether the VM of this payload or VM object is to have a seed.
pub(super) fn is_wanted(object: &Object) -> bool {
    metadata(object, SOURCE) == Some("nocloud")
}

/// The path of the volume that the seed is on.
pub(super) fn volume(object: &Object) -> Option<&str> {
    metadata(object, PATH)
}

/// Notes the path of that volume.
pub(super) fn set_volume(object: &mut Object, path: &str) {
    note(object, PATH, path);
}

/// Writes the seed anew where it has changed since it was written last.
pub(super) fn write(steps: &mut Vec<Step>, vm: &mut Object) -> Result<(), String> {
    let Some(path) = volume(vm).filter(|_| is_wanted(vm)).map(str::to_owned) else {
        return Ok(());
    };
    // Guests and customers can set metadata: only the volume that was made for the seed is written to.
    let is_made_for_it = |disk: &Object| {
        text(disk, "path") == path
            && disk.get("size") == Some(&SIZE_MIB.into())
            && disk.get("block_size") == Some(&BLOCK_SIZE.into())
            && disk.get("boot") == Some(&false.into())
    };
    if !objects(vm, "disks").any(is_made_for_it) {
        return Err(format!("Invalid cloudinit_nocloud_path: {path}"));
    }
    let files = files(vm);
    let hash = hash(&files);
    if metadata(vm, HASH) == Some(hash.as_str()) {
        return Ok(());
    }
    steps.push(Step::WriteSeed { volume: path, files });
    let old = ConfigFiles::of(vm);
    note(vm, HASH, &hash);
    steps.extend(ConfigFiles::of(vm).update(&old, text(vm, "zonepath")));
    Ok(())
}

fn metadata<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get("internal_metadata")?.get(key)?.as_str()
}

fn note(object: &mut Object, key: &str, value: &str) {
    if let Some(Value::Object(metadata)) = object.get_mut("internal_metadata") {
        metadata.insert(key.to_owned(), value.into());
    }
}

/// Names and texts.
type Files = BTreeMap<String, String>;

fn hash(files: &Files) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        // Lengths keep apart what stands side by side.
        hash.update(format!("{name}\0{}\0{text}", text.len()));
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn files(vm: &Object) -> Files {
    let customer = |name: &str| {
        let value = vm.get("customer_metadata")?.get(format!("cloud-init:{name}"))?;
        value.as_str().map(str::to_owned)
    };
    let mut files = Files::new();
    files.insert("meta-data".to_owned(), meta_data(vm));
    // FreeBSD's nuageinit looks at the network's file only where there are user data.
    let user_data = customer("user-data").filter(|text| !text.is_empty());
    files.insert("user-data".to_owned(), user_data.unwrap_or_else(|| "#cloud-config\n{}\n".into()));
    let network = customer("network-config").or_else(|| network_config(vm));
    files.extend(network.map(|text| ("network-config".to_owned(), text)));
    let vendor = customer("vendor-data").filter(|text| !text.is_empty());
    files.extend(vendor.map(|text| ("vendor-data".to_owned(), text)));
    files
}

fn meta_data(vm: &Object) -> String {
    let uuid = text(vm, "uuid");
    let names = [text(vm, "hostname"), text(vm, "alias"), uuid];
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    format!("# cloud-init meta-data\ninstance-id: {uuid}\nlocal-hostname: {name}\n")
}

/// The network's configuration, version 2; none for a VM without NICs.
fn network_config(vm: &Object) -> Option<String> {
    objects(vm, "nics").next()?;
    let mut out = String::from("version: 2\nethernets:\n");
    for nic in objects(vm, "nics") {
        ethernet(&mut out, nic, list(vm, "resolvers"));
    }
    Some(out)
}

fn ethernet(out: &mut String, nic: &Object, resolvers: &[Value]) {
    let name = Some(text(nic, "interface")).filter(|name| !name.is_empty()).unwrap_or("eth0");
    let _ = writeln!(out, "  {name}:");
    let mac = text(nic, "mac").to_lowercase();
    if !mac.is_empty() {
        let _ = writeln!(out, "    match:\n      macaddress: \"{mac}\"\n    set-name: {name}");
    }
    let ips: Vec<&str> = list(nic, "ips").iter().filter_map(Value::as_str).collect();
    for (word, key) in [("dhcp", "dhcp4"), ("addrconf", "dhcp6")] {
        if ips.contains(&word) {
            let _ = writeln!(out, "    {key}: true");
        }
    }
    let mut addresses: Vec<String> = ips
        .iter()
        .filter(|ip| !matches!(**ip, "dhcp" | "addrconf"))
        .map(|ip| (*ip).to_owned())
        .collect();
    if ips.is_empty() {
        addresses.extend(single_address(nic));
    }
    entries(out, "    ", "addresses", addresses.iter().map(String::as_str));
    if !flag(nic, "primary") {
        return;
    }
    let single = nic.get("gateway").cloned().into_iter().collect();
    let gateways = Some(list(nic, "gateways").to_vec()).filter(|list| !list.is_empty());
    let gateways: Vec<Value> = gateways.unwrap_or(single);
    for (key, is_v6) in [("gateway4", false), ("gateway6", true)] {
        let of_family = |gateway: &&str| gateway.contains(':') == is_v6;
        if let Some(gateway) = gateways.iter().filter_map(Value::as_str).rfind(of_family) {
            let _ = writeln!(out, "    {key}: {gateway}");
        }
    }
    if !resolvers.is_empty() {
        out.push_str("    nameservers:\n");
        entries(out, "      ", "addresses", resolvers.iter().filter_map(Value::as_str));
    }
}

/// A list under its key; nothing where it is empty.
fn entries<'a>(out: &mut String, indent: &str, key: &str, values: impl Iterator<Item = &'a str>) {
    let mut values = values.peekable();
    if values.peek().is_some() {
        let _ = writeln!(out, "{indent}{key}:");
    }
    for value in values {
        let _ = writeln!(out, "{indent}  - {value}");
    }
}

/// The address of configurations from before `ips`, with its prefix.
fn single_address(nic: &Object) -> Option<String> {
    let address = text(nic, "ip").parse::<std::net::Ipv4Addr>().ok()?;
    let netmask = text(nic, "netmask").parse::<std::net::Ipv4Addr>().ok()?;
    Some(format!("{address}/{}", netmask.to_bits().count_ones()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vm(changes: Value) -> Object {
        let vm = json!({
            "uuid": "a0000001-0000-4000-8000-000000000001", "alias": "web", "zonepath": "/zones/a",
            "resolvers": ["192.0.2.53"],
            "nics": [
                {"interface": "net0", "mac": "02:08:20:AA:00:01", "ips": ["192.0.2.7/24", "2001:db8::7/64"],
                 "gateways": ["192.0.2.1", "2001:db8::1"], "primary": true},
                {"interface": "net1", "mac": "02:08:20:aa:00:02", "ips": ["dhcp", "addrconf"],
                 "gateways": ["198.51.100.1"]},
            ],
            "disks": [{"path": "/dev/zvol/rdsk/zones/a/disk1", "size": 16, "block_size": 512, "boot": false}],
            "internal_metadata": {
                "cloudinit_datasource": "nocloud",
                "cloudinit_nocloud_path": "/dev/zvol/rdsk/zones/a/disk1",
            },
        });
        let (Value::Object(mut vm), Value::Object(changes)) = (vm, changes) else {
            unreachable!("both are objects")
        };
        vm.extend(changes);
        vm
    }

    #[test]
    fn the_files_say_who_and_where_the_guest_is() {
        let files = files(&vm(json!({})));
        assert_eq!(
            files["meta-data"],
            "# cloud-init meta-data\ninstance-id: a0000001-0000-4000-8000-000000000001\n\
             local-hostname: web\n"
        );
        assert_eq!(files["user-data"], "#cloud-config\n{}\n");
        assert_eq!(
            files["network-config"],
            r#"version: 2
ethernets:
  net0:
    match:
      macaddress: "02:08:20:aa:00:01"
    set-name: net0
    addresses:
      - 192.0.2.7/24
      - 2001:db8::7/64
    gateway4: 192.0.2.1
    gateway6: 2001:db8::1
    nameservers:
      addresses:
        - 192.0.2.53
  net1:
    match:
      macaddress: "02:08:20:aa:00:02"
    set-name: net1
    dhcp4: true
    dhcp6: true
"#
        );
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn customers_bring_files_of_their_own() {
        let own = json!({"customer_metadata": {
            "cloud-init:user-data": "#!/bin/sh\n", "cloud-init:vendor-data": "v",
            "cloud-init:network-config": "n", "cloud-init:meta-data": "not theirs",
        }});
        let files = files(&vm(own));
        assert_eq!(files["user-data"], "#!/bin/sh\n");
        assert_eq!((&*files["vendor-data"], &*files["network-config"]), ("v", "n"));
        assert!(files["meta-data"].starts_with("# cloud-init"));
        let old = json!([{"ip": "192.0.2.7", "netmask": "255.255.255.128", "primary": true, "gateway": "192.0.2.1"}]);
        let network = network_config(&vm(json!({"nics": old}))).unwrap();
        assert!(
            network.contains(
                "  eth0:\n    addresses:\n      - 192.0.2.7/25\n    gateway4: 192.0.2.1\n"
            )
        );
        assert_eq!(network_config(&vm(json!({"nics": []}))), None);
    }

    #[test]
    fn it_is_written_when_it_has_changed_to_its_own_volume_only() {
        let mut vm = vm(json!({}));
        let mut steps = Vec::new();
        write(&mut steps, &mut vm).unwrap();
        assert!(matches!(&steps[0], Step::WriteSeed { volume, .. } if volume.ends_with("/disk1")));
        assert!(
            matches!(&steps[1], Step::WriteFile { path, text, .. } if path.ends_with("metadata.json") && text.contains(HASH))
        );
        steps.clear();
        write(&mut steps, &mut vm).unwrap();
        assert!(steps.is_empty());
        vm.insert("hostname".into(), "other".into());
        write(&mut steps, &mut vm).unwrap();
        assert_eq!(steps.len(), 2);
        vm["disks"][0]["boot"] = true.into();
        let error = write(&mut steps, &mut vm).unwrap_err();
        assert!(error.starts_with("Invalid cloudinit_nocloud_path: /dev/zvol"), "{error}");
    }
}
