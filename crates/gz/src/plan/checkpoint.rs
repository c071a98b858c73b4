//! Snapshots of a running zone are shown to it, read-only, below `/checkpoints`.

use crate::root::Root;
use crate::tool::{Error, Result};
use crate::zone_files::ZoneRoot;

const CHECKPOINTS: &str = "/checkpoints";

/// Mounts the snapshot `vmsnap-NAME` of the dataset at `zonepath`. The snapshot is there already: that it cannot be
/// shown is a warning.
pub(super) fn mount(root: &Root, zonepath: &str, name: &str) -> Result<()> {
    let inside = format!("{CHECKPOINTS}/{name}");
    let zone = ZoneRoot::new(root, &format!("{zonepath}/root"));
    let from = format!("{zonepath}/.zfs/snapshot/vmsnap-{name}/root");
    let point = format!("{zonepath}/root{inside}");
    let mounted = zone.make_directory(CHECKPOINTS).and_then(|()| zone.make_directory(&inside));
    let mounted = mounted.and_then(|()| {
        let options = ["-F", "lofs", "-o", "ro,setuid,nodevices"];
        root.tool("/usr/sbin/mount").args(options).args([&from, &point]).run().map(drop)
    });
    if let Err(error) = mounted {
        log::warn!("cannot show snapshot {name} to the zone: {error}");
    }
    Ok(())
}

/// Unmounts it again; one that is not mounted is fine.
pub(super) fn unmount(root: &Root, zonepath: &str, name: &str) -> Result<()> {
    let inside = format!("{CHECKPOINTS}/{name}");
    let point = format!("{zonepath}/root{inside}");
    match root.tool("/usr/sbin/umount").arg(&point).run() {
        Err(Error::Failed { stderr, .. })
            if stderr.contains("not mounted")
                || stderr.to_lowercase().contains("no such file or directory") => {}
        other => drop(other?),
    }
    let zone = ZoneRoot::new(root, &format!("{zonepath}/root"));
    if let Err(error) = zone.remove_directory(&inside) {
        log::info!("{error}");
    }
    Ok(())
}
