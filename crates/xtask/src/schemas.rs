//! `cargo xtask schemas`.

use std::path::Path;

use anyhow::{Context, Result};
use manifest::{json, schema};

/// Writes the JSON Schema files below `root`.
pub fn write(root: &Path) -> Result<()> {
    let directory = root.join("schemas");
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    for (name, contents) in schema::all() {
        crate::write_changed(&directory.join(name), &(json::pretty(&contents) + "\n"))?;
    }
    let zone = json::pretty(&zonecfg::json::schema()) + "\n";
    crate::write_changed(&directory.join("zone.schema.json"), &zone)
}
