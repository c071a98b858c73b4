//! `imgadm update`: what is on record of installed images, brought up to date from the sources.

use gz::{images, zfs};
use serde_json::Value;

use super::{Command, HELP, Run};
use crate::app::App;
use crate::cli::options::{Given, flag};
use crate::errors::{Error, Result};
use crate::find::find;
use crate::out::{say, warn};
use crate::rows::ImageInfo;
use crate::sources::{FoundWhat, Source};
use crate::store;

pub const COMMAND: Command = Command {
    name: "update",
    aliases: &[],
    options: &[HELP, flag(&["dry-run", "n"], "Only say what would be changed.")],
    help: "\
Brings the manifests of installed images up to date from the sources, and makes
sure that each image has its \"@final\" snapshot. Images that were put there
without imgadm (such as by \"zfs receive\") get their manifests this way.

Usage:
    imgadm update [<options>] [<uuid>...]

{{options}}
Without a UUID, all installed images are looked at.
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let images = chosen(store::load(&app.root)?.images, &given.arguments)?;
    let sources = app.sources(None)?;
    let mut errors = Vec::new();
    for image in &images {
        if let Err(error) = update(app, &sources, image, given.has("dry-run")) {
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::multiple(errors)) }
}

/// The images of the given UUIDs, in their order; all where none is given.
fn chosen(images: Vec<ImageInfo>, uuids: &[String]) -> Result<Vec<ImageInfo>> {
    if uuids.is_empty() {
        return Ok(images);
    }
    let find = |uuid: &String| images.iter().find(|image| image.text("uuid") == uuid).cloned();
    let missing: Vec<&str> =
        uuids.iter().filter(|uuid| find(uuid).is_none()).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Error::usage(format!(
            "no installed image with the given UUID(s): {}",
            missing.join(", ")
        )));
    }
    Ok(uuids.iter().filter_map(find).collect())
}

fn update(app: &App, sources: &[Source], image: &ImageInfo, dry_run: bool) -> Result<()> {
    let uuid = image.text("uuid");
    let found = match find(sources, uuid, false)? {
        Some((source, found)) => match found.what {
            FoundWhat::Manifest(manifest) => Some((source, manifest)),
            FoundWhat::Docker(_) => None,
        },
        None => None,
    };
    let Some((source, manifest)) = found else {
        if image.text("type") != "docker" {
            say(format_args!("warning: Could not find image {uuid} in image sources (skipping)"))?;
        }
        return Ok(());
    };
    if let Some(message) = difference(image, &manifest, &source.info.url) {
        if !dry_run {
            images::write(&app.root, image.pool(), &manifest, Some(&source.info.url))?;
        }
        say(message)?;
    }
    ensure_final_snapshot(app, image, &manifest, dry_run)
}

/// What there is to tell of the difference between what is on record and what the source has; nothing where they
/// are the same.
fn difference(image: &ImageInfo, new: &Value, url: &str) -> Option<String> {
    let uuid = image.text("uuid");
    if image.text("name").is_empty() {
        return Some(format!("Added manifest info for image {uuid} from \"{url}\""));
    }
    let fields = differing_fields(image.manifest(), new);
    if fields.is_empty() {
        return None;
    }
    let plural = if fields.len() == 1 { "" } else { "s" };
    Some(format!(
        "Updated {} manifest field{plural} for image {uuid} from \"{url}\": {}",
        fields.len(),
        fields.join(", ")
    ))
}

/// The names of the fields that differ, `requirements` one level deep.
fn differing_fields(old: &Value, new: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (old, new) = (fields(old), fields(new));
    let mut names = Vec::new();
    for (name, value) in &new {
        let differs = if name == "requirements" {
            !old.contains_key(name)
        } else {
            old.get(name) != Some(value)
        };
        if differs {
            names.push(name.clone());
        }
    }
    names.extend(old.keys().filter(|name| !new.contains_key(*name)).cloned());
    if let (Some(old), Some(new)) = (old.get("requirements"), new.get("requirements")) {
        let (old, new) = (fields(old), fields(new));
        let differing = new.iter().filter(|(name, value)| old.get(*name) != Some(value));
        names.extend(differing.map(|(name, _)| format!("requirements.{name}")));
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        names.extend(gone.map(|name| format!("requirements.{name}")));
    }
    names
}

/// Finds the snapshot that an image was made of by its GUID and gives it the name it should have.
fn ensure_final_snapshot(
    app: &App,
    image: &ImageInfo,
    manifest: &Value,
    dry_run: bool,
) -> Result<()> {
    let uuid = image.text("uuid");
    let dataset = format!("{}/{uuid}", image.pool());
    let wanted = format!("{dataset}@final");
    let snapshots = store::snapshots(&app.root, &dataset)?;
    if snapshots.contains(&wanted) {
        return Ok(());
    }
    let missing = |extra: String| {
        Error::new(
            "ImageMissingOriginalSnapshot",
            format!("image \"{uuid}\" is missing its original snapshot{extra}"),
        )
    };
    if snapshots.is_empty() {
        return Err(missing(String::new()));
    }
    let guid = manifest.get("files").and_then(|files| files.get(0)?.get("dataset_guid"));
    let guid = match guid {
        Some(Value::String(guid)) => guid.clone(),
        Some(Value::Number(guid)) => guid.to_string(),
        _ => {
            warn(format_args!(
                "imgadm: warn: cannot determine original snapshot for image \"{uuid}\" (source \
                 info has no \"dataset_guid\")"
            ));
            return Ok(());
        }
    };
    for snapshot in &snapshots {
        let values = zfs::get(&app.root, snapshot, &["guid"])?;
        if values.get("guid") == Some(&guid) {
            if !dry_run {
                zfs::tool(&app.root).args(["rename", "-r", snapshot, &wanted]).run()?;
            }
            say(format_args!(
                "Renamed image {uuid} original snapshot from {snapshot} to {wanted}"
            ))?;
            return Ok(());
        }
    }
    Err(missing(format!(" (expected a snapshot with guid {guid})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named() {
        let old = json!({"name": "a", "x": 1, "requirements": {"min_ram": 1, "brand": "lx"}});
        let new = json!({"name": "a", "y": 2, "requirements": {"min_ram": 2}});
        assert_eq!(
            differing_fields(&old, &new),
            ["y", "x", "requirements.min_ram", "requirements.brand"]
        );
        let mut image = ImageInfo::new(old);
        assert_eq!(
            difference(&image, &new, "http://h").unwrap(),
            "Updated 4 manifest fields for image  from \"http://h\": y, x, requirements.min_ram, \
             requirements.brand"
        );
        image = ImageInfo::new(json!({"uuid": "u"}));
        assert_eq!(
            difference(&image, &new, "http://h").unwrap(),
            "Added manifest info for image u from \"http://h\""
        );
    }
}
