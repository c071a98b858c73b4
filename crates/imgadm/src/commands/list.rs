//! `imgadm list`: the images installed here.

use super::{COLUMNS, Command, DEFAULT_COLUMNS, DEFAULT_SORT, HELP, JSON, NO_HEADER, Run, SORT};
use crate::app::App;
use crate::cli::options::{Given, flag};
use crate::errors::Result;
use crate::out::print;
use crate::rows::{Filter, Listing, filter};
use crate::store;

pub const COMMAND: Command = Command {
    name: "list",
    aliases: &[],
    options: &[
        HELP,
        JSON,
        NO_HEADER,
        COLUMNS,
        SORT,
        flag(&["docker"], "Limit and format list similar to `docker images`"),
    ],
    help: "\
Lists the images that are installed on this system.

Usage:
    imgadm list [<options>...] [<filters>]

{{options}}
Filters:
    FIELD=VALUE               the field is exactly this
    FIELD=true|false          the field is this boolean
    FIELD=~SUBSTRING          the field contains this

Fields are those of the manifest (see `imgadm list -j`), dotted to look into
objects (`tags.role`), and these:
    published_date, pub       the date of `published_at`
    published                 `published_at` without milliseconds
    source                    URL of the source
    clones                    number of images and VMs made from it
    size                      bytes of the image file
    zpool                     the pool it is installed on
    docker_id, docker_short_id, docker_repo, docker_tags
                              of docker images
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let mut filters = Filter::parse_all(&given.arguments)?;
    if given.has("docker") {
        filters.push(Filter::exactly("type", "docker"));
    }
    let listing = Listing {
        json: given.has("json"),
        skip_header: given.has("H"),
        docker: given.has("docker"),
        columns: given.get("o").unwrap_or(DEFAULT_COLUMNS).into(),
        sort: Some(given.get("s").unwrap_or(DEFAULT_SORT).into()),
    };
    let images = filter(store::load(&app.root)?.images, &filters);
    print(&listing.render(&images)?)
}
