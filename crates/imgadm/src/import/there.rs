//! What a pool has of the images that a command is about to install.

use std::collections::HashSet;

use gz::{Root, zfs};

use super::install::partial_name;
use crate::errors::Result;
use crate::out::say;
use crate::store;

/// What was there of some images. It is true for as long as the locks of these images are held that were held when it
/// was looked at.
pub struct There {
    installed: HashSet<String>,
    leftovers: Vec<String>,
}

impl There {
    /// Looks for images of these UUIDs, and for what imports of them left that were killed. One tool run.
    pub fn look(root: &Root, pool: &str, uuids: &[&str]) -> Result<Self> {
        let name = |uuid: &str| format!("{pool}/{uuid}");
        let wanted =
            uuids.iter().flat_map(|uuid| [name(uuid), partial_name(&name(uuid))]).collect();
        let found = store::existing(root, "filesystem,volume", wanted)?;
        let (installed, left): (Vec<&str>, Vec<&str>) =
            uuids.iter().partition(|uuid| found.contains(&name(uuid)));
        let leftovers = left.iter().map(|uuid| partial_name(&name(uuid)));
        Ok(Self {
            leftovers: leftovers.filter(|name| found.contains(name)).collect(),
            installed: installed.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Whether an image is installed.
    pub fn has(&self, uuid: &str) -> bool {
        self.installed.contains(uuid)
    }

    /// Takes away what killed imports left; whoever holds the images' locks may.
    pub fn destroy_leftovers(&self, root: &Root) -> Result<()> {
        for name in &self.leftovers {
            say(format_args!(
                "Warning: deleting partial dataset left over from earlier import attempt: {name}"
            ))?;
            let destroyed = zfs::destroy(root, &["-r"], name);
            // A receive whose import was killed takes its dataset away itself, a little later.
            if destroyed.is_err() && store::dataset_exists(root, name)? {
                destroyed?;
            }
        }
        Ok(())
    }
}
