//! The directory below which every path of the suite is looked up, tools included.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::tool::Tool;

/// Environment variable that names another root than `/`.
pub const ROOT_VARIABLE: &str = "ZONEKIT_ROOT";

/// The root directory of the global zone that is being driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    dir: PathBuf,
}

impl Root {
    /// The root that `ZONEKIT_ROOT` names; `/` where it is unset or empty.
    pub fn from_env() -> Self {
        match env::var_os(ROOT_VARIABLE) {
            Some(dir) if !dir.is_empty() => Self::new(dir),
            _ => Self::new("/"),
        }
    }

    /// A root at `dir`. A relative directory is taken from the current one, so that tools find it whatever theirs is.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        Self { dir }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether this is the running system's own root.
    pub fn is_system(&self) -> bool {
        self.dir == Path::new("/")
    }

    /// Where the global zone's `path` is found: `/etc/zones` is `DIR/etc/zones`. `..` components are dropped, so that
    /// no path leads out of the root.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut full = self.dir.clone();
        for part in path.as_ref().components() {
            if let std::path::Component::Normal(name) = part {
                full.push(name);
            }
        }
        full
    }

    /// The path as programs in the global zone know it: the reverse of [`Root::path`].
    pub fn inner<'a>(&self, path: &'a Path) -> Option<PathBuf> {
        let rest: &'a Path = path.strip_prefix(&self.dir).ok()?;
        Some(Path::new("/").join(rest))
    }

    /// A run of the tool at the absolute path `program` (as in the global zone, `/usr/sbin/zfs`).
    pub fn tool(&self, program: &'static str) -> Tool<'_> {
        Tool::new(self, program)
    }

    /// The variables a tool is given: a fixed locale and search path and, below another root, where that is and what
    /// the stand-ins there are told by `GZSIM_*`.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let fixed = [("PATH", "/usr/bin:/usr/sbin:/sbin"), ("LC_ALL", "C"), ("TZ", "UTC")];
        let mut environment: Vec<(OsString, OsString)> =
            fixed.iter().map(|(key, value)| (key.into(), value.into())).collect();
        if !self.is_system() {
            environment.push((ROOT_VARIABLE.into(), self.dir.clone().into()));
            environment.extend(
                env::vars_os()
                    .filter(|(key, _)| key.to_str().is_some_and(|key| key.starts_with("GZSIM_"))),
            );
        }
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let root = Root::new("/r");
        assert_eq!(root.path("/etc/zones"), Path::new("/r/etc/zones"));
        assert_eq!(root.path("/../../etc/passwd"), Path::new("/r/etc/passwd"));
        assert_eq!(root.inner(Path::new("/r/zones/x")), Some("/zones/x".into()));
        assert_eq!(root.inner(Path::new("/other")), None);
        assert!(Root::new("/").is_system());
    }
}
