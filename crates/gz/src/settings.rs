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
use crate::zfs;

/// Where the file is.
pub const PATH: &str = "/etc/zonekit.toml";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The filesystem below which VMs get theirs.
    pub dataset: String,
    /// The datalinks behind the `nic_tag`s of manifests. A tag that is not here is the name of a link itself.
    pub nic_tags: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dataset: "rpool/zones".to_owned(), nic_tags: BTreeMap::new() }
    }
}

impl Settings {
    /// The pool that holds VMs and images.
    pub fn pool(&self) -> &str {
        self.dataset.split('/').next().unwrap_or_default()
    }

    /// Where [`Settings::dataset`] is mounted: the directory that holds zone paths.
    ///
    /// # Errors
    /// The dataset does not exist, or is not mounted at a path of its own.
    pub fn directory(&self, root: &Root) -> Result<String> {
        let unusable = |why: String| Error::Unexpected {
            what: format!("dataset {} ({PATH})", self.dataset),
            why,
        };
        let mut values = match zfs::get(root, &self.dataset, &["mountpoint"]) {
            Err(error) if error.stderr().contains("does not exist") => {
                return Err(unusable("it does not exist".to_owned()));
            }
            values => values?,
        };
        let directory = values.remove("mountpoint").unwrap_or_default();
        if directory.starts_with('/') {
            Ok(directory)
        } else {
            Err(unusable(format!("its mountpoint is {directory}, zones need a directory")))
        }
    }
}

/// The settings; the defaults where there is no file.
pub fn read(root: &Root) -> Result<Settings> {
    let Some(bytes) = files::read_optional(&root.path(PATH))? else {
        return Ok(Settings::default());
    };
    parse(&String::from_utf8_lossy(&bytes))
        .map_err(|why| Error::Unexpected { what: PATH.to_owned(), why })
}

/// The pool of VMs and images where none is named: SmartOS's `zones`, on OmniOS that of [`Settings::dataset`].
pub fn default_pool(root: &Root) -> Result<String> {
    Ok(match platform::released_flavour(root) {
        Some(Flavour::OmniOs) => read(root)?.pool().to_owned(),
        Some(Flavour::SmartOs) | None => "zones".to_owned(),
    })
}

fn parse(text: &str) -> std::result::Result<Settings, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        assert_eq!(parse(""), Ok(Settings::default()));
        let settings = parse("dataset = \"tank/vm\"\n[nic_tags]\nadmin = \"igb0\"\n").unwrap();
        assert_eq!((settings.pool(), settings.dataset.as_str()), ("tank", "tank/vm"));
        assert_eq!(settings.nic_tags["admin"], "igb0");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("datasets = \"tank\"").unwrap_err().contains("datasets"));
        assert!(parse("dataset = 1").unwrap_err().contains("line 1"));
    }
}
