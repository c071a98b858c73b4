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

/// The longest name or list of attributes that an entry may have besides its header, in bytes: all of it is held in
/// memory.
const MOST_EXTENSION: u64 = 256 << 10;

/// How often it is told how much has been unpacked, in bytes.
const REPORTED: u64 = 1 << 20;

/// Is told now and then how many bytes have come out of a layer's decompression; an error ends the unpacking.
pub type Check<'a> = &'a mut dyn FnMut(u64) -> Result<()>;

/// Makes the dataset `partial` out of a layer's file: a clone of the parent's `@final`, or an empty filesystem, with
/// the layer unpacked into its `root`, and a snapshot `@final` of that.
pub fn install(
    root: &Root,
    pool: &str,
    parent: Option<&str>,
    partial: &str,
    file: &Path,
    check: Check<'_>,
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
    unpack_file(file, &top, check)?;
    zfs::tool(root).args(["snapshot", &format!("{partial}@final")]).run()?;
    Ok(())
}

/// Unpacks a layer's file, however it is compressed, over the tree at `top`. No entry gets out of it, whatever its
/// path or the links on the way.
///
/// The file is read up to three times: to see that it can be unpacked at all, to take away what it hides of the
/// layers below, and to unpack it. Thus nothing of the layer itself is taken away, in whatever order it lists things
/// (OCI image layer specification, "Whiteouts"), and memory does not grow with it.
pub fn unpack_file(file: &Path, top: &Path, check: Check<'_>) -> Result<()> {
    let failed = |e: std::io::Error| {
        // What is no archive may be quoted in the message.
        let why: String = e.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
        Error::uncompression(format!("cannot unpack layer {}: {why}", file.display()))
    };
    let mut head = [0; 8];
    let count = File::open(file).and_then(|mut f| f.read(&mut head)).map_err(failed)?;
    if count == 0 {
        // Registries do have layers of nothing at all.
        return Ok(());
    }
    let compression = Compression::sniff(&head[..count]);
    let mut pass = |work: &mut dyn FnMut(Archive<&mut dyn Read>) -> std::io::Result<()>| {
        let input = BufReader::with_capacity(128 << 10, File::open(file).map_err(failed)?);
        let inner = decoder(compression, input);
        let mut reader = Watched { inner, bytes: 0, next: 0, check: &mut *check, stopped: None };
        let done = work(Archive::new(&mut reader));
        match reader.stopped.take() {
            Some(error) => Err(error),
            None => done.map_err(failed),
        }
    };
    let mut hides = false;
    pass(&mut |archive| {
        hides = look_through(archive)?;
        Ok(())
    })?;
    if hides {
        pass(&mut |archive| take_away(archive, top))?;
    }
    pass(&mut |archive| unpack(archive, top))
}

/// A reader that reports what it reads.
struct Watched<'a, R> {
    inner: R,
    bytes: u64,
    /// When the next report is due.
    next: u64,
    check: Check<'a>,
    /// Why the reading was ended.
    stopped: Option<Error>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        if self.bytes >= self.next {
            self.next = self.bytes + REPORTED;
            if let Err(error) = (self.check)(self.bytes) {
                self.stopped = Some(error);
                return Err(std::io::Error::other("stopped"));
            }
        }
        Ok(count)
    }
}

/// Reads an archive to its end. Says whether it hides anything, and fails where an entry could not be held in memory.
fn look_through<R: Read>(mut archive: Archive<R>) -> std::io::Result<bool> {
    let mut hides = false;
    let names_whiteout =
        |bytes: &[u8]| bytes.windows(WHITEOUT.len()).any(|part| part == WHITEOUT.as_bytes());
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        hides |= names_whiteout(&entry.path_bytes());
        if kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
        {
            if entry.size() > MOST_EXTENSION {
                return Err(std::io::Error::other("a name in it is longer than any can be"));
            }
            let mut extension = Vec::new();
            entry.read_to_end(&mut extension)?;
            hides |= names_whiteout(&extension);
        }
    }
    Ok(hides)
}

/// Takes away what a layer's whiteouts name.
fn take_away<R: Read>(mut archive: Archive<R>, top: &Path) -> std::io::Result<()> {
    for entry in archive.entries()? {
        let path = entry?.path()?.into_owned();
        let Some(hidden) = path.file_name().and_then(|name| name.to_str()?.strip_prefix(WHITEOUT))
        else {
            continue;
        };
        let Some((directory, name)) = place(top, &path, false)? else { continue };
        if name == OPAQUE {
            for below in fs::read_dir(&directory)? {
                remove(&below?.path())?;
            }
        } else if !["", ".", ".."].contains(&hidden) {
            // The others would name the directory itself.
            remove(&directory.join(hidden))?;
        }
    }
    Ok(())
}

/// Unpacks an archive, but for its whiteouts.
fn unpack<R: Read>(mut archive: Archive<R>, top: &Path) -> std::io::Result<()> {
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    archive.set_overwrite(true);
    for entry in archive.entries()? {
        unpack_entry(&mut entry?, top)?;
    }
    Ok(())
}

