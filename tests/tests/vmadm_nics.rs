//! NICs end to end: addresses that two commands want at once, link properties, VRRP, IPv6.

use std::io::Write as _;
use std::process::{Child, Stdio};

use e2e::Gz;
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const OTHER: &str = "a0000001-0000-4000-8000-000000000002";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const CONFLICT: &str = "Conflict detected with another vm, please check the MAC, IP, and VRID";

fn vm(uuid: &str, nic: &Value) -> Value {
    let mut full = json!({"nic_tag": "admin", "ips": ["dhcp"]});
    if let (Value::Object(full), Value::Object(nic)) = (&mut full, nic) {
        full.extend(nic.clone());
    }
    json!({
        "uuid": uuid, "brand": "joyent", "image_uuid": IMAGE, "autoboot": false, "max_physical_memory": 256,
        "quota": 5, "nics": [full]
    })
}

fn spawn(gz: &Gz, arguments: &[&str], payload: &Value) -> Child {
    let mut child = gz
        .command("vmadm", arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmadm can be run");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    input.write_all(payload.to_string().as_bytes()).expect("vmadm reads its payload");
    child
}

/// Runs commands at the same time; how many succeeded, and what the others said.
fn at_once<const N: usize>(children: [Child; N]) -> (usize, Vec<String>) {
    let mut succeeded = 0;
    let mut refused = Vec::new();
    for child in children {
        let output = child.wait_with_output().expect("vmadm ends");
        match output.status.code() {
            Some(0) => succeeded += 1,
            _ => refused.push(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
    (succeeded, refused)
}

#[test]
fn of_two_creates_that_want_one_address_one_gets_it() {
    for nic in [json!({"ips": ["10.88.88.60/24"]}), json!({"mac": "02:08:20:00:00:60"})] {
        let gz = Gz::new();
        for round in 0..4 {
            let both = [UUID, OTHER].map(|uuid| spawn(&gz, &["create"], &vm(uuid, &nic)));
            let (created, refused) = at_once(both);
            assert_eq!(created, 1, "{nic}, round {round}: {refused:?}");
            assert!(refused[0].contains(CONFLICT), "{nic}, round {round}: {refused:?}");
            let uuids = gz.vmadm(&["list", "-H", "-o", "uuid"]).ok().text();
            assert_eq!(uuids.lines().count(), 1, "{nic}, round {round}: {uuids}");
            let _ = gz.vmadm(&["delete", uuids.trim()]).ok();
        }
    }
}

#[test]
fn creates_at_once_that_want_different_addresses_all_succeed() {
    let gz = Gz::new();
    let children = [1, 2, 3, 4].map(|n: u8| {
        let uuid = format!("a0000001-0000-4000-8000-00000000000{n}");
        spawn(&gz, &["create"], &vm(&uuid, &json!({"ips": [format!("10.88.88.7{n}/24")]})))
    });
    assert_eq!(at_once(children), (4, Vec::new()));
}

#[test]
fn of_two_updates_that_want_one_address_one_gets_it() {
    let gz = Gz::new();
    for uuid in [UUID, OTHER] {
        let _ = gz.create(&vm(uuid, &json!({}))).ok();
    }
    for round in 0..4 {
        let address = format!("10.88.88.8{round}/24");
        let update = json!({"add_nics": [{"nic_tag": "admin", "ips": [address]}]});
        let both = [UUID, OTHER].map(|uuid| spawn(&gz, &["update", uuid], &update));
        let (updated, refused) = at_once(both);
        assert_eq!(updated, 1, "round {round}: {refused:?}");
        assert!(refused[0].contains(CONFLICT), "round {round}: {refused:?}");
    }
}
