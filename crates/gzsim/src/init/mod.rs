//! `gzsim init`: makes the root of a simulated global zone.

mod datasets;
mod files;
mod spec;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::ctx::Ctx;
use crate::tools::{passthrough, real_zfs};
use crate::zfs::UNCOUNTED;

/// What `init` makes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root directory; made where it is missing.
    pub dir: PathBuf,
    pub platform: Platform,
    pub fixture: Option<Fixture>,
    /// The real zfs(8) to use in place of the simulated one; its pool must be there, with the root as its altroot.
    pub zfs: Option<PathBuf>,
    pub pool: Option<String>,
    /// Bytes.
    pub pool_size: u64,
}

/// Which illumos distribution the root looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    SmartOs,
    OmniOs,
}

/// A system known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixture {
    /// The system that the observed cases ran on.
    Spec,
}

/// Size of the pool where none is given: as in the observed cases.
pub const POOL_SIZE: u64 = 1000 << 30;

/// Tools by directory, on every platform.
const TOOLS: &[(&str, &[&str])] = &[
    (
        "usr/sbin",
        &[
            "zfs", "zpool", "zdb", "zoneadm", "zlogin", "dladm", "ipf", "mount", "umount",
            "svcadm", "svccfg", "bhyvectl", "swap", "prctl", "zonename",
        ],
    ),
    ("usr/bin", &["kstat", "prctl", "svcs", "zonename", "uname", "pwait", "zlogin"]),
    ("sbin", &["mount", "umount", "zonename", "uname", "zfs", "zpool"]),
];

/// Tools that only SmartOS has.
const SMARTOS_TOOLS: &[(&str, &[&str])] = &[
    ("usr/sbin", &["fwadm", "nictagadm", "sysinfo"]),
    ("usr/bin", &["nictagadm", "sysinfo"]),
    ("usr/lib/brand/joyent", &["jinstall"]),
    ("usr/lib/brand/joyent-minimal", &["jinstall"]),
    ("usr/lib/brand/lx", &["lx_install"]),
    ("usr/lib/brand/bhyve", &["binstall"]),
    ("usr/lib/brand/kvm", &["kinstall"]),
];

/// Installed brands of each platform.
const SMARTOS_BRANDS: &[&str] = &["bhyve", "builder", "joyent", "joyent-minimal", "kvm", "lx"];
const OMNIOS_BRANDS: &[&str] =
    &["bhyve", "illumos", "ipkg", "kvm", "lipkg", "lx", "pkgsrc", "sparse"];

/// Directories that are there from the start.
const DIRECTORIES: &[&str] = &[
    "dev",
    "etc/zones",
    "lib",
    "opt",
    "root",
    "tmp",
    "usr/lib/brand",
    "var/adm",
    "var/gzsim",
    "var/imgadm/images",
    "var/log",
    "var/run/zones",
    "var/tmp",
];

/// Makes the root.
pub fn run(options: &Options) -> Result<()> {
    let dir = std::path::absolute(&options.dir)?;
    if dir.join("var/gzsim").exists() {
        bail!("{} is a simulated global zone already", dir.display());
    }
    // A real pool may be mounted there already.
    if options.zfs.is_none()
        && let Ok(mut entries) = fs::read_dir(&dir)
        && entries.next().is_some()
    {
        bail!("{} is not empty", dir.display());
    }
    for directory in DIRECTORIES {
        let path = dir.join(directory);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let ctx = Ctx::new(&dir, "gzsim");
    link_tools(&ctx, options)?;
    install_brands(&ctx, options.platform)?;
    files::write(&ctx, options.platform, options.fixture)?;
    let pool = options.pool.as_deref().unwrap_or(match options.platform {
        Platform::SmartOs => "zones",
        Platform::OmniOs => "rpool",
    });
    let mut store = datasets::Store::open(&ctx, options.zfs.is_some());
    let counted = options.fixture != Some(Fixture::Spec) || options.pool_size != POOL_SIZE;
    store.pool(pool, if counted { options.pool_size } else { UNCOUNTED })?;
    if options.platform == Platform::OmniOs {
        let zones = format!("{pool}/zones");
        store.filesystem(&zones, &[("mountpoint", "/zones")])?;
        fs::write(ctx.path("/etc/zonekit.toml"), files::settings(&zones))?;
    }
    if options.platform == Platform::SmartOs {
        store.filesystem(&format!("{pool}/archive"), &[])?;
        store.filesystem(&format!("{pool}/cores"), &[("mountpoint", "none")])?;
    }
    if options.fixture == Some(Fixture::Spec) {
        spec::install_images(&ctx, &mut store, pool)?;
    }
    Ok(())
}

fn link_tools(ctx: &Ctx, options: &Options) -> Result<()> {
    let gzsim = std::env::current_exe().context("cannot find the gzsim program")?;
    let more: &[(&str, &[&str])] =
        if options.platform == Platform::SmartOs { SMARTOS_TOOLS } else { &[] };
    for (directory, tools) in TOOLS.iter().chain(more) {
        fs::create_dir_all(ctx.path(directory))?;
        for tool in *tools {
            link(&gzsim, &ctx.path(directory).join(tool))?;
        }
    }
    for program in passthrough::PROGRAMS {
        // Of OmniOS itself is zonecfg alone; the others are installed elsewhere.
        if options.platform == Platform::OmniOs && *program != "zonecfg" {
            continue;
        }
        link(&gzsim, &ctx.path("usr/sbin").join(program))?;
    }
    if let Some(zfs) = &options.zfs {
        real_zfs::set(ctx, zfs)?;
    }
    Ok(())
}

/// zonecfg(8) takes a brand for installed where it has this file.
fn install_brands(ctx: &Ctx, platform: Platform) -> Result<()> {
    let brands = match platform {
        Platform::SmartOs => SMARTOS_BRANDS,
        Platform::OmniOs => OMNIOS_BRANDS,
    };
    for brand in brands {
        let directory = ctx.path("usr/lib/brand").join(brand);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("config.xml"), format!("<brand name=\"{brand}\"/>\n"))?;
    }
    Ok(())
}

fn link(target: &Path, path: &Path) -> Result<()> {
    symlink(target, path).with_context(|| format!("cannot create {}", path.display()))
}
