//! Damaged files of VMs: nothing in them is lost, and the other VMs are none the worse.

use e2e::{Gz, Need, Run, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const LX_IMAGE: &str = "5917ca96-c888-11e5-8da0-e785a1ad1185";

fn vm(uuid: &str, more: Value) -> Value {
    let mut payload = json!({
        "uuid": uuid, "brand": "joyent", "image_uuid": IMAGE, "autoboot": false, "max_physical_memory": 256, "quota": 5,
        "customer_metadata": {"kept": "yes"}, "tags": {"kept": "yes"}, "routes": {"10.1.0.0/16": "10.0.0.1"},
    });
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
        payload.extend(more);
    }
    payload
}

/// What becomes of the text of a file.
type Damage = fn(&str) -> String;

/// The text without the brace at its end.
fn cut(text: &str) -> String {
    text.trim_end().trim_end_matches('}').to_owned()
}

fn list(_: &str) -> String {
    "[1]".to_owned()
}

fn wrong_table(_: &str) -> String {
    r#"{"customer_metadata": ["kept"]}"#.to_owned()
}

fn update(gz: &Gz, update: &Value) -> Run {
    gz.run_with("vmadm", &["update", UUID], update.to_string().as_bytes())
}

fn config(name: &str) -> String {
    format!("/zones/{UUID}/config/{name}")
}

/// Replaces the text of a VM's configuration file; what it was.
fn replace(gz: &Gz, name: &str, text: impl Fn(&str) -> String) -> String {
    let whole = gz.file(&config(name));
    std::fs::write(gz.path(&config(name)), text(&whole)).expect("the file can be written");
    whole
}

#[test]
fn an_update_does_not_write_over_a_damaged_file() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE));
    let gz = Gz::new();
    let _ = gz.create(&vm(UUID, json!({}))).ok();
    let cases: [(&str, Damage, Value, &str); 6] = [
        ("metadata.json", cut, json!({"set_customer_metadata": {"new": "1"}}), "line "),
        (
            "metadata.json",
            cut,
            json!({"remove_internal_metadata": ["x"], "set_internal_metadata": {"a": "b"}}),
            "line ",
        ),
        (
            "metadata.json",
            wrong_table,
            json!({"set_internal_metadata": {"a": "b"}}),
            "customer_metadata",
        ),
        ("tags.json", cut, json!({"set_tags": {"new": "1"}}), "line "),
        ("tags.json", list, json!({"set_tags": {"new": "1"}}), "object"),
        ("routes.json", cut, json!({"set_routes": {"10.2.0.0/16": "10.0.0.1"}}), "line "),
    ];
    for (name, damage, change, place) in cases {
        let whole = replace(&gz, name, damage);
        let damaged = gz.file(&config(name));
        let before = gz.snapshot();
        let mut change = change;
        change["alias"] = json!("other");
        let run = update(&gz, &change).failed();
        assert!(run.stderr.contains(name) && run.stderr.contains(place), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert_eq!(gz.file(&config(name)), damaged, "{change}");
        assert_eq!(gz.changes_since(&before), "", "{change}");
        // What does not concern the file goes on, with a warning.
        let run = update(&gz, &json!({"alias": "same"})).ok();
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines[0], format!("Successfully updated VM {UUID}"));
        assert!(lines.len() == 2 && lines[1].starts_with("warning: "), "{}", run.stderr);
        assert!(lines[1].contains(name), "{}", run.stderr);
        assert_eq!(gz.file(&config(name)), damaged);
        std::fs::write(gz.path(&config(name)), whole).expect("the file can be written");
        let _ = update(&gz, &change).ok();
        let _ = update(&gz, &json!({"alias": "before"})).ok();
    }
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!(vm["customer_metadata"], json!({"kept": "yes", "new": "1"}));
    assert_eq!(vm["tags"], json!({"kept": "yes", "new": "1"}));
}

