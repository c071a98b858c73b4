//! `imgadm verify`: whether installed images are what they are on record as.

use std::path::Path;

use gz::{images, zfs};
use serde_json::Value;

use super::{Command, HELP, POOL, Run, pool};
use crate::app::App;
use crate::cli::options::{Given, value};
use crate::errors::{Error, Result};
use crate::image_manifest;
use crate::import::spool;
use crate::out::say;
use crate::pipeline::checksum::{Algorithm, Checksum};
use crate::sources::label;
use crate::store;

pub const COMMAND: Command = Command {
    name: "verify",
    aliases: &[],
    options: &[
        HELP,
        POOL,
        value(&["f"], "<file>", "The image's file: its size and checksum are checked too."),
    ],
    help: "\
Checks installed images: the manifest on record, the \"@final\" snapshot, whether
it is a filesystem or volume as its manifest says, and the images it is made
from. A line each; exit status 1 where anything is wrong.

Usage:
    imgadm verify [<options>] [<uuid>...]

{{options}}
Without a UUID, all images of all pools are checked.
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let wanted: Vec<(String, String)> = if given.arguments.is_empty() {
        let images = store::load(&app.root)?.images;
        images.iter().map(|i| (i.pool().to_owned(), i.text("uuid").to_owned())).collect()
    } else {
        let pool = &pool(&app.root, given)?;
        given
            .arguments
            .iter()
            .map(|uuid| store::check_uuid(uuid).map(|()| (pool.to_owned(), uuid.clone())))
            .collect::<Result<_>>()?
    };
    let file = given.get("f").map(Path::new);
    if file.is_some() && wanted.len() != 1 {
        return Err(Error::usage("-f is for one image"));
    }
    let mut bad = 0;
    for (pool, uuid) in &wanted {
        let (title, problems) = verify(app, pool, uuid, file)?;
        if problems.is_empty() {
            say(format_args!("{title}: ok"))?;
        } else {
            bad += 1;
            say(format_args!("{title}: {}", problems.join("; ")))?;
        }
    }
    match bad {
        0 => Ok(()),
        count => Err(Error::new(
            "VerifyError",
            format!("{count} of {} images are not as they should be", wanted.len()),
        )),
    }
}

/// What is wrong with an image, and how it is called.
fn verify(app: &App, pool: &str, uuid: &str, file: Option<&Path>) -> Result<(String, Vec<String>)> {
    let dataset = format!("{pool}/{uuid}");
    if !store::dataset_exists(&app.root, &dataset)? {
        return Err(Error::image_not_installed(pool, uuid));
    }
    let mut problems = Vec::new();
    let manifest = match images::read(&app.root, pool, uuid) {
        Ok(Some(record)) => record.manifest().clone(),
        Ok(None) => {
            problems.push("it has no manifest on record (\"imgadm update\" may help)".to_owned());
            Value::Null
        }
        Err(error) => {
            problems.push(error.to_string());
            Value::Null
        }
    };
    if !manifest.is_null()
        && let Err(error) = image_manifest::validate_minimal(&manifest)
    {
        problems.push(error.message().to_owned());
    }
    let snapshot = format!("{dataset}@final");
    if !store::snapshots(&app.root, &dataset)?.contains(&snapshot) {
        problems.push("it has no snapshot @final (\"imgadm update\" may help)".to_owned());
    }
    let values = zfs::get(&app.root, &dataset, &["type", "origin"])?;
    let is_volume = values.get("type").is_some_and(|kind| kind == "volume");
    if let Some(kind) = manifest.get("type").and_then(Value::as_str)
        && (kind == "zvol") != is_volume
    {
        let actual = if is_volume { "volume" } else { "filesystem" };
        problems.push(format!("its manifest says type \"{kind}\", but it is a {actual}"));
    }
    let origin = manifest.get("origin").and_then(Value::as_str);
    problems.extend(check_origin(app, pool, origin, values.get("origin").map(String::as_str))?);
    if let Some(file) = file {
        problems.extend(check_file(&manifest, file)?);
    }
    let title = match &manifest {
        Value::Null => uuid.to_owned(),
        manifest => format!("{uuid} ({})", label(manifest)),
    };
    Ok((title, problems))
}

fn check_origin(
    app: &App,
    pool: &str,
    stated: Option<&str>,
    actual: Option<&str>,
) -> Result<Option<String>> {
    let actual = actual.filter(|origin| *origin != "-");
    let Some(stated) = stated else {
        return Ok(actual
            .map(|actual| format!("its manifest names no origin, but it is a clone of {actual}")));
    };
    let wanted = format!("{pool}/{stated}@final");
    if actual != Some(wanted.as_str()) {
        let actual = actual.unwrap_or("nothing");
        return Ok(Some(format!("it should be a clone of {wanted}, but is one of {actual}")));
    }
    if store::get(&app.root, pool, stated)?.is_none() {
        return Ok(Some(format!("its origin {stated} is not installed")));
    }
    Ok(None)
}

fn check_file(manifest: &Value, file: &Path) -> Result<Vec<String>> {
    let failed =
        |e: std::io::Error| Error::file_system(format!("cannot read {}: {e}", file.display()));
    let described = manifest.get("files").and_then(|files| files.get(0));
    let mut problems = Vec::new();
    let size = std::fs::metadata(file).map_err(failed)?.len();
    let stated = described.and_then(|file| file.get("size")?.as_u64());
    if stated.is_some_and(|stated| stated != size) {
        problems.push(format!("the file has {size} bytes, not {}", stated.unwrap_or_default()));
    }
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
        let stated = described.and_then(|file| file.get(algorithm.as_str())?.as_str());
        let Some(hex) = stated else { continue };
        let wanted = Checksum { algorithm, hex: hex.to_lowercase() };
        let actual = spool::checksum_of(file, &wanted).map_err(failed)?;
        if actual != wanted.hex {
            problems.push(format!("the file's {} is {actual}, not {hex}", algorithm.as_str()));
        }
    }
    Ok(problems)
}
