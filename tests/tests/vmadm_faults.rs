//! Commands that fail, are interrupted or killed at every tool run: the system is as before, or as wanted, or fit for the
//! next command.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use e2e::signal::{self, Signal};
use e2e::{Gz, Need, faults, needs, usable, wait};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

fn joyent() -> Value {
    json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822", "alias": "j1",
        "max_physical_memory": 256, "quota": 5, "delegate_dataset": true, "zfs_root_recsize": 8192,
        "customer_metadata": {"k": "v"}, "filesystems": [
            {"source": "create-volume", "target": "/data", "type": "lofs"}],
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "gateways": ["10.88.88.2"]}]
    })
}

fn bhyve() -> Value {
    json!({
        "uuid": UUID, "brand": "bhyve", "alias": "b1", "ram": 512, "vcpus": 1, "bootrom": "uefi", "quota": 1,
        "disks": [
            {"boot": true, "model": "virtio", "image_uuid": "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b"},
            {"model": "virtio", "size": 64}],
        "nics": [{"nic_tag": "admin", "ips": ["dhcp"], "model": "virtio"}]
    })
}

fn kvm() -> Value {
    json!({
        "uuid": UUID, "brand": "kvm", "alias": "k1", "ram": 512, "vcpus": 1, "autoboot": false,
        "disks": [{"boot": true, "model": "virtio", "image_uuid": "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a"}],
        "nics": []
    })
}

fn create_fails_whole(payload: &Value) {
    let before = Gz::new().snapshot();
    faults::at_every_call(
        "exit 1 boom",
        |_| (),
        |gz| gz.create(payload),
        |gz, (), call, run| {
            assert_eq!(run.exit, Some(1), "call {call}: {}", run.stderr);
            assert!(run.stderr.contains("boom"), "call {call}: {}", run.stderr);
            assert_unchanged(gz, &before, &format!("call {call}: {}", run.stderr));
        },
    );
}

/// Checks that everything is as `before`, showing what is not.
fn assert_unchanged(gz: &Gz, before: &str, when: &str) {
    let changes = gz.changes_since(before);
    assert!(changes.is_empty(), "{when}:{changes}");
}

#[test]
fn a_failed_create_of_a_zone_leaves_nothing() {
    needs!(Need::Simulation);
    create_fails_whole(&joyent());
}

#[test]
fn a_failed_create_of_a_bhyve_vm_leaves_nothing() {
    needs!(Need::Simulation);
    create_fails_whole(&bhyve());
}

#[test]
fn a_failed_create_of_a_kvm_vm_leaves_nothing() {
    needs!(Need::Simulation);
    create_fails_whole(&kvm());
}

#[test]
fn a_killed_create_is_undone_by_recover() {
    needs!(Need::Simulation);
    let before = Gz::new().snapshot();
    for action in ["kill caller", "after kill caller"] {
        faults::at_every_call(
            action,
            |_| (),
            |gz| gz.create(&kvm()),
            |gz, (), call, run| {
                assert_eq!(run.exit, None, "call {call}: {}", run.stderr);
                let _ = gz.vmadm(&["recover"]).ok();
                assert_unchanged(gz, &before, &format!("{action} at call {call}"));
                let _ = gz.vmadm(&["recover"]).ok();
            },
        );
    }
}

/// These have more that goes with the zone, and is not noted singly.
#[test]
fn killed_creates_of_other_brands_are_undone_too() {
    needs!(Need::Simulation);
    let before = Gz::new().snapshot();
    for payload in [joyent(), bhyve()] {
        faults::at_every_call(
            "after kill caller",
            |_| (),
            |gz| gz.create(&payload),
            |gz, (), call, run| {
                assert_eq!(run.exit, None, "call {call}: {}", run.stderr);
                let _ = gz.vmadm(&["recover"]).ok();
                assert_unchanged(gz, &before, &format!("{} at call {call}", payload["brand"]));
            },
        );
    }
}

#[test]
fn the_next_command_on_the_vm_undoes_a_killed_create_too() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    gz.set("GZSIM_FAULT", "zoneadm install:1=after kill caller");
    assert_eq!(gz.create(&joyent()).exit, None);
    gz.unset("GZSIM_FAULT");
    let run = gz.create(&joyent()).ok();
    assert!(run.stderr.contains("undid an interrupted create"), "{}", run.stderr);
    assert_eq!(
        gz.vmadm(&["list", "-H", "-p", "-o", "uuid,state"]).ok().text(),
        format!("{UUID}:running\n")
    );
}

