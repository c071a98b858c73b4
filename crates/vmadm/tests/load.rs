//! The observed VMs on disk, read by the built program: what `get`, `list` and `lookup` say is what was observed.
//!
//! The root's tools are small scripts that answer from what the real tools had answered, and keep a count.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/load");

struct System {
    root: TempDir,
}

impl System {
    fn new() -> Self {
        let system = Self { root: TempDir::new().unwrap() };
        let commands = fs::read_to_string(format!("{DATA}/COMMANDS.txt")).unwrap();
        system.write("answers/zoneadm", &answer(&commands, "zoneadm list"));
        system.write("answers/zfs", &answer(&commands, "zfs list"));
        system.copy("kstat.json", "answers/kstat");
        system.copy("sysinfo.json", "answers/sysinfo");
        system.tool("usr/sbin/zoneadm", ZONEADM);
        system.tool("usr/sbin/zfs", ZFS);
        system.tool("usr/bin/kstat", "cat $answers/kstat");
        system.tool("usr/bin/sysinfo", "cat $answers/sysinfo");
        let mut index = String::from("global:installed:/\n");
        for number in 1..=8 {
            let uuid = uuid(number);
            index += &format!("{uuid}:installed:/zones/{uuid}:{uuid}\n");
            system.add_vm(&uuid);
        }
        system.write("etc/zones/index", &index);
        system
    }

    fn add_vm(&self, uuid: &str) {
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for entry in fs::read_dir(format!("{DATA}/{uuid}")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let to = match name.as_str() {
                "lastexited" => format!("zones/{uuid}/{name}"),
                _ => format!("zones/{uuid}/config/{name}"),
            };
            let to = self.copy(&format!("{uuid}/{name}"), &to);
            File::open(to).unwrap().set_modified(long_ago).unwrap();
        }
        let xml = self.copy(&format!("{uuid}.xml"), &format!("etc/zones/{uuid}.xml"));
        let seconds = last_modified_seconds(&expected(uuid));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(xml).unwrap().set_modified(modified).unwrap();
    }

    fn copy(&self, from: &str, to: &str) -> PathBuf {
        self.write(to, &fs::read_to_string(format!("{DATA}/{from}")).unwrap())
    }

