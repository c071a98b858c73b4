//! Layers of docker images: tar archives unpacked over a clone of the layer below, with their whiteouts.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use gz::{Root, zfs};
use tar::{Archive, Entry, EntryType};

use crate::errors::{Error, Result};
use crate::pipeline::decode::{Compression, decoder};

/// What marks a name that the layer takes away, and a directory whose lower contents it hides.
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// How many symbolic links one path may go through.
const MOST_LINKS: u32 = 40;

/// Makes the dataset `partial` out of a layer's file: a clone of the parent's `@final`, or an empty filesystem, with
/// the layer unpacked into its `root`, and a snapshot `@final` of that.
pub fn install(
    root: &Root,
    pool: &str,
    parent: Option<&str>,
    partial: &str,
    file: &Path,
) -> Result<()> {
    match parent {
        Some(parent) => {
            zfs::tool(root).args(["clone", &format!("{pool}/{parent}@final"), partial]).run()?
        }
        None => zfs::tool(root).args(["create", partial]).run()?,
    };
    let mountpoint = zfs::get(root, partial, &["mountpoint"])?.remove("mountpoint");
    let mountpoint = mountpoint.filter(|at| at.starts_with('/')).ok_or_else(|| {
        Error::internal(format!(
            "dataset {partial} is not mounted: a layer cannot be unpacked there"
        ))
    })?;
    let top = root.path(&mountpoint).join("root");
    gz::files::make_directory(&top)?;
    unpack_file(file, &top)?;
    zfs::tool(root).args(["snapshot", &format!("{partial}@final")]).run()?;
    Ok(())
}

/// Unpacks a layer's file, however it is compressed, over the tree at `top`.
pub fn unpack_file(file: &Path, top: &Path) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::uncompression(format!("cannot unpack layer {}: {e}", file.display()))
    };
    let mut head = [0; 8];
    let count = File::open(file).and_then(|mut f| f.read(&mut head)).map_err(failed)?;
    if count == 0 {
        // Registries do have layers of nothing at all.
        return Ok(());
    }
    let input = BufReader::with_capacity(128 << 10, File::open(file).map_err(failed)?);
    let reader = decoder(Compression::sniff(&head[..count]), input).map_err(failed)?;
    unpack(reader, top).map_err(failed)
}

/// Unpacks a tar archive over the tree at `top`. No entry gets out of it, whatever its path or the links on the way.
pub fn unpack(reader: impl Read, top: &Path) -> std::io::Result<()> {
    let mut archive = Archive::new(reader);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    archive.set_overwrite(true);
    // What this layer itself has put into a directory stays when a later entry hides what was there before.
    let mut fresh: Vec<PathBuf> = Vec::new();
    for entry in archive.entries()? {
        if gz::interrupt::requested() {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let mut entry = entry?;
        if let Some(at) = unpack_entry(&mut entry, top, &fresh)? {
            fresh.push(at);
        }
    }
    Ok(())
}

/// Unpacks one entry; where it was put, if it was.
fn unpack_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    top: &Path,
    fresh: &[PathBuf],
) -> std::io::Result<Option<PathBuf>> {
    let path = entry.path()?.into_owned();
    let Some((directory, name)) = place(top, &path)? else { return Ok(None) };
    let text = name.to_string_lossy();
    if text == OPAQUE {
        hide_below(&directory, fresh)?;
        return Ok(None);
    }
    if let Some(hidden) = text.strip_prefix(WHITEOUT) {
        // `.wh..` and the like would name the directory itself.
        if !hidden.is_empty() && hidden != "." && hidden != ".." {
            remove(&directory.join(hidden))?;
        }
        return Ok(None);
    }
    let at = directory.join(&name);
    match entry.header().entry_type() {
        // Device nodes and pipes have no place in an image's root: the zone gets its own /dev.
        EntryType::Char | EntryType::Block | EntryType::Fifo => return Ok(None),
        EntryType::Directory => {
            if !fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir()) {
                remove(&at)?;
            }
            entry.unpack(&at)?;
        }
        EntryType::Link => {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            let Some((of, name)) = place(top, &target)? else { return Ok(None) };
            remove(&at)?;
            fs::hard_link(of.join(name), &at)?;
        }
        EntryType::Symlink => {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            remove(&at)?;
            symlink(target, &at)?;
        }
        _ => {
            remove(&at)?;
            entry.unpack(&at)?;
        }
    }
    Ok(Some(at))
}

