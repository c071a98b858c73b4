//! vmdk as a text file that names the files with the data (`monolithicFlat`, `twoGbMaxExtentFlat`,
//! `twoGbMaxExtentSparse`), as VMware's "Virtual Disk Format 5.0" describes it.
//!
//! Only files beside it that are called `….vmdk` are opened: an image from elsewhere must not name other files of this
//! system.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::vmdk::Vmdk;
use super::{Disk, Inner, unsupported};

const SECTOR: u64 = 512;
/// The longest descriptor that is read, in bytes.
const MOST: u64 = 1 << 20;
/// The most files that one disk may be in.
const MOST_EXTENTS: usize = 1024;

/// A part of a disk that is in a file of its own.
pub struct Extent {
    /// Bytes.
    pub length: u64,
    /// What holds it, and from which byte on; zeros where nothing does.
    pub held: Option<(Disk, u64)>,
}

/// Opens the files that a descriptor names.
pub fn open(path: &Path) -> io::Result<Vec<Extent>> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    refuse_parent(&text)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut extents = Vec::new();
    for line in text.lines().map(str::trim) {
        let access = line.split_whitespace().next().unwrap_or_default();
        if !["RW", "RDONLY", "NOACCESS"].contains(&access) {
            continue;
        }
        if extents.len() == MOST_EXTENTS {
            return Err(unsupported("it is in too many files"));
        }
        extents.push(extent(line, directory)?);
    }
    if extents.is_empty() {
        return Err(unsupported("it names no file with data"));
    }
    Ok(extents)
}

/// Fails where a descriptor names a parent that holds what this image has not.
pub fn refuse_parent(descriptor: &str) -> io::Result<()> {
    let descriptor = descriptor.to_lowercase();
    let parent = descriptor.lines().find_map(|line| line.trim().strip_prefix("parentcid="));
    match parent.map(str::trim) {
        None | Some("ffffffff") => Ok(()),
        Some(_) => Err(unsupported("it has a parent, which is not followed")),
    }
}

/// One line: access, sectors, kind, and for most kinds a file's name in quotes and the sector it begins at.
fn extent(line: &str, directory: &Path) -> io::Result<Extent> {
    let damaged = || unsupported("its list of files is damaged");
    let (head, rest) = line.split_once('"').unwrap_or((line, ""));
    let words: Vec<&str> = head.split_whitespace().collect();
    let [_, sectors, kind] = *words else { return Err(damaged()) };
    let sectors: u64 = sectors.parse().map_err(|_| damaged())?;
    let length = sectors.checked_mul(SECTOR).filter(|n| *n < 1 << 60).ok_or_else(damaged)?;
    let file = || -> io::Result<(File, u64)> {
        let (name, start) = rest.split_once('"').ok_or_else(damaged)?;
        let start = start.trim();
        let start: u64 = if start.is_empty() { 0 } else { start.parse().map_err(|_| damaged())? };
        let start = start.checked_mul(SECTOR).ok_or_else(damaged)?;
        Ok((open_beside(directory, name)?, start))
    };
    let held = match kind {
        "ZERO" => None,
        "FLAT" | "VMFS" => {
            let (file, start) = file()?;
            let size = file.metadata()?.len();
            if start.checked_add(length).is_none_or(|end| end > size) {
                return Err(unsupported("a file of it is too short"));
            }
            Some((Disk { inner: Inner::Raw { file, size } }, start))
        }
        "SPARSE" => {
            let disk = Disk::of_pieces(Box::new(Vmdk::open(file()?.0)?));
            if disk.size() < length {
                return Err(unsupported("a file of it is too short"));
            }
            Some((disk, 0))
        }
        other => {
            return Err(unsupported(&format!(
                "its data is kept as \"{other}\", which is not known"
            )));
        }
    };
    Ok(Extent { length, held })
}

fn open_beside(directory: &Path, name: &str) -> io::Result<File> {
    let path = directory.join(name);
    let is_vmdk = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("vmdk"));
    let is_plain = is_vmdk && !name.contains(['/', '\\', '\0']);
    if !is_plain || !std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
        return Err(unsupported(&format!(
            "it names \"{name}\", which is no .vmdk file beside it; other files are not followed"
        )));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;
    use std::fs;

    fn disk(descriptor: &str) -> std::io::Result<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a-flat.vmdk"), [[1u8; 512], [2; 512], [3; 512]].concat())
            .unwrap();
        fs::write(dir.path().join("secret"), [9; 4096]).unwrap();
        std::os::unix::fs::symlink("secret", dir.path().join("link.vmdk")).unwrap();
        let path = dir.path().join("a.vmdk");
        fs::write(&path, format!("# Disk DescriptorFile\nparentCID=ffffffff\n{descriptor}\n"))
            .unwrap();
        let mut disk = Disk::open(&path, Format::Vmdk)?;
        let mut data = vec![7; disk.size() as usize];
        disk.read(&mut data, 0)?;
        Ok(data)
    }

    #[test]
    fn extents_are_joined() {
        let data = disk(
            "RW 2 FLAT \"a-flat.vmdk\" 1\nRW 1 ZERO\nRW 1 FLAT \"a-flat.vmdk\" 0\n# RW 1 ZERO",
        )
        .unwrap();
        let firsts: Vec<u8> = data.chunks(512).map(|sector| sector[0]).collect();
        assert_eq!(firsts, [2, 3, 0, 1]);
    }

    #[test]
    fn other_files_and_damage_are_refused() {
        for line in [
            "RW 1 FLAT \"secret\" 0",
            "RW 1 FLAT \"link.vmdk\" 0",
            "RW 1 FLAT \"../a-flat.vmdk\" 0",
            "RW 1 FLAT \"/etc/passwd.vmdk\" 0",
            "RW 9 FLAT \"a-flat.vmdk\" 0",
            "RW 1 FLAT \"a-flat.vmdk\" 18446744073709551615",
            "RW 99999999999999999999 ZERO",
            "RW 1 RAW \"a-flat.vmdk\" 0",
            "RW 1 SPARSE \"a-flat.vmdk\"",
            "RW",
            "parentCID=0badcafe\nRW 1 ZERO",
            "",
        ] {
            assert!(disk(line).is_err() || line.starts_with("parentCID"), "{line}");
        }
        assert!(refuse_parent("CID=1\nparentCID=0badcafe\n").is_err());
    }
}