#[test]
fn a_containers_count_of_restarts_is_set_back_beside_what_else_its_file_holds() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--fixture", "spec"]);
    let docker = json!({
        "brand": "lx", "image_uuid": LX_IMAGE, "kernel_version": "3.13.0", "docker": true, "autoboot": true,
        "internal_metadata": {"docker:cmd": "[\"/bin/sh\"]"},
    });
    let _ = gz.create(&vm(UUID, docker)).ok();
    let whole = replace(&gz, "metadata.json", |text| {
        text.replace("\"docker:restartcount\": 0", "\"docker:restartcount\": 7")
    });
    let _ = gz.vmadm(&["reboot", UUID]).ok();
    assert_eq!(gz.file(&config("metadata.json")), whole);
    let _ = replace(&gz, "metadata.json", cut);
    let damaged = gz.file(&config("metadata.json"));
    for command in ["reboot", "start"] {
        let run = gz.vmadm(&[command, UUID]).failed();
        assert!(run.stderr.contains("metadata.json"), "{command}: {}", run.stderr);
        assert_eq!(gz.file(&config("metadata.json")), damaged, "{command}");
        let _ = gz.vmadm(&["stop", UUID, "-F"]);
    }
}

#[test]
fn one_damaged_zone_does_not_keep_the_others_from_being_seen_and_made() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let other = "a0000001-0000-4000-8000-000000000002";
    let nic = |last: u8| json!([{"nic_tag": "admin", "ips": [format!("10.88.88.{last}/24")]}]);
    let _ = gz.create(&vm(UUID, json!({"alias": "broken", "nics": nic(1)}))).ok();
    let _ = gz.create(&vm(other, json!({"alias": "whole", "nics": nic(2)}))).ok();
    let file = format!("/etc/zones/{UUID}.xml");
    let text = gz.file(&file);
    std::fs::write(gz.path(&file), &text[..300]).expect("the file can be written");

    let warned = |run: &Run| {
        let lines: Vec<&str> = run.stderr.lines().filter(|line| line.contains(&file)).collect();
        assert_eq!(lines.len(), 1, "{}", run.stderr);
        assert!(lines[0].starts_with("warning: "), "{}", run.stderr);
    };
    for arguments in [
        &["list", "-H", "-o", "alias"][..],
        &["list", "-H", "-o", "alias", "state=stopped"],
        &["lookup", "-j", "-o", "alias"],
        &["lookup", "-j", "nics.*.ip=10.88.88.2"],
    ] {
        let run = gz.vmadm(arguments).ok();
        assert!(run.text().contains("whole") && !run.text().contains("broken"), "{}", run.text());
        assert_eq!(run.stderr.lines().count(), 1, "{arguments:?}: {}", run.stderr);
        warned(&run);
    }
    let third = "a0000001-0000-4000-8000-000000000003";
    let run = gz.create(&vm(third, json!({"nics": nic(3)}))).ok();
    // Clients take the UUID from the first line.
    assert_eq!(run.stderr.lines().next(), Some(&*format!("Successfully created VM {third}")));
    warned(&run);
    assert!(
        gz.create(&vm(&third.replace('3', "4"), json!({"nics": nic(2)})))
            .failed()
            .stderr
            .contains("Conflict")
    );
    let add = json!({"add_nics": nic(5)}).to_string();
    warned(&gz.run_with("vmadm", &["update", other], add.as_bytes()).ok());

    for command in ["get", "start", "stop", "update"] {
        let run = gz.run_with("vmadm", &[command, UUID], b"{}").failed();
        assert_eq!(run.stderr.lines().count(), 1, "{command}: {}", run.stderr);
        assert!(run.stderr.contains(&file), "{command}: {}", run.stderr);
    }
    let run = gz.vmadm(&["delete", UUID]).failed();
    let advice = format!("zonecfg -z {UUID} delete -F");
    assert!(run.stderr.contains(&file) && run.stderr.contains(&advice), "{}", run.stderr);
    // What it advises works; zonecfg deletes the zone after it has complained of the document.
    let _ = gz.run("zonecfg", &["-z", UUID, "delete", "-F"]);
    for dataset in ["zones/cores", "zones"] {
        let _ = gz.run("zfs", &["destroy", "-r", &format!("{dataset}/{UUID}")]).ok();
    }
    assert_eq!(gz.vmadm(&["list"]).ok().stderr, "");
    let _ = gz.create(&vm(UUID, json!({"nics": nic(1)}))).ok();
}
