//! Rows for the identity and the life of a VM.

use super::Kind::{Boolean, FlatObject, Integer, List, Text, Uuid};
use super::brands::{ANY, CONTAINER, HVM, LX, NOT_BHYVE, OS, SMARTOS_NOT_BHYVE, SMARTOS_OS};
use super::{DatasetType, ElementRule, Encoding, Flatten, Property};

pub(super) const ROWS: &[Property] = &[
    Property::new("alias", Text, "A name for operators; it need not be unique.")
        .payload(ANY)
        .attr("alias")
        .encoding(Encoding::Base64)
        .column("ALIAS", 10),
    Property::read_only(
        "allowed_address",
        "Address restriction that zonecfg keeps on a net resource; not shown.",
    )
    .net_field("allowed-address")
    .hidden(),
    Property::read_only(
        "app_svc_dependent",
        "Whether the zone's boot waits for the application services of the platform.",
    )
    .attr("app-svc-dependent")
    .encoding(Encoding::Boolean),
    Property::new(
        "archive_on_delete",
        Boolean,
        "Keep a copy of the VM's configuration and logs when it is deleted.",
    )
    .payload(ANY)
    .attr("archive-on-delete")
    .encoding(Encoding::Boolean)
    .default_text("false"),
    Property::new(
        "autoboot",
        Boolean,
        "Boot the VM when the host boots. On create it also decides whether the new VM is started.",
    )
    .payload(ANY)
    .zone("autoboot")
    .encoding(Encoding::Boolean)
    .column("AUTOBOOT", 8),
    Property::new(
        "billing_id",
        Text,
        "Identifier, usually a UUID, that billing systems attach to the VM.",
    )
    .payload(ANY)
    .attr("billing-id")
    .column("BILLING_ID", 36),
    Property::new("brand", Text, "The kind of VM. It cannot be changed after creation.")
        .create_receive(ANY)
        .required(SMARTOS_NOT_BHYVE)
        .zone("brand")
        .column("BRAND", 14),
    Property::new("create_only", Boolean, "On receive, set the VM up without its datasets.")
        .receive(ANY),
    Property::new("create_timestamp", Text, "When the VM was created, as an ISO 8601 time in UTC.")
        .receive(ANY)
        .attr("create-timestamp")
        .zfs(&["creation"], &[DatasetType::Filesystem])
        .column("CREATE_TIMESTAMP", 24)
        .default_text("time of creation"),
    Property::new("dataset_uuid", Uuid, "Former name of image_uuid.")
        .create_receive(OS)
        .deprecated(),
    Property::read_only("debug_id", "Number that the kernel gave the zone; not shown.")
        .zone("debugid")
        .hidden(),
    Property::read_only("default_gateway", "Former place of a VM's gateway; use nics.*.gateways.")
        .attr("default-gateway")
        .deprecated(),
    Property::new(
        "dns_domain",
        Text,
        "Search domain written to the zone's resolver configuration.",
    )
    .payload(OS)
    .attr("dns-domain")
    .column("DOMAIN", 32)
    .default_text("local"),
    Property::new("do_not_inventory", Boolean, "Ask inventory systems to leave this VM out.")
        .payload(ANY)
        .attr("do-not-inventory")
        .encoding(Encoding::Boolean)
        .column("DNI", 5),
    Property::new(
        "docker",
        Boolean,
        "Run the VM as a container: it stops when its first process ends.",
    )
    .payload(CONTAINER)
    .attr("docker")
    .encoding(Encoding::Boolean)
    .column("DOCKER", 6),
    Property::read_only("failed", "Set when provisioning failed.").attr("failed"),
    Property::new(
        "firewall_enabled",
        Boolean,
        "Whether the host's firewall filters this VM's traffic.",
    )
    .payload(ANY)
    .attr("firewall-enabled")
    .encoding(Encoding::Boolean)
    .column("FIREWALL_ENABLED", 16),
    Property::new("fs_allowed", List, "File system types that the zone may mount itself.")
        .payload(OS)
        .zone("fs-allowed"),
    Property::new("hostname", Text, "Host name set inside the VM at first boot.")
        .payload(ANY)
        .attr("hostname")
        .column("HOSTNAME", 32)
        .default_text("value of zonename"),
    Property::new("image_uuid", Uuid, "The image that the zone's root file system is cloned from.")
        .create_receive(ANY)
        .required(SMARTOS_OS)
        .attr("dataset-uuid")
        .column("IMAGE_UUID", 36),
    Property::new("init_name", Text, "Path of the program that runs as the zone's first process.")
        .payload(OS)
        .attr("init-name"),
    Property::read_only(
        "ip_type",
        "Network stack type of the zone; always exclusive and not shown.",
    )
    .zone("ip-type")
    .hidden(),
    Property::new("kernel_version", Text, "Linux kernel version that an lx zone reports.")
        .payload(LX)
        .required(LX)
        .attr("kernel-version"),
    Property::new("limit_priv", List, "Privileges that processes in the zone may have.")
        .payload(ANY)
        .zone("limitpriv"),
    Property::new(
        "maintain_resolvers",
        Boolean,
        "Rewrite the zone's resolver configuration whenever resolvers change.",
    )
    .payload(OS)
    .attr("maintain-resolvers")
    .encoding(Encoding::Boolean)
    .default_text("false"),
    Property::new(
        "mdata_exec_timeout",
        Integer,
        "Seconds that the first-boot script may take; 0 means no limit.",
    )
    .create(OS)
    .min(0)
    .default_text("300"),
    Property::new("nowait", Boolean, "Return from create before provisioning has finished.")
        .create_receive(OS)
        .default_text("false"),
    Property::new("owner_uuid", Text, "UUID of the VM's owner.")
        .payload(ANY)
        .attr("owner-uuid")
        .column("OWNER_UUID", 36)
        .default_text("00000000-0000-0000-0000-000000000000"),
    Property::new("package_name", Text, "Name of the package that the VM was sized by.")
        .payload(NOT_BHYVE)
        .attr("package-name")
        .column("PACKAGE_NAME", 32)
        .deprecated(),
    Property::new("package_version", Text, "Version of the package that the VM was sized by.")
        .payload(NOT_BHYVE)
        .attr("package-version")
        .column("PACKAGE_VER", 11)
        .deprecated(),
    Property::read_only("provisioning", "Set while the VM is being created.")
        .attr("provisioning")
        .encoding(Encoding::Boolean),
    Property::new("resolvers", List, "Addresses of DNS servers.")
        .payload(ANY)
        .attr("resolvers")
        .encoding(Encoding::CommaList)
        .flatten(Flatten::Array)
        .element(ElementRule::IpAddress),
    Property::new("restart_init", Boolean, "Restart the zone's first process when it ends.")
        .payload(OS)
        .attr("restart-init")
        .encoding(Encoding::Boolean),
    Property::new(
        "transition",
        FlatObject,
        "State change in progress: from, to, and when it expires.",
    )
    .receive(ANY)
    .attr("transition"),
    Property::new("uuid", Uuid, "Unique identifier of the VM.")
        .create_receive(ANY)
        .column("UUID", 36)
        .default_text("generated"),
    Property::new("v", Integer, "Version of the stored configuration's layout.")
        .receive(ANY)
        .min(0)
        .attr("vm-version")
        .encoding(Encoding::Number),
    Property::read_only(
        "vm_autoboot",
        "Boot the VM when the host boots, for VMs that vmadmd starts.",
    )
    .attr("vm-autoboot")
    .encoding(Encoding::Boolean),
    Property::new(
        "zlog_max_size",
        Integer,
        "Size in bytes at which the zone's console log is rotated.",
    )
    .payload(OS)
    .min(0)
    .max(i64::MAX)
    .attr("zlog-max-size")
    .encoding(Encoding::Number)
    .default_text("no rotation"),
    Property::read_only("zlog_mode", "Where the console log of a container goes, as three flags.")
        .attr("zlog-mode"),
    Property::read_only("zlog_name", "File name of the console log.").attr("zlog-name"),
    Property::new(
        "zone_dataset_uuid",
        Uuid,
        "Former name of image_uuid for hardware virtual machines.",
    )
    .create_receive(HVM),
    Property::new("zonename", Text, "Name of the zone.")
        .create_receive(ANY)
        .zone("name")
        .column("ZONENAME", 12)
        .default_text("value of uuid"),
    Property::read_only("zonepath", "Directory under which the zone lives; not shown.")
        .zone("zonepath")
        .column("ZONEPATH", 40)
        .hidden(),
];
