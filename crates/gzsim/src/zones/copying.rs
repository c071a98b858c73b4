//! `zoneadm clone` and `zoneadm move`: what illumos's zoneadm does for brands without hooks of their own for it.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use zonecfg::index::ZoneState;

use crate::ctx::Ctx;
use crate::zfs::copy_tree;
use crate::zones::brand;
use crate::zones::table::{self, Row, State};

/// How a zone is cloned.
#[derive(Debug, Default)]
pub struct Method<'a> {
    /// Copy the files, although a ZFS clone could be made.
    pub copy: bool,
    /// The snapshot to clone in place of a new one.
    pub snapshot: Option<&'a str>,
}

/// Why the zone `source` cannot be cloned into `target`, as zoneadm says it.
pub fn unsuitable(ctx: &Ctx, source: &str, target: &Row) -> Result<Option<String>> {
    let say = |text: &str| Ok(Some(format!("zoneadm: zone '{}': {text}", target.name)));
    if source == "global" {
        return say("clone operation is invalid for the global zone.");
    }
    if source.starts_with("SUNW") {
        return say("clone operation is invalid for zones starting with SUNW.");
    }
    let Some(row) = table::row(ctx, source)? else {
        let message = "could not get state: No such zone configured";
        return Ok(Some(format!("zoneadm: zone '{source}': {message}")));
    };
    if row.state >= State::Ready {
        return say(&format!("clone operation is invalid for {} zones.", row.state.as_str()));
    }
    if row.state != State::Installed {
        let state = row.state.as_str();
        return Ok(Some(format!("zoneadm: zone {source} is {state}; installed is required.")));
    }
    if row.brand != target.brand {
        let names = format!("Zones '{source}' and '{}'", target.name);
        return Ok(Some(format!("zoneadm: {names} have different brand types.")));
    }
    Ok(None)
}

/// Fills the zone path of `target` with what that of `source` holds; whether that worked. The caller sees to the states.
pub fn clone(ctx: &Ctx, source: &str, target: &Row, method: &Method<'_>) -> Result<bool> {
    let source = table::row(ctx, source)?.context("the source was there")?;
    let Some(dataset) = brand::dataset_of(ctx, &target.path)? else { return Ok(false) };
    if let Some(snapshot) = method.snapshot {
        return clone_snapshot(ctx, snapshot, &dataset);
    }
    if !method.copy
        && let Some(origin) = mounted_at(ctx, &source.path)?
    {
        let snapshot = next_snapshot(ctx, &origin)?;
        return Ok(
            ctx.zfs_ok(&["snapshot", &snapshot])? && clone_snapshot(ctx, &snapshot, &dataset)?
        );
    }
    print!("Copying {}...", source.path);
    io::stdout().flush()?;
    let made = ctx.zfs_ok(&["create", &dataset])?;
    if made {
        copy_into(ctx, &source.path, &target.path)?;
    }
    println!();
    Ok(made)
}

fn clone_snapshot(ctx: &Ctx, snapshot: &str, dataset: &str) -> Result<bool> {
    println!("Cloning snapshot {snapshot}");
    ctx.zfs_ok(&["clone", "-o", "sharenfs=off", "-o", "sharesmb=off", snapshot, dataset])
}

/// The snapshot that is taken of a zone for a clone: `DATASET@SUNWzoneN`, the next number.
fn next_snapshot(ctx: &Ctx, dataset: &str) -> Result<String> {
    let output = ctx.zfs(&["list", "-H", "-d", "1", "-t", "snapshot", "-o", "name", dataset])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.lines().filter_map(|name| {
        name.split_once("@SUNWzone").and_then(|(_, number)| number.parse::<u32>().ok())
    });
    Ok(format!("{dataset}@SUNWzone{}", numbers.max().map_or(1, |last| last + 1)))
}

/// The dataset that is mounted at a path.
fn mounted_at(ctx: &Ctx, path: &str) -> Result<Option<String>> {
    let output = ctx.zfs(&["list", "-H", "-o", "name,mountpoint", "-t", "filesystem"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(rows.into_iter().find(|(_, at)| *at == path).map(|(name, _)| name.to_owned()))
}

/// Where something is mounted below a zone path, its root excepted: such a zone does not move.
pub fn mounted_below(ctx: &Ctx, zonepath: &str) -> Result<Vec<String>> {
    let output = ctx.zfs(&["list", "-H", "-o", "mounted,mountpoint", "-t", "filesystem"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let datasets = text.lines().filter_map(|line| line.strip_prefix("yes\t"));
    let mut points: Vec<String> = datasets.map(str::to_owned).collect();
    points.extend(crate::tools::mount::below(ctx, zonepath)?.into_iter().map(|mount| mount.point));
    points.retain(|point| {
        point.strip_prefix(zonepath).is_some_and(|rest| rest.starts_with('/') && rest != "/root")
    });
    Ok(points)
}

/// Copies what is in one directory of the global zone into another that is there.
fn copy_into(ctx: &Ctx, from: &str, to: &str) -> Result<()> {
    let target = ctx.path(to);
    for entry in fs::read_dir(ctx.path(from))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target.join(entry.file_name()), &HashSet::new())?;
        } else {
            fs::copy(entry.path(), target.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Moves a zone's path: its dataset gets another mountpoint, or its directory another name. Gives the message where that
/// cannot be.
pub fn relocate(ctx: &Ctx, row: &Row, path: &str) -> Result<Option<String>> {
    if !path.starts_with('/') {
        return Ok(Some(format!("{path} is not an absolute path.")));
    }
    let target = ctx.path(path);
    let is_empty = fs::read_dir(&target).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty || target.is_file() {
        return Ok(Some(format!("could not move zone to {path}: directory not empty")));
    }
    if let Some(dataset) = mounted_at(ctx, &row.path)? {
        if !ctx.zfs_ok(&["set", &format!("mountpoint={path}"), &dataset])? {
            return Ok(Some(format!("could not move zone to {path}")));
        }
    } else {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(ctx.path(&row.path), &target)
            .with_context(|| format!("cannot move {} to {path}", row.path))?;
    }
    table::set_path(ctx, &row.name, path)?;
    Ok(None)
}

/// Marks a zone as the clone went.
pub fn finish(ctx: &Ctx, target: &Row, worked: bool) -> Result<()> {
    let state = if worked { ZoneState::Installed } else { ZoneState::Incomplete };
    table::set_state(ctx, &target.name, state)
}
