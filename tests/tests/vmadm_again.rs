//! VMs that are stopped for a command which then fails: they run again.

use e2e::{Gz, Need, Run, needs, usable};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

fn joyent() -> Value {
    json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
        "max_physical_memory": 256, "quota": 5, "delegate_dataset": true, "nics": []
    })
}

const SMALL_IMAGE: &str = "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a";
const UEFI_IMAGE: &str = "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b";

fn bhyve() -> Value {
    json!({
        "uuid": UUID, "brand": "bhyve", "ram": 512, "vcpus": 1, "bootrom": "uefi", "quota": 1, "nics": [],
        "disks": [
            {"boot": true, "model": "virtio", "image_uuid": UEFI_IMAGE},
            {"model": "virtio", "size": 64}]
    })
}

fn take(gz: &Gz, name: &str) {
    let _ = gz.vmadm(&["create-snapshot", "--all-datasets", UUID, name]).ok();
}

fn roll_back(gz: &Gz, name: &str) -> Run {
    gz.vmadm(&["rollback-snapshot", UUID, name])
}

fn reprovision(gz: &Gz, image: &str) -> Run {
    let payload = json!({"image_uuid": image}).to_string();
    gz.run_with("vmadm", &["reprovision", UUID], payload.as_bytes())
}

fn states(gz: &Gz) -> (Value, Value) {
    let vm = usable::get(gz, UUID, "afterwards");
    (vm["state"].clone(), vm["autoboot"].clone())
}

fn running() -> (Value, Value) {
    (json!("running"), json!(true))
}

#[test]
fn a_rollback_past_what_is_held_is_refused_before_anything_is_done() {
    needs!(Need::Simulation);
    for property in ["indestructible_zoneroot", "indestructible_delegated"] {
        let gz = Gz::new();
        let _ = gz.create(&joyent()).ok();
        take(&gz, "before");
        let _ = gz.vmadm(&["update", UUID, &format!("{property}=true")]).ok();
        take(&gz, "behind");
        let before = gz.snapshot();
        gz.clear_calls();
        let run = roll_back(&gz, "before").failed();
        let expected =
            format!("{property} is set, cannot roll back to the older snapshot \"before\"\n");
        assert_eq!(run.stderr, expected);
        assert_eq!(gz.snapshot(), before);
        assert!(!gz.calls().iter().any(|call| call.contains(" halt")), "{:?}", gz.calls());
        assert_eq!(states(&gz), running());
        // What is held stays where the snapshot is newer.
        let _ = roll_back(&gz, "behind").ok();
        assert_eq!(states(&gz), running());
    }
    let gz = Gz::new();
    let _ = gz.create(&joyent()).ok();
    take(&gz, "before");
    let other = format!("zones/{UUID}@other");
    let _ = gz.run("zfs", &["snapshot", &other]).ok();
    let _ = gz.run("zfs", &["hold", "backup", &other]).ok();
    let run = roll_back(&gz, "before").failed();
    assert!(run.stderr.starts_with(&format!("snapshot {other} is held, ")), "{}", run.stderr);
}

#[test]
fn a_vm_runs_again_that_could_not_be_rolled_back() {
    needs!(Need::Simulation);
    for payload in [joyent(), bhyve()] {
        let mut gz = Gz::new();
        let _ = gz.create(&payload).ok();
        take(&gz, "s1");
        let before = gz.snapshot();
        gz.set("GZSIM_FAULT", "zfs rollback:1=exit 1 boom");
        let run = roll_back(&gz, "s1").failed();
        gz.unset("GZSIM_FAULT");
        assert!(run.stderr.contains("boom"), "{}", run.stderr);
        assert_eq!(states(&gz), running(), "{}", run.stderr);
        assert_eq!(gz.snapshot(), before);
        let _ = roll_back(&gz, "s1").ok();
        assert_eq!(states(&gz), running());
    }
}

#[test]
fn a_vm_that_is_rolled_back_in_part_stays_down_until_the_operator_says() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let _ = gz.create(&bhyve()).ok();
    take(&gz, "s1");
    gz.set("GZSIM_FAULT", "zfs rollback:2=exit 1 boom");
    let _ = roll_back(&gz, "s1").failed();
    gz.unset("GZSIM_FAULT");
    assert_eq!(states(&gz), (json!("stopped"), json!(false)));
    let run = gz.vmadm(&["recover"]).ok();
    assert_eq!(run.stderr, "");
    // Cut off it is finished.
    let root = gz.root().display().to_string();
    let _ = gz.run("gzsim", &["fault", "reset", &root]).ok();
    gz.set("GZSIM_FAULT", "zfs rollback:2=kill caller");
    assert_eq!(roll_back(&gz, "s1").exit, None);
    gz.unset("GZSIM_FAULT");
    gz.clear_calls();
    let run = gz.vmadm(&["recover"]).ok();
    assert_eq!(run.stderr, format!("finished an interrupted rollback-snapshot of VM {UUID}\n"));
    let rolled = |call: &&String| call.starts_with("zfs rollback ");
    assert_eq!(gz.calls().iter().filter(rolled).count(), 2);
    let _ = gz.vmadm(&["start", UUID]).ok();
}

#[test]
fn a_vm_runs_again_whose_reprovision_failed() {
    needs!(Need::Simulation);
    let mut machine = bhyve();
    machine["disks"][0]["image_uuid"] = SMALL_IMAGE.into();
    let cases = [(joyent(), "6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1"), (machine, UEFI_IMAGE)];
    for (payload, image) in cases {
        let mut gz = Gz::new();
        let _ = gz.create(&payload).ok();
        let before = gz.snapshot();
        gz.set("GZSIM_FAULT", "zfs clone:*=exit 1 no space");
        let run = reprovision(&gz, image).failed();
        gz.unset("GZSIM_FAULT");
        assert!(run.stderr.contains("no space"), "{}", run.stderr);
        assert_eq!(states(&gz), running(), "{}", run.stderr);
        assert_eq!(gz.snapshot(), before, "{}", run.stderr);
        let _ = reprovision(&gz, image).ok();
        assert_eq!(states(&gz), running());
    }
}
