//! `vmadm update` on OmniOS: what it changes, compared with what the same update makes on SmartOS.

use e2e::flavours::{both, differences};
use e2e::{Gz, Need, faults, needs, usable};
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

#[test]
fn devices_are_passed_through_and_taken_back() {
    needs!(Need::Simulation, Need::TwoRoots);
    let gz = e2e::flavours::omnios();
    let dev = gz.path("/dev");
    let node = "../devices/pci@0,0/pci8086,1@1/pci10de,2@0:ppt";
    std::os::unix::fs::symlink(node, dev.join("ppt1")).expect("a device");
    let path = "/devices/pci@0,0/pci8086,1@1/pci10de,2@0";
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "ram": 256, "autoboot": false,
        "disks": [{"boot": true, "model": "virtio", "size": 64, "pci_slot": "0:4:0"},
                  {"model": "virtio", "size": 64, "pci_slot": "0:8:3"}],
        "pci_devices": [{"path": "/dev/ppt0"}],
    });
    let _ = gz.create(&payload).ok();
    assert_eq!(get(&gz)["pci_devices"], json!([{"path": "/dev/ppt0", "model": "passthru"}]));
    assert_eq!(get(&gz)["disks"][1]["pci_slot"], "0:8:3");
    update(&gz, &json!({"add_pci_devices": [{"path": path, "pci_slot": "0:9:5"}]}));
    update(&gz, &json!({"remove_pci_devices": ["/dev/ppt0"]}));
    let expected = json!([{"path": path, "model": "passthru", "pci_slot": "0:9:5"}]);
    assert_eq!(get(&gz)["pci_devices"], expected);
    let line = gz.run("bhyve-ctl", &["cmdline", VM]).ok().text();
    for argument in ["9:5,passthru,/dev/ppt1", "8:3,virtio-blk,"] {
        assert!(line.contains(argument), "{argument} is not in\n{line}");
    }
    assert!(!line.contains("/dev/ppt0"), "{line}");
    let far = json!({"add_pci_devices": [{"path": "/devices/pci@9", "pci_slot": "0:9:1"}]});
    let run = gz.run_with("vmadm", &["update", VM], far.to_string().as_bytes()).failed();
    assert!(run.stderr.contains("pci_devices.1.path: it is no device"), "{}", run.stderr);
}

#[test]
fn filesystems_come_change_and_go() {
    needs!(Need::Simulation, Need::TwoRoots);
    let gz = e2e::flavours::omnios();
    for directory in ["/export/a", "/export/b"] {
        std::fs::create_dir_all(gz.path(directory)).expect("a directory");
    }
    let payload = json!({
        "uuid": VM, "brand": "ipkg", "max_physical_memory": 256, "autoboot": false, "tmpfs": 128,
        "limit_priv": ["default", "dtrace_proc"], "fs_allowed": "ufs,pcfs",
        "filesystems": [{"source": "/export/a", "target": "/a", "type": "lofs", "options": ["ro"]}],
    });
    let _ = gz.create(&payload).ok();
    assert_eq!(get(&gz)["filesystems"], payload["filesystems"]);
    assert_eq!(get(&gz)["limit_priv"], payload["limit_priv"]);
    update(
        &gz,
        &json!({"add_filesystems": [{"source": "/export/b", "target": "/b", "type": "lofs"}]}),
    );
    update(&gz, &json!({"update_filesystems": [{"target": "/a", "options": ["rw", "nodevices"]}]}));
    update(&gz, &json!({"remove_filesystems": ["/b"], "tmpfs": 64, "limit_priv": ["default"]}));
    let vm = get(&gz);
    let expected = json!([
        {"source": "/export/a", "target": "/a", "type": "lofs", "options": ["rw", "nodevices"]}
    ]);
    assert_eq!((&vm["filesystems"], &vm["tmpfs"]), (&expected, &json!(64)));
    assert_eq!(vm["limit_priv"], json!(["default"]));
}

#[test]
fn attributes_and_shares_of_bhyve_come_change_and_go() {
    needs!(Need::Simulation, Need::TwoRoots);
    let gz = e2e::flavours::omnios();
    for directory in ["/export/a", "/export/b"] {
        std::fs::create_dir_all(gz.path(directory)).expect("a directory");
    }
    let share = |name: &str, directory: &str| json!({"source": directory, "target": name, "type": "virtfs"});
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "ram": 256, "autoboot": false,
        "disks": [{"boot": true, "model": "virtio", "size": 64}],
        "zone_attributes": {"rng": true, "memreserve": "on"},
        "filesystems": [share("a", "/export/a")],
    });
    for (attributes, why) in [
        (json!({"rng": "maybe"}), "zone_attributes.rng: it is on or off"),
        (json!({"ram": "1G"}), "zone_attributes.ram: another property stands"),
    ] {
        let mut bad = payload.clone();
        bad["zone_attributes"] = attributes;
        let run = gz.create(&bad).failed();
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let _ = gz.create(&payload).ok();
    let vm = get(&gz);
    assert_eq!(vm["zone_attributes"], json!({"rng": "on", "memreserve": "on"}));
    assert_eq!(vm["filesystems"], json!([share("a", "/export/a")]));
    let line = gz.run("bhyve-ctl", &["cmdline", VM]).ok().text();
    for argument in ["virtio-rnd", "virtio-9p,a=/export/a", "memory.use_reservoir=true"] {
        assert!(line.contains(argument), "{argument} is not in\n{line}");
    }
    update(
        &gz,
        &json!({"set_zone_attributes": {"type": "windows"}, "remove_zone_attributes": ["rng"],
            "add_filesystems": [share("b", "/export/b")]}),
    );
    update(&gz, &json!({"remove_filesystems": ["a"]}));
    update(&gz, &json!({"update_filesystems": [{"target": "b", "options": ["ro"]}]}));
    let vm = get(&gz);
    assert_eq!(vm["zone_attributes"], json!({"memreserve": "on", "type": "windows"}));
    let mut read_only = share("b", "/export/b");
    read_only["options"] = json!(["ro"]);
    assert_eq!(vm["filesystems"], json!([read_only]));
    let mounts = gz.run("zonecfg", &["-z", VM, "info", "fs"]).ok().text();
    assert!(mounts.contains("/export/b") && !mounts.contains("/export/a"), "{mounts}");
}

