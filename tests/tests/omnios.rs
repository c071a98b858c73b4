//! VMs of OmniOS: the same manifests and commands as on SmartOS, with zones that OmniOS's brands understand.

use std::fs;
use std::path::Path;

use e2e::flavours::omnios;
use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const VM: &str = "b0000001-0000-4000-8000-000000000001";
/// Images.
const LX: &str = "5917ca96-c888-11e5-8da0-e785a1ad1185";
const DISK: &str = "c1d3f0b2-58a7-4f0e-8f3b-0e5f1a9d4e02";

/// The example of a bhyve VM, without its image: a blank disk boots as well.
fn manifest() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bhyve.json");
    let text = fs::read_to_string(path).expect("the example");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    manifest["uuid"] = VM.into();
    manifest["disks"][0] = json!({"boot": true, "model": "virtio", "size": 512});
    manifest["disks"][1]["uuid"] = "d0000001-0000-4000-8000-000000000001".into();
    manifest["disks"][0]["uuid"] = "d0000000-0000-4000-8000-000000000001".into();
    manifest["nics"][0]["mac"] = "02:08:20:12:34:56".into();
    manifest["tags"] = json!({"role": "db"});
    manifest
}

/// Everything that must be as before; zonecfg's counter of zones goes on.
fn state(gz: &Gz) -> String {
    let text = gz.snapshot();
    let counter = text.find("/did.txt").zip(text.find("/index"));
    counter.map_or_else(|| text.clone(), |(from, to)| format!("{}{}", &text[..from], &text[to..]))
}

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

#[test]
fn a_bhyve_vm_lives_and_leaves_nothing() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = state(&gz);
    let _ = gz.create(&manifest()).ok();
    let vm = get(&gz);
    assert_eq!(vm["state"], "running");
    assert_eq!(vm["zonepath"], format!("/zones/{VM}"));
    assert_eq!(vm["disks"][0]["path"], format!("/dev/zvol/rdsk/rpool/zones/{VM}/disk0"));
    let list = gz.vmadm(&["list", "-H", "-o", "uuid,type,ram,state,alias"]).ok().text();
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), [VM, "BHYV", "1024", "running", "db0"]);
    assert_eq!(gz.vmadm(&["lookup", "alias=db0"]).ok().text(), format!("{VM}\n"));

    // What the brand will make of the configuration.
    let line = gz.run("bhyve-ctl", &["cmdline", VM]).ok().text();
    for argument in [format!("rpool/zones/{VM}/disk0"), VM.to_owned(), "viona".to_owned()] {
        assert!(line.contains(&argument), "{argument} is not in\n{line}");
    }
    let links = gz.run("dladm", &["show-vnic", "-z", VM, "-p", "-o", "over"]).ok().text();
    assert_eq!(links, "net1\n", "the link behind the tag external");

    let _ = gz.vmadm(&["reboot", VM]).ok();
    assert_eq!(get(&gz)["state"], "running");
    let _ = gz.vmadm(&["stop", VM]).ok();
    assert_eq!((&get(&gz)["state"], &get(&gz)["autoboot"]), (&"stopped".into(), &false.into()));
    let _ = gz.vmadm(&["update", VM, "ram=2048"]).ok();
    assert_eq!(get(&gz)["ram"], 2048);
    let _ = gz.vmadm(&["start", VM]).ok();
    assert_eq!((&get(&gz)["state"], &get(&gz)["autoboot"]), (&"running".into(), &true.into()));
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(state(&gz), before);
    assert!(!gz.path(&format!("/zones/{VM}")).exists());
    let foreign = ["nictagadm", "sysinfo", "fwadm"];
    let calls = gz.calls();
    assert!(!calls.iter().any(|call| foreign.iter().any(|tool| call.starts_with(tool))));
    assert!(!calls.iter().any(|call| call.starts_with("zonecfg -u") || call.ends_with(" -X")));
}

#[test]
fn zones_of_its_own_brands_are_vms() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = state(&gz);
    for brand in ["sparse", "pkgsrc", "lipkg", "ipkg"] {
        let payload = json!({
            "uuid": VM, "brand": brand, "alias": "web", "quota": 5, "max_physical_memory": 512,
            "resolvers": ["192.0.2.53"],
            "nics": [{"nic_tag": "net2", "ips": ["192.0.2.7/24"], "gateways": ["192.0.2.1"]}],
        });
        let _ = gz.create(&payload).ok();
        let vm = get(&gz);
        assert_eq!((&vm["brand"], &vm["state"]), (&brand.into(), &"running".into()));
        assert_eq!((&vm["quota"], &vm["max_physical_memory"]), (&5.into(), &512.into()));
        let nic = &vm["nics"][0];
        assert_eq!((&nic["ip"], &nic["netmask"]), (&"192.0.2.7".into(), &"255.255.255.0".into()));
        assert_eq!((&nic["gateway"], &nic["nic_tag"]), (&"192.0.2.1".into(), &"net2".into()));
        let _ = gz.vmadm(&["reboot", VM]).ok();
        let _ = gz.vmadm(&["stop", VM]).ok();
        let _ = gz.vmadm(&["delete", VM]).ok();
        assert_eq!(state(&gz), before, "{brand}");
    }
}

