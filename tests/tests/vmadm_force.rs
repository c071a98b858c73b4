//! `stop -F`, `reboot -F` and `delete` while another command waits for the same VM: they do not wait for that.

use std::process::Child;
use std::time::{Duration, Instant};

use e2e::{Gz, Need, Run, needs, signal, usable, wait};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";

/// Less than any of the limits that commands here wait for.
const AT_ONCE: Duration = Duration::from_secs(30);

fn joyent() -> Value {
    json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
        "max_physical_memory": 256, "quota": 5, "nics": []
    })
}

/// A running zone that does not go down when it is told to.
fn stubborn() -> Gz {
    let mut gz = Gz::new();
    gz.set("GZSIM_SHUTDOWN_DELAY", "never");
    let _ = gz.create(&joyent()).ok();
    gz
}

/// A create that waits for a zone which never says that it is set up.
fn creating(gz: &mut Gz, payload: &Value) -> Child {
    gz.set("GZSIM_PROVISION_DELAY", "never");
    let child = gz.spawn("vmadm", &["create"], &payload.to_string());
    wait::until("the zone runs", || {
        let run = gz.vmadm(&["get", UUID]);
        run.exit == Some(0) && run.json()["zone_state"] == "running"
    });
    gz.unset("GZSIM_PROVISION_DELAY");
    child
}

/// Starts a command that tells the zone to go down.
fn telling(gz: &Gz, command: &str) -> Child {
    gz.clear_calls();
    let child = gz.spawn("vmadm", &[command, UUID], "");
    wait::until("the zone is told", || gz.calls().iter().any(|call| call.starts_with("zlogin ")));
    child
}

fn at_once(gz: &Gz, words: &[&str]) -> Run {
    let begin = Instant::now();
    let run = gz.vmadm(words);
    assert!(begin.elapsed() < AT_ONCE, "{words:?}: {:?}", begin.elapsed());
    run
}

/// The waiting command has ended, and says who has the VM now.
fn gave_way(child: Child, to: &str) {
    let output = child.wait_with_output().expect("vmadm ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("vmadm {to} (process ")), "{stderr}");
    assert!(stderr.contains(&format!("has taken VM {UUID} over by force")), "{stderr}");
}

fn states(gz: &Gz) -> (Value, Value) {
    let vm = usable::get(gz, UUID, "afterwards");
    (vm["state"].clone(), vm["autoboot"].clone())
}

#[test]
fn a_forced_stop_does_not_wait_for_a_shutdown() {
    needs!(Need::Simulation);
    for waiting in ["stop", "reboot"] {
        let gz = stubborn();
        let child = telling(&gz, waiting);
        let run = at_once(&gz, &["stop", "-F", UUID]).ok();
        assert_eq!(run.stderr, format!("Successfully completed stop for VM {UUID}\n"));
        gave_way(child, "stop");
        assert_eq!(states(&gz), (json!("stopped"), json!(false)), "{waiting}");
        usable::assert(&gz, UUID, waiting);
    }
}

#[test]
fn a_forced_stop_does_not_wait_for_a_zone_that_cannot_be_entered() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let _ = gz.create(&joyent()).ok();
    gz.set("GZSIM_FAULT", "zlogin:*=delay 60s");
    let child = gz.spawn("vmadm", &["stop", UUID], "");
    wait::until("zlogin hangs", || {
        signal::children(child.id()).iter().any(|command| command.contains("zlogin"))
    });
    gz.unset("GZSIM_FAULT");
    let _ = at_once(&gz, &["stop", "-F", UUID]).ok();
    gave_way(child, "stop");
    assert_eq!(states(&gz), (json!("stopped"), json!(false)));
}

#[test]
fn a_forced_reboot_does_not_wait_for_one_by_the_guest() {
    needs!(Need::Simulation);
    let gz = stubborn();
    let child = telling(&gz, "reboot");
    let run = at_once(&gz, &["reboot", "-F", UUID]).ok();
    assert_eq!(run.stderr, format!("Successfully completed reboot for VM {UUID}\n"));
    gave_way(child, "reboot");
    assert_eq!(states(&gz), (json!("running"), json!(true)));
}

#[test]
fn a_delete_does_not_wait_for_a_shutdown() {
    needs!(Need::Simulation);
    let gz = stubborn();
    let child = telling(&gz, "stop");
    let _ = at_once(&gz, &["delete", UUID]).ok();
    gave_way(child, "delete");
}

#[test]
fn a_delete_does_not_wait_for_a_new_vm_to_be_set_up() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let before = gz.snapshot();
    let child = creating(&mut gz, &joyent());
    let run = at_once(&gz, &["delete", UUID]).ok();
    assert_eq!(run.stderr, format!("Successfully deleted VM {UUID}\n"));
    gave_way(child, "delete");
    let left = gz.changes_since(&before);
    assert!(left.is_empty(), "{left}");
}

#[test]
fn a_new_vm_that_is_stopped_by_force_stays() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let child = creating(&mut gz, &joyent());
    // It is no longer provisioning then: only what runs is reset.
    let run = at_once(&gz, &["reboot", "-F", UUID]).failed();
    assert!(run.stderr.contains("Cannot reset vm from state \"provisioning\""), "{}", run.stderr);
    let _ = at_once(&gz, &["stop", "-F", UUID]).ok();
    gave_way(child, "stop");
    assert_eq!(states(&gz), (json!("failed"), json!(false)));
    usable::assert(&gz, UUID, "a stopped create");
}

#[test]
fn a_delete_that_is_refused_disturbs_nobody() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let mut payload = joyent();
    payload["indestructible_zoneroot"] = true.into();
    let mut child = creating(&mut gz, &payload);
    let run = at_once(&gz, &["delete", UUID]).failed();
    assert!(run.stderr.contains("indestructible_zoneroot is set"), "{}", run.stderr);
    assert!(child.try_wait().expect("the child is there").is_none(), "create goes on");
    assert_eq!(states(&gz).0, "provisioning");
    let _ = at_once(&gz, &["stop", "-F", UUID]).ok();
    gave_way(child, "stop");
}

#[test]
fn a_command_that_waits_for_another_says_so() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let mut payload = joyent();
    payload["autoboot"] = false.into();
    let _ = gz.create(&payload).ok();
    gz.clear_calls();
    gz.set("GZSIM_FAULT", "zoneadm boot:1=delay 5s");
    let child = gz.spawn("vmadm", &["start", UUID], "");
    gz.unset("GZSIM_FAULT");
    wait::until("the lock is taken", || {
        let lock = gz.path(&format!("/var/run/zonekit/vm.{UUID}.lock"));
        std::fs::read_to_string(lock).is_ok_and(|name| name.starts_with("vmadm start"))
    });
    let process = child.id();
    let run = gz.vmadm(&["update", UUID, "alias=later"]).ok();
    assert!(child.wait_with_output().expect("vmadm ends").status.success());
    assert_eq!(
        run.stderr,
        format!(
            "Waiting: VM {UUID} is being changed by vmadm start (process {process})\n\
             Successfully updated VM {UUID}\n"
        )
    );
}