/// Where a path of the archive is below `top`: the real directory, made where it is missing, and the last name.
/// Links on the way are followed as if `top` were the root. `None` for the top itself.
fn place(top: &Path, path: &Path) -> std::io::Result<Option<(PathBuf, std::ffi::OsString)>> {
    let mut names: Vec<std::ffi::OsString> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => {
                return Err(std::io::Error::other(format!("path {} leads up", path.display())));
            }
            _ => {}
        }
    }
    let Some(last) = names.pop() else { return Ok(None) };
    names.reverse();
    let mut at = top.to_owned();
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == ".." {
            if at != top {
                at.pop();
            }
            continue;
        }
        let next = at.join(&name);
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_dir() => at = next,
            Ok(meta) if meta.is_symlink() => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(std::io::Error::other(format!(
                        "path {} goes through too many links",
                        path.display()
                    )));
                }
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    top.clone_into(&mut at);
                }
                for part in target.components().rev() {
                    match part {
                        Component::Normal(name) => names.push(name.to_owned()),
                        Component::ParentDir => names.push("..".into()),
                        _ => {}
                    }
                }
            }
            Ok(_) => {
                fs::remove_file(&next)?;
                fs::create_dir(&next)?;
                at = next;
            }
            Err(_) => {
                fs::create_dir(&next)?;
                at = next;
            }
        }
    }
    Ok(Some((at, last)))
}

/// Removes whatever is at a path, without following it; nothing there is fine.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// Removes what lower layers put into a directory.
fn hide_below(directory: &Path, fresh: &[PathBuf]) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !fresh.iter().any(|kept| kept.starts_with(&path)) {
            remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_uid(u64::from(nix::unistd::geteuid().as_raw()));
            header.set_gid(u64::from(nix::unistd::getegid().as_raw()));
            header.set_mode(if *kind == EntryType::Directory { 0o755 } else { 0o644 });
            // Written as they are: the builder would refuse the paths that are to be refused here.
            let name = path.as_bytes();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            let linked = matches!(kind, EntryType::Link | EntryType::Symlink);
            if linked {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
            }
            let data = if linked { "" } else { content };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    use EntryType::{Directory, Link, Regular, Symlink};

    #[test]
    fn whiteouts_take_away_what_lower_layers_had() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        unpack(
            &archive(&[
                ("etc/", Directory, ""),
                ("etc/a", Regular, "a"),
                ("etc/b", Regular, "b"),
                ("var/old", Regular, "old"),
            ])[..],
            top,
        )
        .unwrap();
        unpack(
            &archive(&[
                ("etc/.wh.a", Regular, ""),
                ("var/new", Regular, "new"),
                ("var/.wh..wh..opq", Regular, ""),
                ("etc/.wh...", Regular, ""),
            ])[..],
            top,
        )
        .unwrap();
        assert!(!top.join("etc/a").exists() && top.join("etc/b").exists());
        assert!(!top.join("var/old").exists() && top.join("var/new").exists());
        assert!(!top.join("etc/.wh.a").exists());
    }

    #[test]
    fn nothing_gets_out_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (top, outside) = (dir.path().join("top"), dir.path().join("outside"));
        fs::create_dir_all(&top).unwrap();
        fs::create_dir_all(&outside).unwrap();
        assert!(unpack(&archive(&[("../outside/x", Regular, "x")])[..], &top).is_err());
        let through = outside.to_string_lossy().into_owned();
        // Links are followed as if the top were the root.
        unpack(
            &archive(&[
                ("abs", Symlink, &through),
                ("abs/x", Regular, "x"),
                ("up", Symlink, "../../../outside"),
                ("up/y", Regular, "y"),
                ("/root-path", Regular, "z"),
            ])[..],
            &top,
        )
        .unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(top.join("root-path").exists());
        assert!(top.join("outside/y").exists());
        // A hard link to a file outside is one to the same path inside.
        fs::write(outside.join("secret"), "s").unwrap();
        assert!(unpack(&archive(&[("h", Link, "up/../../secret")])[..], &top).is_err());
    }

    #[test]
    fn kinds_replace_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        unpack(
            &archive(&[("a/b", Regular, "1"), ("c", Regular, "2"), ("d", Symlink, "c")])[..],
            top,
        )
        .unwrap();
        unpack(
            &archive(&[("a", Regular, "3"), ("c/", Directory, ""), ("d", Regular, "4")])[..],
            top,
        )
        .unwrap();
        assert_eq!(fs::read_to_string(top.join("a")).unwrap(), "3");
        assert!(top.join("c").is_dir());
        assert_eq!(fs::read_to_string(top.join("d")).unwrap(), "4");
    }
}
