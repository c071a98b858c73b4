//! The real ZFS pools that the end-to-end tests share: one test at a time holds them, each finds them as new, and what a
//! test leaves is taken away, or the next one fails with its name.
//!
//! Everything below the pools is destroyed. That happens only to pools that [`WIPE`] names, which `ci/real-zfs.sh` sets
//! in a throw-away machine.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Environment variable that names the real zfs(8) to use in place of the simulated one.
pub const REAL_ZFS: &str = "ZONEKIT_REAL_ZFS";

/// Environment variable with the pools that tests may destroy everything in, separated by blanks.
pub const WIPE: &str = "ZONEKIT_WIPE_POOLS";

/// What a dataset that is kept for the next test must have unchanged.
const COLUMNS: &str = "name,guid,userrefs,origin,mountpoint,quota,refquota,reservation,refreservation,recordsize,\
    compression,volsize,zoned";

/// How long a dataset may be busy: the kernel's and udev's use of a volume ends a moment after ours.
const PATIENCE: Duration = Duration::from_secs(20);

/// The thread that has the pools: it would wait for itself in vain.
static HOLDER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// The right to use a pool and to destroy what is in it, until dropped.
#[derive(Debug)]
pub struct Pool {
    zfs: PathBuf,
    name: String,
    /// Locked; holds the name of the test that has the pools.
    _lock: File,
}

/// The real zfs(8), where the tests are to use one.
pub fn real_zfs() -> Option<PathBuf> {
    env::var_os(REAL_ZFS).map(PathBuf::from)
}

/// What a set of tests has in common at the start: the rows of [`COLUMNS`], kept in a file between test programs.
fn kept_file(name: &str) -> PathBuf {
    env::temp_dir().join(format!("zonekit-{name}.kept"))
}

