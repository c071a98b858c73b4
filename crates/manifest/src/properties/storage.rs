//! Rows for datasets, quotas and file systems.

use super::Kind::{Boolean, Integer, List, ObjectArray, Text, Zpool};
use super::brands::{ANY, BHYVE, NOT_BHYVE, OS};
use super::{DatasetType, Property};

pub(super) const ROWS: &[Property] = &[
    Property::new("add_filesystems", ObjectArray, "File systems to add.")
        .on_omnios()
        .update(NOT_BHYVE)
        .update_on_omnios(BHYVE)
        .checked_as("filesystems"),
    Property::new("datasets", List, "Datasets delegated to the zone.")
        .on_omnios()
        .receive(ANY)
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Filesystem]),
    Property::new(
        "delegate_dataset",
        Boolean,
        "Create a data dataset and delegate it to the zone.",
    )
    .on_omnios()
    .create_receive(OS)
    .default_text("false"),
    Property::new("filesystems", ObjectArray, "File systems from the host mounted in the zone.")
        .on_omnios()
        .create_receive(OS)
        .create_on_omnios(BHYVE)
        .resources("fs"),
    Property::new("filesystems.*.options", List, "Mount options.")
        .on_omnios()
        .add_update(OS)
        .create_on_omnios(BHYVE)
        .update_on_omnios(BHYVE)
        .updatable(),
    Property::new("filesystems.*.raw", Text, "Raw device to check before mounting.")
        .on_omnios()
        .add_update(OS)
        .create_on_omnios(BHYVE)
        .update_on_omnios(BHYVE)
        .fs_field("raw")
        .updatable(),
    Property::new("filesystems.*.source", Text, "Directory or device of the host to mount.")
        .on_omnios()
        .add_update(OS)
        .create_on_omnios(BHYVE)
        .update_on_omnios(BHYVE)
        .fs_field("special")
        .updatable(),
    Property::new("filesystems.*.target", Text, "Where in the zone it is mounted.")
        .on_omnios()
        .add_update(OS)
        .create_on_omnios(BHYVE)
        .update_on_omnios(BHYVE)
        .fs_field("directory")
        .updatable(),
    Property::new("filesystems.*.type", Text, "File system type, such as lofs.")
        .on_omnios()
        .add_update(OS)
        .create_on_omnios(BHYVE)
        .update_on_omnios(BHYVE)
        .fs_field("type")
        .updatable(),
    Property::new(
        "indestructible_delegated",
        Boolean,
        "Protect the delegated dataset against deletion.",
    )
    .on_omnios()
    .payload(ANY)
    .stored_in_zfs()
    .zfs(&["userrefs"], &[DatasetType::Filesystem, DatasetType::Snapshot])
    .column("INDESTR_DATA", 12)
    .default_text("false")
    .depends_on(&["datasets"]),
    Property::new("indestructible_zoneroot", Boolean, "Protect the zone's root against deletion.")
        .on_omnios()
        .payload(ANY)
        .stored_in_zfs()
        .zfs(&["userrefs"], &[DatasetType::Filesystem, DatasetType::Snapshot])
        .column("INDESTR_ROOT", 12)
        .default_text("false")
        .depends_on(&["zfs_filesystem"]),
    Property::read_only("missing", "Datasets that a VM being received still waits for.")
        .not_on_omnios("nothing is received")
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Filesystem, DatasetType::Volume])
        .depends_on(&["state"]),
    Property::new(
        "quota",
        Integer,
        "GiB of disk space for the zone's root and its descendants; 0 means no limit.",
    )
    .on_omnios()
    .payload(ANY)
    .min(0)
    .stored_in_zfs()
    .zfs(&["refquota", "quota"], &[DatasetType::Filesystem])
    .column("QUOTA", 5)
    .live(),
    Property::new("remove_filesystems", List, "Targets of file systems to remove.")
        .on_omnios()
        .update(ANY),
    Property::read_only("snapshots", "Snapshots of the zone's root taken with create-snapshot.")
        .on_omnios()
        .stored_in_zfs()
        .zfs(&["creation", "name", "written"], &[DatasetType::Snapshot]),
    Property::new("update_filesystems", ObjectArray, "Changes to file systems, matched by target.")
        .on_omnios()
        .update(NOT_BHYVE)
        .update_on_omnios(BHYVE)
        .checked_as("filesystems"),
    Property::new("zfs_data_compression", Text, "Compression of the delegated dataset.")
        .on_omnios()
        .payload(OS)
        .stored_in_zfs()
        .zfs(&["compression"], &[DatasetType::Filesystem])
        .default_text("off"),
    Property::new("zfs_data_recsize", Integer, "Record size of the delegated dataset, in bytes.")
        .on_omnios()
        .payload(OS)
        .min(0)
        .stored_in_zfs()
        .zfs(&["recsize"], &[DatasetType::Filesystem])
        .default_text("131072"),
    Property::new("zfs_filesystem", Text, "Name of the dataset of the zone's root.")
        .on_omnios()
        .receive(ANY)
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Filesystem]),
    Property::new("zfs_filesystem_limit", Integer, "Number of file systems that the VM may have.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .stored_in_zfs()
        .zfs(&["filesystem_limit"], &[DatasetType::Filesystem])
        .default_text("no limit"),
    Property::new("zfs_root_compression", Text, "Compression of the zone's root.")
        .on_omnios()
        .payload(ANY)
        .stored_in_zfs()
        .zfs(&["compression"], &[DatasetType::Filesystem])
        .default_text("off"),
    Property::new("zfs_root_recsize", Integer, "Record size of the zone's root, in bytes.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .stored_in_zfs()
        .zfs(&["recsize"], &[DatasetType::Filesystem])
        .default_text("131072"),
    Property::new("zfs_snapshot_limit", Integer, "Number of snapshots that the VM may have.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .stored_in_zfs()
        .zfs(&["snapshot_limit"], &[DatasetType::Filesystem])
        .default_text("no limit"),
    Property::new("zfs_storage_pool_name", Zpool, "Former name of zpool.")
        .on_omnios()
        .create_receive(NOT_BHYVE)
        .deprecated(),
    Property::new("zpool", Zpool, "The pool that holds the zone's root.")
        .on_omnios()
        .create_receive(ANY)
        .stored_in_zfs()
        .zfs(&["name"], &[DatasetType::Filesystem])
        .column("ZPOOL", 12)
        .default_text("zones"),
];
