//! What the install and uninstall scripts of the brands do (`/usr/lib/brand/jcommon/cinstall` and `cuninstall` on
//! SmartOS).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::zones::{table, zoneadm};

/// Exit codes of brand scripts (`ZONE_SUBPROC_*`).
const OK: i32 = 0;
const USAGE: i32 = 253;
const FATAL: i32 = 255;

/// Quota of the dataset for core dumps.
const CORES_QUOTA: &str = "quota=1g";

/// Arguments of an install script.
#[derive(Debug, Default)]
pub struct Install<'a> {
    pub zone: &'a str,
    pub zonepath: &'a str,
    /// GiB; 0 is none.
    pub quota: &'a str,
    /// The image.
    pub template: Option<&'a str>,
    /// Only the files: the dataset was made anew by `vmadm reprovision`.
    pub reprovision: bool,
}

/// The install script under its own name, as `vmadm reprovision` runs it: `-r -R ZONEPATH -z ZONE`.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "rR:t:U:q:z:");
    let brand = match ctx.tool() {
        "lx_install" => "lx",
        "binstall" => "bhyve",
        "kinstall" => "kvm",
        _ => "joyent",
    };
    let install = Install {
        zone: options.value('z').unwrap_or_default(),
        zonepath: options.value('R').unwrap_or_default(),
        quota: options.value('q').unwrap_or("10"),
        template: options.value('t'),
        reprovision: options.has('r'),
    };
    install_zone(ctx, brand, &install)
}

/// Runs the install script of `brand`; gives its exit code.
pub fn install_zone(ctx: &Ctx, brand: &str, install: &Install<'_>) -> Result<i32> {
    if install.zone.is_empty() || install.zonepath.is_empty() {
        eprintln!("Brand error: No zone path or name");
        return Ok(USAGE);
    }
    if !install.reprovision {
        if !install.quota.bytes().all(|byte| byte.is_ascii_digit()) {
            eprintln!("Brand error: The quota {} is not a number", install.quota);
            return Ok(USAGE);
        }
        // A zone that is being received has its datasets already.
        if !receiving(ctx, install.zone)? {
            let code = make_datasets(ctx, brand, install)?;
            if code != OK {
                return Ok(code);
            }
        }
    }
    make_directories(ctx, brand, install)?;
    Ok(OK)
}

/// Removes what an install made.
pub fn uninstall_zone(ctx: &Ctx, brand: &str, zonepath: &str) -> Result<i32> {
    let Some(dataset) = dataset_of(ctx, zonepath)? else { return Ok(USAGE) };
    let origin = ctx.zfs_get("origin", &dataset)?;
    if is_smartos_brand(ctx, brand) {
        let cores = cores_of(&dataset);
        if ctx.zfs_get("name", &cores)?.is_some() {
            ctx.zfs_ok(&["destroy", "-rF", &cores])?;
        }
    }
    // Only SmartOS's zfs has -F, and only its brands try twice.
    let force: &[&str] = if zoneadm::is_smartos(ctx) { &["-rF", "-rfF"] } else { &["-r"] };
    let mut gone = ctx.zfs_get("name", &dataset)?.is_none();
    for options in force {
        gone = gone || ctx.zfs_ok(&["destroy", options, &dataset])?;
    }
    if !gone {
        return Ok(FATAL);
    }
    // A snapshot that the install took of an old image is of no use to others; an image's own @final is.
    if let Some(origin) = origin.filter(|origin| origin != "-" && !origin.ends_with("@final")) {
        ctx.zfs_ok(&["destroy", force[0], &origin])?;
    }
    match fs::remove_dir_all(ctx.path(zonepath)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {zonepath}"))
        }
        _ => Ok(OK),
    }
}

/// Whether zones of the brand have a dataset for cores and a configuration directory, as SmartOS's have.
fn is_smartos_brand(ctx: &Ctx, brand: &str) -> bool {
    zoneadm::is_smartos(ctx)
        && matches!(brand, "joyent" | "joyent-minimal" | "builder" | "lx" | "bhyve" | "kvm")
}

