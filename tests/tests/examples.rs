//! Every manifest of `examples/` on every system that has its brand, from create to delete, and the same VM on both.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::flavours::{differences, omnios};
use e2e::{Gz, Need, needs};
use serde_json::{Value, json};

const VM: &str = "b0000001-0000-4000-8000-000000000001";

/// The images that examples name: UUID, stream, type, checksum of the stream, size of a disk in MiB.
const IMAGES: [(&str, &str, &str, &str, Option<u64>); 3] = [
    (
        "7b4ab0a5-3a4e-4a2c-9b1e-6a1f6a5d2c01",
        "zone",
        "zone-dataset",
        "e906abdf10215211640930ca773ef226b0e216f7",
        None,
    ),
    (
        "5917ca96-c888-11e5-8da0-e785a1ad1185",
        "fs-full",
        "lx-dataset",
        "0d0b9a5f0e06183d23c71e7f0e33be1d6747d852",
        None,
    ),
    (
        "c1d3f0b2-58a7-4f0e-8f3b-0e5f1a9d4e02",
        "vol-full",
        "zvol",
        "cd8efa525ecd221f1b915671b558e0df66043eae",
        Some(8),
    ),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn install_images(gz: &Gz) {
    let made = tempfile::tempdir().expect("a temporary directory");
    for (uuid, stream, kind, sha1, size) in IMAGES {
        let file = repository(&format!("data/zfs-streams/{stream}.zfs.gz"));
        let bytes = fs::metadata(&file).expect("a stream").len();
        let mut about = json!({
            "v": 2, "uuid": uuid, "name": "image", "version": "1", "type": kind, "os": "other",
            "files": [{"sha1": sha1, "size": bytes, "compression": "gzip"}],
        });
        if let Some(mib) = size {
            about["image_size"] = mib.into();
            for name in ["nic_driver", "disk_driver"] {
                about[name] = "virtio".into();
            }
            about["cpu_type"] = "host".into();
        }
        let manifest = made.path().join("manifest.json");
        fs::write(&manifest, about.to_string()).expect("writable");
        let [manifest, file] = [manifest, file].map(|path| path.display().to_string());
        let _ = gz.run("imgadm", &["install", "-m", &manifest, "-f", &file]).ok();
    }
}

/// The examples that are VM manifests, by file name.
fn manifests() -> Vec<(String, Value)> {
    let entries = fs::read_dir(repository("../examples")).expect("the examples");
    let mut manifests: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a file");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .filter(|(_, value): &(_, Value)| value.get("brand").is_some())
        .collect();
    manifests.sort_by(|(a, _), (b, _)| a.cmp(b));
    manifests
}

/// What the manifest leaves to chance, the same for both systems.
fn fixed(mut manifest: Value) -> Value {
    manifest["uuid"] = VM.into();
    for (list, key) in [("nics", "mac"), ("disks", "uuid")] {
        let elements = manifest.get_mut(list).and_then(Value::as_array_mut);
        for (index, element) in elements.into_iter().flatten().enumerate() {
            element[key] = match key {
                "mac" => format!("02:08:20:00:00:{index:02x}").into(),
                _ => format!("d0000000-0000-4000-8000-{index:012}").into(),
            };
        }
    }
    manifest
}

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

/// From create to delete; the VM as it was when it was new.
fn life(gz: &Gz, name: &str, manifest: &Value) -> Value {
    let before = gz.datasets();
    let run = gz.create(manifest).ok();
    assert_eq!(run.stderr, format!("Successfully created VM {VM}\n"), "{name}");
    let vm = get(gz);
    assert_eq!(vm["state"], "running", "{name}");
    let _ = gz.vmadm(&["update", VM, "alias=other"]).ok();
    assert_eq!(get(gz)["alias"], "other", "{name}");
    let _ = gz.vmadm(&["stop", VM]).ok();
    assert_eq!(get(gz)["state"], "stopped", "{name}");
    let _ = gz.vmadm(&["start", VM]).ok();
    assert_eq!(get(gz)["state"], "running", "{name}");
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    let _ = gz.vmadm(&["delete", VM]).ok();
    assert_eq!(gz.datasets(), before, "{name}");
    vm
}

#[test]
fn every_example_lives_on_every_system_that_has_its_brand() {
    needs!(Need::Simulation, Need::TwoRoots);
    let (smartos, omnios) = (Gz::init(&[]), omnios());
    for gz in [&smartos, &omnios] {
        install_images(gz);
    }
    let mut on_both = Vec::new();
    for (name, manifest) in manifests() {
        let manifest = fixed(manifest);
        let brand = manifest["brand"].as_str().expect("a brand").to_owned();
        match brand.as_str() {
            "joyent" => {
                life(&smartos, &name, &manifest);
                let run = omnios.create(&manifest).failed();
                assert!(run.stderr.contains("Invalid brand"), "{name}: {}", run.stderr);
            }
            "sparse" => {
                life(&omnios, &name, &manifest);
                let run = smartos.create(&manifest).failed();
                assert!(run.stderr.contains("brand"), "{name}: {}", run.stderr);
            }
            _ => {
                let vms = [&smartos, &omnios].map(|gz| life(gz, &name, &manifest));
                let [there, here] = vms;
                assert_eq!(differences(there, here), [""; 0], "{name}");
                on_both.push(brand);
            }
        }
    }
    assert_eq!(on_both, ["bhyve", "kvm", "lx"]);
}

/// What the brands' install scripts of OmniOS are given: an image where they take one, nothing else where they do not.
#[test]
fn brands_of_omnios_are_installed_from_what_they_take() {
    needs!(Need::Simulation);
    let gz = omnios();
    install_images(&gz);
    let zone = IMAGES[0].0;
    for (brand, image, installed) in [
        ("lx", Some(IMAGES[1].0), format!("install -s rpool/{}@final", IMAGES[1].0)),
        ("illumos", Some(zone), format!("install -s rpool/{zone}@final")),
        ("ipkg", None, "install".to_owned()),
        ("lipkg", None, "install".to_owned()),
        ("sparse", None, "install".to_owned()),
        ("pkgsrc", None, "install".to_owned()),
    ] {
        let mut payload = json!({"uuid": VM, "brand": brand, "max_physical_memory": 256});
        if brand == "lx" {
            payload["kernel_version"] = "4.4".into();
        }
        let other = if image.is_some() { Value::Null } else { zone.into() };
        let mut wrong = payload.clone();
        if other.is_string() {
            wrong["image_uuid"] = other;
        }
        let run = gz.create(&wrong).failed();
        assert!(run.stderr.contains("image"), "{brand}: {}", run.stderr);
        if let Some(image) = image {
            payload["image_uuid"] = image.into();
        }
        gz.clear_calls();
        life(&gz, brand, &payload);
        let call = format!("zoneadm -z {VM} {installed}");
        assert!(gz.calls().contains(&call), "{brand}: {:?}", gz.calls());
    }
}
