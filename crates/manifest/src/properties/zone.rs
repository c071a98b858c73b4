//! Rows for the identity and the life of a VM.

use super::Kind::{Boolean, FlatObject, Integer, List, Text, Uuid};
use super::brands::{ANY, CONTAINER, HVM, LX, NOT_BHYVE, OS, SMARTOS_NOT_BHYVE, SMARTOS_OS};
use super::{DatasetType, ElementRule, Encoding, Flatten, Property};

/// Why OmniOS has not what depends on it.
const NO_SERVICES: &str = "none of SmartOS's services runs in the zone";

pub(super) const ROWS: &[Property] = &[
    Property::new("alias", Text, "A name for operators; it need not be unique.")
        .on_omnios()
        .payload(ANY)
        .attr("alias")
        .encoding(Encoding::Base64)
        .column("ALIAS", 10),
    Property::read_only(
        "allowed_address",
        "Address restriction that zonecfg keeps on a net resource; not shown.",
    )
    .on_omnios()
    .net_field("allowed-address")
    .hidden(),
    Property::read_only(
        "app_svc_dependent",
        "Whether the zone's boot waits for the application services of the platform.",
    )
    .not_on_omnios(NO_SERVICES)
    .attr("app-svc-dependent")
    .encoding(Encoding::Boolean),
    Property::new(
        "archive_on_delete",
        Boolean,
        "Keep a copy of the VM's configuration and logs when it is deleted.",
    )
    .on_omnios()
    .payload(ANY)
    .attr("archive-on-delete")
    .encoding(Encoding::Boolean)
    .default_text("false"),
    Property::new(
        "autoboot",
        Boolean,
        "Boot the VM when the host boots. On create it also decides whether the new VM is started.",
    )
    .on_omnios()
    .payload(ANY)
    .zone("autoboot")
    .encoding(Encoding::Boolean)
    .column("AUTOBOOT", 8),
    Property::new(
        "billing_id",
        Text,
        "Identifier, usually a UUID, that billing systems attach to the VM.",
    )
    .on_omnios()
    .payload(ANY)
    .attr("billing-id")
    .column("BILLING_ID", 36),
    Property::new("brand", Text, "The kind of VM. It cannot be changed after creation.")
        .on_omnios()
        .create_receive(ANY)
        .required(SMARTOS_NOT_BHYVE)
        .zone("brand")
        .column("BRAND", 14),
    Property::new("create_only", Boolean, "On receive, set the VM up without its datasets.")
        .not_on_omnios("nothing is received")
        .receive(ANY),
    Property::new("create_timestamp", Text, "When the VM was created, as an ISO 8601 time in UTC.")
        .on_omnios()
        .receive(ANY)
        .attr("create-timestamp")
        .zfs(&["creation"], &[DatasetType::Filesystem])
        .column("CREATE_TIMESTAMP", 24)
        .default_text("time of creation"),
    Property::new("dataset_uuid", Uuid, "Former name of image_uuid.")
        .on_omnios()
        .create_receive(OS)
        .deprecated(),
    Property::read_only("debug_id", "Number that the kernel gave the zone; not shown.")
        .on_omnios()
        .zone("debugid")
        .hidden(),
    Property::read_only("default_gateway", "Former place of a VM's gateway; use nics.*.gateways.")
        .on_omnios()
        .attr("default-gateway")
        .deprecated(),
    Property::new(
        "dns_domain",
        Text,
        "Search domain written to the zone's resolver configuration.",
    )
    .on_omnios()
    .payload(OS)
    .attr("dns-domain")
    .column("DOMAIN", 32)
    .default_text("local"),
    Property::new("do_not_inventory", Boolean, "Ask inventory systems to leave this VM out.")
        .on_omnios()
        .payload(ANY)
        .attr("do-not-inventory")
        .encoding(Encoding::Boolean)
        .column("DNI", 5),
    Property::new(
        "docker",
        Boolean,
        "Run the VM as a container: it stops when its first process ends.",
    )
    .not_on_omnios("containers need SmartOS's dockerinit")
    .payload(CONTAINER)
    .attr("docker")
    .encoding(Encoding::Boolean)
    .column("DOCKER", 6),
    Property::read_only("failed", "Set when provisioning failed.")
        .not_on_omnios("nothing watches whether a VM sets itself up")
        .attr("failed"),
    Property::new(
        "firewall_enabled",
        Boolean,
        "Whether the host's firewall filters this VM's traffic.",
    )
    .not_on_omnios("there is no fwadm; rules are ZONEPATH/etc/ipf.conf, ipf6.conf and ipnat.conf")
    .payload(ANY)
    .attr("firewall-enabled")
    .encoding(Encoding::Boolean)
    .column("FIREWALL_ENABLED", 16),
    Property::new("fs_allowed", List, "File system types that the zone may mount itself.")
        .on_omnios()
        .payload(OS)
        .zone("fs-allowed"),
    Property::new("hostname", Text, "Host name set inside the VM at first boot.")
        .on_omnios()
        .payload(ANY)
        .attr("hostname")
        .column("HOSTNAME", 32)
        .default_text("value of zonename"),
    Property::new("image_uuid", Uuid, "The image that the zone's root file system is cloned from.")
        .on_omnios()
        .create_receive(ANY)
        .required(SMARTOS_OS)
        .attr("dataset-uuid")
        .column("IMAGE_UUID", 36),
    Property::new("init_name", Text, "Path of the program that runs as the zone's first process.")
        .not_on_omnios("the brand names the first process")
        .payload(OS)
        .attr("init-name"),
    Property::read_only(
        "ip_type",
        "Network stack type of the zone; always exclusive and not shown.",
    )
    .on_omnios()
    .zone("ip-type")
    .hidden(),
    Property::new("kernel_version", Text, "Linux kernel version that an lx zone reports.")
        .on_omnios()
        .payload(LX)
        .required(LX)
        .attr("kernel-version"),
    Property::new("limit_priv", List, "Privileges that processes in the zone may have.")
        .on_omnios()
        .payload(ANY)
        .zone("limitpriv"),
    Property::new(
        "maintain_resolvers",
        Boolean,
        "Rewrite the zone's resolver configuration whenever resolvers change.",
    )
    .on_omnios()
    .payload(OS)
    .attr("maintain-resolvers")
    .encoding(Encoding::Boolean)
    .default_text("false"),
    Property::new(
        "mdata_exec_timeout",
        Integer,
        "Seconds that the first-boot script may take; 0 means no limit.",
    )
    .not_on_omnios(NO_SERVICES)
    .create(OS)
    .min(0)
    .default_text("300"),
    Property::new("nowait", Boolean, "Return from create before provisioning has finished.")
        .on_omnios()
        .create_receive(OS)
        .default_text("false"),
    Property::new("owner_uuid", Text, "UUID of the VM's owner.")
        .on_omnios()
        .payload(ANY)
        .attr("owner-uuid")
        .column("OWNER_UUID", 36)
        .default_text("00000000-0000-0000-0000-000000000000"),
    Property::new("package_name", Text, "Name of the package that the VM was sized by.")
        .on_omnios()
        .payload(NOT_BHYVE)
        .attr("package-name")
        .column("PACKAGE_NAME", 32)
        .deprecated(),
    Property::new("package_version", Text, "Version of the package that the VM was sized by.")
        .on_omnios()
        .payload(NOT_BHYVE)
        .attr("package-version")
        .column("PACKAGE_VER", 11)
        .deprecated(),
    Property::read_only("provisioning", "Set while the VM is being created.")
        .not_on_omnios("nothing watches whether a VM sets itself up")
        .attr("provisioning")
        .encoding(Encoding::Boolean),
    Property::new("resolvers", List, "Addresses of DNS servers.")
        .on_omnios()
        .payload(ANY)
        .attr("resolvers")
        .encoding(Encoding::CommaList)
        .flatten(Flatten::Array)
        .element(ElementRule::IpAddress),
    Property::new("restart_init", Boolean, "Restart the zone's first process when it ends.")
        .not_on_omnios("the brand decides whether the first process is started again")
        .payload(OS)
        .attr("restart-init")
        .encoding(Encoding::Boolean),
    Property::new(
        "transition",
        FlatObject,
        "State change in progress: from, to, and when it expires.",
    )
    .not_on_omnios("nothing watches over changes of state")
    .receive(ANY)
    .attr("transition"),
    Property::new("uuid", Uuid, "Unique identifier of the VM.")
        .on_omnios()
        .create_receive(ANY)
        .column("UUID", 36)
        .default_text("generated"),
    Property::new("v", Integer, "Version of the stored configuration's layout.")
        .not_on_omnios("configurations have no version")
        .receive(ANY)
        .min(0)
        .attr("vm-version")
        .encoding(Encoding::Number),
    Property::read_only(
        "vm_autoboot",
        "Boot the VM when the host boots, for VMs that vmadmd starts.",
    )
    .not_on_omnios("autoboot is the zone's own")
    .attr("vm-autoboot")
    .encoding(Encoding::Boolean),
    Property::new(
        "zlog_max_size",
        Integer,
        "Size in bytes at which the zone's console log is rotated.",
    )
    .not_on_omnios("there is no log of consoles")
    .payload(OS)
    .min(0)
    .max(i64::MAX)
    .attr("zlog-max-size")
    .encoding(Encoding::Number)
    .default_text("no rotation"),
    Property::read_only("zlog_mode", "Where the console log of a container goes, as three flags.")
        .not_on_omnios("there is no log of consoles")
        .attr("zlog-mode"),
    Property::read_only("zlog_name", "File name of the console log.")
        .not_on_omnios("there is no log of consoles")
        .attr("zlog-name"),
    Property::new(
        "zone_dataset_uuid",
        Uuid,
        "Former name of image_uuid for hardware virtual machines.",
    )
    .on_omnios()
    .create_receive(HVM),
    Property::new(
        "zone_attributes",
        FlatObject,
        "Attributes of an OmniOS zone that no other property shows, such as rng and memreserve.",
    )
    .on_omnios()
    .create_on_omnios(ANY)
    .resources("attr")
    .flatten(Flatten::Object),
    Property::new("zonename", Text, "Name of the zone.")
        .on_omnios()
        .create_receive(ANY)
        .zone("name")
        .column("ZONENAME", 12)
        .default_text("value of uuid"),
    Property::read_only("zonepath", "Directory under which the zone lives; not shown.")
        .on_omnios()
        .zone("zonepath")
        .column("ZONEPATH", 40)
        .hidden(),
];