fn unpack_entry<R: Read>(entry: &mut Entry<'_, R>, top: &Path) -> std::io::Result<()> {
    let path = entry.path()?.into_owned();
    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(WHITEOUT)) {
        return Ok(());
    }
    let Some((directory, name)) = place(top, &path, true)? else { return Ok(()) };
    let at = directory.join(&name);
    match entry.header().entry_type() {
        // Device nodes and pipes have no place in an image's root: the zone gets its own /dev.
        EntryType::Char | EntryType::Block | EntryType::Fifo => {}
        EntryType::Directory => {
            if !fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_dir()) {
                remove(&at)?;
            }
            entry.unpack(&at)?;
        }
        EntryType::Link => {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            let Some((of, name)) = place(top, &target, true)? else { return Ok(()) };
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
    Ok(())
}

/// Where a path of the archive is below `top`: the real directory and the last name. With `make`, directories that are
/// missing are made; without, there is no such place. Links on the way are followed as if `top` were the root. `None`
/// for the top itself, too.
fn place(
    top: &Path,
    path: &Path,
    make: bool,
) -> std::io::Result<Option<(PathBuf, std::ffi::OsString)>> {
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
            _ if !make => return Ok(None),
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

    /// Unpacks an archive as a layer over a tree.
    fn unpack(archive: &[u8], top: &Path) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("layer");
        fs::write(&file, archive).unwrap();
        unpack_file(&file, top, &mut |_| Ok(()))
    }

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
            ]),
            top,
        )
        .unwrap();
        unpack(
            &archive(&[
                ("etc/.wh.a", Regular, ""),
                ("var/new", Regular, "new"),
                ("var/.wh..wh..opq", Regular, ""),
                ("etc/.wh...", Regular, ""),
                // What the layer has itself stays, wherever it stands.
                ("etc/c", Regular, "c"),
                ("etc/.wh.c", Regular, ""),
                ("nosuch/.wh.x", Regular, ""),
            ]),
            top,
        )
        .unwrap();
        assert!(!top.join("etc/a").exists() && top.join("etc/b").exists());
        assert!(!top.join("var/old").exists() && top.join("var/new").exists());
        assert!(!top.join("etc/.wh.a").exists());
        assert!(top.join("etc/c").exists() && !top.join("nosuch").exists());
    }

    #[test]
    fn hard_links_share_one_file() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        unpack(&archive(&[("a", Regular, "1"), ("d/b", Link, "a")]), top).unwrap();
        // To a file of a lower layer, too.
        unpack(&archive(&[("c", Link, "d/b")]), top).unwrap();
        let inode = |name: &str| fs::metadata(top.join(name)).unwrap().ino();
        assert_eq!((inode("d/b"), inode("c")), (inode("a"), inode("a")));
    }

    #[test]
    fn a_name_without_end_is_refused_before_anything_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(MOST_EXTENSION as usize + 1);
        for kind in [EntryType::GNULongName, EntryType::XHeader] {
            let archive = archive(&[("a", Regular, "1"), ("long", kind, &long)]);
            assert!(unpack(&archive, dir.path()).is_err());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn the_check_ends_the_unpacking_with_its_own_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("layer");
        fs::write(&file, archive(&[("a", Regular, "1")])).unwrap();
        let top = dir.path().join("top");
        fs::create_dir(&top).unwrap();
        let error =
            unpack_file(&file, &top, &mut |_| Err(Error::download("too much"))).unwrap_err();
        assert_eq!(error.message(), "too much");
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
    }

    #[test]
    fn nothing_gets_out_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (top, outside) = (dir.path().join("top"), dir.path().join("outside"));
        fs::create_dir_all(&top).unwrap();
        fs::create_dir_all(&outside).unwrap();
        assert!(unpack(&archive(&[("../outside/x", Regular, "x")]), &top).is_err());
        let through = outside.to_string_lossy().into_owned();
        // Links are followed as if the top were the root.
        unpack(
            &archive(&[
                ("abs", Symlink, &through),
                ("abs/x", Regular, "x"),
                ("up", Symlink, "../../../outside"),
                ("up/y", Regular, "y"),
                ("/root-path", Regular, "z"),
            ]),
            &top,
        )
        .unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(top.join("root-path").exists());
        assert!(top.join("outside/y").exists());
        // A hard link to a file outside is one to the same path inside.
        fs::write(outside.join("secret"), "s").unwrap();
        assert!(unpack(&archive(&[("h", Link, "up/../../secret")]), &top).is_err());
    }

    #[test]
    fn kinds_replace_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        unpack(&archive(&[("a/b", Regular, "1"), ("c", Regular, "2"), ("d", Symlink, "c")]), top)
            .unwrap();
        unpack(&archive(&[("a", Regular, "3"), ("c/", Directory, ""), ("d", Regular, "4")]), top)
            .unwrap();
        assert_eq!(fs::read_to_string(top.join("a")).unwrap(), "3");
        assert!(top.join("c").is_dir());
        assert_eq!(fs::read_to_string(top.join("d")).unwrap(), "4");
    }
}
