//! The FAT file system that guests read cloud-init's seed from.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions, format_volume};

use crate::tool::{Error, Result};

/// Size of the file system, in bytes.
const SIZE: usize = 16 << 20;
/// What cloud-init looks for, padded with blanks.
const LABEL: [u8; 11] = *b"CIDATA     ";

/// Fills the volume at `path` with a file system that holds `files` (name and text).
pub(crate) fn write(path: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    image(files)
        .and_then(|image| {
            let volume = OpenOptions::new().read(true).write(true).open(path)?;
            make_equal(&volume, &image)?;
            volume.sync_all()
        })
        .map_err(|e| Error::io(format!("cannot write cloud-init's seed to {}", path.display()), e))
}

/// Writes what is not there yet. Most of the file system is zeros, as is a new volume: written, its small blocks would each
/// take a whole sector of the pool, on disks with large ones more than the volume has reserved.
fn make_equal(volume: &File, image: &[u8]) -> io::Result<()> {
    /// Volumes take whole blocks.
    const PART: usize = 16 << 10;
    let mut there = vec![0; PART];
    for (part, at) in image.chunks(PART).zip((0..).step_by(PART)) {
        let there = &mut there[..part.len()];
        volume.read_exact_at(there, at)?;
        if there != part {
            volume.write_all_at(part, at)?;
        }
    }
    Ok(())
}

/// The file system as it lies on the volume.
fn image(files: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let mut image = vec![0; SIZE];
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat16).volume_label(LABEL);
    format_volume(Cursor::new(image.as_mut_slice()), options)?;
    let system = FileSystem::new(Cursor::new(image.as_mut_slice()), FsOptions::new())?;
    for (name, text) in files {
        let mut file = system.root_dir().create_file(name)?;
        file.write_all(text.as_bytes())?;
        file.flush()?;
    }
    system.unmount()?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Command;

    use super::*;

    fn files() -> BTreeMap<String, String> {
        let files =
            [("meta-data", "instance-id: x\n".to_owned()), ("user-data", "#".repeat(70_000))];
        files.map(|(name, text)| (name.to_owned(), text)).into()
    }

    #[test]
    fn files_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        assert!(write(&path, &files()).unwrap_err().to_string().contains("volume: "));
        std::fs::write(&path, vec![0xff; SIZE]).unwrap();
        write(&path, &files()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), image(&files()).unwrap());
        let volume = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let system = FileSystem::new(volume, FsOptions::new()).unwrap();
        for (name, text) in files() {
            let mut read = String::new();
            system.root_dir().open_file(&name).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn zeros_of_a_new_volume_are_not_written() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        std::fs::File::create(&path).unwrap().set_len(SIZE as u64).unwrap();
        write(&path, &files()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), image(&files()).unwrap());
        assert!(std::fs::metadata(&path).unwrap().blocks() < 1 << 10, "most of it is sparse");
    }

    /// What cloud-init asks for the label of file systems.
    #[test]
    fn other_programs_know_it_where_installed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("volume");
        std::fs::write(&path, image(&files()).unwrap()).unwrap();
        match Command::new("/sbin/blkid").args(["-p", "-o", "export"]).arg(&path).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(text.contains("LABEL=CIDATA\n") && text.contains("TYPE=vfat\n"), "{text}");
            }
            Err(_) => eprintln!("skipped: there is no blkid"),
        }
    }
}
