//! An image written out: its file, and the manifest that tells of it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use gz::{Root, zfs};
use manifest::json::pretty;
use serde_json::{Map, Value, json};

use super::{encode, indent};
use crate::errors::{Error, Result};
use crate::out::say;
use crate::pipeline::checksum::{Algorithm, Hasher};
use crate::pipeline::decode::Compression;

/// What was made.
pub struct Created {
    pub manifest: Value,
    pub manifest_path: PathBuf,
    pub file_path: PathBuf,
}

/// What is written out, and where to.
pub struct Output<'a> {
    pub root: &'a Root,
    /// The path of the files without their endings.
    pub prefix: &'a str,
    pub compression: Compression,
    pub snapshot: &'a str,
    /// The snapshot that the stream begins at; everything where there is none.
    pub base: Option<&'a str>,
}

impl Output<'_> {
    /// Writes an image's file and then its manifest, which tells of the file. A failure leaves neither.
    pub fn write(&self, mut manifest: Value) -> Result<Created> {
        let is_volume = manifest.get("type").and_then(Value::as_str) == Some("zvol");
        let bare = format!("{}.{}", self.prefix, if is_volume { "zvol" } else { "zfs" });
        say(format_args!("Sending image file to \"{bare}\""))?;
        let mut file = Unfinished {
            path: PathBuf::from(format!("{bare}{}", self.compression.suffix())),
            kept: false,
        };
        let (size, sha1) = self.send(&file.path)?;
        manifest["files"] =
            json!([{"size": size, "compression": self.compression.as_str(), "sha1": sha1}]);
        let manifest_path = PathBuf::from(format!("{}.imgmanifest", self.prefix));
        say(format_args!("Saving manifest to \"{}\"", manifest_path.display()))?;
        gz::files::replace(&manifest_path, pretty(&manifest).as_bytes(), 0o644).map_err(
            |error| {
                Error::file_system(format!(
                    "error saving manifest to \"{}\": {error}",
                    manifest_path.display()
                ))
            },
        )?;
        file.kept = true;
        Ok(Created { manifest, manifest_path, file_path: file.path.clone() })
    }

    /// Writes the snapshot's stream to a file; its size in bytes and its SHA-1.
    fn send(&self, path: &Path) -> Result<(u64, String)> {
        let failed =
            |e: std::io::Error| Error::file_system(format!("cannot write {}: {e}", path.display()));
        let mut arguments: Vec<&str> = Vec::new();
        if let Some(base) = self.base {
            arguments.extend(["-i", base]);
        }
        arguments.push(self.snapshot);
        let file = File::create(path).map_err(failed)?;
        let mut sending = zfs::send(self.root, &arguments)?;
        let Some(stream) = sending.take_stdout() else {
            return Err(Error::internal("zfs send has no standard output"));
        };
        let input = BufReader::with_capacity(128 << 10, Interruptible(stream));
        let out = Hashed { file, hasher: Hasher::new(Some(Algorithm::Sha1)), size: 0 };
        match encode::encode(self.compression, input, out) {
            Ok(out) => {
                sending.finish().map_err(|error| send_error(&arguments, error))?;
                out.file.sync_all().map_err(failed)?;
                Ok((out.size, out.hasher.hex()))
            }
            Err(_) if gz::interrupt::requested() => {
                sending.abort();
                Err(gz::Error::Interrupted.into())
            }
            Err(error) => {
                sending.abort();
                Err(failed(error))
            }
        }
    }
}

/// A file that is removed with the value unless it is kept.
struct Unfinished {
    path: PathBuf,
    kept: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn send_error(arguments: &[&str], error: gz::Error) -> Error {
    match error {
        gz::Error::Failed { status, stderr, .. } => {
            let code = status.code().map_or_else(|| "null".to_owned(), |code| code.to_string());
            Error::internal(format!(
                "zfs send error: exit code {code}\n    cmd: /usr/sbin/zfs send {}\n    stderr:\n{}",
                arguments.join(" "),
                indent(&indent(&stderr))
            ))
        }
        other => other.into(),
    }
}

/// A stream that ends with an error once the operator asks to stop.
struct Interruptible<R>(R);

impl<R: Read> Read for Interruptible<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if gz::interrupt::requested() {
            return Err(std::io::Error::other("interrupted"));
        }
        self.0.read(buffer)
    }
}

/// A file whose size and checksum are known once it is written.
struct Hashed {
    file: File,
    hasher: Hasher,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What the files of an image are called, without their endings: `NAME-VERSION`.
pub fn file_name(manifest: &Map<String, Value>) -> String {
    let part = |field: &str| match manifest.get(field) {
        Some(Value::String(text)) => slug(text),
        Some(other) => slug(&other.to_string()),
        None => "undefined".into(),
    };
    format!("{}-{}", part("name"), part("version"))
}

/// A text as part of a file's name: lower case, hyphens for blanks, nothing that means anything to a shell.
fn slug(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || "_.-".contains(*c))
        .collect();
    let mut out = String::new();
    for c in kept.trim().to_lowercase().chars() {
        let c = if c.is_whitespace() { '-' } else { c };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_file_names() {
        assert_eq!(slug("My  Image/2 (x)"), "my-image2-x");
        assert_eq!(slug("1.0.0"), "1.0.0");
    }
}
