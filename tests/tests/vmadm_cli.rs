//! What vmadm says to wrong usage, to VMs that are not there and to VMs in the wrong state: messages and exit codes as
//! scripts know them.

use std::fs;

use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const ABSENT: &str = "a0000009-0000-4000-8000-000000000009";

fn joyent() -> Value {
    json!({"uuid": UUID, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
        "max_physical_memory": 256, "quota": 5})
}

fn lx() -> Value {
    json!({"uuid": UUID, "brand": "lx", "image_uuid": "5917ca96-c888-11e5-8da0-e785a1ad1185",
        "kernel_version": "4.4.0", "max_physical_memory": 256, "quota": 5})
}

fn kvm() -> Value {
    json!({"uuid": UUID, "brand": "kvm", "ram": 512, "vcpus": 1, "disks": [
        {"boot": true, "model": "virtio", "image_uuid": "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a"}]})
}

fn bhyve() -> Value {
    json!({"uuid": UUID, "brand": "bhyve", "ram": 512, "vcpus": 1, "bootrom": "bios", "disks": [
        {"boot": true, "model": "virtio", "size": 64}]})
}

#[test]
fn wrong_usage_is_told_with_the_usage_and_exits_with_2() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let cases: &[(&[&str], &str)] = &[
        (&["frobnicate"], "Invalid command: \"frobnicate\"."),
        (&["start"], "Invalid or missing UUID for start"),
        (&["boot", "x"], "Invalid or missing UUID for boot"),
        (&["stop"], "Invalid or missing UUID for stop"),
        (&["halt"], "Invalid or missing UUID for stop"),
        (&["reboot"], "Invalid or missing UUID for reboot"),
        (&["get"], "Invalid or missing UUID for get"),
        (&["json", "x"], "Invalid or missing UUID for json"),
        (&["delete"], "Invalid or missing UUID for delete"),
        (&["destroy"], "Invalid or missing UUID for destroy"),
        (&["console"], "Invalid or missing UUID for console"),
        (&["info"], "Invalid or missing UUID for info"),
        (&["install"], "Invalid or missing UUID for install"),
        (&["send"], "Invalid or missing UUID for send"),
        (&["update"], "Invalid or missing UUID for update"),
        (&["update", "quota=5"], "Invalid or missing UUID for update"),
        (&["reprovision"], "Invalid or missing UUID for reprovision"),
        (&["create-snapshot"], "Invalid or missing UUID for create-snapshot"),
        (&["create-snapshot", UUID], "Wrong number of parameters to \"create-snapshot\""),
        (&["create-snapshot", UUID, "a", "b"], "Wrong number of parameters to \"create-snapshot\""),
        (&["delete-snapshot", UUID], "Wrong number of parameters to \"delete-snapshot\""),
        (&["rollback-snapshot", UUID], "Wrong number of parameters to \"rollback-snapshot\""),
        (
            &["start", UUID, "order=cd", "order=dc"],
            "You can only specify 'order' once when starting a VM",
        ),
        (&["start", UUID, "cdrom=/x"], "Parameter to cdrom must be: path,model"),
        (&["start", UUID, "disk=,ide"], "Parameter to disk must be: path,model"),
        (&["start", UUID, "bogus=1"], "Invalid argument to start: bogus"),
        (&["validate"], "Will not validate without a valid action."),
        (&["validate", "update"], "Will not validate without a valid action and brand."),
        (&["kill"], "Invalid or missing argument UUID"),
        (&["kill", "x"], "Too many arguments."),
        (&["kill", UUID, UUID], "Too many arguments."),
        (&["kill", "-9"], "Unexpected args: [\"9\"]"),
        (&["kill", "-9", "x"], "Unexpected args: [\"9\"]"),
        (&["kill", "-9", UUID, "x"], "Too many arguments."),
        (&["kill", "-KILL", UUID, "-9", UUID], "Unexpected args: [\"9\"]"),
        (&["kill", "-s"], "Invalid or missing UUID for kill"),
        (&["kill", "-s", "HUP"], "Invalid or missing UUID for kill"),
        (&["kill", "-s", "HUP", UUID, "x"], "Too many arguments."),
        (&["sysrq"], "Invalid or missing UUID for sysrq"),
        (&["sysrq", UUID], "Wrong number of parameters to \"sysrq\""),
        (&["sysrq", UUID, "nmi", "x"], "Wrong number of parameters to \"sysrq\""),
        (&["sysrq", UUID, "reboot"], "Invalid sysrq type: reboot"),
    ];
    for (words, message) in cases {
        let run = gz.vmadm(words);
        assert_eq!(run.exit, Some(2), "{words:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{words:?}");
        let mut lines = run.stderr.lines();
        assert_eq!(lines.next(), Some(*message), "{words:?}");
        assert!(lines.next().is_some_and(|line| line.starts_with("Usage: ")), "{words:?}");
    }
    for words in [&[][..], &["help"], &["help", "create"], &["-h"], &["-?"]] {
        let run = gz.vmadm(words);
        assert_eq!(run.exit, Some(2), "{words:?}");
        assert!(run.stderr.starts_with("Usage: "), "{words:?}: {}", run.stderr);
    }
    assert_eq!(gz.calls(), [""; 0], "wrong usage is seen before anything is run");
}

