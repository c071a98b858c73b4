//! Real send streams and our own: received, refused when damaged, given back.

mod zfs_machine;

use std::fs;

use zfs_machine::{Machine, stream};

/// Name in the test data, dataset that it is received into, and what has to be there first.
const SINGLE: &[(&str, &[(&str, &str)])] = &[
    ("fs-full", &[]),
    ("fs-incremental", &[("fs-full", "zones/x")]),
    ("fs-compressed", &[]),
    ("fs-embedded", &[]),
    ("fs-large-block", &[]),
    ("vol-full", &[]),
    ("zone", &[]),
];

#[test]
fn real_streams_are_received_and_given_back_byte_for_byte() {
    for (name, before) in SINGLE {
        let m = Machine::new();
        for (first, into) in *before {
            m.receive(&[into], &stream(first)).ok();
        }
        let bytes = stream(name);
        m.receive(&["zones/x"], &bytes).ok();
        let snaps = m.zfs(&["list", "-H", "-t", "snapshot", "-o", "name", "-r", "zones/x"]).ok();
        let last = snaps.lines().last().unwrap().to_owned();
        let sent = match before.first() {
            None => m.zfs_bytes(&["send", &last]),
            Some(_) => m.zfs_bytes(&["send", "-i", "@final", &last]),
        };
        assert!(sent == bytes, "{name}: other bytes came back");
        // the same after a rename, as an image import does it
        m.zfs(&["rename", "zones/x", "zones/y"]).ok();
        let renamed = last.replace("zones/x", "zones/y");
        if before.is_empty() {
            assert!(m.zfs_bytes(&["send", &renamed]) == bytes, "{name}: renamed");
        }
    }
}

#[test]
fn a_volume_stream_is_written_into_the_volume() {
    let m = Machine::new();
    m.receive(&["zones/v"], &stream("vol-full")).ok();
    let device = fs::read(m.path("dev/zvol/rdsk/zones/v")).unwrap();
    assert_eq!(device.len(), 8 << 20);
    assert!(device.starts_with(b"boot sector of a test disk\0"));
    assert!(device[8192..4 * 8192].iter().all(|b| *b == 0));
    assert!(device[4 * 8192..4 * 8192 + 40_000].iter().any(|b| *b != 0));
    assert_eq!(m.get("zones/v", "volsize"), "8388608");
    assert_eq!(m.get("zones/v", "volblocksize"), "8192");
    assert_eq!(m.get("zones/v", "type"), "volume");

    // a clone of it, found by the guid of its origin
    let clone = stream("vol-clone-incremental");
    m.receive(&["zones/w"], &clone).ok();
    assert_eq!(m.get("zones/w", "origin"), "zones/v@final");
    let changed = fs::read(m.path("dev/zvol/rdsk/zones/w")).unwrap();
    assert_eq!(changed.len(), device.len());
    assert!(changed[40 * 8192..41 * 8192].iter().any(|b| *b != 0));
    assert_eq!(changed[..40 * 8192], device[..40 * 8192]);
    assert!(m.zfs_bytes(&["send", "-i", "zones/v@final", "zones/w@final"]) == clone);
}

#[test]
fn packages_bring_children_snapshots_and_properties() {
    let m = Machine::new();
    m.receive(&["zones/r2"], &stream("replication")).ok();
    assert_eq!(
        m.zfs(&["list", "-H", "-r", "-t", "all", "-o", "name", "zones/r2"]).ok(),
        "zones/r2\nzones/r2@s1\nzones/r2@s2\nzones/r2/child\nzones/r2/child@s1\nzones/r2/child@s2\n"
    );
    let m = Machine::new();
    m.receive(&["zones/p"], &stream("fs-props")).ok();
    assert_eq!(
        m.zfs(&["get", "-H", "-o", "value,source", "recordsize", "zones/p"]).ok(),
        "16K\treceived\n"
    );
}