fn receiving(ctx: &Ctx, zone: &str) -> Result<bool> {
    let config = table::config(ctx, zone)?;
    Ok(config.attr("transition").is_some_and(|value| value.starts_with("receiving:")))
}

fn make_datasets(ctx: &Ctx, brand: &str, install: &Install<'_>) -> Result<i32> {
    let Some(dataset) = dataset_of(ctx, install.zonepath)? else { return Ok(USAGE) };
    let quota = format!("quota={}g", install.quota);
    let exists = ctx.zfs_get("name", &dataset)?.is_some();
    if !zoneadm::is_smartos(ctx) {
        return fill_dataset(ctx, brand, install.template, &dataset, exists);
    }
    if let Some(template) = install.template {
        let parent = dataset.rsplit_once('/').map_or("", |(parent, _)| parent);
        let image = format!("{parent}/{template}");
        let mut snapshot = format!("{image}@final");
        if ctx.zfs_get("name", &snapshot)?.is_none() {
            let name = dataset.rsplit('/').next().unwrap_or_default();
            snapshot = format!("{image}@{name}");
            if !ctx.zfs_ok(&["snapshot", &snapshot])? {
                return Ok(FATAL);
            }
        }
        let mut clone = vec!["clone", "-o", "devices=off", "-F"];
        if install.quota != "0" {
            clone.extend(["-o", &quota]);
        }
        clone.extend([snapshot.as_str(), dataset.as_str()]);
        if !ctx.zfs_ok(&clone)? {
            eprintln!("failed to clone zone dataset");
            return Ok(FATAL);
        }
    } else if matches!(brand, "joyent" | "joyent-minimal" | "builder" | "lx") {
        eprintln!("Brand error: a zone template is required");
        return Ok(USAGE);
    } else if brand != "bhyve" || !exists {
        // bhyve's dataset, with quota and reservations for its disks, is vmadm's to make.
        let made = if exists {
            ctx.zfs_ok(&["set", &quota, &dataset])?
        } else {
            ctx.zfs_ok(&["create", "-o", &quota, &dataset])?
        };
        if !made {
            return Ok(FATAL);
        }
    }
    if is_smartos_brand(ctx, brand) {
        make_cores(ctx, &dataset, install.zonepath)?;
    }
    Ok(OK)
}

/// Makes the dataset for core dumps, which is not below the zone's own. The scripts do not look at whether it can be made:
/// only the pool `zones` has a dataset `cores`.
fn make_cores(ctx: &Ctx, dataset: &str, zonepath: &str) -> Result<()> {
    let mountpoint = format!("mountpoint={zonepath}/cores");
    let cores = cores_of(dataset);
    ctx.zfs_ok(&["create", "-o", CORES_QUOTA, "-o", &mountpoint, &cores])?;
    Ok(())
}

/// What an attach makes where it is missing: a zone that was received has no dataset for cores.
pub fn attach_zone(ctx: &Ctx, brand: &str, zonepath: &str) -> Result<i32> {
    if !is_smartos_brand(ctx, brand) {
        return Ok(OK);
    }
    let Some(dataset) = dataset_of(ctx, zonepath)? else { return Ok(USAGE) };
    if ctx.zfs_get("name", &cores_of(&dataset))?.is_some() {
        return Ok(OK);
    }
    make_cores(ctx, &dataset, zonepath)?;
    Ok(OK)
}

/// The boot environment that a zone boots.
const ACTIVE: &str = "org.opensolaris.libbe:active=on";
/// The UUID of a zone's boot environments, and that of the global zone's.
const BE_UUID: &str = "org.opensolaris.libbe:uuid";
const BE_PARENT: &str = "org.opensolaris.libbe:parentbe";
const OWN_BE: &str = "5e0f0a52-6a43-4c1d-8c0b-7f3d1a2b9c01";
const GLOBAL_BE: &str = "5e0f0a52-6a43-4c1d-8c0b-7f3d1a2b9c00";

