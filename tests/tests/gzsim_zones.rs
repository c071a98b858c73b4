//! Zones of the simulated global zone: states, processes, messages. What zoneadm says is taken from illumos's sources
//! (usr/src/cmd/zoneadm, usr/src/cmd/zoneadmd) and the observed traces.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use e2e::{Gz, Need, needs, trace, wait};

const ZONE: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";

/// A global zone with one configured zone, whose configuration is the one that the trace left.
fn with_zone(trace: &str, brand: &str) -> Gz {
    let gz = Gz::init(&["--fixture", "spec"]);
    let path = format!("/etc/zones/{ZONE}.xml");
    let steps = trace::read(trace).expect("a trace");
    let file = steps
        .iter()
        .flat_map(|step| step.files.iter().flatten())
        .find(|file| file.path == path)
        .expect("the trace has the zone's configuration");
    fs::write(gz.path(&path), &file.text).expect("a writable root");
    let mut index = OpenOptions::new()
        .append(true)
        .open(gz.path("/etc/zones/index"))
        .expect("the index is there");
    writeln!(index, "{ZONE}:configured:/zones/{ZONE}:{ZONE}:{brand}:ex:100")
        .expect("a writable index");
    gz
}

fn install(gz: &Gz) {
    let arguments = ["-z", ZONE, "install", "-q", "10", "-t", IMAGE, "-x", "nodataset"];
    let _ = gz.run("zoneadm", &arguments).ok();
}

fn boot(gz: &Gz) {
    let _ = gz.run("zoneadm", &["-u", ZONE, "boot", "-X"]).ok();
}

fn line(gz: &Gz) -> String {
    let text = gz.run("zoneadm", &["-z", ZONE, "list", "-p"]).ok().text();
    text.trim_end().to_owned()
}

fn statistic(gz: &Gz, name: &str) -> String {
    let text = gz.run("kstat", &["-p", &format!("zones:::{name}")]).ok().text();
    text.trim_end().rsplit('\t').next().unwrap_or_default().to_owned()
}

#[test]
fn a_zone_goes_through_its_life() {
    needs!(Need::Simulation);
    let gz = with_zone("create-joyent-image", "joyent");
    let rest = format!("/zones/{ZONE}:{ZONE}:joyent:excl:100");
    assert_eq!(line(&gz), format!("-:{ZONE}:configured:{rest}"));

    install(&gz);
    assert_eq!(line(&gz), format!("-:{ZONE}:installed:{rest}"));
    let datasets = gz.datasets();
    for name in
        [format!("zones/{ZONE}\tfilesystem\tzones/{IMAGE}@final"), format!("zones/cores/{ZONE}\t")]
    {
        assert!(datasets.contains(&name), "{name} is not in\n{datasets}");
    }
    assert_eq!(gz.file(&format!("/zones/{ZONE}/root/root/zoneinit.d/11-files.sh")), "#11\n");

    let services = gz.path(&format!("/zones/{ZONE}/root/var/svc"));
    fs::write(services.join("provisioning"), "").expect("a writable zone");
    boot(&gz);
    assert_eq!(line(&gz), format!("1:{ZONE}:running:{rest}"));
    wait::until("provisioning", || services.join("provision_success").exists());
    let links = gz.run("dladm", &["show-vnic", "-z", ZONE, "-p", "-o", "link,macaddress"]).ok();
    assert_eq!(links.text(), "net0:02\\:08\\:20\\:aa\\:00\\:01\n");

    let _ = gz.run("zlogin", &[ZONE, "/usr/sbin/shutdown", "-y", "-g", "0", "-i", "6"]).ok();
    assert_eq!(line(&gz), format!("2:{ZONE}:running:{rest}"));
    let _ = gz.run("zlogin", &[ZONE, "/usr/sbin/shutdown", "-y", "-g", "0", "-i", "5"]).ok();
    assert_eq!(line(&gz), format!("-:{ZONE}:installed:{rest}"));
    assert!(gz.file(&format!("/zones/{ZONE}/lastexited")).ends_with(" -1\n"));

    let halt = gz.run("zoneadm", &["-u", ZONE, "halt", "-X"]).ok();
    assert_eq!(halt.stderr, format!("zoneadm: zone '{ZONE}': zone is already halted\n"));
    let _ = gz.run("zoneadm", &["-u", ZONE, "uninstall", "-F"]).ok();
    assert_eq!(line(&gz), format!("-:{ZONE}:configured:{rest}"));
    assert!(!gz.datasets().contains(ZONE));
    assert!(!gz.path(&format!("/zones/{ZONE}")).exists());
}

