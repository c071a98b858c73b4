//! Brands: what kinds of VM there are and what each can do.
//!
//! The six SmartOS brands are those of the `vmadm` payload. OmniOS shares lx, bhyve and kvm and has
//! native brands of its own. The values are observed from SmartOS's `vmadm`; the OmniOS brands
//! follow pkg5's brand definitions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::suggest;

/// The operating system that the global zone runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// SmartOS: joyent brands, pool `zones`, configuration below `<zonepath>/config`.
    #[default]
    SmartOs,
    /// OmniOS: ipkg and related brands, no vminfod.
    OmniOs,
}

/// The kind of a VM, named as in the `brand` property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Brand {
    Joyent,
    JoyentMinimal,
    Builder,
    Lx,
    Bhyve,
    Kvm,
    Ipkg,
    Lipkg,
    Sparse,
    Pkgsrc,
    Illumos,
}

/// The `type` of a VM object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VmType {
    Os,
    Lx,
    Bhyve,
    Kvm,
}

impl VmType {
    /// The value of the `type` property.
    pub const fn as_str(self) -> &'static str {
        match self {
            VmType::Os => "OS",
            VmType::Lx => "LX",
            VmType::Bhyve => "BHYV",
            VmType::Kvm => "KVM",
        }
    }

    /// Whether the VM runs a kernel of its own.
    pub const fn is_hvm(self) -> bool {
        matches!(self, VmType::Bhyve | VmType::Kvm)
    }
}

impl fmt::Display for VmType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the VM's console is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    Zlogin,
    SerialSocket,
}

/// How the VM is told to shut down or reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Programs run in the zone by zlogin: program and arguments.
    InZone { halt: &'static [&'static str], reboot: &'static [&'static str] },
    /// An ACPI power button event sent by a signal to the zone's first process.
    Acpi,
    /// An ACPI event that vmadmd sends.
    Vmadmd,
}

/// What VMs of one brand have and can do. All memory sizes are MiB.
#[derive(Clone, Copy, Debug)]
pub struct BrandFeatures {
    pub vm_type: VmType,
    /// Added to `ram` for the default of `max_physical_memory`.
    pub default_memory_overhead: Option<i64>,
    /// The least by which `max_physical_memory` and `max_locked_memory` must exceed `ram`.
    pub min_memory_overhead: Option<i64>,
    /// Values that `disks.*.model` may have.
    pub disk_models: &'static [&'static str],
    /// Types of image that `image_uuid` may name; a brand without a root image has none of its own
    /// and takes the default, `zone-dataset`.
    pub zoneroot_image_types: &'static [&'static str],
    /// Program that sets up the zone root.
    pub install_script: Option<&'static str>,
    pub reprovision: bool,
    /// Types that `vmadm info` knows.
    pub info_types: &'static [&'static str],
    /// Requests that `vmadm sysrq` knows.
    pub sysrq: &'static [&'static str],
    pub console: Console,
    /// Whether disks and NICs need a `model`.
    pub model_required: bool,
    /// Whether create writes hostname.*, resolv.conf and their like into the zone root.
    pub write_zone_netfiles: bool,
    /// Whether the metadata service is restarted when metadata changes.
    pub mdata_restart: bool,
    /// Whether create sets the timeout of the first-boot metadata script.
    pub update_mdata_exec_timeout: bool,
    /// Whether resource controls are changed on the running zone.
    pub update_rctls: bool,
    pub use_tmpfs: bool,
    /// Whether the images carry zoneinit, which reads `/root/zoneconfig`.
    pub zoneinit: bool,
    /// Whether create removes leftovers of image building from the zone root.
    pub cleanup_dataset: bool,
    /// Whether provisioning is tracked by `/var/svc/provisioning` in the zone.
    pub var_svc_provisioning: bool,
    /// Whether provisioning ends only when the guest's hardware is set up.
    pub wait_for_hwsetup: bool,
    /// Whether vmadmd runs the VM, and `vm-autoboot` stands for autoboot.
    pub use_vmadmd: bool,
    /// First process of a VM with `docker` set.
    pub dockerinit: Option<&'static str>,
    /// Prefix of interface names in the zone.
    pub interface_prefix: &'static str,
    /// Default of `limit_priv`.
    pub limit_priv: &'static [&'static str],
    pub shutdown: Shutdown,
}

const ILLUMOS_SHUTDOWN: Shutdown = Shutdown::InZone {
    halt: &["/usr/sbin/shutdown", "-y", "-g", "0", "-i", "5"],
    reboot: &["/usr/sbin/shutdown", "-y", "-g", "0", "-i", "6"],
};