#[test]
fn a_failed_or_killed_delete_is_finished_or_can_be_given_again() {
    needs!(Need::Simulation);
    let before = Gz::new().snapshot();
    for action in ["exit 1 boom", "kill caller"] {
        faults::at_every_call(
            action,
            |gz| gz.create(&kvm()).ok(),
            |gz| gz.vmadm(&["delete", UUID]),
            |gz, _, call, _| {
                let _ = gz.vmadm(&["recover"]).ok();
                if gz.vmadm(&["get", UUID]).exit == Some(0) {
                    let _ = gz.vmadm(&["delete", UUID]).ok();
                }
                assert_unchanged(gz, &before, &format!("{action} at call {call}"));
            },
        );
    }
}

#[test]
fn a_kept_failure_can_be_started_or_deleted() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    gz.set("GZSIM_FAULT", "zoneadm boot:1=exit 1 boom");
    let payload = joyent().to_string();
    let run = gz.run_with("vmadm", &["create", "--keep-failed"], payload.as_bytes()).failed();
    gz.unset("GZSIM_FAULT");
    assert!(run.stderr.contains("boom"), "{}", run.stderr);
    let _ = gz.vmadm(&["start", UUID]).ok();
    let _ = gz.vmadm(&["delete", UUID]).ok();
    gz.set("GZSIM_FAULT", "zoneadm install:1=exit 1 boom");
    let _ = gz.run_with("vmadm", &["create", "--keep-failed"], payload.as_bytes()).failed();
    gz.unset("GZSIM_FAULT");
    let _ = gz.vmadm(&["delete", UUID]).ok();
    assert_eq!(gz.vmadm(&["list", "-H"]).ok().text(), "");
}

#[test]
fn control_c_during_create_leaves_nothing() {
    needs!(Need::Simulation);
    for word in ["zoneadm install", "zonecfg -z", "zoneadm boot"] {
        let mut gz = Gz::new();
        let before = gz.snapshot();
        gz.set("GZSIM_FAULT", &format!("{word}:1=delay 60s"));
        let child = gz.spawn("vmadm", &["create"], &joyent().to_string());
        let output = interrupt(child, word);
        gz.unset("GZSIM_FAULT");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{word}: {stderr}");
        assert!(stderr.contains("interrupted"), "{word}: {stderr}");
        assert_unchanged(&gz, &before, &format!("{word}: {stderr}"));
    }
}

/// Types Ctrl-C once the delayed tool runs, and waits for the end.
fn interrupt(child: Child, word: &str) -> Output {
    // The tool is a child of vmadm's: it is there when the fault strikes.
    let tool = word.split(' ').next().unwrap_or_default();
    wait::until("the delayed tool runs", || {
        signal::children(child.id()).iter().any(|command| command.contains(tool))
    });
    signal::send(child.id(), Signal::SIGINT);
    child.wait_with_output().expect("vmadm ends")
}

#[test]
fn control_c_during_other_commands_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    let cases: [(bool, &str, &[&str]); 5] = [
        (false, "zoneadm boot", &["start", UUID]),
        (true, "zoneadm halt", &["stop", UUID, "-F"]),
        (true, "zoneadm reboot", &["reboot", UUID, "-F"]),
        (false, "zfs set", &["update", UUID, "quota=9"]),
        (false, "zfs snapshot", &["create-snapshot", UUID, "s1"]),
    ];
    for (running, word, words) in cases {
        let mut gz = Gz::new();
        let mut payload = lx();
        payload["autoboot"] = running.into();
        let _ = gz.create(&payload).ok();
        gz.set("GZSIM_FAULT", &format!("{word}:1=delay 60s"));
        let output = interrupt(gz.spawn("vmadm", words, ""), word);
        gz.unset("GZSIM_FAULT");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {stderr}");
        assert!(stderr.contains("interrupted"), "{words:?}: {stderr}");
        usable::assert(&gz, UUID, &format!("{words:?}: {stderr}"));
    }
}

#[test]
fn zones_that_cannot_be_told_are_not_waited_for() {
    needs!(Need::Simulation);
    for fault in
        ["exit 1 zlogin: exec failure: No such file or directory", "exit 127 sh: not found"]
    {
        let mut gz = Gz::new();
        let _ = gz.create(&joyent()).ok();
        gz.set("GZSIM_FAULT", &format!("zlogin:*={fault}"));
        let begin = Instant::now();
        let run = gz.vmadm(&["reboot", UUID]).failed();
        let (_, words) = fault.rsplit_once(": ").unwrap_or_default();
        assert!(run.stderr.contains(words), "{}", run.stderr);
        let state = || gz.vmadm(&["get", UUID]).ok().json()["state"].clone();
        assert_eq!(state(), "running", "it goes on as it was");
        let run = gz.vmadm(&["stop", UUID]).ok();
        assert!(run.stderr.contains("Successfully completed stop"), "{}", run.stderr);
        assert_eq!(state(), "stopped");
        assert!(begin.elapsed() < Duration::from_secs(50), "{fault}");
    }
}