#[test]
fn operations_in_the_wrong_state_are_refused() {
    needs!(Need::Simulation, Need::Time);
    let gz = with_zone("create-joyent-image", "joyent");
    let refused = |arguments: &[&str], message: &str| {
        let run = gz.run("zoneadm", arguments).failed();
        assert_eq!(run.stderr, format!("zoneadm: {message}\n"), "{arguments:?}");
    };
    let said = |message: &str| format!("zone '{ZONE}': {message}");
    refused(&["-u", ZONE, "boot"], &said("must be installed before boot."));
    refused(&["-u", ZONE, "uninstall", "-F"], &said("is already in state 'configured'."));
    refused(&["-u", ZONE, "reboot"], &said("not running"));
    refused(&["-z", "nosuch", "list", "-p"], "nosuch: No such zone configured");
    refused(&["-u", "nosuch", "boot"], "illegal UUID value specified");
    refused(&["-u", "b0000001-0000-4000-8000-000000000001", "boot"], "no zone specified");
    refused(
        &["-z", "global", "boot"],
        "zone 'global': boot operation is invalid for the global zone.",
    );
    install(&gz);
    refused(&["-z", ZONE, "install", "-t", IMAGE], &said("is already installed."));
    boot(&gz);
    refused(
        &["-u", ZONE, "uninstall", "-F"],
        &said("uninstall operation is invalid for running zones."),
    );
    let again = gz.run("zoneadm", &["-u", ZONE, "boot"]).ok();
    assert_eq!(again.stderr, format!("zoneadm: {}\n", said("zone is already booted")));
    assert_eq!(gz.run("zoneadm", &["frobnicate"]).exit, Some(2));
}

