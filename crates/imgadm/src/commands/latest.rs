//! `imgadm latest`: which image of a name is newest.

use super::{COLUMNS, Command, DEFAULT_COLUMNS, HELP, JSON, NO_HEADER, Run};
use crate::app::App;
use crate::cli::options::Given;
use crate::errors::{Error, Result};
use crate::out::{print, warn};
use crate::rows::{Filter, ImageInfo, Listing, filter};

pub const COMMAND: Command = Command {
    name: "latest",
    aliases: &[],
    options: &[HELP, JSON, NO_HEADER, COLUMNS],
    help: "\
Shows which of the sources' active images of a name was published last.

Usage:
    imgadm latest [<options>] <name> [<filters>]

{{options}}
Fields and filters are those of `imgadm list`.

Examples:
    imgadm import $(imgadm latest -H -o uuid minimal-64-lts)
    imgadm latest base-64 version=~23.4
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let [name, rest @ ..] = given.arguments.as_slice() else {
        return Err(Error::wrong_arguments(&given.arguments));
    };
    let mut filters = Filter::parse_all(rest)?;
    filters.push(Filter::exactly("name", name));
    filters.push(Filter::exactly("state", "active"));
    let sources = app.sources(None)?;
    if sources.is_empty() {
        return Err(Error::no_sources());
    }
    let mut newest: Option<ImageInfo> = None;
    let mut errors = Vec::new();
    for source in &sources {
        let asked = source.list(&mut |manifest| {
            let mut image = ImageInfo::new(manifest);
            image.record.insert("source".into(), source.info.url.clone().into());
            let fits = !filter(vec![image.clone()], &filters).is_empty();
            let is_newer = newest
                .as_ref()
                .is_none_or(|newest| image.text("published_at") > newest.text("published_at"));
            if fits && is_newer {
                newest = Some(image);
            }
            Ok(())
        });
        errors.extend(asked.err());
    }
    let Some(newest) = newest else {
        if errors.is_empty() {
            return Err(Error::image_not_found(name));
        }
        return Err(Error::multiple(errors));
    };
    for error in errors {
        warn(format_args!("imgadm: warning: {error}"));
    }
    let listing = Listing {
        json: given.has("json"),
        skip_header: given.has("H"),
        columns: given.get("o").unwrap_or(DEFAULT_COLUMNS).into(),
        ..Listing::default()
    };
    print(&listing.render(&[newest])?)
}
