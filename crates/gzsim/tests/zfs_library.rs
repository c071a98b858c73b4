//! The simulated zfs as a library: what operations leave in the state and on disk.

use std::fs;
use std::path::Path;

use gzsim::zfs::{Code, Zfs};

const GIB: u64 = 1 << 30;

fn pool(root: &Path) -> Zfs {
    let mut zfs = Zfs::open(root).unwrap();
    zfs.create_pool("zones", 100 * GIB).unwrap();
    zfs.commit().unwrap();
    zfs
}

fn message<T: std::fmt::Debug>(result: Result<T, gzsim::zfs::Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn filesystems_are_directories_at_their_mountpoints() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/a", &[("quota", "10G")]).unwrap();
    zfs.create_fs("zones/a/data", &[]).unwrap();
    zfs.commit().unwrap();
    assert!(root.path().join("zones/a/data").is_dir());
    assert_eq!(zfs.get("zones/a", "quota").unwrap(), "10737418240");
    fs::write(root.path().join("zones/a/file"), "one").unwrap();
    fs::write(root.path().join("zones/a/data/file"), "two").unwrap();

    zfs.rename("zones/a", "zones/b").unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::read_to_string(root.path().join("zones/b/file")).unwrap(), "one");
    assert_eq!(fs::read_to_string(root.path().join("zones/b/data/file")).unwrap(), "two");
    assert!(!root.path().join("zones/a").exists());

    zfs.set("zones/b", &[("mountpoint", "/opt/b")]).unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::read_to_string(root.path().join("opt/b/data/file")).unwrap(), "two");
    zfs.inherit("zones/b", "mountpoint", false).unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::read_to_string(root.path().join("zones/b/data/file")).unwrap(), "two");

    assert_eq!(
        message(zfs.destroy("zones/b", false)),
        "cannot destroy 'zones/b': filesystem has children\n\
         use '-r' to destroy the following datasets:\nzones/b/data"
    );
    zfs.destroy("zones/b", true).unwrap();
    zfs.commit().unwrap();
    assert!(!root.path().join("zones/b").exists());
}

#[test]
fn snapshots_clones_and_rollback_give_files_back() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/img", &[]).unwrap();
    zfs.create_fs("zones/img/child", &[]).unwrap();
    zfs.commit().unwrap();
    let file = root.path().join("zones/img/etc");
    fs::write(&file, "as installed").unwrap();
    fs::write(root.path().join("zones/img/child/own"), "child").unwrap();
    zfs.snapshot("zones/img@final").unwrap();
    zfs.commit().unwrap();
    fs::write(&file, "changed").unwrap();
    zfs.clone_snapshot("zones/img@final", "zones/vm", &[("quota", "10G")]).unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::read_to_string(root.path().join("zones/vm/etc")).unwrap(), "as installed");
    assert!(!root.path().join("zones/vm/child/own").exists());
    assert_eq!(zfs.get("zones/vm", "origin").unwrap(), "zones/img@final");
    assert_eq!(zfs.get("zones/img@final", "clones").unwrap(), "zones/vm");

    zfs.rollback("zones/img@final", false, false).unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "as installed");
    assert_eq!(fs::read_to_string(root.path().join("zones/img/child/own")).unwrap(), "child");

    assert_eq!(
        message(zfs.destroy("zones/img", true)),
        "cannot destroy 'zones/img': filesystem has dependent clones\n\
         use '-R' to destroy the following datasets:\nzones/vm"
    );
    zfs.promote("zones/vm").unwrap();
    zfs.commit().unwrap();
    assert_eq!(zfs.get("zones/vm", "origin").unwrap(), "-");
    assert_eq!(zfs.get("zones/img", "origin").unwrap(), "zones/vm@final");
    zfs.destroy("zones/img", true).unwrap();
    zfs.commit().unwrap();
    assert_eq!(zfs.snapshots("zones/vm"), ["zones/vm@final"]);
}

#[test]
fn volumes_are_sparse_files_with_reservations() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/vm", &[]).unwrap();
    zfs.create_volume("zones/vm/disk0", 5 * GIB, &[("volblocksize", "8192")]).unwrap();
    zfs.commit().unwrap();
    let dev = root.path().join("dev/zvol/rdsk/zones/vm/disk0");
    assert_eq!(fs::metadata(&dev).unwrap().len(), 5 * GIB);
    assert_eq!(zfs.get("zones/vm/disk0", "refreservation").unwrap(), "5538578432");
    fs::write(root.path().join("dev/zvol/dsk/zones/vm/disk0"), b"boot").unwrap();
    zfs.set("zones/vm/disk0", &[("volsize", "6G")]).unwrap();
    zfs.commit().unwrap();
    assert_eq!(fs::metadata(&dev).unwrap().len(), 6 * GIB);
    assert_eq!(zfs.get("zones/vm/disk0", "refreservation").unwrap(), "6645874688");
    zfs.snapshot("zones/vm/disk0@s").unwrap();
    zfs.clone_snapshot("zones/vm/disk0@s", "zones/vm/disk1", &[("refreservation", "auto")])
        .unwrap();
    zfs.commit().unwrap();
}