#[test]
fn an_install_without_its_image_leaves_nothing() {
    needs!(Need::Simulation);
    let gz = with_zone("create-joyent-image", "joyent");
    let before = gz.snapshot();
    let image = "b0000001-0000-4000-8000-000000000001";
    let run = gz.run("zoneadm", &["-z", ZONE, "install", "-q", "10", "-t", image]).failed();
    assert!(run.stderr.contains("does not exist"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn an_init_that_is_killed_is_restarted_unless_the_brand_is_lx() {
    needs!(Need::Simulation, Need::Time);
    let gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    boot(&gz);
    let pid = statistic(&gz, "init_pid");
    kill(&pid);
    wait::until("a new init", || statistic(&gz, "init_pid") != pid);
    assert_eq!(statistic(&gz, "init_restarts"), "1");
    drop(gz);

    let gz = with_zone("create-lx", "lx");
    let image = "5917ca96-c888-11e5-8da0-e785a1ad1185";
    let _ = gz.run("zoneadm", &["-z", ZONE, "install", "-q", "5", "-t", image]).ok();
    boot(&gz);
    let pid = statistic(&gz, "init_pid");
    kill(&pid);
    let _ = gz.run("pwait", &[&pid]).ok();
    assert!(line(&gz).starts_with(&format!("-:{ZONE}:installed:")));
}

#[test]
fn a_kvm_zone_speaks_qmp_and_has_a_power_button() {
    needs!(Need::Simulation, Need::Time);
    let mut gz = with_zone("create-kvm-vnc-2nics", "kvm");
    // Not a real one.
    gz.set("GZSIM_QEMU", "");
    let _ = gz.run("zoneadm", &["-z", ZONE, "install", "-q", "10"]).ok();
    assert!(gz.datasets().contains(&format!("zones/{ZONE}\tfilesystem\t-")));
    boot(&gz);
    let socket = gz.path(&format!("/zones/{ZONE}/root/tmp/vm.qmp"));
    let mut stream = UnixStream::connect(socket).expect("qemu listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let greeting = answers.next().expect("qemu greets").expect("qemu greets");
    assert!(greeting.contains("QMP"), "{greeting}");
    let mut ask = |command: &str| {
        writeln!(stream, "{{\"execute\": \"{command}\"}}").expect("qemu reads");
        answers.next().expect("qemu answers").expect("qemu answers")
    };
    assert_eq!(ask("qmp_capabilities"), "{\"return\":{}}");
    assert!(ask("query-status").contains("\"status\":\"running\""));
    let _ = ask("system_powerdown");
    wait::until("the end of the zone", || line(&gz).contains(":installed:"));
}

fn kill(pid: &str) {
    // The shell's own: a small system has no kill(1).
    let status = Command::new("sh").args(["-c", "kill -9 \"$0\"", pid]).status().expect("sh");
    assert!(status.success());
}

#[test]
fn an_init_ends_with_its_root() {
    needs!(Need::Simulation, Need::Time);
    let gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    boot(&gz);
    let process = format!("/proc/{}/cmdline", statistic(&gz, "init_pid"));
    assert!(fs::read(&process).is_ok_and(|text| !text.is_empty()));
    drop(gz);
    // Ended, or a zombie whose parent has not looked yet.
    wait::until("the end of the init", || fs::read(&process).map_or(true, |text| text.is_empty()));
}

#[test]
fn provisioning_can_fail_or_never_end() {
    needs!(Need::Simulation, Need::Time);
    let mut gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    let services = gz.path(&format!("/zones/{ZONE}/root/var/svc"));
    fs::write(services.join("provisioning"), "").expect("a writable zone");
    gz.set("GZSIM_PROVISION_DELAY", "never");
    boot(&gz);
    thread::sleep(Duration::from_millis(100));
    assert!(services.join("provisioning").exists());
    let _ = gz.run("zoneadm", &["-u", ZONE, "halt"]).ok();
    gz.set("GZSIM_PROVISION_DELAY", "10ms");
    gz.set("GZSIM_PROVISION_RESULT", "failure");
    boot(&gz);
    wait::until("the failure", || services.join("provision_failure").exists());
}

#[test]
fn a_shutdown_takes_its_time_or_is_not_heeded() {
    needs!(Need::Simulation, Need::Time);
    let mut gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    boot(&gz);
    gz.set("GZSIM_SHUTDOWN_DELAY", "never");
    let shutdown = [ZONE, "/usr/sbin/shutdown", "-y", "-g", "0", "-i", "5"];
    let _ = gz.run("zlogin", &shutdown).ok();
    assert!(line(&gz).contains(":running:"));
    gz.set("GZSIM_SHUTDOWN_DELAY", "300ms");
    let _ = gz.run("zlogin", &shutdown).ok();
    assert!(line(&gz).contains(":shutting_down:"));
    wait::until("the end of the shutdown", || line(&gz).contains(":installed:"));
}

#[test]
fn resource_controls_of_a_running_zone_change() {
    needs!(Need::Simulation, Need::Time);
    let gz = with_zone("create-joyent-image", "joyent");
    let replace = |gz: &Gz, name: &str, value: &str| {
        gz.run("prctl", &["-n", name, "-v", value, "-t", "privileged", "-r", "-i", "zone", ZONE])
    };
    let run = replace(&gz, "zone.max-lwps", "3000").failed();
    assert!(run.stderr.contains("No controllable process found"));
    install(&gz);
    boot(&gz);
    let _ = replace(&gz, "zone.max-lwps", "3000").ok();
    let shown = gz.run("prctl", &["-P", "-n", "zone.max-lwps", "-i", "zone", ZONE]).ok();
    assert!(shown.text().contains("zone.max-lwps privileged 3000 - deny -"));
    let run = replace(&gz, "zone.cpu-cap", "300").failed();
    assert!(run.stderr.contains("no matching resource control to replace"));
    let _ = gz
        .run("prctl", &["-n", "zone.max-lwps", "-x", "-t", "privileged", "-i", "zone", ZONE])
        .ok();
}

#[test]
fn an_omnios_zone_has_a_dataset_and_nothing_of_smartos() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--platform", "omnios"]);
    let script = "create -b\nset zonepath=/rpool/web\nset brand=lipkg\nset ip-type=exclusive\n";
    let _ = gz.run_with("zonecfg", &["-z", "web"], script.as_bytes()).ok();
    let _ = gz.run("zoneadm", &["-z", "web", "install"]).ok();
    assert!(gz.datasets().contains("rpool/web\tfilesystem\t-"));
    assert!(gz.path("/rpool/web/root").is_dir());
    assert!(!gz.path("/rpool/web/config").exists());
    let _ = gz.run("zoneadm", &["-z", "web", "boot"]).ok();
    let list = gz.run("zoneadm", &["list", "-p"]).ok().text();
    assert!(list.contains("1:web:running:/rpool/web:"), "{list}");
    let _ = gz.run("zoneadm", &["-z", "web", "halt"]).ok();
    let _ = gz.run("zoneadm", &["-z", "web", "uninstall", "-F"]).ok();
    assert!(!gz.datasets().contains("rpool/web"));
}

/// An installed native zone of OmniOS.
fn with_web() -> Gz {
    let gz = Gz::init(&["--platform", "omnios"]);
    for name in ["web", "copy"] {
        let script = format!("create -b\nset zonepath=/rpool/{name}\nset brand=lipkg\n");
        let _ = gz.run_with("zonecfg", &["-z", name], script.as_bytes()).ok();
    }
    let _ = gz.run("zoneadm", &["-z", "web", "install"]).ok();
    fs::write(gz.path("/rpool/web/root/file"), "of web\n").expect("a writable zone");
    gz
}

#[test]
fn a_zone_is_cloned_from_a_snapshot_or_copied() {
    needs!(Need::Simulation);
    let gz = with_web();
    let clone = |more: &[&str]| gz.run("zoneadm", &[&["-z", "copy", "clone"], more].concat());
    assert_eq!(clone(&["web"]).ok().text(), "Cloning snapshot rpool/web@SUNWzone1\n");
    assert!(gz.datasets().contains("rpool/copy\tfilesystem\trpool/web@SUNWzone1"));
    assert_eq!(gz.file("/rpool/copy/root/file"), "of web\n");
    let state = || gz.run("zoneadm", &["-z", "copy", "list", "-p"]).ok().text();
    assert!(state().starts_with("-:copy:installed:/rpool/copy:"));
    let again = clone(&["web"]).failed();
    assert_eq!(again.stderr, "zoneadm: zone 'copy': is already installed.\n");

    let _ = gz.run("zoneadm", &["-z", "copy", "uninstall", "-F"]).ok();
    let unknown = clone(&["nosuch"]).failed();
    assert!(unknown.stderr.contains("No such zone configured"), "{}", unknown.stderr);
    assert_eq!(clone(&["-m", "move", "web"]).exit, Some(2));
    assert_eq!(clone(&["-m", "copy", "web"]).ok().text(), "Copying /rpool/web...\n");
    assert!(gz.datasets().contains("rpool/copy\tfilesystem\t-"));
    assert_eq!(gz.file("/rpool/copy/root/file"), "of web\n");

    let _ = gz.run("zoneadm", &["-z", "copy", "uninstall", "-F"]).ok();
    let _ = gz.run("zoneadm", &["-z", "web", "boot"]).ok();
    let running = clone(&["web"]).failed();
    let message = "zoneadm: zone 'copy': clone operation is invalid for running zones.\n";
    assert_eq!(running.stderr, message);
    assert!(state().starts_with("-:copy:configured:"));
}

#[test]
fn a_halted_zone_moves_with_its_dataset() {
    needs!(Need::Simulation);
    let gz = with_web();
    let relocate = |path: &str| gz.run("zoneadm", &["-z", "web", "move", path]);
    assert_eq!(relocate("elsewhere").failed().stderr, "elsewhere is not an absolute path.\n");
    let taken = relocate("/rpool").failed();
    assert_eq!(taken.stderr, "could not move zone to /rpool: directory not empty\n");
    let _ = relocate("/rpool/other").ok();
    assert_eq!(gz.file("/rpool/other/root/file"), "of web\n");
    assert!(gz.datasets().contains("rpool/web\tfilesystem\t-\t/rpool/other"));
    let info = gz.run("zonecfg", &["-z", "web", "info", "zonepath"]).ok();
    assert_eq!(info.text(), "zonepath: /rpool/other\n");
    let list = gz.run("zoneadm", &["-z", "web", "list", "-p"]).ok();
    assert!(list.text().starts_with("-:web:installed:/rpool/other:"), "{}", list.text());
    let _ = gz.run("zoneadm", &["-z", "web", "boot"]).ok();
    let running = relocate("/rpool/web").failed();
    let message = "zoneadm: zone 'web': move operation is invalid for running zones.\n";
    assert_eq!(running.stderr, message);
}

#[test]
fn what_is_mounted_in_a_zone_keeps_it_where_it_is() {
    needs!(Need::Simulation);
    let gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    let run = gz.run("zoneadm", &["-z", ZONE, "move", "/zones/other"]).failed();
    assert!(run.stderr.contains("are mounted on subdirectories"), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("/zones/{ZONE}/cores")), "{}", run.stderr);
    assert!(line(&gz).contains(&format!(":/zones/{ZONE}:")));
}

#[test]
fn commands_in_a_zone_tell_of_it() {
    needs!(Need::Simulation);
    let gz = with_zone("create-joyent-image", "joyent");
    install(&gz);
    let stopped = gz.run("zlogin", &[ZONE, "zonename"]).failed();
    assert!(stopped.stderr.contains("login allowed only to running zones"), "{}", stopped.stderr);
    boot(&gz);
    let inside = |words: &[&str]| gz.run("zlogin", &[&[ZONE], words].concat());
    assert_eq!(inside(&["zonename"]).ok().text(), format!("{ZONE}\n"));
    assert_eq!(inside(&["uname"]).ok().text(), "SunOS\n");
    assert_eq!(inside(&["/usr/bin/cat", "/etc/release"]).ok().text(), "SmartOS x86_64\n");
    assert_eq!(inside(&["cat /etc/release"]).ok().text(), "SmartOS x86_64\n");
    let above = inside(&["cat", "/../../../etc/zones/index"]);
    assert_eq!(above.exit, Some(2), "{}", above.text());
    assert_eq!(inside(&["false"]).exit, Some(1));
}
