//! Contents of datasets: copies of trees and sparse files, and what they occupy.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{
    FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown,
};
use std::path::{Path, PathBuf};

use nix::unistd::{Whence, lseek};

/// Bytes that a file occupies on disk.
pub fn allocated(meta: &fs::Metadata) -> u64 {
    meta.blocks() * 512
}

/// Copies a tree with modes, owners, times and links. Directories in `skip` (other filesystems mounted
/// inside) are copied empty; sockets are left out. `to` must not exist.
pub fn copy_tree(from: &Path, to: &Path, skip: &HashSet<PathBuf>) -> io::Result<()> {
    let meta = fs::symlink_metadata(from)?;
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() && skip.contains(&source) {
            fs::create_dir(&target)?;
        } else if kind.is_dir() {
            copy_tree(&source, &target, skip)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
            copy_owner(&entry.metadata()?, &target);
        } else if kind.is_file() {
            copy_file(&source, &target)?;
        } else if kind.is_fifo() {
            let mode = nix::sys::stat::Mode::from_bits_truncate(entry.metadata()?.mode());
            nix::unistd::mkfifo(&target, mode)?;
        }
    }
    copy_attributes(&meta, to)
}

fn copy_owner(meta: &fs::Metadata, to: &Path) {
    // Only root may give files away: for others the copy stays theirs.
    let _ = lchown(to, Some(meta.uid()), Some(meta.gid()));
}

fn copy_attributes(meta: &fs::Metadata, to: &Path) -> io::Result<()> {
    copy_owner(meta, to);
    fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    let times = FileTimes::new().set_accessed(meta.accessed()?).set_modified(meta.modified()?);
    File::open(to)?.set_times(times)
}

/// Copies a regular file, keeping its holes.
pub fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let meta = source.metadata()?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    if allocated(&meta) >= meta.len() {
        io::copy(&mut source, &mut target)?;
    } else {
        target.set_len(meta.len())?;
        for (start, end) in extents(&source, meta.len())? {
            source.seek(SeekFrom::Start(start))?;
            target.seek(SeekFrom::Start(start))?;
            io::copy(&mut (&source).take(end - start), &mut target)?;
        }
    }
    target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    target.set_times(
        FileTimes::new().set_accessed(meta.accessed()?).set_modified(meta.modified()?),
    )?;
    copy_owner(&meta, to);
    Ok(())
}

/// The parts of a file that hold data, as start and end offsets.
pub fn extents(file: &File, len: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let mut at = 0i64;
    while (at as u64) < len {
        let start = match lseek(file, at, Whence::SeekData) {
            Ok(start) => start,
            Err(nix::errno::Errno::ENXIO) => break,
            // no support for holes: all of it is data
            Err(nix::errno::Errno::EINVAL) => {
                found.push((at as u64, len));
                break;
            }
            Err(e) => return Err(e.into()),
        };
        let end = lseek(file, start, Whence::SeekHole)?;
        found.push((start as u64, (end as u64).min(len)));
        at = end;
    }
    Ok(found)
}

/// What a directory counts for: what it takes on the disk of the host says nothing.
const DIRECTORY: u64 = 512;

/// What a tree occupies, and how much of that was written after a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    /// Bytes in files changed after the given time.
    pub newer: u64,
}

/// Sums up a tree or file; `skip` as in [`copy_tree`]; `since` is a time in nanoseconds since 1970.
/// Files that vanish meanwhile are not counted.
pub fn usage(path: &Path, skip: &HashSet<PathBuf>, since: i128) -> Usage {
    let mut sum = Usage::default();
    if let Ok(entries) = fs::read_dir(path) {
        add_entries(entries, skip, since, &mut sum);
    } else if let Ok(meta) = fs::symlink_metadata(path) {
        add_inode(&meta, since, &mut sum);
    }
    sum
}

fn add_entries(entries: fs::ReadDir, skip: &HashSet<PathBuf>, since: i128, sum: &mut Usage) {
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            let path = entry.path();
            // a directory that something is mounted on is the other filesystem's
            if !skip.contains(&path)
                && let Ok(below) = fs::read_dir(&path)
            {
                sum.bytes += DIRECTORY;
                add_entries(below, skip, since, sum);
            }
        } else if let Ok(meta) = entry.metadata() {
            add_inode(&meta, since, sum);
        }
    }
}

fn add_inode(meta: &fs::Metadata, since: i128, sum: &mut Usage) {
    let bytes = allocated(meta).max(512);
    sum.bytes += bytes;
    let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    if changed > since {
        sum.newer += bytes;
    }
}

/// Writes a block at an offset, leaving a hole where it is all zeros beyond what the file holds.
pub fn write_block(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    if data.iter().all(|b| *b == 0) {
        return zero(file, offset, data.len() as u64);
    }
    file.write_all_at(data, offset)
}

/// Zeroes a range. Ranges that hold no data stay holes.
pub fn zero(file: &File, offset: u64, len: u64) -> io::Result<()> {
    const CHUNK: usize = 16 * 1024;
    let size = file.metadata()?.len();
    let end = offset.saturating_add(len).min(size);
    for (start, stop) in extents(file, size)? {
        let (mut at, stop) = (start.max(offset), stop.min(end));
        while at < stop {
            let n = ((stop - at) as usize).min(CHUNK);
            file.write_all_at(&[0; CHUNK][..n], at)?;
            at += n as u64;
        }
    }
    Ok(())
}

/// Reads up to a whole buffer; short only at the end of the input.
pub fn read_full(input: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match input.read(&mut buf[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_holes_modes_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let src = dir.path().join("src");
        fs::create_dir_all(src.join("sub/mounted")).unwrap();
        fs::write(src.join("sub/mounted/inside"), "x").unwrap();
        fs::write(src.join("tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(src.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("tool", src.join("link")).unwrap();
        let sparse = File::create(src.join("sparse")).unwrap();
        sparse.set_len(64 << 20).unwrap();
        sparse.write_all_at(b"data", 32 << 20).unwrap();
        let skip = HashSet::from([src.join("sub/mounted")]);
        let dst = dir.path().join("dst");
        copy_tree(&src, &dst, &skip).unwrap();
        assert!(dst.join("sub/mounted").is_dir() && !dst.join("sub/mounted/inside").exists());
        assert_eq!(fs::metadata(dst.join("tool")).unwrap().mode() & 0o777, 0o755);
        assert_eq!(fs::read_link(dst.join("link")).unwrap(), Path::new("tool"));
        let copy = fs::metadata(dst.join("sparse")).unwrap();
        assert_eq!(copy.len(), 64 << 20);
        assert!(allocated(&copy) < 1 << 20, "{}", allocated(&copy));
        let mut four = [0; 4];
        File::open(dst.join("sparse")).unwrap().read_exact_at(&mut four, 32 << 20).unwrap();
        assert_eq!(&four, b"data");
    }
}
