//! Whole runs of `vmadm list`, `lookup` and `get` with 1,000 and 10,000 VMs, against the time that the tools they run
//! take by themselves. The tools are scripts that print prepared answers: what is left is vmadm's own time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Runs of each command, of which the median counts.
const ROUNDS: usize = 9;

fn main() {
    // Without an optimised build the figures say nothing.
    let vmadm = env!("CARGO_BIN_EXE_vmadm");
    println!("{:>7} {:<34} {:>9} {:>9} {:>7}", "VMs", "command", "vmadm", "tools", "ratio");
    for count in [1_000, 10_000] {
        let root = TempDir::new().expect("a temporary directory");
        build(root.path(), count);
        let last = uuid(count - 1);
        let by_uuid = format!("uuid={last}");
        let commands: [(&[&str], &[&str]); 6] = [
            (&["list"], &["zoneadm"]),
            (&["list", "-p", "-o", "uuid,state"], &["zoneadm"]),
            (&["lookup", &by_uuid], &["zoneadm"]),
            (&["lookup", "alias=vm7"], &["zoneadm"]),
            (&["lookup", "-j"], &["zoneadm", "kstat", "sysinfo", "zfs"]),
            (&["get", &last], &["zoneadm", "kstat", "sysinfo", "zfs"]),
        ];
        for (arguments, tools) in commands {
            let own = median(|| run(root.path(), vmadm, arguments));
            let needed: Duration = tools
                .iter()
                .map(|tool| {
                    let directory =
                        if *tool == "zoneadm" || *tool == "zfs" { "sbin" } else { "bin" };
                    let path = root.path().join(format!("usr/{directory}/{tool}"));
                    let mut words = vec!["list"];
                    if arguments[0] == "get" && *tool == "zoneadm" {
                        words = vec!["-u", &last];
                    }
                    median(|| run(root.path(), &path, &words))
                })
                .sum();
            println!(
                "{count:>7} {:<34} {:>7.1}ms {:>7.1}ms {:>7.2}",
                arguments.join(" ").chars().take(34).collect::<String>(),
                own.as_secs_f64() * 1e3,
                needed.as_secs_f64() * 1e3,
                own.as_secs_f64() / needed.as_secs_f64()
            );
        }
    }
}

fn median(mut round: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| round()).collect();
    times.sort();
    times[ROUNDS / 2]
}

fn run(root: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .env("ZONEKIT_ROOT", root)
        .stdout(Stdio::null())
        .status()
        .expect("the program can be run");
    assert!(status.success(), "{arguments:?} failed");
    started.elapsed()
}

fn uuid(number: usize) -> String {
    format!("a0000001-0000-4000-8000-{number:012}")
}

fn build(root: &Path, count: usize) {
    const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/load");
    let template = uuid(1);
    let xml = fs::read_to_string(format!("{DATA}/{template}.xml")).expect("the template");
    let mut zoneadm = String::from("0:global:running:/::liveimg:shared:0\n");
    let mut index = String::from("global:installed:/\n");
    let mut zfs = String::new();
    let mut kstat = Vec::new();
    for number in 0..count {
        let uuid = uuid(number);
        let id = number + 1;
        zoneadm += &format!("{id}:{uuid}:running:/zones/{uuid}:{uuid}:joyent:excl:{id}\n");
        index += &format!("{uuid}:installed:/zones/{uuid}:{uuid}\n");
        zfs += &format!(
            "off\t1\t-\t/zones/{uuid}\tzones/{uuid}\t10737418240\t131072\t0\t0\t-\tfilesystem\t0\t-\t-\t-\t1\toff\n"
        );
        kstat.push(format!(
            r#"{{"class":"zone_misc","module":"zones","instance":{id},"data":{{"zonename":"{uuid}","boot_time":1,"init_pid":{id},"init_restarts":0}}}}"#
        ));
        write(root, &format!("etc/zones/{uuid}.xml"), &xml.replace(&template, &uuid));
        write(root, &format!("zones/{uuid}/config/tags.json"), "{\"role\":\"web\"}\n");
    }
    write(root, "etc/zones/index", &index);
    write(root, "answers/zoneadm", &zoneadm);
    write(root, "answers/zfs", &zfs);
    write(root, "answers/kstat", &format!("[{}]", kstat.join(",")));
    write(root, "answers/sysinfo", "{\"UUID\":\"x\",\"Live Image\":\"y\"}");
    tool(
        root,
        "usr/sbin/zoneadm",
        "case $1 in -u) exec grep \":$2:\" $answers;; esac\nexec cat $answers",
    );
    for path in ["usr/sbin/zfs", "usr/bin/kstat", "usr/bin/sysinfo"] {
        tool(root, path, "exec cat $answers");
    }
}

fn tool(root: &Path, path: &str, body: &str) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let answers = root.join("answers").join(name);
    write(root, path, &format!("#!/bin/sh\nanswers={}\n{body}\n", answers.display()));
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.join(path), mode).expect("the mode can be set");
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    let parent = path.parent().expect("every file is in a directory");
    fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).expect("files can be written");
}
