//! Updates end to end: what they do to a VM that runs, and to its filesystems and devices.

use e2e::{Gz, Need, Run, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const MAC: &str = "02:08:20:00:00:51";

fn joyent(more: Value) -> Value {
    let mut payload = json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
        "max_physical_memory": 256, "quota": 5,
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "mac": MAC}]
    });
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
        payload.extend(more);
    }
    payload
}

fn update(gz: &Gz, update: &Value) -> Run {
    gz.run_with("vmadm", &["update", UUID], update.to_string().as_bytes())
}

/// The privileged value of a resource control of the running zone.
fn control(gz: &Gz, name: &str) -> Option<u64> {
    let text = gz.run("prctl", &["-P", "-t", "privileged", "-n", name, "-i", "zone", UUID]).text();
    text.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.next() == Some(name)).then(|| words.nth(1)?.parse().ok()).flatten()
    })
}

const MIB: u64 = 1 << 20;

#[test]
fn resource_controls_of_a_running_zone_follow() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let _ = gz.create(&joyent(json!({"cpu_cap": 100}))).ok();
    let controls = [
        ("cpu_shares", "zone.cpu-shares", 50, 1),
        ("zfs_io_priority", "zone.zfs-io-priority", 30, 1),
        ("max_lwps", "zone.max-lwps", 1000, 1),
        ("max_msg_ids", "zone.max-msg-ids", 100, 1),
        ("max_physical_memory", "zone.max-physical-memory", 512, MIB),
        ("max_shm_memory", "zone.max-shm-memory", 300, MIB),
        ("max_sem_ids", "zone.max-sem-ids", 101, 1),
        ("max_shm_ids", "zone.max-shm-ids", 102, 1),
        ("max_locked_memory", "zone.max-locked-memory", 301, MIB),
        ("max_swap", "zone.max-swap", 1024, MIB),
        ("cpu_cap", "zone.cpu-cap", 200, 1),
    ];
    let all: Value =
        controls.iter().map(|(property, _, value, _)| (*property, json!(value))).collect();
    let _ = update(&gz, &all).ok();
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    for (property, name, value, unit) in controls {
        assert_eq!(control(&gz, name), Some(value * unit), "{name}");
        assert_eq!(vm[property], value, "{property}");
    }
    let _ = update(&gz, &json!({"cpu_cap": null})).ok();
    assert_eq!(control(&gz, "zone.cpu-cap"), None);
    assert_eq!(gz.vmadm(&["get", UUID]).ok().json().get("cpu_cap"), None);
}

#[test]
fn an_integer_that_is_unset_is_the_default_or_refused() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let _ = gz.create(&joyent(json!({"max_swap": 1024, "max_locked_memory": 100}))).ok();
    let unset = json!({"max_swap": null, "max_locked_memory": null});
    let _ = update(&gz, &unset).ok();
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!((&vm["max_swap"], &vm["max_locked_memory"]), (&json!(256), &json!(256)));
    let integers = manifest::properties::PROPERTIES.iter().filter(|property| {
        property.kind == Some(manifest::properties::Kind::Integer) && property.nested().is_none()
    });
    for property in integers {
        let run = update(&gz, &json!({property.name: null}));
        let refused = run.stderr.starts_with("Invalid value(s) for: ");
        assert!(run.exit == Some(0) || refused, "{}: {}", property.name, run.stderr);
    }
}

#[test]
fn what_an_update_does_not_take_is_told_of() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let more = json!({"tags": {"a": "b"}, "customer_metadata": {"k": "v"}, "alias": "one",
        "resolvers": ["8.8.8.8"], "routes": {"10.1.0.0/16": "10.88.88.1"}});
    let _ = gz.create(&joyent(more)).ok();
    let notes = |payload: &Value, options: &[&str]| -> Vec<String> {
        let arguments = [&["update", UUID], options].concat();
        let run = gz.run_with("vmadm", &arguments, payload.to_string().as_bytes()).ok();
        let mut lines = run.stderr.lines().map(str::to_owned);
        assert_eq!(lines.next(), Some(format!("Successfully updated VM {UUID}")));
        lines.collect()
    };
    let given = json!({"customer_metadata": {"k": "w"}, "tags": {}, "nics": [], "brand": "lx", "state": "stopped",
        "zone_state": "installed", "quota": 6, "qouta": 7, "__mine": 1});
    assert_eq!(
        notes(&given, &[]),
        [
            "ignoring property not allowed here \"customer_metadata\" \
             (use set_customer_metadata, remove_customer_metadata)",
            "ignoring property not allowed here \"tags\" (use set_tags, remove_tags)",
            "ignoring property not allowed here \"nics\" (use add_nics, update_nics, remove_nics)",
            "ignoring property not allowed here \"brand\"",
            "ignoring unknown property \"qouta\" (did you mean \"quota\"?)",
            "ignoring what cannot be set: state, zone_state",
        ]
    );
    // All that was printed may be given back, also where the VM has gone on meanwhile.
    let mut printed = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!(notes(&printed, &["--strict"]), [""; 0]);
    let _ = gz.vmadm(&["stop", UUID, "-F"]).ok();
    printed["alias"] = json!("two");
    let told = notes(&printed, &[]);
    assert!(told.len() == 1 && told[0].starts_with("ignoring what cannot be set: "), "{told:?}");
    assert!(told[0].contains("zone_state") && !told[0].contains("brand"), "{told:?}");
    assert_eq!(gz.vmadm(&["get", UUID]).ok().json()["alias"], "two");
}

