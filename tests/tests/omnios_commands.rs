//! Commands on VMs of OmniOS beside those that make and change them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use e2e::flavours::omnios;
use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const VM: &str = "b0000001-0000-4000-8000-000000000001";

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

fn kvm() -> Value {
    json!({
        "uuid": VM, "brand": "kvm", "ram": 256, "vcpus": 1, "vnc_port": 0,
        "disks": [{"size": 64, "model": "virtio", "boot": true}],
        "nics": [{"nic_tag": "admin", "model": "virtio", "ip": "dhcp"}],
    })
}

fn bhyve() -> Value {
    json!({
        "uuid": VM, "brand": "bhyve", "ram": 256, "vcpus": 1, "vnc_port": 0,
        "disks": [{"size": 64, "model": "virtio", "boot": true}],
    })
}

fn native() -> Value {
    json!({
        "uuid": VM, "brand": "ipkg", "max_physical_memory": 256, "delegate_dataset": true,
        "routes": {"198.51.100.0/24": "192.0.2.1", "203.0.113.0/24": "nics[0]"},
        "nics": [{"nic_tag": "net2", "ips": ["192.0.2.7/24", "192.0.2.8/24"], "gateways": ["192.0.2.1"]}],
    })
}

#[test]
fn qemu_is_controlled_through_its_monitor() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&kvm()).ok();
    let status = gz.run("bhyve-ctl", &["status", VM, "--json"]).ok().json();
    assert_eq!(status["guest"], json!({"status": "running", "running": true}));
    let stats = gz.run("bhyve-ctl", &["stats", VM, "--json"]).ok().json();
    assert_eq!(stats[0]["stats"]["rd_bytes"], 512);
    let info = gz.vmadm(&["info", VM, "status,vnc,pci"]).ok().json();
    assert_eq!(info["status"], json!(["VM status: running"]));
    assert!(info["vnc"][1].as_str().is_some_and(|line| line.contains("/tmp/vm.vnc")), "{info}");
    let run = gz.vmadm(&["info", VM, "spice,kvm"]).failed();
    assert!(run.stderr.contains("qemu: unknown command: 'info kvm'"), "{}", run.stderr);

    assert_eq!(gz.vmadm(&["sysrq", VM, "nmi"]).ok().stderr, format!("Sent NMI to VM {VM}\n"));
    let _ = gz.vmadm(&["sysrq", VM, "screenshot"]).ok();
    let picture = fs::read(gz.path(&format!("/zones/{VM}/root/tmp/vm.ppm"))).expect("a picture");
    assert!(picture.starts_with(b"P6\n"));
    let png = gz.path("/screen.png");
    let _ = gz.run("bhyve-ctl", &["screenshot", VM, &png.display().to_string()]).ok();
    assert!(fs::read(&png).expect("a picture").starts_with(b"\x89PNG"));
    for command in ["nmi", "reset"] {
        let _ = gz.run("bhyve-ctl", &[command, VM]).ok();
    }
    let run = gz.run("bhyve-ctl", &["qmp", VM, "query-status"]).failed();
    assert!(run.stderr.contains("no QMP socket"), "{}", run.stderr);
    let _ = gz.run("bhyve-ctl", &["powerdown", VM, "-t", "20"]).ok();
    assert_eq!(get(&gz)["state"], "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.run("bhyve-ctl", &["poweroff", VM]).ok();
    assert_eq!(get(&gz)["state"], "stopped");
}

#[test]
fn bhyve_is_controlled_by_the_name_of_its_zone() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    gz.clear_calls();
    let _ = gz.vmadm(&["sysrq", VM, "nmi"]).ok();
    assert!(gz.calls().contains(&format!("bhyvectl --vm={VM} --inject-nmi")), "{:?}", gz.calls());
    let run = gz.vmadm(&["sysrq", VM, "screenshot"]).failed();
    assert!(run.stderr.contains("Invalid sysrq \"screenshot\""), "{}", run.stderr);
    let socket = |path: &str| json!({"vnc": {"socket": format!("/zones/{VM}/root{path}")}});
    let _ = gz.vmadm(&["update", VM, "vnc_port=0"]).ok();
    assert_eq!(gz.vmadm(&["info", VM, "vnc"]).ok().json(), socket("/tmp/vm.vnc"));
    let other = "select attr name=vnc; set value=\"on,unix=/tmp/other.vnc,w=1200\"; end\n";
    let _ = gz.run_with("zonecfg", &["-z", VM], other.as_bytes()).ok();
    assert_eq!(gz.vmadm(&["info", VM, "vnc"]).ok().json(), socket("/tmp/other.vnc"));
    let _ = gz.vmadm(&["update", VM, "vnc_port=-1"]).ok();
    assert_eq!(gz.vmadm(&["info", VM, "vnc"]).ok().json(), json!({"vnc": {}}));
}

