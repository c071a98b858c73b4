//! Many runs at once: every zone gets its entry and a debug ID of its own.

mod common;

use std::collections::BTreeSet;

use common::Root;

#[test]
fn zones_configured_at_once_all_get_their_entries() {
    const ZONES: usize = 12;
    let root = Root::new();
    std::thread::scope(|scope| {
        for at in 0..ZONES {
            let root = &root;
            scope.spawn(move || {
                let name = format!("z{at}");
                let script = format!("create -b; set zonepath=/zones/{name}; set brand=lx");
                let ran = root.zonecfg(&["-z", &name, &script], "");
                assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
                let ran = root.zonecfg(&["-z", &name, "set autoboot=true"], "");
                assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
            });
        }
    });
    let index = root.read("/etc/zones/index").expect("an index");
    let entries: Vec<_> = index.lines().filter(|line| line.starts_with('z')).collect();
    assert_eq!(entries.len(), ZONES, "{index}");
    let debugids: BTreeSet<_> = entries.iter().map(|line| line.rsplit(':').next()).collect();
    assert_eq!(debugids.len(), ZONES, "{index}");
    let left: Vec<_> = std::fs::read_dir(root.path("/etc/zones"))
        .expect("a directory")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("zonecfg."))
        .collect();
    assert_eq!(left, [""; 0], "temporary files");
}
