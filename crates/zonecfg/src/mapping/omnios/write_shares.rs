//! Directories that bhyve shares with its guest.

use serde_json::Value;

use super::write::{Result, Writer, objects, part, refused};
use super::{Object, SHARED};
use crate::model::Fs;

/// How many the brand takes.
const MOST: usize = 8;

/// The attributes that shares have, or may still have.
pub(super) struct Shares {
    taken: Vec<String>,
}

impl Shares {
    /// Those of a VM object; a share that exists says which attribute it is (`attribute`).
    pub(super) fn of(vm: &Object) -> Self {
        let shares = objects(vm, "filesystems").map(|(_, share)| part(share, "attribute"));
        Self { taken: shares.filter(|name| !name.is_empty()).collect() }
    }

    fn take(&mut self) -> Option<String> {
        let mut names = (0..MOST).map(|number| format!("{SHARED}{number}"));
        let name = names.find(|name| !self.taken.contains(name))?;
        self.taken.push(name.clone());
        Some(name)
    }
}

impl Writer {
    /// A filesystem of type `virtfs`: its target is the name under which the guest mounts it.
    pub(super) fn share(
        &mut self,
        index: usize,
        share: &Object,
        shares: &mut Shares,
    ) -> Result<()> {
        let property = |name: &str| format!("filesystems.{index}.{name}");
        if self.brand() != "bhyve" {
            return refused(&property("type"), "only bhyve shares directories in this way");
        }
        let (name, directory) = (part(share, "target"), part(share, "source"));
        for (member, text) in [("target", &name), ("source", &directory)] {
            if text.is_empty() || text.contains([',', '=']) {
                return refused(&property(member), "it is not empty, and has no comma or =");
            }
        }
        if !directory.starts_with('/') {
            return refused(&property("source"), "it is no absolute path");
        }
        let options = share.get("options").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let read_only = options.iter().any(|option| option == "ro");
        if let Some(other) = options.iter().find(|option| *option != "ro" && *option != "rw") {
            let why = format!("ro and rw are the options of shared directories, not {other}");
            return refused(&property("options"), &why);
        }
        let known = Some(part(share, "attribute")).filter(|name| !name.is_empty());
        let Some(attribute) = known.or_else(|| shares.take()) else {
            let why = format!("OmniOS shares no more than {MOST} directories");
            return refused(&property("target"), &why);
        };
        let mode = if read_only { ",ro" } else { "" };
        self.attr(&property("target"), &attribute, &format!("{name},{directory}{mode}"))?;
        // bhyve runs in the zone, where the directory has to be seen under its own name.
        if !self.zone.filesystems().any(|fs| fs.dir == directory) {
            let mut options = vec!["nodevices".to_owned()];
            options.extend(read_only.then(|| "ro".to_owned()));
            self.zone.add(Fs {
                dir: directory.clone(),
                special: directory,
                raw: None,
                fs_type: "lofs".to_owned(),
                options,
            });
        }
        Ok(())
    }
}
