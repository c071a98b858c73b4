//! Virtual machines of this system, and what brands ask of the system.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use gz::Root;
use manifest::Flavour;

use crate::flavour;
use crate::machine::Machine;
use crate::zone::{HvmZone, Net};

/// Firmware that OmniOS ships, for documents of zones that are looked at on another system.
const OMNIOS_FIRMWARE: [&str; 8] = [
    "BHYVE",
    "BHYVE_CODE",
    "BHYVE_CSM",
    "BHYVE_DEBUG",
    "BHYVE_DEBUG_CSM",
    "BHYVE_RELEASE",
    "BHYVE_RELEASE_CSM",
    "BHYVE_VARS",
];

/// The system below the root directory.
pub(super) struct Host {
    root: Root,
    version: OnceCell<Option<String>>,
}

impl Host {
    pub(super) fn from_env() -> Self {
        Self { root: Root::from_env(), version: OnceCell::new() }
    }

    fn zones(&self) -> zonecfg::store::Root {
        zonecfg::store::Root::open(self.root.dir())
    }

    /// The zone of that name or UUID.
    pub(super) fn zone(&self, name: &str) -> anyhow::Result<HvmZone> {
        let zones = self.zones();
        let index = zones.index()?;
        let by_uuid = name.parse().ok().and_then(|uuid| index.by_uuid(&uuid));
        let entry = index
            .get(name)
            .or(by_uuid)
            .with_context(|| format!("{name}: there is no such virtual machine"))?;
        let path = zones.zone_file(&entry.name);
        HvmZone::from_xml(&zones.zone_text(&entry.name)?)
            .with_context(|| path.display().to_string())
    }

    /// The zone of a document. `-` is standard input.
    pub(super) fn zone_of_file(path: &Path) -> anyhow::Result<HvmZone> {
        let text = if path == Path::new("-") {
            std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
        } else if path.exists() {
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?
        } else {
            return Err(anyhow!("Cannot find zone XML file at {}", path.display()));
        };
        HvmZone::from_xml(&text).with_context(|| format!("Could not parse {}", path.display()))
    }

    /// The flavour of a zone: what its configuration looks like, else that of this system.
    pub(super) fn flavour_of(&self, zone: &HvmZone) -> Flavour {
        let flavour = flavour::of_zone(zone).or_else(|| gz::platform::flavour(&self.root));
        flavour.unwrap_or(Flavour::OmniOs)
    }

    /// The virtual machine of that UUID or zone name.
    pub(super) fn machine(&self, name: &str) -> anyhow::Result<Machine<'_>> {
        let zone = self.zone(name)?;
        if !matches!(zone.brand.as_str(), "bhyve" | "kvm") {
            bail!("{name} is of brand {}, not bhyve or kvm", zone.brand);
        }
        let flavour = self.flavour_of(&zone);
        let uuid = self.uuid_of(&zone);
        Ok(Machine::new(&self.root, zone, flavour, uuid))
    }

    /// The root directory of this system.
    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Version of the system as `uname -v` gives it; empty where it cannot be found out.
    pub(super) fn version(&self) -> &str {
        let version = self.version.get_or_init(|| {
            gz::platform::version(&self.root).or_else(|| {
                let facts = gz::sysinfo::read(&self.root).ok()?;
                Some(format!("joyent_{}", facts.get("Live Image")?.as_str()?))
            })
        });
        version.as_deref().unwrap_or_default()
    }

    /// The UUID by which vmadm knows a zone; the name of one that it does not know.
    pub(super) fn uuid_of(&self, zone: &HvmZone) -> String {
        let of_index = self.index_uuid(zone).unwrap_or_default();
        self.vm_uuid(&zone.name, &of_index).unwrap_or(&zone.name).to_owned()
    }

    /// Of a zone's name and its UUID in the index, the one by which vmadm knows it. OmniOS's zonecfg chooses UUIDs by
    /// itself, so vmadm has them in names there.
    pub(super) fn vm_uuid<'a>(&self, name: &'a str, of_index: &'a str) -> Option<&'a str> {
        let is_name = uuid::Uuid::try_parse(name).is_ok()
            && (of_index.is_empty()
                || gz::platform::released_flavour(&self.root) == Some(Flavour::OmniOs));
        if is_name { Some(name) } else { Some(of_index).filter(|uuid| !uuid.is_empty()) }
    }

    /// The UUID that the index has for a zone.
    pub(super) fn index_uuid(&self, zone: &HvmZone) -> Option<String> {
        let uuid = self.zones().index().ok()?.get(&zone.name)?.uuid?;
        Some(uuid.to_string())
    }

    /// The UUID in a zone's own file, which OmniOS's brands read.
    pub(super) fn uuid_file(&self, zone: &HvmZone) -> Option<String> {
        let path = gz::hvm::zone_file(&self.root, &zone.zonepath, "/etc/uuid");
        let bytes = gz::files::read_optional(&path).ok()??;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Whether a firmware file is there. A system without any is taken for a foreign one, with OmniOS's own.
    pub(super) fn has_firmware(&self, path: &str) -> bool {
        if gz::hvm::exists(&self.root, gz::hvm::FIRMWARE) {
            return gz::hvm::exists(&self.root, path);
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        OMNIOS_FIRMWARE.contains(&name.strip_suffix(".fd").unwrap_or(name))
    }

    /// Whether a path below a zone's root exists.
    pub(super) fn in_zone(&self, zone: &HvmZone, path: &str) -> bool {
        gz::hvm::zone_file(&self.root, &zone.zonepath, path).exists()
    }

    /// The pass-through device of a `/devices` path. A system without any is taken for a foreign one, where PCI
    /// devices are numbered in the order of the zone's configuration.
    pub(super) fn pass_through(&self, zone: &HvmZone, path: &str) -> Option<String> {
        let devices = gz::hvm::pass_through_devices(&self.root);
        if !devices.is_empty() {
            return devices.into_iter().find(|(_, known)| known == path).map(|(device, _)| device);
        }
        let number = zone
            .devices
            .iter()
            .filter(|device| device.property("model") == Some("passthru"))
            .position(|device| device.matches == path)?;
        path.starts_with("/devices/pci").then(|| format!("/dev/ppt{number}"))
    }

    /// The MAC address of a zone's interface: of the virtual NIC if this system has dladm, else as configured.
    pub(super) fn mac(&self, net: &Net) -> String {
        let link = net.physical.as_deref().unwrap_or_default().trim();
        if gz::hvm::has_dladm(&self.root)
            && let Ok(mac) = gz::hvm::mac_address(&self.root, link)
        {
            return mac.unwrap_or_default();
        }
        net.attributes.get("mac-addr").unwrap_or_default().to_owned()
    }
}
