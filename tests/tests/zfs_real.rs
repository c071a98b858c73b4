//! The simulated zfs against a real one: the same commands in the same order, the same answers.
//!
//! Needs a real OpenZFS whose pool `zones` may be changed at will: `ci/real-zfs.sh` runs it in a throw-away machine with
//! `ZONEKIT_REAL_ZFS` naming the program. Skips by name elsewhere.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use e2e::Gz;

fn real_zfs(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("ZONEKIT_REAL_ZFS").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {test} needs a real ZFS (ZONEKIT_REAL_ZFS)");
    }
    path
}

fn zfs(program: &Path, arguments: &[&str], stdin: Option<&Path>) -> Output {
    let stdin = stdin.map_or_else(Stdio::null, |path| File::open(path).unwrap().into());
    Command::new(program).args(arguments).stdin(stdin).output().unwrap()
}

/// What two implementations must agree on: whether it worked, what was printed, and the first line of the message.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    worked: bool,
    stdout: String,
    message: String,
}

fn answer(output: &Output) -> Answer {
    let stderr = String::from_utf8_lossy(&output.stderr);
    Answer {
        worked: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        message: stderr.lines().next().unwrap_or_default().to_owned(),
    }
}

/// Commands in order. Values that depend on the pool's layout (used, available, written) are not asked for.
const COMMANDS: &[&str] = &[
    "create zones/d",
    "create zones/d",
    "create zones/no/such/parent",
    "create -p zones/no/such/parent",
    "create -o quota=1G -o recordsize=16K -o compression=lz4 zones/d/q",
    "create -o nosuch=1 zones/d/x",
    "create -o quota=banana zones/d/x",
    "create -o recordsize=3K zones/d/x",
    "create -o compression=best zones/d/x",
    "create -o mountpoint=relative zones/d/x",
    "create zones/bad@name",
    "create zones/bad//name",
    "create zones/bad name",
    "create nosuchpool/x",
    "create -V 64M -o volblocksize=8192 zones/v",
    "create -V 65M -s -o volblocksize=8192 zones/sparse",
    "create -V 1000000 zones/odd",
    "create -nPV 64M -o volblocksize=8192 zones/dry",
    "get -H -p -o value volsize,volblocksize,refreservation,type zones/v",
    "get -H -p -o value refreservation zones/sparse",
    "get -H -p -o property,value,source quota,recordsize,compression,type zones/d/q",
    "get -H -p -o value quota,recordsize zones/d",
    "set quota=2G zones/d/q",
    "set quota=20g reservation=none zones/d/q",
    "get -H -o value quota,reservation,recordsize zones/d/q",
    "set quota=none zones/d/q",
    "get -H -p -o value quota zones/d/q",
    "set zonekit:note=hello zones/d",
    "get -H -p -o value,source zonekit:note zones/d/q",
    "inherit zonekit:note zones/d",
    "get -H -p -o value,source zonekit:note zones/d/q",
    "set recordsize=32K zones/d",
    "inherit recordsize zones/d/q",
    "get -H -p -o value,source recordsize zones/d/q",
    "inherit -r recordsize zones/d",
    "set type=volume zones/d",
    "set volsize=100M zones/v",
    "get -H -p -o value volsize,refreservation zones/v",
    "set refreservation=none zones/v",
    "set refreservation=auto zones/v",
    "get -H -p -o value refreservation zones/v",
    "set filesystem_limit=4 zones/d",
    "set snapshot_limit=7 zones/d",
    "get -H -p -o value filesystem_limit,snapshot_limit zones/d,zones/d/q",
    "get -H -p -o value filesystem_limit,snapshot_limit zones/d",
    "set filesystem_limit=none zones/d",
    "get -H -p -o value filesystem_limit zones/d",
    "snapshot zones/d@one zones/d/q@one",
    "snapshot zones/d@one",
    "snapshot zones/nosuch@one",
    "snapshot -r zones/d@two",
    "snapshot zones/d",
    "list -H -o name -t snapshot -r zones/d",
    "list -H -o name -d 1 -t filesystem,volume zones/d",
    "list -H -o name zones/d zones/v",
    "list -H -o name zones/nosuch",
    "list -H -o name,nosuch zones/d",
    "list -t nosuch zones/d",
    "clone zones/d/q@one zones/c",
    "clone zones/d/q@none zones/c2",
    "clone zones/d/q@one zones/c",
    "get -H -p -o value origin zones/c",
    "get -H -p -o value clones zones/d/q@one",
    "destroy zones/d/q@one",
    "destroy zones/d/q",
    "destroy zones/d",
    "destroy -r zones/d",
    "hold keep zones/d@two",
    "hold keep zones/d@two",
    "get -H -p -o value userrefs zones/d@two",
    "destroy zones/d@two",
    "release other zones/d@two",
    "release keep zones/d@two",
    "destroy zones/d@two",
    "destroy zones/nosuch",
    "destroy zones/d@nosuch",
    "promote zones/c",
    "get -H -p -o value origin zones/d/q",
    "get -H -p -o value origin zones/c",
    "promote zones/c",
    "rename zones/c zones/renamed",
    "rename zones/renamed zones/d",
    "rename zones/renamed zones/no-parent/x",
    "rename zones/nosuch zones/other",
    "rename zones/d@one zones/d@uno",
    "rollback zones/d@nosuch",
    "snapshot zones/d@later",
    "rollback zones/d@uno",
    "rollback -r zones/d@uno",
    "list -H -o name -t snapshot -d 1 zones/d",
    "send zones/d@nosuch",
    "send zones/d",
    "receive",
    "nosuchcommand",
    "list -H -o name -r zones/renamed",
    "destroy -R zones/d/q",
    "destroy -rR zones/renamed",
    "destroy zones/v",
    "destroy zones/sparse",
    "destroy zones/odd",
    "destroy -r zones/d",
    "destroy -r zones/no",
    "list -H -o name -t all -r zones/d",
];