const HVM_PRIVILEGES: &[&str] =
    &["default", "-file_link_any", "-net_access", "-proc_fork", "-proc_info", "-proc_session"];

const JOYENT: BrandFeatures = BrandFeatures {
    vm_type: VmType::Os,
    default_memory_overhead: None,
    min_memory_overhead: None,
    disk_models: &[],
    zoneroot_image_types: &["zone-dataset"],
    install_script: Some("/usr/lib/brand/joyent/jinstall"),
    reprovision: true,
    info_types: &[],
    sysrq: &[],
    console: Console::Zlogin,
    model_required: false,
    write_zone_netfiles: true,
    mdata_restart: true,
    update_mdata_exec_timeout: true,
    update_rctls: true,
    use_tmpfs: true,
    zoneinit: true,
    cleanup_dataset: true,
    var_svc_provisioning: false,
    wait_for_hwsetup: false,
    use_vmadmd: false,
    dockerinit: None,
    interface_prefix: "net",
    limit_priv: &["default"],
    shutdown: ILLUMOS_SHUTDOWN,
};

const JOYENT_MINIMAL: BrandFeatures = BrandFeatures {
    install_script: Some("/usr/lib/brand/joyent-minimal/jinstall"),
    zoneinit: false,
    var_svc_provisioning: true,
    dockerinit: Some("/usr/vm/sbin/dockerinit"),
    ..JOYENT
};

const LX: BrandFeatures = BrandFeatures {
    vm_type: VmType::Lx,
    zoneroot_image_types: &["docker", "lx-dataset"],
    install_script: Some("/usr/lib/brand/lx/lx_install"),
    write_zone_netfiles: false,
    mdata_restart: false,
    update_mdata_exec_timeout: false,
    zoneinit: false,
    cleanup_dataset: false,
    dockerinit: Some("/native/usr/vm/sbin/dockerinit"),
    interface_prefix: "eth",
    shutdown: Shutdown::InZone {
        halt: &["/sbin/shutdown", "-h", "now"],
        reboot: &["/sbin/shutdown", "-r", "now"],
    },
    ..JOYENT
};

const BHYVE: BrandFeatures = BrandFeatures {
    vm_type: VmType::Bhyve,
    default_memory_overhead: Some(1280),
    min_memory_overhead: Some(256),
    disk_models: &["virtio", "ahci", "nvme"],
    zoneroot_image_types: &["zone-dataset"],
    install_script: Some("/usr/lib/brand/bhyve/binstall"),
    info_types: &["all", "vnc"],
    sysrq: &["nmi"],
    model_required: true,
    write_zone_netfiles: false,
    mdata_restart: false,
    update_mdata_exec_timeout: false,
    update_rctls: false,
    use_tmpfs: false,
    zoneinit: false,
    cleanup_dataset: false,
    var_svc_provisioning: true,
    limit_priv: HVM_PRIVILEGES,
    shutdown: Shutdown::Acpi,
    ..JOYENT
};

const KVM: BrandFeatures = BrandFeatures {
    vm_type: VmType::Kvm,
    default_memory_overhead: Some(1024),
    disk_models: &["virtio", "scsi", "ide"],
    install_script: None,
    reprovision: false,
    info_types: &[
        "all",
        "block",
        "blockstats",
        "chardev",
        "cpus",
        "kvm",
        "pci",
        "spice",
        "status",
        "version",
        "vnc",
    ],
    sysrq: &["nmi", "screenshot"],
    console: Console::SerialSocket,
    wait_for_hwsetup: true,
    use_vmadmd: true,
    shutdown: Shutdown::Vmadmd,
    ..BHYVE
};

/// OmniOS's native zones: the brand's own installer builds the root, and nothing of SmartOS's
/// metadata runs in it.
const OMNIOS_NATIVE: BrandFeatures = BrandFeatures {
    install_script: None,
    reprovision: false,
    write_zone_netfiles: false,
    mdata_restart: false,
    update_mdata_exec_timeout: false,
    zoneinit: false,
    cleanup_dataset: false,
    ..JOYENT
};

impl Brand {
    /// Every brand, SmartOS's first.
    pub const ALL: [Brand; 11] = [
        Brand::Joyent,
        Brand::JoyentMinimal,
        Brand::Builder,
        Brand::Lx,
        Brand::Bhyve,
        Brand::Kvm,
        Brand::Ipkg,
        Brand::Lipkg,
        Brand::Sparse,
        Brand::Pkgsrc,
        Brand::Illumos,
    ];

