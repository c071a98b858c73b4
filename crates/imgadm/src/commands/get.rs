//! `imgadm get`: all that is on record of an installed image.

use serde_json::{Value, json};

use super::{Command, HELP, POOL, Run, pool_and_uuid};
use crate::app::App;
use crate::cli::options::{Given, flag};
use crate::errors::{Error, Result};
use crate::out::print;
use crate::store;

pub const COMMAND: Command = Command {
    name: "get",
    aliases: &["info"],
    options: &[
        HELP,
        POOL,
        flag(&["r"], "Also list the snapshots of the image and the datasets cloned from it."),
    ],
    help: "\
Shows the manifest of an installed image and where it is.

Usage:
    imgadm get [<options>] <uuid>

{{options}}
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let (pool, uuid) = pool_and_uuid(&app.root, given)?;
    let mut image = store::get(&app.root, &pool, uuid)?
        .ok_or_else(|| Error::image_not_installed(&pool, uuid))?;
    if given.has("r") {
        let dataset = format!("{pool}/{uuid}");
        let children = json!({
            "snapshots": store::snapshots(&app.root, &dataset)?,
            "clones": store::dependent_clones(&app.root, &dataset)?,
        });
        image.record.insert("children".into(), children);
    }
    print(&format!("{}\n", manifest::json::pretty(&Value::Object(image.record))))
}