    fn write(&self, to: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(to);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn tool(&self, path: &str, body: &str) {
        let answers = self.root.path().join("answers");
        let text = format!(
            "#!/bin/sh\nanswers={}\necho \"$(basename $0) $*\" >> $answers/runs\n{body}\n",
            answers.display()
        );
        let path = self.write(path, &text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The tools that were run since the last call, by name.
    fn runs(&self) -> Vec<String> {
        let path = self.root.path().join("answers/runs");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    fn vmadm(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_vmadm"))
            .args(arguments)
            .env("ZONEKIT_ROOT", self.root.path())
            .output()
            .unwrap()
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.vmadm(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// `zoneadm list -p -c` and `zoneadm -u UUID list -p`.
const ZONEADM: &str = r#"
if [ "$1" = list ]; then exec cat $answers/zoneadm; fi
grep ":$2:" $answers/zoneadm && exit
echo "zoneadm: $2: No such zone configured" >&2
exit 1"#;

/// `zfs list -H -p -t TYPES -o … -d 1 DATASET…`, columns as in the answers.
const ZFS: &str = r#"
shift 4; types=$1; shift 5
awk -F'\t' -v types="$types" -v names="$*" '
  BEGIN { split(types, t, ","); for (i in t) type[t[i]] = 1; count = split(names, name, " ") }
  !($11 in type) { next }
  { for (i = 1; i <= count; i++) {
      rest = substr($5, length(name[i]) + 1)
      if (index($5, name[i]) == 1 && (rest == "" || rest ~ "^[/@][^/@]*$")) print } }
' OFS='\t' $answers/zfs"#;

fn answer(commands: &str, command: &str) -> String {
    let start = commands.find(&format!("$ {command}")).unwrap();
    let lines = commands[start..].lines().skip(1).take_while(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn uuid(number: u32) -> String {
    format!("a0000001-0000-4000-8000-{number:012}")
}

/// The observed answer of `get`, without the key `device`, which was a slip of the original's.
fn expected(uuid: &str) -> String {
    let text = fs::read_to_string(Path::new(DATA).join(format!("{uuid}.get.json"))).unwrap();
    text.replace("  \"device\": null,\n", "")
}

/// `last_modified` in seconds: all are of one day.
fn last_modified_seconds(get: &str) -> u64 {
    let vm: Value = serde_json::from_str(get).unwrap();
    let time = vm["last_modified"].as_str().unwrap().to_owned();
    let clock = time.strip_prefix("2026-11-21T").unwrap();
    let part = |at: usize| clock[at..at + 2].parse::<u64>().unwrap();
    1_795_219_200 + part(0) * 3600 + part(3) * 60 + part(6)
}

#[test]
fn get_prints_each_vm_as_observed() {
    let system = System::new();
    for number in 1..=8 {
        let uuid = uuid(number);
        assert_eq!(system.stdout(&["get", &uuid]), expected(&uuid), "{uuid}");
    }
}

#[test]
fn a_damaged_file_is_named() {
    let system = System::new();
    let said = |number| String::from_utf8(system.vmadm(&["get", &uuid(number)]).stderr).unwrap();
    assert_eq!(said(7), "");
    assert!(said(8).contains("tags.json"), "{}", said(8));
}

#[test]
fn numbers_are_printed_as_in_javascript() {
    let system = System::new();
    let uuid = uuid(1);
    let tags = r#"{"n":1.0,"big":1e20,"limit":18446744073709551615,"small":1e-7}"#;
    system.write(&format!("zones/{uuid}/config/tags.json"), tags);
    let printed: &[&str] = &[
        r#""n": 1,"#,
        r#""big": 100000000000000000000,"#,
        r#""limit": 18446744073709552000,"#,
        r#""small": 1e-7"#,
    ];
    for command in [&["get", &uuid][..], &["lookup", "-j", "alias=j1"]] {
        let output = system.stdout(command);
        for number in printed {
            assert!(output.contains(number), "{command:?}: {number} in {output}");
        }
    }
}

#[test]
fn list_prints_the_observed_tables() {
    let system = System::new();
    let read = |name: &str| fs::read_to_string(format!("{DATA}/{name}")).unwrap();
    assert_eq!(system.stdout(&["list"]), read("list.out"));
    let columns = "uuid,type,ram,state,alias,quota,brand,zonename,hvm,autoboot,exit_status,\
                   exit_timestamp,boot_timestamp,pid,zoneid";
    assert_eq!(system.stdout(&["list", "-p", "-o", columns]), read("list-p.out"));
}

#[test]
fn lookup_prints_all_vms_as_observed() {
    let system = System::new();
    let read = fs::read_to_string(format!("{DATA}/lookup-j.out")).unwrap();
    let expected = read.replace("    \"device\": null,\n", "");
    assert_eq!(system.stdout(&["lookup", "-j"]), expected);
}

#[test]
fn only_the_needed_tools_are_run_and_each_once() {
    let system = System::new();
    for (arguments, tools) in [
        (&["lookup", "alias=j1"][..], &["zoneadm"][..]),
        (&["lookup", "uuid=x"], &["zoneadm"]),
        (&["list"], &["zoneadm"]),
        (&["list", "-o", "uuid,pid"], &["zoneadm", "kstat"]),
        (&["list", "-o", "uuid,quota", "alias=j1"], &["zoneadm", "zfs"]),
        (&["lookup", "-j"], &["zoneadm", "sysinfo", "kstat", "zfs"]),
        (&["get", "a0000001-0000-4000-8000-000000000004"], &["zoneadm", "sysinfo", "zfs"]),
    ] {
        system.stdout(arguments);
        assert_eq!(system.runs(), tools, "{arguments:?}");
    }
}

#[test]
fn a_vm_that_is_not_there_is_said_in_zoneadms_words() {
    let uuid = "a0000001-0000-4000-8000-000000000099";
    let output = System::new().vmadm(&["get", uuid]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("zoneadm: {uuid}: No such zone configured\n"));
}
