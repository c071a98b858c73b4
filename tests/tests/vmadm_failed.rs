//! VMs that are half made or failed, of every brand: none is a dead end.

use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

/// A small VM of each brand.
fn payloads() -> [Value; 4] {
    let zone = |brand: &str, image: &str| {
        json!({
            "uuid": UUID, "brand": brand, "image_uuid": image, "max_physical_memory": 256, "quota": 5,
            "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"]}]
        })
    };
    let machine = |brand: &str, image: &str| {
        json!({
            "uuid": UUID, "brand": brand, "ram": 512, "vcpus": 1, "quota": 1,
            "disks": [
                {"boot": true, "model": "virtio", "image_uuid": image},
                {"model": "virtio", "size": 64}],
            "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "model": "virtio"}]
        })
    };
    let mut lx = zone("lx", "5917ca96-c888-11e5-8da0-e785a1ad1185");
    lx["kernel_version"] = "3.13.0".into();
    let mut bhyve = machine("bhyve", "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b");
    bhyve["bootrom"] = "uefi".into();
    [
        zone("joyent", "01b2c898-945f-11e1-a523-af1afbe22822"),
        lx,
        bhyve,
        machine("kvm", "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a"),
    ]
}

/// A VM whose create failed at a tool run, and was kept.
fn kept(gz: &mut Gz, payload: &Value, fault: &str) {
    let root = gz.root().display().to_string();
    let _ = gz.run("gzsim", &["fault", "reset", &root]).ok();
    gz.set("GZSIM_FAULT", &format!("{fault}=exit 1 boom"));
    let run = gz.run_with("vmadm", &["create", "--keep-failed"], payload.to_string().as_bytes());
    gz.unset("GZSIM_FAULT");
    assert!(run.failed().stderr.contains("boom"), "{payload}");
}

fn zone_state(gz: &Gz) -> Value {
    gz.vmadm(&["get", UUID]).ok().json()["zone_state"].clone()
}

/// Deletes the VM, and checks that it can be made anew: nothing of it is left.
fn delete_whole(gz: &Gz, datasets_before: &str, when: &str) {
    let _ = gz.vmadm(&["delete", UUID]).ok();
    assert_eq!(gz.vmadm(&["list", "-H"]).ok().text(), "", "{when}");
    assert_eq!(gz.datasets(), datasets_before, "{when}");
}

#[test]
fn a_vm_that_is_configured_only_can_be_installed_or_deleted() {
    needs!(Need::Simulation);
    for payload in payloads() {
        let mut gz = Gz::new();
        let before = gz.datasets();
        let brand = payload["brand"].as_str().unwrap_or_default();
        kept(&mut gz, &payload, "zoneadm install:1");
        assert_eq!(zone_state(&gz), "configured", "{brand}");
        delete_whole(&gz, &before, brand);
        if brand != "joyent" && brand != "bhyve" {
            continue;
        }
        kept(&mut gz, &payload, "zoneadm install:1");
        let _ = gz.vmadm(&["install", UUID]).ok();
        let _ = gz.vmadm(&["start", UUID]).ok();
        assert_eq!(zone_state(&gz), "running", "{brand}");
    }
}

#[test]
fn a_vm_whose_zone_is_incomplete_can_be_deleted() {
    needs!(Need::Simulation);
    for payload in payloads() {
        let gz = Gz::new();
        let before = gz.datasets();
        let brand = payload["brand"].as_str().unwrap_or_default();
        let mut payload = payload.clone();
        payload["autoboot"] = false.into();
        let _ = gz.create(&payload).ok();
        let _ = gz.run("zoneadm", &["-z", UUID, "mark", "incomplete"]).ok();
        assert_eq!(zone_state(&gz), "incomplete", "{brand}");
        let run = gz.vmadm(&["start", UUID]).failed();
        assert!(run.stderr.contains("Cannot start vm from state"), "{brand}: {}", run.stderr);
        delete_whole(&gz, &before, brand);
    }
}

#[test]
fn a_vm_that_failed_to_boot_can_be_started_or_deleted() {
    needs!(Need::Simulation);
    for payload in payloads() {
        let mut gz = Gz::new();
        let before = gz.datasets();
        let brand = payload["brand"].as_str().unwrap_or_default();
        kept(&mut gz, &payload, "zoneadm boot:1");
        let _ = gz.vmadm(&["start", UUID]).ok();
        assert_eq!(zone_state(&gz), "running", "{brand}");
        delete_whole(&gz, &before, brand);
        kept(&mut gz, &payload, "zoneadm boot:1");
        delete_whole(&gz, &before, brand);
    }
}

#[test]
fn a_vm_that_never_gets_ready_is_failed_and_can_be_started_or_deleted() {
    needs!(Need::Simulation);
    for payload in payloads() {
        let brand = payload["brand"].as_str().unwrap_or_default();
        let mut gz = Gz::new();
        let before = gz.datasets();
        gz.set("GZSIM_PROVISION_DELAY", "never");
        gz.set("ZONEKIT_PROVISION_TIMEOUT", "1");
        let run = gz.create(&payload);
        gz.unset("GZSIM_PROVISION_DELAY");
        if run.exit == Some(0) {
            // Nobody in it says that it is ready, and nobody waits.
            assert_eq!(brand, "bhyve", "{}", run.stderr);
            continue;
        }
        assert!(
            run.stderr.contains("timed out waiting for /var/svc/provisioning"),
            "{}",
            run.stderr
        );
        assert_eq!(gz.vmadm(&["get", UUID]).ok().json()["state"], "failed", "{brand}");
        let _ = gz.vmadm(&["start", UUID]).ok();
        assert_eq!(zone_state(&gz), "running", "{brand}");
        delete_whole(&gz, &before, brand);
    }
}
