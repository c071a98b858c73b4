//! Images for tests to import, of real streams, and a server that has them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::Gz;

/// An `imgadm serve`, ended with the value. Its token is `secret`.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Serves a directory on a free port.
    ///
    /// # Panics
    /// Where that cannot be.
    pub fn start(gz: &Gz, directory: &Path) -> Self {
        let directory = directory.to_str().expect("a path in UTF-8");
        let mut child = gz
            .command("imgadm", &["serve", "--port", "0", directory])
            .env("IMGADM_TOKEN", "secret")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("imgadm can be run");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line of text");
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds an image to a directory that is served: one of the streams in `data/zfs-streams`, of a type, with further
/// fields in its manifest.
///
/// # Panics
/// Where it cannot be written.
pub fn add(directory: &Path, uuid: &str, stream: &str, kind: &str, more: &Value) {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/zfs-streams/{stream}.zfs.gz"));
    let file = directory.join(format!("{uuid}.file"));
    let size = fs::copy(source, &file).expect("a stream that can be copied");
    let sum = Command::new("sha1sum").arg(&file).output().expect("sha1sum can be run").stdout;
    let sum = String::from_utf8_lossy(&sum).split(' ').next().unwrap_or_default().to_owned();
    let mut manifest = json!({
        "v": 2, "uuid": uuid, "owner": "00000000-0000-0000-0000-000000000000", "name": stream,
        "version": "1.0.0", "state": "active", "disabled": false, "public": true,
        "published_at": "2026-01-02T03:04:05Z", "type": kind, "os": "smartos",
        "files": [{"sha1": sum, "size": size, "compression": "gzip"}],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        manifest[key] = value.clone();
    }
    fs::write(directory.join(format!("{uuid}.json")), manifest.to_string()).expect("a new file");
}