#[test]
fn refusals_are_worded_as_on_illumos() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/a", &[]).unwrap();
    zfs.create_volume("zones/v", 8192, &[("refreservation", "none")]).unwrap();
    zfs.snapshot("zones/a@s").unwrap();
    zfs.commit().unwrap();
    for (result, text) in [
        (zfs.create_fs("zones/a", &[]), "cannot create 'zones/a': dataset already exists"),
        (zfs.create_fs("zones/b/c", &[]), "cannot create 'zones/b/c': parent does not exist"),
        (zfs.create_fs("zones/v/c", &[]), "cannot create 'zones/v/c': parent is not a filesystem"),
        (zfs.create_fs("tank/a", &[]), "cannot create 'tank/a': no such pool 'tank'"),
        (zfs.create_fs("zones", &[]), "cannot create 'zones': missing dataset name"),
        (
            zfs.create_fs("zones/x", &[("quota", "0")]),
            "cannot create 'zones/x': use 'none' to disable quota/refquota",
        ),
        (
            zfs.create_fs("zones/x", &[("nope", "1")]),
            "cannot create 'zones/x': invalid property 'nope'",
        ),
        (
            zfs.create_fs("zones/x", &[("volsize", "1")]),
            "cannot create 'zones/x': 'volsize' does not apply to datasets of this type",
        ),
        (
            zfs.create_volume("zones/x", 1000, &[]),
            "cannot create 'zones/x': volume size must be a multiple of volume block size",
        ),
        (
            zfs.create_volume("zones/x", 0, &[]),
            "cannot create 'zones/x': volume size cannot be zero",
        ),
        (zfs.create_volume("zones/x", 200 * GIB, &[]), "cannot create 'zones/x': out of space"),
        (
            zfs.set("zones/a", &[("recsize", "1000")]),
            "cannot set property for 'zones/a': 'recsize' must be power of 2 from 512B to 1024KB",
        ),
        (
            zfs.set("zones/a", &[("compression", "zip")]),
            "cannot set property for 'zones/a': 'compression' must be one of 'on | off | lzjb | gzip | gzip-[1-9] | zle | lz4'",
        ),
        (
            zfs.set("zones/a", &[("reservation", "200G")]),
            "cannot set property for 'zones/a': size is greater than available space",
        ),
        (
            zfs.set("zones/a", &[("quota", "1K")]),
            "cannot set property for 'zones/a': size is less than current used or reserved space",
        ),
        (
            zfs.set("zones/a", &[("used", "1K")]),
            "cannot set property for 'zones/a': 'used' is readonly",
        ),
        (zfs.snapshot("zones/a@s"), "cannot create snapshot 'zones/a@s': dataset already exists"),
        (zfs.destroy("zones/none", false), "cannot open 'zones/none': dataset does not exist"),
        (zfs.promote("zones/a"), "cannot promote 'zones/a': not a cloned filesystem"),
    ] {
        assert_eq!(message(result), text);
        zfs.revert().unwrap();
    }
    zfs.hold("keep", "zones/a@s", false).unwrap();
    assert_eq!(
        message(zfs.destroy("zones/a@s", false)),
        "cannot destroy snapshot zones/a@s: dataset is busy"
    );
    assert_eq!(zfs.destroy("zones/a", true).unwrap_err().code(), Code::Busy);
    assert_eq!(
        message(zfs.hold("keep", "zones/a@s", false)),
        "cannot hold snapshot 'zones/a@s': tag already exists on this dataset"
    );
    zfs.release("keep", "zones/a@s", false).unwrap();
    assert_eq!(
        message(zfs.release("keep", "zones/a@s", false)),
        "cannot release hold from snapshot 'zones/a@s': no such tag on this dataset"
    );
}

#[test]
fn nothing_happens_without_a_commit() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/a", &[]).unwrap();
    zfs.set("zones", &[("compression", "lz4")]).unwrap();
    drop(zfs);
    let zfs = Zfs::open_shared(root.path()).unwrap();
    assert!(!zfs.exists("zones/a"));
    assert_eq!(zfs.get("zones", "compression").unwrap(), "off");
    assert!(!root.path().join("zones/a").exists());
}

#[test]
fn a_mounted_filesystem_holds_back_the_one_it_is_mounted_in() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = pool(root.path());
    zfs.create_fs("zones/a", &[]).unwrap();
    zfs.create_fs("zones/cores", &[("mountpoint", "none")]).unwrap();
    zfs.create_fs("zones/cores/a", &[("mountpoint", "/zones/a/cores")]).unwrap();
    zfs.commit().unwrap();
    assert!(root.path().join("zones/a/cores").is_dir());
    assert_eq!(message(zfs.rename("zones/a", "zones/b")), "cannot unmount '/zones/a': Device busy");
    zfs.revert().unwrap();
    zfs.unmount("zones/cores/a").unwrap();
    zfs.rename("zones/a", "zones/b").unwrap();
    zfs.commit().unwrap();
    assert!(root.path().join("zones/b/cores").is_dir());
}

#[test]
fn a_pool_without_accounts_refuses_nothing_for_want_of_space() {
    let root = tempfile::tempdir().unwrap();
    let mut zfs = Zfs::open(root.path()).unwrap();
    zfs.create_pool("zones", gzsim::zfs::UNCOUNTED).unwrap();
    zfs.create_fs("zones/vm", &[("quota", "1G"), ("reservation", "1G")]).unwrap();
    zfs.create_volume("zones/vm/disk0", GIB << 10, &[]).unwrap();
    zfs.set("zones/vm/disk0", &[("volsize", "2T")]).unwrap();
    zfs.set("zones/vm", &[("quota", "2K")]).unwrap();
    zfs.snapshot("zones/vm/disk0@s").unwrap();
    assert_eq!(zfs.get("zones/vm/disk0", "volsize").unwrap(), (GIB << 11).to_string());
}