#[test]
fn a_kvm_vm_is_powered_down_by_its_brand() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = state(&gz);
    let payload = json!({
        "uuid": VM, "brand": "kvm", "ram": 512, "vcpus": 1, "vnc_port": 0,
        "disks": [{"size": 64, "model": "virtio", "boot": true}],
        "nics": [{"nic_tag": "admin", "model": "virtio", "ip": "dhcp"}],
    });
    let _ = gz.create(&payload).ok();
    assert!(gz.run("bhyve-ctl", &["cmdline", VM]).ok().text().contains("qemu-system-x86_64"));
    gz.clear_calls();
    let _ = gz.vmadm(&["stop", VM]).ok();
    assert!(gz.calls().contains(&format!("zoneadm -z {VM} shutdown")));
    assert_eq!(get(&gz)["state"], "stopped");
    let _ = gz.vmadm(&["start", VM]).ok();
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(state(&gz), before);
}

#[test]
fn images_are_in_the_pool_of_the_vms() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = state(&gz);
    let made = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, bytes: &[u8]| {
        let path = made.path().join(name);
        fs::write(&path, bytes).expect("a writable directory");
        path.display().to_string()
    };
    let streams = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/zfs-streams");
    let mut disks = Vec::new();
    for (uuid, stream, kind, sha1) in [
        (LX, "fs-full", "lx-dataset", "0d0b9a5f0e06183d23c71e7f0e33be1d6747d852"),
        (DISK, "vol-full", "zvol", "cd8efa525ecd221f1b915671b558e0df66043eae"),
    ] {
        let file = fs::read(streams.join(format!("{stream}.zfs.gz"))).expect("a stream");
        let mut manifest = json!({
            "v": 2, "uuid": uuid, "name": "image", "version": "1", "type": kind, "os": "linux",
            "files": [{"sha1": sha1, "size": file.len(), "compression": "gzip"}],
        });
        if kind == "zvol" {
            manifest["image_size"] = 8.into();
            manifest["nic_driver"] = "virtio".into();
            manifest["disk_driver"] = "virtio".into();
            manifest["cpu_type"] = "host".into();
            disks = vec![json!({
                "boot": true, "model": "virtio", "image_uuid": uuid, "image_size": 8
            })];
        }
        let manifest = write("manifest.json", manifest.to_string().as_bytes());
        let file = write("file.gz", &file);
        let _ = gz.run("imgadm", &["install", "-m", &manifest, "-f", &file]).ok();
    }
    assert!(gz.datasets().contains(&format!("rpool/{LX}@final")));

    let payload = json!({
        "uuid": VM, "brand": "lx", "image_uuid": LX, "kernel_version": "4.3.0", "quota": 2,
        "max_physical_memory": 256,
    });
    let _ = gz.create(&payload).ok();
    let vm = get(&gz);
    assert_eq!((&vm["image_uuid"], &vm["kernel_version"]), (&LX.into(), &"4.3.0".into()));
    assert!(gz.datasets().contains(&format!("rpool/zones/{VM}\tfilesystem\trpool/{LX}@final")));
    let _ = gz.vmadm(&["delete", VM]).ok();

    let payload = json!({"uuid": VM, "brand": "bhyve", "ram": 256, "disks": disks});
    let _ = gz.create(&payload).ok();
    let clone = format!("rpool/zones/{VM}/disk0\tvolume\trpool/{DISK}@final");
    assert!(gz.datasets().contains(&clone));
    let _ = gz.vmadm(&["delete", VM]).ok();
    for uuid in [LX, DISK] {
        let _ = gz.run("imgadm", &["delete", uuid]).ok();
    }
    assert_eq!(state(&gz), before);
}

