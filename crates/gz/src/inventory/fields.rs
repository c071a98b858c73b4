//! Which fields of VM objects are wanted, and so which sources have to be read.

use std::collections::BTreeSet;

/// The wanted fields. A field brings along those it is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `None`: every field there is.
    wanted: Option<BTreeSet<String>>,
}

/// Known without reading anything but the list of zones.
const FROM_ZONEADM: &[&str] =
    &["brand", "hvm", "uuid", "zone_state", "zonedid", "zoneid", "zonename", "zonepath"];
/// The machine's, the same for every VM.
const FROM_SYSINFO: &[&str] =
    &["datacenter_name", "headnode_id", "platform_buildstamp", "server_uuid"];
/// The kernel's, of running zones.
const FROM_KSTAT: &[&str] = &["boot_timestamp", "init_restarts", "pid"];
const FROM_METADATA_FILE: &[&str] = &["customer_metadata", "internal_metadata"];
const FROM_LASTEXITED_FILE: &[&str] = &["exit_status", "exit_timestamp"];
const FROM_DATASETS: &[&str] = &[
    "disks",
    "free_space",
    "missing",
    "quota",
    "zfs_data_compression",
    "zfs_data_recsize",
    "zfs_filesystem",
    "zfs_filesystem_limit",
    "zfs_root_compression",
    "zfs_root_recsize",
    "zfs_snapshot_limit",
    "zpool",
];
/// Need the snapshots of the VM's own datasets, and those datasets.
const FROM_SNAPSHOTS: &[&str] =
    &["indestructible_delegated", "indestructible_zoneroot", "snapshots"];
/// Fields that need nothing of the zone's configuration.
const NOT_IN_CONFIGURATION: &[&[&str]] = &[
    FROM_ZONEADM,
    FROM_SYSINFO,
    FROM_KSTAT,
    FROM_METADATA_FILE,
    FROM_LASTEXITED_FILE,
    &["last_modified", "routes", "tags", "type"],
];

/// What some fields are computed from.
const DEPENDS: &[(&str, &[&str])] = &[
    ("disks", &["zonepath"]),
    ("free_space", &["flexible_disk_size", "disks"]),
    ("missing", &["state", "datasets", "filesystems", "disks"]),
    ("ram", &["max_physical_memory"]),
    ("state", &["failed", "provisioning", "transition"]),
    ("transition_expire", &["transition"]),
    ("transition_to", &["transition"]),
    ("autoboot", &["vm_autoboot"]),
];

impl Fields {
    /// Every field.
    pub const fn all() -> Self {
        Self { wanted: None }
    }

    /// The given fields and those they depend on.
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut wanted = BTreeSet::new();
        let mut left: Vec<String> =
            names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        while let Some(name) = left.pop() {
            if let Some((_, more)) = DEPENDS.iter().find(|(field, _)| *field == name) {
                left.extend(more.iter().filter(|n| !wanted.contains(**n)).map(|&n| n.to_owned()));
            }
            wanted.insert(name);
        }
        Self { wanted: Some(wanted) }
    }

    /// Whether the field is wanted.
    pub fn wants(&self, field: &str) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(field))
    }

    /// Whether every field of `other` is wanted here too.
    pub fn cover(&self, other: &Self) -> bool {
        match (&self.wanted, &other.wanted) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(others)) => others.is_subset(mine),
        }
    }

    fn any(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.wants(field))
    }

    pub(super) fn need_configuration(&self) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| {
            wanted
                .iter()
                .any(|field| !NOT_IN_CONFIGURATION.iter().any(|s| s.contains(&field.as_str())))
        })
    }

    pub(super) fn need_sysinfo(&self) -> bool {
        self.any(FROM_SYSINFO)
    }

    pub(super) fn need_kstat(&self) -> bool {
        self.any(FROM_KSTAT)
    }

    pub(super) fn need_metadata(&self) -> bool {
        self.any(FROM_METADATA_FILE)
    }

    pub(super) fn need_lastexited(&self) -> bool {
        self.any(FROM_LASTEXITED_FILE)
    }

    pub(super) fn need_datasets(&self) -> bool {
        self.any(FROM_DATASETS) || self.any(FROM_SNAPSHOTS)
    }

    pub(super) fn need_snapshots(&self) -> bool {
        self.any(FROM_SNAPSHOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_by_uuid_reads_the_zone_list_alone() {
        let fields = Fields::of(["uuid"]);
        assert!(!fields.need_configuration() && !fields.need_metadata());
        assert!(!fields.need_datasets() && !fields.need_kstat());
    }

    #[test]
    fn a_listing_reads_no_metadata_and_no_datasets() {
        let fields = Fields::of(["uuid", "type", "ram", "state", "alias"]);
        assert!(fields.need_configuration());
        assert!(!fields.need_metadata() && !fields.need_lastexited());
        assert!(!fields.need_datasets() && !fields.need_snapshots() && !fields.need_kstat());
        assert!(fields.wants("transition") && fields.wants("max_physical_memory"));
    }

    #[test]
    fn snapshots_are_read_only_where_wanted() {
        assert!(!Fields::of(["quota", "disks"]).need_snapshots());
        assert!(Fields::of(["snapshots"]).need_datasets());
        assert!(Fields::all().need_snapshots());
        assert!(Fields::all().cover(&Fields::of(["x"])));
        assert!(!Fields::of(["x"]).cover(&Fields::all()));
    }
}
