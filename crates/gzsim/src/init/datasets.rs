//! The datasets that `init` makes, in the simulated ZFS or a real one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::ctx::Ctx;
use crate::zfs::Zfs;

/// Where datasets are made.
pub enum Store<'a> {
    /// The simulated ZFS.
    Simulated(&'a Ctx),
    /// The zfs(8) of the root.
    Real(Real<'a>),
}

/// A real pool. What is in it already stays as it is.
pub struct Real<'a> {
    ctx: &'a Ctx,
    /// Mountpoints by name, of all that was there at first.
    there: BTreeMap<String, String>,
}

impl<'a> Store<'a> {
    /// The datasets of the root.
    pub fn open(ctx: &'a Ctx, real: bool) -> Self {
        if real { Self::Real(Real { ctx, there: BTreeMap::new() }) } else { Self::Simulated(ctx) }
    }

    /// Makes the pool; a real one must be there already.
    pub fn pool(&mut self, name: &str, size: u64) -> Result<()> {
        match self {
            Self::Simulated(_) => self.simulated(|zfs| zfs.create_pool(name, size)),
            Self::Real(real) => real.open(name),
        }
    }

    /// Makes a filesystem.
    pub fn filesystem(&mut self, name: &str, properties: &[(&str, &str)]) -> Result<()> {
        match self {
            Self::Simulated(_) => self.simulated(|zfs| zfs.create_fs(name, properties)),
            Self::Real(real) => real.create(&[], name, properties),
        }
    }

    /// Makes a sparse volume of `size` bytes.
    pub fn volume(&mut self, name: &str, size: u64) -> Result<()> {
        match self {
            Self::Simulated(_) => {
                self.simulated(|zfs| zfs.create_volume(name, size, &[("refreservation", "none")]))
            }
            // The block size that illumos has where none is given; OpenZFS has a larger one.
            Self::Real(real) => {
                real.create(&["-s", "-b", "8192", "-V", &size.to_string()], name, &[])
            }
        }
    }

    /// Writes files into a filesystem that was just made: path below its mountpoint and text.
    pub fn fill(&self, name: &str, files: &[(&str, &str)]) -> Result<()> {
        let base = match self {
            // Without a property to say otherwise, a dataset is mounted at its name.
            Self::Simulated(ctx) => ctx.path(format!("/{name}")),
            Self::Real(real) if real.there.contains_key(name) => return Ok(()),
            Self::Real(real) => real.ctx.path(real.mountpoint(name)),
        };
        for (path, text) in files {
            let path = base.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Takes a snapshot, named in full.
    pub fn snapshot(&mut self, name: &str) -> Result<()> {
        match self {
            Self::Simulated(_) => self.simulated(|zfs| zfs.snapshot(name)),
            Self::Real(real) if real.there.contains_key(name) => Ok(()),
            Self::Real(real) => run(real.ctx, &["snapshot", name]),
        }
    }

    fn simulated(&mut self, change: impl FnOnce(&mut Zfs) -> crate::zfs::Result<()>) -> Result<()> {
        let (Self::Simulated(ctx) | Self::Real(Real { ctx, .. })) = self;
        let mut zfs = Zfs::open(ctx.root()).map_err(failed)?;
        change(&mut zfs).map_err(failed)?;
        zfs.commit().map_err(failed)
    }
}

impl Real<'_> {
    /// Looks at what the pool holds, and lets the root reach it.
    fn open(&mut self, pool: &str) -> Result<()> {
        let list = ["list", "-H", "-r", "-t", "all", "-o", "name,mountpoint", pool];
        let output = self.ctx.zfs(&list)?;
        if !output.status.success() {
            bail!("the pool {pool} does not exist: make it first, or name another with --pool");
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let rows = text.lines().filter_map(|line| line.split_once('\t'));
        self.there = rows.map(|(name, at)| (name.to_owned(), at.to_owned())).collect();
        let mountpoint = self.there.get(pool).map_or("", String::as_str);
        reach(self.ctx, Path::new(mountpoint))
    }

    fn create(&self, options: &[&str], name: &str, properties: &[(&str, &str)]) -> Result<()> {
        if self.there.contains_key(name) {
            return Ok(());
        }
        let settings: Vec<String> =
            properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut arguments = vec!["create"];
        arguments.extend(options);
        for setting in &settings {
            arguments.extend(["-o", setting]);
        }
        arguments.push(name);
        run(self.ctx, &arguments)
    }

    /// Where a filesystem is mounted that was made without a mountpoint: below that of its pool.
    fn mountpoint(&self, name: &str) -> String {
        let (pool, rest) = name.split_once('/').unwrap_or((name, ""));
        match self.there.get(pool) {
            Some(at) => format!("{}/{rest}", at.trim_end_matches('/')),
            None => format!("/{name}"),
        }
    }
}

/// A real pool is mounted where it is, and its volumes are the system's: the root reaches them by links.
fn reach(ctx: &Ctx, mountpoint: &Path) -> Result<()> {
    for real in [mountpoint, Path::new("/dev/zvol")] {
        let below = ctx.path(real);
        if real.is_dir() && !below.exists() {
            symlink(real, &below).with_context(|| format!("cannot create {}", below.display()))?;
        }
    }
    Ok(())
}

fn run(ctx: &Ctx, arguments: &[&str]) -> Result<()> {
    let output = ctx.zfs(arguments)?;
    if output.status.success() {
        return Ok(());
    }
    bail!("zfs {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
}

fn failed(error: crate::zfs::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
