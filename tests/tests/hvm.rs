//! bhyve and KVM virtual machines, end to end: `bhyve-ctl` and what `vmadm` does to them, on running ones.
//!
//! KVM machines run the stand-in for qemu, and in tests of their own a real qemu where one is installed.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use e2e::signal::{self, Signal};
use e2e::{Gz, Need, needs, wait};
use serde_json::{Value, json};

const VM: &str = "a0000001-0000-4000-8000-000000000001";
/// The name under which bhyve runs it: the fixture's first zone has the debug ID 100.
const BHYVE_NAME: &str = "SYSbhyve-100";
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The image whose VMs get a cloud-init seed.
const CLOUD_IMAGE: &str = "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb";

/// A system whose KVM machines run the stand-in for qemu.
fn system() -> Gz {
    let mut gz = Gz::init(&["--fixture", "spec"]);
    gz.set("GZSIM_QEMU", "");
    gz.set("GZSIM_BHYVE_BOOT", "yes");
    gz
}

/// A system whose KVM machines run a real qemu.
fn system_with_qemu() -> Gz {
    let mut gz = Gz::init(&["--fixture", "spec"]);
    gz.set("GZSIM_QEMU", QEMU);
    gz
}

/// A VM with a blank disk, a NIC and a VNC password.
fn payload(brand: &str) -> Value {
    json!({
        "uuid": VM, "brand": brand, "alias": brand, "ram": 256, "vcpus": 2, "vnc_password": "sesame",
        "disks": [{"boot": true, "model": "virtio", "size": 64}],
        "nics": [{"nic_tag": "admin", "model": "virtio", "ips": ["dhcp"], "primary": true}],
    })
}

fn with_vm(gz: &Gz, payload: &Value) {
    let _ = gz.create(payload).ok();
    assert_eq!(state(gz), "running");
}

fn ctl(gz: &Gz, arguments: &[&str]) -> e2e::Run {
    gz.run("bhyve-ctl", arguments)
}

fn state(gz: &Gz) -> String {
    gz.vmadm(&["get", VM]).ok().json()["state"].as_str().expect("a state").to_owned()
}

fn zone_id(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()["zoneid"].clone()
}

fn zone_file(gz: &Gz, path: &str) -> std::path::PathBuf {
    gz.path(&format!("/zones/{VM}/root{path}"))
}

fn is_png(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG\r\n") && bytes.len() > 60)
}

