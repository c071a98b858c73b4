//! A simulated machine with one pool, driven through the built programs.

#![allow(dead_code)] // each test binary uses its part

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A root with `zfs`, `zpool` and `zdb` in it and a pool `zones`.
pub struct Machine {
    root: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    what: String,
}

impl Ended {
    /// Checks that it succeeded without a word on stderr; gives stdout.
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.what);
        self.stdout
    }

    /// Checks that it failed with exit 1 and this message.
    pub fn refused(self, message: &str) {
        assert_eq!(self.stderr.trim_end(), message, "{}", self.what);
        assert_eq!(self.code, 1, "{}", self.what);
    }
}

impl Machine {
    pub fn new() -> Self {
        Self::sized("1T")
    }

    pub fn sized(size: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("usr/sbin");
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all(root.path().join("var/gzsim")).unwrap();
        for tool in ["zfs", "zpool", "zdb"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gzsim"), dir.join(tool)).unwrap();
        }
        let machine = Self { root };
        machine.run("zpool", &["create", "zones", size]).ok();
        machine
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub fn command(&self, tool: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.root.path().join("usr/sbin").join(tool));
        command.args(args).env_clear().env("GZSIM_ROOT", self.root.path());
        command
    }

    pub fn run(&self, tool: &str, args: &[&str]) -> Ended {
        let output = self.command(tool, args).stdin(Stdio::null()).output().unwrap();
        ended(output, format!("{tool} {}", args.join(" ")))
    }

    pub fn zfs(&self, args: &[&str]) -> Ended {
        self.run("zfs", args)
    }

    /// Runs `zfs` for its binary output.
    pub fn zfs_bytes(&self, args: &[&str]) -> Vec<u8> {
        let output = self.command("zfs", args).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// `zfs receive` of these bytes.
    pub fn receive(&self, args: &[&str], stream: &[u8]) -> Ended {
        let mut all = vec!["receive"];
        all.extend(args);
        let mut child = self
            .command("zfs", &all)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // a receiver that refuses early closes its end
        let _ = child.stdin.take().unwrap().write_all(stream);
        ended(child.wait_with_output().unwrap(), all.join(" "))
    }

    /// A property in its `-p` form.
    pub fn get(&self, name: &str, prop: &str) -> String {
        self.zfs(&["get", "-Hpo", "value", prop, name]).ok().trim_end().to_owned()
    }

    /// Files in the state directory that belong to no snapshot or dataset: there should be none.
    pub fn leftovers(&self) -> Vec<String> {
        let state = self.root.path().join("var/gzsim/zfs");
        let mut found = Vec::new();
        for dir in ["new", "spool", "snap", "stream"] {
            for entry in fs::read_dir(state.join(dir)).into_iter().flatten().flatten() {
                found.push(entry.path().display().to_string());
            }
        }
        found
    }
}

fn ended(output: Output, what: String) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        what,
    }
}

/// A real send stream of the test data, uncompressed.
pub fn stream(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data/zfs-streams")
        .join(format!("{name}.zfs.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}