#[test]
fn a_failed_update_sets_resource_controls_back() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let _ = gz.create(&joyent(json!({}))).ok();
    let lwps = control(&gz, "zone.max-lwps");
    // What comes last in this update, and fails: the firewall's failure alone would be forgiven.
    gz.set("GZSIM_FAULT", "fwadm:1=kill caller");
    let run = update(&gz, &json!({"max_lwps": 1000, "firewall_enabled": true}));
    gz.unset("GZSIM_FAULT");
    assert_eq!(run.exit, None, "{}", run.stderr);
    assert_eq!(control(&gz, "zone.max-lwps"), Some(1000));
    let _ = gz.vmadm(&["recover"]).ok();
    assert_eq!(control(&gz, "zone.max-lwps"), lwps);
}

#[test]
fn filesystems_are_added_changed_and_removed() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let _ = gz.create(&joyent(json!({}))).ok();
    std::fs::create_dir_all(gz.path("/zones/shared")).expect("a source");
    let shared = json!({"type": "lofs", "source": "/zones/shared", "target": "/shared"});
    let volume =
        |target: &str| json!({"type": "lofs", "source": "create-volume", "target": target});
    let _ = update(&gz, &json!({"add_filesystems": [shared, volume("/data")]})).ok();
    let _ = update(&gz, &json!({"add_filesystems": [volume("/more")]})).ok();
    let filesystems = || gz.vmadm(&["get", UUID]).ok().json()["filesystems"].clone();
    let list = filesystems();
    assert_eq!(list[0], shared);
    let below = format!("/zones/{UUID}/volumes/");
    for (index, target) in [(1, "/data"), (2, "/more")] {
        assert_eq!(list[index]["target"], target);
        let source = list[index]["source"].as_str().unwrap_or_default();
        assert!(source.starts_with(&below), "{list}");
        let _ = gz.run("zfs", &["list", source.trim_start_matches('/')]).ok();
    }
    let _ = update(&gz, &json!({"update_filesystems": [{"target": "/shared", "options": ["ro"]}]}));
    let shared_now = |list: &Value| {
        let all = list.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|filesystem| filesystem["target"] == "/shared")
    };
    let changed = shared_now(&filesystems()).expect("it is there");
    assert_eq!(
        (&changed["options"], &changed["source"]),
        (&json!(["ro"]), &json!("/zones/shared"))
    );
    let _ = update(&gz, &json!({"remove_filesystems": ["/shared"]})).ok();
    assert_eq!(shared_now(&filesystems()), None);
}

