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
use crate::out::say;
use crate::rows::ImageInfo;
use crate::sources::docker::Name;
use crate::sources::{Source, label};
use crate::store;

/// The options that are for disk images and archives alone.
const OF_FOREIGN: [&str; 4] = ["name", "version", "os", "save"];

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
        hidden(&[OF_FOREIGN[0]]),
        hidden(&[OF_FOREIGN[1]]),
        hidden(&[OF_FOREIGN[2]]),
        hidden(&[OF_FOREIGN[3]]),
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
    // Several at once are new; what was a wrong number of arguments and names no images still is.
    let several = given.arguments.len() > 1 && given.arguments.iter().all(|a| store::is_uuid(a));
    if given.arguments.len() != 1 && !several {
        return Err(Error::wrong_arguments(&given.arguments));
    }
    let pool = &pool(&app.root, given)?;
    let options =
        Options { root: &app.root, pool, zstream: given.has("zstream"), quiet: given.has("quiet") };
    if let [argument] = given.arguments.as_slice()
        && foreign::is_file_or_url(argument)
    {
        return import_foreign(app, &options, given, argument);
    }
    if let Some(option) = OF_FOREIGN.iter().find(|option| given.has(option)) {
        return Err(Error::usage(format!(
            "--{option} is for one disk image or archive, a file or a URL: \"{}\" is none",
            given.arguments.join("\", \"")
        )));
    }
    let mut missing = Vec::new();
    for argument in &given.arguments {
        if !is_installed(app, pool, argument)? {
            missing.push(argument.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let sources = sources(app, given)?;
    let mut wanted = Vec::new();
    for argument in missing {
        let (source, found) = find(&sources, argument, true)?
            .ok_or_else(|| Error::active_image_not_found(argument))?;
        // Only now is it known what UUID a name stands for.
        if !store::is_uuid(argument)
            && let Some(there) = store::get(&app.root, pool, &found.uuid)?
        {
            let from = there.source().map(|source| format!(" from {source}")).unwrap_or_default();
            say(format_args!(
                "Image {}{} is already installed{from}",
                found.uuid,
                named(&there, '@')
            ))?;
            return Ok(());
        }
        wanted.push((source, found));
    }
    handle_interrupts()?;
    import::import(&options, &wanted)
}

/// Whether an image named by its UUID is installed, which is told. Fails where the argument names no image at all.
fn is_installed(app: &App, pool: &str, argument: &str) -> Result<bool> {
    if !store::is_uuid(argument) {
        if Name::parse(argument).is_some() {
            return Ok(false);
        }
        let shown = serde_json::Value::from(argument);
        return Err(Error::usage(format!("invalid image-id arg: {shown}")));
    }
    let there = store::get(&app.root, pool, argument)?;
    if let Some(there) = &there {
        say(format_args!("Image {argument}{} is already installed, skipping", named(there, ' ')))?;
    }
    Ok(there.is_some())
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
