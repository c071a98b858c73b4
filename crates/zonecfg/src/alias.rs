//! Short names of resource controls: `max-lwps` for one privileged value of `zone.max-lwps`, and so on.

use crate::fault::Fault;
use crate::model::{Rctl, RctlValue, Resource, Zone};

/// A short name and the control it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The property's name.
    pub name: &'static str,
    /// The control's name.
    pub rctl: &'static str,
    /// The action of its one value.
    pub action: &'static str,
    /// The least limit.
    pub least: u64,
}

const fn alias(name: &'static str, rctl: &'static str, action: &'static str, least: u64) -> Alias {
    Alias { name, rctl, action, least }
}

/// `max-lwps`
pub const MAX_LWPS: Alias = alias("max-lwps", "zone.max-lwps", "deny", 100);
/// `max-processes`
pub const MAX_PROCESSES: Alias = alias("max-processes", "zone.max-processes", "deny", 100);
/// `max-shm-memory`, bytes
pub const MAX_SHM_MEMORY: Alias = alias("max-shm-memory", "zone.max-shm-memory", "deny", 0);
/// `max-shm-ids`
pub const MAX_SHM_IDS: Alias = alias("max-shm-ids", "zone.max-shm-ids", "deny", 0);
/// `max-msg-ids`
pub const MAX_MSG_IDS: Alias = alias("max-msg-ids", "zone.max-msg-ids", "deny", 0);
/// `max-sem-ids`
pub const MAX_SEM_IDS: Alias = alias("max-sem-ids", "zone.max-sem-ids", "deny", 0);
/// `cpu-shares`
pub const CPU_SHARES: Alias = alias("cpu-shares", "zone.cpu-shares", "none", 0);
/// `zfs-io-priority`
pub const ZFS_IO_PRIORITY: Alias = alias("zfs-io-priority", "zone.zfs-io-priority", "none", 0);
/// `ncpus` of capped-cpu, hundredths of a processor
pub const CPU_CAP: Alias = alias("ncpus", "zone.cpu-cap", "deny", 0);
/// `physical` of capped-memory, bytes
pub const PHYSICAL: Alias = alias("physical", "zone.max-physical-memory", "deny", 0);
/// `swap` of capped-memory, bytes
pub const SWAP: Alias = alias("swap", "zone.max-swap", "deny", 0);
/// `locked` of capped-memory, bytes
pub const LOCKED: Alias = alias("locked", "zone.max-locked-memory", "deny", 0);

/// The aliases that are properties of the zone, in the order in which `info` shows them.
pub const OF_ZONE: &[Alias] = &[
    MAX_LWPS,
    MAX_PROCESSES,
    MAX_SHM_MEMORY,
    MAX_SHM_IDS,
    MAX_MSG_IDS,
    MAX_SEM_IDS,
    CPU_SHARES,
    ZFS_IO_PRIORITY,
];

impl Alias {
    /// The limit that is set.
    ///
    /// # Errors
    /// [`Fault::NoEntry`] where the control is not set, [`Fault::AliasDisallowed`] where it is set in a way
    /// that the alias cannot say: twice, with several values, or with another privilege or action.
    pub fn get(&self, zone: &Zone) -> Result<u64, Fault> {
        let mut controls = zone.rctls().filter(|rctl| rctl.name == self.rctl);
        let rctl = controls.next().ok_or(Fault::NoEntry)?;
        match rctl.values.as_slice() {
            [value]
                if controls.next().is_none()
                    && value.privilege == "privileged"
                    && value.action == self.action =>
            {
                Ok(leading_u64(&value.limit))
            }
            _ => Err(Fault::AliasDisallowed),
        }
    }

    /// Whether the alias can be set.
    pub fn settable(&self, zone: &Zone) -> bool {
        self.get(zone) != Err(Fault::AliasDisallowed)
    }

    /// Sets the control; it moves to the end.
    ///
    /// # Errors
    /// [`Fault::AliasDisallowed`] as in [`Alias::get`].
    pub fn set(&self, zone: &mut Zone, limit: u64) -> Result<(), Fault> {
        match self.get(zone) {
            Err(Fault::AliasDisallowed) => return Err(Fault::AliasDisallowed),
            Ok(_) => self.remove(zone),
            Err(_) => {}
        }
        let values = vec![RctlValue::privileged(limit, self.action)];
        zone.add(Rctl { name: self.rctl.to_owned(), values });
        Ok(())
    }

    /// Removes the control.
    pub fn remove(&self, zone: &mut Zone) {
        zone.resources
            .retain(|entry| !matches!(&entry.resource, Resource::Rctl(r) if r.name == self.rctl));
    }
}

/// The number that a text begins with, 0 without one.
fn leading_u64(text: &str) -> u64 {
    let text = text.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 { 0 } else { text[..digits].parse().unwrap_or(u64::MAX) }
}

/// Turns the older form of a physical memory limit into the resource control that replaced it.
pub fn replace_memory_cap(zone: &mut Zone) {
    let at =
        zone.resources.iter().position(|entry| matches!(entry.resource, Resource::MemoryCap(_)));
    let Some(at) = at else { return };
    if let Resource::MemoryCap(cap) = zone.resources.remove(at).resource {
        // A control of that name that is more than the alias can say stays as it is.
        let _ = PHYSICAL.set(zone, leading_u64(&cap.physcap));
    }
}
