//! Reading VMs, their snapshots, and moving them between systems.

use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const LX_IMAGE: &str = "5917ca96-c888-11e5-8da0-e785a1ad1185";
const DISK_IMAGE: &str = "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a";
const UUID: &str = "a0000001-0000-4000-8000-000000000001";

fn zone() -> Value {
    json!({"uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "alias": "z", "quota": 10,
        "max_physical_memory": 256, "delegate_dataset": true, "autoboot": false,
        "tags": {"role": "db"}, "customer_metadata": {"k": "v"}})
}

#[test]
fn send_and_receive_move_a_vm_whole() {
    needs!(Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here.create(&zone()).ok();
    let sent = here.vmadm(&["send", UUID]).ok().stdout;
    let _ = there.run_with("vmadm", &["receive"], &sent).ok();
    let get = |gz: &Gz| gz.vmadm(&["get", UUID]).ok().json();
    let (before, after) = (get(&here), get(&there));
    for property in ["alias", "tags", "customer_metadata", "quota", "datasets", "zfs_filesystem"] {
        assert_eq!(before[property], after[property], "{property}");
    }
    assert_eq!(after["state"], "stopped");
    let _ = there.vmadm(&["start", UUID]).ok();
}

#[test]
fn a_vm_with_a_disk_of_its_own_dataset_arrives_with_it() {
    needs!(Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here
        .create(&json!({"uuid": UUID, "brand": "kvm", "ram": 512, "vcpus": 1, "autoboot": false,
        "disks": [{"boot": true, "model": "virtio", "image_uuid": DISK_IMAGE}]}))
        .ok();
    let sent = here.vmadm(&["send", UUID]).ok().stdout;
    let _ = there.run_with("vmadm", &["receive"], &sent).ok();
    let disk = &there.vmadm(&["get", UUID]).ok().json()["disks"][0];
    assert_eq!(disk["size"], 10240);
    assert_eq!(disk["missing"], Value::Null);
}

#[test]
fn an_interrupted_stream_leaves_the_receiver_as_it_was() {
    needs!(Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here.create(&zone()).ok();
    let sent = here.vmadm(&["send", UUID]).ok().stdout;
    let (datasets, index) = (there.datasets(), there.file("/etc/zones/index"));
    for length in [100, sent.len() / 2, sent.len() - 100] {
        let _ = there.run_with("vmadm", &["receive"], &sent[..length]).failed();
        assert_eq!(there.datasets(), datasets, "{length} bytes");
        assert_eq!(there.file("/etc/zones/index"), index, "{length} bytes");
    }
    let _ = there.run_with("vmadm", &["receive"], &sent).ok();
}

#[test]
fn snapshots_come_are_rolled_back_and_go() {
    needs!(Need::Brand("lx"), Need::Image(LX_IMAGE));
    let gz = Gz::new();
    let _ = gz
        .create(&json!({"uuid": UUID, "brand": "lx", "image_uuid": LX_IMAGE, "quota": 10,
        "kernel_version": "3.13.0", "max_physical_memory": 256, "autoboot": false}))
        .ok();
    let _ = gz.vmadm(&["create-snapshot", UUID, "s1"]).ok();
    let _ = gz.vmadm(&["create-snapshot", UUID, "s1"]).failed();
    let names = || {
        let vm = gz.vmadm(&["get", UUID]).ok().json();
        let names = vm["snapshots"].as_array().unwrap().iter();
        names.map(|s| s["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(), ["s1"]);
    let _ = gz.vmadm(&["rollback-snapshot", UUID, "s1"]).ok();
    let state = gz.vmadm(&["list", "-p", "-o", "state"]).ok().text();
    assert_eq!(state, "stopped\n", "what was stopped stays stopped");
    let _ = gz.vmadm(&["delete-snapshot", UUID, "s1"]).ok();
    assert!(names().is_empty());
}

#[test]
fn a_reprovisioned_zone_keeps_its_data_and_configuration() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&zone()).ok();
    let payload = json!({"image_uuid": IMAGE}).to_string();
    let _ = gz.run_with("vmadm", &["reprovision", UUID], payload.as_bytes()).ok();
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!(vm["tags"]["role"], "db");
    assert_eq!(vm["datasets"][0], format!("zones/{UUID}/data"));
    assert_eq!(vm["state"], "running");
    assert!(!gz.datasets().contains("reprovisioning"));
}
