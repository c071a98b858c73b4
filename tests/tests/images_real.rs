//! Images and a VM on a real ZFS: what was in an image is in its dataset, also after it was made into another image,
//! published, deleted and imported again.
//!
//! `ci/real-zfs.sh` runs it in a throw-away machine with OpenZFS.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use e2e::{Gz, Need, Run, images, needs};
use serde_json::{Value, json};

const FILESYSTEM: &str = "6b1d5c8e-0001-4d4b-9a51-0c1f5f2f7a10";
const VOLUME: &str = "6b1d5c8e-0002-4d4b-9a51-0c1f5f2f7a10";
const INCREMENTAL: &str = "6b1d5c8e-0003-4d4b-9a51-0c1f5f2f7a10";
const VM: &str = "a0000001-0000-4000-8000-000000000001";

fn succeed(run: Run) {
    assert_eq!(run.exit, Some(0), "stdout: {}\nstderr: {}", run.text(), run.stderr);
}

/// Every file below a directory by its path, links by what they name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().display().to_string().into());
            } else if kind.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                left.push(path);
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn head_of_volume(uuid: &str) -> String {
    Command::new("udevadm").arg("settle").status().unwrap();
    let mut head = [0; 26];
    fs::File::open(format!("/dev/zvol/zones/{uuid}")).unwrap().read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head).into_owned()
}

fn datasets(gz: &Gz) -> String {
    gz.run("zfs", &["list", "-H", "-o", "name", "-r", "zones"]).text()
}

#[test]
fn images_hold_what_went_into_them() {
    needs!(Need::RealZfs);
    let gz = Gz::init(&[]);
    let at_first = datasets(&gz);
    let published = tempfile::tempdir().unwrap();
    images::add(published.path(), FILESYSTEM, "fs-full", "zone-dataset", &json!({}));
    let volume = json!({"image_size": 8, "nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host"});
    images::add(published.path(), VOLUME, "vol-full", "zvol", &volume);
    let mut incremental = volume;
    incremental["origin"] = VOLUME.into();
    images::add(published.path(), INCREMENTAL, "vol-clone-incremental", "zvol", &incremental);
    let server = images::Server::start(&gz, published.path());
    succeed(gz.run("imgadm", &["sources", "-d", "https://images.smartos.org"]));
    succeed(gz.run("imgadm", &["sources", "-a", &server.url]));

    succeed(gz.run("imgadm", &["import", FILESYSTEM]));
    let dataset = Path::new("/zones").join(FILESYSTEM);
    let before = files(&dataset);
    assert_eq!(before["etc/motd"], b"zonekit test image\n");
    assert_eq!(before["bin/link"], b"tool");
    assert_eq!(before["bin/tool"].len(), 30_000);
    assert_eq!(before["zeros"], vec![0; 200_000]);
    assert_eq!(before["tiny"], b"tiny");
    assert!(before.contains_key("empty/"));

    // The origin comes along with the incremental image.
    succeed(gz.run("imgadm", &["import", INCREMENTAL]));
    assert_eq!(head_of_volume(VOLUME), "boot sector of a test disk");
    assert_eq!(head_of_volume(INCREMENTAL), "boot sector of a test disk");
    let origin =
        gz.run("zfs", &["get", "-H", "-o", "value", "origin", &format!("zones/{INCREMENTAL}")]);
    assert_eq!(origin.text().trim(), format!("zones/{VOLUME}@final"));

    // A bhyve VM on a clone of the volume, with a second disk: real volumes with real reservations.
    let disks = json!([{"boot": true, "model": "virtio", "image_uuid": VOLUME}, {"model": "virtio", "size": 16}]);
    let machine = json!({
        "uuid": VM, "brand": "bhyve", "alias": "disk", "ram": 256, "vcpus": 1, "disks": disks,
        "nics": [{"nic_tag": "admin", "ip": "dhcp", "model": "virtio"}],
    });
    succeed(gz.create(&machine));
    assert_eq!(head_of_volume(&format!("{VM}/disk0")), "boot sector of a test disk");
    let got = gz.vmadm(&["get", VM]).json();
    assert_eq!((&got["disks"][0]["size"], &got["disks"][1]["size"]), (&json!(8), &json!(16)));
    assert!(got["disks"][1]["refreservation"].as_u64() >= Some(16), "{}", got["disks"]);
    succeed(gz.vmadm(&["stop", VM, "-F"]));
    succeed(gz.vmadm(&["delete", VM]));

    // What joyent VMs ask of an image, looked for where it is mounted.
    let zoneinit = dataset.join("root/root/zoneinit.d");
    fs::create_dir_all(&zoneinit).unwrap();
    fs::write(zoneinit.join("04-mdata.sh"), "").unwrap();
    // A VM of it, changed, becomes an image of its own; it goes to the server and comes back the same.
    let payload = json!({
        "uuid": VM, "brand": "joyent", "image_uuid": FILESYSTEM, "alias": "x", "max_physical_memory": 256,
        "quota": 1, "nics": [{"nic_tag": "admin", "ip": "dhcp"}],
    });
    succeed(gz.create(&payload));
    succeed(gz.vmadm(&["stop", VM]));
    let zone = Path::new("/zones").join(VM);
    fs::write(zone.join("etc/added"), "by the VM\n").unwrap();
    let made = tempfile::tempdir().unwrap();
    let output = made.path().join("new");
    let output = output.to_str().unwrap();
    succeed(
        gz.run("imgadm", &["create", "-c", "gzip", "-o", output, VM, "name=new", "version=2.0.0"]),
    );
    let manifest = fs::read_to_string(made.path().join("new.imgmanifest")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let new = manifest["uuid"].as_str().unwrap();
    let arguments = [
        "publish",
        "-m",
        &format!("{output}.imgmanifest"),
        "-f",
        &format!("{output}.zfs.gz"),
        &server.url,
    ];
    let mut publish = gz.command("imgadm", &arguments);
    let published = publish.env("IMGADM_TOKEN", "secret").output().unwrap();
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    succeed(gz.run("imgadm", &["import", new]));
    let first = files(&Path::new("/zones").join(new));
    assert_eq!(first["etc/added"], b"by the VM\n");
    assert_eq!(first["bin/tool"], before["bin/tool"]);
    succeed(gz.run("imgadm", &["delete", new]));
    succeed(gz.run("imgadm", &["import", new]));
    assert_eq!(files(&Path::new("/zones").join(new)), first);

    succeed(gz.run("imgadm", &["delete", new]));
    succeed(gz.vmadm(&["delete", VM]));
    for uuid in [INCREMENTAL, VOLUME, FILESYSTEM] {
        succeed(gz.run("imgadm", &["delete", uuid]));
    }
    assert_eq!(datasets(&gz), at_first);
}
