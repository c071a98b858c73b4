//! `imgadm delete`: takes an installed image away.

use gz::{Root, images, zfs};

use super::{Command, HELP, POOL, Run, pool_and_uuid};
use crate::app::App;
use crate::cli::options::Given;
use crate::errors::{Error, Result};
use crate::out::say;
use crate::store;

pub const COMMAND: Command = Command {
    name: "delete",
    aliases: &["destroy"],
    options: &[HELP, POOL],
    help: "\
Removes an installed image. One that a VM or another image is made from is not
removed.

Usage:
    imgadm delete [<options>] <uuid>

{{options}}
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let (pool, uuid) = pool_and_uuid(&app.root, given)?;
    let dataset = format!("{pool}/{uuid}");
    if !store::dataset_exists(&app.root, &dataset)? {
        return Err(Error::image_not_installed(&pool, uuid));
    }
    let clones = store::dependent_clones(&app.root, &dataset)?;
    if !clones.is_empty() {
        return Err(Error::has_dependent_clones(uuid, &clones));
    }
    delete(&app.root, &pool, uuid)?;
    say(format_args!("Deleted image {uuid}"))?;
    Ok(())
}

/// Destroys an image's dataset and then its record: should somebody just have cloned it, nothing has happened.
pub fn delete(root: &Root, pool: &str, uuid: &str) -> Result<()> {
    zfs::destroy(root, &["-r"], &format!("{pool}/{uuid}"))
        .map_err(|error| Error::tool(&format!("error deleting image \"{uuid}\""), error))?;
    Ok(images::delete(root, pool, uuid)?)
}
