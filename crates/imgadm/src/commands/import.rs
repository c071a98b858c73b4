//! `imgadm import`: downloads and installs an image and what it is made from.

use std::path::Path;

use super::{Command, HELP, POOL, QUIET, Run, handle_interrupts, pool};
use crate::app::App;
use crate::cli::options::{Given, Opt, Row, flag, value};
use crate::config::{Kind, SourceInfo};
use crate::errors::{Error, Result};
use crate::find::find;
use crate::import::foreign::{self, About};
use crate::import::{self, Options};
use crate::rows::ImageInfo;
use crate::sources::docker::Name;
use crate::sources::{Source, label};
use crate::store;

pub const COMMAND: Command = Command {
    name: "import",
    aliases: &[],
    options: &[
        value(
            &["channel", "C"],
            "ARG",
            "The channel to import from. This overrides any channel parameter that may be set in \
             the source url.",
        ),
        HELP,
        QUIET,
        POOL,
        value(
            &["source", "S"],
            "<source>",
            "An image source (url) from which to import. If given, then this source is used \
             instead of the configured sources.",
        ),
        flag(
            &["zstream"],
            "Indicate that the source will send a raw ZFS dataset stream for the image file data. \
             Typically this is used in conjunction with -S, so the source is known, and with a \
             source that stores images in ZFS (e.g. a SmartOS peer node).",
        ),
        // For disk images and archives; in the manual page, as the help is kept as it is known.
        hidden(&["name"]),
        hidden(&["version"]),
        hidden(&["os"]),
        hidden(&["save"]),
    ],
    help: "\
Import an image from a source IMGAPI.

This finds the image with the given UUID in the configured sources and
imports it into the local system.

Usage:
    imgadm import <uuid>

{{options}}
",
    run: Run::WithApp(run),
};

const fn hidden(names: &'static [&'static str]) -> Row {
    Row::Hidden(Opt { names, argument: Some("ARG"), help: "" })
}

fn run(app: &App, given: &Given) -> Result<()> {
    let [argument] = given.arguments.as_slice() else {
        return Err(Error::wrong_arguments(&given.arguments));
    };
    let pool = pool(given)?;
    let options =
        Options { root: &app.root, pool, zstream: given.has("zstream"), quiet: given.has("quiet") };
    if foreign::is_file_or_url(argument) {
        return import_foreign(app, &options, given, argument);
    }
    let is_uuid = store::is_uuid(argument);
    if !is_uuid && Name::parse(argument).is_none() {
        return Err(Error::usage(format!(
            "invalid image-id arg: {}",
            serde_json::Value::from(argument.as_str())
        )));
    }
    if is_uuid && let Some(there) = store::get(&app.root, pool, argument)? {
        println!("Image {argument}{} is already installed, skipping", named(&there, ' '));
        return Ok(());
    }
    let sources = sources(app, given)?;
    let (source, found) =
        find(&sources, argument, true)?.ok_or_else(|| Error::active_image_not_found(argument))?;
    if !is_uuid && let Some(there) = store::get(&app.root, pool, &found.uuid)? {
        let from = there.source().map(|source| format!(" from {source}")).unwrap_or_default();
        println!("Image {}{} is already installed{from}", found.uuid, named(&there, '@'));
        return Ok(());
    }
    handle_interrupts()?;
    import::import(&options, source, &found)
}

/// An image of a disk image or an archive.
fn import_foreign(app: &App, options: &Options<'_>, given: &Given, argument: &str) -> Result<()> {
    let needed = |option: &str| {
        given.get(option).ok_or_else(|| {
            Error::usage(format!("--{option} is needed to import a disk image or an archive"))
        })
    };
    let about = About {
        name: needed("name")?,
        version: needed("version")?,
        os: needed("os")?,
        save: given.get("save").map(Path::new),
    };
    handle_interrupts()?;
    foreign::import(app, options, argument, &about)
}

/// The sources of `-S`, or those configured.
fn sources(app: &App, given: &Given) -> Result<Vec<Source>> {
    let channel = given.get("channel");
    let urls = given.all("source");
    if urls.is_empty() {
        return app.sources(channel);
    }
    urls.iter()
        .map(|url| {
            let mut info = SourceInfo::new(Kind::Imgapi, url);
            info.channel = channel.map(str::to_owned);
            app.source(info)
        })
        .collect()
}

/// ` (NAME VERSION)` of an installed image, where its name is known.
pub fn named(image: &ImageInfo, separator: char) -> String {
    if image.text("name").is_empty() {
        return String::new();
    }
    format!(" ({})", label(image.manifest()).replacen('@', &separator.to_string(), 1))
}