#[test]
fn a_guest_that_does_not_heed_its_power_button_is_stopped_by_force() {
    needs!(Need::Simulation);
    let mut gz = omnios();
    gz.set("GZSIM_SHUTDOWN_DELAY", "never");
    let _ = gz.create(&bhyve()).ok();
    let begun = std::time::Instant::now();
    let _ = gz.vmadm(&["reboot", VM, "-F"]).ok();
    assert_eq!(get(&gz)["state"], "running");
    let _ = gz.vmadm(&["stop", VM, "-t", "1"]).ok();
    assert_eq!(get(&gz)["state"], "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.vmadm(&["delete", VM]).ok();
    // The brand gives such a guest half an hour.
    assert!(begun.elapsed() < e2e::wait::PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_dataset_that_is_in_use_for_a_moment_is_destroyed() {
    needs!(Need::Simulation);
    let mut gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let disk = get(&gz)["disks"][0]["path"].clone();
    gz.set("GZSIM_FAULT", "zfs destroy -r:1=exit 1 cannot destroy 'x': dataset is busy");
    let update = json!({"remove_disks": [disk]}).to_string();
    let _ = gz.run_with("vmadm", &["update", VM], update.as_bytes()).ok();
    assert_eq!(get(&gz).get("disks"), None);
    let calls = gz.calls();
    assert!(!calls.iter().any(|call| call.starts_with("zfs destroy") && call.contains('F')));
}

#[test]
fn brands_install_through_the_proxies_of_the_operator() {
    needs!(Need::Simulation);
    let mut gz = omnios();
    // In front of the simulated zoneadm, which is found by another of its names.
    let (program, link) = (gz.path("/usr/sbin/zoneadm"), gz.path("/usr/bin/zoneadm"));
    let seen = gz.path("/seen");
    fs::rename(&program, &link).expect("a writable root");
    let script = format!(
        "#!/bin/sh\necho \"$3 $HTTPS_PROXY\" >>{}\nexec {} \"$@\"\n",
        seen.display(),
        link.display()
    );
    fs::write(&program, script).expect("a writable root");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a writable root");
    gz.set("HTTPS_PROXY", "http://192.0.2.3:3128");
    let _ = gz.create(&native()).ok();
    let seen = fs::read_to_string(seen).expect("zoneadm was run");
    let with_proxy: Vec<&str> = seen.lines().filter(|line| line.contains("3128")).collect();
    assert_eq!(with_proxy, ["install http://192.0.2.3:3128"], "{seen}");
}

#[test]
fn a_native_zone_is_given_no_address_or_fixed_ones() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = gz.snapshot();
    let mut payload = native();
    payload.as_object_mut().expect("an object").shift_remove("routes");
    for address in ["dhcp", "addrconf"] {
        payload["nics"] = json!([{"nic_tag": "net2", "ips": [address]}]);
        let run = gz.create(&payload).failed();
        assert!(run.stderr.starts_with("nics.0.ips: "), "{}", run.stderr);
        assert!(run.stderr.contains("ipadm(8)"), "{}", run.stderr);
        assert_eq!(gz.snapshot(), before);
    }
    payload["nics"] = json!([{"nic_tag": "net2"}]);
    let _ = gz.create(&payload).ok();
    assert_eq!(get(&gz)["nics"][0]["nic_tag"], "net2");
    update_of(&gz, &json!({"add_nics": [{"nic_tag": "net2"}]}));
    assert_eq!(get(&gz)["nics"].as_array().map(Vec::len), Some(2));
}

fn update_of(gz: &Gz, payload: &Value) {
    let _ = gz.run_with("vmadm", &["update", VM], payload.to_string().as_bytes()).ok();
}

#[test]
fn media_and_boot_order_are_for_one_start() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let image = gz.path("/images/install.iso");
    std::fs::create_dir_all(image.parent().expect("a directory")).expect("a writable root");
    std::fs::write(&image, "an image").expect("a writable directory");
    let configuration = || gz.run("zonecfg", &["-z", VM, "export"]).ok().text();
    let before = configuration();
    let start = ["start", VM, "order=dc", "cdrom=/images/install.iso,ahci"];
    for (bad, why) in [
        ("cdrom=/images/none.iso,ahci", "Cannot find disk: /images/none.iso"),
        ("order=x", "Invalid boot order \"order=x\""),
    ] {
        let run = gz.vmadm(&["start", VM, bad]).failed();
        assert!(run.stderr.contains(why), "{}", run.stderr);
        assert_eq!(configuration(), before, "{bad}");
    }
    gz.clear_calls();
    let _ = gz.vmadm(&start).ok();
    assert_eq!(get(&gz)["state"], "running");
    // One script for this boot before it, and that the zone boots with the system after it.
    let calls = gz.calls();
    let boot = calls.iter().position(|call| *call == format!("zoneadm -z {VM} boot"));
    let scripts = |calls: &[String]| calls.iter().filter(|c| c.starts_with("zonecfg ")).count();
    let (before_boot, after) = calls.split_at(boot.expect("it boots"));
    assert_eq!((scripts(before_boot), scripts(after)), (1, 1), "{calls:?}");
    let started = configuration();
    assert!(!started.contains("install.iso") && !started.contains("bootorder"), "{started}");
    assert_eq!(started, before.replace("set autoboot=false", "set autoboot=true"));
}

#[test]
fn a_start_that_fails_leaves_no_medium() {
    needs!(Need::Simulation);
    let mut gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let document = gz.path(&format!("/etc/zones/{VM}.xml"));
    let read = || std::fs::read_to_string(&document).expect("the zone's document");
    let before = read();
    gz.set("GZSIM_FAULT", "zoneadm boot:1=exit 1 out of luck");
    let _ = gz.vmadm(&["start", VM, "order=dc"]).failed();
    gz.unset("GZSIM_FAULT");
    assert_eq!(read(), before);
}

#[test]
fn consoles_are_those_of_the_zones() {
    needs!(Need::Simulation);
    let gz = omnios();
    for payload in [kvm(), bhyve(), native()] {
        let _ = gz.create(&payload).ok();
        gz.clear_calls();
        let _ = gz.vmadm(&["console", VM]);
        let login = format!("zlogin -C -e \\035 {VM}");
        assert!(gz.calls().contains(&login), "{}: {:?}", payload["brand"], gz.calls());
        let _ = gz.vmadm(&["delete", VM]).ok();
    }
}

#[test]
fn a_native_zone_has_addresses_routes_and_data_of_its_own() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = gz.datasets();
    let _ = gz.create(&native()).ok();
    let vm = get(&gz);
    assert_eq!(vm["datasets"], json!([format!("rpool/zones/{VM}/data")]));
    assert_eq!(vm["nics"][0]["ips"], json!(["192.0.2.7/24", "192.0.2.8/24"]));
    assert_eq!(vm["routes"], native()["routes"]);
    let zone = gz.run("zonecfg", &["-z", VM, "info", "net"]).ok().text();
    for line in ["allowed-address: 192.0.2.7/24", "allowed-address: 192.0.2.8/24"] {
        assert!(zone.contains(line), "{zone}");
    }
    let route = |verb: &str, rest: &str| {
        let kept = format!("/usr/sbin/route -p -R / {verb} {rest}");
        format!("zlogin {VM} {kept}; /usr/sbin/route {verb} {rest}")
    };
    let calls = gz.calls();
    for rest in ["198.51.100.0/24 192.0.2.1", "203.0.113.0/24 192.0.2.7 -interface"] {
        assert!(calls.contains(&route("add", rest)), "{calls:?}");
    }
    gz.clear_calls();
    let update = br#"{"remove_routes": ["203.0.113.0/24"], "set_routes": {"10.0.0.0/8": "192.0.2.1"}, "tmpfs": 64}"#;
    let _ = gz.run_with("vmadm", &["update", VM], update).ok();
    let calls = gz.calls();
    for call in [
        route("delete", "203.0.113.0/24 192.0.2.7 -interface"),
        route("add", "10.0.0.0/8 192.0.2.1"),
    ] {
        assert!(calls.contains(&call), "{calls:?}");
    }
    assert_eq!(get(&gz)["tmpfs"], 64);
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(gz.datasets(), before);
}

