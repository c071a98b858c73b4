//! `vmadm update` on OmniOS: what it changes, compared with what the same update makes on SmartOS.

use e2e::flavours::{both, differences};
use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const VM: &str = "b0000001-0000-4000-8000-000000000001";

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

fn update(gz: &Gz, payload: &Value) {
    let run = gz.run_with("vmadm", &["update", VM], payload.to_string().as_bytes()).ok();
    assert_eq!(run.stderr, format!("Successfully updated VM {VM}\n"));
}

/// The same updates, one after the other, leave the same VM on both.
fn follow(payload: &Value, updates: &[&str]) {
    let both = both();
    for (gz, _) in &both {
        let _ = gz.create(payload).ok();
    }
    let objects = || both.each_ref().map(|(gz, _)| get(gz));
    let [smartos, omnios] = objects();
    assert_eq!(differences(smartos, omnios), [""; 0], "create");
    let mut different = Vec::new();
    for update_text in updates {
        for (gz, volumes) in &both {
            let text = update_text.replace("VOLUMES", volumes).replace("UUID", VM);
            update(gz, &serde_json::from_str(&text).expect("JSON"));
        }
        let [smartos, omnios] = objects();
        let found = differences(smartos, omnios);
        if !found.is_empty() {
            different.push(format!("{update_text}: {found:#?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_bhyve_vm_follows_every_update() {
    needs!(Need::Simulation, Need::TwoRoots);
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "alias": "db", "ram": 512, "vcpus": 1, "autoboot": false, "quota": 5,
        "flexible_disk_size": 4096,
        "disks": [{"boot": true, "model": "virtio", "size": 512, "uuid": "d0000000-0000-4000-8000-000000000000"}],
        "nics": [{"nic_tag": "external", "model": "virtio", "mac": "02:08:20:00:00:01",
                  "ips": ["192.0.2.5/24"], "gateways": ["192.0.2.1"]}],
    });
    follow(
        &payload,
        &[
            r#"{"ram": 1024, "vcpus": 4, "cpu_cap": 200, "quota": 10, "alias": "db1"}"#,
            r#"{"bootrom": "uefi", "boot": "order=dc", "vnc_port": 0, "vnc_password": "secret"}"#,
            r#"{"vnc_port": -1, "hostname": "db1", "resolvers": ["192.0.2.53"]}"#,
            r#"{"add_disks": [
            {"model": "nvme", "size": 64, "uuid": "d0000000-0000-4000-8000-000000000001", "notrim": true},
            {"model": "ahci", "size": 128, "uuid": "d0000000-0000-4000-8000-000000000002"}]}"#,
            r#"{"update_disks": [{"path": "VOLUMES/UUID/disk1", "size": 256, "notrim": false,
            "guest_block_size": "4096"}]}"#,
            r#"{"update_disks": [{"path": "VOLUMES/UUID/disk2", "model": "virtio", "compression": "lz4"}]}"#,
            r#"{"remove_disks": ["VOLUMES/UUID/disk1"]}"#,
            r#"{"update_disks": [{"path": "VOLUMES/UUID/disk0", "boot": false},
            {"path": "VOLUMES/UUID/disk2", "boot": true}]}"#,
            r#"{"flexible_disk_size": 8192}"#,
            r#"{"add_nics": [{"nic_tag": "internal", "model": "e1000", "mac": "02:08:20:00:00:02", "ips": ["dhcp"]}]}"#,
            r#"{"update_nics": [{"mac": "02:08:20:00:00:01", "ips": ["192.0.2.6/24", "192.0.2.7/24"],
            "vlan_id": 7, "allow_ip_spoofing": true}]}"#,
            r#"{"update_nics": [{"mac": "02:08:20:00:00:02", "primary": true, "nic_tag": "external",
            "allowed_ips": ["192.0.2.9"]}]}"#,
            r#"{"remove_nics": ["02:08:20:00:00:01"]}"#,
            r#"{"set_tags": {"role": "db", "n": 1}, "set_customer_metadata": {"root_authorized_keys": "ssh-rsa A b"}}"#,
            r#"{"remove_tags": ["n"], "remove_customer_metadata": ["root_authorized_keys"],
            "set_routes": {"198.51.100.0/24": "192.0.2.1"}}"#,
            r#"{"remove_routes": ["198.51.100.0/24"], "internal_metadata_namespaces": ["ops"]}"#,
            r#"{"indestructible_zoneroot": true, "zfs_root_compression": "lz4", "zfs_snapshot_limit": 5}"#,
            r#"{"indestructible_zoneroot": false, "hostname": null, "do_not_inventory": true, "max_lwps": 3000}"#,
        ],
    );
}

#[test]
fn a_kvm_vm_follows_every_update() {
    needs!(Need::Simulation, Need::TwoRoots);
    let payload = json!({
        "uuid": VM, "brand": "kvm", "ram": 256, "vcpus": 1, "autoboot": false, "cpu_type": "host",
        "disks": [{"boot": true, "model": "virtio", "size": 64}],
        "nics": [{"nic_tag": "external", "model": "e1000", "mac": "02:08:20:00:00:01", "ips": ["dhcp"]}],
    });
    follow(
        &payload,
        &[
            r#"{"ram": 512, "boot": "order=ncd"}"#,
            r#"{"add_disks": [{"model": "virtio", "size": 32}]}"#,
            r#"{"remove_disks": ["VOLUMES/UUID-disk1"]}"#,
            r#"{"add_nics": [{"nic_tag": "internal", "model": "e1000", "mac": "02:08:20:00:00:02", "ips": ["192.0.2.8/24"]}]}"#,
            r#"{"remove_nics": ["02:08:20:00:00:01"]}"#,
        ],
    );
}
