//! The columns that `list` can show, and the keys that filters, columns and sort orders may name.

use super::flatten::{ARRAYS_OF_OBJECTS, OBJECTS};

/// A column's heading and least width in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub header: String,
    pub width: usize,
}

/// Field, heading, width.
const COLUMNS: &[(&str, &str, usize)] = &[
    ("alias", "ALIAS", 10),
    ("autoboot", "AUTOBOOT", 8),
    ("billing_id", "BILLING_ID", 36),
    ("boot_timestamp", "BOOT_TIMESTAMP", 24),
    ("brand", "BRAND", 14),
    ("cpu_cap", "CPU_CAP", 7),
    ("cpu_shares", "CPU_SHARE", 9),
    ("cpu_type", "CPU_TYPE", 8),
    ("create_timestamp", "CREATE_TIMESTAMP", 24),
    ("dns_domain", "DOMAIN", 32),
    ("do_not_inventory", "DNI", 5),
    ("docker", "DOCKER", 6),
    ("exit_status", "EXIT", 4),
    ("exit_timestamp", "EXIT_TIMESTAMP", 24),
    ("firewall_enabled", "FIREWALL_ENABLED", 16),
    ("flexible_disk_size", "FLEX_DISK_SIZE", 14),
    ("free_space", "FREE_SPACE", 14),
    ("hostname", "HOSTNAME", 32),
    ("hvm", "HVM", 5),
    ("image_uuid", "IMAGE_UUID", 36),
    ("indestructible_delegated", "INDESTR_DATA", 12),
    ("indestructible_zoneroot", "INDESTR_ROOT", 12),
    ("max_locked_memory", "MAX_LOCKED", 10),
    ("max_lwps", "MAX_LWP", 7),
    ("max_physical_memory", "MAX_PHYS", 8),
    ("max_swap", "MAX_SWAP", 8),
    ("owner_uuid", "OWNER_UUID", 36),
    ("package_name", "PACKAGE_NAME", 32),
    ("package_version", "PACKAGE_VER", 11),
    ("pid", "PID", 6),
    ("qemu_extra_opts", "QEMU_EXTRA_OPTS", 15),
    ("quota", "QUOTA", 5),
    ("ram", "RAM", 7),
    ("state", "STATE", 16),
    ("tmpfs", "TMPFS", 5),
    ("type", "TYPE", 4),
    ("uuid", "UUID", 36),
    ("vcpus", "VCPUS", 5),
    ("zfs_io_priority", "IO_PRIORITY", 11),
    ("zone_state", "ZONE_STATE", 10),
    ("zoneid", "ZONEID", 6),
    ("zonename", "ZONENAME", 12),
    ("zonepath", "ZONEPATH", 40),
    ("zpool", "ZPOOL", 12),
];

/// Width of a column that shows one value out of a list or object.
const INNER_WIDTH: usize = 20;

/// Names of the columns of its own.
pub fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, ..)| *name)
}

/// The column of that name; `None` where there is none.
pub fn find(name: &str) -> Option<Column> {
    if let Some((_, header, width)) = COLUMNS.iter().find(|(field, ..)| *field == name) {
        return Some(Column { header: (*header).to_owned(), width: *width });
    }
    let parts: Vec<&str> = name.split('.').collect();
    let inner = match parts.as_slice() {
        [list, _, _] => ARRAYS_OF_OBJECTS.contains(list),
        [object, _] => OBJECTS.contains(object),
        _ => false,
    };
    inner.then(|| Column { header: name.to_uppercase(), width: INNER_WIDTH })
}

/// Whether a column or sort order may be that key: one with `*` would not say which item to show.
pub fn single(name: &str) -> bool {
    !["disks", "filesystems", "nics"].iter().any(|list| {
        name.strip_prefix(list).is_some_and(|rest| {
            let mut rest = rest.chars();
            rest.next().is_some() && rest.next() == Some('*')
        })
    })
}

/// Whether a filter may name that key.
pub fn filterable(key: &str) -> bool {
    const DISK: &[&str] =
        &["boot", "image_name", "image_size", "image_uuid", "media", "model", "size", "zpool"];
    const NIC: &[&str] = &[
        "dhcp_server",
        "gateway",
        "interface",
        "ip",
        "mac",
        "model",
        "netmask",
        "nic_tag",
        "vlan_id",
    ];
    if COLUMNS.iter().any(|(name, ..)| *name == key) {
        return true;
    }
    let parts: Vec<&str> = key.split('.').collect();
    let place = |index: &str| index.bytes().all(|b| b == b'*' || b.is_ascii_digit());
    match parts.as_slice() {
        ["disks", index, field] => place(index) && DISK.contains(field),
        ["nics", index, field] => place(index) && NIC.contains(field),
        ["tags" | "customer_metadata" | "internal_metadata", _, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_columns_are_twenty_wide() {
        assert_eq!(find("nics.0.ip"), Some(Column { header: "NICS.0.IP".into(), width: 20 }));
        assert_eq!(find("tags.role"), Some(Column { header: "TAGS.ROLE".into(), width: 20 }));
        assert_eq!(find("filesystems.0.type"), None);
        assert_eq!(find("nosuch"), None);
    }

    #[test]
    fn keys_with_a_star_are_for_filters() {
        assert!(!single("nics.*.ip"));
        assert!(single("nics.0.ip"));
        assert!(filterable("nics.*.ip") && filterable("disks.0.size") && filterable("tags.a.b"));
        assert!(!filterable("nics.*.ips") && !filterable("tags") && !filterable("snapshots"));
    }
}