#[test]
fn incremental_streams_need_their_base() {
    let m = Machine::new();
    let incremental = stream("fs-incremental");
    m.receive(&["zones/x"], &incremental)
        .refused("cannot receive incremental stream: destination 'zones/x' does not exist");
    m.zfs(&["create", "zones/x"]).ok();
    m.receive(&["zones/x"], &incremental).refused(
        "cannot receive incremental stream: most recent snapshot of zones/x does not\n\
         match incremental source",
    );
    m.receive(&["zones/x"], &stream("fs-full")).refused(
        "cannot receive new filesystem stream: destination 'zones/x' exists\n\
         must specify -F to overwrite it",
    );
    m.receive(&["-F", "zones/x"], &stream("fs-full")).ok();
    m.receive(&["-F", "zones/x"], &stream("fs-full")).refused(
        "cannot receive new filesystem stream: destination has snapshots (eg. zones/x@final)\n\
         must destroy them to overwrite it",
    );
    fs::write(m.path("zones/x/new"), "changed").unwrap();
    m.receive(&["zones/x"], &incremental).refused(
        "cannot receive incremental stream: destination zones/x has been modified\n\
         since most recent snapshot",
    );
    m.receive(&["-F", "zones/x"], &incremental).ok();
    assert!(!m.path("zones/x/new").exists());
    m.receive(&["zones/c"], &stream("vol-clone-incremental"))
        .refused("cannot receive: local origin for clone zones/c@final does not exist");
    m.receive(&["zones/none/a"], &stream("fs-full")).refused(
        "cannot open 'zones/none': dataset does not exist\n\
         cannot receive new filesystem stream: unable to restore to destination",
    );
}

/// Offsets of the records of a stream, by walking it.
fn records(bytes: &[u8]) -> Vec<(u32, usize, usize)> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let mut found = Vec::new();
    let mut at = 0;
    while at + 312 <= bytes.len() {
        let kind = word(at);
        let payload = match kind {
            0 => word(at + 4) as usize,
            1 => (word(at + 28) as usize).next_multiple_of(8),
            3 if long(at + 96) != 0 => long(at + 96),
            3 => long(at + 32),
            7 if long(at + 40) != 0 => long(at + 40),
            7 => long(at + 16),
            8 => (word(at + 52) as usize).next_multiple_of(8),
            _ => 0,
        };
        found.push((kind, at, payload));
        at += 312 + payload;
    }
    assert_eq!(at, bytes.len());
    found
}

#[test]
fn a_hit_on_any_record_is_noticed_and_leaves_nothing_behind() {
    const CHECKSUM: &str =
        "cannot receive new filesystem stream: checksum mismatch or incomplete stream";
    let m = Machine::new();
    let before = m.zfs(&["list", "-H", "-t", "all", "-o", "name"]).ok();
    for name in ["fs-full", "fs-compressed", "fs-embedded", "vol-full"] {
        let good = stream(name);
        let mut hit = std::collections::BTreeSet::new();
        for (kind, at, payload) in records(&good) {
            if !hit.insert(kind) {
                continue;
            }
            // BEGIN's own fields come first: 60 is in the name, which no check but the sums covers
            let mut places = vec![if kind == 0 { at + 200 } else { at + 8 }, at + 311];
            if kind == 0 {
                places.pop();
            }
            if payload > 0 {
                places.extend([at + 312, at + 312 + payload - 1]);
            }
            for place in places {
                let mut bad = good.clone();
                bad[place] ^= 0x10;
                m.receive(&["zones/x"], &bad).refused(CHECKSUM);
            }
        }
        assert!(hit.len() >= 4, "{name}: {hit:?}");
    }
    let mut bad = stream("fs-full");
    bad[8] ^= 1;
    m.receive(&["zones/x"], &bad).refused("cannot receive: invalid stream (bad magic number)");
    m.receive(&["zones/x"], b"").refused("cannot receive: failed to read from stream");
    m.receive(&["zones/x"], &[0x1f; 4096])
        .refused("cannot receive: invalid stream (bad magic number)");
    assert_eq!(m.zfs(&["list", "-H", "-t", "all", "-o", "name"]).ok(), before);
    assert_eq!(m.leftovers(), Vec::<String>::new());
}

#[test]
fn a_stream_cut_anywhere_is_refused() {
    let m = Machine::new();
    let good = stream("vol-full");
    let mut cuts: Vec<usize> = records(&good).iter().map(|(_, at, _)| *at).skip(1).collect();
    cuts.extend([1, 311, 313, 5000, good.len() - 1, good.len() - 312]);
    for cut in cuts {
        let expected = if cut < 312 {
            "cannot receive: failed to read from stream"
        } else {
            "cannot receive new filesystem stream: checksum mismatch or incomplete stream"
        };
        m.receive(&["zones/x"], &good[..cut]).refused(expected);
    }
    let package = stream("replication");
    for (_, at, _) in records_of_package(&package) {
        assert_ne!(m.receive(&["zones/r"], &package[..at]).code, 0, "{at}");
        m.zfs(&["destroy", "-r", "zones/r"]);
    }
    assert_eq!(m.leftovers(), Vec::<String>::new());
}

