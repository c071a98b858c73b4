//! What undoes a step. Asked before the step runs, because some of it is the state it finds.

use super::step::{Properties, Step};
use crate::files;
use crate::root::Root;
use crate::tool::{Error, Result};
use crate::{zfs, zonecfg};

impl Step {
    /// The steps that bring back the state before this one, in the order to run them. They can be run whether the step
    /// was done, done in part or not at all. Files in a zone's own datasets have none: who makes the datasets undoes
    /// them whole.
    pub fn undo(&self, root: &Root) -> Result<Vec<Step>> {
        Ok(match self {
            Self::CreateFilesystem { dataset, .. }
            | Self::CreateVolume { dataset, .. }
            | Self::CloneDataset { dataset, .. } => {
                vec![Self::DestroyDataset { dataset: dataset.clone(), force: true }]
            }
            Self::Receive { base: Some(base), .. } => {
                vec![Self::Rollback { snapshot: base.clone() }]
            }
            Self::Receive { into, base: None, .. } => {
                let dataset = into.split('@').next().unwrap_or(into).to_owned();
                vec![Self::DestroyDataset { dataset, force: true }]
            }
            Self::Detach { uuid } => {
                vec![Self::Attach { uuid: uuid.clone(), cores: String::new() }]
            }
            Self::Attach { uuid, cores } => {
                let mut steps = vec![Self::Detach { uuid: uuid.clone() }];
                if !zfs::exists(root, cores)? {
                    steps.push(Self::DestroyDataset { dataset: cores.clone(), force: true });
                }
                steps
            }
            Self::UnmountDataset { dataset } => {
                vec![Self::MountDataset { dataset: dataset.clone() }]
            }
            Self::RenameDataset { from, to } => {
                vec![Self::RenameDataset { from: to.clone(), to: from.clone() }]
            }
            Self::CreateSnapshots { snapshots } => snapshots
                .iter()
                .map(|snapshot| Self::DestroySnapshot { snapshot: snapshot.clone() })
                .collect(),
            Self::Hold { snapshot, .. } => {
                vec![Self::ReleaseHolds { snapshot: snapshot.clone() }]
            }
            Self::SetProperties { dataset, properties } => {
                let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
                vec![Self::SetProperties {
                    dataset: dataset.clone(),
                    properties: present(root, dataset, &names)?,
                }]
            }
            Self::ReserveBhyveSpace { dataset, .. } => space(root, dataset)?,
            Self::RaiseQuota { dataset, .. } => vec![Self::SetProperties {
                dataset: dataset.clone(),
                properties: present(root, dataset, &["quota"])?,
            }],
            Self::AdjustSpace { dataset, .. } => vec![Self::SetProperties {
                dataset: dataset.clone(),
                properties: present(root, dataset, &["quota", "reservation"])?,
            }],
            Self::ConfigureZone { uuid, .. } => vec![Self::DeleteZone { uuid: uuid.clone() }],
            Self::ChangeZone { uuid, .. } => configuration(root, uuid)?,
            Self::BootOnce { uuid, .. } => {
                let mut steps = vec![Self::Halt { uuid: uuid.clone() }];
                steps.extend(configuration(root, uuid)?);
                steps
            }
            Self::Install { uuid, .. } => vec![Self::Uninstall { uuid: uuid.clone() }],
            Self::Zoneadm { zone, arguments } => match arguments.first().map(String::as_str) {
                Some("install") => vec![Self::Uninstall { uuid: zone.clone() }],
                Some("boot") => vec![Self::Halt { uuid: zone.clone() }],
                _ => Vec::new(),
            },
            Self::Boot { uuid } => vec![Self::Halt { uuid: uuid.clone() }],
            Self::WriteFile { path, .. } | Self::RemoveFile { path } => vec![file(root, path)?],
            Self::ReplaceZoneLines { file, remove, add } => vec![Self::ReplaceZoneLines {
                file: file.clone(),
                remove: add.clone(),
                add: remove.clone(),
            }],
            Self::SetRctl { zone, name, value, before } => vec![Self::SetRctl {
                zone: zone.clone(),
                name: name.clone(),
                value: *before,
                before: *value,
            }],
            Self::SetLinkProperty { zone, link, property, value, before, .. } => {
                vec![Self::SetLinkProperty {
                    zone: zone.clone(),
                    link: link.clone(),
                    property: property.clone(),
                    value: before.clone(),
                    before: value.clone(),
                    // The zone, and with it the link, may be gone by then.
                    required: false,
                }]
            }
            Self::WhenUndone { then } => vec![(**then).clone()],
            _ => Vec::new(),
        })
    }
}

/// A zone's configuration as it is.
fn configuration(root: &Root, uuid: &str) -> Result<Vec<Step>> {
    let file = zonecfg::read_file(root, uuid)?;
    Ok(file.into_iter().map(|(path, text)| Step::WriteFile { path, text, mode: 0o644 }).collect())
}

/// The values that properties of a dataset have now, as `zfs set` takes them.
fn present(root: &Root, dataset: &str, names: &[&str]) -> Result<Properties> {
    let asked: Vec<&str> = names.iter().copied().chain(["volsize"]).collect();
    let values = zfs::get(root, dataset, &asked)?;
    let size = values.get("volsize").map_or("", String::as_str);
    Ok(names
        .iter()
        .filter_map(|name| values.get(*name).map(|value| (*name, value)))
        .map(|(name, value)| {
            let value = match name {
                "refreservation" => reservation(value, size),
                _ if value == "0" && (name.contains("quota") || name == "reservation") => "none",
                _ => value,
            };
            (name.to_owned(), value.to_owned())
        })
        .collect())
}

/// A `refreservation` in bytes as `zfs set` takes it. More than the volume's size is what zfs worked out itself, and takes
/// from nobody else.
fn reservation<'a>(bytes: &'a str, size: &str) -> &'a str {
    match (bytes.parse::<u64>(), size.parse::<u64>()) {
        (Ok(0), _) => "none",
        (Ok(reserved), Ok(size)) if reserved > size => "auto",
        _ => bytes,
    }
}

/// A bhyve VM's reservations as they are. A dataset that does not exist yet has none to bring back.
fn space(root: &Root, dataset: &str) -> Result<Vec<Step>> {
    const OF_ZONE: [&str; 4] = ["refreservation", "refquota", "quota", "reservation"];
    let rows = match zfs::list(
        root,
        "filesystem,volume",
        &["name", "type", "refreservation", "volsize"],
        &["-r", dataset],
        None,
    ) {
        Ok(rows) => rows,
        Err(error) if error.stderr().contains("does not exist") => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let properties = present(root, dataset, &OF_ZONE)?;
    let mut steps = vec![Step::SetProperties { dataset: dataset.to_owned(), properties }];
    for row in rows {
        if let [name, kind, bytes, size] = row.as_slice()
            && kind == "volume"
        {
            let value = reservation(bytes, size).to_owned();
            let properties = vec![("refreservation".to_owned(), value)];
            steps.push(Step::SetProperties { dataset: name.clone(), properties });
        }
    }
    Ok(steps)
}

fn file(root: &Root, path: &str) -> Result<Step> {
    Ok(match files::read_optional(&root.path(path))? {
        Some(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| Error::Unexpected {
                what: path.to_owned(),
                why: "it is not UTF-8".into(),
            })?;
            Step::WriteFile { path: path.to_owned(), text, mode: 0o644 }
        }
        None => Step::RemoveFile { path: path.to_owned() },
    })
}
