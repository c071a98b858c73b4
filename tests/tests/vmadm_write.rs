//! What create and update refuse, and what comes back of what they are given.

use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const OTHER: &str = "a0000001-0000-4000-8000-000000000002";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";

fn payload(more: Value) -> Value {
    let mut payload = json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "alias": "j1", "autoboot": false,
        "max_physical_memory": 256, "quota": 5,
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "mac": "02:08:20:00:00:51"}]
    });
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
        payload.extend(more);
    }
    payload
}

#[test]
fn refused_payloads_change_nothing() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload(json!({"vnc_port": null}))).ok();
    let before = gz.snapshot();
    let nic = |more: Value| {
        let mut nic = json!({"nic_tag": "admin", "ips": ["10.88.88.60/24"]});
        if let (Value::Object(nic), Value::Object(more)) = (&mut nic, more) {
            nic.extend(more);
        }
        json!({"uuid": OTHER, "nics": [nic]})
    };
    let cases = [
        (json!({}), "already exists"),
        (json!({"uuid": "x"}), "Invalid value(s) for: uuid"),
        (json!({"uuid": OTHER, "brand": "joyant"}), "did you mean \"joyent\"?"),
        (
            json!({"uuid": OTHER, "image_uuid": "5917ca96-c888-11e5-8da0-e785a1ad1185"}),
            "image_uuid",
        ),
        (json!({"uuid": OTHER, "quota": -1}), "Invalid value(s) for: quota"),
        (json!({"uuid": OTHER, "quota": {}}), "Invalid value for quota"),
        (json!({"uuid": OTHER, "resolvers": "x y"}), "resolvers"),
        (json!({"uuid": OTHER, "zpool": "a:b"}), "zpool"),
        (json!({"uuid": OTHER, "nics": [], "zonename": "a/b"}), "zonename"),
        (json!({"uuid": OTHER, "nics": [], "hostname": "a\"b"}), "hostname"),
        (nic(json!({"ips": ["10.88.88.51/24"]})), "Conflict detected with another vm"),
        (nic(json!({"mac": "02:08:20:00:00:51"})), "Conflict detected with another vm"),
        (nic(json!({"nic_tag": "nosuch"})), "Invalid nic tag \"nosuch\""),
        (nic(json!({"ips": ["10.88.88.999/24"]})), "Invalid IP for NIC"),
        (
            json!({"uuid": OTHER, "nics": [], "filesystems": [
                {"source": "/no/such", "target": "/mnt", "type": "lofs"}]}),
            "/no/such",
        ),
    ];
    for (more, message) in cases {
        let run = gz.create(&payload(more.clone())).failed();
        assert!(run.stderr.contains(message), "{more}: {}", run.stderr);
        assert_eq!(gz.snapshot(), before, "{more}");
    }
    for (text, message) in [("{\"a\": 1,}", "1"), ("", "end of input"), ("[1]", "object")] {
        let run = gz.run_with("vmadm", &["create"], text.as_bytes()).failed();
        assert!(run.stderr.contains(message), "{text}: {}", run.stderr);
        assert_eq!(gz.snapshot(), before, "{text}");
    }
    let updates = [
        (json!({"cpu_cap": "abc"}), "Invalid value for cpu_cap"),
        (json!({"update_nics": [{"mac": "02:08:20:00:00:99", "ip": "dhcp"}]}), "no existing NIC"),
        (json!({"add_nics": [{"nic_tag": "nosuch", "ips": ["dhcp"]}]}), "Invalid nic tag"),
        (json!({"hostname": "a\nb"}), "hostname"),
        (json!({"set_tags": {"a": {}}}), "set_tags"),
    ];
    for (update, message) in updates {
        let run = gz.run_with("vmadm", &["update", UUID], update.to_string().as_bytes()).failed();
        assert!(run.stderr.contains(message), "{update}: {}", run.stderr);
        assert_eq!(gz.snapshot(), before, "{update}");
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_does_nothing() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let before = gz.snapshot();
    let text = payload(json!({})).to_string();
    let run = gz.run_with("vmadm", &["create", "--dry-run"], text.as_bytes()).ok();
    let plan = run.text();
    for line in ["< create -b", "zoneadm -z", "install -q 5", "remove attr name=provisioning"] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn unknown_properties_are_named_and_refused_only_where_asked() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let text = payload(json!({"aliass": "x", "__note": "y"})).to_string();
    let run = gz.run_with("vmadm", &["create", "--strict"], text.as_bytes()).failed();
    assert!(run.stderr.contains("\"aliass\" (did you mean \"alias\"?)"), "{}", run.stderr);
    let run = gz.run_with("vmadm", &["create"], text.as_bytes()).ok();
    assert!(run.stderr.starts_with(&format!("Successfully created VM {UUID}\n")), "{}", run.stderr);
    assert!(run.stderr.contains("\"aliass\""), "{}", run.stderr);
    assert!(!run.stderr.contains("__note"), "{}", run.stderr);
}

#[test]
fn deleting_keeps_what_was_delegated_from_elsewhere() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload(json!({}))).ok();
    let _ = gz.run("zfs", &["create", "zones/shared"]).ok();
    let _ = gz.run("zonecfg", &["-u", UUID, "add dataset; set name=zones/shared; end"]).ok();
    let _ = gz.vmadm(&["delete", UUID]).ok();
    let _ = gz.run("zfs", &["list", "zones/shared"]).ok();
}

#[test]
fn indestructible_vms_are_not_deleted() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload(json!({"indestructible_zoneroot": true}))).ok();
    let run = gz.vmadm(&["delete", UUID]).failed();
    assert!(run.stderr.contains("indestructible_zoneroot is set, cannot delete"), "{}", run.stderr);
    let _ = gz.vmadm(&["update", UUID, "indestructible_zoneroot=false"]).ok();
    let _ = gz.vmadm(&["delete", UUID]).ok();
}

#[test]
fn archives_are_kept_where_asked() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&payload(json!({"archive_on_delete": true, "tags": {"a": "b"}}))).ok();
    let _ = gz.vmadm(&["delete", UUID]).ok();
    let archive = format!("/zones/archive/{UUID}");
    let vm: Value = serde_json::from_str(&gz.file(&format!("{archive}/vm.json"))).expect("JSON");
    assert_eq!(vm["alias"], "j1");
    assert!(gz.file(&format!("{archive}/zone.xml")).contains(UUID));
    assert!(gz.file(&format!("{archive}/config/tags.json")).contains("\"a\": \"b\""));
}
