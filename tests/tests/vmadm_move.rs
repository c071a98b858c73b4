//! VMs that move between two systems: whole, in parts, cut off and resumed, and rebuilt after their host was lost.

use e2e::{Gz, Need, faults, needs, usable};
use serde_json::{Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const DISK_IMAGE: &str = "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a";
const UEFI_IMAGE: &str = "d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b";

fn zone() -> Value {
    json!({"uuid": UUID, "brand": "joyent", "image_uuid": IMAGE, "alias": "z", "quota": 10,
        "max_physical_memory": 256, "delegate_dataset": true, "autoboot": false,
        "tags": {"role": "db"}, "customer_metadata": {"k": "v"},
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "mac": "02:08:20:00:00:51"}]})
}

fn kvm() -> Value {
    json!({"uuid": UUID, "brand": "kvm", "alias": "k", "ram": 512, "vcpus": 1, "autoboot": false,
        "disks": [
            {"boot": true, "model": "virtio", "image_uuid": DISK_IMAGE},
            {"model": "virtio", "size": 64}]})
}

fn bhyve() -> Value {
    json!({"uuid": UUID, "brand": "bhyve", "alias": "b", "ram": 512, "vcpus": 1, "bootrom": "uefi",
        "autoboot": false, "quota": 1, "disks": [
            {"boot": true, "model": "virtio", "image_uuid": UEFI_IMAGE},
            {"model": "virtio", "size": 64}]})
}

fn send(gz: &Gz, options: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["send"];
    arguments.extend(options);
    arguments.push(UUID);
    gz.vmadm(&arguments).ok().stdout
}

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", UUID]).ok().json()
}

fn origin(gz: &Gz, dataset: &str) -> String {
    gz.run("zfs", &["get", "-H", "-o", "value", "origin", dataset]).ok().text().trim().to_owned()
}

/// The names of all datasets and snapshots of the VM.
fn names(gz: &Gz) -> Vec<String> {
    let all = gz.datasets();
    let names = all.lines().filter_map(|line| line.split('\t').next());
    names.filter(|name| name.contains(UUID)).map(str::to_owned).collect()
}

/// Writes a file into the delegated dataset.
fn write(gz: &Gz, name: &str, text: &str) {
    let path = gz.path(&format!("/zones/{UUID}/root/{name}"));
    std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}

fn read(gz: &Gz, name: &str) -> String {
    gz.file(&format!("/zones/{UUID}/root/{name}"))
}

/// Checks that /etc/zones and the datasets are as `before`, showing what is not.
fn assert_same(gz: &Gz, before: &str, context: &str) {
    // The number of zones ever made, which is a file's only line, never goes back.
    let kept = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.parse::<u64>().is_err()).map(str::to_owned).collect()
    };
    let (before, after) = (kept(before), kept(&gz.snapshot()));
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    let (gone, new) = (only(&before, &after).join("\n"), only(&after, &before).join("\n"));
    assert!(after == before, "{context}\ngone:\n{gone}\nnew:\n{new}");
}

/// What the other side says it has, in a file for `send --have`.
fn have(here: &Gz, there: &Gz, options: &[&str]) -> String {
    let mut arguments = vec!["receive", "--have", UUID];
    arguments.extend(options);
    let told = there.vmadm(&arguments).ok().stdout;
    let file = here.path("/var/tmp/have.json");
    std::fs::create_dir_all(file.parent().expect("it has a parent")).expect("a directory");
    std::fs::write(&file, told).expect("a file");
    file.display().to_string()
}

