//! Changes to files that belong to a change of state, made so that a kill at any time loses nothing.
//!
//! A commit writes the list of file operations (`redo`), then the new state (the point of no return),
//! then does the operations, noting after each one how far it got. Whoever opens the state next and
//! finds a list that belongs to the state on disk finishes it. Every operation may be done twice.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One change to the files below the root. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FsOp {
    /// Rename a file or directory; an empty directory in the way gives place.
    Move { from: PathBuf, to: PathBuf },
    /// Make a directory and those above it.
    MkDir { path: PathBuf },
    /// Remove a file or a whole tree.
    Remove { path: PathBuf },
    /// Remove empty directories from `path` upwards, as far as `stop`, which stays.
    Prune { path: PathBuf, stop: PathBuf },
    /// Make a file of this size, or give an existing one this size. New space is a hole.
    Size { path: PathBuf, bytes: u64 },
    /// Make a symbolic link.
    Link { path: PathBuf, target: PathBuf },
}

impl FsOp {
    fn run(&self, root: &Path) -> io::Result<()> {
        match self {
            Self::Move { from, to } => {
                let (from, to) = (root.join(from), root.join(to));
                if fs::symlink_metadata(&from).is_err() {
                    return Ok(()); // done by the one who was killed
                }
                if let Some(dir) = to.parent() {
                    fs::create_dir_all(dir)?;
                }
                if to.is_dir() {
                    // Not empty: the rename below reports it.
                    let _ = fs::remove_dir(&to);
                }
                fs::rename(from, to)
            }
            Self::MkDir { path } => fs::create_dir_all(root.join(path)),
            Self::Remove { path } => remove(&root.join(path)),
            Self::Prune { path, stop } => {
                let stop = root.join(stop);
                let mut dir = root.join(path);
                while dir != stop && dir.starts_with(&stop) && fs::remove_dir(&dir).is_ok() {
                    dir.pop();
                }
                Ok(())
            }
            Self::Size { path, bytes } => {
                let path = root.join(path);
                if let Some(dir) = path.parent() {
                    fs::create_dir_all(dir)?;
                }
                let file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(path)?;
                file.set_len(*bytes)
            }
            Self::Link { path, target } => {
                let path = root.join(path);
                if let Some(dir) = path.parent() {
                    fs::create_dir_all(dir)?;
                }
                remove(&path)?;
                std::os::unix::fs::symlink(target, path)
            }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => match fs::remove_dir_all(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            r => r,
        },
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

#[derive(Serialize, Deserialize)]
struct List {
    /// The transaction group of the state that the operations belong to.
    txg: u64,
    ops: Vec<FsOp>,
}

/// Where the list and the note of progress are kept.
fn list_path(dir: &Path) -> PathBuf {
    dir.join("redo")
}

/// Writes the list for the state of `txg`, before that state is written.
pub fn prepare(dir: &Path, txg: u64, ops: &[FsOp]) -> io::Result<()> {
    if ops.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_vec(&List { txg, ops: ops.to_vec() })?;
    let _ = fs::remove_file(dir.join("redo.done"));
    write_atomically(&list_path(dir), &list)
}

/// Does the operations of the list that belongs to the state of `txg` and forgets the list. A list that belongs to
/// a state never written is forgotten without being done.
pub fn finish(root: &Path, dir: &Path, txg: u64) -> io::Result<()> {
    let path = list_path(dir);
    let text = match fs::read(&path) {
        Ok(t) => t,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let list: List = serde_json::from_slice(&text)?;
    let progress = dir.join("redo.done");
    if list.txg == txg {
        let done = fs::metadata(&progress).map_or(0, |m| m.len() as usize);
        let mut note = OpenOptions::new().create(true).append(true).open(&progress)?;
        for op in list.ops.iter().skip(done) {
            op.run(root)?;
            note.write_all(b".")?;
        }
    }
    fs::remove_file(&path)?;
    let _ = fs::remove_file(progress);
    Ok(())
}

/// Whether a list waits to be finished.
pub fn pending(dir: &Path) -> bool {
    list_path(dir).exists()
}

/// Writes a file under a temporary name and renames it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let tmp = path.with_extension("tmp");
    let mut file = File::create(&tmp)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(tmp, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_finished_from_where_it_stopped() {
        let root = tempfile::tempdir().unwrap();
        let r = root.path();
        fs::create_dir_all(r.join("a/sub")).unwrap();
        let ops = [
            FsOp::Move { from: "a".into(), to: "p".into() },
            FsOp::MkDir { path: "a".into() },
            FsOp::Move { from: "p".into(), to: "b".into() },
        ];
        prepare(r, 7, &ops).unwrap();
        // killed after the second operation was done but before it was noted
        ops[0].run(r).unwrap();
        ops[1].run(r).unwrap();
        fs::write(r.join("redo.done"), b".").unwrap();
        finish(r, r, 7).unwrap();
        assert!(r.join("b/sub").is_dir());
        assert!(r.join("a").is_dir() && !r.join("a/sub").exists());
        assert!(!pending(r));
    }

    #[test]
    fn a_list_of_a_state_never_written_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let r = root.path();
        prepare(r, 8, &[FsOp::MkDir { path: "x".into() }]).unwrap();
        finish(r, r, 7).unwrap();
        assert!(!r.join("x").exists() && !pending(r));
    }
}