#[test]
fn snapshots_hold_the_root_of_a_native_zone() {
    needs!(Need::Simulation);
    let gz = omnios();
    let mut payload = native();
    payload["delegate_dataset"] = false.into();
    let _ = gz.create(&payload).ok();
    let _ = gz.vmadm(&["create-snapshot", VM, "before"]).ok();
    let snapshot = format!("rpool/zones/{VM}/ROOT/zbe@vmsnap-before");
    assert!(gz.datasets().contains(&snapshot), "{}", gz.datasets());
    assert_eq!(get(&gz)["snapshots"][0]["name"], "before");
    gz.clear_calls();
    let _ = gz.vmadm(&["rollback-snapshot", VM, "before"]).ok();
    assert!(gz.calls().contains(&format!("zfs rollback -r {snapshot}")), "{:?}", gz.calls());
    assert!(!gz.calls().iter().any(|call| call.ends_with(" -X")), "{:?}", gz.calls());
    assert_eq!(get(&gz)["state"], "running");
    let _ = gz.vmadm(&["delete-snapshot", VM, "before"]).ok();
    assert!(!gz.datasets().contains("vmsnap-"));
}

#[test]
fn snapshots_of_a_bhyve_vm_hold_its_disks() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let _ = gz.vmadm(&["create-snapshot", VM, "s"]).ok();
    assert!(gz.datasets().contains(&format!("rpool/zones/{VM}/disk0@vmsnap-s")));
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["rollback-snapshot", VM, "s"]).ok();
    assert_eq!(get(&gz)["state"], "stopped");
    let _ = gz.vmadm(&["delete-snapshot", VM, "s"]).ok();
}

