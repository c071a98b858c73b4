//! The datasets that `init` makes, in the simulated ZFS or a real one.

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
    Real(&'a Ctx),
}

impl<'a> Store<'a> {
    /// The datasets of the root.
    pub fn open(ctx: &'a Ctx, real: bool) -> Self {
        if real { Self::Real(ctx) } else { Self::Simulated(ctx) }
    }

    /// Makes the pool; a real one must be there already.
    pub fn pool(&mut self, name: &str, size: u64) -> Result<()> {
        match self {
            Self::Simulated(_) => self.simulated(|zfs| zfs.create_pool(name, size)),
            Self::Real(ctx) => match ctx.zfs_get("mountpoint", name)? {
                Some(mountpoint) => reach(ctx, Path::new(&mountpoint)),
                None => bail!(
                    "the pool {name} does not exist: make it first, or name another with --pool"
                ),
            },
        }
    }

    /// Makes a filesystem.
    pub fn filesystem(&mut self, name: &str, properties: &[(&str, &str)]) -> Result<()> {
        match self {
            Self::Simulated(_) => self.simulated(|zfs| zfs.create_fs(name, properties)),
            Self::Real(ctx) if ctx.zfs_get("type", name)?.is_some() => Ok(()),
            Self::Real(ctx) => create(ctx, &[], name, properties),
        }
    }

    /// Makes a sparse volume of `size` bytes.
    pub fn volume(&mut self, name: &str, size: u64) -> Result<()> {
        match self {
            Self::Simulated(_) => {
                self.simulated(|zfs| zfs.create_volume(name, size, &[("refreservation", "none")]))
            }
            Self::Real(ctx) => create(ctx, &["-s", "-V", &size.to_string()], name, &[]),
        }
    }

    /// Writes files into a filesystem that was just made: path below its mountpoint and text.
    pub fn fill(&self, name: &str, files: &[(&str, &str)]) -> Result<()> {
        let (Self::Simulated(ctx) | Self::Real(ctx)) = self;
        let mountpoint = match self {
            // Without a property to say otherwise, a dataset is mounted at its name.
            Self::Simulated(_) => format!("/{name}"),
            Self::Real(ctx) => ctx
                .zfs_get("mountpoint", name)?
                .with_context(|| format!("the dataset {name} is not there"))?,
        };
        let base = ctx.path(mountpoint);
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
            Self::Real(ctx) => run(ctx, &["snapshot", name]),
        }
    }

    fn simulated(&mut self, change: impl FnOnce(&mut Zfs) -> crate::zfs::Result<()>) -> Result<()> {
        let (Self::Simulated(ctx) | Self::Real(ctx)) = self;
        let mut zfs = Zfs::open(ctx.root()).map_err(failed)?;
        change(&mut zfs).map_err(failed)?;
        zfs.commit().map_err(failed)
    }
}

fn create(ctx: &Ctx, options: &[&str], name: &str, properties: &[(&str, &str)]) -> Result<()> {
    let settings: Vec<String> =
        properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = vec!["create"];
    arguments.extend(options);
    for setting in &settings {
        arguments.extend(["-o", setting]);
    }
    arguments.push(name);
    run(ctx, &arguments)
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
