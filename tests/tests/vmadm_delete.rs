//! Deletes that fail or are cut off: the operator is told, and no other command goes on with them that should not.

use e2e::{Gz, Need, faults, needs, usable};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

fn joyent() -> Value {
    json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822", "alias": "j1",
        "max_physical_memory": 256, "quota": 5, "delegate_dataset": true, "archive_on_delete": true,
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "gateways": ["10.88.88.2"]}]
    })
}

fn machine(brand: &str, image: &str) -> Value {
    let mut vm = json!({
        "uuid": UUID, "brand": brand, "ram": 512, "vcpus": 1, "quota": 1, "nics": [],
        "disks": [
            {"boot": true, "model": "virtio", "image_uuid": image},
            {"model": "virtio", "size": 64}]
    });
    if brand == "bhyve" {
        vm["bootrom"] = "uefi".into();
    }
    vm
}

fn payloads() -> [Value; 3] {
    [
        joyent(),
        machine("bhyve", "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b"),
        machine("kvm", "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a"),
    ]
}

fn delete(gz: &Gz) -> e2e::Run {
    gz.vmadm(&["delete", UUID])
}

#[test]
fn a_vm_whose_delete_failed_is_not_deleted_by_the_next_command() {
    needs!(Need::Simulation);
    for command in [&["update", UUID, "alias=kept"][..], &["start", UUID], &["recover"]] {
        let mut gz = Gz::new();
        let _ = gz.create(&joyent()).ok();
        let before = gz.snapshot();
        gz.set("GZSIM_FAULT", "zoneadm halt:*=exit 1 no halt");
        let run = delete(&gz).failed();
        gz.unset("GZSIM_FAULT");
        assert!(run.stderr.contains("no halt"), "{}", run.stderr);
        assert_eq!(gz.snapshot(), before, "{command:?}");
        let run = gz.vmadm(command).ok();
        assert!(!run.stderr.contains("interrupted"), "{command:?}: {}", run.stderr);
        let vm = usable::get(&gz, UUID, command[0]);
        assert_eq!((&vm["state"], &vm["autoboot"]), (&json!("running"), &json!(true)));
    }
}

#[test]
fn what_a_failed_delete_left_goes_when_it_is_given_again() {
    needs!(Need::Simulation);
    for payload in payloads() {
        let brand = payload["brand"].as_str().unwrap_or_default();
        let empty = Gz::new().snapshot();
        let prepare = |gz: &Gz| {
            let _ = gz.create(&payload).ok();
            gz.clear_calls();
            gz.snapshot()
        };
        faults::at_every_call("exit 1 boom", prepare, delete, |gz, before, call, run| {
            let when = format!("{brand}: call {call}: {}", run.stderr);
            assert_eq!(run.exit, Some(1), "{when}");
            let is_begun = gz.calls().iter().any(|call| call.contains(" uninstall "));
            usable::recover(gz, &when);
            let vm = usable::get(gz, UUID, &when);
            if is_begun {
                let again = delete(gz);
                assert_eq!(again.exit, Some(0), "{when}: {}", again.stderr);
                assert!(!again.stderr.contains("interrupted"), "{when}: {}", again.stderr);
                let left = gz.changes_since(&empty);
                assert!(left.is_empty(), "{when}: {left}");
            } else {
                assert_eq!(gz.snapshot(), before, "{when}");
                assert_eq!(vm["state"], "running", "{when}");
            }
        });
    }
}

#[test]
fn a_vm_that_could_not_be_uninstalled_can_be_started() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let _ = gz.create(&joyent()).ok();
    let before = gz.datasets();
    gz.set("GZSIM_FAULT", "zoneadm uninstall:*=exit 1 boom");
    let _ = delete(&gz).failed();
    gz.unset("GZSIM_FAULT");
    let run = gz.vmadm(&["start", UUID]).ok();
    assert_eq!(run.stderr, format!("Successfully started VM {UUID}\n"));
    assert_eq!(gz.datasets(), before);
}

#[test]
fn only_a_delete_that_had_begun_to_destroy_is_finished_when_it_was_cut_off() {
    needs!(Need::Simulation);
    for (fault, word, is_gone) in [
        ("zoneadm halt:1=kill caller", "undid", false),
        ("zoneadm uninstall:1=kill caller", "finished", true),
        ("zonecfg delete:1=kill caller", "finished", true),
    ] {
        let mut gz = Gz::new();
        let _ = gz.create(&joyent()).ok();
        gz.set("GZSIM_FAULT", fault);
        assert_eq!(delete(&gz).exit, None, "{fault}");
        gz.unset("GZSIM_FAULT");
        let run = gz.vmadm(&["recover"]).ok();
        let expected = format!("{word} an interrupted delete of VM {UUID}\n");
        assert_eq!(run.stderr, expected, "{fault}");
        let run = gz.vmadm(&["get", UUID]);
        assert_eq!(run.exit != Some(0), is_gone, "{fault}");
        if !is_gone {
            assert_eq!(run.json()["autoboot"], true);
            usable::assert(&gz, UUID, fault);
        }
    }
}
