//! `imgadm install`: an image from files at hand.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::import::named;
use super::{
    Command, HELP, IMAGE_FILE, MANIFEST, POOL, QUIET, Run, handle_interrupts, manifest_and_file,
    pool,
};
use crate::app::App;
use crate::cli::options::Given;
use crate::errors::{Error, Result};
use crate::image_manifest;
use crate::import::bars::Bars;
use crate::import::install::{Target, Watch};
use crate::import::there::There;
use crate::import::{lock, spool, sysinfo};
use crate::out::say;
use crate::pipeline::checksum::{Algorithm, Checksum};
use crate::pipeline::decode::{self, Compression};
use crate::pipeline::fetch::{LocalFile, Progress};
use crate::sources::{Content, Image, label};
use crate::{store, time};

pub const COMMAND: Command = Command {
    name: "install",
    aliases: &[],
    options: &[HELP, MANIFEST, IMAGE_FILE, QUIET, POOL],
    help: "\
Installs an image from a manifest and an image file at hand.

Usage:
    imgadm install [<options>] -m <manifest> -f <file>

{{options}}
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    if !given.arguments.is_empty() {
        return Err(Error::usage(format!(
            "unexpected args ({}): \"{}\"",
            given.arguments.len(),
            given.arguments.join(" ")
        )));
    }
    let (mut manifest, file) = manifest_and_file(given)?;
    let pool = &pool(&app.root, given)?;
    let uuid = manifest.get("uuid").and_then(Value::as_str).unwrap_or("undefined").to_owned();
    store::check_uuid(&uuid)?;
    if manifest.get("published_at").is_none_or(Value::is_null) {
        manifest["published_at"] = time::iso(std::time::SystemTime::now()).into();
    }
    if let Some(there) = store::get(&app.root, pool, &uuid)? {
        say(format_args!("Image {uuid}{} is already installed, skipping", named(&there, ' ')))?;
        return Ok(());
    }
    say(format_args!("Installing image {uuid} ({})", label(&manifest)))?;
    handle_interrupts()?;
    install(app, pool, manifest, file, given.has("quiet"))
}

/// Checks a manifest and a file and installs them. The file is only read.
pub fn install(app: &App, pool: &str, manifest: Value, file: &Path, quiet: bool) -> Result<()> {
    let manifest = image_manifest::upgrade(manifest)?;
    image_manifest::validate_minimal(&manifest)?;
    if image_manifest::names_platforms(&manifest) {
        image_manifest::check_platform(&manifest, &sysinfo(&app.root)?)?;
    }
    let uuid = manifest.get("uuid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let _lock = lock::acquire(&app.root, &uuid)?;
    let there = There::look(&app.root, pool, &[&uuid])?;
    if there.has(&uuid) {
        let label = label(store::record(&app.root, pool, &uuid).manifest());
        say(format_args!("Image {uuid} ({label}) was installed while waiting on lock"))?;
        return Ok(());
    }
    if let Some(origin) = manifest.get("origin").and_then(Value::as_str)
        && store::get(&app.root, pool, origin)?.is_none()
    {
        return Err(Error::origin_not_installed(pool, origin));
    }
    let image = checked(uuid, manifest, file)?;
    there.destroy_leftovers(&app.root)?;
    let target = Target { root: &app.root, pool, zstream: false };
    let bars = Bars::new(std::slice::from_ref(&image), quiet);
    target.install_file(&image, file, &mut Shown(&bars))?;
    bars.finish(0);
    say(format_args!("Installed image {} ({})", image.uuid, image.label()))
        .inspect_err(|_| target.remove(&image.uuid))
}

struct Shown<'a>(&'a Bars);

impl Watch for Shown<'_> {
    fn downloaded(&mut self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn tick(&mut self, progress: &Progress) -> Result<()> {
        self.0.set(0, progress.fetched.load(std::sync::atomic::Ordering::Relaxed));
        Ok(())
    }
}

/// The image that a manifest and a file make, once size and checksum have been found to be the manifest's.
fn checked(uuid: String, manifest: Value, file: &Path) -> Result<Image> {
    let failed =
        |e: std::io::Error| Error::file_system(format!("cannot read {}: {e}", file.display()));
    let size = std::fs::metadata(file).map_err(failed)?.len();
    let described = manifest.get("files").and_then(|files| files.get(0));
    let stated = described.and_then(|described| described.get("size")).and_then(Value::as_u64);
    if let Some(stated) = stated.filter(|stated| *stated != size) {
        return Err(Error::download(format!(
            "image file size error: manifest says {stated} bytes, {} is {size} bytes",
            file.display()
        )));
    }
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        let stated = described.and_then(|described| described.get(algorithm.as_str()));
        let Some(hex) = stated.and_then(Value::as_str) else { continue };
        let wanted = Checksum { algorithm, hex: hex.to_lowercase() };
        let actual = spool::checksum_of(file, &wanted).map_err(failed)?;
        if actual != wanted.hex {
            return Err(Error::download(format!(
                "image file checksum ({}) error: manifest says \"{hex}\", {} is \"{actual}\"",
                algorithm.as_str(),
                file.display()
            )));
        }
    }
    let content = if manifest.get("type").and_then(Value::as_str) == Some("docker") {
        Content::Layer
    } else {
        Content::ZfsStream(match described {
            Some(described) => decode::of_manifest(described)?,
            // A manifest written by hand may say nothing of the file.
            None => sniff(file).map_err(failed)?,
        })
    };
    Ok(Image {
        uuid,
        manifest,
        content,
        size: Some(size),
        checksum: None,
        origin: Arc::new(LocalFile(file.to_owned())),
        source: None,
    })
}

/// The compression that a file's first bytes tell.
pub fn sniff(file: &Path) -> std::io::Result<Compression> {
    use std::io::Read;
    let mut head = [0; 8];
    let count = std::fs::File::open(file)?.read(&mut head)?;
    Ok(Compression::sniff(&head[..count]))
}
