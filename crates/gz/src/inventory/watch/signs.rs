//! What can be seen of a change without running a tool: times of files, and whether a zone is on its way up or down.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::inventory::config;
use crate::plan::journal;
use crate::root::Root;
use crate::zoneadm::Zone;

/// A file that was written this short a time ago may be written again without its time telling, in nanoseconds: file
/// systems keep times of clock ticks.
const COARSE: i128 = 50_000_000;

/// A file or directory as it was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    /// Nanoseconds since 1970.
    written: i128,
}

impl Mark {
    /// `None` where there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        let written = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        Some(Self { inode: about.ino(), written })
    }
}

/// Marks of some files.
#[derive(Debug)]
pub(super) struct Marks<const N: usize> {
    marks: [Option<Mark>; N],
    /// Whether one of the files may have been written again since, unseen.
    fresh: bool,
}

impl<const N: usize> Marks<N> {
    pub(super) fn take(paths: &[PathBuf; N]) -> Self {
        let marks = std::array::from_fn(|at| Mark::of(&paths[at]));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        let fresh = marks.iter().flatten().any(|mark| (0..COARSE).contains(&(now - mark.written)));
        Self { marks, fresh }
    }

    /// Whether these are the same times as the other's.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.marks == other.marks
    }

    /// Whether the files are, for sure, as they were.
    pub(super) fn hold(&self, paths: &[PathBuf; N]) -> bool {
        !self.fresh
            && std::iter::zip(&self.marks, paths).all(|(mark, path)| *mark == Mark::of(path))
    }
}

/// What tells of zones that come and go and of plans: the index of zones, the directory of journals.
pub(super) fn of_system(root: &Root) -> [PathBuf; 2] {
    [root.path("/etc/zones/index"), root.path(journal::DIRECTORY)]
}

/// Where the signs of one VM are.
#[derive(Debug)]
pub(super) struct Places {
    /// Zone configuration, directory of tags, routes and metadata, directory of the snapshots of the zone's dataset,
    /// whose time is that of the last snapshot taken or destroyed (`dmu_objset_snap_cmtime`).
    pub(super) files: [PathBuf; 3],
    way: Way,
}

/// How a change of state is noticed.
#[derive(Debug)]
enum Way {
    /// The zone runs as long as its init does.
    Init(PathBuf),
    /// zoneadmd attaches its door before it does anything to a zone and takes it off when the zone is down.
    Door(PathBuf),
}

impl Places {
    /// `init`: the process, where the zone runs.
    pub(super) fn of(root: &Root, zone: &Zone, init: Option<u64>) -> Self {
        let zonepath = root.path(&zone.zonepath);
        let way = match init.filter(|_| zone.state == "running") {
            Some(pid) => Way::Init(root.path(format!("/proc/{pid}"))),
            None => Way::Door(root.path(format!("/var/run/zones/{}.zoneadmd_door", zone.name))),
        };
        let files = [
            config::configuration_path(root, &zone.name),
            zonepath.join("config"),
            zonepath.join(".zfs/snapshot"),
        ];
        Self { files, way }
    }

    /// Whether the zone ran and its init has ended.
    pub(super) fn init_is_gone(&self) -> bool {
        matches!(self.way, Way::Init(_)) && !self.is_steady()
    }

    /// Whether the zone is neither on its way up nor on its way down.
    pub(super) fn is_steady(&self) -> bool {
        match &self.way {
            Way::Init(process) => process.exists(),
            // Without a door it is a plain file.
            Way::Door(door) => fs::metadata(door).map_or(true, |about| about.is_file()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_was_just_written_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a"), dir.path().join("b")];
        let none = Marks::take(&paths);
        assert!(none.hold(&paths), "nothing is there, and nothing came");
        fs::write(&paths[0], "1").unwrap();
        assert!(!none.hold(&paths));
        assert!(!Marks::take(&paths).hold(&paths), "may be written again in the same tick");
        thread::sleep(Duration::from_millis(60));
        let settled = Marks::take(&paths);
        assert!(settled.hold(&paths));
        fs::remove_file(&paths[0]).unwrap();
        assert!(!settled.hold(&paths));
    }

    #[test]
    fn a_zone_is_steady_while_its_init_runs_or_it_has_no_door() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let mut zone = Zone { name: "z".into(), zonepath: "/zones/z".into(), ..Zone::default() };
        for directory in ["proc/12", "var/run/zones"] {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        zone.state = "running".into();
        assert!(Places::of(&root, &zone, Some(12)).is_steady());
        assert!(!Places::of(&root, &zone, Some(13)).is_steady());
        zone.state = "installed".into();
        let places = Places::of(&root, &zone, None);
        assert!(places.is_steady());
        let door = dir.path().join("var/run/zones/z.zoneadmd_door");
        std::os::unix::fs::symlink("/dev/null", &door).unwrap();
        assert!(!places.is_steady());
        fs::remove_file(&door).unwrap();
        fs::write(&door, "").unwrap();
        assert!(places.is_steady());
    }
}
