//! What vmadm leaves in `/var/log/vm/logs`, and who may run it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use e2e::{Gz, Need, needs, programs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const LOGS: &str = "/var/log/vm/logs";

fn create(gz: &Gz) {
    let payload = json!({
        "uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "autoboot": false, "max_physical_memory": 256, "quota": 5,
        "customer_metadata": {"key": "hunter2"}, "tags": {"role": "hunter2"},
    });
    let _ = gz.create(&payload).ok();
}

/// The records of each log, oldest first, and the text of all of them.
fn logs(gz: &Gz) -> (Vec<Vec<Value>>, String) {
    let mut names: Vec<String> = fs::read_dir(gz.path(LOGS))
        .into_iter()
        .flatten()
        .map(|entry| {
            entry.expect("a readable directory").file_name().to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    let texts: Vec<String> = names.iter().map(|name| gz.file(&format!("{LOGS}/{name}"))).collect();
    for name in &names {
        let stem = name.strip_suffix(".log").unwrap_or_else(|| panic!("{name}"));
        let parts: Vec<&str> = stem.split('-').collect();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(parts.len() == 3 && parts[2] == "vmadm", "{name}");
        assert!(is_number(parts[0]) && parts[1].len() >= 6 && is_number(parts[1]), "{name}");
    }
    let records = |text: &String| {
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    };
    (texts.iter().map(records).collect(), texts.concat())
}

#[test]
fn commands_that_change_leave_a_log_without_secrets() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    create(&gz);
    for shows in [&["list"][..], &["get", UUID], &["lookup"], &["help"], &["info", UUID], &["stop"]]
    {
        let _ = gz.vmadm(shows);
    }
    let _ = gz.run_with("vmadm", &["update", UUID, "--dry-run"], b"{\"alias\":\"x\"}").ok();
    assert_eq!(logs(&gz).0.len(), 1, "{:?}", logs(&gz).0);
    let _ = gz.vmadm(&["update", UUID, "alias=hunter2"]).ok();
    let change = json!({"set_customer_metadata": {"password": "hunter2"}}).to_string();
    let _ = gz.run_with("vmadm", &["update", UUID], change.as_bytes()).ok();
    let bad = json!({"add_nics": [{"nic_tag": "admin", "ips": ["hunter2"]}]}).to_string();
    let _ = gz.run_with("vmadm", &["update", UUID], bad.as_bytes()).failed();
    let _ = gz.vmadm(&["delete", UUID]).ok();

    let (logs, text) = logs(&gz);
    assert!(!text.contains("hunter2"), "{text}");
    let told: Vec<(&Value, &Value)> = logs
        .iter()
        .map(|log| (&log[0]["msg"], &log[log.len() - 1]))
        .inspect(|(_, last)| assert!(last["ms"].is_number(), "{last}"))
        .map(|(first, last)| (first, &last["exit"]))
        .collect();
    let update = format!("vmadm update {UUID}");
    assert_eq!(
        told,
        [
            (&json!("vmadm create"), &json!(0)),
            (&json!(format!("{update} alias=...")), &json!(0)),
            (&json!(update), &json!(0)),
            (&json!(update), &json!(1)),
            (&json!(format!("vmadm delete {UUID}")), &json!(0)),
        ]
    );
    for record in logs.iter().flatten() {
        assert!(record["name"] == "vmadm" && record["v"] == 0, "{record}");
        assert!(record["hostname"].is_string() && record["pid"].is_u64(), "{record}");
        assert!(matches!(record["level"].as_u64(), Some(20 | 30 | 50)), "{record}");
        assert!(record["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{record}");
    }
    let deleted = &logs[4];
    let ran = |words: &str| {
        let is_it = |record: &&Value| record["msg"].as_str().is_some_and(|msg| msg.contains(words));
        deleted.iter().find(is_it).unwrap_or_else(|| panic!("no {words} in {deleted:?}"))
    };
    let uninstall = ran(&format!("zoneadm -u {UUID} uninstall -F"));
    assert!(uninstall["exit"] == 0 && uninstall["ms"].is_number(), "{uninstall}");
    assert_eq!(deleted[deleted.len() - 1]["msg"], format!("Successfully deleted VM {UUID}"));
}

#[test]
fn what_cannot_be_logged_is_done_all_the_same() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    fs::create_dir_all(gz.path("/var/log")).expect("a directory");
    fs::write(gz.path("/var/log/vm"), "").expect("a file");
    create(&gz);
    let _ = gz.vmadm(&["delete", UUID]).ok();
}

#[test]
fn diagnostics_go_to_a_file_that_is_named() {
    needs!(Need::Simulation);
    let mut gz = Gz::new();
    let file = gz.path("/tmp-debug.log").display().to_string();
    gz.set("VMADM_DEBUG_LEVEL", "debug");
    assert!(gz.vmadm(&["list"]).ok().stderr.contains("zoneadm"));
    gz.set("VMADM_DEBUG_FILE", &file);
    assert_eq!(gz.vmadm(&["list"]).ok().stderr, "");
    let text = gz.file("/tmp-debug.log");
    let record: Value =
        serde_json::from_str(text.lines().next().unwrap_or_default()).expect("JSON");
    assert!(record["level"] == 20 && text.contains("zoneadm"), "{text}");
}

#[test]
fn only_root_may_manage_the_systems_own_vms() {
    needs!(Need::Simulation);
    let directory = tempfile::tempdir().expect("a directory");
    let anybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), anybody.clone()).expect("it is ours");
    let program = directory.path().join("vmadm");
    fs::copy(programs::directory().join("vmadm"), &program).expect("it can be copied");
    fs::set_permissions(&program, anybody).expect("it is ours");
    let is_root = fs::metadata(Path::new("/proc/self"))
        .is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    for root in [None, Some("/")] {
        for arguments in [&["list"][..], &["help"], &["nonsense"], &["delete", UUID], &[]] {
            let mut command = Command::new(&program);
            command
                .args(arguments)
                .env_remove("ZONEKIT_ROOT")
                .envs(root.map(|dir| ("ZONEKIT_ROOT", dir)));
            if is_root {
                command.uid(65534);
            }
            let output = command.output().expect("it can be run");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            if arguments == ["help"] {
                assert!(said.contains("create [-f <filename>]"), "{said}");
                continue;
            }
            assert_eq!(said, "FATAL: cannot run because: you are not root.\n", "{arguments:?}");
            assert!(output.stdout.is_empty());
        }
    }
}
