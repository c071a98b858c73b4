//! `gzsim demo`: the main job from an image server to running VMs, in a simulated global zone that is made for it.
//! Every command is printed as an operator types it, followed by what it really says.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use sha1::{Digest as _, Sha1};
use signal_hook::consts::TERM_SIGNALS;
use signal_hook::flag;

use crate::ctx::Ctx;
use crate::image::{Image, nothing};
use crate::init::{self, Options, Platform};
use crate::run;

/// The images that `examples/joyent.json` and `examples/bhyve.json` name, each a real ZFS stream.
const IMAGES: &[(Image, &[u8])] = &[
    (
        Image {
            uuid: "7b4ab0a5-3a4e-4a2c-9b1e-6a1f6a5d2c01",
            name: "demo-zone",
            kind: "zone-dataset",
            os: "smartos",
            more: nothing,
        },
        include_bytes!("../../../tests/data/zfs-streams/zone.zfs.gz"),
    ),
    (
        Image {
            uuid: "c1d3f0b2-58a7-4f0e-8f3b-0e5f1a9d4e02",
            name: "demo-disk",
            kind: "zvol",
            os: "linux",
            more: || {
                json!({"image_size": 8, "nic_driver": "virtio", "disk_driver": "virtio",
                       "cpu_type": "host"})
            },
        },
        include_bytes!("../../../tests/data/zfs-streams/vol-full.zfs.gz"),
    ),
];

/// The payloads, below the directory of examples.
const PAYLOADS: &[&str] = &["joyent.json", "bhyve.json"];

/// The image server, ended with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the demo with the payloads of the directory `examples`. Nothing is left of it, also when it is interrupted.
pub fn main(examples: &Path) -> Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in TERM_SIGNALS {
        flag::register(*signal, Arc::clone(&interrupted))?;
    }
    let typed = |ctx: &Ctx, words: &[&str]| {
        let said = typed(ctx, words);
        // The command was interrupted too, by the same key.
        if interrupted.load(Ordering::SeqCst) {
            bail!("interrupted");
        }
        said
    };
    let directory = tempfile::Builder::new().prefix("zonekit-demo-").tempdir()?;
    let root = directory.path().join("gz");
    let images = directory.path().join("images");
    write_images(&images)?;

    println!("$ gzsim init {}", root.display());
    init::run(&Options {
        dir: root.clone(),
        platform: Platform::SmartOs,
        fixture: None,
        zfs: None,
        pool: None,
        pool_size: init::POOL_SIZE,
    })?;
    let ctx = Ctx::new(&root, "gzsim");
    println!("$ gzsim shell {}", root.display());
    let (_server, url) = serve(&ctx, &images)?;
    typed(&ctx, &["imgadm", "sources", "-d", "https://images.smartos.org"])?;
    typed(&ctx, &["imgadm", "sources", "-a", &url])?;
    typed(&ctx, &["imgadm", "avail"])?;
    for (image, _) in IMAGES {
        typed(&ctx, &["imgadm", "import", image.uuid])?;
    }
    typed(&ctx, &["imgadm", "list"])?;
    let mut vms = Vec::new();
    for payload in PAYLOADS {
        let path = examples.join(payload).display().to_string();
        let said = typed(&ctx, &["vmadm", "create", "-f", &path])?;
        let uuid = said.lines().find_map(|line| line.strip_prefix("Successfully created VM "));
        vms.push(uuid.context("vmadm create did not name the VM")?.trim().to_owned());
    }
    typed(&ctx, &["vmadm", "list"])?;
    for vm in &vms {
        typed(&ctx, &["vmadm", "stop", vm])?;
    }
    typed(&ctx, &["vmadm", "list"])?;
    for vm in &vms {
        typed(&ctx, &["vmadm", "delete", vm])?;
    }
    typed(&ctx, &["vmadm", "list"])?;
    Ok(())
}

/// Prints the command, runs it, prints what it says on both outputs and gives it. A failure is an error.
fn typed(ctx: &Ctx, words: &[&str]) -> Result<String> {
    println!("$ {}", words.join(" "));
    let output = run::command(ctx, words[0])?
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", words[0]))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    print!("{said}");
    std::io::stdout().flush()?;
    if !output.status.success() {
        bail!("{} failed: {}", words.join(" "), output.status);
    }
    Ok(said)
}

/// Starts the image server on a free port; gives it and its URL.
fn serve(ctx: &Ctx, images: &Path) -> Result<(Server, String)> {
    let images = images.display().to_string();
    println!("$ imgadm serve --port 0 {images} &");
    let mut command: Command = run::command(ctx, "imgadm")?;
    let mut server = command
        .args(["serve", "--port", "0", &images])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run imgadm")?;
    let stdout = server.stdout.take();
    let server = Server(server);
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    print!("{line}");
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    let url = url.context("imgadm serve did not say where it listens")?.to_owned();
    Ok((server, url))
}

/// Writes the manifests and files that the server serves.
fn write_images(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for (image, stream) in IMAGES {
        let digest = Sha1::digest(stream);
        let sha1: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let manifest = image.manifest("2026-01-01T00:00:00Z", &sha1.concat(), stream.len());
        fs::write(directory.join(format!("{}.json", image.uuid)), manifest.to_string())?;
        fs::write(directory.join(format!("{}.file", image.uuid)), stream)?;
    }
    Ok(())
}
