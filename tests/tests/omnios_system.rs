//! The lives of OmniOS's VMs, on a real OmniOS as well as on a simulated one. What a machine needs for them is made by
//! `ci/vm/prepare-omnios.sh`.

use std::time::{Duration, Instant};

use e2e::flavours::any_omnios;
use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const VM: &str = "b0000003-0000-4000-8000-000000000003";

/// A stop by force is one: OmniOS's brand would wait half an hour for a guest that does not heed its power button.
const AT_ONCE: Duration = Duration::from_mins(1);

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

fn update(gz: &Gz, payload: &Value) {
    let _ = gz.run_with("vmadm", &["update", VM], payload.to_string().as_bytes()).ok();
}

/// Runs vmadm, which has to end at once.
fn at_once(gz: &Gz, arguments: &[&str]) {
    let begun = Instant::now();
    let _ = gz.vmadm(arguments).ok();
    assert!(begun.elapsed() < AT_ONCE, "{arguments:?} took {:?}", begun.elapsed());
}

/// What is left of the VM. Others may come and go on a real system.
fn left(gz: &Gz) -> Vec<String> {
    let snapshot = gz.snapshot();
    snapshot.lines().filter(|line| line.contains(VM)).map(str::to_owned).collect()
}

fn native(brand: &str) -> Value {
    json!({
        "uuid": VM, "brand": brand, "alias": "e2e", "quota": 5, "max_physical_memory": 512,
        "resolvers": ["192.0.2.53"], "tags": {"role": "test"},
        "customer_metadata": {"greeting": "hello"}, "routes": {"198.51.100.0/24": "192.0.2.1"},
        "nics": [{"nic_tag": "admin", "ips": ["192.0.2.7/24"], "gateways": ["192.0.2.1"]}],
    })
}

fn lives_and_leaves_nothing(brand: &str) {
    let gz = any_omnios();
    assert_eq!(left(&gz), [""; 0], "an earlier run left something");
    let _ = gz.create(&native(brand)).ok();
    let vm = get(&gz);
    assert_eq!((&vm["brand"], &vm["state"]), (&brand.into(), &"running".into()));
    assert_eq!(vm["nics"][0]["ips"], json!(["192.0.2.7/24"]));
    assert_eq!(gz.vmadm(&["lookup", "alias=e2e"]).ok().text(), format!("{VM}\n"));
    let inside = gz.run("zlogin", &[VM, "/usr/bin/zonename"]).ok();
    assert_eq!(inside.text().trim_end(), VM);

    // The zone comes back although something in it is served from outside.
    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert_eq!(get(&gz)["state"], "running");
    let _ = gz.vmadm(&["create-snapshot", VM, "before"]).ok();
    update(&gz, &json!({"max_physical_memory": 256, "set_tags": {"role": "other"}}));
    let _ = gz.vmadm(&["rollback-snapshot", VM, "before"]).ok();
    let vm = get(&gz);
    assert_eq!((&vm["state"], &vm["max_physical_memory"]), (&"running".into(), &256.into()));
    let _ = gz.vmadm(&["delete-snapshot", VM, "before"]).ok();

    let _ = gz.vmadm(&["stop", VM]).ok();
    assert_eq!(get(&gz)["state"], "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    at_once(&gz, &["stop", VM, "-F"]);
    let _ = gz.vmadm(&["start", VM]).ok();
    at_once(&gz, &["reboot", VM, "-F"]);
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(left(&gz), [""; 0]);

    let mut with_data = native(brand);
    with_data["delegate_dataset"] = true.into();
    let _ = gz.create(&with_data).ok();
    assert_eq!(get(&gz)["datasets"].as_array().map(Vec::len), Some(1));
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(left(&gz), [""; 0]);
}

#[test]
fn a_sparse_zone_lives_and_leaves_nothing() {
    needs!(Need::OmniOs, Need::Brand("sparse"), Need::NicTag("admin"));
    lives_and_leaves_nothing("sparse");
}

#[test]
fn an_lipkg_zone_lives_and_leaves_nothing() {
    needs!(Need::OmniOs, Need::Brand("lipkg"), Need::NicTag("admin"));
    lives_and_leaves_nothing("lipkg");
}

#[test]
fn a_bhyve_vm_without_a_system_is_stopped_by_force() {
    needs!(Need::OmniOs, Need::Brand("bhyve"), Need::Virtualisation, Need::NicTag("admin"));
    let gz = any_omnios();
    assert_eq!(left(&gz), [""; 0], "an earlier run left something");
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "alias": "e2e", "ram": 256, "vcpus": 1, "vnc_port": 0,
        "disks": [{"size": 64, "model": "virtio", "boot": true}],
        "nics": [{"nic_tag": "admin", "model": "virtio", "ips": ["dhcp"]}],
    });
    let _ = gz.create(&payload).ok();
    assert_eq!(get(&gz)["state"], "running");
    at_once(&gz, &["reboot", VM, "-F"]);
    assert_eq!(get(&gz)["state"], "running");
    at_once(&gz, &["stop", VM, "-F"]);
    assert_eq!(get(&gz)["state"], "stopped");
    update(&gz, &json!({"ram": 512, "add_disks": [{"size": 64, "model": "virtio"}]}));
    let vm = get(&gz);
    assert_eq!((&vm["ram"], vm["disks"].as_array().map(Vec::len)), (&512.into(), Some(2)));
    update(&gz, &json!({"remove_disks": [vm["disks"][1]["path"]]}));
    let _ = gz.vmadm(&["create-snapshot", VM, "s"]).ok();
    let _ = gz.vmadm(&["rollback-snapshot", VM, "s"]).ok();
    let _ = gz.vmadm(&["start", VM]).ok();
    at_once(&gz, &["delete", VM]);
    assert_eq!(left(&gz), [""; 0]);
}
