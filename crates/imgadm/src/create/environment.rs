//! Boot environments of OmniOS's zones: filesystems below `ROOT` of the zone's own, one of which is the zone's root.

use gz::{Root, zfs};

use crate::errors::{Error, Result};

/// On `ROOT`: which boot environments are the zone's own.
const UUID: &str = "org.opensolaris.libbe:uuid";
/// On a boot environment: the UUID that it belongs to.
const PARENT: &str = "org.opensolaris.libbe:parentbe";
/// On a boot environment: `on` for the one that the zone boots.
const ACTIVE: &str = "org.opensolaris.libbe:active";

/// The boot environment that a zone of the brand illumos boots, found as the brand finds it: by the zone's own
/// filesystem. Fails where there is not exactly one.
pub fn active(root: &Root, filesystem: &str) -> Result<String> {
    let top = format!("{filesystem}/ROOT");
    let properties = ["name", UUID, PARENT, ACTIVE];
    let rows = match zfs::list(root, "filesystem", &properties, &[&top], Some(1)) {
        Err(error) if error.stderr().contains("does not exist") => Vec::new(),
        rows => rows?,
    };
    let values: Vec<[&str; 4]> = rows
        .iter()
        .filter_map(|row| row.iter().map(String::as_str).collect::<Vec<_>>().try_into().ok())
        .collect();
    match find(&top, &values).as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(refused(&format!("there is no active boot environment below {top}"))),
        several => {
            Err(refused(&format!("several boot environments are active: {}", several.join(", "))))
        }
    }
}

/// The active ones of some rows of name, UUID, parent and state.
fn find<'a>(top: &str, rows: &[[&'a str; 4]]) -> Vec<&'a str> {
    let uuid = rows.iter().find(|[name, ..]| *name == top).map_or("-", |[_, uuid, ..]| *uuid);
    if uuid == "-" {
        // A zone of a time when the brand had none.
        return Vec::new();
    }
    let is_active =
        |[name, _, parent, active]: &&[&str; 4]| *name != top && *parent == uuid && *active == "on";
    rows.iter().filter(is_active).map(|[name, ..]| *name).collect()
}

fn refused(why: &str) -> Error {
    Error::not_supported(format!("cannot create an image of this zone: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_environments_of_the_zone_itself_count() {
        let rows = [
            ["p/z/ROOT", "u", "-", "-"],
            ["p/z/ROOT/illumos", "u", "u", "off"],
            ["p/z/ROOT/illumos-1", "u", "u", "on"],
            ["p/z/ROOT/other", "u", "v", "on"],
        ];
        assert_eq!(find("p/z/ROOT", &rows), ["p/z/ROOT/illumos-1"]);
        assert!(find("p/z/ROOT", &rows[1..]).is_empty());
        assert!(
            find("p/z/ROOT", &[["p/z/ROOT", "-", "-", "-"], ["p/z/ROOT/a", "-", "-", "on"]])
                .is_empty()
        );
        let two = [rows[0], ["p/z/ROOT/a", "u", "u", "on"], ["p/z/ROOT/b", "u", "u", "on"]];
        assert_eq!(find("p/z/ROOT", &two).len(), 2);
    }
}
