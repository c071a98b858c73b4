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
