//! zfs(8): datasets, snapshots and streams.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::wait_for;
use crate::root::Root;
use crate::tool::{Error, Result, Running, Tool};
use crate::zoneadm;

const ZFS: &str = "/usr/sbin/zfs";

/// A `zfs` run for what has no function of its own here.
pub fn tool(root: &Root) -> Tool<'_> {
    root.tool(ZFS)
}

/// One row a dataset: the values of the asked-for properties in order, `-` as zfs prints it where there is none.
pub type Rows = Vec<Vec<String>>;

/// Environment variable: `1` has bulk listings read through libzfs where there is one. Off by default: over 5,000
/// datasets it saves a twenty-fifth of the time, and it is a private interface of the system (docs/PERFORMANCE.md).
const LIBZFS_VARIABLE: &str = "ZONEKIT_LIBZFS";

/// `zfs list -H -p` of the given types (`filesystem,volume`) and properties. `below` restricts it to datasets and,
/// with `depth`, to how many levels below them; an empty `below` lists every pool.
pub fn list(
    root: &Root,
    types: &str,
    properties: &[&str],
    below: &[&str],
    depth: Option<u32>,
) -> Result<Rows> {
    if let Some(rows) = by_library(root, types, properties, below, depth) {
        return Ok(rows);
    }
    let mut tool = tool(root).args(["list", "-H", "-p", "-t", types, "-o", &properties.join(",")]);
    if let Some(depth) = depth {
        tool = tool.arg("-d").arg(depth.to_string());
    }
    parse_rows(&tool.args(below).text()?, properties.len())
}

/// The rows of [`list`] from libzfs, sorted by name; `None` where it is not to be asked, does not do this kind of dataset,
/// or fails, of which the zfs program then tells.
pub(crate) fn by_library(
    root: &Root,
    types: &str,
    properties: &[&str],
    below: &[&str],
    depth: Option<u32>,
) -> Option<Rows> {
    let is_asked_for = std::env::var_os(LIBZFS_VARIABLE).is_some_and(|value| value == "1");
    if !root.is_system() || !is_asked_for {
        return None;
    }
    let mut wanted = libzfs_sys::Types { filesystems: false, volumes: false };
    for name in types.split(',') {
        match name {
            "filesystem" => wanted.filesystems = true,
            "volume" => wanted.volumes = true,
            _ => return None,
        }
    }
    let (below, depth) = match below {
        ["-r", below @ ..] => (below, None),
        [] => (below, depth),
        // Without -r or -d only the datasets given are listed.
        _ => (below, Some(depth.unwrap_or(0))),
    };
    let rows = libzfs_sys::Libzfs::load().and_then(|l| l.list(wanted, properties, below, depth));
    match rows {
        Ok(mut rows) => {
            if let Some(name) = properties.iter().position(|property| *property == "name") {
                rows.sort_by(|a, b| a[name].cmp(&b[name]));
            }
            Some(rows)
        }
        Err(error) => {
            log::debug!("{error}; asking the zfs program");
            None
        }
    }
}

fn parse_rows(text: &str, width: usize) -> Result<Rows> {
    text.lines()
        .map(|line| {
            let row: Vec<String> = line.split('\t').map(str::to_owned).collect();
            if row.len() == width {
                return Ok(row);
            }
            Err(Error::Unexpected {
                what: "the output of zfs list".into(),
                why: format!("expected {width} columns in \"{line}\""),
            })
        })
        .collect()
}

/// Whether a dataset or snapshot exists.
pub fn exists(root: &Root, name: &str) -> Result<bool> {
    let tool = tool(root).args(["list", "-H", "-p", "-o", "name", "-t", "all", name]);
    let command = tool.display();
    let output = tool.output()?;
    if output.success() {
        return Ok(true);
    }
    let stderr = output.error_text();
    if stderr.contains("does not exist") || stderr.contains("no such pool") {
        return Ok(false);
    }
    Err(Error::Failed { command, status: output.status, stderr })
}

/// The values of some properties of one dataset, exact (`-p`).
pub fn get(root: &Root, name: &str, properties: &[&str]) -> Result<BTreeMap<String, String>> {
    let text = tool(root)
        .args(["get", "-H", "-p", "-o", "property,value", &properties.join(","), name])
        .text()?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(property, value)| (property.to_owned(), value.to_owned()))
        .collect())
}

/// Starts `zfs receive` into `target`; the caller writes the stream to its standard input and then finishes it.
pub fn receive(root: &Root, options: &[&str], target: &str) -> Result<Running> {
    tool(root).arg("receive").args(options).arg(target).feed()
}

/// Starts `zfs send` with the given arguments; the caller reads the stream from its standard output.
pub fn send(root: &Root, arguments: &[&str]) -> Result<Running> {
    tool(root).arg("send").args(arguments).stream()
}

/// Renames a dataset.
pub fn rename(root: &Root, from: &str, to: &str) -> Result<()> {
    tool(root).args(["rename", from, to]).run().map(drop)
}

/// Renames a dataset even where its filesystems are in use: they are unmounted by force.
pub fn rename_by_force(root: &Root, from: &str, to: &str) -> Result<()> {
    tool(root).args(["rename", "-f", from, to]).run().map(drop)
}

/// Destroys a dataset or snapshot, with `options` such as `-r`.
pub fn destroy(root: &Root, options: &[&str], name: &str) -> Result<()> {
    tool(root).arg("destroy").args(options).arg(name).run().map(drop)
}

/// How long a dataset may still be in use that is destroyed.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// Destroys a dataset and all below it. SmartOS's zfs waits for one that is still in use with `-F`, if `force`; on other
/// systems, which have no such option, it is tried again for a moment.
pub fn destroy_dataset(root: &Root, name: &str, force: bool) -> Result<()> {
    if zoneadm::is_omnios(root) {
        return when_free(|| destroy(root, &["-r"], name));
    }
    destroy(root, &[if force { "-rF" } else { "-r" }], name)
}

/// A `zfs clone` run that lacks its operands. `force` is SmartOS's `-F`, which other systems do not have.
pub fn clone(root: &Root, force: bool) -> Tool<'_> {
    let tool = tool(root).arg("clone");
    if force && !zoneadm::is_omnios(root) { tool.arg("-F") } else { tool }
}

fn when_free(mut destroy: impl FnMut() -> Result<()>) -> Result<()> {
    let mut last = Ok(());
    wait_for(BUSY_LIMIT, || {
        last = destroy();
        Ok(!matches!(&last, Err(error) if error.stderr().contains("dataset is busy")))
    })?;
    last
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn rows_keep_empty_values_and_refuse_other_widths() {
        let rows = parse_rows("zones\t-\nzones/a\t\n", 2).unwrap();
        assert_eq!(rows, [["zones", "-"], ["zones/a", ""]]);
        assert!(parse_rows("zones\n", 2).is_err());
    }

    #[test]
    fn what_is_busy_is_tried_again_and_nothing_else() {
        for (stderr, tries) in [("cannot destroy 'a': dataset is busy", 3), ("no permission", 1)] {
            let mut count = 0;
            let result = when_free(|| {
                count += 1;
                if count == 3 {
                    return Ok(());
                }
                let stderr = stderr.to_owned();
                Err(Error::Failed { command: String::new(), status: ExitStatus::default(), stderr })
            });
            assert_eq!((count, result.is_ok()), (tries, tries == 3), "{stderr}");
        }
    }
}
