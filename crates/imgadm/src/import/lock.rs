//! The lock of one image's import, under the name SmartOS's imgadm gives it.

use std::time::Duration;

use gz::Root;
use gz::lock::{self, Lock};

use crate::errors::Result;
use crate::out::say;

/// How long another import of the image may go on before the operator is told what is being waited for.
const SILENCE: Duration = Duration::from_secs(1);
/// How long it may go on at all.
const PATIENCE: Duration = Duration::from_hours(24);

/// Takes the import lock of an image, waiting for any other import of it to end.
pub fn acquire(root: &Root, uuid: &str) -> Result<Lock> {
    let path = root.path(format!("/var/run/img.{uuid}.import.lock"));
    let what = format!("image {uuid}");
    match lock::acquire(&path, &what, SILENCE) {
        Err(gz::Error::Locked(_)) => {
            say(format_args!("Waiting for image {uuid} import lock"))?;
            Ok(lock::acquire(&path, &what, PATIENCE)?)
        }
        other => Ok(other?),
    }
}

/// Takes the locks of several images in the order given: topmost first, as everyone does, so that nobody waits for
/// each other.
pub fn acquire_all<'a>(root: &Root, uuids: impl Iterator<Item = &'a str>) -> Result<Vec<Lock>> {
    uuids.map(|uuid| acquire(root, uuid)).collect()
}
