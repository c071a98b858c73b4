//! Simulated ZFS: pools, datasets, snapshots and streams below a root directory, and the programs
//! `zfs`, `zpool` and `zdb` over them.
//!
//! Everything known is one value ([`state::State`]) in one file below `var/gzsim/zfs`; contents are
//! plain files. A mounted filesystem is a directory at its mountpoint below the root, an unmounted one
//! waits in the state directory; a volume is a sparse file at `dev/zvol/rdsk/NAME`; a snapshot is a
//! copy. Messages and exit codes are those of illumos (libzfs, zfs(8)).

mod bookmark;
mod cli;
mod clone;
mod create;
mod destroy;
mod error;
mod files;
mod get;
mod hold;
mod mount;
mod names;
mod number;
mod props;
mod proptable;
mod receive;
mod received;
mod redo;
mod rename;
mod reservation;
mod rest;
mod rollback;
mod send;
mod snapshot;
mod space;
mod spool;
mod state;
pub(crate) mod stream;
mod token;
mod zdb;
mod zpool;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use cli::zfs_main;
pub use error::{Code, Error, Result};
pub(crate) use files::copy_tree;
pub use get::{Source, Value};
pub use zdb::zdb_main;
pub use zpool::zpool_main;

use redo::FsOp;
use state::{Pool, State};

/// Where the state lies, relative to the root.
const STATE_DIR: &str = "var/gzsim/zfs";

/// The size of a pool that keeps no accounts: quotas, reservations and its own size never stand in the
/// way. The machine that the observed cases ran on was like that.
pub const UNCOUNTED: u64 = u64::MAX;

/// The pools below one root, opened under a lock.
///
/// Operations change the value in memory and note what has to happen to files; [`Zfs::commit`] makes
/// both durable at once. Without a commit nothing has happened. Contents of a dataset made or moved
/// since the last commit are in place only after the next one; operations that copy contents
/// (snapshot, clone, rollback, receive) begin with a commit of what is pending.
pub struct Zfs {
    root: PathBuf,
    dir: PathBuf,
    lock: File,
    writable: bool,
    state: State,
    ops: Vec<FsOp>,
}

impl Zfs {
    /// Opens for changing: one at a time, waiting for others to be done.
    pub fn open(root: &Path) -> Result<Self> {
        let (dir, lock) = lock_file(root)?;
        lock.lock()?;
        let state = load(&dir)?;
        redo::finish(root, &dir, state.txg)?;
        // Copies that were prepared for a commit that never came.
        match fs::remove_dir_all(dir.join("new")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        Ok(Self { root: root.to_owned(), dir, lock, writable: true, state, ops: Vec::new() })
    }

    /// Opens for reading, beside other readers.
    pub fn open_shared(root: &Path) -> Result<Self> {
        let (dir, lock) = lock_file(root)?;
        lock.lock_shared()?;
        if redo::pending(&dir) {
            // Somebody was killed in a commit: finish it first.
            drop(lock);
            drop(Self::open(root)?);
            return Self::open_shared(root);
        }
        let state = load(&dir)?;
        Ok(Self { root: root.to_owned(), dir, lock, writable: false, state, ops: Vec::new() })
    }

    /// Writes the state and carries out the changes to files. A kill at any time leaves either the
    /// state before or the state after.
    pub fn commit(&mut self) -> Result<()> {
        if !self.writable {
            return Err(io::Error::other("the pools were opened for reading only").into());
        }
        self.state.txg += 1;
        let ops = std::mem::take(&mut self.ops);
        redo::prepare(&self.dir, self.state.txg, &ops)?;
        let text = serde_json::to_vec(&self.state).map_err(io::Error::from)?;
        redo::write_atomically(&self.dir.join("state.json"), &text)?;
        redo::finish(&self.root, &self.dir, self.state.txg)?;
        Ok(())
    }

    /// Lets others change the pools while an answer is written: whoever reads it may be one of them.
    fn unlock(&self) -> Result<()> {
        Ok(self.lock.unlock()?)
    }

    /// Puts contents in place before they are copied.
    fn settle(&mut self) -> Result<()> {
        if self.ops.is_empty() { Ok(()) } else { self.commit() }
    }

    /// Forgets what has changed since the last commit.
    pub fn revert(&mut self) -> Result<()> {
        self.ops.clear();
        self.state = load(&self.dir)?;
        Ok(())
    }

    /// Makes a pool of `size` usable bytes (or [`UNCOUNTED`]), with its root filesystem mounted at `/NAME`.
    pub fn create_pool(&mut self, name: &str, size: u64) -> Result<()> {
        names::check_pool(name)?;
        if self.state.pools.contains_key(name) {
            return Err(Error::cannot(
                Code::Exists,
                format_args!("create '{name}'"),
                "pool already exists",
            ));
        }
        let guid = self.state.new_guid();
        self.state.pools.insert(
            name.to_owned(),
            Pool {
                guid,
                size,
                ashift: 12,
                creation: now(),
                props: std::collections::BTreeMap::new(),
            },
        );
        self.insert_filesystem(name, std::collections::BTreeMap::new())
    }

    /// Names of the pools, in order.
    pub fn pools(&self) -> Vec<String> {
        self.state.pools.keys().cloned().collect()
    }

    /// Whether a filesystem, volume, snapshot (`a@b`) or bookmark (`a#b`) of that name exists.
    pub fn exists(&self, name: &str) -> bool {
        if let Some((ds, mark)) = name.split_once('#') {
            return self
                .state
                .datasets
                .get(ds)
                .is_some_and(|d| d.bookmarks.iter().any(|b| b.name == mark));
        }
        if name.contains('@') {
            return self.state.snap(name).is_some();
        }
        self.state.datasets.contains_key(name)
    }

    /// Full names of the filesystems and volumes right below `name`.
    pub fn children(&self, name: &str) -> Vec<String> {
        self.state
            .descendants(name)
            .filter(|(n, _)| state::parent_of(n) == Some(name))
            .map(|(n, _)| n.clone())
            .collect()
    }

    /// Full names of a dataset's snapshots, oldest first.
    pub fn snapshots(&self, name: &str) -> Vec<String> {
        let snaps = self.state.datasets.get(name).map_or(&[][..], |d| &d.snaps);
        snaps.iter().map(|s| format!("{name}@{}", s.name)).collect()
    }
}

impl State {
    /// Whether the pool of a dataset counts space.
    fn counts(&self, name: &str) -> bool {
        self.pools.get(state::pool_of(name)).is_some_and(|p| p.size != UNCOUNTED)
    }
}

fn lock_file(root: &Path) -> Result<(PathBuf, File)> {
    let dir = root.join(STATE_DIR);
    fs::create_dir_all(&dir)?;
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("lock"))?;
    Ok((dir, lock))
}

fn load(dir: &Path) -> Result<State> {
    match fs::read(dir.join("state.json")) {
        Ok(text) => Ok(serde_json::from_slice(&text).map_err(io::Error::from)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Ok(State { seed: seed(), ..State::default() })
        }
        Err(e) => Err(e.into()),
    }
}

/// Guids differ from root to root: streams between two simulated machines must not be mistaken for
/// each other's.
fn seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn no_pool(name: &str) -> Error {
    Error::cannot(Code::NotFound, format_args!("open '{name}'"), "no such pool")
}
