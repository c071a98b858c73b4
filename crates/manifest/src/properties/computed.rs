//! Rows for what is only ever read.

use super::{Encoding, Property};

/// Why OmniOS has not what depends on it.
const NO_SYSINFO: &str = "there is no sysinfo";

pub(super) const ROWS: &[Property] = &[
    Property::read_only(
        "boot_timestamp",
        "When the VM was last booted, as an ISO 8601 time in UTC.",
    )
    .on_omnios()
    .kstat("boot_time")
    .encoding(Encoding::EpochSeconds)
    .column("BOOT_TIMESTAMP", 24),
    Property::read_only("datacenter_name", "Name of the data centre of the host.")
        .not_on_omnios(NO_SYSINFO)
        .sysinfo("Datacenter Name"),
    Property::read_only("exit_status", "Exit status of the zone's first process.")
        .not_on_omnios("zones leave no record of their end")
        .column("EXIT", 4),
    Property::read_only("exit_timestamp", "When the zone's first process ended.")
        .not_on_omnios("zones leave no record of their end")
        .column("EXIT_TIMESTAMP", 24),
    Property::read_only("headnode_id", "Identifier of the head node of the host.")
        .not_on_omnios(NO_SYSINFO)
        .sysinfo("Headnode ID"),
    Property::read_only("init_restarts", "How often the zone's first process was restarted.")
        .on_omnios()
        .kstat("init_restarts")
        .encoding(Encoding::Number),
    Property::read_only("last_modified", "When the VM's configuration was last written.")
        .on_omnios(),
    Property::read_only("pid", "Process identifier of the zone's first process.")
        .on_omnios()
        .kstat("init_pid")
        .encoding(Encoding::Number)
        .column("PID", 6),
    Property::read_only("platform_buildstamp", "Build of the platform that the host runs.")
        .not_on_omnios(NO_SYSINFO)
        .sysinfo("Live Image"),
    Property::read_only("server_uuid", "UUID of the host.")
        .not_on_omnios(NO_SYSINFO)
        .sysinfo("UUID")
        .default_text("read from the host"),
    Property::read_only("state", "State of the VM, such as running, stopped or provisioning.")
        .on_omnios()
        .column("STATE", 16)
        .depends_on(&["failed", "provisioning", "transition", "zone_state"]),
    Property::read_only(
        "transition_expire",
        "When the state change in progress counts as failed, in milliseconds since 1970.",
    )
    .not_on_omnios("nothing watches over changes of state")
    .depends_on(&["transition"]),
    Property::read_only("transition_to", "State that the change in progress leads to.")
        .not_on_omnios("nothing watches over changes of state")
        .depends_on(&["transition"]),
    Property::read_only("type", "OS, LX, KVM or BHYV, after the brand.")
        .on_omnios()
        .column("TYPE", 4)
        .depends_on(&["brand"]),
];
