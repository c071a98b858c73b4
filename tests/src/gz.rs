//! The global zone of one test: simulated, or with `ZONEKIT_E2E_ROOT=/` the machine's own.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::needs::{Declared, Need};
use crate::pool::{self, Pool};
use crate::programs;

/// Columns of `zfs list` that [`Gz::snapshot`] keeps.
const ZFS_COLUMNS: &str = "name,type,origin,mountpoint,quota,refquota,reservation,refreservation,recsize,compression,\
    volsize,volblocksize,userrefs,zoned,filesystem_limit,snapshot_limit";

/// Environment variable that names the root of a real global zone to test in: `/`.
pub const REAL_ROOT: &str = "ZONEKIT_E2E_ROOT";

/// A simulated global zone in a temporary directory, gone with the value; or a real one.
pub struct Gz {
    root: PathBuf,
    /// The temporary directory of a simulated one. Goes before the pool: zones end when their root is gone.
    directory: Option<TempDir>,
    /// The real pool that it uses in place of a simulated one.
    pool: Option<Pool>,
    variables: BTreeMap<String, OsString>,
    /// What the test said it needs.
    declared: Declared,
}

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// Exit code; none where a signal ended it.
    pub exit: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the output {:?}", self.text()))
    }

    /// The run itself, having checked that it exited with 0.
    ///
    /// # Panics
    /// Where it did not, with what it said.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.exit, Some(0), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }

    /// The run itself, having checked that it exited with 1.
    ///
    /// # Panics
    /// Where it did not, with what it said.
    #[must_use]
    pub fn failed(self) -> Self {
        assert_eq!(self.exit, Some(1), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }
}

impl Default for Gz {
    fn default() -> Self {
        Self::new()
    }
}

impl Gz {
    /// The system that the observed cases ran on, or the real global zone that `ZONEKIT_E2E_ROOT` names.
    pub fn new() -> Self {
        Self::or_made(&["--fixture", "spec"])
    }

    /// The real global zone that `ZONEKIT_E2E_ROOT` names, or one made with these options of `gzsim init`.
    pub(crate) fn or_made(options: &[&str]) -> Self {
        match env::var_os(REAL_ROOT) {
            Some(root) => Self {
                root: root.into(),
                directory: None,
                pool: None,
                variables: BTreeMap::new(),
                declared: Declared::of_this_test(),
            },
            None => Self::made(options),
        }
    }

    /// Two such systems with the same images: a VM's datasets are sent from one to the other as what differs from its
    /// image.
    ///
    /// # Panics
    /// Where they cannot be made.
    pub fn twins() -> (Self, Self) {
        let (here, there) = (Self::new(), Self::new());
        let from = here.root().join(".");
        let copied = Command::new("cp").arg("-a").arg(from).arg(there.root()).status();
        assert!(
            copied.expect("cp can be run").success(),
            "one system cannot be copied to the other"
        );
        (here, there)
    }

    /// A simulated system made with these options of `gzsim init`; on the real ZFS, if the tests are to use one.
    ///
    /// # Panics
    /// Where it cannot be made, and where the test did not say that it needs such a system.
    pub fn init(options: &[&str]) -> Self {
        let gz = Self::made(options);
        gz.declared.check(Need::Simulation, "makes a simulated system");
        if options.contains(&"--pool-size") {
            gz.declared.check(Need::SimulatedZfs, "has a pool of a given size");
        }
        gz
    }

    fn made(options: &[&str]) -> Self {
        let Some(zfs) = pool::real_zfs() else { return Self::simulated(options) };
        let is_omnios = options.contains(&"omnios");
        let setup = options.join(" ");
        let pool = Pool::take(&zfs, if is_omnios { "rpool" } else { "zones" }, &setup);
        let real = ["--zfs", zfs.to_str().expect("a path of ASCII letters")];
        let mut gz = Self::simulated(&[options, &real].concat());
        // OmniOS has its zones where SmartOS has its pool: neither may find the other's there.
        if pool.is_bare() && !is_omnios {
            pool.keep(&setup);
        }
        gz.pool = Some(pool);
        gz
    }

