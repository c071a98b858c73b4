//! Streams that OpenZFS made, whole and damaged: the simulated `zfs receive` takes and refuses them exactly where the real
//! one does.
//!
//! `ci/real-zfs.sh` runs it in a throw-away machine with OpenZFS.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use e2e::both::Both;
use e2e::needs::have_time;
use e2e::{Need, needs};

/// The streams of the test data, each with the stream that it needs first.
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

/// A stream with at most as many records is cut at each; a longer one at some. More where there is time.
const EVERY_RECORD: [usize; 2] = [6, 60];

/// How many records of a longer one are cut.
const CUTS: [usize; 2] = [3, 20];

fn unpacked(name: &str) -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/zfs-streams/{name}.zfs.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    /// `dmu_replay_record_t.drr_type`.
    kind: u32,
    /// Where it begins; the payload follows its 312 bytes.
    at: usize,
    payload: usize,
}

/// Length of `dmu_replay_record_t`; its last 32 bytes are the checksum of the stream so far.
const HEADER: usize = 312;

fn records(stream: &[u8]) -> Vec<Record> {
    let number = |at: usize| u64::from_le_bytes(stream[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap());
    let round = |length: usize| length.div_ceil(8) * 8;
    let mut found = Vec::new();
    let mut at = 0;
    while at + HEADER <= stream.len() {
        let kind = short(at);
        let body = at + 8;
        let payload = match kind {
            // BEGIN: its header says. OBJECT: the bonus buffer.
            0 => short(at + 4) as usize,
            1 => round(short(body + 20) as usize),
            // WRITE: compressed or logical size. SPILL: length. WRITE_EMBEDDED: the size stored.
            3 => match number(body + 88) as usize {
                0 => number(body + 24) as usize,
                compressed => compressed,
            },
            7 => number(body + 8) as usize,
            8 => round(short(body + 44) as usize),
            _ => 0,
        };
        found.push(Record { kind, at, payload });
        at += HEADER + payload;
    }
    assert_eq!(at, stream.len(), "the records of the stream are walked wrongly");
    found
}

/// Copies of the stream `name`, damaged: its first and last record of each kind in the type, the body, the checksum and
/// the payload; cut at record boundaries, in the middle of records, and before its last byte. Where there is little
/// time, each kind is damaged in one of these places: another one from kind to kind and from stream to stream.
fn damaged(name: &str, stream: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut copies = Vec::new();
    let records = records(stream);
    let mut kinds: Vec<u32> = records.iter().map(|record| record.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let of_kind = || records.iter().filter(move |record| record.kind == kind);
        let (Some(first), Some(last)) = (of_kind().next(), of_kind().next_back()) else { continue };
        let mut spots = vec![(first, 1), (first, 16), (last, HEADER - 12)];
        if let Some(record) = of_kind().find(|record| record.payload > 0) {
            spots.push((record, HEADER + record.payload / 2));
        }
        if !have_time() {
            let turn = (kind as usize + name.len()) % spots.len();
            spots = vec![spots[turn]];
        }
        for (record, offset) in spots {
            let mut copy = stream.to_vec();
            copy[record.at + offset] ^= 0x40;
            copies.push((format!("record of kind {kind} at {}, byte {offset}", record.at), copy));
        }
    }
    let time = usize::from(have_time());
    let step =
        if records.len() <= EVERY_RECORD[time] { 1 } else { records.len().div_ceil(CUTS[time]) };
    for (number, record) in records.iter().step_by(step).enumerate() {
        // At the beginning and, in turn, within the header or the payload.
        let within = if number % 2 == 0 { 156 } else { HEADER + record.payload / 2 };
        for cut in [record.at, record.at + within] {
            let what = format!("cut at {cut}, in a record of kind {}", record.kind);
            copies.push((what, stream[..cut].to_vec()));
        }
    }
    copies.push(("cut before the last byte".into(), stream[..stream.len() - 1].to_vec()));
    copies.push(("whole".into(), stream.to_vec()));
    copies
}

/// Receives a stream, whole and damaged, into `target` on both, and takes it away again with `undo`. Gives what
/// differed: whether it was taken, and the datasets and snapshots that are there afterwards.
fn compare(both: &Both, name: &str, target: &str, undo: &[&str], stream: &[u8]) -> Vec<String> {
    let file = both.gz.path("/tmp/stream");
    let list = ["list", "-H", "-o", "name", "-t", "all", "-r", target];
    let names =
        || both.run(&list, None).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // A package (DMU_COMPOUNDSTREAM in the first record) may be refused after a part of it was taken.
    let is_package = stream[16] & 3 == 2;
    let [ours_at_first, theirs_at_first] = names();
    assert_eq!(ours_at_first, theirs_at_first);
    let mut differences = Vec::new();
    for (what, copy) in damaged(name, stream) {
        fs::write(&file, &copy).unwrap();
        let [ours, theirs] = both.run(&["receive", "-u", target], Some(&file));
        let (taken, wanted) = (ours.status.success(), theirs.status.success());
        let mut left = [String::new(), String::new()];
        if taken || wanted || is_package {
            left = names();
            both.run(undo, None);
        }
        if taken != wanted || left[0] != left[1] {
            let message = |output: &std::process::Output| {
                String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ")
            };
            differences.push(format!(
                "{name}, {what}:\n  simulated {taken} ({}) {:?}\n  real      {wanted} ({}) {:?}",
                message(&ours),
                left[0],
                message(&theirs),
                left[1]
            ));
        }
    }
    let [ours, theirs] = names();
    if ours != ours_at_first || theirs != theirs_at_first {
        differences.push(format!("{name} left {ours:?} and {theirs:?}"));
    }
    differences
}

fn assert_none(differences: &[String]) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn streams_are_taken_and_refused_alike() {
    needs!(Need::RealZfs);
    let both = Both::new();
    let base_file = both.gz.path("/tmp/base");
    let mut differences = Vec::new();
    for (name, base) in STREAMS {
        let stream = unpacked(name);
        if let Some(base) = base {
            fs::write(&base_file, unpacked(base)).unwrap();
            both.succeed(&["receive", "zones/base"], Some(&base_file));
        }
        differences.extend(match *name {
            "fs-incremental" => {
                let undo = ["rollback", "-r", "zones/base@final"];
                compare(&both, name, "zones/base", &undo, &stream)
            }
            _ => compare(&both, name, "zones/r", &["destroy", "-r", "zones/r"], &stream),
        });
        if base.is_some() {
            both.succeed(&["destroy", "-rR", "zones/base"], None);
        }
    }
    assert_none(&differences);
}

/// Makes `zones/made` with a child and a volume, and two snapshots of all.
fn make(both: &Both) {
    both.real(&["create", "-o", "recordsize=1M", "-o", "compression=lz4", "zones/made"]);
    both.real(&["create", "zones/made/child"]);
    both.real(&["create", "-V", "16M", "zones/made/volume"]);
    fs::write("/zones/made/text", "the same line\n".repeat(100_000)).unwrap();
    // Compresses to less than the 112 bytes that a block pointer holds.
    fs::write("/zones/made/embedded", "e".repeat(4096)).unwrap();
    fs::write("/zones/made/small", "tiny").unwrap();
    std::os::unix::fs::symlink("small", "/zones/made/link").unwrap();
    fs::write("/zones/made/child/file", "x").unwrap();
    Command::new("udevadm").arg("settle").status().unwrap();
    fs::write("/dev/zvol/zones/made/volume", "boot sector".repeat(2000)).unwrap();
    both.real(&["snapshot", "-r", "zones/made@a"]);
    fs::write("/zones/made/text", "another line\n".repeat(50_000)).unwrap();
    fs::remove_file("/zones/made/small").unwrap();
    both.real(&["snapshot", "-r", "zones/made@b"]);
}

#[test]
fn streams_made_by_this_zfs_are_taken_and_refused_alike() {
    needs!(Need::RealZfs);
    let both = Both::new();
    make(&both);
    let sends: &[(&str, &[&str])] = &[
        ("filesystem", &["send", "zones/made@a"]),
        ("properties", &["send", "-p", "zones/made@a"]),
        ("compressed", &["send", "-c", "zones/made@a"]),
        ("embedded", &["send", "-e", "zones/made@a"]),
        ("large blocks", &["send", "-L", "zones/made@a"]),
        ("large, compressed, embedded", &["send", "-L", "-c", "-e", "zones/made@a"]),
        ("volume", &["send", "zones/made/volume@a"]),
        ("compressed volume", &["send", "-c", "zones/made/volume@a"]),
        ("replication", &["send", "-R", "zones/made@b"]),
    ];
    let mut differences = Vec::new();
    for (name, arguments) in sends {
        let stream = both.real(arguments);
        let undo = ["destroy", "-r", "zones/r"];
        differences.extend(compare(&both, name, "zones/r", &undo, &stream));
    }
    assert_none(&differences);
}

#[test]
fn increments_made_by_this_zfs_are_taken_and_refused_alike() {
    needs!(Need::RealZfs);
    let both = Both::new();
    make(&both);
    let base = both.gz.path("/tmp/base");
    fs::write(&base, both.real(&["send", "zones/made@a"])).unwrap();
    both.succeed(&["receive", "-u", "zones/r"], Some(&base));
    let mut differences = Vec::new();
    for (name, flag) in [("incremental", "-i"), ("replication incremental", "-I")] {
        let stream = both.real(&["send", flag, "@a", "zones/made@b"]);
        let undo = ["rollback", "-r", "zones/r@a"];
        differences.extend(compare(&both, name, "zones/r", &undo, &stream));
    }
    assert_none(&differences);
}