#[test]
fn failures_of_their_own_arguments_exit_with_1() {
    needs!();
    let gz = Gz::new();
    let directory = gz.path("/tmp").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["list", "bogus=1"], "Invalid filter key: \"bogus\""),
        (&["list", "-o", "nics.*.ip"], "Invalid order key: \"nics.*.ip\""),
        (&["list", "-s", "disks.*.size"], "Invalid sort key: \"disks.*.size\""),
        (&["lookup", "bogus=1"], "Invalid lookup key: \"bogus\""),
        (&["lookup", "-o", "uuid"], "Cannot specify -o without -j"),
        (&["lookup", "-1", "alias=x"], "Requested unique lookup but found 0 results."),
        (&["create", "-f", "/no/such"], "File: /no/such does not exist."),
        (&["create", "-f", &directory], "Error reading: "),
        (&["create", "--file"], "File: true does not exist."),
        (&["update", ABSENT, "-f", "/no/such"], "File: /no/such does not exist."),
        (&["reprovision", ABSENT, "--file=/no/such"], "File: /no/such does not exist."),
        (&["create"], "Invalid JSON payload: "),
        (&["validate", "create"], "Invalid JSON payload: "),
    ];
    for (words, message) in cases {
        let run = gz.vmadm(words).failed();
        assert!(run.stderr.starts_with(message), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn every_command_says_that_there_is_no_such_vm() {
    needs!();
    let gz = Gz::new();
    for words in [
        &["get", ABSENT][..],
        &["json", ABSENT],
        &["start", ABSENT],
        &["stop", ABSENT],
        &["stop", ABSENT, "-F"],
        &["stop", ABSENT, "-t", "1e30"],
        &["reboot", ABSENT],
        &["reboot", ABSENT, "-F"],
        &["delete", ABSENT],
        &["delete", "-F", ABSENT],
        &["console", ABSENT],
        &["info", ABSENT],
        &["kill", ABSENT],
        &["sysrq", ABSENT, "nmi"],
        &["update", ABSENT, "quota=1"],
        &["create-snapshot", ABSENT, "a"],
        &["delete-snapshot", ABSENT, "a"],
        &["rollback-snapshot", ABSENT, "a"],
        &["send", ABSENT],
    ] {
        let run = gz.vmadm(words).failed();
        let told = ["No such zone configured", "not found", "404"];
        assert!(told.iter().any(|text| run.stderr.contains(text)), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn stopped_and_running_vms_of_each_brand() {
    needs!(Need::Simulation);
    for (payload, nmi) in [
        (joyent(), None),
        (lx(), None),
        (kvm(), Some("Sent NMI to VM")),
        (bhyve(), Some("Sent NMI to VM")),
    ] {
        let gz = Gz::new();
        let brand = &payload["brand"];
        let mut payload = payload.clone();
        payload["autoboot"] = false.into();
        let _ = gz.create(&payload).ok();
        let stopped: &[(&[&str], &str)] = &[
            (&["kill", UUID], "Cannot find running init PID for VM"),
            (&["kill", "-s", "nonsense", UUID], "Cannot find running init PID for VM"),
            (
                &["console", UUID],
                "cannot connect to console when state is \"stopped\" must be \"running\".",
            ),
            (
                &["sysrq", UUID, "nmi"],
                "Unable to send request to vm from state \"stopped\", must be \"running\" or \"stopping\".",
            ),
            (&["reboot", UUID], "Cannot reboot vm from state \"stopped\", must be \"running\""),
        ];
        for (words, message) in stopped {
            let run = gz.vmadm(words).failed();
            assert!(run.stderr.starts_with(message), "{brand} {words:?}: {}", run.stderr);
        }
        let run = gz.vmadm(&["stop", UUID]).ok();
        assert_eq!(
            run.stderr,
            format!("VM {UUID} is already not 'running' (currently: stopped)\n")
        );
        let _ = gz.vmadm(&["start", UUID]).ok();
        let run = gz.vmadm(&["start", UUID]).ok();
        let told = format!("Unable to start VM {UUID}: VM {UUID} is already 'running'\n");
        assert_eq!(run.stderr, told, "{brand}");
        let run = gz.vmadm(&["kill", "-s", "nonsense", UUID]).failed();
        assert!(run.stderr.contains("nonsense"), "{brand}: {}", run.stderr);
        for words in [["kill", "-s", "0"], ["kill", "-s", "SIGCONT"], ["kill", "-s", "CONT"]] {
            let run = gz.vmadm(&[&words[..], &[UUID]].concat()).ok();
            let message = format!("Sent signal \"{}\" to init process for VM {UUID}\n", words[2]);
            assert_eq!(run.stderr, message, "{brand}");
        }
        let run = gz.vmadm(&["kill", "-CONT", UUID]).ok();
        assert_eq!(run.stderr, format!("Sent signal \"CONT\" to init process for VM {UUID}\n"));
        let run = gz.vmadm(&["sysrq", UUID, "nmi"]);
        match nmi {
            Some(message) => assert!(run.ok().stderr.starts_with(message), "{brand}"),
            None => assert_eq!(
                run.failed().stderr,
                "The sysrq command is only supported for VMs  with brand \"bhyve\" or \"kvm\".\n"
            ),
        }
        if brand == "bhyve" {
            let run = gz.vmadm(&["sysrq", UUID, "screenshot"]).failed();
            assert_eq!(run.stderr, "Invalid sysrq \"screenshot\" valid values: \"nmi\".\n");
        }
        let run = gz.vmadm(&["kill", "-9", UUID]).ok();
        assert_eq!(run.stderr, format!("Sent signal \"9\" to init process for VM {UUID}\n"));
        let _ = gz.vmadm(&["delete", "-F", UUID]).ok();
    }
}

#[test]
fn payloads_come_from_files_and_standard_input() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let mut payload = joyent();
    payload["autoboot"] = false.into();
    let text = payload.to_string();
    let file = gz.path("/tmp/vm.json");
    fs::write(&file, &text).expect("writable");
    let name = file.to_str().expect("a path of letters");
    for words in [
        &["validate", "create", "-f", name][..],
        &["validate", "create", "--file", name],
        &["validate", "-f", name, "create"],
        &["validate", "create", &format!("--file={name}")],
    ] {
        assert!(gz.vmadm(words).ok().stderr.starts_with("VALID 'create' payload"), "{words:?}");
    }
    for words in [&["validate", "create"][..], &["validate", "create", "-f", "-"]] {
        let run = gz.run_with("vmadm", words, text.as_bytes()).ok();
        assert!(run.stderr.starts_with("VALID 'create' payload"), "{words:?}");
    }
    // The last of repeated options counts; properties on the command line count more than a file.
    let _ = gz.vmadm(&["create", "-f", "/no/such", "-f", name]).ok();
    let run = gz.vmadm(&["update", UUID, "-f", "/no/such", "alias=x=y", "quota=7"]).ok();
    assert_eq!(run.stderr, format!("Successfully updated VM {UUID}\n"));
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    assert_eq!((&vm["alias"], &vm["quota"]), (&json!("x=y"), &json!(7)));
}