#[test]
fn a_received_vm_is_described_until_it_is_deleted() {
    needs!(Need::Simulation, Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here.create(&zone()).ok();
    let before = there.snapshot();
    let _ = there.run_with("vmadm", &["receive"], &send(&here, &[])).ok();
    let description = there.file(&format!("/etc/zones/{UUID}-receiving.json"));
    assert!(!description.contains("\"role\""), "tags travel in the dataset: {description}");
    assert!(names(&there).contains(&format!("zones/cores/{UUID}")), "{:?}", names(&there));
    let _ = there.vmadm(&["delete", UUID]).ok();
    assert_same(&there, &before, "");
}

#[test]
fn a_cut_stream_leaves_nothing_of_any_vm() {
    needs!(Need::Simulation, Need::TwoRoots);
    for (payload, snapshots) in [(zone(), &["a", "b"][..]), (kvm(), &["a"]), (bhyve(), &["a"])] {
        let (here, there) = Gz::twins();
        let _ = here.create(&payload).ok();
        for name in snapshots {
            let _ = here.vmadm(&["create-snapshot", "--all-datasets", UUID, name]).ok();
        }
        let before = there.snapshot();
        for options in
            [&[][..], &["--since", IMAGE], &["--since", DISK_IMAGE], &["--since", UEFI_IMAGE]]
        {
            let image = options.last().is_some_and(|image| !payload.to_string().contains(image));
            if image {
                continue;
            }
            let sent = send(&here, options);
            let cuts = [
                0,
                100,
                512,
                700,
                sent.len() / 4,
                sent.len() / 2,
                sent.len() * 3 / 4,
                sent.len() - 1,
            ];
            for cut in cuts {
                let run = there.run_with("vmadm", &["receive"], &sent[..cut]).failed();
                assert_same(&there, &before, &format!("{options:?}, {cut}: {}", run.stderr));
            }
            for at in [sent.len() / 3, sent.len() - 600] {
                let mut damaged = sent.clone();
                damaged[at] ^= 0x55;
                damaged[at + 1] ^= 0x55;
                let run = there.run_with("vmadm", &["receive"], &damaged);
                if run.exit == Some(0) {
                    // The byte was padding.
                    let _ = there.vmadm(&["delete", UUID]).ok();
                }
                assert_same(
                    &there,
                    &before,
                    &format!("{options:?}, damage at {at}: {}", run.stderr),
                );
            }
        }
    }
}

/// A full pool, a tool that fails, a receiver that is killed.
#[test]
fn a_struck_receive_leaves_nothing() {
    needs!(Need::Simulation, Need::TwoRoots);
    let full = "exit 1 cannot receive new filesystem stream: out of space";
    for payload in [zone(), bhyve()] {
        let (here, mut there) = Gz::twins();
        let _ = here.create(&payload).ok();
        let stream = send(&here, &[]);
        let before = there.snapshot();
        faults::strike(
            &mut there,
            &[full, "kill caller", "after kill caller"],
            |_| (),
            |gz| gz.run_with("vmadm", &["receive"], &stream),
            |gz, run, when| {
                if run.exit == Some(1) {
                    assert!(run.stderr.contains("out of space"), "{when}");
                    assert_eq!(names(gz), [""; 0], "{when}");
                }
                usable::recover(gz, when);
                // It had all that it needs when it was killed.
                if !names(gz).is_empty() {
                    usable::assert(gz, UUID, when);
                }
                assert_same(gz, &before, when);
            },
        );
    }
}

#[test]
fn what_is_no_vm_is_refused_in_the_words_that_scripts_know() {
    needs!(Need::Simulation, Need::TwoRoots);
    const DAMAGED: &str = "first of 1 error: vmunbundle exited with code 1";
    let (here, there) = Gz::twins();
    let _ = here.create(&zone()).ok();
    let sent = send(&here, &[]);
    let before = there.snapshot();
    let refused = |stdin: &[u8], words: &str| {
        let run = there.run_with("vmadm", &["recv"], stdin);
        assert_eq!(run.exit, Some(1), "{}", run.stderr);
        assert_eq!(run.stderr.trim_end(), words);
        assert_same(&there, &before, words);
    };
    refused(b"", "unable to receive JSON");
    refused(b"{}", "first of 1 error: Failed to get JSON!");
    refused(b"MAGIC-VMBUNDLE 1", "first of 1 error: Failed to get JSON!");
    refused(&[b' '; 2000], "first of 1 error: Failed to get JSON!");
    refused(b"MAGIC-VMBUNDLE\0", DAMAGED);
    let head = |name: &str, size: &str, text: &str| -> Vec<u8> {
        let head = format!("MAGIC-VMBUNDLE\x001\0CHECKSUM\0{name}\0{size}\x00512\0");
        let mut bytes = head.into_bytes();
        bytes.resize(512, 0);
        bytes.extend(text.as_bytes());
        bytes.resize(1024, 0);
        bytes
    };
    refused(&head("", "2", "{}"), DAMAGED);
    refused(&head("zones/a", "2", "{}"), DAMAGED);
    refused(&head("JSON", "x", "{}"), DAMAGED);
    refused(&head("JSON", "0", ""), DAMAGED);
    refused(&head("JSON", "2", "{}")[..600], DAMAGED);
    refused(
        &head("JSON", "1", "{"),
        "first of 1 error: the received stream:1:1: the text ends inside an object",
    );
    refused(&head("JSON", "2", "[]"), "unable to receive JSON");
    // What create says of the VM.
    let image = there.path(&format!("/zones/{IMAGE}/root/root/zoneinit.d/04-mdata.sh"));
    std::fs::rename(&image, image.with_extension("away")).expect("the image's file");
    let words = format!(
        "first of 1 error: provisioning dataset {IMAGE} with brand joyent is not supported"
    );
    refused(&sent, &words);
    std::fs::rename(image.with_extension("away"), &image).expect("the image's file");
    let mut other = zone();
    other["uuid"] = "a0000001-0000-4000-8000-000000000002".into();
    let _ = there.create(&other).ok();
    let run = there.run_with("vmadm", &["receive"], &sent).failed();
    let conflict = "first of 1 error: Conflict detected with another vm";
    assert!(run.stderr.starts_with(conflict), "{}", run.stderr);
    // What zfs says of a stream that is cut off stands behind the words that are known.
    let _ = there.vmadm(&["delete", "a0000001-0000-4000-8000-000000000002"]).ok();
    let run = there.run_with("vmadm", &["receive"], &sent[..sent.len() - 600]).failed();
    let (first, rest) = run.stderr.split_once('\n').unwrap_or_default();
    assert_eq!(first, format!("first of 1 error: {DAMAGED}"));
    assert!(rest.contains("/usr/sbin/zfs receive -F zones/"), "{rest}");
    let _ = there.run_with("vmadm", &["receive"], &sent).ok();
    let run = there.run_with("vmadm", &["receive"], &sent).failed();
    assert_eq!(
        run.stderr.trim_end(),
        format!("first of 1 error: VM with UUID {UUID} already exists")
    );
}

#[test]
fn what_came_after_a_snapshot_follows() {
    needs!(Need::Simulation, Need::TwoRoots);
    for payload in [zone(), bhyve()] {
        let (here, there) = Gz::twins();
        let _ = here.create(&payload).ok();
        let _ = here.vmadm(&["create-snapshot", "--all-datasets", UUID, "monday"]).ok();
        let whole = send(&here, &[]);
        let _ = there.run_with("vmadm", &["receive"], &whole).ok();
        write(&here, "tuesday", "more");
        let _ = here.vmadm(&["create-snapshot", "--all-datasets", UUID, "tuesday"]).ok();
        let _ = here.vmadm(&["update", UUID, "alias=renamed"]).ok();
        let _ = here.vmadm(&["update", UUID, "quota=12"]).ok();
        let rest = send(&here, &["--since", "monday"]);
        assert!(String::from_utf8_lossy(&rest).contains("\"name\": \"vmsnap-monday\""));
        let run = there.run_with("vmadm", &["receive"], &rest).ok();
        assert!(run.stderr.contains("Successfully received"), "{}", run.stderr);
        assert_eq!(read(&there, "tuesday"), "more");
        let (sent, received) = (get(&here), get(&there));
        for key in ["alias", "quota", "tags", "disks", "datasets", "state", "zfs_filesystem"] {
            assert_eq!(received[key], sent[key], "{key}");
        }
        let named = |vm: &Value| -> Vec<Value> {
            vm["snapshots"].as_array().expect("a list").iter().map(|s| s["name"].clone()).collect()
        };
        assert_eq!(named(&received), named(&sent));
        assert!(!names(&there).iter().any(|name| name.ends_with("@sending")));
        assert!(!names(&here).iter().any(|name| name.ends_with("@sending")));
        let _ = there.vmadm(&["start", UUID]).ok();
    }
}

#[test]
fn an_increment_that_is_cut_off_leaves_the_vm_at_the_snapshot() {
    needs!(Need::Simulation, Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here.create(&zone()).ok();
    let _ = here.vmadm(&["create-snapshot", "--all-datasets", UUID, "monday"]).ok();
    let _ = there.run_with("vmadm", &["receive"], &send(&here, &[])).ok();
    write(&here, "tuesday", "more");
    let _ = here.vmadm(&["update", UUID, "alias=renamed"]).ok();
    let rest = send(&here, &["--since", "monday"]);
    let before = there.snapshot();
    for cut in [600, rest.len() / 3, rest.len() / 2, rest.len() * 3 / 4, rest.len() - 10] {
        let run = there.run_with("vmadm", &["receive"], &rest[..cut]).failed();
        assert_same(&there, &before, &format!("{cut}: {}", run.stderr));
    }
    // What does not fit is refused before anything is changed.
    let _ = there.vmadm(&["create-snapshot", "--all-datasets", UUID, "mine"]).ok();
    let before = there.snapshot();
    let run = there.run_with("vmadm", &["receive"], &rest).failed();
    assert!(run.stderr.contains("newer than vmsnap-monday"), "{}", run.stderr);
    assert_same(&there, &before, "");
    let _ = there.vmadm(&["delete-snapshot", UUID, "mine"]).ok();
    let _ = there.vmadm(&["start", UUID]).ok();
    let run = there.run_with("vmadm", &["receive"], &rest).failed();
    assert!(run.stderr.contains("only a stopped one"), "{}", run.stderr);
    let _ = there.vmadm(&["stop", UUID]).ok();
    let _ = there.run_with("vmadm", &["receive"], &rest).ok();
    assert_eq!(get(&there)["alias"], "renamed");
}

#[test]
fn the_other_side_says_what_it_has() {
    needs!(Need::Simulation, Need::TwoRoots);
    let (here, there) = Gz::twins();
    let _ = here.create(&bhyve()).ok();
    // With the image there the disk comes as its clone.
    let file = have(&here, &there, &[]);
    let sent = send(&here, &["--have", &file]);
    let _ = there.run_with("vmadm", &["receive"], &sent).ok();
    assert_eq!(origin(&there, &format!("zones/{UUID}/disk0")), format!("zones/{UEFI_IMAGE}@final"));
    assert_eq!(get(&there)["disks"], get(&here)["disks"]);
    let _ = there.vmadm(&["delete", UUID]).ok();
    // Without it the disk comes whole.
    let _ = there.run("imgadm", &["delete", UEFI_IMAGE]).ok();
    let file = have(&here, &there, &[]);
    let run = there.run_with("vmadm", &["receive"], &sent).failed();
    assert!(run.stderr.contains(&format!("import image {UEFI_IMAGE}")), "{}", run.stderr);
    let _ = there.run_with("vmadm", &["receive"], &send(&here, &["--have", &file])).ok();
    assert_eq!(origin(&there, &format!("zones/{UUID}/disk0")), "-");
    assert_eq!(get(&there)["disks"], get(&here)["disks"]);
}

#[test]
fn a_vm_goes_to_another_pool() {
    needs!(Need::Simulation, Need::TwoRoots);
    for payload in [zone(), kvm()] {
        let (here, there) = Gz::twins();
        let _ = here.create(&payload).ok();
        let _ = there.run("zpool", &["create", "tank", "1T"]).ok();
        for image in [IMAGE, DISK_IMAGE] {
            let from = format!("zones/{image}@final");
            let stream = there.run("zfs", &["send", &from]).ok().stdout;
            let _ = there.run_with("zfs", &["receive", &format!("tank/{image}")], &stream).ok();
            let record = there.path(&format!("/var/imgadm/images/zones-{image}.json"));
            let text = std::fs::read_to_string(record).expect("the image's record");
            let text = text.replace("\"zpool\": \"zones\"", "\"zpool\": \"tank\"");
            let record = there.path(&format!("/var/imgadm/images/tank-{image}.json"));
            std::fs::write(record, text).expect("the image's record");
        }
        let file = have(&here, &there, &["-P", "tank"]);
        for sent in [send(&here, &[]), send(&here, &["--have", &file])] {
            let _ = there.run_with("vmadm", &["receive", "-P", "tank"], &sent).ok();
            let vm = get(&there);
            assert_eq!(vm["zpool"], "tank");
            assert_eq!(vm["zfs_filesystem"], format!("tank/{UUID}"));
            assert!(!vm.to_string().contains("zones/a0000001"), "{vm}");
            let _ = there.vmadm(&["start", UUID]).ok();
            let _ = there.vmadm(&["delete", UUID]).ok();
            assert_eq!(names(&there), Vec::<String>::new());
        }
    }
}

#[test]
fn what_has_arrived_of_a_cut_stream_can_be_kept_and_the_rest_sent() {
    needs!(Need::Simulation, Need::TwoRoots);
    for payload in [zone(), bhyve()] {
        let (mut here, there) = Gz::twins();
        let clean = there.snapshot();
        let _ = here.create(&payload).ok();
        let _ = here.vmadm(&["create-snapshot", "--all-datasets", UUID, "monday"]).ok();
        write(&here, "file", &"some text\n".repeat(30_000));
        // The snapshots that it travels as stay on the sender.
        here.set("GZSIM_FAULT", "zfs send:4=exit 1 connection lost");
        let whole = here.vmadm(&["send", "--resumable", UUID]).failed().stdout;
        here.unset("GZSIM_FAULT");
        let cut = whole.len() * 2 / 3;
        let run = there.run_with("vmadm", &["receive", "--resumable"], &whole[..cut]).failed();
        assert!(run.stderr.contains("is kept"), "{}", run.stderr);
        assert_eq!(get(&there)["state"], "receiving");
        let file = have(&here, &there, &[]);
        let rest = send(&here, &["--have", &file, "--resumable"]);
        assert!(rest.len() < whole.len(), "{} of {} bytes", rest.len(), whole.len());
        let _ = there.run_with("vmadm", &["receive", "--resumable"], &rest).ok();
        let (sent, received) = (get(&here), get(&there));
        for key in ["alias", "quota", "tags", "disks", "datasets", "state"] {
            assert_eq!(received[key], sent[key], "{key}");
        }
        assert_eq!(read(&there, "file"), read(&here, "file"));
        for gz in [&here, &there] {
            assert!(!names(gz).iter().any(|name| name.ends_with("@sending")), "{:?}", names(gz));
        }
        // What is not to go on is deleted like any other VM.
        let _ = there.vmadm(&["delete", UUID]).ok();
        let whole = send(&here, &["--resumable"]);
        let _ = there.run_with("vmadm", &["receive", "-s"], &whole[..whole.len() / 2]).failed();
        let _ = there.vmadm(&["delete", UUID]).ok();
        assert_same(&there, &clean, "");
    }
}

#[test]
fn a_vm_is_rebuilt_of_its_datasets_and_its_saved_json() {
    needs!(Need::Simulation);
    for payload in [zone(), kvm(), bhyve()] {
        let gz = Gz::new();
        let _ = gz.create(&payload).ok();
        let saved = gz.vmadm(&["get", UUID]).ok().text();
        let file = gz.path("/var/tmp/saved.json");
        std::fs::create_dir_all(file.parent().expect("it has a parent")).expect("a directory");
        std::fs::write(&file, &saved).expect("a file");
        let file = file.display().to_string();
        let run = gz.vmadm(&["receive", "--from-json", &file]).failed();
        assert!(run.stderr.contains("already exists"), "{}", run.stderr);
        // The host is lost with its configuration, the pool is not.
        let _ = gz.run("zoneadm", &["-u", UUID, "detach"]).ok();
        let _ = gz.run("zonecfg", &["-u", UUID, "delete", "-F"]).ok();
        let tags = gz.path(&format!("/zones/{UUID}/config/tags.json"));
        std::fs::remove_file(tags).expect("the tags");
        let before = gz.snapshot();
        let _ = gz.vmadm(&["receive", "--from-json", &file]).ok();
        let (old, mut new): (Value, Value) =
            (serde_json::from_str(&saved).expect("JSON"), get(&gz));
        for key in ["last_modified", "zonedid"] {
            new[key] = old[key].clone();
        }
        assert_eq!(new, old);
        let _ = gz.vmadm(&["start", UUID]).ok();
        let _ = gz.vmadm(&["stop", UUID, "-F"]).ok();
        // A dataset that is missing is named, and nothing is changed.
        let _ = gz.run("zoneadm", &["-u", UUID, "detach"]).ok();
        let _ = gz.run("zonecfg", &["-u", UUID, "delete", "-F"]).ok();
        let lost = match payload["brand"].as_str() {
            Some("kvm") => format!("zones/{UUID}-disk1"),
            Some("bhyve") => format!("zones/{UUID}/disk1"),
            _ => format!("zones/{UUID}/data"),
        };
        let _ = gz.run("zfs", &["destroy", "-r", &lost]).ok();
        let index = gz.file("/etc/zones/index");
        let run = gz.vmadm(&["receive", "--from-json", &file]).failed();
        assert!(run.stderr.contains(&format!("missing datasets: {lost}")), "{}", run.stderr);
        assert_eq!(gz.file("/etc/zones/index"), index);
        assert!(before.contains(&lost));
    }
}