impl Pool {
    /// Waits for the pool and takes it, for a test that fills it with what `setup` names: datasets that [`Self::keep`]
    /// noted under the same name are there, nothing else.
    ///
    /// # Panics
    /// Where the pool may not be wiped, where this thread has it already, and where an earlier test left something.
    pub fn take(zfs: &Path, name: &str, setup: &str) -> Self {
        let allowed = env::var(WIPE).unwrap_or_default();
        assert!(
            allowed.split_whitespace().any(|pool| pool == name),
            "the tests would destroy everything in the pool {name}: name it in {WIPE} if they may"
        );
        let here = thread::current().id();
        let holder = *HOLDER.lock().expect("no thread panics with it");
        assert!(
            holder != Some(here),
            "a test that uses two roots at once needs!(Need::TwoRoots): the pool {name} is taken"
        );
        let path = env::temp_dir().join("zonekit-pools.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        lock.lock().expect("a file can be locked");
        *HOLDER.lock().expect("no thread panics with it") = Some(here);
        let mut last = String::new();
        let _ = lock.read_to_string(&mut last);
        let _ = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0)));
        let _ = write!(lock, "{}", thread::current().name().unwrap_or("main"));
        let pool = Self { zfs: zfs.to_owned(), name: name.to_owned(), _lock: lock };
        let left = pool.wipe();
        if pool.kept().first().is_some_and(|first| first != setup) {
            pool.forget();
        }
        // Where nobody is known to have had the pools, what is there is no test's fault.
        assert!(
            left.is_empty() || last.is_empty(),
            "the pool {name} was not clean after {last}: {left:?}"
        );
        pool
    }

    /// Notes the datasets that are there as those that `setup` makes: they stay for the next test that asks for it.
    pub fn keep(&self, setup: &str) {
        let mut text = format!("{setup}\n");
        for row in self.rows() {
            text.push_str(&row);
            text.push('\n');
        }
        fs::write(kept_file(&self.name), text).expect("a writable temporary directory");
    }

    /// Whether nothing is kept: what the test needs is still to be made.
    pub fn is_bare(&self) -> bool {
        self.kept().is_empty()
    }

    fn kept(&self) -> Vec<String> {
        let text = fs::read_to_string(kept_file(&self.name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Destroys what is kept too.
    fn forget(&self) {
        // Not there where nothing was kept.
        let _ = fs::remove_file(kept_file(&self.name));
        let _ = self.wipe();
    }

    /// Destroys what is not kept; everything where what is kept is not as it was. Gives the names of what was there
    /// too much.
    fn wipe(&self) -> Vec<String> {
        let begun = Instant::now();
        let mut found = None;
        loop {
            let rows = self.rows();
            let kept: BTreeSet<String> = self.kept().into_iter().skip(1).collect();
            let left: Vec<String> =
                rows.iter().filter(|row| !kept.contains(*row)).cloned().collect();
            let names: Vec<&str> = left.iter().filter_map(|row| row.split('\t').next()).collect();
            if found.is_none() {
                found = Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            }
            if kept.iter().any(|row| !rows.contains(row)) {
                // A dataset of the set-up was changed or destroyed: it is made anew.
                let _ = fs::remove_file(kept_file(&self.name));
                continue;
            }
            if left.is_empty() {
                break;
            }
            for row in left
                .iter()
                .filter(|row| row.split('\t').nth(2).is_some_and(|n| !matches!(n, "0" | "-")))
            {
                self.release(row.split('\t').next().unwrap_or_default());
            }
            // What is below goes with what is above it.
            let top = names.iter().filter(|name| {
                let above = name.rsplit_once(['@', '/']).map_or("", |(above, _)| above);
                !names.contains(&above)
            });
            let mut message = String::new();
            for name in top {
                let output = self.run(&["destroy", "-R", name]);
                message.push_str(&String::from_utf8_lossy(&output.stderr));
            }
            assert!(begun.elapsed() < PATIENCE, "{} cannot be cleaned: {message}", self.name);
            if !message.is_empty() {
                thread::sleep(Duration::from_millis(200));
            }
        }
        for name in self.filesystems() {
            clear(Path::new(&name));
        }
        found.unwrap_or_default()
    }

    fn release(&self, snapshot: &str) {
        let holds = self.run(&["holds", "-H", snapshot]);
        for line in String::from_utf8_lossy(&holds.stdout).lines() {
            if let Some(tag) = line.split('\t').nth(1) {
                let _ = self.run(&["release", tag, snapshot]);
            }
        }
    }

    /// The rows of everything below the pool.
    fn rows(&self) -> Vec<String> {
        let output = self.run(&["list", "-H", "-p", "-r", "-t", "all", "-o", COLUMNS, &self.name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let below = text.lines().filter(|line| {
            line.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with(['/', '@']))
        });
        below.map(str::to_owned).collect()
    }

    /// Mountpoints of the filesystems that no snapshot was taken of: the pool's own, an archive.
    fn filesystems(&self) -> Vec<String> {
        let output = self.run(&[
            "list",
            "-H",
            "-r",
            "-t",
            "filesystem,snapshot",
            "-o",
            "name,mountpoint",
            &self.name,
        ]);
        let text = String::from_utf8_lossy(&output.stdout);
        let rows: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.split_once('\t')).collect();
        let has_snapshot = |name: &str| {
            rows.iter().any(|(other, _)| other.split_once('@').is_some_and(|(of, _)| of == name))
        };
        rows.iter()
            .filter(|(name, at)| at.starts_with('/') && !name.contains('@') && !has_snapshot(name))
            .map(|(_, at)| (*at).to_owned())
            .collect()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.zfs)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.zfs.display()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if thread::panicking() {
            // A second panic would end the program; what cannot be cleaned is found by the next test.
            let cleaned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.wipe()));
            drop(cleaned);
        } else {
            let _ = self.wipe();
        }
        if let Ok(mut holder) = HOLDER.lock() {
            *holder = None;
        }
    }
}

/// Removes what is in a directory, but not what is mounted in it.
fn clear(directory: &Path) {
    let Ok(device) = fs::metadata(directory).map(|data| data.dev()) else { return };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        if data.dev() != device {
            continue;
        }
        // What cannot be removed is in nobody's way, or the next test says so.
        let _ = if data.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}
