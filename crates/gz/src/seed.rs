//! The FAT file system that guests read cloud-init's seed from.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Cursor, Write as _};
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
            let mut volume = OpenOptions::new().write(true).open(path)?;
            // In one piece: volumes take whole blocks.
            volume.write_all(&image)?;
            volume.sync_all()
        })
        .map_err(|e| Error::io(format!("cannot write cloud-init's seed to {}", path.display()), e))
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
        let volume = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let system = FileSystem::new(volume, FsOptions::new()).unwrap();
        for (name, text) in files() {
            let mut read = String::new();
            system.root_dir().open_file(&name).unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
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
