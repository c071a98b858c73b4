//! What a VM must be after a command on it failed or was killed, whatever it was doing.

use serde_json::Value;

use crate::gz::Gz;

/// What `vmadm get` says of a VM.
///
/// # Panics
/// Where it fails; with `when`, what had happened before.
pub fn get(gz: &Gz, uuid: &str, when: &str) -> Value {
    let run = gz.vmadm(&["get", uuid]);
    assert_eq!(run.exit, Some(0), "{when}: get: {}", run.stderr);
    run.json()
}

/// Has `vmadm recover` see to what was left.
///
/// # Panics
/// Where it fails; with `when`, what had happened before.
pub fn recover(gz: &Gz, when: &str) {
    let run = gz.vmadm(&["recover"]);
    assert_eq!(run.exit, Some(0), "{when}: recover: {}", run.stderr);
}

/// Checks that a VM is stopped, running or failed, can be started, or is told to run already, and can be deleted whole.
/// It is gone afterwards.
///
/// # Panics
/// Where it is not so; with `when`, what had happened before.
pub fn assert(gz: &Gz, uuid: &str, when: &str) {
    recover(gz, when);
    let state = get(gz, uuid, when)["state"].as_str().unwrap_or_default().to_owned();
    assert!(matches!(state.as_str(), "stopped" | "running" | "failed"), "{when}: {state}");
    for command in ["start", "delete"] {
        let run = gz.vmadm(&[command, uuid]);
        assert_eq!(run.exit, Some(0), "{when}, {state}: {command}: {}", run.stderr);
    }
    let datasets = gz.datasets();
    assert!(!datasets.contains(uuid), "{when}: {datasets}");
}