#[test]
fn two_creates_of_one_vm_make_one() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let payload = joyent().to_string();
    let both = [gz.spawn("vmadm", &["create"], &payload), gz.spawn("vmadm", &["create"], &payload)];
    let mut exits: Vec<Option<i32>> = both
        .into_iter()
        .map(|child| child.wait_with_output().expect("vmadm ends").status.code())
        .collect();
    exits.sort_unstable();
    assert_eq!(exits, [Some(0), Some(1)]);
    assert_eq!(
        gz.vmadm(&["list", "-H", "-p", "-o", "uuid,state"]).ok().text(),
        format!("{UUID}:running\n")
    );
}

#[test]
fn a_vm_that_never_gets_ready_is_stopped_and_marked() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    gz.set("GZSIM_PROVISION_DELAY", "never");
    gz.set("ZONEKIT_PROVISION_TIMEOUT", "2");
    let run = gz.create(&joyent()).failed();
    assert!(run.stderr.contains("timed out waiting for /var/svc/provisioning"), "{}", run.stderr);
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!((&vm["state"], &vm["zone_state"]), (&json!("failed"), &json!("installed")));
    let _ = gz.vmadm(&["start", UUID]).ok();
    let _ = gz.vmadm(&["delete", UUID]).ok();
}

#[test]
fn a_failed_or_killed_update_leaves_what_was() {
    needs!(Need::Simulation);
    let update = json!({
        "quota": 20, "hostname": "h9", "set_tags": {"b": 2}, "set_customer_metadata": {"k": "w"},
        "zfs_root_compression": "lz4", "indestructible_zoneroot": true, "remove_nics": ["02:08:20:00:00:51"]
    });
    let mut payload = joyent();
    payload["autoboot"] = false.into();
    payload["filesystems"] = json!([]);
    payload["nics"][0]["mac"] = "02:08:20:00:00:51".into();
    for action in ["exit 1 boom", "kill caller", "after kill caller"] {
        faults::at_every_call(
            action,
            |gz| gz.create(&payload).ok(),
            |gz| gz.run_with("vmadm", &["update", UUID], update.to_string().as_bytes()),
            |gz, _, call, _| {
                let _ = gz.vmadm(&["recover"]).ok();
                let vm = gz.vmadm(&["get", UUID]).ok().json();
                assert_eq!(
                    (&vm["quota"], &vm["tags"], &vm["hostname"], &vm["customer_metadata"]),
                    (&json!(5), &json!({}), &Value::Null, &json!({"k": "v"})),
                    "{action} at call {call}"
                );
                assert_eq!(vm["nics"][0]["mac"], "02:08:20:00:00:51", "{action} at call {call}");
                assert_eq!(vm.get("indestructible_zoneroot"), None, "{action} at call {call}");
                assert_eq!(vm["snapshots"], json!([]), "{action} at call {call}");
            },
        );
    }
}

fn lx() -> Value {
    json!({
        "uuid": UUID, "brand": "lx", "image_uuid": "5917ca96-c888-11e5-8da0-e785a1ad1185", "alias": "l1",
        "kernel_version": "4.4.0", "max_physical_memory": 256, "quota": 5, "nics": []
    })
}

/// Every brand in one word: name, payload without autoboot.
fn brands() -> [(&'static str, Value); 4] {
    [("joyent", joyent()), ("lx", lx()), ("kvm", kvm()), ("bhyve", bhyve())].map(
        |(name, mut vm)| {
            vm["autoboot"] = false.into();
            // A delegated dataset keeps a VM from being snapshotted.
            if let Some(vm) = vm.as_object_mut() {
                vm.remove("delegate_dataset");
                vm.remove("filesystems");
            }
            (name, vm)
        },
    )
}

/// Has every tool run of a command on a VM of each brand struck by each fault: it fails, or vmadm is killed behind it.
/// `running` is what the VM is before.
fn strike(running: bool, words: &[&str]) {
    for (brand, payload) in brands() {
        let refused = match words {
            [_, _, "-t", _] => matches!(brand, "joyent" | "lx"),
            [command, ..] => command.contains("snapshot") && brand == "kvm",
            [] => true,
        };
        if refused {
            continue;
        }
        let prepare = |gz: &Gz| {
            let _ = gz.create(&payload).ok();
            if words[0] == "rollback-snapshot" {
                let _ = gz.vmadm(&["create-snapshot", UUID, "s1"]).ok();
            }
            if running {
                let _ = gz.vmadm(&["start", UUID]).ok();
            }
        };
        faults::strike(
            &mut Gz::new(),
            &["exit 1 boom", "after kill caller"],
            prepare,
            |gz| gz.vmadm(words),
            |gz, _, when| usable::assert(gz, UUID, &format!("{brand}: {words:?}: {when}")),
        );
    }
}

#[test]
fn a_struck_start_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(false, &["start", UUID]);
}

