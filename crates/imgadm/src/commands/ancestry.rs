//! `imgadm ancestry`: an installed image and all it is made from.

use super::{Command, HELP, JSON, NO_HEADER, POOL, Run, pool_and_uuid};
use crate::app::App;
use crate::cli::options::{Given, value};
use crate::errors::{Error, Result};
use crate::out::print;
use crate::rows::{ImageInfo, Listing};
use crate::store;

const DEFAULT_COLUMNS: &str = "uuid,name,version,published";

pub const COMMAND: Command = Command {
    name: "ancestry",
    aliases: &[],
    options: &[
        HELP,
        JSON,
        NO_HEADER,
        value(
            &["o"],
            "FIELD,...",
            "Specify fields (columns) to output. Default is \"uuid,name,version,published\".",
        ),
        POOL,
    ],
    help: "\
Lists an installed image and the images it is made from, down to the base.

Usage:
    imgadm ancestry [<options>...] <uuid>

{{options}}
Fields are those of `imgadm list`.
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let (pool, uuid) = pool_and_uuid(&app.root, given)?;
    let images = chain(app, &pool, uuid)?;
    let listing = Listing {
        json: given.has("json"),
        skip_header: given.has("H"),
        columns: given.get("o").unwrap_or(DEFAULT_COLUMNS).into(),
        ..Listing::default()
    };
    print(&listing.render(&images)?)
}

/// An installed image and its origins, topmost first.
pub fn chain(app: &App, pool: &str, uuid: &str) -> Result<Vec<ImageInfo>> {
    let mut images: Vec<ImageInfo> = Vec::new();
    let mut next = Some(uuid.to_owned());
    while let Some(uuid) = next {
        if images.iter().any(|image| image.text("uuid") == uuid) {
            return Err(Error::invalid_manifest(format_args!("image {uuid} is its own origin")));
        }
        store::check_uuid(&uuid)?;
        let image = store::get(&app.root, pool, &uuid)?
            .ok_or_else(|| Error::image_not_installed(pool, &uuid))?;
        next = Some(image.text("origin").to_owned()).filter(|origin| !origin.is_empty());
        images.push(image);
    }
    Ok(images)
}
