//! Imports that fail or are killed at every tool run, into pools and directories that are full: nothing is left, or
//! nothing that the next import does not see to.

use std::path::Path;
use std::process::Command;

use e2e::images::{self, Server};
use e2e::{Gz, Need, Run, needs, programs};
use serde_json::json;

const VOLUME: &str = "6b1d5c8e-0002-4d4b-9a51-0c1f5f2f7a10";
const INCREMENTAL: &str = "6b1d5c8e-0003-4d4b-9a51-0c1f5f2f7a10";
const DOWNLOADS: &str = "/var/tmp/.imgadm-downloads";

/// A system, and a server with an image and one made from it.
struct Lab {
    gz: Gz,
    server: Server,
    _published: tempfile::TempDir,
    before: Vec<String>,
}

impl Lab {
    fn new() -> Self {
        let gz = Gz::new();
        let published = tempfile::tempdir().unwrap();
        let mut volume = json!({"image_size": 8, "nic_driver": "virtio", "disk_driver": "virtio", "cpu_type": "host"});
        images::add(published.path(), VOLUME, "vol-full", "zvol", &volume);
        volume["origin"] = VOLUME.into();
        images::add(published.path(), INCREMENTAL, "vol-clone-incremental", "zvol", &volume);
        let server = Server::start(&gz, published.path());
        let mut lab = Self { gz, server, _published: published, before: Vec::new() };
        lab.before = lab.now();
        lab
    }

    /// All datasets, images on record and waiting downloads, by name.
    fn now(&self) -> Vec<String> {
        let datasets = self.gz.datasets();
        let mut names: Vec<String> = datasets
            .lines()
            .filter_map(|line| line.split('\t').next())
            .map(str::to_owned)
            .collect();
        names.extend(list(&self.gz.path("/var/imgadm/images")));
        names.extend(list(&self.gz.path(DOWNLOADS)));
        names
    }

    /// Imports the image with a fault, or none. The program itself is run, not the simulation's link to it, whose runs
    /// are struck by faults too.
    fn import(&self, fault: &str) -> Run {
        let output = Command::new(programs::directory().join("imgadm"))
            .args(["import", "-S", &self.server.url, INCREMENTAL])
            .env("ZONEKIT_ROOT", self.gz.root())
            .env("GZSIM_FAULT", fault)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Run { exit: output.status.code(), stdout: output.stdout, stderr }
    }

    /// The image is there, whole; it and its origin are deleted again, and everything is as before.
    fn has_image(&self, when: &str) {
        let verified = self.gz.run("imgadm", &["verify", INCREMENTAL]);
        assert_eq!(verified.exit, Some(0), "{when}: {}{}", verified.text(), verified.stderr);
        for uuid in [INCREMENTAL, VOLUME] {
            let _ = self.gz.run("imgadm", &["delete", uuid]).ok();
        }
        assert_eq!(self.now(), self.before, "{when}");
    }

    /// Runs an import with a fault at its first tool run, its second and so on to the last. Some it does without.
    fn at_every_call(&self, action: &str, after: impl Fn(&str, &Run)) {
        self.gz.clear_calls();
        let _ = self.import("").ok();
        let count = self.gz.calls().len();
        assert!(count >= 10, "{count} tool runs");
        self.has_image("without a fault");
        for call in 1..=count {
            let run = self.import(&format!("*:{call}={action}"));
            let when = format!("{action} at call {call}: {}", run.stderr);
            if run.exit != Some(0) {
                after(&when, &run);
                let again = self.import("");
                assert_eq!(again.exit, Some(0), "{when}: {}", again.stderr);
            }
            self.has_image(&when);
        }
    }
}

fn list(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn an_import_that_fails_at_any_call_leaves_nothing() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let lab = Lab::new();
    lab.at_every_call("exit 1 boom", |when, run| {
        assert_eq!(run.exit, Some(1), "{when}");
        assert!(run.stderr.contains("boom"), "{when}");
        assert_eq!(lab.now(), lab.before, "{when}");
    });
}

#[test]
fn an_import_killed_at_any_call_is_done_by_the_next() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let lab = Lab::new();
    for action in ["kill caller", "after kill caller"] {
        lab.at_every_call(action, |when, run| {
            assert_eq!(run.exit, None, "{when}");
            // What is half there is no image.
            for image in lab.gz.run("imgadm", &["list", "-j"]).ok().json().as_array().unwrap() {
                let uuid = image["manifest"]["uuid"].as_str().unwrap();
                let verified = lab.gz.run("imgadm", &["verify", uuid]);
                assert!(
                    ![VOLUME, INCREMENTAL].contains(&uuid) || verified.exit == Some(0),
                    "{when}: {}",
                    verified.text()
                );
            }
        });
    }
}

#[test]
fn a_pool_that_becomes_full_is_told_of() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    // It fills up while the first, or the second image is received.
    for call in [1, 2] {
        let lab = Lab::new();
        let full = "exit 1 cannot receive new filesystem stream: out of space";
        let run = lab.import(&format!("zfs receive:{call}={full}")).failed();
        assert!(run.stderr.contains("out of space"), "{}", run.stderr);
        assert!(run.stderr.contains("zfs receive error while importing"), "{}", run.stderr);
        assert_eq!(lab.now(), lab.before, "{}", run.stderr);
        let _ = lab.import("").ok();
        lab.has_image("after a full pool");
    }
}

#[test]
fn a_full_directory_of_downloads_is_told_of() {
    needs!(Need::Simulation, Need::SimulatedZfs);
    let lab = Lab::new();
    let directory = lab.gz.path(DOWNLOADS);
    std::fs::create_dir_all(&directory).unwrap();
    let partial = directory.join(format!("{INCREMENTAL}.file.partial"));
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    let run = lab.import("").failed();
    assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
    assert!(run.stderr.contains(partial.to_str().unwrap()), "{}", run.stderr);
    assert_eq!(lab.now(), lab.before, "{}", run.stderr);
    let _ = lab.import("").ok();
    lab.has_image("after a full directory");
}
