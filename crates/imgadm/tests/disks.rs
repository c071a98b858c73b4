//! Disk images as `qemu-img` makes them: the volume holds what the disk held. Skips by name where there is no qemu-img.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::server::{Reply, Server};
use common::tools::Sim;
use common::{installed_program, said};

const MIB: usize = 1 << 20;

/// A disk of odd size: noise, holes, text, one byte at the very end.
fn content() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let mut data = vec![0; 9 * MIB + 5 * 512];
    data[..2 * MIB].fill_with(&mut noise);
    for (at, byte) in data[3 * MIB..5 * MIB].iter_mut().enumerate() {
        *byte = b"zonekit "[at % 8];
    }
    // Across the borders of clusters and grains.
    data[6 * MIB - 700..6 * MIB + 700].fill_with(&mut noise);
    data[7 * MIB + 12345] = 1;
    *data.last_mut().unwrap() = 0xaa;
    data
}

struct Lab {
    qemu_img: PathBuf,
    dir: tempfile::TempDir,
    content: Vec<u8>,
}

impl Lab {
    fn new() -> Option<Self> {
        let qemu_img = installed_program("qemu-img")?;
        let lab = Self { qemu_img, dir: tempfile::tempdir().unwrap(), content: content() };
        std::fs::write(lab.path("raw"), &lab.content).unwrap();
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn qemu_img(&self, arguments: &[&str]) {
        let output = Command::new(&self.qemu_img)
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    /// Converts the disk with these options.
    fn convert(&self, name: &str, options: &[&str]) -> PathBuf {
        let mut arguments = vec!["convert", "-f", "raw"];
        arguments.extend(options);
        arguments.extend(["raw", name]);
        self.qemu_img(&arguments);
        self.path(name)
    }
}

fn import(sim: &Sim, argument: &str) -> std::process::Output {
    sim.imgadm(&["import", "--name", "disk", "--version", "1.0.0", "--os", "linux", argument])
}

/// Imports an image and compares the volume with the disk, which ends with zeros up to a whole MiB.
fn same(image: &Path, content: &[u8]) {
    let sim = Sim::new();
    let output = import(&sim, image.to_str().unwrap());
    assert!(output.status.success(), "{}: {output:?}", image.display());
    let volume = sim.volume();
    assert_eq!(volume.len(), content.len().next_multiple_of(MIB), "{}", image.display());
    assert!(volume[..content.len()] == *content, "{} differs", image.display());
    assert!(volume[content.len()..].iter().all(|byte| *byte == 0), "{}", image.display());
    let (list, _) = said(&sim.imgadm(&["list", "-H", "-o", "name,version,os,type,image_size"]));
    let size = (volume.len() / MIB).to_string();
    let row: Vec<&str> = list.split_whitespace().collect();
    assert_eq!(row, ["disk", "1.0.0", "linux", "zvol", &size]);
}

fn refused(image: &Path, part: &str) {
    let sim = Sim::new();
    let output = import(&sim, image.to_str().unwrap());
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{}", image.display());
    assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn qcow2_of_every_kind_is_read() {
    let Some(lab) = Lab::new() else { return };
    for (name, options) in [
        ("v3.qcow2", &["-O", "qcow2"][..]),
        ("v2.qcow2", &["-O", "qcow2", "-o", "compat=0.10"]),
        ("packed.qcow2", &["-O", "qcow2", "-c"]),
        ("packed-v2.qcow2", &["-O", "qcow2", "-c", "-o", "compat=0.10"]),
        ("packed-zstd.qcow2", &["-O", "qcow2", "-c", "-o", "compression_type=zstd"]),
        ("small.qcow2", &["-O", "qcow2", "-o", "cluster_size=512"]),
        ("small-packed.qcow2", &["-O", "qcow2", "-c", "-o", "cluster_size=4096"]),
        ("large.qcow2", &["-O", "qcow2", "-o", "cluster_size=2M"]),
        ("metadata.qcow2", &["-O", "qcow2", "-o", "preallocation=metadata"]),
        ("lazy.qcow2", &["-O", "qcow2", "-o", "lazy_refcounts=on"]),
        ("refcounts.qcow2", &["-O", "qcow2", "-o", "refcount_bits=64"]),
    ] {
        same(&lab.convert(name, options), &lab.content);
    }
}

#[test]
fn qcow2_snapshots_are_passed_over_and_zero_clusters_are_zeros() {
    let Some(lab) = Lab::new() else { return };
    let Some(qemu_io) = installed_program("qemu-io") else { return };
    let image = lab.convert("changed.qcow2", &["-O", "qcow2"]);
    lab.qemu_img(&["snapshot", "-c", "before", "changed.qcow2"]);
    let commands = ["write -z 0 1M", "write -P 0x5a 4M 64k", "discard 3M 128k"];
    for command in commands {
        let status = Command::new(&qemu_io).args(["-c", command]).arg(&image).output().unwrap();
        assert!(status.status.success(), "{status:?}");
    }
    lab.qemu_img(&["convert", "-O", "raw", "changed.qcow2", "changed.raw"]);
    let changed = std::fs::read(lab.path("changed.raw")).unwrap();
    assert!(changed[..MIB].iter().all(|byte| *byte == 0) && changed[4 * MIB] == 0x5a);
    same(&image, &changed);
}

#[test]
fn what_is_not_all_in_the_image_is_refused() {
    let Some(lab) = Lab::new() else { return };
    lab.convert("base.qcow2", &["-O", "qcow2"]);
    lab.qemu_img(&["create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2"]);
    refused(&lab.path("top.qcow2"), "backing file");
    let external = "data_file=data.raw,data_file_raw=on";
    lab.qemu_img(&["create", "-q", "-f", "qcow2", "-o", external, "external.qcow2", "4M"]);
    refused(&lab.path("external.qcow2"), "features that are not known");
    let extended = lab.convert("extended.qcow2", &["-O", "qcow2", "-o", "extended_l2=on"]);
    refused(&extended, "features that are not known");
    lab.qemu_img(&["convert", "-O", "vmdk", "raw", "base.vmdk"]);
    lab.qemu_img(&["create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "top.vmdk"]);
    refused(&lab.path("top.vmdk"), "parent");
    let cut = lab.convert("cut.qcow2", &["-O", "qcow2"]);
    let length = std::fs::metadata(&cut).unwrap().len();
    std::fs::File::options().write(true).open(&cut).unwrap().set_len(length / 2).unwrap();
    refused(&cut, "cannot read disk image");
}

#[test]
fn messages_name_what_was_given_and_wrong_words_are_refused_before_a_download() {
    let server = Server::new(|request| match request.path.as_str() {
        "/page" => Reply::bytes(b"<html>Welcome</html>"),
        _ => Reply { status: 404, ..Reply::bytes(b"not here") },
    });
    let url = |path: &str| format!("{}/{path}", server.url());
    let sim = Sim::new();
    for (argument, part) in [
        (url("page"), format!("{} is no disk image: it has 20 bytes", url("page"))),
        (url("gone"), format!("{}: statusCode 404", url("gone"))),
    ] {
        let (_, stderr) = said(&import(&sim, &argument));
        assert!(stderr.contains(&part), "\"{part}\" is not in: {stderr}");
    }
    let asked = server.requests.lock().unwrap().len();
    for (option, value) in [("--os", "linnux"), ("--name", "a*b"), ("--version", "")] {
        let mut arguments = vec!["import", "--name", "a", "--version", "1", "--os", "linux"];
        arguments.extend([option, value]);
        let page = url("page");
        arguments.push(&page);
        let (_, stderr) = said(&sim.imgadm(&arguments));
        assert!(stderr.contains("(ManifestValidation)"), "{option} {value}: {stderr}");
    }
    assert_eq!(server.requests.lock().unwrap().len(), asked);
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn vmdk_of_every_kind_is_read() {
    let Some(lab) = Lab::new() else { return };
    for kind in [
        "monolithicSparse",
        "streamOptimized",
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
    ] {
        let name = format!("{kind}.vmdk");
        let option = format!("subformat={kind}");
        same(&lab.convert(&name, &["-O", "vmdk", "-o", &option]), &lab.content);
    }
    // Without its other file.
    std::fs::remove_file(lab.path("monolithicFlat-flat.vmdk")).unwrap();
    refused(&lab.path("monolithicFlat.vmdk"), "other files are not followed");
}

#[test]
fn a_disk_comes_compressed_and_over_the_network_too() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.convert("disk.qcow2", &["-O", "qcow2"]);
    let packed = Command::new("gzip").args(["-k", image.to_str().unwrap()]).status().unwrap();
    assert!(packed.success());
    let packed = lab.path("disk.qcow2.gz");
    same(&packed, &lab.content);
    let data = std::fs::read(packed).unwrap();
    let server = Server::new(move |_| Reply::bytes(&data));
    let sim = Sim::new();
    let output = import(&sim, &format!("{}/disk.qcow2.gz", server.url()));
    assert!(output.status.success(), "{output:?}");
    assert!(sim.volume()[..lab.content.len()] == lab.content);
}
