//! Rows for memory, CPU and kernel limits.

use super::Kind::Integer;
use super::brands::{ANY, HVM, OS};
use super::{Encoding, Property, RctlAction};

pub(super) const ROWS: &[Property] = &[
    Property::new(
        "cpu_cap",
        Integer,
        "Upper limit of CPU use in per cent of one CPU; 0 removes the limit.",
    )
    .on_omnios()
    .payload(ANY)
    .min(0)
    .rctl("zone.cpu-cap", RctlAction::Deny)
    .encoding(Encoding::Number)
    .column("CPU_CAP", 7)
    .live(),
    Property::new(
        "cpu_shares",
        Integer,
        "Weight of the VM among the others when CPU time is scarce.",
    )
    .on_omnios()
    .payload(ANY)
    .min(0)
    .rctl("zone.cpu-shares", RctlAction::None)
    .encoding(Encoding::Number)
    .column("CPU_SHARE", 9)
    .default_text("100")
    .live(),
    Property::new("max_locked_memory", Integer, "MiB of memory that processes of the VM may lock.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-locked-memory", RctlAction::Deny)
        .encoding(Encoding::Mebibytes)
        .column("MAX_LOCKED", 10)
        .default_text("value of max_physical_memory")
        .live(),
    Property::new("max_lwps", Integer, "Number of lightweight processes in the VM.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-lwps", RctlAction::Deny)
        .encoding(Encoding::Number)
        .column("MAX_LWP", 7)
        .default_text("2000")
        .live(),
    Property::new("max_msg_ids", Integer, "Number of message queue identifiers in the VM.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-msg-ids", RctlAction::Deny)
        .encoding(Encoding::Number),
    Property::new("max_physical_memory", Integer, "MiB of memory that the VM may use on the host.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-physical-memory", RctlAction::Deny)
        .encoding(Encoding::Mebibytes)
        .column("MAX_PHYS", 8)
        .default_text("256; ram plus overhead for hardware virtual machines")
        .live(),
    Property::new("max_sem_ids", Integer, "Number of semaphore identifiers in the VM.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-sem-ids", RctlAction::Deny)
        .encoding(Encoding::Number),
    Property::new("max_shm_ids", Integer, "Number of shared memory identifiers in the VM.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-shm-ids", RctlAction::Deny)
        .encoding(Encoding::Number),
    Property::new("max_shm_memory", Integer, "MiB of shared memory in the VM.")
        .on_omnios()
        .payload(ANY)
        .min(0)
        .rctl("zone.max-shm-memory", RctlAction::Deny)
        .encoding(Encoding::Mebibytes),
    Property::new("max_swap", Integer, "MiB of virtual memory that the VM may use.")
        .on_omnios()
        .payload(ANY)
        .min(256)
        .rctl("zone.max-swap", RctlAction::Deny)
        .encoding(Encoding::Mebibytes)
        .column("MAX_SWAP", 8)
        .default_text("value of max_physical_memory, at least 256")
        .live(),
    Property::new(
        "ram",
        Integer,
        "MiB of memory of the guest; max_physical_memory by another name without one.",
    )
    .on_omnios()
    .payload(ANY)
    .min(0)
    .attr("ram")
    .encoding(Encoding::Number)
    .column("RAM", 7)
    .default_text("256")
    .depends_on(&["brand", "max_physical_memory"]),
    Property::new("tmpfs", Integer, "MiB of the zone's /tmp; 0 leaves /tmp on disk.")
        .on_omnios()
        .payload(OS)
        .min(0)
        .attr("tmpfs")
        .encoding(Encoding::Number)
        .column("TMPFS", 5)
        .default_text("max_physical_memory")
        .keeps_zero(),
    Property::new("vcpus", Integer, "Number of virtual CPUs that the guest sees.")
        .on_omnios()
        .payload(HVM)
        .min(1)
        .attr("vcpus")
        .encoding(Encoding::Number)
        .column("VCPUS", 5)
        .default_text("1"),
    Property::new(
        "zfs_io_priority",
        Integer,
        "Weight of the VM among the others when disk access is scarce.",
    )
    .not_on_omnios("the kernel has no such resource control")
    .payload(ANY)
    .min(0)
    .rctl("zone.zfs-io-priority", RctlAction::None)
    .encoding(Encoding::Number)
    .column("IO_PRIORITY", 11)
    .default_text("100")
    .live(),
];