/// Where OpenZFS on Linux differs from illumos, which the simulation follows: the command and what may differ.
const KNOWN: &[(&str, &str)] = &[
    ("create -o recordsize=3K zones/d/x", "names a larger maximum"),
    ("create -o compression=best zones/d/x", "names more algorithms"),
    ("create zones/bad//name", "words it otherwise"),
    ("create -V 64M -o volblocksize=8192 zones/v", "warns of a block size below 16K"),
    ("create -V 65M -s -o volblocksize=8192 zones/sparse", "warns of a block size below 16K"),
    ("create -nPV 64M -o volblocksize=8192 zones/dry", "warns of a block size below 16K"),
    ("create -V 1000000 zones/odd", "rounds the size up"),
    ("get -H -p -o value filesystem_limit zones/d", "prints none for no limit, also with -p"),
    ("destroy zones/d@two", "names the way to see the holders"),
    ("send zones/d@nosuch", "looks for the snapshot earlier"),
    ("send zones/d", "has another message for a dataset in use"),
];

#[test]
fn the_same_commands_get_the_same_answers() {
    let Some(real) = real_zfs("the_same_commands_get_the_same_answers") else { return };
    let gz = Gz::init(&[]);
    let simulated = gz.root().join("usr/sbin/zfs");
    let mut differences = Vec::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split(' ').collect();
        let ours = answer(&zfs(&simulated, &arguments, None));
        let theirs = answer(&zfs(&real, &arguments, None));
        if ours != theirs && !KNOWN.iter().any(|(known, _)| known == command) {
            differences
                .push(format!("zfs {command}\n  simulated {ours:?}\n  real      {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// The streams of the test data, each with the stream that it needs first and whether it is a volume's.
const STREAMS: &[(&str, Option<&str>)] = &[
    ("fs-full", None),
    ("fs-incremental", Some("fs-full")),
    ("fs-compressed", None),
    ("fs-embedded", None),
    ("fs-large-block", None),
    ("fs-props", None),
    ("replication", None),
    ("vol-full", None),
    ("vol-clone-incremental", Some("vol-full")),
];

fn unpacked(name: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/zfs-streams/{name}.zfs.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Where the records of a stream begin. A record is 312 bytes, followed by a payload whose length its header gives.
fn records(stream: &[u8]) -> Vec<(u32, usize)> {
    let number = |at: usize| u64::from_le_bytes(stream[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap());
    let round = |length: usize| length.div_ceil(8) * 8;
    let mut found = Vec::new();
    let mut at = 0;
    while at + 312 <= stream.len() {
        let kind = short(at);
        let header_payload = short(at + 4) as usize;
        let payload = match kind {
            0 => header_payload,
            // OBJECT: the bonus buffer; WRITE: compressed or logical size; SPILL: length; EMBEDDED: its stored size.
            1 => round(short(at + 8 + 20) as usize),
            3 => {
                let compressed = number(at + 8 + 88) as usize;
                if compressed == 0 { number(at + 8 + 24) as usize } else { compressed }
            }
            7 => number(at + 8 + 8) as usize,
            8 => round(short(at + 8 + 44) as usize),
            _ => 0,
        };
        found.push((kind, at));
        at += 312 + payload;
    }
    found
}

/// Copies of a stream, damaged: one byte in the first record of each kind, and cuts at and around record boundaries.
fn damaged(stream: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut copies = Vec::new();
    let records = records(stream);
    let mut seen = Vec::new();
    for (kind, at) in &records {
        if seen.contains(kind) {
            continue;
        }
        seen.push(*kind);
        for offset in [16, 300] {
            let mut copy = stream.to_vec();
            copy[at + offset] ^= 0x40;
            copies.push((format!("record kind {kind} byte {offset}"), copy));
        }
    }
    let step = (records.len() / 4).max(1);
    for (kind, at) in records.iter().step_by(step) {
        for cut in [*at, at + 156] {
            copies.push((
                format!("cut at {cut}, in a record of kind {kind}"),
                stream[..cut].to_vec(),
            ));
        }
    }
    copies.push(("cut before the last byte".into(), stream[..stream.len() - 1].to_vec()));
    copies
}

/// A real zfs and a simulated one, side by side.
struct Both {
    gz: Gz,
    simulated: PathBuf,
    real: PathBuf,
}

impl Both {
    fn new(real: PathBuf) -> Self {
        let gz = Gz::init(&[]);
        let simulated = gz.root().join("usr/sbin/zfs");
        Self { gz, simulated, real }
    }

    /// Runs a command on both; it must work on both.
    fn succeed(&self, arguments: &[&str], stdin: Option<&Path>) {
        for program in [&self.simulated, &self.real] {
            let output = zfs(program, arguments, stdin);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Receives each stream into `target` on both, and takes it away again with `undo`. Gives what differed: whether it
    /// was taken, and the datasets and snapshots that are there afterwards.
    fn receive(
        &self,
        name: &str,
        target: &str,
        undo: &[&str],
        streams: &[(String, Vec<u8>)],
    ) -> Vec<String> {
        let file = self.gz.path("/tmp/stream");
        let list = ["list", "-H", "-o", "name", "-t", "all", "-r", target];
        let mut differences = Vec::new();
        for (what, stream) in streams {
            fs::write(&file, stream).unwrap();
            let [ours, theirs] = [&self.simulated, &self.real].map(|program| {
                let output = zfs(program, &["receive", "-u", target], Some(&file));
                let left = String::from_utf8_lossy(&zfs(program, &list, None).stdout).into_owned();
                if !left.is_empty() {
                    zfs(program, undo, None);
                }
                (
                    (output.status.success(), left),
                    String::from_utf8_lossy(&output.stderr).into_owned(),
                )
            });
            if ours.0 != theirs.0 {
                differences
                    .push(format!("{name}, {what}:\n  simulated {ours:?}\n  real      {theirs:?}"));
            }
        }
        differences
    }
}

#[test]
fn streams_are_taken_and_refused_alike() {
    let Some(real) = real_zfs("streams_are_taken_and_refused_alike") else { return };
    let both = Both::new(real);
    let base_file = both.gz.path("/tmp/base");
    let mut differences = Vec::new();
    for (name, base) in STREAMS {
        let stream = unpacked(name);
        let mut copies = damaged(&stream);
        copies.push(("whole".into(), stream));
        if let Some(base) = base {
            fs::write(&base_file, unpacked(base)).unwrap();
            both.succeed(&["receive", "zones/base"], Some(&base_file));
        }
        differences.extend(match *name {
            "fs-incremental" => {
                both.receive(name, "zones/base", &["rollback", "-r", "zones/base@final"], &copies)
            }
            _ => both.receive(name, "zones/r", &["destroy", "-r", "zones/r"], &copies),
        });
        if base.is_some() {
            both.succeed(&["destroy", "-rR", "zones/base"], None);
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn streams_made_by_this_zfs_are_taken_and_refused_alike() {
    let Some(real) = real_zfs("streams_made_by_this_zfs_are_taken_and_refused_alike") else {
        return;
    };
    let both = Both::new(real);
    let make = |arguments: &[&str]| {
        let output = zfs(&both.real, arguments, None);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    make(&["create", "-o", "recordsize=1M", "-o", "compression=lz4", "zones/made"]);
    make(&["create", "zones/made/child"]);
    make(&["create", "-V", "16M", "zones/made/volume"]);
    fs::write("/zones/made/text", "the same line\n".repeat(100_000)).unwrap();
    fs::write("/zones/made/small", "tiny").unwrap();
    fs::write("/zones/made/child/file", "x").unwrap();
    make(&["snapshot", "-r", "zones/made@a"]);
    fs::write("/zones/made/text", "another line\n".repeat(50_000)).unwrap();
    fs::remove_file("/zones/made/small").unwrap();
    make(&["snapshot", "-r", "zones/made@b"]);
    let sends: &[(&str, &[&str])] = &[
        ("replication", &["send", "-R", "zones/made@b"]),
        ("properties", &["send", "-p", "zones/made@a"]),
        ("compressed", &["send", "-c", "zones/made@a"]),
        ("embedded", &["send", "-e", "zones/made@a"]),
        ("large blocks", &["send", "-L", "-c", "-e", "zones/made@a"]),
        ("volume", &["send", "zones/made/volume@a"]),
    ];
    let mut differences = Vec::new();
    for (name, arguments) in sends {
        let stream = make(arguments);
        let mut copies: Vec<_> = damaged(&stream).into_iter().step_by(3).collect();
        copies.push(("whole".into(), stream));
        differences.extend(both.receive(name, "zones/r", &["destroy", "-r", "zones/r"], &copies));
    }
    // Every snapshot between two, on top of the first.
    let base = both.gz.path("/tmp/base");
    fs::write(&base, make(&["send", "zones/made@a"])).unwrap();
    both.succeed(&["receive", "-u", "zones/r"], Some(&base));
    for (name, flag) in [("incremental", "-i"), ("intermediate", "-I")] {
        let stream = make(&["send", flag, "@a", "zones/made@b"]);
        let mut copies: Vec<_> = damaged(&stream).into_iter().step_by(3).collect();
        copies.push(("whole".into(), stream));
        differences.extend(both.receive(
            name,
            "zones/r",
            &["rollback", "-r", "zones/r@a"],
            &copies,
        ));
    }
    both.succeed(&["destroy", "-r", "zones/r"], None);
    make(&["destroy", "-r", "zones/made"]);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