#[test]
fn what_omnios_has_no_way_for_is_refused() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let before = gz.snapshot();
    for (arguments, stdin) in [
        (
            &["reprovision", VM][..],
            &br#"{"image_uuid": "c1d3f0b2-58a7-4f0e-8f3b-0e5f1a9d4e02"}"#[..],
        ),
        (&["send", VM], b""),
        (&["receive"], b""),
    ] {
        let run = gz.run_with("vmadm", arguments, stdin).failed();
        let named = format!("{} is not available on OmniOS", arguments[0]);
        assert!(run.stderr.contains(&named), "{}", run.stderr);
    }
    assert_eq!(gz.snapshot(), before);
}

#[test]
fn a_dry_run_prints_commands_of_this_system() {
    needs!(Need::Simulation);
    let gz = omnios();
    let _ = gz.create(&bhyve()).ok();
    let update =
        br#"{"ram": 512, "add_nics": [{"nic_tag": "admin", "model": "virtio", "ips": ["dhcp"]}]}"#;
    let text = gz.run_with("vmadm", &["update", VM, "--dry-run"], update).ok().text();
    for line in
        [format!("zonecfg -z {VM}"), "< select attr name=ram; set value=\"512M\"; end".to_owned()]
    {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(" -u ") && !text.contains(" -X"), "{text}");
    assert_eq!(get(&gz)["ram"], 256);
}

#[test]
fn the_filesystem_of_vms_is_looked_for_or_named_where_it_is_wrong() {
    needs!(Need::Simulation);
    let gz = omnios();
    let file = gz.path("/etc/zonekit.toml");
    fs::remove_file(&file).expect("it was there");
    let _ = gz.create(&bhyve()).ok();
    assert_eq!(get(&gz)["zonepath"], format!("/zones/{VM}"));
    let _ = gz.vmadm(&["delete", VM]).ok();
    for (text, message) in [
        (
            "dataset = \"tank/zones\"\n",
            "/etc/zonekit.toml: there is no pool tank for VMs: set dataset to",
        ),
        (
            "dataset = \"rpool/nosuch\"\n",
            "/etc/zonekit.toml: dataset = \"rpool/nosuch\": it does not exist",
        ),
        ("[nictags]\n", "unknown field `nictags`"),
        ("dataset = 1\n", "/etc/zonekit.toml"),
    ] {
        fs::write(&file, text).expect("writable");
        let run = gz.create(&bhyve()).failed();
        assert!(run.stderr.contains(message), "{text}: {}", run.stderr);
    }
}