/// A package is a walk of records as well: BEGIN, END, streams, END.
fn records_of_package(bytes: &[u8]) -> Vec<(u32, usize, usize)> {
    records(bytes)
}

#[test]
fn files_travel_in_streams_of_our_own() {
    let a = Machine::new();
    a.zfs(&["create", "-o", "compression=lz4", "-o", "zonekit:note=a b", "zones/fs"]).ok();
    a.zfs(&["create", "zones/fs/child"]).ok();
    fs::create_dir(a.path("zones/fs/etc")).unwrap();
    fs::write(a.path("zones/fs/etc/motd"), "one").unwrap();
    fs::write(a.path("zones/fs/child/own"), "child").unwrap();
    std::os::unix::fs::symlink("motd", a.path("zones/fs/etc/link")).unwrap();
    fs::write(a.path("zones/fs/big"), vec![7u8; 300_000]).unwrap();
    a.zfs(&["snapshot", "-r", "zones/fs@one"]).ok();
    fs::write(a.path("zones/fs/etc/motd"), "two").unwrap();
    fs::remove_file(a.path("zones/fs/big")).unwrap();
    a.zfs(&["snapshot", "-r", "zones/fs@two"]).ok();

    let b = Machine::new();
    let full = a.zfs_bytes(&["send", "zones/fs@one"]);
    records(&full);
    b.receive(&["zones/copy"], &full).ok();
    assert_eq!(fs::read_to_string(b.path("zones/copy/etc/motd")).unwrap(), "one");
    assert_eq!(fs::read(b.path("zones/copy/big")).unwrap(), vec![7u8; 300_000]);
    assert_eq!(fs::read_link(b.path("zones/copy/etc/link")).unwrap().to_str(), Some("motd"));
    assert_eq!(a.get("zones/fs@one", "guid"), b.get("zones/copy@one", "guid"));
    let incremental = a.zfs_bytes(&["send", "-i", "one", "zones/fs@two"]);
    b.receive(&["zones/copy"], &incremental).ok();
    assert_eq!(fs::read_to_string(b.path("zones/copy/etc/motd")).unwrap(), "two");
    assert!(!b.path("zones/copy/big").exists());
    b.zfs(&["rollback", "-r", "zones/copy@one"]).ok();
    assert_eq!(fs::read_to_string(b.path("zones/copy/etc/motd")).unwrap(), "one");

    let package = a.zfs_bytes(&["send", "-R", "zones/fs@two"]);
    b.receive(&["-u", "zones/all"], &package).ok();
    assert!(!b.path("zones/all/etc").exists());
    b.zfs(&["mount", "-a"]).ok();
    assert_eq!(fs::read_to_string(b.path("zones/all/etc/motd")).unwrap(), "two");
    assert_eq!(fs::read_to_string(b.path("zones/all/child/own")).unwrap(), "child");
    assert_eq!(
        b.zfs(&["get", "-H", "-o", "value,source", "compression,zonekit:note", "zones/all"]).ok(),
        "lz4\treceived\na b\treceived\n"
    );
    // and on from there, under the new name
    let c = Machine::new();
    c.receive(&["zones/third"], &b.zfs_bytes(&["send", "-R", "zones/all@two"])).ok();
    assert_eq!(fs::read_to_string(c.path("zones/third/child/own")).unwrap(), "child");
}