/// Installs an image of a filesystem.
fn install(gz: &Gz, directory: &Path, uuid: &str) {
    let stream = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/zfs-streams/fs-full.zfs.gz");
    let size = fs::metadata(&stream).expect("a stream").len();
    let sha1 = "0d0b9a5f0e06183d23c71e7f0e33be1d6747d852";
    let manifest = json!({
        "v": 2, "uuid": uuid, "name": "native", "version": "1", "type": "zone-dataset",
        "os": "illumos", "files": [{"sha1": sha1, "size": size, "compression": "gzip"}],
    });
    let path = directory.join("native.json");
    fs::write(&path, manifest.to_string()).expect("a writable directory");
    let (manifest, stream) = (path.display().to_string(), stream.display().to_string());
    let _ = gz.run("imgadm", &["install", "-m", &manifest, "-f", &stream]).ok();
}

#[test]
fn an_image_of_a_native_zone_is_one_of_its_boot_environment() {
    needs!(Need::Simulation);
    let gz = omnios();
    let made = tempfile::tempdir().expect("a temporary directory");
    install(&gz, made.path(), LX);
    let payload = json!({
        "uuid": VM, "brand": "illumos", "image_uuid": LX, "max_physical_memory": 256,
        "autoboot": false, "customer_metadata": {"secret": "of this zone"},
    });
    let _ = gz.create(&payload).ok();
    let zone = format!("rpool/zones/{VM}");
    let list = gz.run("imgadm", &["list", "-H", "-o", "uuid,clones"]).ok().text();
    assert_eq!(list.split_whitespace().collect::<Vec<_>>(), [LX, "1"]);
    let before = gz.datasets();
    let prefix = made.path().join("made").display().to_string();
    let create = |more: &[&str]| {
        gz.clear_calls();
        let options = ["create", "-o", &prefix];
        gz.run("imgadm", &[&options, more, &[VM, "name=made", "version=1"]].concat())
    };
    let sent = || {
        let calls = gz.calls();
        calls.into_iter().filter(|call| call.starts_with("zfs send")).collect::<Vec<_>>()
    };
    let _ = create(&[]).ok();
    assert_eq!(sent(), [format!("zfs send {zone}/ROOT/illumos@final")]);
    // What it is made of is what the zone was made of; nothing of the zone itself is in it.
    let other = "5917ca96-c888-11e5-8da0-e785a1ad1186";
    let text = fs::read_to_string(format!("{prefix}.imgmanifest")).expect("a manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    manifest["uuid"] = other.into();
    fs::write(format!("{prefix}.imgmanifest"), manifest.to_string()).expect("a writable file");
    let (m, f) = (format!("{prefix}.imgmanifest"), format!("{prefix}.zfs"));
    let _ = gz.run("imgadm", &["install", "-m", &m, "-f", &f]).ok();
    let names = |uuid: &str| {
        let list = fs::read_dir(gz.path(&format!("/rpool/{uuid}"))).expect("a directory");
        let mut names: Vec<_> = list.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert!(!names(LX).is_empty());
    assert_eq!(names(other), names(LX));
    let _ = gz.run("imgadm", &["delete", other]).ok();

    let _ = create(&["-i"]).ok();
    assert_eq!(sent(), [format!("zfs send -i rpool/{LX}@final {zone}/ROOT/illumos@final")]);
    assert_eq!(gz.datasets(), before);

    // Another boot environment, of another origin, is active now.
    let (old, new) = (format!("{zone}/ROOT/illumos"), format!("{zone}/ROOT/illumos-1"));
    let property = "org.opensolaris.libbe:active";
    for arguments in [
        &["snapshot", &format!("{old}@be")][..],
        &["clone", "-o", "canmount=noauto", &format!("{old}@be"), &new],
        &["set", "org.opensolaris.libbe:parentbe=5e0f0a52-6a43-4c1d-8c0b-7f3d1a2b9c01", &new],
        &["set", &format!("{property}=on"), &new],
    ] {
        let _ = gz.run("zfs", arguments).ok();
    }
    let before = gz.datasets();
    let refused = |more: &[&str], why: &str| {
        let run = create(more).failed();
        assert!(run.stderr.contains(why), "{}", run.stderr);
        assert_eq!(gz.datasets(), before);
        assert_eq!(sent(), Vec::<String>::new());
    };
    refused(&[], "several boot environments are active");
    let _ = gz.run("zfs", &["set", &format!("{property}=off"), &old]).ok();
    refused(&["-i"], &format!("{new} is not made from rpool/{LX}@final"));
    let _ = create(&[]).ok();
    assert_eq!(sent(), [format!("zfs send {new}@final")]);
    let _ = gz.run("zfs", &["set", &format!("{property}=off"), &new]).ok();
    refused(&[], "there is no active boot environment");
}

#[test]
fn a_native_zone_that_was_prepared_gets_its_root_back() {
    needs!(Need::Simulation);
    let gz = omnios();
    let made = tempfile::tempdir().expect("a temporary directory");
    install(&gz, made.path(), LX);
    let payload = json!({
        "uuid": VM, "brand": "illumos", "image_uuid": LX, "max_physical_memory": 256,
        "autoboot": false,
    });
    let _ = gz.create(&payload).ok();
    let before = gz.datasets();
    let script = made.path().join("script").display().to_string();
    fs::write(&script, "#!/bin/sh\n").expect("a writable directory");
    let prefix = made.path().join("made").display().to_string();
    gz.clear_calls();
    let options = ["create", "-s", &script, "-o", &prefix, VM, "name=made", "version=1"];
    let child = gz.spawn("imgadm", &options, "");
    let tell = |keys: &Value| {
        let update = json!({"set_customer_metadata": keys}).to_string();
        let _ = gz.run_with("vmadm", &["update", VM], update.as_bytes()).ok();
    };
    e2e::wait::until("the script is started", || {
        let vm = gz.vmadm(&["get", VM]).json();
        vm["state"] == "running" && !vm["internal_metadata"]["operator-script"].is_null()
    });
    tell(&json!({"prepare-image:state": "success"}));
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let output = child.wait_with_output().expect("imgadm ends");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(gz.datasets(), before);
    let calls = gz.calls();
    for dataset in [format!("rpool/zones/{VM}"), format!("rpool/zones/{VM}/ROOT/illumos")] {
        let rollback = format!("zfs rollback {dataset}@imgadm-create-pre-prepare");
        assert!(calls.contains(&rollback), "{rollback} is not in {calls:#?}");
    }
    assert_eq!(get(&gz)["internal_metadata"], json!({}));
}

#[test]
fn an_image_of_a_zone_that_no_image_makes_is_refused() {
    needs!(Need::Simulation);
    let gz = omnios();
    let payload =
        json!({"uuid": VM, "brand": "sparse", "max_physical_memory": 256, "autoboot": false});
    let _ = gz.create(&payload).ok();
    let before = state(&gz);
    let run = gz.run("imgadm", &["create", VM, "name=made", "version=1", "os=illumos"]).failed();
    assert!(run.stderr.contains("error (NotSupported)"), "{}", run.stderr);
    assert!(run.stderr.contains("a zone of the brand sparse"), "{}", run.stderr);
    assert_eq!(state(&gz), before);
}

#[test]
fn what_omnios_cannot_do_is_named_and_nothing_changes() {
    needs!(Need::Simulation);
    let gz = omnios();
    let before = state(&gz);
    let nic = json!([{"nic_tag": "external", "ips": ["dhcp"], "mtu": 9000}]);
    let far = json!([{"model": "virtio", "size": 64, "pci_slot": "0:7:0"}]);
    for (property, value, message) in [
        ("docker", json!(true), "docker: not available on OmniOS: containers need"),
        ("zfs_io_priority", json!(50), "zfs_io_priority: not available on OmniOS: the kernel"),
        ("nics", nic, "nics.0.mtu: not available on OmniOS: the brand"),
        ("disks", far, "disks.0.pci_slot: on OmniOS disks are at 0:5:0 to"),
        (
            "nics",
            json!([{"nic_tag": "nosuch", "model": "virtio", "ips": ["dhcp"]}]),
            "Invalid nic tag \"nosuch\"",
        ),
        ("brand", json!("joyent"), "Invalid brand"),
        ("zonename", json!("db"), "zonename: "),
        ("boot", json!("once=d"), "boot: "),
    ] {
        let mut payload = manifest();
        payload[property] = value;
        let run = gz.create(&payload).failed();
        assert!(run.stderr.contains(message), "{property}: {}", run.stderr);
        assert_eq!(state(&gz), before, "{property}");
    }
    let _ = gz.create(&manifest()).ok();
    let made = state(&gz);
    let run =
        gz.run_with("vmadm", &["update", VM], br#"{"add_nics": [{"vrrp_vrid": 1}]}"#).failed();
    let named = "add_nics.0.vrrp_vrid: not available on OmniOS";
    assert!(run.stderr.contains(named), "{}", run.stderr);
    assert_eq!(state(&gz), made);
}

#[test]
fn a_create_that_fails_is_undone() {
    needs!(Need::Simulation, Need::Time);
    let mut gz = omnios();
    let before = state(&gz);
    for fault in ["zoneadm install:1", "zfs create:2", "zoneadm boot:1"] {
        gz.set("GZSIM_FAULT", &format!("{fault}=exit 1 out of luck"));
        let _ = gz.create(&manifest()).failed();
        gz.unset("GZSIM_FAULT");
        assert_eq!(state(&gz), before, "{fault}");
    }
}
