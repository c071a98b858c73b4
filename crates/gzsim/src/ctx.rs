//! Where a tool of the simulated zone runs: its root directory and the name it was called by.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

/// Set for tools that a tool of the simulated zone runs itself (the brand scripts run `zfs`): these runs are neither
/// logged nor counted for faults, since no program under test asked for them.
pub const NESTED: &str = "GZSIM_NESTED";

/// Directories of a root that hold links to gzsim; used to find the root from the path a tool was called by.
const TOOL_DIRECTORIES: &[&str] = &[
    "usr/sbin",
    "usr/bin",
    "sbin",
    "usr/lib/brand/joyent",
    "usr/lib/brand/joyent-minimal",
    "usr/lib/brand/lx",
    "usr/lib/brand/bhyve",
    "usr/lib/brand/kvm",
];

/// One run of one tool.
#[derive(Debug, Clone)]
pub struct Ctx {
    root: PathBuf,
    tool: String,
}

/// Whether the system below `root` is OmniOS.
pub fn is_omnios(root: &Path) -> bool {
    fs::read_to_string(root.join("etc/release")).is_ok_and(|text| text.contains("OmniOS"))
}

impl Ctx {
    /// A tool called `tool` in the simulated zone below `root` (made absolute).
    pub fn new(root: impl Into<PathBuf>, tool: &str) -> Self {
        let root = root.into();
        Self { root: std::path::absolute(&root).unwrap_or(root), tool: tool.to_owned() }
    }

    /// The root as the environment and the path the program was called by give it: `GZSIM_ROOT`, else the directory
    /// above the link, else `ZONEKIT_ROOT`, else that of the first such tool on the search path, else `/`.
    pub fn from_call(argv0: &OsStr) -> Self {
        let called = Path::new(argv0);
        let tool = called.file_name().map(|name| name.to_string_lossy().into_owned());
        let tool = tool.unwrap_or_else(|| "gzsim".to_owned());
        let root = variable("GZSIM_ROOT")
            .or_else(|| root_above(called))
            .or_else(|| variable("ZONEKIT_ROOT"))
            .or_else(|| root_on_path(&tool))
            .unwrap_or_else(|| PathBuf::from("/"));
        Self::new(root, &tool)
    }

    /// Whether `gzsim init` made this root.
    pub fn is_initialised(&self) -> bool {
        self.path("/var/gzsim").is_dir()
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name the tool was called by, without directories.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Where the global zone's absolute `path` is.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file of the simulator's own state.
    pub fn state(&self, name: &str) -> PathBuf {
        self.path("/var/gzsim").join(name)
    }

    /// A setting of the simulation: the environment variable `name`, else the line `name=value` in
    /// `/var/gzsim/settings`.
    pub fn setting(&self, name: &str) -> Option<String> {
        if let Ok(value) = env::var(name) {
            return Some(value);
        }
        let text = fs::read_to_string(self.state("settings")).ok()?;
        text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    }

    /// Runs this root's `zfs`, as a brand script does, and gives what it said.
    pub fn zfs(&self, arguments: &[&str]) -> Result<Output> {
        let program = self.path("/usr/sbin/zfs");
        Command::new(&program)
            .args(arguments)
            .env("GZSIM_ROOT", &self.root)
            .env(NESTED, "1")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))
    }

    /// Runs this root's `zfs` with its messages going to our stderr; whether it succeeded.
    pub fn zfs_ok(&self, arguments: &[&str]) -> Result<bool> {
        let output = self.zfs(arguments)?;
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.status.success())
    }

    /// One property of a dataset, or `None` where the dataset does not exist.
    pub fn zfs_get(&self, property: &str, dataset: &str) -> Result<Option<String>> {
        let output = self.zfs(&["get", "-Hpo", "value", property, dataset])?;
        let value = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        Ok(output.status.success().then_some(value))
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The root of the program that a shell finds under that name.
fn root_on_path(tool: &str) -> Option<PathBuf> {
    let found = env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(tool))
        .find(|candidate| candidate.is_file())?;
    root_above(&found)
}

/// The root whose tool directory holds the link `called`; `None` where it was not called by a path.
fn root_above(called: &Path) -> Option<PathBuf> {
    let directory = called.parent().filter(|parent| !parent.as_os_str().is_empty())?;
    let directory = std::path::absolute(directory).ok()?;
    TOOL_DIRECTORIES.iter().find_map(|known| {
        let known = Path::new(known);
        let root = directory.ends_with(known).then(|| {
            let above = known.components().count();
            directory.ancestors().nth(above).map(Path::to_path_buf)
        })??;
        // Only a directory that `gzsim init` made: `target/usr/sbin` of somebody else is not a root.
        root.join("var/gzsim").is_dir().then_some(root)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_above_the_link() {
        let dir = std::env::temp_dir().join(format!("gzsim-ctx-{}", std::process::id()));
        fs::create_dir_all(dir.join("var/gzsim")).expect("a directory below the temporary one");
        fs::create_dir_all(dir.join("usr/sbin")).expect("a directory below the temporary one");
        assert_eq!(root_above(&dir.join("usr/sbin/zfs")), Some(dir.clone()));
        assert_eq!(root_above(&dir.join("usr/lib/zfs")), None);
        assert_eq!(root_above(Path::new("zfs")), None);
        fs::remove_dir_all(&dir).expect("the directory made above");
    }

    #[test]
    fn paths_are_below_the_root() {
        let ctx = Ctx::new("/r", "zfs");
        assert_eq!(ctx.path("/etc/zones"), Path::new("/r/etc/zones"));
        assert_eq!(ctx.state("x"), Path::new("/r/var/gzsim/x"));
    }
}
