//! Disks that come, go and are exchanged, snapshots of all that a VM has, and what none of that touches.

use e2e::{Gz, Need, Run, faults, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const UEFI_IMAGE: &str = "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b";
const KVM_IMAGE: &str = "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a";

fn bhyve(more: Value) -> Value {
    let mut payload = json!({"uuid": UUID, "brand": "bhyve", "alias": "b", "ram": 512, "vcpus": 1,
        "bootrom": "uefi", "autoboot": false, "quota": 1, "disks": [
            {"boot": true, "model": "virtio", "image_uuid": UEFI_IMAGE},
            {"model": "virtio", "size": 64}]});
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
        payload.extend(more);
    }
    payload
}

fn kvm() -> Value {
    json!({"uuid": UUID, "brand": "kvm", "alias": "k", "ram": 512, "vcpus": 1, "autoboot": false,
        "disks": [{"boot": true, "model": "virtio", "image_uuid": KVM_IMAGE},
            {"model": "virtio", "size": 64}]})
}

fn update(gz: &Gz, payload: &Value) -> Run {
    gz.run_with("vmadm", &["update", UUID], payload.to_string().as_bytes())
}

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", UUID]).ok().json()
}

fn path(disk: &str) -> String {
    format!("/dev/zvol/rdsk/zones/{disk}")
}

fn zfs_get(gz: &Gz, property: &str, dataset: &str) -> String {
    let run = gz.run("zfs", &["get", "-H", "-p", "-o", "value", property, dataset]);
    run.text().trim().to_owned()
}

fn guid(gz: &Gz, dataset: &str) -> String {
    zfs_get(gz, "guid", dataset)
}

/// Runs `update` with a fault at its first tool run, its second and so on, each time on a new VM; `after` sees the
/// snapshot of before it.
fn at_every_call(create: &Value, change: &Value, after: impl FnMut(&Gz, String, usize, Run)) {
    let prepare = |gz: &Gz| {
        let _ = gz.create(create).ok();
        gz.snapshot()
    };
    faults::at_every_call("exit 1 boom", prepare, |gz| update(gz, change), after);
}

#[test]
fn disks_are_exchanged_without_a_moment_without_both() {
    needs!(Need::Simulation, Need::Time);
    let (old, new) = (format!("zones/{UUID}/disk1"), format!("zones/{UUID}/disk2"));
    for create in [bhyve(json!({})), bhyve(json!({"flexible_disk_size": 5184}))] {
        let change = json!({"remove_disks": [path(&format!("{UUID}/disk1"))],
            "add_disks": [{"model": "virtio", "size": 64}]});
        let gz = Gz::new();
        let _ = gz.create(&create).ok();
        gz.clear_calls();
        let _ = update(&gz, &change).ok();
        let calls = gz.calls();
        let at = |start: &str| calls.iter().position(|call| call.starts_with(start));
        let destroyed = at("zfs destroy").expect("the old disk goes");
        let configured = at("zonecfg -u").expect("the zone is configured");
        assert!(at("zfs create -o") < Some(configured) && configured < destroyed, "{calls:?}");
        let later = &calls[destroyed + 1..];
        let harmless =
            |call: &String| call.starts_with("zfs get") || call.starts_with("zfs set quota");
        assert!(later.iter().all(harmless), "{later:?}");
        let space = |property: &str| zfs_get(&gz, property, &format!("zones/{UUID}"));
        assert_eq!(space("quota"), space("reservation"));
        let disks = get(&gz)["disks"].clone();
        assert_eq!(disks[1]["zfs_filesystem"], new.as_str(), "{disks}");
        assert_eq!(disks.as_array().map(Vec::len), Some(2));
        drop(gz);
        at_every_call(&create, &change, |gz, before, call, run| {
            let _ = gz.vmadm(&["recover"]).ok();
            let has_old = !guid(gz, &old).is_empty();
            let has_new = !guid(gz, &new).is_empty();
            // As it was, or as it was to be.
            assert!(has_old != has_new, "call {call}: {}", run.stderr);
            if has_old {
                assert_eq!(gz.snapshot(), before, "call {call}: {}", run.stderr);
            } else {
                assert_eq!(get(gz)["disks"], disks_without_uuids(&disks, gz), "call {call}");
            }
        });
    }
}

/// The disks, with the identifiers that they got in `gz`.
fn disks_without_uuids(disks: &Value, gz: &Gz) -> Value {
    let mut disks = disks.clone();
    let there = get(gz)["disks"].clone();
    for (at, disk) in disks.as_array_mut().expect("a list").iter_mut().enumerate() {
        disk["uuid"] = there[at]["uuid"].clone();
    }
    disks
}

