//! The simulated zfs against a real one: the same commands in the same order, the same answers.
//!
//! `ci/real-zfs.sh` runs it in a throw-away machine with OpenZFS.

use std::process::Output;

use e2e::both::Both;
use e2e::{Need, needs};

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
    ("destroy zones/odd", "has it"),
    ("get -H -p -o value filesystem_limit zones/d", "prints none for no limit, also with -p"),
    ("destroy zones/d@two", "names the way to see the holders"),
    ("send zones/d@nosuch", "looks for the snapshot earlier"),
    ("send zones/d", "has another message for a dataset in use"),
];

#[test]
fn the_same_commands_get_the_same_answers() {
    needs!(Need::RealZfs);
    let both = Both::new();
    let mut differences = Vec::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split(' ').collect();
        let [ours, theirs] = both.run(&arguments, None).map(|output| answer(&output));
        if ours != theirs && !KNOWN.iter().any(|(known, _)| known == command) {
            differences
                .push(format!("zfs {command}\n  simulated {ours:?}\n  real      {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