/// A zone that zadm made: an update changes what it says and nothing else.
#[test]
fn a_zone_of_zadm_keeps_what_vmadm_does_not_know() {
    needs!(Need::Simulation, Need::TwoRoots);
    let gz = e2e::flavours::omnios();
    let script = "create -b\nset zonepath=/zones/web\nset brand=bhyve\nset ip-type=exclusive\n\
        add attr; set name=ram; set type=string; set value=2G; end\n\
        add attr; set name=vnc; set type=string; set value=\"on,w=1200,password=old\"; end\n\
        add attr; set name=bootdisk; set type=string; set value=\"rpool/web/root,nocache\"; end\n\
        add attr; set name=rng; set type=string; set value=on; end\n\
        add net; set physical=web0; set global-nic=net0; add property (name=vqsize,value=\"512\"); end\n";
    let _ = gz.run_with("zonecfg", &["-z", "web"], script.as_bytes()).ok();
    let _ = gz.run("zoneadm", &["-z", "web", "install"]).ok();
    let list = gz.vmadm(&["list", "-H", "-o", "uuid,alias,ram"]).ok().text();
    let words: Vec<&str> = list.split_whitespace().collect();
    assert_eq!(words[1..], ["web", "2048"]);
    let uuid = words[0].to_owned();
    let update = json!({
        "ram": 1024, "vnc_password": "new", "alias": "site",
        "add_nics": [{"nic_tag": "net1", "model": "virtio", "mac": "02:08:20:00:00:09", "ips": ["dhcp"]}],
    });
    let run = gz.run_with("vmadm", &["update", &uuid], update.to_string().as_bytes()).ok();
    assert_eq!(run.stderr, format!("Successfully updated VM {uuid}\n"));
    let vm = gz.vmadm(&["get", &uuid]).ok().json();
    assert_eq!((&vm["alias"], &vm["ram"]), (&json!("site"), &json!(1024)));
    assert_eq!(
        (&vm["vnc_password"], &vm["zone_attributes"]),
        (&json!("new"), &json!({"rng": "on"}))
    );
    let info = gz.run("zonecfg", &["-z", "web", "info"]).ok().text();
    for kept in ["on,password=new,w=1200", "rpool/web/root,nocache", "vqsize", "physical: web0"] {
        assert!(info.contains(kept), "{kept} is not in\n{info}");
    }
    let _ = gz.vmadm(&["start", &uuid]).ok();
    let _ = gz.vmadm(&["stop", &uuid, "-F"]).ok();
    let _ = gz.vmadm(&["delete", &uuid]).ok();
    assert!(!gz.path("/etc/zones/web.xml").exists());
}

/// Whatever tool fails, and wherever vmadm is killed: the VM is as it was, or as it was to be, and can be started.
#[test]
fn a_struck_update_leaves_what_was_or_what_was_asked_for() {
    needs!(Need::Simulation, Need::TwoRoots);
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "alias": "db", "ram": 512, "vcpus": 1, "autoboot": false, "quota": 5,
        "disks": [{"boot": true, "model": "virtio", "size": 512}],
        "nics": [{"nic_tag": "external", "model": "virtio", "mac": "02:08:20:00:00:01", "ips": ["192.0.2.5/24"]}],
        "tags": {"role": "db"}, "customer_metadata": {"k": "v"},
    });
    let change = json!({
        "alias": "db1", "ram": 1024, "quota": 10, "hostname": "db1", "set_tags": {"role": "web"},
        "set_customer_metadata": {"k": "w"}, "update_nics": [{"mac": "02:08:20:00:00:01", "ips": ["192.0.2.6/24"]}],
        "add_disks": [{"model": "virtio", "size": 64}],
    });
    let asked = |vm: &Value| {
        let disks = vm["disks"].as_array().map(Vec::len);
        let ips = vm["nics"][0]["ips"].clone();
        let words = ["alias", "ram", "quota", "hostname", "tags", "customer_metadata"]
            .map(|key| vm[key].clone());
        (words, ips, disks)
    };
    let model = e2e::flavours::omnios();
    let _ = model.create(&payload).ok();
    let before = asked(&get(&model));
    update(&model, &change);
    let after = asked(&get(&model));
    assert_ne!(before, after);
    faults::strike(
        &mut e2e::flavours::omnios(),
        &["exit 1 boom", "kill caller", "after kill caller"],
        |gz| {
            let _ = gz.create(&payload).ok();
        },
        |gz| gz.run_with("vmadm", &["update", VM], change.to_string().as_bytes()),
        |gz, run, when| {
            usable::recover(gz, when);
            let found = asked(&usable::get(gz, VM, when));
            match run.exit {
                Some(0) => assert_eq!(found, after, "{when}"),
                Some(_) => assert_eq!(found, before, "{when}"),
                None => assert!(found == before || found == after, "{when}: {found:?}"),
            }
            usable::assert(gz, VM, when);
        },
    );
}
