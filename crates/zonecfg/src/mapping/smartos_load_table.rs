//! Which VM property each part of a SmartOS zone configuration is, and how its text becomes a value.
//!
//! The names are those of the property table's `zonexml` sources. They are spelt out here as `match` arms because
//! tens of thousands of documents are read in one listing.

/// How the text of an XML attribute becomes a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Text,
    /// `true` and `false`; anything else stays text.
    Flag,
    Number,
    /// Bytes in the document, MiB in the VM object.
    Mebibytes,
    /// Base64 of UTF-8: text that the zonecfg language could not carry as it is.
    Base64,
    /// Separated by commas.
    List,
    /// Numbers separated by commas.
    Numbers,
}

/// A property's name and form.
pub type Target = Option<(&'static str, As)>;

/// An attribute of the `zone` element.
pub fn zone(name: &str) -> Target {
    Some(match name {
        "name" => ("zonename", As::Text),
        "autoboot" => ("autoboot", As::Flag),
        "brand" => ("brand", As::Text),
        "limitpriv" => ("limit_priv", As::Text),
        "fs-allowed" => ("fs_allowed", As::Text),
        _ => return None,
    })
}

/// An `attr` resource.
pub fn attr(name: &str) -> Target {
    Some(match name {
        "alias" => ("alias", As::Base64),
        "app-svc-dependent" => ("app_svc_dependent", As::Flag),
        "archive-on-delete" => ("archive_on_delete", As::Flag),
        "bhyve-extra-opts" => ("bhyve_extra_opts", As::Text),
        "billing-id" => ("billing_id", As::Text),
        "boot" => ("boot", As::Text),
        "bootrom" => ("bootrom", As::Text),
        "com1" => ("com1", As::Text),
        "com2" => ("com2", As::Text),
        "cpu-type" => ("cpu_type", As::Text),
        "create-timestamp" => ("create_timestamp", As::Text),
        "dataset-uuid" => ("image_uuid", As::Text),
        "default-gateway" => ("default_gateway", As::Text),
        "disk-driver" => ("disk_driver", As::Text),
        "dns-domain" => ("dns_domain", As::Text),
        "do-not-inventory" => ("do_not_inventory", As::Flag),
        "docker" => ("docker", As::Flag),
        "failed" => ("failed", As::Text),
        "firewall-enabled" => ("firewall_enabled", As::Flag),
        "flexible-disk-size" => ("flexible_disk_size", As::Number),
        "hostname" => ("hostname", As::Text),
        "init-name" => ("init_name", As::Text),
        "internal-metadata-namespaces" => ("internal_metadata_namespaces", As::List),
        "kernel-version" => ("kernel_version", As::Text),
        "maintain-resolvers" => ("maintain_resolvers", As::Flag),
        "nic-driver" => ("nic_driver", As::Text),
        "owner-uuid" => ("owner_uuid", As::Text),
        "package-name" => ("package_name", As::Text),
        "package-version" => ("package_version", As::Text),
        "provisioning" => ("provisioning", As::Flag),
        "qemu-extra-opts" => ("qemu_extra_opts", As::Base64),
        "qemu-opts" => ("qemu_opts", As::Base64),
        "ram" => ("ram", As::Number),
        "resolvers" => ("resolvers", As::List),
        "restart-init" => ("restart_init", As::Flag),
        "spice-opts" => ("spice_opts", As::Base64),
        "spice-password" => ("spice_password", As::Base64),
        "spice-port" => ("spice_port", As::Number),
        "tmpfs" => ("tmpfs", As::Number),
        "transition" => ("transition", As::Text),
        "vcpus" => ("vcpus", As::Number),
        "vga" => ("vga", As::Text),
        "virtio-txburst" => ("virtio_txburst", As::Number),
        "virtio-txtimer" => ("virtio_txtimer", As::Number),
        "vm-autoboot" => ("vm_autoboot", As::Flag),
        "vm-version" => ("v", As::Number),
        "vnc-password" => ("vnc_password", As::Base64),
        "vnc-port" => ("vnc_port", As::Number),
        "zlog-max-size" => ("zlog_max_size", As::Number),
        "zlog-mode" => ("zlog_mode", As::Text),
        "zlog-name" => ("zlog_name", As::Text),
        _ => return None,
    })
}

/// A value of a resource control: its name, privilege and action.
pub fn rctl(name: &str, privilege: &str, action: &str) -> Target {
    Some(match (name, privilege, action) {
        ("zone.cpu-cap", "privileged", "deny") => ("cpu_cap", As::Number),
        ("zone.cpu-shares", "privileged", "none") => ("cpu_shares", As::Number),
        ("zone.max-locked-memory", "privileged", "deny") => ("max_locked_memory", As::Mebibytes),
        ("zone.max-lwps", "privileged", "deny") => ("max_lwps", As::Number),
        ("zone.max-msg-ids", "privileged", "deny") => ("max_msg_ids", As::Number),
        ("zone.max-physical-memory", "privileged", "deny") => {
            ("max_physical_memory", As::Mebibytes)
        }
        ("zone.max-sem-ids", "privileged", "deny") => ("max_sem_ids", As::Number),
        ("zone.max-shm-ids", "privileged", "deny") => ("max_shm_ids", As::Number),
        ("zone.max-shm-memory", "privileged", "deny") => ("max_shm_memory", As::Mebibytes),
        ("zone.max-swap", "privileged", "deny") => ("max_swap", As::Mebibytes),
        ("zone.zfs-io-priority", "privileged", "none") => ("zfs_io_priority", As::Number),
        _ => return None,
    })
}

/// An attribute of a `filesystem` element.
pub fn filesystem(name: &str) -> Target {
    Some(match name {
        "special" => ("source", As::Text),
        "directory" => ("target", As::Text),
        "raw" => ("raw", As::Text),
        "type" => ("type", As::Text),
        _ => return None,
    })
}

/// An attribute of a `network` element.
pub fn network(name: &str) -> Target {
    Some(match name {
        "physical" => ("interface", As::Text),
        "mac-addr" => ("mac", As::Text),
        "vlan-id" => ("vlan_id", As::Number),
        "global-nic" => ("nic_tag", As::Text),
        _ => return None,
    })
}

/// A `net-attr` of a `network` element.
pub fn network_attr(name: &str) -> Target {
    Some(match name {
        "allow_dhcp_spoofing" => ("allow_dhcp_spoofing", As::Flag),
        "allow_ip_spoofing" => ("allow_ip_spoofing", As::Flag),
        "allow_mac_spoofing" => ("allow_mac_spoofing", As::Flag),
        "allow_restricted_traffic" => ("allow_restricted_traffic", As::Flag),
        "allow_unfiltered_promisc" => ("allow_unfiltered_promisc", As::Flag),
        "allowed_dhcp_cids" => ("allowed_dhcp_cids", As::List),
        "allowed_ips" => ("allowed_ips", As::List),
        "blocked_outgoing_ports" => ("blocked_outgoing_ports", As::Numbers),
        "dhcp_server" => ("dhcp_server", As::Flag),
        "gateway" => ("gateway", As::Text),
        "gateways" => ("gateways", As::List),
        "ip" => ("ip", As::Text),
        "ips" => ("ips", As::List),
        "maxbw" => ("maxbw", As::Number),
        "model" => ("model", As::Text),
        "mtu" => ("mtu", As::Number),
        "netmask" => ("netmask", As::Text),
        "network_uuid" => ("network_uuid", As::Text),
        "primary" => ("primary", As::Flag),
        "priority" => ("priority", As::Text),
        "secondary_macs" => ("secondary_macs", As::List),
        "vrrp_primary_ip" => ("vrrp_primary_ip", As::Text),
        "vrrp_vrid" => ("vrrp_vrid", As::Number),
        _ => return None,
    })
}

/// An attribute of a `device` element.
pub fn device(name: &str) -> Target {
    (name == "match").then_some(("path", As::Text))
}

/// A `net-attr` of a `device` element.
pub fn device_attr(name: &str) -> Target {
    Some(match name {
        "boot" => ("boot", As::Flag),
        "guest-block-size" => ("guest_block_size", As::Text),
        "image-size" => ("image_size", As::Number),
        "image-uuid" => ("image_uuid", As::Text),
        "media" => ("media", As::Text),
        "model" => ("model", As::Text),
        "notrim" => ("notrim", As::Flag),
        "pci-slot" => ("pci_slot", As::Text),
        "uuid" => ("uuid", As::Text),
        _ => return None,
    })
}
