//! libzfs and the zfs program give the same rows. Runs where there is a real ZFS: the OpenZFS lane, illumos.

use std::process::Command;

use libzfs_sys::{Error, Libzfs, Types};

/// What is asked for anywhere, and a user property.
const PROPERTIES: [&str; 23] = [
    "name",
    "type",
    "origin",
    "mountpoint",
    "quota",
    "refquota",
    "reservation",
    "refreservation",
    "recordsize",
    "compression",
    "volsize",
    "volblocksize",
    "used",
    "available",
    "creation",
    "filesystem_limit",
    "snapshot_limit",
    "usedbysnapshots",
    "userrefs",
    "written",
    "zoned",
    "recsize",
    "zonekit:test",
];

fn by_program(types: &str) -> Vec<Vec<String>> {
    let output = Command::new("zfs")
        .args(["list", "-H", "-p", "-t", types, "-o", &PROPERTIES.join(",")])
        .output()
        .expect("zfs runs where libzfs loads");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[test]
fn libzfs_and_the_zfs_program_agree() {
    let library = match Libzfs::load() {
        Ok(library) => library,
        Err(error) => {
            eprintln!("skipped: libzfs_and_the_zfs_program_agree needs a real ZFS ({error})");
            return;
        }
    };
    for (types, filesystems, volumes) in
        [("filesystem,volume", true, true), ("filesystem", true, false), ("volume", false, true)]
    {
        let mut ours =
            library.list(Types { filesystems, volumes }, &PROPERTIES, &[], None).unwrap();
        let mut theirs = by_program(types);
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{types}");
    }
    let all = Types { filesystems: true, volumes: true };
    assert!(matches!(library.list(all, &["nosuch"], &[], None), Err(Error::Property(_))));
    assert!(matches!(library.list(all, &["name"], &["no/such"], None), Err(Error::Dataset(_))));
    let rows = library.list(all, &["name"], &[], Some(0)).unwrap();
    assert!(rows.iter().all(|row| !row[0].contains('/')), "{rows:?}");
}