#[test]
fn a_clone_travels_as_the_change_to_its_origin() {
    let a = Machine::new();
    let b = Machine::new();
    for m in [&a, &b] {
        m.receive(&["zones/img"], &stream("vol-full")).ok();
    }
    a.zfs(&["create", "zones/vm"]).ok();
    a.zfs(&["clone", "-o", "refreservation=auto", "zones/img@final", "zones/vm/disk0"]).ok();
    let disk = a.path("dev/zvol/rdsk/zones/vm/disk0");
    let mut data = fs::read(&disk).unwrap();
    data[..4].copy_from_slice(b"BOOT");
    data[4 * 8192..5 * 8192].fill(0);
    fs::write(&disk, &data).unwrap();
    a.zfs(&["snapshot", "-r", "zones/vm@sending"]).ok();
    let package = a.zfs_bytes(&["send", "-R", "zones/vm@sending"]);
    assert!(package.len() < 60_000, "{} bytes: not an increment", package.len());
    b.receive(&["zones/vm2"], &package).ok();
    assert_eq!(b.get("zones/vm2/disk0", "origin"), "zones/img@final");
    assert!(fs::read(b.path("dev/zvol/rdsk/zones/vm2/disk0")).unwrap() == data);
}

/// The receiver must not wait for a sender that waits for the receiver.
#[test]
fn a_pipe_from_send_to_receive_on_one_machine() {
    let m = Machine::new();
    m.zfs(&["create", "zones/a"]).ok();
    m.zfs(&["create", "zones/a/b"]).ok();
    for dir in ["zones/a", "zones/a/b"] {
        fs::write(m.path(dir).join("big"), vec![1u8; 4 << 20]).unwrap();
    }
    m.zfs(&["snapshot", "-r", "zones/a@s"]).ok();
    let mut send = m
        .command("zfs", &["send", "-R", "zones/a@s"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut receive = m
        .command("zfs", &["receive", "zones/c"])
        .stdin(send.stdout.take().unwrap())
        .spawn()
        .unwrap();
    assert!(receive.wait().unwrap().success());
    assert!(send.wait().unwrap().success());
    assert_eq!(fs::metadata(m.path("zones/c/b/big")).unwrap().len(), 4 << 20);
}

#[test]
fn a_cut_receive_is_taken_up_again_by_its_token() {
    let a = Machine::new();
    a.receive(&["zones/v"], &stream("vol-full")).ok();
    let good = a.zfs_bytes(&["send", "zones/v@final"]);
    let b = Machine::new();
    let failed = b.receive(&["-s", "zones/v"], &good[..30_000]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("Partially received snapshot is saved."), "{}", failed.stderr);
    let token = b.get("zones/v", "receive_resume_token");
    assert!(failed.stderr.trim_end().ends_with(&format!("zfs send -t {token}")));
    let rest = a.zfs_bytes(&["send", "-t", &token]);
    assert!(rest.len() < good.len());

    // Cut off once more, it goes on from there.
    let failed = b.receive(&["-s", "zones/v"], &rest[..rest.len() / 2]);
    let later = b.get("zones/v", "receive_resume_token");
    assert!(failed.stderr.trim_end().ends_with(&format!("zfs send -t {later}")));
    assert!(later != token && later != "-");
    let last = a.zfs_bytes(&["send", "-t", &later]);
    assert!(last.len() < rest.len());
    assert_eq!(b.receive(&["-s", "zones/v"], &rest[..100]).code, 1);
    assert_eq!(b.get("zones/v", "receive_resume_token"), later);
    let rest = last;
    b.receive(&["-s", "zones/v"], &rest).ok();
    assert_eq!(b.get("zones/v", "receive_resume_token"), "-");
    assert!(b.zfs_bytes(&["send", "zones/v@final"]) == good);
    let device = |m: &Machine| fs::read(m.path("dev/zvol/rdsk/zones/v")).unwrap();
    assert!(device(&a) == device(&b));

    let c = Machine::new();
    c.receive(&["-s", "zones/v"], &good[..30_000]);
    c.zfs(&["receive", "-A", "zones/v"]).ok();
    c.zfs(&["list", "zones/v"]).refused("cannot open 'zones/v': dataset does not exist");
    assert_eq!(c.leftovers(), Vec::<String>::new());
}

#[test]
fn a_stream_that_does_not_fit_is_refused() {
    let m = Machine::sized("200K");
    m.receive(&["zones/x"], &stream("fs-large-block"))
        .refused("cannot receive new filesystem stream: out of space");
    let m = Machine::new();
    m.zfs(&["create", "-o", "quota=200K", "zones/small"]).ok();
    m.receive(&["zones/small/x"], &stream("fs-large-block")).refused(
        "cannot receive new filesystem stream: destination zones/small/x space quota exceeded.",
    );
    assert_eq!(m.leftovers(), Vec::<String>::new());
}
