//! `/etc/zonekit.toml`: what OmniOS leaves to the operator. SmartOS needs no such file.
//!
//! ```toml
//! dataset = "rpool/zones"
//!
//! [nic_tags]
//! external = "ixgbe0"
//! ```

use std::collections::BTreeMap;

use manifest::Flavour;
use serde::Deserialize;

use crate::files;
use crate::platform;
use crate::root::Root;
use crate::tool::{Error, Result};
use crate::{zfs, zoneadm};

/// Where the file is.
pub const PATH: &str = "/etc/zonekit.toml";

/// Where zones are kept on most systems.
const ZONES: &str = "/zones";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The filesystem below which VMs get theirs; where it is not said, [`Settings::place`] looks for it.
    pub dataset: Option<String>,
    /// The datalinks behind the `nic_tag`s of manifests. A tag that is not here is the name of a link itself.
    pub nic_tags: BTreeMap<String, String>,
}

/// Where VMs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The filesystem.
    pub dataset: String,
    /// Where it is mounted: the directory that holds zone paths.
    pub directory: String,
}

impl Settings {
    /// The filesystem that is named, or the one that holds zones: mounted at `/zones`, else where most zones are.
    ///
    /// # Errors
    /// There is none, or it is not mounted at a path of its own.
    pub fn place(&self, root: &Root) -> Result<Place> {
        let Some(dataset) = &self.dataset else {
            return discover(root)?.ok_or_else(|| unusable(
                "the filesystem for VMs",
                "there is none: make one (zfs create -o mountpoint=/zones rpool/zones), or name one \
                 in this file (dataset = \"POOL/NAME\")",
            ));
        };
        let what = format!("dataset = \"{dataset}\"");
        let mut values = match zfs::get(root, dataset, &["mountpoint"]) {
            Err(error) if error.stderr().contains("does not exist") => {
                return Err(unusable(&what, "it does not exist"));
            }
            values => values?,
        };
        let directory = values.remove("mountpoint").unwrap_or_default();
        if directory.starts_with('/') {
            return Ok(Place { dataset: dataset.clone(), directory });
        }
        let why = format!("its mountpoint is {directory}, zones need a directory");
        Err(unusable(&what, &why))
    }

    /// The pool of VMs and images; `rpool` where nothing says.
    fn pool(&self, root: &Root) -> Result<String> {
        let dataset = match &self.dataset {
            Some(dataset) => Some(dataset.clone()),
            None => discover(root)?.map(|place| place.dataset),
        };
        let dataset = dataset.unwrap_or_else(|| "rpool".to_owned());
        Ok(dataset.split('/').next().unwrap_or_default().to_owned())
    }
}

fn unusable(what: &str, why: &str) -> Error {
    Error::Unexpected { what: format!("{PATH}: {what}"), why: why.to_owned() }
}

/// The filesystem mounted at `/zones`, else that whose directory holds most zones.
fn discover(root: &Root) -> Result<Option<Place>> {
    let rows = zfs::list(root, "filesystem", &["name", "mountpoint"], &[], None)?;
    let at = |directory: &str| {
        let row = rows.iter().find(|row| row[1] == directory)?;
        Some(Place { dataset: row[0].clone(), directory: directory.to_owned() })
    };
    if let Some(place) = at(ZONES) {
        return Ok(Some(place));
    }
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for zone in zoneadm::list(root)? {
        if let Some((directory, _)) = zone.zonepath.rsplit_once('/') {
            *held.entry(directory.to_owned()).or_default() += 1;
        }
    }
    let mut places: Vec<(usize, Place)> =
        held.iter().filter_map(|(directory, zones)| Some((*zones, at(directory)?))).collect();
    places.sort_by_key(|(zones, _)| *zones);
    Ok(places.pop().map(|(_, place)| place))
}

/// The settings; none where there is no file.
pub fn read(root: &Root) -> Result<Settings> {
    let Some(bytes) = files::read_optional(&root.path(PATH))? else {
        return Ok(Settings::default());
    };
    parse(&String::from_utf8_lossy(&bytes))
        .map_err(|why| Error::Unexpected { what: PATH.to_owned(), why })
}

/// The pool of VMs and images where none is named: SmartOS's `zones`, on OmniOS that of [`Settings::place`].
pub fn default_pool(root: &Root) -> Result<String> {
    match platform::released_flavour(root) {
        Some(Flavour::OmniOs) => read(root)?.pool(root),
        Some(Flavour::SmartOs) | None => Ok("zones".to_owned()),
    }
}

fn parse(text: &str) -> std::result::Result<Settings, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_looked_for() {
        assert_eq!(parse(""), Ok(Settings::default()));
        let settings = parse("dataset = \"tank/vm\"\n[nic_tags]\nadmin = \"igb0\"\n").unwrap();
        assert_eq!(settings.dataset.as_deref(), Some("tank/vm"));
        assert_eq!(settings.nic_tags["admin"], "igb0");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("datasets = \"tank\"").unwrap_err().contains("datasets"));
        assert!(parse("dataset = 1").unwrap_err().contains("line 1"));
    }
}