/// Elsewhere than on SmartOS zoneadm makes the dataset, without a quota, and the brand fills it. A template is a
/// snapshot, or a filesystem to take one of.
fn fill_dataset(
    ctx: &Ctx,
    brand: &str,
    template: Option<&str>,
    dataset: &str,
    exists: bool,
) -> Result<i32> {
    if !exists && !ctx.zfs_ok(&["create", dataset])? {
        return Ok(FATAL);
    }
    let root = format!("{dataset}/ROOT");
    let environment = format!("{root}/{}", if brand == "illumos" { "illumos" } else { "zbe" });
    let make_root = || ctx.zfs_ok(&["create", "-o", "mountpoint=legacy", "-o", "zoned=on", &root]);
    let source = match template {
        Some(template) if !template.contains('@') => {
            let snapshot = format!("{template}@install");
            if !ctx.zfs_ok(&["snapshot", &snapshot])? {
                return Ok(FATAL);
            }
            snapshot
        }
        template => template.unwrap_or_default().to_owned(),
    };
    let filled = match brand {
        "bhyve" | "kvm" => true,
        "lx" | "illumos" if source.is_empty() => {
            eprintln!("The installation source must be specified.");
            false
        }
        // An image for lx is a whole zone path.
        "lx" => {
            ctx.zfs_ok(&["destroy", "-r", dataset])? && ctx.zfs_ok(&["clone", &source, dataset])?
        }
        // Its boot environments belong to the zone, not to one of the global zone's.
        "illumos" => {
            make_root()?
                && ctx.zfs_ok(&["clone", &source, &environment])?
                && ctx.zfs_ok(&["set", ACTIVE, &environment])?
                && ctx.zfs_ok(&["set", "canmount=noauto", &environment])?
                && ctx.zfs_ok(&["set", &format!("{BE_UUID}={OWN_BE}"), &root])?
                && ctx.zfs_ok(&["set", &format!("{BE_PARENT}={OWN_BE}"), &environment])?
        }
        _ => {
            let parent = format!("{BE_PARENT}={GLOBAL_BE}");
            let options = ["-o", ACTIVE, "-o", &parent, "-o", "canmount=noauto"];
            make_root()? && ctx.zfs_ok(&[&["create"], &options[..], &[&environment]].concat())?
        }
    };
    Ok(if filled { OK } else { FATAL })
}

fn make_directories(ctx: &Ctx, brand: &str, install: &Install<'_>) -> Result<()> {
    let path = ctx.path(install.zonepath);
    make_directory(&path, 0o700)?;
    let zone_root = path.join("root");
    make_directory(&zone_root, 0o755)?;
    if is_smartos_brand(ctx, brand) {
        make_directory(&path.join("config"), 0o755)?;
        make_directory(&path.join("cores"), 0o755)?;
        make_directory(&zone_root.join("tmp"), 0o1777)?;
        make_directory(&zone_root.join("var/svc"), 0o755)?;
    }
    Ok(())
}

/// A directory with that mode; one that is there keeps its own, the zone path excepted.
fn make_directory(path: &Path, mode: u32) -> Result<()> {
    let is_new = !path.is_dir();
    fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    if is_new || mode == 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The dataset a zone path belongs to: the dataset mounted on its parent directory, with the last name added.
pub fn dataset_of(ctx: &Ctx, zonepath: &str) -> Result<Option<String>> {
    let (parent, name) = zonepath.rsplit_once('/').unwrap_or(("", zonepath));
    let output = ctx.zfs(&["list", "-H", "-o", "name,mountpoint", "-t", "filesystem"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let dataset = text.lines().find_map(|line| {
        let (dataset, mountpoint) = line.split_once('\t')?;
        (mountpoint == parent).then(|| format!("{dataset}/{name}"))
    });
    if dataset.is_none() {
        eprintln!("Brand error: missing parent ZFS dataset for {parent}");
    }
    Ok(dataset)
}

/// `POOL/cores/NAME` for `POOL/NAME`.
fn cores_of(dataset: &str) -> String {
    match dataset.rsplit_once('/') {
        Some((parent, name)) => format!("{parent}/cores/{name}"),
        None => format!("{dataset}/cores"),
    }
}
