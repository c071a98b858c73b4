//! zonecfg(8): making, changing and deleting zone configurations.

use zonecfg::mapping::smartos_load;

use crate::root::Root;
use crate::tool::{Error, Result, Tool};
use crate::zoneadm;

const ZONECFG: &str = "/usr/sbin/zonecfg";

/// A `zonecfg` run for what has no function of its own here.
pub fn tool(root: &Root) -> Tool<'_> {
    root.tool(ZONECFG)
}

/// The option that names a VM's zone: its UUID on SmartOS, its name elsewhere, where zonecfg knows no UUIDs.
fn selector(root: &Root, uuid: &str) -> Result<[String; 2]> {
    Ok(if zoneadm::is_omnios(root) {
        ["-z".to_owned(), zoneadm::name_of(root, uuid)?]
    } else {
        ["-u".to_owned(), uuid.to_owned()]
    })
}

/// Makes the zone `name` of a script (`create -b` …).
pub fn create(root: &Root, name: &str, script: &str) -> Result<()> {
    tool(root).args(["-z", name]).stdin(script).run().map(drop)
}

/// Changes a zone. A single command without a line end is given as an argument, lines as input, as SmartOS's vmadm
/// does; an empty script changes nothing.
pub fn change(root: &Root, uuid: &str, script: &str) -> Result<()> {
    if script.trim().is_empty() {
        return Ok(());
    }
    let tool = tool(root).args(selector(root, uuid)?);
    if script.contains('\n') { tool.stdin(script) } else { tool.arg(script) }.run().map(drop)
}

/// Deletes a zone's configuration; one that is not there is fine.
pub fn delete(root: &Root, uuid: &str) -> Result<()> {
    match tool(root).args(selector(root, uuid)?).args(["delete", "-F"]).run() {
        Err(error) if is_absent(error.stderr()) => remove_document(root, uuid),
        other => other.map(drop),
    }
}

/// Removes the document of a zone that is not in the index: zonecfg may have been killed before it wrote that.
fn remove_document(root: &Root, name: &str) -> Result<()> {
    let store = zonecfg::store::Root::open(root.path("/"));
    let removed = match store.index() {
        Ok(index) if index.get(name).is_some() => Ok(()),
        Ok(_) => store.remove_zone_file(name),
        Err(error) => Err(error),
    };
    removed.map_err(|error| Error::Unexpected {
        what: format!("what is left of zone {name}"),
        why: error.to_string(),
    })
}

/// Whether a message says that the zone does not exist.
pub(crate) fn is_absent(stderr: &str) -> bool {
    let stderr = stderr.to_ascii_lowercase();
    ["no such zone", "no zone with uuid", "no zone specified", "bogus zone name"]
        .iter()
        .any(|words| stderr.contains(words))
}

/// Whether the configuration of a zone other than `own` sets a flag of VMs (`firewall_enabled`), on SmartOS. Runs no
/// tool; a document that cannot be read says nothing.
pub fn any_other_has_flag(root: &Root, own: &str, flag: &str) -> Result<bool> {
    let directory = root.path("/etc/zones");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(Error::io(format!("cannot read {}", directory.display()), error));
        }
    };
    let attribute = format!("\"{}\"", flag.replace('_', "-"));
    let is_other = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|extension| extension == "xml")
            && path.file_stem().is_some_and(|name| name != own)
    };
    let mut texts = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_other)
        .filter_map(|path| std::fs::read_to_string(path).ok())
        // Most zones do not have it: looking for its name is all that they cost.
        .filter(|text| text.contains(&attribute));
    Ok(texts.any(|text| {
        let vm = smartos_load::load(&text, &|field| field == flag);
        vm.is_ok_and(|vm| vm.get(flag) == Some(&true.into()))
    }))
}

/// The path and text of the file that holds a zone's configuration; `None` where the zone does not exist.
pub fn read_file(root: &Root, uuid: &str) -> Result<Option<(String, String)>> {
    let name = zoneadm::name_of(root, uuid)?;
    let path = format!("/etc/zones/{name}.xml");
    let bytes = crate::files::read_optional(&root.path(&path))?;
    Ok(bytes.map(|bytes| (path, String::from_utf8_lossy(&bytes).into_owned())))
}
