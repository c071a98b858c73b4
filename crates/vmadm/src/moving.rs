//! What both sides of a move read of the system.

use std::collections::HashMap;

use gz::plan::Properties;
use gz::{Root, images, zfs};

use crate::cli::Failure;
use crate::plan::transfer::{Dataset, Have, Snapshot, dataset_of};

/// The datasets of these names with all below them, parents first, and their snapshots, oldest first. A name that does
/// not exist has none.
pub fn datasets(root: &Root, names: &[String]) -> Result<Vec<Dataset>, Failure> {
    const PROPERTIES: [&str; 6] =
        ["name", "type", "guid", "origin", "receive_resume_token", "createtxg"];
    let mut below = vec!["-r"];
    for name in names {
        if zfs::exists(root, name)? {
            below.push(name);
        }
    }
    if below.len() == 1 {
        return Ok(Vec::new());
    }
    let mut rows = zfs::list(root, "filesystem,volume,snapshot", &PROPERTIES, &below, None)?;
    // zfs lists snapshots by age or by name, as it has it at hand.
    let age = |row: &[String]| -> Option<u64> { row.last()?.parse().ok() };
    rows.sort_by_cached_key(|row| {
        let dataset = dataset_of(&row[0]).to_owned();
        let is_snapshot = row[0] != dataset;
        (dataset, is_snapshot, is_snapshot.then(|| age(row)))
    });
    let filled = |value: &String| (value != "-").then(|| value.clone());
    let mut found: Vec<Dataset> = Vec::new();
    for row in &rows {
        let [name, kind, guid, origin, token, _] = row.as_slice() else { continue };
        if kind != "snapshot" {
            let origin = filled(origin).map(|name| Snapshot { name, guid: String::new() });
            let resume_token = filled(token);
            found.push(Dataset { name: name.clone(), origin, resume_token, ..Dataset::default() });
        } else if let Some((dataset, snapshot)) = name.split_once('@')
            && let Some(dataset) = found.iter_mut().find(|found| found.name == dataset)
        {
            dataset.snapshots.push(Snapshot { name: snapshot.to_owned(), guid: guid.clone() });
        }
    }
    let names: Vec<String> =
        found.iter().filter_map(|dataset| Some(dataset.origin.as_ref()?.name.clone())).collect();
    let guids = guids(root, &names)?;
    for origin in found.iter_mut().filter_map(|dataset| dataset.origin.as_mut()) {
        origin.guid = guids.get(&origin.name).cloned().unwrap_or_default();
    }
    Ok(found)
}

/// The guids of the snapshots among `names` that exist.
fn guids(root: &Root, names: &[String]) -> Result<HashMap<String, String>, Failure> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let tool = zfs::tool(root).args(["list", "-H", "-p", "-t", "snapshot", "-o", "name,guid"]);
    let tool = tool.args(names);
    let command = tool.display();
    let output = tool.output()?;
    // One that does not exist makes zfs fail, after it has listed the others.
    let stderr = output.error_text();
    if !output.success() && !stderr.lines().all(|line| line.contains("does not exist")) {
        return Err(gz::Error::Failed { command, status: output.status, stderr }.into());
    }
    let text = output.text();
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(rows.map(|(name, guid)| (name.to_owned(), guid.to_owned())).collect())
}

/// The `@final` snapshots of the images that are installed, on `pool` alone where one is given.
pub fn image_snapshots(root: &Root, pool: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
    let (records, broken) = images::read_all(root)?;
    for error in broken {
        log::warn!("{error}");
    }
    let names: Vec<String> = records
        .iter()
        .filter(|record| pool.is_none_or(|pool| record.pool == pool))
        .map(|record| format!("{}/{}@final", record.pool, record.uuid))
        .collect();
    let mut found: Vec<Snapshot> =
        guids(root, &names)?.into_iter().map(|(name, guid)| Snapshot { name, guid }).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What this side has that the VM can build on when it is sent here.
pub fn have(root: &Root, uuid: &str, pool: Option<&str>) -> Result<Have, Failure> {
    let below: Vec<&str> = pool.into_iter().collect();
    // The VM may not be configured yet: its datasets are known by their names.
    let rows = zfs::list(root, "filesystem,volume", &["name"], &below, Some(1))?;
    let is_own = |name: &str| {
        let rest = name.split_once('/').and_then(|(_, name)| name.strip_prefix(uuid));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-disk"))
    };
    let tops: Vec<String> = rows.into_iter().flatten().filter(|name| is_own(name)).collect();
    Ok(Have {
        uuid: uuid.to_owned(),
        zpool: pool.map(str::to_owned),
        datasets: datasets(root, &tops)?,
        images: image_snapshots(root, pool)?,
    })
}

/// What was set on each of these datasets and those below them, as `zfs set` takes it. The size of a volume is in its
/// stream.
pub fn properties(root: &Root, names: &[String]) -> Result<HashMap<String, Properties>, Failure> {
    let sources = ["get", "-H", "-p", "-r", "-t", "filesystem,volume", "-s", "local,received"];
    let text = zfs::tool(root)
        .args(sources)
        .args(["-o", "name,property,value", "all"])
        .args(names)
        .text()?;
    let mut found: HashMap<String, Properties> = HashMap::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, '\t');
        if let (Some(name), Some(property), Some(value)) =
            (fields.next(), fields.next(), fields.next())
        {
            let of = found.entry(dataset_of(name).to_owned()).or_default();
            of.push((property.to_owned(), value.to_owned()));
        }
    }
    for properties in found.values_mut() {
        let size: Option<u64> = value(properties, "volsize").and_then(|size| size.parse().ok());
        properties.retain(|(name, _)| name != "volsize");
        for (name, value) in properties.iter_mut() {
            let bytes: Option<u64> = value.parse().ok();
            let is_limit = name.ends_with("quota") || name.ends_with("reservation");
            if is_limit && bytes == Some(0) {
                "none".clone_into(value);
            } else if name == "refreservation" && size.is_some() && bytes > size {
                // What zfs worked out itself it takes from nobody else.
                "auto".clone_into(value);
            }
        }
    }
    Ok(found)
}

fn value<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    properties.iter().find(|(property, _)| property == name).map(|(_, value)| value.as_str())
}
