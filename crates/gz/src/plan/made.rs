//! What a plan has made itself: undoing that takes everything in it away, so that later steps in it need no undoing of
//! their own. Most steps of a create are of this kind.

use super::step::Step;

/// Things that steps have made or begun to make.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// UUIDs of zones that were configured: deleting the zone takes its configuration.
    configured: Vec<String>,
    /// Names of zones that were installed: uninstalling takes the zone's dataset with all that is below
    /// (`zfs destroy -rF`), and with that the files in it. Datasets and directories of a zone bear its name.
    installed: Vec<String>,
    /// Datasets, which are destroyed recursively.
    datasets: Vec<String>,
    /// Datasets that were moved to where they are now, into what was made or not: they are not ours to destroy.
    moved: Vec<String>,
}

impl Made {
    /// Notes what a step makes.
    pub(super) fn add(&mut self, step: &Step) {
        match step {
            Step::ConfigureZone { uuid, .. } => self.configured.push(uuid.clone()),
            Step::Install { zone, .. } => self.installed.push(zone.clone()),
            Step::CreateFilesystem { dataset, .. }
            | Step::CreateVolume { dataset, .. }
            | Step::CloneDataset { dataset, .. } => self.datasets.push(dataset.clone()),
            Step::Receive { into, base: None, .. } => {
                self.datasets.push(into.split('@').next().unwrap_or(into).to_owned());
            }
            Step::RenameDataset { to, .. } => self.moved.push(to.clone()),
            _ => {}
        }
    }

    /// Whether all that a step does is undone with what was made before it. Holds are not: they keep what has them from
    /// being destroyed.
    pub(super) fn holds(&self, step: &Step) -> bool {
        match step {
            Step::CreateFilesystem { dataset, .. }
            | Step::CreateVolume { dataset, .. }
            | Step::CloneDataset { dataset, .. }
            | Step::SetProperties { dataset, .. }
            | Step::ReserveBhyveSpace { dataset, .. }
            | Step::AdjustSpace { dataset, .. }
            | Step::RaiseQuota { dataset, .. } => self.holds_dataset(dataset),
            Step::Receive { into, .. } => self.holds_dataset(into),
            Step::CreateSnapshots { snapshots } => snapshots.iter().all(|s| self.holds_dataset(s)),
            Step::ChangeZone { uuid, .. } => self.configured.contains(uuid),
            Step::WriteFile { path, .. } | Step::RemoveFile { path } => {
                self.is_of_zone(path.trim_start_matches('/'))
            }
            _ => false,
        }
    }

    fn holds_dataset(&self, name: &str) -> bool {
        let below = |dataset: &String| {
            name.strip_prefix(dataset.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
        };
        !self.moved.iter().any(below) && (self.datasets.iter().any(below) || self.is_of_zone(name))
    }

    /// Whether a dataset (`zones/UUID/data`) or file of that name is of a zone that was installed.
    fn is_of_zone(&self, name: &str) -> bool {
        name.split(['/', '@']).any(|part| self.installed.iter().any(|zone| zone == part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(dataset: &str) -> Step {
        Step::SetProperties { dataset: dataset.into(), properties: vec![] }
    }

    fn write(path: &str) -> Step {
        Step::WriteFile { path: path.into(), text: String::new(), mode: 0o644 }
    }

    #[test]
    fn what_was_moved_into_it_was_not_made() {
        let mut made = Made::default();
        made.add(&Step::CloneDataset {
            snapshot: "zones/i@final".into(),
            dataset: "zones/u1".into(),
            force: false,
            properties: vec![],
        });
        assert!(made.holds(&set("zones/u1/data")));
        made.add(&Step::RenameDataset { from: "zones/kept".into(), to: "zones/u1/data".into() });
        assert!(!made.holds(&set("zones/u1/data")) && !made.holds(&set("zones/u1/data/a")));
        assert!(made.holds(&set("zones/u1")));
    }

    #[test]
    fn only_what_is_inside_counts() {
        let mut made = Made::default();
        made.add(&Step::CreateVolume {
            dataset: "zones/u1-disk0".into(),
            size_mib: 1,
            properties: vec![],
        });
        assert!(made.holds(&set("zones/u1-disk0")));
        assert!(!made.holds(&set("zones/u1-disk01")) && !made.holds(&set("zones")));
        assert!(!made.holds(&write("/zones/u1/config/tags.json")));
        made.add(&Step::Install {
            zone: "u1".into(),
            uuid: "u1".into(),
            quota_gib: 1,
            image: None,
            no_dataset: false,
        });
        assert!(made.holds(&write("/zones/u1/config/tags.json")));
        assert!(made.holds(&set("zones/u1/data")) && made.holds(&set("zones/u1")));
        assert!(!made.holds(&write("/etc/zones/u1.xml")) && !made.holds(&set("zones/u10")));
        assert!(!made.holds(&Step::ChangeZone { uuid: "u1".into(), script: String::new() }));
        assert!(!made.holds(&Step::Boot { uuid: "u1".into() }));
    }
}
