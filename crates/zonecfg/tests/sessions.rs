//! Runs beyond the observed ones: what the sources of illumos's zonecfg say of them.

mod common;

use common::Root;

fn root_with_zone() -> Root {
    let root = Root::new();
    let ran = root.zonecfg(&["-z", "z1", "create; set zonepath=/zones/z1"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    root
}

#[test]
fn commands_from_the_standard_input_go_on_after_errors() {
    let root = Root::new();
    let ran = root.zonecfg(
        &["-z", "z1"],
        "create -b\nset zonepath=/zones/z1\nset hostid=x\nset autoboot=true\n",
    );
    assert_eq!(ran.exit, 1);
    assert_eq!(ran.stdout, "Use 'create' to begin configuring a new zone.\n");
    assert_eq!(ran.stderr, "z1: No such zone configured\nhostid: Specified property is invalid\n");
    let xml = root.read("/etc/zones/z1.xml").expect("committed all the same");
    assert!(xml.contains("autoboot=\"true\""), "{xml}");
}

#[test]
fn an_existing_zone_is_not_overwritten_without_force() {
    let root = root_with_zone();
    let before = root.read("/etc/zones/z1.xml");
    let ran = root.zonecfg(&["-z", "z1", "create -b"], "");
    assert_eq!(ran.exit, 1);
    assert_eq!(
        ran.stderr,
        "Zone exists, input not from terminal and -F not specified:\ncreate command ignored, exiting.\n"
    );
    assert_eq!(root.read("/etc/zones/z1.xml"), before);
    let ran = root.zonecfg(&["-z", "z1", "create -F -b; set zonepath=/zones/other"], "");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "Zone z1 already exists; overwriting.\n"));
    assert!(
        root.read("/etc/zones/index").expect("an index").contains("z1:configured:/zones/other:")
    );
}

#[test]
fn an_installed_zone_keeps_path_and_brand() {
    let root = root_with_zone();
    root.replace("/etc/zones/index", "z1:configured", "z1:installed");
    for (command, message) in [
        ("create -F", "Zone z1 already installed; create not allowed.\n"),
        ("set zonepath=/a", "Zone z1 already installed; set zonepath not allowed.\n"),
        ("set brand=lx", "Zone z1 already installed; set brand not allowed.\n"),
    ] {
        assert_eq!(root.zonecfg(&["-z", "z1", command], "").stderr, message);
    }
    let ran = root.zonecfg(&["-z", "z1", "delete -F"], "");
    assert_eq!((ran.exit, root.read("/etc/zones/z1.xml")), (0, None));
}

#[test]
fn a_renamed_zone_keeps_state_and_uuid() {
    let root = root_with_zone();
    root.replace("/etc/zones/index", "z1:configured", "z1:installed");
    let uuid = root.uuid_of("z1");
    let ran = root.zonecfg(&["-z", "z1", "set zonename=z2"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert_eq!((root.uuid_of("z2"), root.read("/etc/zones/z1.xml")), (uuid, None));
    let index = root.read("/etc/zones/index").expect("an index");
    assert!(index.contains("\nz2:installed:") && !index.contains("\nz1:"), "{index}");
}

#[test]
fn reverting_goes_back_to_what_is_saved() {
    let root = root_with_zone();
    let ran = root.zonecfg(&["-z", "z1", "set autoboot=true; revert -F; info autoboot"], "");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "autoboot: false\n"));
    let ran = root.zonecfg(&["-z", "new", "create; revert -F"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (1, "new: no such saved zone to revert to.\n"));
}

#[test]
fn words_that_are_too_long_end_the_run() {
    let root = Root::new();
    for (value, exit) in
        [("x".repeat(2047), 0), ("x".repeat(2048), 1), (format!("\"{}\"", "y".repeat(2046)), 0)]
    {
        let command = format!(
            "create -b; set zonepath=/zones/z1; set limitpriv={value}; set limitpriv=default"
        );
        let root_zone = root.zonecfg(&["-z", "z1", &command], "");
        assert_eq!(root_zone.exit, exit, "{}", value.len());
        let said = if exit == 0 { "" } else { "Input string too long, limit 2048\n" };
        assert_eq!(root_zone.stdout, said);
        root.zonecfg(&["-z", "z1", "delete -F"], "");
    }
}

#[test]
fn documents_that_are_not_valid_are_left_alone() {
    let root = root_with_zone();
    for (old, new) in [("brand=\"joyent\"", "colour=\"red\""), ("/>", "><future/></zone>")] {
        let before = root.read("/etc/zones/z1.xml").expect("a document");
        let changed = before.replace(old, new);
        root.write("/etc/zones/z1.xml", &changed);
        let ran = root.zonecfg(&["-z", "z1", "set autoboot=true"], "");
        assert_eq!((ran.exit, ran.stderr.as_str()), (1, "z1: Invalid document\n"));
        assert_eq!(root.read("/etc/zones/z1.xml"), Some(changed));
        root.write("/etc/zones/z1.xml", &before);
    }
}

#[test]
fn the_global_zone_takes_resource_controls_only() {
    let root = Root::new();
    let ran = root.zonecfg(&["-z", "global", "set cpu-shares=20; add net; set zonepath=/a"], "");
    assert_eq!(ran.exit, 1);
    assert_eq!(
        ran.stderr,
        "Cannot add a net resource to the global zone.\nzonepath is not a valid property for the global zone.\n"
    );
    let ran = root.zonecfg(&["-z", "global", "info"], "");
    assert!(
        ran.stdout.starts_with("zonename: global\npool: \n[cpu-shares: 20]\nrctl:\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_nil_uuid_changes_nothing() {
    let root = root_with_zone();
    let uuid = root.uuid_of("z1");
    let ran = root.zonecfg(&["-z", "z1", "set uuid=00000000-0000-0000-0000-000000000000"], "");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert_eq!(root.uuid_of("z1"), uuid);
    assert_eq!(root.zonecfg(&["-u", "not-a-uuid", "info"], "").exit, 50);
    assert_eq!(root.zonecfg(&["-u", "00000000-0000-0000-0000-000000000000", "info"], "").exit, 2);
}

#[test]
fn a_root_can_be_named() {
    let root = root_with_zone();
    let dir = root.dir().to_str().expect("UTF-8");
    let ran = root.zonecfg(&["-R", dir, "-z", "z1", "info zonepath"], "");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "zonepath: /zones/z1\n"));
    for (path, message) in [
        ("relative", "root path must be absolute: relative\n"),
        ("/nonexistent", "root path must be a directory: /nonexistent\n"),
    ] {
        let ran = root.zonecfg(&["-R", path, "-z", "z1", "info"], "");
        assert_eq!((ran.exit, ran.stderr.as_str()), (2, message));
    }
}
