//! mount(8) and umount(8): mounts are kept in a table; nothing appears below a mount point.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;
use crate::getopt::getopt;
use crate::state;

/// Name of the state file.
const NAME: &str = "mounts";

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub special: String,
    pub point: String,
    pub fs_type: String,
    pub options: String,
}

type Mounts = Vec<Mount>;

/// The program `mount`.
pub fn mount(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "F:Vmprvo:Og");
    let operands: Vec<&str> = options.operands.iter().map(String::as_str).collect();
    if options.unknown.is_some() {
        eprintln!(
            "Usage:\nmount [-v | -p]\nmount [-F FSType] [-V] [current_options] [-o specific_options]"
        );
        return Ok(1);
    }
    let (special, point) = match operands.as_slice() {
        [] => return show(ctx),
        [point] => ("", normal(point)),
        [special, point, ..] => (*special, normal(point)),
    };
    let fs_type = options.value('F').unwrap_or("ufs");
    let given = options.value('o').unwrap_or_default();
    if given.split(',').any(|option| option == "remount") {
        return Ok(0);
    }
    if !ctx.path(&point).is_dir() && !ctx.path(&point).is_file() {
        eprintln!("mount: Mount point {point} does not exist.");
        return Ok(33);
    }
    // A snapshot directory appears only when it is entered, so it is not looked for.
    if fs_type == "lofs" && !special.contains("/.zfs/") && !ctx.path(special).exists() {
        eprintln!("mount: {special}: No such file or directory");
        return Ok(33);
    }
    state::update(ctx, NAME, |mounts: &mut Mounts| {
        if mounts.iter().any(|mount| mount.point == point && mount.special == special) {
            eprintln!("mount: {special} is already mounted or {point} is busy");
            return Ok(33);
        }
        mounts.push(Mount {
            special: special.to_owned(),
            point,
            fs_type: fs_type.to_owned(),
            options: if given.is_empty() { "rw".to_owned() } else { given.to_owned() },
        });
        Ok(0)
    })
}

/// The program `umount`.
pub fn umount(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "fVao:F:");
    let Some(point) = options.operands.last().map(|point| normal(point)) else {
        eprintln!("Usage:\numount [-f] [-V] [-o specific_options] {{special | mount-point}}");
        return Ok(1);
    };
    state::update(ctx, NAME, |mounts: &mut Mounts| {
        let found = mounts.iter().rposition(|mount| mount.point == point || mount.special == point);
        if let Some(at) = found {
            mounts.remove(at);
            return Ok(0);
        }
        eprintln!("umount: warning: {point} not in mnttab");
        eprintln!("umount: {point} not mounted");
        Ok(1)
    })
}

/// The mounts below a directory.
pub fn below(ctx: &Ctx, directory: &str) -> Result<Vec<Mount>> {
    let mut mounts: Mounts = state::read(ctx, NAME)?;
    mounts.retain(|mount| is_below(&mount.point, directory));
    Ok(mounts)
}

/// Unmounts all that is mounted below a directory, as a zone that goes down does.
pub fn forget_below(ctx: &Ctx, directory: &str) -> Result<()> {
    if below(ctx, directory)?.is_empty() {
        return Ok(());
    }
    state::update(ctx, NAME, |mounts: &mut Mounts| {
        mounts.retain(|mount| !is_below(&mount.point, directory));
        Ok(())
    })
}

fn is_below(point: &str, directory: &str) -> bool {
    point.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// All mounts: those of the table and the mounted datasets, by mount point.
fn show(ctx: &Ctx) -> Result<i32> {
    let mut all = BTreeMap::new();
    let output = ctx.zfs(&["list", "-H", "-o", "name,mountpoint,mounted", "-t", "filesystem"])?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let [name, point, "yes"] = *line.split('\t').collect::<Vec<_>>() {
            all.insert(point.to_owned(), format!("{point} on {name} read/write/setuid/devices"));
        }
    }
    for mount in state::read::<Mounts>(ctx, NAME)? {
        let line =
            format!("{} on {} {}", mount.point, mount.special, mount.options.replace(',', "/"));
        all.insert(mount.point, line);
    }
    for line in all.values() {
        println!("{line}");
    }
    Ok(0)
}

/// The path without doubled and trailing slashes.
fn normal(path: &str) -> String {
    let mut text = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        text.push('/');
        text.push_str(part);
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_by_whole_names() {
        assert!(is_below("/zones/a/root/checkpoints/s1", "/zones/a/root"));
        assert!(!is_below("/zones/a/root2", "/zones/a/root"));
        assert!(!is_below("/zones/a/root", "/zones/a/root"));
        assert_eq!(normal("/zones//a/"), "/zones/a");
    }
}