#[test]
fn a_failed_update_leaves_no_volume() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let _ = gz.create(&joyent(json!({"autoboot": false}))).ok();
    let before = gz.snapshot();
    let add = json!({"add_filesystems": [
        {"type": "lofs", "source": "create-volume", "target": "/data"}]});
    gz.set("GZSIM_FAULT", "zonecfg:1=exit 1 boom");
    let run = update(&gz, &add).failed();
    gz.unset("GZSIM_FAULT");
    assert!(run.stderr.contains("boom"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
    let refused = json!({"add_filesystems": [
        {"type": "lofs", "source": "https://example.com/x", "target": "/x"}]});
    let run = update(&gz, &refused).failed();
    assert!(run.stderr.contains("https://example.com/x"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn pci_devices_are_changed_while_the_vm_is_stopped() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let path = "/devices/pci@0,0/pci8086,1@0";
    let payload = json!({
        "uuid": UUID, "brand": "bhyve", "ram": 512, "vcpus": 1, "quota": 1, "autoboot": false, "nics": [],
        "disks": [{"boot": true, "model": "virtio", "size": 64}]
    });
    let _ = gz.create(&payload).ok();
    let devices = || gz.vmadm(&["get", UUID]).ok().json()["pci_devices"].clone();
    let slot = |slot: &str| json!([{"path": path, "pci_slot": slot}]);
    let _ = update(&gz, &json!({"add_pci_devices": slot("0:8:0")})).ok();
    assert_eq!(devices()[0]["pci_slot"], "0:8:0");
    let _ = update(&gz, &json!({"update_pci_devices": slot("0:9:0")})).ok();
    assert_eq!(devices()[0]["pci_slot"], "0:9:0");
    let _ = update(&gz, &json!({"remove_pci_devices": [path]})).ok();
    assert!(matches!(devices(), Value::Null) || devices() == json!([]), "{}", devices());
}

#[test]
fn routes_are_set_and_removed_and_the_zone_is_told() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let _ = gz.create(&joyent(json!({"routes": {"10.1.0.0/16": "10.88.88.3"}}))).ok();
    gz.clear_calls();
    let routes = json!({
        "set_routes": {"10.2.0.0/16": "nics[0]", "10.3.0.9": "10.88.88.4"},
        "remove_routes": ["10.1.0.0/16"]
    });
    let _ = update(&gz, &routes).ok();
    assert_eq!(
        gz.vmadm(&["get", UUID]).ok().json()["routes"],
        json!({"10.2.0.0/16": "nics[0]", "10.3.0.9": "10.88.88.4"})
    );
    let restarted = |word: &str| {
        let service = "svc:/smartdc/mdata:fetch";
        gz.calls().iter().any(|call| call.contains(word) && call.contains(service))
    };
    assert!(restarted("disable") && restarted("enable"), "{:?}", gz.calls());
}

#[test]
fn the_firewall_hears_of_what_its_rules_go_by() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let ran = |gz: &Gz, words: &str| gz.calls().contains(&format!("fwadm {words}"));
    let start = format!("start {UUID}");
    let _ = gz.create(&joyent(json!({"firewall_enabled": true, "autoboot": false}))).ok();
    assert!(ran(&gz, &start), "the zone has rules when it boots: {:?}", gz.calls());
    for (change, heard) in [
        (json!({"set_tags": {"role": "db"}}), true),
        (json!({"update_nics": [{"mac": MAC, "ips": ["10.88.88.52/24"]}]}), true),
        (json!({"alias": "db"}), false),
    ] {
        gz.clear_calls();
        let run = gz.run_with("vmadm", &["update", "-v", UUID], change.to_string().as_bytes()).ok();
        assert_eq!(ran(&gz, "update"), heard, "{change}");
        assert!(!run.stderr.contains("failed"), "fwadm knows the VM: {}", run.stderr);
    }
    let _ = update(&gz, &json!({"firewall_enabled": false})).ok();
    assert!(ran(&gz, &format!("stop {UUID}")), "{:?}", gz.calls());
    gz.clear_calls();
    let _ = update(&gz, &json!({"set_tags": {"role": "web"}})).ok();
    assert!(!gz.calls().iter().any(|call| call.starts_with("fwadm")), "{:?}", gz.calls());
    let _ = update(&gz, &json!({"firewall_enabled": true})).ok();
    assert!(ran(&gz, &start), "{:?}", gz.calls());
}

#[test]
fn firewalls_of_others_hear_of_a_vm() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let heard = |gz: &Gz| {
        let times = gz.calls().iter().filter(|call| *call == "fwadm update").count();
        gz.clear_calls();
        times
    };
    let other = |uuid: &str, last: u8, more: Value| {
        let mut vm = joyent(more);
        vm["uuid"] = uuid.into();
        vm["autoboot"] = false.into();
        vm["nics"][0]["mac"] = format!("02:08:20:00:01:{last:02x}").into();
        vm["nics"][0]["ips"] = json!([format!("10.88.88.{last}/24")]);
        vm
    };
    let plain = other("a0000001-0000-4000-8000-0000000000a1", 161, json!({}));
    let filtered =
        other("a0000001-0000-4000-8000-0000000000a2", 162, json!({"firewall_enabled": true}));
    let _ = gz.create(&plain).ok();
    let _ = gz.create(&joyent(json!({}))).ok();
    let _ = update(&gz, &json!({"set_tags": {"role": "db"}})).ok();
    assert_eq!(heard(&gz), 0, "no firewall is enabled");
    let _ = gz.create(&filtered).ok();
    assert_eq!(heard(&gz), 0, "nobody else's is");
    let _ = gz.vmadm(&["delete", UUID]).ok();
    let _ = gz.create(&joyent(json!({}))).ok();
    assert_eq!(heard(&gz), 1, "a new VM");
    let _ = update(&gz, &json!({"alias": "x"})).ok();
    assert_eq!(heard(&gz), 0, "what no rule goes by");
    // What they have heard they are told to forget.
    gz.set("GZSIM_FAULT", "fwadm update:1=after kill caller");
    let run = update(&gz, &json!({"set_tags": {"role": "web"}}));
    assert_eq!(run.exit, None, "{}", run.stderr);
    gz.unset("GZSIM_FAULT");
    assert_eq!(heard(&gz), 1);
    let _ = gz.vmadm(&["recover"]).ok();
    assert_eq!(gz.vmadm(&["get", UUID]).ok().json()["tags"], json!({}));
    assert_eq!(heard(&gz), 1, "after the tags were taken back");
    let _ = update(&gz, &json!({"remove_nics": [MAC]})).ok();
    assert_eq!(heard(&gz), 1, "an address less");
}
