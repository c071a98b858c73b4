//! The simulated global zone itself.

use e2e::{Gz, Need, needs};

#[test]
fn the_fixture_has_the_observed_machine() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--fixture", "spec"]);
    assert_eq!(
        gz.run("zoneadm", &["list", "-p", "-c"]).ok().text(),
        "0:global:running:/::liveimg:shared:0\n"
    );
    assert_eq!(
        gz.run("nictagadm", &["list", "-p", "-d", ","]).ok().text(),
        "admin,02:08:20:00:00:00,net0,normal\nexternal,02:08:20:00:00:01,net1,normal\n\
         internal,02:08:20:00:00:02,net2,normal\nstub0,-,-,etherstub\n"
    );
    assert_eq!(gz.run("sysinfo", &[]).ok().json()["UUID"], "564d0000-0000-4000-8000-000000000001");
    assert_eq!(gz.calls(), ["zoneadm list -p -c", "nictagadm list -p -d ,", "sysinfo"]);
}

#[test]
fn unknown_nic_tags_are_named() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--fixture", "spec"]);
    assert_eq!(gz.run("nictagadm", &["exists", "-l", "admin", "stub0"]).exit, Some(0));
    let run = gz.run("nictagadm", &["exists", "-l", "admin", "nosuch"]).failed();
    assert_eq!(run.stderr, "nosuch\n");
}

#[test]
fn a_fault_strikes_at_its_call_and_is_counted_anew_after_a_reset() {
    needs!(Need::Simulation);
    let mut gz = Gz::init(&["--fixture", "spec"]);
    gz.set("GZSIM_FAULT", "zonename:2=exit 3 boom");
    assert_eq!(gz.run("zonename", &[]).exit, Some(0));
    let struck = gz.run("zonename", &[]);
    assert_eq!((struck.exit, struck.stderr.as_str()), (Some(3), "boom\n"));
    assert_eq!(gz.run("zonename", &[]).exit, Some(0));
    let root = gz.root().display().to_string();
    let _ = gz.run("gzsim", &["fault", "reset", &root]).ok();
    assert_eq!(gz.run("zonename", &[]).exit, Some(0));
    assert_eq!(gz.run("zonename", &[]).exit, Some(3));
}

#[test]
fn a_killed_tool_is_in_the_log() {
    needs!(Need::Simulation);
    let mut gz = Gz::init(&["--fixture", "spec"]);
    gz.set("GZSIM_FAULT", "uname:1=kill self");
    assert_eq!(gz.run("uname", &["-v"]).exit, None);
    assert_eq!(gz.calls_json()[0]["exit"], serde_json::Value::Null);
    assert_eq!(gz.run("uname", &["-v"]).ok().text(), "joyent_20260301T000000Z\n");
}

#[test]
fn our_own_programs_are_logged_with_their_script_and_struck_by_faults() {
    needs!(Need::Simulation);
    const ZONE: &str = "a0000001-0000-4000-8000-000000000001";
    let mut gz = Gz::init(&["--fixture", "spec"]);
    let script =
        format!("create -b\nset zonepath=/zones/{ZONE}\nset brand=joyent\nset uuid={ZONE}\n");
    let _ = gz.run_with("zonecfg", &["-z", ZONE], script.as_bytes()).ok();
    let call = &gz.calls_json()[0];
    assert_eq!(call["argv"], serde_json::json!(["zonecfg", "-z", ZONE]));
    assert_eq!(call["stdin"], script);
    assert!(gz.run("zoneadm", &["list", "-c"]).ok().text().contains(ZONE));
    gz.set("GZSIM_FAULT", "zonecfg -u:*=exit 1 zonecfg: boom");
    let run = gz.run("zonecfg", &["-u", ZONE, "set autoboot=true"]).failed();
    assert_eq!(run.stderr, "zonecfg: boom\n");
    assert!(gz.file(&format!("/etc/zones/{ZONE}.xml")).contains("autoboot=\"false\""));
}

#[test]
fn many_zones_are_made_at_once() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let gz = Gz::with_vms(20);
    let list = gz.run("zoneadm", &["list", "-p", "-c"]).ok().text();
    assert_eq!(list.lines().filter(|line| line.contains(":running:")).count(), 11);
    assert_eq!(list.lines().filter(|line| line.contains(":installed:")).count(), 10);
}

#[test]
fn a_tool_outside_a_simulated_zone_is_refused_and_writes_nothing() {
    needs!(Need::Simulation);
    let elsewhere = tempfile::tempdir().unwrap();
    let zfs = elsewhere.path().join("zfs");
    std::os::unix::fs::symlink(e2e::programs::directory().join("gzsim"), &zfs).unwrap();
    let output = std::process::Command::new(&zfs)
        .args(["create", "zones/x"])
        .env("GZSIM_ROOT", elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("is not a simulated global zone"), "{stderr}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}
