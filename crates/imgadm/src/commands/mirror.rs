//! `imgadm mirror`: images of the sources, copied to a directory that can be served.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Command, HELP, QUIET, Run, handle_interrupts};
use crate::app::App;
use crate::cli::options::{Given, flag, value};
use crate::config::{Kind, SourceInfo};
use crate::errors::{Error, Result};
use crate::import::bars::Bars;
use crate::import::{size, spool};
use crate::out::{mention, say, warn};
use crate::pipeline::checksum::Hasher;
use crate::pipeline::fetch::{CHUNK, Failure};
use crate::pipeline::file::Download;
use crate::rows::{Filter, ImageInfo, filter};
use crate::sources::{Found, FoundWhat, Image, Source};

pub const COMMAND: Command = Command {
    name: "mirror",
    aliases: &[],
    options: &[
        HELP,
        QUIET,
        value(
            &["source", "S"],
            "<source>",
            "A source (url) to copy from, instead of those configured. May be given several times.",
        ),
        flag(&["dry-run", "n"], "Only say what would be copied."),
    ],
    help: "\
Copies active images of the sources, and the images they are made from, to a
directory that `imgadm serve` or any web server can offer. What is there already
is not copied again; what was cut off goes on where it stopped. Where one source
fails to send an image, the next that has it is asked.

Usage:
    imgadm mirror [<options>] <dir> [<filters>]

{{options}}
Filters are those of `imgadm list`. A web server has to serve index.json or
index.html as the index of a directory.

Examples:
    imgadm mirror /data/images name=minimal-64-lts
    imgadm mirror /data/images os=smartos type=zone-dataset published_at=~2024
",
    run: Run::WithApp(run),
};

/// How many images are copied by one command.
const MOST_IMAGES: usize = 50_000;

fn run(app: &App, given: &Given) -> Result<()> {
    let [directory, rest @ ..] = given.arguments.as_slice() else {
        return Err(Error::wrong_arguments(&given.arguments));
    };
    let mut filters = Filter::parse_all(rest)?;
    filters.push(Filter::exactly("state", "active"));
    let urls = given.all("source");
    let sources = if urls.is_empty() {
        app.sources(None)?
    } else {
        let own = |url: &&str| app.source(SourceInfo::new(Kind::Imgapi, url));
        urls.iter().map(own).collect::<Result<_>>()?
    };
    if sources.is_empty() {
        return Err(Error::no_sources());
    }
    let dry_run = given.has("dry-run");
    let mirror = Mirror { directory: PathBuf::from(directory), quiet: given.has("quiet") };
    if !dry_run {
        // One that cannot be written to is told of once, not with every image.
        gz::files::make_directory(&mirror.directory)?;
    }
    let (wanted, mut errors) = choose(&sources, &filters);
    // While the lists came there was nothing to stop in good order.
    handle_interrupts()?;
    for (uuid, having) in wanted {
        if dry_run {
            say(format_args!("[dry-run] Copied image {uuid}"))?;
            continue;
        }
        if let Err(error) = mirror.copy(&sources, &uuid, &having) {
            if error.code() == "Interrupted" {
                return Err(error);
            }
            warn(format_args!("imgadm: image {uuid} was not copied: {error}"));
            errors.push(error);
        }
    }
    if !dry_run {
        mirror.write_indexes()?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::multiple(errors)) }
}

/// The images that pass the filters, each with the places of the sources that have it, in the order of the sources.
fn choose(sources: &[Source], filters: &[Filter]) -> (Vec<(String, Vec<usize>)>, Vec<Error>) {
    let mut order: Vec<String> = Vec::new();
    let mut having: HashMap<String, Vec<usize>> = HashMap::new();
    let mut errors = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let asked = source.list(&mut |manifest| {
            let image = ImageInfo::new(manifest);
            let uuid = image.text("uuid").to_owned();
            if crate::store::is_uuid(&uuid) && !filter(vec![image], filters).is_empty() {
                let places = having.entry(uuid.clone()).or_default();
                if places.is_empty() {
                    order.push(uuid);
                }
                places.push(place);
            }
            if order.len() > MOST_IMAGES { Err(Error::too_many_images()) } else { Ok(()) }
        });
        errors.extend(asked.err());
    }
    let chosen = order
        .into_iter()
        .map(|uuid| {
            let places = having.remove(&uuid).unwrap_or_default();
            (uuid, places)
        })
        .collect();
    (chosen, errors)
}

struct Mirror {
    directory: PathBuf,
    quiet: bool,
}

impl Mirror {
    fn home(&self, uuid: &str) -> PathBuf {
        self.directory.join("images").join(uuid)
    }

