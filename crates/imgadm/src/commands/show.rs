//! `imgadm show`: the manifest of an image that a source has.

use super::{Command, HELP, Run, only_argument};
use crate::app::App;
use crate::cli::options::Given;
use crate::errors::{Error, Result};
use crate::find::find;
use crate::out::print;
use crate::sources::FoundWhat;

pub const COMMAND: Command = Command {
    name: "show",
    aliases: &[],
    options: &[HELP],
    help: "\
Shows the manifest of an image, from the first source that has it.

Usage:
    imgadm show <uuid|docker-repo-tag>

{{options}}
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let argument = only_argument(given)?;
    let sources = app.sources(None)?;
    let (source, found) =
        find(&sources, argument, false)?.ok_or_else(|| Error::image_not_found(argument))?;
    let manifest = match &found.what {
        FoundWhat::Manifest(manifest) => manifest.clone(),
        FoundWhat::Docker(_) => {
            let images = source.ancestry(&found)?;
            let top = images.into_iter().next();
            top.ok_or_else(|| Error::image_not_found(argument))?.manifest
        }
    };
    print(&format!("{}\n", manifest::json::pretty(&manifest)))
}
