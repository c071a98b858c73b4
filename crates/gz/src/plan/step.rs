//! The steps that plans are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names and values of properties, in the order in which the tool is given them.
pub type Properties = Vec<(String, String)>;

/// A file below a zone's root, whose owner is not to be trusted: no symbolic link on the way is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneFile {
    /// The zone's root directory in the global zone (`/zones/<uuid>/root`).
    pub root: String,
    /// The file as the zone sees it (`/etc/nodename`).
    pub path: String,
}

/// One thing to be done. Paths are those of the global zone, without the directory that stands in for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// `zfs create`.
    CreateFilesystem { dataset: String, properties: Properties },
    /// `zfs create -V`, of whole MiB.
    CreateVolume { dataset: String, size_mib: u64, properties: Properties },
    /// `zfs clone`; volumes are cloned with `-F` on SmartOS, which needs it to reserve space for them at once.
    CloneDataset { snapshot: String, dataset: String, force: bool, properties: Properties },
    /// `zfs destroy -r`, where `force` with SmartOS's `-F`; a dataset that is not there is fine.
    DestroyDataset { dataset: String, force: bool },
    /// Destroys a volume with its snapshots and then the snapshot that it was cloned from, where that was made for it
    /// alone (anything but an image's `@final`).
    DestroyVolume { dataset: String },
    /// `zfs rename -f`.
    RenameDataset { from: String, to: String },
    /// `zfs snapshot` of all of them at once.
    CreateSnapshots { snapshots: Vec<String> },
    /// `zfs destroy` of a snapshot; one that is not there is fine.
    DestroySnapshot { snapshot: String },
    /// `zfs destroy -r` of a snapshot and those of the same name below; none is fine.
    DestroySnapshots { snapshot: String },
    /// The same for the snapshots that a VM travels as, by force as SmartOS's vmadm does it.
    DestroySending { snapshot: String },
    /// `zfs umount`; one that is not mounted, or not there, is fine.
    UnmountDataset { dataset: String },
    /// `zfs mount`; one that is mounted, or not there, is fine.
    MountDataset { dataset: String },
    /// The program that sets up roots of a brand, with its arguments.
    BrandScript { brand: String, arguments: Vec<String> },
    /// `zfs rollback -r`: later snapshots go.
    Rollback { snapshot: String },
    /// Reads the next header of a sent VM from standard input, which has to name `chunk`, and receives the stream that
    /// follows into `into`: a dataset, or the snapshot of one that the stream brings.
    Receive {
        chunk: String,
        into: String,
        /// The snapshot of the same dataset that the stream builds on; without one the stream makes the dataset.
        base: Option<String>,
        /// What came of a stream that was cut off stays, to go on from there.
        resumable: bool,
    },
    /// `zoneadm detach`; a zone that is not installed is fine.
    Detach { uuid: String },
    /// `zoneadm attach`; a zone that is installed is fine. `cores` is the dataset that brands make for core dumps.
    Attach { uuid: String, cores: String },
    /// Shows the snapshot `vmsnap-NAME` to the running zone below `/checkpoints`.
    MountCheckpoint { zonepath: String, name: String },
    /// Takes it away again.
    UnmountCheckpoint { zonepath: String, name: String },
    /// Sets the time of a file of the global zone's own to now: what watches it looks at the VM again.
    Touch { path: String },
    /// `zfs hold`.
    Hold { tag: String, snapshot: String },
    /// `zfs release` of every hold on a snapshot.
    ReleaseHolds { snapshot: String },
    /// `zfs set`.
    SetProperties { dataset: String, properties: Properties },
    /// Quotas and reservations of a bhyve VM: `quota_gib` for the zone itself, each volume's own need, and
    /// `flexible_mib` in all for volumes and snapshots where the VM has a flexible size.
    ReserveBhyveSpace {
        dataset: String,
        quota_gib: u64,
        flexible_mib: Option<u64>,
        /// Volumes whose reservation the operator has chosen and keeps.
        keep: Vec<String>,
    },
    /// Makes room in a bhyve VM's quota and reservation for a volume that takes `delta` bytes more (or less).
    AdjustSpace { dataset: String, delta: i64 },
    /// Lets the VM have `bytes` above its quota for a while.
    RaiseQuota { dataset: String, bytes: u64 },
    /// Ends that: the quota is what the VM has reserved.
    SettleQuota { dataset: String },
    /// `zonecfg -z`: makes a zone.
    ConfigureZone { zone: String, uuid: String, script: String },
    /// `zonecfg -u`: changes a zone; the script goes to standard input, or as one argument where it is one line.
    ChangeZone { uuid: String, script: String },
    /// `zonecfg delete -F`; a zone that is not there is fine.
    DeleteZone { uuid: String },
    /// `zoneadm install`.
    Install { zone: String, uuid: String, quota_gib: u64, image: Option<String>, no_dataset: bool },
    /// `zoneadm uninstall -F`; a zone that is not installed is fine.
    Uninstall { uuid: String },
    /// `zoneadm boot -X`.
    Boot { uuid: String },
    /// `zoneadm boot -X` with a configuration that `script` has changed for this boot only: it is put back at once,
    /// whether the zone booted or not.
    BootOnce { uuid: String, script: String },
    /// `zoneadm -z` with a subcommand as it stands: OmniOS's zoneadm has none of SmartOS's options.
    Zoneadm { zone: String, arguments: Vec<String> },
    /// `zoneadm halt -X`; a zone that is halted is fine.
    Halt { uuid: String },
    /// `zoneadm reboot -X`.
    Reset { uuid: String },
    /// `zlogin`: runs a command in a running zone. Its failure counts only where `required`.
    Login { zone: String, command: Vec<String>, required: bool },
    /// Has a running zone shut itself down by a command in it; after `seconds` the zone is halted, at once where the
    /// command cannot be run.
    ShutDown { uuid: String, zone: String, command: Vec<String>, seconds: u64 },
    /// Waits until the zone is down; after `seconds` it is halted.
    AwaitDown { uuid: String, seconds: u64 },
    /// Has a running zone, the instance with the id `zone_id`, reboot itself by a command in it, and waits up to
    /// `seconds` until another instance runs.
    RebootFromWithin {
        uuid: String,
        zone: String,
        command: Vec<String>,
        zone_id: Option<u32>,
        seconds: u64,
    },
    /// SIGTERM to the zone's init; after `seconds` SIGKILL where `kill`, else the zone is halted.
    TerminateInit { uuid: String, pid: i32, seconds: u64, kill: bool },
    /// Asks a KVM guest to power down and waits `seconds` for that, then halts the zone.
    PowerDown { uuid: String, zonepath: String, seconds: u64 },
    /// Waits until the new VM has said that it is set up, marks it failed after `deadline_ms` (since the epoch). Where
    /// that is `by_guest`, qemu knows when the guest's hardware is.
    AwaitProvisioned { uuid: String, zonepath: String, deadline_ms: u64, by_guest: bool },
    /// Empties a directory, or makes it.
    FreshDirectory { path: String, mode: u32 },
    /// Writes a file of the global zone's own, whole.
    WriteFile { path: String, text: String, mode: u32 },
    /// Removes a file of the global zone's own; one that is not there is fine.
    RemoveFile { path: String },
    /// Writes a file below a zone's root, in place of what is there, making directories on the way.
    WriteZoneFile { file: ZoneFile, text: String, mode: u32 },
    /// Fills a volume with a FAT file system of these files (name and text), for cloud-init.
    WriteSeed { volume: String, files: BTreeMap<String, String> },
    /// Puts text before the first of `files` that exists.
    PrependZoneFile { root: String, paths: Vec<String>, text: String },
    /// Takes lines out of a text file below a zone's root and puts others at its end; an absent file is made.
    ReplaceZoneLines { file: ZoneFile, remove: Vec<String>, add: Vec<String> },
    /// Makes sure that a zone has a plain file, to mount something over for one: a link in its place goes. Without
    /// `directories` nothing is done where its directory does not exist.
    TouchZoneFile { file: ZoneFile, directories: bool },
    /// Removes files below a zone's root. `*` in the last component stands for any text.
    RemoveZoneFiles { root: String, paths: Vec<String> },
    /// `svccfg setprop` in the repository of a zone that is not running.
    SetServiceProperty { root: String, service: String, property: String, value: String },
    /// Copies what the image has at `directory` to the created filesystem `to`.
    CopyZoneDirectory { root: String, directory: String, to: String },
    /// Copies a file or directory, links as links. What is not there or cannot be read is left out.
    CopyTree { from: String, to: String },
    /// Writes every property of a dataset and those below it to a file.
    DumpProperties { dataset: String, to: String },
    /// `prctl`: sets a resource control of a running zone from `before` to `value`, or removes it.
    SetRctl { zone: String, name: String, value: Option<u64>, before: Option<u64> },
    /// `fwadm start` or `stop`: the packet filter of a running zone.
    SetFirewall { uuid: String, enabled: bool },
    /// `fwadm update`: rules that go by the VM's addresses and tags are worked out anew, those of other VMs too.
    UpdateFirewalls { uuid: String },
    /// Puts a new VNC password or port of a running VM into effect. The password is `None` where it is not changed, or
    /// the VM's brand takes it only when it starts.
    ReloadDisplay { uuid: String, zonepath: String, password: Option<String> },
    /// Nothing; where the steps behind it are undone, `then` is done after that.
    WhenUndone { then: Box<Step> },
    /// `dladm`: sets a link property of a running zone's interface from `before` to `value`; empty is the default.
    SetLinkProperty {
        zone: String,
        link: String,
        property: String,
        value: String,
        before: String,
        /// Whether it is an error that it cannot be set.
        required: bool,
    },
}

impl Step {
    /// Whether it changes nothing that counts where it fails, though it cannot be undone once it is done.
    pub(super) fn is_all_or_nothing(&self) -> bool {
        matches!(self, Self::Rollback { .. })
    }

    /// Whether it waits for what goes on in the VM: it gives way to a command that goes by force.
    pub(super) fn waits_for_guest(&self) -> bool {
        match self {
            Self::ShutDown { .. }
            | Self::AwaitDown { .. }
            | Self::RebootFromWithin { .. }
            | Self::TerminateInit { .. }
            | Self::PowerDown { .. }
            | Self::AwaitProvisioned { .. } => true,
            // The brand waits for the guest to power down.
            Self::Zoneadm { arguments, .. } => {
                arguments.first().is_some_and(|command| command == "shutdown")
            }
            _ => false,
        }
    }
}