    /// Copies an image and its origins, from the first source that can send them.
    fn copy(&self, sources: &[Source], uuid: &str, having: &[usize]) -> Result<()> {
        let mut errors = Vec::new();
        for place in having {
            let source = &sources[*place];
            let copied = source.find(uuid, false).and_then(|found: Option<Found>| match found {
                Some(found) if matches!(found.what, FoundWhat::Manifest(_)) => {
                    // The base first: an image is only listed once all it is made from is.
                    let images = source.ancestry(&found)?;
                    images.iter().rev().try_for_each(|image| self.copy_one(image))
                }
                _ => Err(Error::image_not_found(uuid)),
            });
            match copied {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == "Interrupted" => return Err(error),
                Err(error) => errors.push(error),
            }
        }
        Err(Error::multiple(errors))
    }

    fn copy_one(&self, image: &Image) -> Result<()> {
        let home = self.home(&image.uuid);
        let (file, index) = (home.join("file"), home.join("index.json"));
        if index.exists() && is_whole(image, &file) {
            return Ok(());
        }
        gz::files::make_directory(&home)?;
        if !is_whole(image, &file) {
            let bytes = download(image, &file, self.quiet)?;
            if !self.quiet {
                mention(format_args!(
                    "Copied image {} ({}, {})",
                    image.uuid,
                    image.label(),
                    size::human(bytes)
                ));
            }
        }
        write_index(&home, &image.manifest)
    }

    /// Writes the answers to `/images` and `/ping`, for web servers that only know files.
    fn write_indexes(&self) -> Result<()> {
        let catalog = crate::serve::catalog::Catalog::new(&self.directory)?;
        let list: Vec<Value> = catalog.list().iter().map(|entry| entry.manifest.clone()).collect();
        gz::files::make_directory(&self.directory.join("images"))?;
        write_index(&self.directory.join("images"), &Value::Array(list))?;
        gz::files::make_directory(&self.directory.join("ping"))?;
        write_index(&self.directory.join("ping"), &json!({"ping": "pong", "imgapi": true}))
    }
}

/// Downloads a file; once more from the start where all of it came and was wrong.
fn download(image: &Image, file: &Path, quiet: bool) -> Result<u64> {
    let partial = file.with_extension("partial");
    let bars = Bars::new(std::slice::from_ref(image), quiet);
    let done = match attempt(image, &partial, file, &bars) {
        Err(Failure { wrong: true, .. }) => {
            let _ = std::fs::remove_file(&partial);
            attempt(image, &partial, file, &bars).map_err(|failure| {
                let _ = std::fs::remove_file(&partial);
                failure.error
            })
        }
        other => other.map_err(|failure| failure.error),
    };
    bars.finish(0);
    done
}

fn is_whole(image: &Image, file: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(file) else { return false };
    image.size.is_none_or(|size| size == meta.len())
        && image
            .checksum
            .as_ref()
            .is_none_or(|sum| spool::checksum_of(file, sum).is_ok_and(|hex| hex == sum.hex))
}

/// Goes on with `partial`, or begins it, and gives it its name once it is whole and right. What was broken off stays
/// for the next time.
fn attempt(
    image: &Image,
    partial: &Path,
    file: &Path,
    bars: &Bars,
) -> std::result::Result<u64, Failure> {
    let failed =
        |e: std::io::Error| Error::file_system(format!("cannot write {}: {e}", partial.display()));
    let out = OpenOptions::new().append(true).create(true).open(partial).map_err(failed)?;
    let download = Download {
        origin: Arc::clone(&image.origin),
        wanted: image.wanted(false),
        file: out,
        path: partial.to_owned(),
        begun: seen(image, partial).map_err(failed)?,
        progress: Arc::default(),
    };
    let bytes = download.run_watched(&mut |progress| {
        bars.set(0, progress.fetched.load(Ordering::Relaxed));
        Ok(())
    })?;
    std::fs::rename(partial, file).map_err(failed)?;
    Ok(bytes)
}

/// How much of a download is there, and a hasher that has seen it.
fn seen(image: &Image, partial: &Path) -> std::io::Result<(u64, Hasher)> {
    let mut hasher = Hasher::new(image.checksum.as_ref().map(|sum| sum.algorithm));
    let mut file = File::open(partial)?;
    let mut buffer = vec![0; CHUNK];
    let mut position = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((position, hasher)),
            count => {
                hasher.update(&buffer[..count]);
                position += count as u64;
            }
        }
    }
}

/// Writes a JSON document as the index of a directory, under both names that web servers look for.
fn write_index(directory: &Path, value: &Value) -> Result<()> {
    let text = format!("{value:#}\n");
    for name in ["index.html", "index.json"] {
        gz::files::replace(&directory.join(name), text.as_bytes(), 0o644)?;
    }
    Ok(())
}