#[test]
fn a_struck_stop_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(true, &["stop", UUID, "-F"]);
}

#[test]
fn a_struck_stop_by_the_guest_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(true, &["stop", UUID, "-t", "1"]);
}

#[test]
fn a_struck_reboot_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(true, &["reboot", UUID, "-F"]);
}

#[test]
fn a_struck_snapshot_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(false, &["create-snapshot", UUID, "s1"]);
}

#[test]
fn a_struck_rollback_leaves_a_vm_that_starts() {
    needs!(Need::Simulation, Need::Time);
    strike(false, &["rollback-snapshot", UUID, "s1"]);
}

#[test]
fn two_commands_at_once_take_their_turns() {
    needs!(Need::Simulation, Need::Time);
    let gz = Gz::new();
    let payload = lx();
    let commands: [&[&str]; 5] = [
        &["start", UUID],
        &["stop", UUID, "-F"],
        &["reboot", UUID, "-F"],
        &["update", UUID, "quota=7"],
        &["create-snapshot", UUID, "both"],
    ];
    for (at, one) in commands.iter().enumerate() {
        for other in commands.iter().skip(at).chain([&["delete", UUID][..]].iter()) {
            let _ = gz.create(&payload).ok();
            let both = [gz.spawn("vmadm", one, ""), gz.spawn("vmadm", other, "")];
            let when = format!("{one:?} and {other:?}");
            for child in both {
                let output = child.wait_with_output().expect("vmadm ends");
                let code = output.status.code();
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(matches!(code, Some(0 | 1)), "{when}: {code:?}: {stderr}");
            }
            if gz.vmadm(&["get", UUID]).exit == Some(0) {
                usable::assert(&gz, UUID, &when);
            } else {
                assert_eq!(other[0], "delete", "{when}: the VM is gone");
            }
        }
    }
}

#[test]
fn a_full_pool_is_told_of_and_nothing_is_left() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    const POOL: &str = "8589934592";
    let gz = Gz::init(&["--fixture", "spec", "--pool-size", POOL]);
    let before = gz.snapshot();
    let mut payload = bhyve();
    payload["disks"][1]["size"] = 100_000.into();
    let run = gz.create(&payload).failed();
    assert!(run.stderr.contains("space"), "{}", run.stderr);
    assert_unchanged(&gz, &before, &run.stderr);
    payload["disks"][1]["size"] = 64.into();
    payload["autoboot"] = false.into();
    let _ = gz.create(&payload).ok();
    let before = gz.snapshot();
    let grown = json!({"add_disks": [{"model": "virtio", "size": 100_000}]}).to_string();
    let run = gz.run_with("vmadm", &["update", UUID], grown.as_bytes()).failed();
    assert!(run.stderr.contains("space"), "{}", run.stderr);
    assert_unchanged(&gz, &before, &run.stderr);
    usable::assert(&gz, UUID, "a full pool");
}

#[test]
fn no_space_in_a_tool_undoes_what_was_begun() {
    needs!(Need::Simulation);
    let full = "exit 1 cannot do that: out of space";
    let mut gz = Gz::new();
    let payload = lx();
    let before = gz.snapshot();
    gz.set("GZSIM_FAULT", &format!("zoneadm install:1={full}"));
    assert!(gz.create(&payload).failed().stderr.contains("out of space"));
    gz.unset("GZSIM_FAULT");
    assert_unchanged(&gz, &before, "create");
    let _ = gz.create(&payload).ok();
    let before = gz.snapshot();
    for (tool, words) in [
        ("zfs snapshot", &["create-snapshot", UUID, "s1"][..]),
        ("zfs set", &["update", UUID, "quota=9"]),
        ("zonecfg -u", &["update", UUID, "max_lwps=4000"]),
    ] {
        gz.set("GZSIM_FAULT", &format!("{tool}:1={full}"));
        let run = gz.vmadm(words).failed();
        gz.unset("GZSIM_FAULT");
        assert!(run.stderr.contains("out of space"), "{words:?}: {}", run.stderr);
        assert_unchanged(&gz, &before, &format!("{words:?}"));
    }
    usable::assert(&gz, UUID, "no space");
}