#[test]
fn disks_that_cannot_be_added_touch_no_other() {
    needs!(Need::Simulation, Need::Time);
    let change = json!({"add_disks": [
        {"model": "virtio", "image_uuid": UEFI_IMAGE}, {"model": "virtio", "size": 64}]});
    for create in [bhyve(json!({})), kvm()] {
        at_every_call(&create, &change, |gz, before, call, run| {
            assert_eq!(gz.snapshot(), before, "call {call}: {}", run.stderr);
        });
    }
}

/// A VM without images, in a pool that counts its space, whose disks share 512 MiB.
fn in_a_counted_pool() -> Gz {
    let gz = Gz::init(&[]);
    let mut payload = bhyve(json!({"flexible_disk_size": 512}));
    payload["disks"] = json!([{"boot": true, "model": "virtio", "size": 256},
        {"model": "virtio", "size": 256}]);
    let _ = gz.create(&payload).ok();
    gz
}

#[test]
fn a_larger_flexible_size_is_there_before_the_disk_that_needs_it() {
    needs!(Need::Simulation);
    let gz = in_a_counted_pool();
    let before = gz.snapshot();
    let disk = json!([{"model": "virtio", "size": 2048}]);
    let run = update(&gz, &json!({"add_disks": disk})).failed();
    assert!(run.stderr.contains("out of space"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before, "{}", run.stderr);
    let _ = update(&gz, &json!({"add_disks": disk, "flexible_disk_size": 2560})).ok();
    let vm = get(&gz);
    assert_eq!(vm["flexible_disk_size"], 2560);
    assert_eq!(vm["disks"][2]["size"], 2048);
    // And a smaller one after the disk has left it.
    let gone = json!([path(&format!("{UUID}/disk2"))]);
    let _ = update(&gz, &json!({"remove_disks": gone})).ok();
    let _ = update(&gz, &json!({"flexible_disk_size": 512})).ok();
    assert_eq!(get(&gz)["flexible_disk_size"], 512);
}

#[test]
fn disks_that_fill_the_flexible_size_are_exchanged() {
    needs!(Need::Simulation);
    let gz = in_a_counted_pool();
    let change = json!({"remove_disks": [path(&format!("{UUID}/disk1"))],
        "add_disks": [{"model": "virtio", "size": 256}]});
    let _ = update(&gz, &change).ok();
    let vm = get(&gz);
    assert_eq!(vm["flexible_disk_size"], 512);
    assert_eq!(vm["disks"][1]["zfs_filesystem"], format!("zones/{UUID}/disk2"));
    // Another one is one too many.
    let before = gz.snapshot();
    let run = update(&gz, &json!({"add_disks": [{"model": "virtio", "size": 256}]})).failed();
    assert!(run.stderr.contains("out of space"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn nothing_from_elsewhere_goes_with_a_vm() {
    needs!(Need::Simulation);
    let others = ["zones/shared", "zones/shared/below", "zones/other"];
    for create in [
        json!({"uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "quota": 5, "autoboot": false,
            "max_physical_memory": 256, "delegate_dataset": true, "nics": []}),
        bhyve(json!({})),
        kvm(),
    ] {
        let gz = Gz::new();
        for dataset in others {
            let _ = gz.run("zfs", &["create", dataset]).ok();
        }
        let _ = gz.run("zfs", &["snapshot", "zones/shared@vmsnap-s1"]).ok();
        let before: Vec<String> = others.map(|dataset| guid(&gz, dataset)).into();
        let _ = gz.create(&create).ok();
        let script = "add dataset; set name=zones/shared; end";
        let _ = gz.run("zonecfg", &["-u", UUID, script]).ok();
        let _ = gz.vmadm(&["create-snapshot", "--all-datasets", UUID, "s2"]).ok();
        let _ = gz.vmadm(&["delete-snapshot", UUID, "s2"]).ok();
        let _ = gz.vmadm(&["delete", UUID]).ok();
        let after: Vec<String> = others.map(|dataset| guid(&gz, dataset)).into();
        assert_eq!(after, before, "{create}");
        assert!(!guid(&gz, "zones/shared@vmsnap-s1").is_empty());
        assert!(!gz.datasets().contains("vmsnap-s2"));
    }
}

#[test]
fn all_that_a_vm_has_is_taken_at_once_rolled_back_and_let_go() {
    needs!(Need::Simulation);
    let zone = json!({"uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "quota": 5,
        "max_physical_memory": 256, "delegate_dataset": true, "autoboot": false, "nics": []});
    let data = [format!("zones/{UUID}"), format!("zones/{UUID}/data")];
    let apart =
        [format!("zones/{UUID}"), format!("zones/{UUID}-disk0"), format!("zones/{UUID}-disk1")];
    let below =
        [format!("zones/{UUID}"), format!("zones/{UUID}/disk0"), format!("zones/{UUID}/disk1")];
    for (create, datasets) in
        [(zone, &data[..]), (kvm(), &apart[..]), (bhyve(json!({})), &below[..])]
    {
        let gz = Gz::new();
        let _ = gz.create(&create).ok();
        gz.clear_calls();
        let run = gz.vmadm(&["create-snapshot", "--all-datasets", UUID, "s1"]).ok();
        assert_eq!(run.stderr, format!("Created snapshot s1 for VM {UUID}\n"));
        let taken: Vec<String> =
            gz.calls().into_iter().filter(|call| call.starts_with("zfs snapshot")).collect();
        let all: Vec<String> = datasets.iter().map(|name| format!("{name}@vmsnap-s1")).collect();
        assert_eq!(taken, [format!("zfs snapshot {}", all.join(" "))]);
        let again = gz.vmadm(&["create-snapshot", "--all-datasets", UUID, "s1"]).failed();
        assert_eq!(again.stderr, "snapshot with name \"s1\" already exists.\n");
        // What is written behind it goes with the rollback, and so do later snapshots.
        let _ = gz.run("zfs", &["set", "org.test:a=b", &datasets[1]]).ok();
        let _ = gz.vmadm(&["create-snapshot", "--all-datasets", UUID, "s2"]).ok();
        let run = gz.vmadm(&["rollback-snapshot", UUID, "s1"]).ok();
        assert_eq!(run.stderr, format!("Rolled back snapshot s1 for VM {UUID}\n"));
        assert!(!gz.datasets().contains("vmsnap-s2"));
        for name in &all {
            assert!(gz.datasets().contains(name.as_str()), "{name}");
        }
        let run = gz.vmadm(&["delete-snapshot", UUID, "s1"]).ok();
        assert_eq!(run.stderr, format!("Deleted snapshot s1 for VM {UUID}\n"));
        assert!(!gz.datasets().contains("vmsnap-"));
        let run = gz.vmadm(&["delete-snapshot", UUID, "s1"]).failed();
        assert!(!run.stderr.is_empty());
    }
}

/// Makes a bhyve VM whose first disk is of `KVM_IMAGE`'s size, and asks for a new system on it.
fn reprovision(gz: &Gz) -> Run {
    let payload = json!({"image_uuid": UEFI_IMAGE}).to_string();
    gz.run_with("vmadm", &["reprovision", UUID], payload.as_bytes())
}

#[test]
fn a_bhyve_vm_gets_a_new_system_on_its_first_disk() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let mut create = bhyve(json!({}));
    create["disks"][0]["image_uuid"] = KVM_IMAGE.into();
    let _ = gz.create(&create).ok();
    let (disk0, disk1) = (format!("zones/{UUID}/disk0"), format!("zones/{UUID}/disk1"));
    let (before, kept) = (get(&gz), guid(&gz, &disk1));
    let origin = |gz: &Gz| zfs_get(gz, "origin", &disk0);
    assert_eq!(origin(&gz), format!("zones/{KVM_IMAGE}@final"));
    let run = reprovision(&gz).ok();
    assert_eq!(run.stderr, format!("Successfully reprovisioned VM {UUID}\n"));
    assert_eq!(origin(&gz), format!("zones/{UEFI_IMAGE}@final"));
    assert_eq!(guid(&gz, &disk1), kept);
    let after = get(&gz);
    assert_eq!(after["disks"][0]["image_uuid"], UEFI_IMAGE);
    for key in ["size", "refreservation", "path", "boot"] {
        assert_eq!(after["disks"][0][key], before["disks"][0][key], "{key}");
    }
    assert_eq!(after["disks"][1], before["disks"][1]);
    assert_eq!(after["state"], "stopped");
    assert!(!gz.datasets().contains("reprovisioning"));
}

#[test]
fn a_reprovision_that_is_cut_off_is_undone_or_finished() {
    needs!(Need::Simulation, Need::Time);
    let disk0 = format!("zones/{UUID}/disk0");
    let mut create = bhyve(json!({}));
    create["disks"][0]["image_uuid"] = KVM_IMAGE.into();
    let (mut undone, mut finished) = (0, 0);
    for action in ["exit 1 boom", "kill caller"] {
        let prepare = |gz: &Gz| {
            let _ = gz.create(&create).ok();
            gz.snapshot()
        };
        faults::at_every_call(action, prepare, reprovision, |gz, before, call, run| {
            let _ = gz.vmadm(&["recover"]).ok();
            if zfs_get(gz, "origin", &disk0) == format!("zones/{KVM_IMAGE}@final") {
                undone += 1;
                assert_eq!(gz.snapshot(), before, "{action} at call {call}: {}", run.stderr);
            } else {
                finished += 1;
                let vm = get(gz);
                assert_eq!(vm["disks"][0]["image_uuid"], UEFI_IMAGE, "{action} at call {call}");
                assert_eq!(vm["state"], "stopped", "{action} at call {call}");
                assert!(!gz.datasets().contains("reprovisioning"), "{action} at call {call}");
            }
        });
    }
    let are_enough = undone > 5 && finished > 1;
    assert!(faults::are_sampled() || are_enough, "{undone} undone, {finished} finished");
}
