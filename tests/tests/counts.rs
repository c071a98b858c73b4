//! Listing runs one tool a source, however many VMs there are.

use e2e::{Gz, Need, needs};

/// The tools that `vmadm` runs with these arguments, on a machine with `count` VMs.
fn runs(count: u32, arguments: &[&str]) -> Vec<String> {
    let gz = Gz::with_vms(count);
    gz.clear_calls();
    let _ = gz.vmadm(arguments).ok();
    let first_word = |call: &String| call.split(' ').next().unwrap_or_default().to_owned();
    gz.calls().iter().map(first_word).collect()
}

#[test]
fn the_number_of_vms_does_not_change_the_tools_that_are_run() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let everything = "uuid,type,ram,state,alias,quota,zfs_io_priority,pid,boot_timestamp";
    for arguments in [
        &["list"][..],
        &["list", "-p", "-o", everything],
        &["lookup", "-j", "state=running"],
        &["lookup", "nics.*.ip=10.0.0.1"],
    ] {
        let one = runs(1, arguments);
        assert!(!one.is_empty(), "{arguments:?} runs no tool at all");
        let mut tools = one.clone();
        tools.sort_unstable();
        tools.dedup();
        assert_eq!(tools.len(), one.len(), "{arguments:?} runs a tool twice: {one:?}");
        assert_eq!(runs(10, arguments), one, "{arguments:?}");
        assert_eq!(runs(100, arguments), one, "{arguments:?}");
    }
}

#[test]
fn a_listing_without_datasets_does_not_run_zfs() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let uuid = "b0000001-0000-4000-8000-000000000001";
    for arguments in [&["list"][..], &["lookup", &format!("uuid={uuid}")]] {
        let calls = runs(3, arguments);
        assert!(calls.iter().all(|call| *call != "zfs"), "{arguments:?}: {calls:?}");
    }
}

/// Makes snapshots of datasets that no VM has.
fn take_snapshots(gz: &Gz) {
    let _ = gz.run("zfs", &["create", "zones/others"]).ok();
    for below in ["a", "b", "c"] {
        let _ = gz.run("zfs", &["create", &format!("zones/others/{below}")]).ok();
    }
    for name in ["s1", "s2", "s3"] {
        let _ = gz.run("zfs", &["snapshot", "-r", &format!("zones/others@{name}")]).ok();
    }
}

#[test]
fn snapshots_of_others_are_never_listed() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let gz = Gz::with_vms(4);
    let uuid = "b0000001-0000-4000-8000-000000000001";
    let by_uuid = format!("uuid={uuid}");
    let commands: &[(&str, &[&str])] = &[
        ("vmadm", &["list"]),
        ("vmadm", &["list", "-o", "uuid,quota"]),
        ("vmadm", &["lookup", "-j", "state=running"]),
        ("vmadm", &["lookup", "-j", "-o", "uuid,snapshots"]),
        ("vmadm", &["lookup", &by_uuid]),
        ("vmadm", &["get", uuid]),
        ("vmadm", &["info", uuid]),
        ("imgadm", &["list"]),
        ("imgadm", &["list", "-H", "-o", "uuid,clones,name"]),
    ];
    let calls = || -> Vec<Vec<String>> {
        let run = |(program, arguments): &(&str, &[&str])| {
            gz.clear_calls();
            // Whether an OS VM has anything to say to `info` does not matter here.
            let _ = gz.run(program, arguments);
            let calls = gz.calls();
            calls.into_iter().filter(|call| call.starts_with("zfs ")).collect()
        };
        commands.iter().map(run).collect()
    };
    let without = calls();
    for (command, calls) in commands.iter().zip(&without) {
        for call in calls {
            assert!(lists_by_name(call), "{command:?}: {call}");
        }
    }
    take_snapshots(&gz);
    assert_eq!(calls(), without);
}

/// Whether a run of zfs looks at the snapshots of datasets that it names, if at any.
fn lists_by_name(call: &str) -> bool {
    let words: Vec<&str> = call.split(' ').collect();
    let after = |option: &str| {
        words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied()
    };
    let types = after("-t").unwrap_or("filesystem,volume");
    let snapshots = types.split(',').any(|kind| matches!(kind, "snapshot" | "snap" | "all"));
    // Below a dataset with a slash in its name are a VM's or an image's snapshots, below a pool all there are.
    let named = |word: &&str| word.contains('/');
    let recursive = words.contains(&"-r") && after("-d").is_none();
    !snapshots || (words.last().is_some_and(named) && !recursive)
}