#[test]
fn bhyve_is_controlled() {
    needs!(Need::Simulation);
    let gz = system();
    with_vm(&gz, &payload("bhyve"));

    let list = ctl(&gz, &["list"]).ok().text();
    assert!(list.contains(&format!("{VM}  bhyve  running        {VM}\n")), "{list}");
    let list = ctl(&gz, &["list", "--json"]).ok().json();
    assert_eq!((&list[0]["uuid"], &list[0]["brand"]), (&VM.into(), &"bhyve".into()));

    let text = ctl(&gz, &["cmdline", VM]).ok().text();
    let argv = ctl(&gz, &["cmdline", "--json", VM]).ok().json();
    let lines: Vec<Value> = text.lines().map(Value::from).collect();
    assert_eq!(argv, Value::from(lines));
    assert_eq!(argv[argv.as_array().expect("a list").len() - 1], BHYVE_NAME);
    let config = ctl(&gz, &["cmdline", "--config", VM]).ok().text();
    assert!(config.contains("cpus=2\n"), "{config}");

    assert_eq!(ctl(&gz, &["status", VM]).ok().text(), "running\n");
    let status = ctl(&gz, &["status", "-j", VM]).ok().json();
    assert_eq!((&status["state"], &status["brand"]), (&"running".into(), &"bhyve".into()));

    let stats = ctl(&gz, &["stats", "--json", VM]).ok().json();
    assert!(stats["total number of vm exits"].is_u64(), "{stats}");
    let text = ctl(&gz, &["stats", VM]).ok().text();
    assert!(text.lines().any(|line| line.starts_with("total number of vm exits: ")), "{text}");

    let devices = ctl(&gz, &["devices", VM]).ok().text();
    assert!(devices.contains("0:4:0     virtio-blk        /dev/zvol/rdsk/"), "{devices}");
    let json = ctl(&gz, &["devices", "--json", VM]).ok();
    assert!(!json.text().contains("sesame") && !devices.contains("sesame"));
    let json = json.json();
    let screen = json.as_array().expect("a list").iter().find(|device| device["device"] == "fbuf");
    assert_eq!(screen.expect("a screen")["pci_slot"], "0:30:0");

    gz.clear_calls();
    let _ = ctl(&gz, &["nmi", VM]).ok();
    assert!(gz.calls().contains(&format!("bhyvectl --vm={BHYVE_NAME} --inject-nmi")));
    let before = zone_id(&gz);
    let _ = ctl(&gz, &["reset", VM]).ok();
    assert_ne!(zone_id(&gz), before);
    assert_eq!(state(&gz), "running");

    let _ = ctl(&gz, &["powerdown", VM]).ok();
    wait::until("the guest's end", || state(&gz) == "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = ctl(&gz, &["poweroff", VM]).ok();
    assert_eq!(state(&gz), "stopped");
    assert_eq!(ctl(&gz, &["status", VM]).ok().text(), "installed\n");
    // What it would be started with.
    assert_eq!(ctl(&gz, &["devices", VM]).ok().text(), devices);
}

#[test]
fn kvm_is_controlled() {
    needs!(Need::Simulation);
    kvm(&system());
}

#[test]
fn real_qemu_is_controlled() {
    needs!(Need::Simulation, Need::Program(QEMU));
    let gz = system_with_qemu();
    let version = kvm(&gz);
    assert!(version["qemu"]["major"].as_u64() >= Some(5), "{version}");
}

/// Everything that can be done to a KVM machine; gives the version of its qemu.
fn kvm(gz: &Gz) -> Value {
    with_vm(gz, &payload("kvm"));
    let list = ctl(gz, &["list", "-j"]).ok().json();
    assert_eq!((&list[0]["brand"], &list[0]["state"]), (&"kvm".into(), &"running".into()));
    let argv = ctl(gz, &["cmdline", "-j", VM]).ok().json();
    assert!(argv.as_array().expect("a list").contains(&"/smartdc/bin/qemu-system-x86_64".into()));
    assert!(!argv.to_string().contains("sesame"), "{argv}");

    assert_eq!(ctl(gz, &["status", VM]).ok().text(), "running\n");
    let status = ctl(gz, &["status", "-j", VM]).ok().json();
    assert_eq!(status["guest"]["running"], true);
    let stats = ctl(gz, &["stats", "-j", VM]).ok().json();
    assert!(stats[0]["stats"]["rd_bytes"].is_u64(), "{stats}");
    let line = format!("{} rd_bytes: ", stats[0]["device"].as_str().expect("a disk's name"));
    let text = ctl(gz, &["stats", VM]).ok().text();
    assert!(text.lines().any(|other| other.starts_with(&line)), "{text}");
    let devices = ctl(gz, &["devices", "-j", VM]).ok().json();
    assert_eq!(devices[0]["bus"], 0);
    assert!(ctl(gz, &["devices", VM]).ok().text().contains("0:0:0     8086:1237  Host bridge\n"));

    let version = ctl(gz, &["qmp", VM, "query-version"]).ok().json();
    let run = ctl(gz, &["qmp", VM, "no-such-command"]).failed();
    assert!(run.stderr.contains("has not been found"), "{}", run.stderr);
    let run = ctl(gz, &["qmp", VM, "screendump", "{}x"]).failed();
    assert!(run.stderr.contains("not JSON"), "{}", run.stderr);
    let arguments = r#"{"command-line": "info status"}"#;
    let _ = ctl(gz, &["qmp", VM, "human-monitor-command", arguments]).ok();

    let picture = gz.path("/screen.png");
    let _ = ctl(gz, &["screenshot", VM, &picture.display().to_string()]).ok();
    assert!(is_png(&picture));
    assert!(!zone_file(gz, "/tmp/vm.ppm").exists());
    let _ = gz.vmadm(&["sysrq", VM, "screenshot"]).ok();
    assert!(fs::read(zone_file(gz, "/tmp/vm.ppm")).expect("a picture").starts_with(b"P6"));
    let _ = gz.vmadm(&["sysrq", VM, "nmi"]).ok();

    let _ = ctl(gz, &["nmi", VM]).ok();
    let before = zone_id(gz);
    let _ = ctl(gz, &["reset", VM]).ok();
    // The machine's button leaves its process alone.
    assert_eq!((zone_id(gz), state(gz)), (before, "running".to_owned()));

    let _ = ctl(gz, &["powerdown", VM]).ok();
    wait::until("the guest's end", || state(gz) == "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = ctl(gz, &["poweroff", VM]).ok();
    wait::until("the guest's end", || state(gz) == "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert_eq!(state(gz), "running");
    let _ = gz.vmadm(&["stop", VM]).ok();
    assert_eq!(state(gz), "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.vmadm(&["delete", VM]).ok();
    version
}

#[test]
fn what_cannot_be_done_is_said() {
    needs!(Need::Simulation);
    let gz = system();
    let refused = |arguments: &[&str], message: &str| {
        let run = ctl(&gz, arguments).failed();
        assert!(run.stderr.starts_with("bhyve-ctl: "), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{arguments:?}");
    };
    let with_vm =
        ["status", "stats", "devices", "nmi", "reset", "powerdown", "poweroff", "console", "vnc"];
    refused(&["metadata", VM], "there is no such virtual machine");
    for command in with_vm.iter().chain(&["cmdline"]) {
        refused(&[command, VM], "there is no such virtual machine");
        let run = ctl(&gz, &[command]);
        assert_eq!(run.exit, Some(2), "{command}: {}", run.stderr);
    }
    refused(&["qmp", VM, "query-status"], "there is no such virtual machine");
    refused(&["screenshot", VM, "/x.png"], "there is no such virtual machine");

    let joyent = json!({"uuid": VM, "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822"});
    let _ = gz.create(&joyent).ok();
    for command in with_vm.iter().chain(&["cmdline"]) {
        refused(&[command, VM], "is of brand joyent, not bhyve or kvm");
    }
    let _ = gz.vmadm(&["delete", VM]).ok();

    for brand in ["bhyve", "kvm"] {
        let mut payload = payload(brand);
        payload["autoboot"] = false.into();
        payload["vnc_port"] = (-1).into();
        let _ = gz.create(&payload).ok();
        assert_eq!(ctl(&gz, &["status", VM]).ok().text(), "installed\n");
        for command in ["stats", "nmi", "reset", "powerdown", "poweroff", "console"] {
            refused(&[command, VM], &format!("{VM} does not run: its zone is installed"));
        }
        refused(&["vnc", VM], "is switched off");
        refused(&["metadata", VM], "SmartOS's own metadata service");
        refused(&["seed", VM, "/seed.iso"], "is configured for SmartOS");
        if brand == "kvm" {
            refused(&["devices", VM], "does not run");
            refused(&["qmp", VM, "query-status"], "does not run");
        } else {
            refused(&["qmp", VM, "query-status"], "only kvm machines speak QMP");
            refused(&["screenshot", VM, "/x.png"], "only kvm machines speak QMP");
        }
        let _ = gz.vmadm(&["delete", VM]).ok();
    }
}

#[test]
fn consoles_are_attached_to() {
    needs!(Need::Simulation);
    let gz = system();
    with_vm(&gz, &payload("kvm"));
    let run = gz.run_with("bhyve-ctl", &["console", VM], b"root\r\x1dnot sent");
    let run = run.ok();
    assert!(run.text().is_empty() || run.text().starts_with("\r\nguest login: "), "{}", run.text());
    let _ = gz.vmadm(&["delete", VM]).ok();
    with_vm(&gz, &payload("bhyve"));
    gz.clear_calls();
    let _ = gz.run_with("bhyve-ctl", &["console", VM], b"\x1d").ok();
    assert!(gz.calls().contains(&format!("zlogin -C -e \\035 {VM}")), "{:?}", gz.calls());
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `bhyve-ctl vnc`, and the address that it listens on.
fn vnc_proxy(gz: &Gz) -> (Running, String) {
    let mut command = gz.command("bhyve-ctl", &["vnc", VM]);
    let child = command.stdout(Stdio::piped()).spawn().expect("bhyve-ctl can be run");
    let mut proxy = Running(child);
    let mut address = String::new();
    let stdout = proxy.0.stdout.take().expect("a pipe");
    let _ = BufReader::new(stdout).read_line(&mut address).expect("readable");
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    (proxy, address.trim().to_owned())
}

fn vnc_client(address: &str) -> TcpStream {
    let client = TcpStream::connect(address).expect("the proxy listens");
    client.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    client
}

fn greeting(mut client: &TcpStream) -> String {
    let mut greeting = [0; 12];
    client.read_exact(&mut greeting).expect("a VNC server greets");
    String::from_utf8_lossy(&greeting).into_owned()
}

/// Many clients, the guest's reboot and its end; the password is in nobody's arguments.
fn screen_is_offered(gz: &Gz, brand: &str) {
    with_vm(gz, &payload(brand));
    let (proxy, address) = vnc_proxy(gz);
    let clients: Vec<TcpStream> = (0..3).map(|_| vnc_client(&address)).collect();
    for client in &clients {
        assert!(greeting(client).starts_with("RFB 003."), "{brand}");
    }
    let pid = proxy.0.id();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&arguments).contains("sesame"));
    let qemu = gz.vmadm(&["get", VM]).ok().json()["pid"].clone();
    let arguments = fs::read(format!("/proc/{qemu}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&arguments).contains("sesame"));
    for call in gz.calls() {
        assert!(!call.contains("sesame"), "{call}");
    }

    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    for mut client in &clients {
        // Closed in order, or with what was not read.
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
    // One that comes while the guest is down is kept waiting.
    let early = vnc_client(&address);
    let _ = gz.vmadm(&["start", VM]).ok();
    assert!(greeting(&early).starts_with("RFB 003."), "{brand}");
    let _ = gz.vmadm(&["delete", VM]).ok();
}

#[test]
fn screens_are_offered_on_tcp() {
    needs!(Need::Simulation);
    let gz = system();
    screen_is_offered(&gz, "bhyve");
    screen_is_offered(&gz, "kvm");
}

#[test]
fn the_screen_of_real_qemu_is_offered_on_tcp() {
    needs!(Need::Simulation, Need::Program(QEMU));
    let gz = system_with_qemu();
    screen_is_offered(&gz, "kvm");
}

#[test]
fn obstinate_guests_are_powered_off() {
    needs!(Need::Simulation);
    for brand in ["bhyve", "kvm"] {
        let mut gz = system();
        gz.set("GZSIM_SHUTDOWN_DELAY", "never");
        with_vm(&gz, &payload(brand));
        let run = ctl(&gz, &["powerdown", "-t", "0", VM]).ok();
        assert!(run.stderr.contains("did not go down within 0 s"), "{brand}: {}", run.stderr);
        wait::until("the end of its power", || state(&gz) == "stopped");
        let _ = gz.vmadm(&["start", VM]).ok();
        let begun = Instant::now();
        let _ = gz.vmadm(&["stop", VM, "-t", "1"]).ok();
        assert!(begun.elapsed() >= Duration::from_secs(1), "{brand}: it had a second");
        assert_eq!(state(&gz), "stopped", "{brand}");

        // One that takes its time is let go by itself.
        gz.set("GZSIM_SHUTDOWN_DELAY", "300ms");
        let _ = gz.vmadm(&["start", VM]).ok();
        let run = ctl(&gz, &["powerdown", "-t", "20", VM]).ok();
        assert_eq!(run.stderr, "", "{brand}");
        assert_eq!(state(&gz), "stopped", "{brand}");
    }
}

/// The slots and paths of a VM's disks as bhyve has them.
fn disks(gz: &Gz) -> Vec<(String, String)> {
    let devices = ctl(gz, &["devices", "-j", VM]).ok().json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let is_disk = |device: &&Value| {
        ["virtio-blk", "ahci-cd", "ahci-hd"].iter().any(|model| device["device"] == *model)
    };
    let devices = devices.as_array().expect("a list").iter().filter(is_disk);
    devices.map(|device| (text(&device["pci_slot"]), text(&device["config"]))).collect()
}

fn own_disk() -> (String, String) {
    ("0:4:0".to_owned(), format!("/dev/zvol/rdsk/zones/{VM}/disk0"))
}

#[test]
fn bhyve_boots_once_from_another_medium() {
    needs!(Need::Simulation);
    let gz = system();
    let mut payload = payload("bhyve");
    payload["autoboot"] = false.into();
    let _ = gz.create(&payload).ok();
    let run = gz.vmadm(&["start", VM, "order=cd,once=d", "cdrom=/x.iso,ahci"]).failed();
    assert!(run.stderr.contains("Cannot find disk: /x.iso"), "{}", run.stderr);
    fs::write(zone_file(&gz, "/x.iso"), "an installation medium").expect("a writable zone");
    let run = gz.vmadm(&["start", VM, "order=n", "cdrom=/x.iso,ahci"]).failed();
    assert!(run.stderr.contains("Invalid boot order \"n\""), "{}", run.stderr);

    let configuration = gz.file(&format!("/etc/zones/{VM}.xml"));
    let cdrom = |slot: &str| (slot.to_owned(), "/x.iso".to_owned());
    let _ = gz.vmadm(&["start", VM, "order=cd,once=d", "cdrom=/x.iso,ahci"]).ok();
    // The firmware tries devices in this order.
    assert_eq!(disks(&gz), [own_disk(), cdrom("0:3:0")]);
    let booted =
        gz.file(&format!("/etc/zones/{VM}.xml")).replace("autoboot=\"true\"", "autoboot=\"false\"");
    assert_eq!(booted, configuration);
    assert_eq!(gz.vmadm(&["get", VM]).ok().json()["disks"].as_array().map(Vec::len), Some(1));

    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert_eq!(disks(&gz), [own_disk()]);
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["start", VM, "order=c", "cdrom=/x.iso,ahci"]).ok();
    assert_eq!(disks(&gz), [own_disk(), cdrom("0:5:0")]);
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["start", VM]).ok();
    assert_eq!(disks(&gz), [own_disk()]);
}

#[test]
fn a_start_that_fails_leaves_no_medium() {
    needs!(Need::Simulation);
    let mut gz = system();
    let mut payload = payload("bhyve");
    payload["autoboot"] = false.into();
    let _ = gz.create(&payload).ok();
    fs::write(zone_file(&gz, "/x.iso"), "").expect("a writable zone");
    let before = gz.snapshot();
    for fault in [
        "zoneadm boot:1=exit 1 no",
        "zoneadm boot:1=kill caller",
        "zoneadm boot:1=after kill caller",
    ] {
        gz.set("GZSIM_FAULT", fault);
        assert_ne!(gz.vmadm(&["start", VM, "order=d", "cdrom=/x.iso,ahci"]).exit, Some(0));
        gz.unset("GZSIM_FAULT");
        let _ = gz.vmadm(&["recover"]).ok();
        assert_eq!(gz.snapshot(), before, "{fault}");
        assert_eq!(state(&gz), "stopped", "{fault}");
    }
    let _ = gz.vmadm(&["start", VM]).ok();
    assert_eq!(disks(&gz), [own_disk()]);
}

#[test]
fn kvm_boots_once_from_another_medium() {
    needs!(Need::Simulation, Need::Program(QEMU));
    let gz = system_with_qemu();
    let mut payload = payload("kvm");
    payload["autoboot"] = false.into();
    let _ = gz.create(&payload).ok();
    fs::write(zone_file(&gz, "/x.iso"), vec![0; 1 << 20]).expect("a writable zone");
    let media =
        |gz: &Gz| ctl(gz, &["qmp", VM, "query-block"]).ok().text().matches("/x.iso").count();
    let _ = gz.vmadm(&["start", VM, "order=cd,once=d", "cdrom=/x.iso,ide"]).ok();
    assert!(media(&gz) > 0);
    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert_eq!(media(&gz), 0);
}

#[test]
fn cloud_init_finds_its_seed() {
    needs!(Need::Simulation);
    let gz = system();
    let payload = json!({
        "uuid": VM, "brand": "bhyve", "alias": "bh1", "hostname": "bh1", "ram": 256, "vcpus": 1,
        "resolvers": ["192.0.2.53"],
        "disks": [{"boot": true, "model": "virtio", "image_uuid": CLOUD_IMAGE}],
        "nics": [{"nic_tag": "admin", "model": "virtio", "ips": ["192.0.2.7/24"], "gateways": ["192.0.2.1"],
                  "mac": "02:08:20:aa:00:01", "primary": true}],
        "customer_metadata": {"cloud-init:user-data": "#cloud-config\nusers: []\n"},
    });
    with_vm(&gz, &payload);
    let volume = gz.path(&format!("/dev/zvol/rdsk/zones/{VM}/disk1"));
    let on_volume = || {
        let file = fs::OpenOptions::new().read(true).write(true).open(&volume).expect("a volume");
        fatfs::FileSystem::new(file, fatfs::FsOptions::new()).expect("a FAT file system")
    };
    let seed = |name: &str| {
        let system = on_volume();
        assert_eq!(system.volume_label(), "CIDATA");
        let mut text = String::new();
        let mut file = system.root_dir().open_file(name).expect("a file");
        file.read_to_string(&mut text).expect("readable");
        text
    };
    let meta_data = format!("# cloud-init meta-data\ninstance-id: {VM}\nlocal-hostname: bh1\n");
    assert_eq!(seed("meta-data"), meta_data);
    assert_eq!(seed("user-data"), "#cloud-config\nusers: []\n");
    let network = seed("network-config");
    assert!(network.contains("      - 192.0.2.7/24\n    gateway4: 192.0.2.1\n"), "{network}");

    // It is written anew when what it says has changed, with the next start; a file of the guest's goes then.
    let _ = on_volume().root_dir().create_file("guest").expect("a writable file system");
    let is_new = || on_volume().root_dir().open_file("guest").is_err();
    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert!(!is_new());
    let _ = gz.vmadm(&["update", VM, "hostname=bh2"]).ok();
    assert_eq!(seed("meta-data"), meta_data);
    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert!(is_new());
    assert!(seed("meta-data").ends_with("local-hostname: bh2\n"));
}

#[test]
fn info_tells_where_the_screen_is() {
    needs!(Need::Simulation);
    let gz = system();
    let facts = gz.path("/var/gzsim/sysinfo.json");
    let text = fs::read_to_string(&facts).expect("sysinfo's answer");
    let mut sysinfo: Value = serde_json::from_str(&text).expect("JSON");
    sysinfo["Admin IP"] = "192.0.2.10".into();
    fs::write(&facts, sysinfo.to_string()).expect("a writable root");
    for brand in ["bhyve", "kvm"] {
        let mut payload = payload(brand);
        payload["vnc_port"] = 5907.into();
        with_vm(&gz, &payload);
        let vnc = json!({"vnc": {
            "host": "192.0.2.10", "port": 5907, "display": 7, "password": "sesame",
        }});
        assert_eq!(gz.vmadm(&["info", VM, "vnc"]).ok().json(), vnc, "{brand}");
        let all = gz.vmadm(&["info", VM]).ok().json();
        assert_eq!(all["vnc"], vnc["vnc"], "{brand}");
        let run = gz.vmadm(&["info", VM, "foo"]).failed();
        assert!(run.stderr.contains("unknown info type foo"), "{}", run.stderr);
        let _ = gz.vmadm(&["update", VM, "vnc_port=-1"]).ok();
        assert_eq!(gz.vmadm(&["info", VM, "vnc"]).ok().json(), json!({"vnc": {}}), "{brand}");
        let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
        let run = gz.vmadm(&["info", VM]).failed();
        assert!(run.stderr.contains("Unable to get info for vm from state \"stopped\""));
        let _ = gz.vmadm(&["delete", VM]).ok();
    }
}

#[test]
fn info_has_all_types_of_qemu() {
    needs!(Need::Simulation);
    all_types(&system());
}

#[test]
fn info_has_all_types_of_real_qemu() {
    needs!(Need::Simulation, Need::Program(QEMU));
    all_types(&system_with_qemu());
}

fn all_types(gz: &Gz) {
    const TYPES: [&str; 10] = [
        "status",
        "version",
        "chardev",
        "block",
        "blockstats",
        "cpus",
        "pci",
        "kvm",
        "vnc",
        "spice",
    ];
    with_vm(gz, &payload("kvm"));
    let all = gz.vmadm(&["info", VM]).ok().json();
    assert_eq!(all.as_object().expect("an object").keys().collect::<Vec<_>>(), TYPES);
    for name in TYPES {
        let one = gz.vmadm(&["info", VM, name]).ok().json();
        assert_eq!(
            one.as_object().map(|one| one.keys().collect::<Vec<_>>()),
            Some(vec![&name.to_owned()])
        );
    }
    let two = gz.vmadm(&["info", VM, "kvm,status"]).ok().json();
    assert_eq!(two["status"]["running"], true);
    assert!(two["kvm"]["enabled"].is_boolean());
}

#[test]
fn a_vnc_password_changes_while_qemu_runs() {
    needs!(Need::Simulation);
    let gz = system();
    with_vm(&gz, &payload("kvm"));
    // In place of qemu: what it is told, and the answers that it would give.
    let socket = zone_file(&gz, "/tmp/vm.qmp");
    fs::remove_file(&socket).expect("qemu's socket");
    let listener = UnixListener::bind(&socket).expect("a free path");
    let told = thread::spawn(move || {
        let mut stream = listener.accept().expect("vmadm connects").0;
        writeln!(stream, "{}", json!({"QMP": {"version": {}}})).expect("writable");
        let lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
        let commands: Vec<Value> = lines
            .map_while(Result::ok)
            .map(|line| {
                writeln!(stream, "{}\n{}", json!({"event": "X"}), json!({"return": {}}))
                    .expect("writable");
                serde_json::from_str(&line).expect("JSON")
            })
            .collect();
        commands
    });
    let _ = gz.vmadm(&["update", VM, "vnc_password=tulip"]).ok();
    let told = told.join().expect("no panic");
    let arguments = json!({"protocol": "vnc", "password": "tulip"});
    assert_eq!(told[1], json!({"execute": "set_password", "arguments": arguments}));
    assert_eq!(gz.vmadm(&["get", VM]).ok().json()["vnc_password"], "tulip");

    // One that is the same, and anything else, is no reason to speak to qemu: nobody listens any more.
    let _ = gz.vmadm(&["update", VM, "vnc_password=tulip"]).ok();
    let _ = gz.vmadm(&["update", VM, "alias=other"]).ok();
}

#[test]
fn real_qemu_takes_a_vnc_password() {
    needs!(Need::Simulation, Need::Program(QEMU));
    let gz = system_with_qemu();
    with_vm(&gz, &payload("kvm"));
    assert_eq!(ctl(&gz, &["qmp", VM, "query-vnc"]).ok().json()["auth"], "vnc");
    let arguments = json!({"protocol": "vnc", "password": "tulip"}).to_string();
    let _ = ctl(&gz, &["qmp", VM, "set_password", &arguments]).ok();
    let _ = gz.vmadm(&["update", VM, "vnc_password=daisy"]).ok();
}

#[test]
fn a_machine_that_its_brand_would_not_start_is_not_made() {
    needs!(Need::Simulation);
    let gz = system();
    let before = gz.snapshot();
    let refused = |payload: &Value, message: &str| {
        let run = gz.create(payload).failed();
        assert!(run.stderr.contains(message), "{}", run.stderr);
        assert_eq!(gz.snapshot(), before);
    };
    let mut two = payload("bhyve");
    two["pci_devices"] = json!([{"path": "/devices/pci@0,0/gpu@1", "pci_slot": "0:4:0"}]);
    refused(&two, "PCI slot 0:4:0 is used twice: by virtio-blk /dev/zvol/rdsk/");
    two["pci_devices"][0]["pci_slot"] = "0:30:0".into();
    refused(&two, "is used twice: by passthru /devices/pci@0,0/gpu@1 and by fbuf");
    let mut boots = payload("bhyve");
    boots["disks"] = json!([{"boot": true, "model": "virtio", "size": 64}, {"boot": true, "model": "virtio", "size": 64}]);
    refused(&boots, "multiple boot disks");
    boots["disks"] = Value::from(vec![json!({"model": "virtio", "size": 8}); 9]);
    refused(&boots, "more than 8 disk devices");

    with_vm(&gz, &payload("bhyve"));
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let made = gz.snapshot();
    let update = json!({"bhyve_extra_opts": "-s 4:0,virtio-rnd"}).to_string();
    let run = gz.run_with("vmadm", &["update", VM], update.as_bytes()).failed();
    assert!(run.stderr.contains("PCI slot 0:4:0 is used twice"), "{}", run.stderr);
    assert_eq!(gz.snapshot(), made);
    // One that was configured past vmadm is refused by its brand.
    let _ = gz.run("zonecfg", &["-u", VM, "add attr; set name=hostbridge; set type=string; set value=none; end; add net; set physical=net7; add property (name=primary, value=\"true\"); end"]).ok();
    let run = gz.vmadm(&["start", VM]).failed();
    assert!(run.stderr.contains("multiple primary nets: net0 net7"), "{}", run.stderr);
}

/// What only configurations of OmniOS can have is seen by `cmdline` and `devices`.
#[test]
fn devices_of_omnios() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--platform", "omnios"]);
    let script = "create -b\nset zonepath=/rpool/bh\nset brand=bhyve\nset ip-type=exclusive\n"
        .to_owned()
        + &[
            ("bootdisk", "rpool/bh/root"),
            ("bootrom", "BHYVE_RELEASE"),
            ("ram", "1G"),
            ("rng", "on"),
            ("memreserve", "on"),
            ("virtfs0", "share,/data,ro"),
            ("ppt3", "on"),
            ("vnc", "on"),
            ("extra0", "-s 20:0,virtio-console"),
        ]
        .map(|(name, value)| {
            format!("add attr\nset name={name}\nset type=string\nset value=\"{value}\"\nend\n")
        })
        .concat();
    let _ = gz.run_with("zonecfg", &["-z", "bh"], script.as_bytes()).ok();
    let _ = gz.run("zoneadm", &["-z", "bh", "install"]).ok();
    let devices = ctl(&gz, &["devices", "-j", "bh"]).ok().json();
    let devices: Vec<(&str, &str)> = devices
        .as_array()
        .expect("a list")
        .iter()
        .map(|device| {
            (device["pci_slot"].as_str().expect("text"), device["device"].as_str().expect("text"))
        })
        .collect();
    for device in [
        ("0:4:0", "virtio-blk"),
        ("0:9:0", "passthru"),
        ("0:10:0", "virtio-rnd"),
        ("0:11:0", "virtio-9p"),
        ("0:20:0", "virtio-console"),
        ("0:30:0", "fbuf"),
    ] {
        assert!(devices.contains(&device), "{device:?} is not in {devices:?}");
    }
    let argv = ctl(&gz, &["cmdline", "bh"]).ok().text();
    for option in [
        "-S",
        "memory.use_reservoir=true",
        "bootrom,/usr/share/bhyve/firmware/BHYVE_RELEASE.fd,/etc/uefivars",
    ] {
        assert!(argv.lines().any(|line| line == option), "{option} is not in\n{argv}");
    }
    let run = ctl(&gz, &["status", "-j", "bh"]).ok();
    assert_eq!((run.json().get("boot_options"), run.stderr.as_str()), (None, ""));
    let etc = gz.path("/rpool/bh/root/etc");
    fs::create_dir_all(&etc).expect("a writable zone");
    fs::write(etc.join("uefivars"), "damaged").expect("a writable zone");
    let run = ctl(&gz, &["status", "-j", "bh"]).ok();
    assert!(
        run.stderr.contains("/etc/uefivars: it is no store of UEFI variables"),
        "{}",
        run.stderr
    );
    assert_eq!(run.json()["state"], "installed");
}

#[test]
fn guests_of_omnios_get_metadata_on_their_second_port() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--platform", "omnios"]);
    let uuid = "b0000001-0000-4000-8000-000000000001";
    let payload = json!({
        "uuid": uuid, "brand": "bhyve", "alias": "db", "ram": 256, "vcpus": 1,
        "disks": [{"boot": true, "model": "virtio", "size": 64}],
        "customer_metadata": {"user-script": "echo"},
    });
    let _ = gz.create(&payload).ok();
    assert_eq!(ctl(&gz, &["list", "-j"]).ok().json()[0]["uuid"], uuid);
    assert_eq!(ctl(&gz, &["status", "-j", uuid]).ok().json()["uuid"], uuid);
    let socket = gz.path("/metadata");
    let mut command =
        gz.command("bhyve-ctl", &["metadata", "--socket", &socket.display().to_string(), uuid]);
    let mut server = Running(command.spawn().expect("bhyve-ctl can be run"));
    let mut connected = None;
    wait::until("the socket", || {
        connected = std::os::unix::net::UnixStream::connect(&socket).ok();
        connected.is_some()
    });
    let mut stream = connected.expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let mut ask = |request: &str, count: usize| -> Vec<String> {
        writeln!(stream, "{request}").expect("writable");
        (0..count).map(|_| answers.next().expect("an answer").expect("readable")).collect()
    };
    assert_eq!(ask("GET sdc:alias", 3), ["SUCCESS", "db", "."]);
    assert_eq!(ask("GET user-script", 3), ["SUCCESS", "echo", "."]);
    assert_eq!(ask("GET nothing", 1), ["NOTFOUND"]);
    // It ends in good order.
    signal::send(server.0.id(), Signal::SIGTERM);
    assert!(server.0.wait().expect("it was started").success());
    assert!(!socket.exists());
}