    /// A simulated system with a simulated ZFS, whatever the tests are to use.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn simulated(options: &[&str]) -> Self {
        let directory =
            tempfile::Builder::new().prefix("gz").tempdir().expect("a temporary directory");
        let root = directory.path().to_path_buf();
        let gz = Self {
            root,
            directory: Some(directory),
            pool: None,
            variables: BTreeMap::new(),
            declared: Declared::of_this_test(),
        };
        let output = Command::new(programs::directory().join("gzsim"))
            .arg("init")
            .args(options)
            .arg(gz.root())
            .output()
            .expect("gzsim can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        gz
    }

    /// The fixture with `count` more VMs, every second one running.
    pub fn with_vms(count: u32) -> Self {
        let gz = Self::init(&["--fixture", "spec"]);
        gz.declared.check(Need::SimulatedZfs, "fills a simulated pool with VMs");
        let root = gz.root().display().to_string();
        let _ = gz.run("gzsim", &["populate", &root, &count.to_string()]).ok();
        gz
    }

    /// Whether it uses a real pool.
    pub fn is_on_real_zfs(&self) -> bool {
        self.pool.is_some()
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is a simulated global zone: only there faults can be asked for and tool runs counted.
    pub fn is_simulated(&self) -> bool {
        self.directory.is_some()
    }

    /// Where the global zone's absolute `path` is.
    ///
    /// # Panics
    /// Where it is one of gzsim's and the test did not say that it needs a simulated system.
    pub fn path(&self, path: &str) -> PathBuf {
        if path.starts_with("/var/gzsim/") {
            self.declared.check(Need::Simulation, "looks into gzsim's files");
        }
        self.root().join(path.trim_start_matches('/'))
    }

    /// The text of a file of the global zone.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn file(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Sets an environment variable (`GZSIM_FAULT`, …) for the programs that are run from now on.
    ///
    /// # Panics
    /// Where it is one of gzsim's and the test did not say that it needs a simulated system.
    pub fn set(&mut self, variable: &str, value: &str) {
        if variable.starts_with("GZSIM_") {
            self.declared.check(Need::Simulation, &format!("sets {variable}"));
        }
        self.variables.insert(variable.to_owned(), value.into());
    }

    /// Takes a variable back.
    pub fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    /// The command for a program of the workspace or a tool of the simulated zone, for tests that need more than
    /// [`Gz::run`]: own pipes, signals.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        if program == "gzsim" {
            self.declared.check(Need::Simulation, "runs gzsim");
        }
        let own = programs::directory().join(program);
        let tool = ["usr/sbin", "usr/bin"].map(|dir| self.root().join(dir).join(program));
        // The tool's link is preferred for zonecfg and imgadm, so that their runs are logged; vmadm is run itself, as
        // an operator would.
        let path = match program {
            "vmadm" | "bhyve-ctl" | "gzsim" => own,
            // A real global zone has its own zonecfg and imgadm.
            "zonecfg" | "imgadm" if !self.is_simulated() => own,
            _ => tool.iter().find(|path| path.exists()).cloned().unwrap_or(own),
        };
        let mut command = Command::new(path);
        command.args(arguments).envs(&self.variables);
        if self.is_simulated() {
            command.env("ZONEKIT_ROOT", self.root());
        }
        command
    }

    /// Runs a program to its end without input.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        self.run_with(program, arguments, b"")
    }

    /// Runs a program to its end; `stdin` is its input.
    ///
    /// # Panics
    /// Where it cannot be started, and where a VM was made that needs more than the test said.
    pub fn run_with(&self, program: &str, arguments: &[&str], stdin: &[u8]) -> Run {
        let mut child = self.piped(program, arguments);
        let mut input = child.stdin.take().expect("stdin is a pipe");
        let output = thread::scope(|scope| {
            scope.spawn(move || {
                // A program may end without having read its input.
                let _ = input.write_all(stdin);
            });
            child.wait_with_output().expect("the program was started")
        });
        if program == "vmadm" && arguments.first() == Some(&"create") && output.status.success() {
            self.declared.check_created(stdin);
        }
        Run {
            exit: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a program with all of its input given, for tests that do something meanwhile.
    ///
    /// # Panics
    /// Where it cannot be started, or has ended before it has its input.
    pub fn spawn(&self, program: &str, arguments: &[&str], stdin: &str) -> Child {
        let mut child = self.piped(program, arguments);
        let mut input = child.stdin.take().expect("stdin is a pipe");
        input.write_all(stdin.as_bytes()).expect("the program takes its input");
        child
    }

    fn piped(&self, program: &str, arguments: &[&str]) -> Child {
        self.command(program, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Runs vmadm.
    pub fn vmadm(&self, arguments: &[&str]) -> Run {
        self.run("vmadm", arguments)
    }

    /// Runs `vmadm create` on a payload.
    pub fn create(&self, payload: &Value) -> Run {
        self.run_with("vmadm", &["create"], payload.to_string().as_bytes())
    }

    /// The tool runs so far, one a line: `zfs list -H`, … (the traces' form without indentation).
    pub fn calls(&self) -> Vec<String> {
        self.calls_json()
            .iter()
            .map(|call| {
                let words = call["argv"].as_array().map(Vec::as_slice).unwrap_or_default();
                words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    /// The tool runs so far: `argv`, `stdin` (of zonecfg), `exit`.
    pub fn calls_json(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("/var/gzsim/calls.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Forgets the tool runs so far.
    pub fn clear_calls(&self) {
        // The file is not there before the first run.
        let _ = fs::remove_file(self.path("/var/gzsim/calls.log"));
    }

    /// Everything that a refused command must leave as it was: the files of /etc/zones and the datasets.
    ///
    /// # Panics
    /// Where they cannot be read.
    pub fn snapshot(&self) -> String {
        let mut text = String::new();
        let mut files: Vec<PathBuf> = fs::read_dir(self.path("/etc/zones"))
            .expect("/etc/zones is there")
            .map(|entry| entry.expect("a readable directory").path())
            .collect();
        files.sort();
        for file in files {
            let _ = writeln!(text, "== {}", file.display());
            text.push_str(&String::from_utf8_lossy(&fs::read(&file).expect("a readable file")));
        }
        text.push_str("== zfs\n");
        text.push_str(&self.datasets());
        text
    }

    /// What differs from an earlier [`Gz::snapshot`], of this system or of another one: lines that are gone behind `-`,
    /// new ones behind `+`; empty where nothing does.
    pub fn changes_since(&self, before: &str) -> String {
        let (before, after) = (self.comparable(before), self.comparable(&self.snapshot()));
        if before == after {
            return String::new();
        }
        let only = |here: &str, there: &str, sign: char| -> String {
            let there: Vec<&str> = there.lines().collect();
            let lines = here.lines().filter(|line| !there.contains(line));
            lines.fold(String::new(), |all, line| format!("{all}\n{sign} {line}"))
        };
        format!("{}{}\n", only(&before, &after, '-'), only(&after, &before, '+'))
    }

    /// Every root has a path of its own; the number of zones ever made, which is a file's only line, never goes back.
    fn comparable(&self, snapshot: &str) -> String {
        let kept = |line: &&str| !line.starts_with("== /") && line.parse::<u64>().is_err();
        let lines: Vec<&str> = snapshot.lines().filter(kept).collect();
        lines.join("\n").replace(&self.root().display().to_string(), "")
    }

    /// All datasets and snapshots, one a line with their properties.
    pub fn datasets(&self) -> String {
        // Not a run of the program under test.
        let output = Command::new(self.path("/usr/sbin/zfs"))
            .args(["list", "-H", "-p", "-t", "all", "-o", ZFS_COLUMNS])
            .env("GZSIM_NESTED", "1")
            .output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}
