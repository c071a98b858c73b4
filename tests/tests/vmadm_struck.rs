//! Reprovision of zones, whose tool runs fail, or behind which vmadm is killed, one after the other: nothing is lost,
//! and the next command finds a VM that it can work with.

use e2e::{Gz, Need, faults, needs, usable};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

/// Images: what zones are made of, and what they are made of anew.
const ZONE_IMAGES: [&str; 2] =
    ["01b2c898-945f-11e1-a523-af1afbe22822", "6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1"];
const LX_IMAGES: [&str; 2] =
    ["5917ca96-c888-11e5-8da0-e785a1ad1185", "1f538e99-dc58-40ce-b1e3-25a5226b3adc"];

/// Stopped: how a running one is stopped first is not what is struck here.
fn joyent() -> Value {
    json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": ZONE_IMAGES[0], "max_physical_memory": 256, "quota": 5,
        "autoboot": false, "delegate_dataset": true, "tags": {"role": "db"}, "customer_metadata": {"k": "v"},
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "gateways": ["10.88.88.2"]}]
    })
}

fn lx() -> Value {
    json!({
        "uuid": UUID, "brand": "lx", "image_uuid": LX_IMAGES[0], "kernel_version": "4.4.0",
        "max_physical_memory": 256, "quota": 5, "autoboot": false, "tags": {"role": "db"}, "nics": []
    })
}

/// Strikes the reprovision of a zone from the first of `images` to the second.
fn strike_reprovision(payload: &Value, images: [&str; 2], actions: &[&str]) {
    let origin = |gz: &Gz| {
        let dataset = format!("zones/{UUID}");
        gz.run("zfs", &["get", "-H", "-o", "value", "origin", &dataset]).ok().text()
    };
    let has_data = payload["delegate_dataset"] == true;
    faults::strike(
        &mut Gz::new(),
        actions,
        |gz| {
            let _ = gz.create(payload).ok();
        },
        |gz| {
            let payload = json!({"image_uuid": images[1]}).to_string();
            gz.run_with("vmadm", &["reprovision", UUID], payload.as_bytes())
        },
        |gz, run, when| {
            assert!(run.exit != Some(1) || run.stderr.contains("boom"), "{when}");
            usable::recover(gz, when);
            let vm = usable::get(gz, UUID, when);
            let image = vm["image_uuid"].as_str().unwrap_or_default();
            assert!(images.contains(&image), "{when}: {image}");
            assert_eq!(origin(gz), format!("zones/{image}@final\n"), "{when}");
            assert_eq!(vm["tags"]["role"], "db", "{when}");
            assert_eq!(vm["quota"], 5, "{when}");
            let datasets = gz.datasets();
            assert!(!datasets.contains("reprovisioning"), "{when}: {datasets}");
            assert_eq!(datasets.contains(&format!("zones/{UUID}/data")), has_data, "{when}");
            usable::assert(gz, UUID, when);
        },
    );
}

#[test]
fn a_struck_reprovision_of_a_zone_leaves_the_old_root_or_the_new_one() {
    needs!(Need::Simulation, Need::Time);
    strike_reprovision(&joyent(), ZONE_IMAGES, &["exit 1 boom", "after kill caller"]);
}

#[test]
fn a_struck_reprovision_of_an_lx_zone_leaves_the_old_root_or_the_new_one() {
    needs!(Need::Simulation, Need::Time);
    // What has no data to be moved has fewer steps, of the same kinds.
    strike_reprovision(&lx(), LX_IMAGES, &["after kill caller"]);
}
