//! `bhyve-ctl cmdline` as a program.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CASES: &str = include_str!("data/hvm-cases.jsonl");

fn bhyve_ctl(root: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bhyve-ctl"))
        .args(arguments)
        .env("ZONEKIT_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built with the test");
    // A program that refuses its options reads nothing.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it was started")
}

/// Arguments with what differs from run to run and from system to system blotted out.
fn comparable(argv: &Value) -> Vec<String> {
    let arguments = argv.as_array().into_iter().flatten().filter_map(Value::as_str);
    arguments
        .map(|argument| blot(&blot_uuids(argument), &["version=7.", "mac=", "macaddr="]))
        .collect()
}

fn blot(text: &str, prefixes: &[&str]) -> String {
    let parts = text.split(',').map(|part| {
        prefixes.iter().find(|prefix| part.starts_with(*prefix)).copied().unwrap_or(part)
    });
    parts.collect::<Vec<_>>().join(",")
}

fn blot_uuids(text: &str) -> String {
    let mut text = text.to_owned();
    let mut start = 0;
    while let Some(candidate) = text.get(start..start + 36) {
        if uuid::Uuid::try_parse(candidate).is_ok() {
            text.replace_range(start..start + 36, "UUID");
        }
        start += text[start..].chars().next().map_or(1, char::len_utf8);
        while !text.is_char_boundary(start) {
            start += 1;
        }
    }
    text
}

/// Cases whose outcome hangs on more than their document.
const NOT_BY_DOCUMENT: [&str; 5] =
    ["did-empty", "inv-setattr", "net-promiscphys-fail", "nouuid", "sysboot-S"];

#[test]
fn documents_give_the_observed_arguments_with_and_without_a_flavour() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut failures = Vec::new();
    let mut count = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("the data are JSON, one case a line");
        let flavour = match case["set"].as_str() {
            Some("omnios" | "omnios-kvm") => "omnios",
            Some("smartos") => "smartos",
            _ => continue,
        };
        let (Some(xml), Some(name)) = (case["xml"].as_str(), case["name"].as_str()) else {
            continue;
        };
        if NOT_BY_DOCUMENT.contains(&name) {
            continue;
        }
        for arguments in [
            &["cmdline", "--xml", "-", "--json", "--flavour", flavour][..],
            &["cmdline", "--xml", "-", "--json"],
        ] {
            count += 1;
            let output = bhyve_ctl(root.path(), arguments, xml);
            let expected = comparable(&case["argv"]);
            let fine = if expected.is_empty() {
                output.status.code() == Some(1)
                    && output.stdout.is_empty()
                    && !output.stderr.is_empty()
            } else {
                let argv = serde_json::from_slice(&output.stdout).unwrap_or_default();
                output.status.success() && comparable(&argv) == expected
            };
            if !fine {
                failures.push(format!("{flavour} {name} {arguments:?}: {output:?}"));
            }
        }
    }
    assert!(count > 400, "{count}");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_configured_zone_is_found_by_its_uuid() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let zones = root.path().join("etc/zones");
    std::fs::create_dir_all(&zones).expect("an empty root");
    let uuid = "564d1234-0000-4000-8000-00000000abcd";
    let xml = r#"<zone name="web" zonepath="/zones/web" brand="bhyve" debugid="7">
      <attr name="vm-version" type="string" value="1"/></zone>"#;
    std::fs::write(zones.join("web.xml"), xml).expect("a writable root");
    let index = format!("web:installed:/zones/web:{uuid}:bhyve:ex:7\n");
    std::fs::write(zones.join("index"), index).expect("a writable root");

    let output = bhyve_ctl(root.path(), &["cmdline", uuid], "");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with(&format!("bhyve\n-H\n-U\n{uuid}\n-B\n")), "{output:?}");
    assert!(text.ends_with("\nSYSbhyve-7\n"), "{output:?}");
    let output = bhyve_ctl(root.path(), &["cmdline", "nosuch"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(bhyve_ctl(root.path(), &["cmdline"], "").status.code(), Some(2));
}

#[test]
fn a_socket_for_metadata_is_one_machines() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let output = bhyve_ctl(root.path(), &["metadata", "--socket", "/nosuch/socket"], "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn there_is_no_file_of_settings_for_qemu() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let xml = r#"<zone name="k" zonepath="/k" brand="kvm"/>"#;
    let output = bhyve_ctl(root.path(), &["cmdline", "--config", "--xml", "-"], xml);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr.contains("zone k is of brand kvm"), "{stderr}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_bhyve-ctl"))
        .args(["cmdline", "--xml", "-", "--flavour", "omnios"])
        .env("ZONEKIT_ROOT", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built with the test");
    drop(child.stdout.take());
    let xml = b"<zone name=\"z\" zonepath=\"/z\" brand=\"bhyve\"/>";
    child.stdin.take().expect("it is piped").write_all(xml).expect("it reads");
    let output = child.wait_with_output().expect("it was started");
    assert!(output.status.success(), "{output:?}");
}