    /// The brand's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Brand::Joyent => "joyent",
            Brand::JoyentMinimal => "joyent-minimal",
            Brand::Builder => "builder",
            Brand::Lx => "lx",
            Brand::Bhyve => "bhyve",
            Brand::Kvm => "kvm",
            Brand::Ipkg => "ipkg",
            Brand::Lipkg => "lipkg",
            Brand::Sparse => "sparse",
            Brand::Pkgsrc => "pkgsrc",
            Brand::Illumos => "illumos",
        }
    }

    /// The brand called `name`, of any flavour.
    pub fn from_name(name: &str) -> Option<Brand> {
        Brand::ALL.into_iter().find(|brand| brand.as_str() == name)
    }

    /// The brand called `name` if `flavour` has it.
    pub fn of_flavour(name: &str, flavour: Flavour) -> Option<Brand> {
        Brand::from_name(name).filter(|brand| brand.exists_on(flavour))
    }

    /// Whether `flavour` has this brand.
    pub const fn exists_on(self, flavour: Flavour) -> bool {
        match self {
            Brand::Lx | Brand::Bhyve | Brand::Kvm => true,
            Brand::Joyent | Brand::JoyentMinimal | Brand::Builder => {
                matches!(flavour, Flavour::SmartOs)
            }
            Brand::Ipkg | Brand::Lipkg | Brand::Sparse | Brand::Pkgsrc | Brand::Illumos => {
                matches!(flavour, Flavour::OmniOs)
            }
        }
    }

    /// The known brand whose name is nearest to `name`, if one is near.
    pub fn suggest(name: &str, flavour: Flavour) -> Option<&'static str> {
        suggest::nearest(
            name,
            Brand::ALL.into_iter().filter(|brand| brand.exists_on(flavour)).map(Brand::as_str),
        )
    }

    /// What VMs of this brand can do.
    pub const fn features(self) -> &'static BrandFeatures {
        match self {
            Brand::Joyent | Brand::Builder => &JOYENT,
            Brand::JoyentMinimal => &JOYENT_MINIMAL,
            Brand::Lx => &LX,
            Brand::Bhyve => &BHYVE,
            Brand::Kvm => &KVM,
            Brand::Ipkg | Brand::Lipkg | Brand::Sparse | Brand::Pkgsrc | Brand::Illumos => {
                &OMNIOS_NATIVE
            }
        }
    }

    /// The VM type of this brand.
    pub const fn vm_type(self) -> VmType {
        self.features().vm_type
    }

    /// Whether VMs of this brand run a kernel of their own.
    pub const fn is_hvm(self) -> bool {
        self.vm_type().is_hvm()
    }
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of brands, usable in constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrandSet(u16);

impl BrandSet {
    /// No brand.
    pub const NONE: BrandSet = BrandSet(0);

    /// The set of `brands`.
    pub const fn of(brands: &[Brand]) -> BrandSet {
        let mut bits = 0;
        let mut i = 0;
        while i < brands.len() {
            bits |= 1 << brands[i] as u16;
            i += 1;
        }
        BrandSet(bits)
    }

    /// The brands of either.
    #[must_use]
    pub const fn union(self, other: BrandSet) -> BrandSet {
        BrandSet(self.0 | other.0)
    }

    /// Whether the brand is one of them.
    pub const fn contains(self, brand: Brand) -> bool {
        self.0 & (1 << brand as u16) != 0
    }

    /// Whether no brand is.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The brands of the set, in the order of [`Brand::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Brand> {
        Brand::ALL.into_iter().filter(move |brand| self.contains(*brand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for brand in Brand::ALL {
            assert_eq!(Brand::from_name(brand.as_str()), Some(brand));
        }
        assert_eq!(Brand::from_name("Joyent"), None);
    }

    #[test]
    fn flavours_have_their_own_brands() {
        assert_eq!(Brand::of_flavour("ipkg", Flavour::SmartOs), None);
        assert_eq!(Brand::of_flavour("ipkg", Flavour::OmniOs), Some(Brand::Ipkg));
        assert_eq!(Brand::of_flavour("joyent", Flavour::OmniOs), None);
        assert_eq!(Brand::of_flavour("bhyve", Flavour::OmniOs), Some(Brand::Bhyve));
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = BrandSet::of(&[Brand::Lx, Brand::Illumos]);
        assert!(set.contains(Brand::Lx) && set.contains(Brand::Illumos));
        assert!(!set.contains(Brand::Joyent));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Brand::Lx, Brand::Illumos]);
    }

    #[test]
    fn a_misspelt_brand_is_recognised() {
        assert_eq!(Brand::suggest("joyant", Flavour::SmartOs), Some("joyent"));
        assert_eq!(Brand::suggest("wombat", Flavour::SmartOs), None);
    }
}
