//! What shows in the file system that a zone is up: zoneadmd's door in `/var/run/zones`, and its init in `/proc`.
//!
//! zoneadmd attaches its door to a plain file that it never removes; it is there from before a zone becomes ready until
//! after it is down (illumos: `zoneadmd.c`). Here the null device stands in for the door.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::ctx::Ctx;

/// Attaches zoneadmd's door.
pub fn attach_door(ctx: &Ctx, zone: &str) -> Result<()> {
    link(Path::new("/dev/null"), &ctx.path(door(zone)))
}

/// Detaches zoneadmd's door: the file it was attached to stays.
pub fn detach_door(ctx: &Ctx, zone: &str) -> Result<()> {
    let path = ctx.path(door(zone));
    remove(&path)?;
    File::create(&path).map(drop).with_context(|| format!("cannot write {}", path.display()))
}

/// Shows a process of this machine in the root's `/proc`.
pub fn show_process(ctx: &Ctx, pid: i32) -> Result<()> {
    let process = format!("/proc/{pid}");
    link(Path::new(&process), &ctx.path(&process))
}

/// Takes a process out of the root's `/proc`: it has ended, or is about to.
pub fn hide_process(ctx: &Ctx, pid: i32) -> Result<()> {
    remove(&ctx.path(format!("/proc/{pid}")))
}

fn door(zone: &str) -> String {
    format!("/var/run/zones/{zone}.zoneadmd_door")
}

fn link(target: &Path, path: &Path) -> Result<()> {
    remove(path)?;
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| symlink(target, path))
        .with_context(|| format!("cannot make {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    let absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    match fs::remove_file(path) {
        Err(error) if !absent(&error) => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
