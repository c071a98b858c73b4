//! What create, update and validate need to know of the system, read before anything is decided.

use std::collections::BTreeSet;

use gz::inventory::{Fields, Inventory};
use gz::{Root, images, nictagadm, platform, settings, zfs};
use manifest::facts::{ImageFacts, NicTag};
use manifest::{Brand, Facts, Flavour, Payload, VmType};
use serde_json::Value;

use crate::cli::Failure;
use crate::damage;
use crate::plan::{Object, create, omnios};

/// The names of the pools.
pub fn pools(root: &Root) -> Result<Vec<String>, Failure> {
    let text = root.tool("/usr/sbin/zpool").args(["list", "-H", "-p", "-o", "name"]).text()?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Facts for validation alone: pools and the images that the payload names. `pool` is that of the VM where it exists.
pub fn for_validation(root: &Root, payload: &Object, pool: Option<&str>) -> Result<Facts, Failure> {
    let flavour = platform::released_flavour(root).unwrap_or_default();
    let default_zpool = settings::default_pool(root)?;
    let zpools = pools(root)?;
    let unnamed = pool.is_none() && !is_filled(payload, "zpool");
    if flavour == Flavour::OmniOs && unnamed && !zpools.contains(&default_zpool) {
        return Err(Failure::new(format!(
            "{}: there is no pool {default_zpool} for VMs: set dataset to a filesystem in one of: {}",
            settings::PATH,
            zpools.join(", ")
        )));
    }
    Ok(Facts {
        flavour,
        zpools,
        images: named_images(root, payload, pool.unwrap_or(&default_zpool))?,
        default_zpool: Some(default_zpool),
        ..Facts::default()
    })
}

/// Facts for the checks of create and update: those of validation, nic tags and other VMs as far as the payload touches
/// them. With them comes a warning for each VM that cannot be read, so that conflicts with it go unnoticed.
pub fn for_checks(
    root: &Root,
    payload: &Object,
    pool: Option<&str>,
    own_uuid: &str,
) -> Result<(Facts, Vec<String>), Failure> {
    let mut facts = for_validation(root, payload, pool)?;
    let mut warnings = Vec::new();
    facts.absent_sources = absent_sources(root, payload);
    if names_nics(payload) {
        facts.nic_tags = Some(match facts.flavour {
            Flavour::SmartOs => nictagadm::list(root)?
                .into_iter()
                .map(|tag| NicTag { name: tag.name, kind: tag.kind })
                .collect(),
            Flavour::OmniOs => links(root)?,
        });
    }
    if names_addresses(payload) {
        let fields = Fields::of(["uuid", "state", "zone_state", "nics", "vnc_port"]);
        let mut all = Inventory::all(root)?;
        all.retain(|uuid| uuid != own_uuid);
        (facts.other_vms, warnings) = damage::readable(&all, &fields)?;
    }
    Ok((facts, warnings))
}

/// What a `nic_tag` may name on OmniOS: a tag of the settings or a link that VNICs can be made over; `auto` is the link
/// that the brand finds by the address.
fn links(root: &Root) -> Result<Vec<NicTag>, Failure> {
    let text = root.tool("/usr/sbin/dladm").args(["show-link", "-p", "-o", "link,class"]).text()?;
    let links = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, class)| matches!(*class, "phys" | "aggr" | "etherstub" | "bridge" | "overlay"))
        .map(|(link, _)| link.to_owned());
    let tags = settings::read(root)?.nic_tags.into_keys();
    let all = tags.chain(links).chain(["auto".to_owned()]);
    Ok(all.map(|name| NicTag { name, kind: "normal".to_owned() }).collect())
}

/// Where VMs go on OmniOS.
pub fn place(root: &Root) -> Result<omnios::Place, Failure> {
    let settings = settings::read(root)?;
    let settings::Place { dataset, directory } = settings.place(root)?;
    Ok(omnios::Place { dataset, directory, ..named(root, settings) })
}

/// What is behind names alone, for VMs that have their place.
pub fn names(root: &Root) -> Result<omnios::Place, Failure> {
    Ok(named(root, settings::read(root)?))
}

fn named(root: &Root, settings: settings::Settings) -> omnios::Place {
    let devices = gz::hvm::pass_through_devices(root);
    omnios::Place {
        nic_tags: settings.nic_tags,
        pass_through: devices.into_iter().map(|(node, path)| (path, node)).collect(),
        ..omnios::Place::default()
    }
}

/// The configuration of a VM's zone.
pub fn zone(root: &Root, uuid: &str) -> Result<zonecfg::model::Zone, Failure> {
    let (path, text) = gz::zonecfg::read_file(root, uuid)?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))?;
    zonecfg::xml::read(&text).map_err(|error| Failure::new(format!("{path}: {error}")))
}

fn names_nics(payload: &Object) -> bool {
    ["nics", "add_nics", "update_nics"].iter().any(|key| is_filled(payload, key))
}

/// Whether a payload names what no two VMs may have: addresses of NICs, VNC ports.
pub fn names_addresses(payload: &Object) -> bool {
    names_nics(payload) || payload.contains_key("vnc_port")
}

fn is_filled(payload: &Object, key: &str) -> bool {
    payload.get(key).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
}

fn elements<'a>(payload: &'a Object, keys: &'a [&str]) -> impl Iterator<Item = &'a Object> {
    keys.iter()
        .filter_map(|key| payload.get(*key)?.as_array())
        .flatten()
        .filter_map(Value::as_object)
}

fn named_images(root: &Root, payload: &Object, pool: &str) -> Result<Vec<ImageFacts>, Failure> {
    let text = |object: &Object, key: &str| {
        object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let own_pool = ["zpool", "zfs_storage_pool_name"].iter().find_map(|key| text(payload, key));
    let own_pool = own_pool.unwrap_or_else(|| pool.to_owned());
    let mut wanted = BTreeSet::new();
    for key in ["image_uuid", "dataset_uuid", "zone_dataset_uuid"] {
        wanted.extend(text(payload, key).map(|uuid| (own_pool.clone(), uuid)));
    }
    for disk in elements(payload, &["disks", "add_disks"]) {
        if let Some(uuid) = text(disk, "image_uuid") {
            wanted.insert((text(disk, "zpool").unwrap_or_else(|| own_pool.clone()), uuid.clone()));
            wanted.insert((own_pool.clone(), uuid));
        }
    }
    let mut found = Vec::new();
    for (pool, uuid) in wanted {
        // The name of a file is made of it: what cannot be a UUID names no image.
        let plausible =
            uuid.len() == 36 && uuid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if plausible && let Some(record) = images::read(root, &pool, &uuid)? {
            found.extend(
                record
                    .manifest()
                    .as_object()
                    .map(|manifest| ImageFacts::from_manifest(&pool, manifest)),
            );
        }
    }
    Ok(found)
}

/// Sources of lofs filesystems that do not exist.
fn absent_sources(root: &Root, payload: &Object) -> BTreeSet<String> {
    elements(payload, &["filesystems", "add_filesystems", "update_filesystems"])
        .filter_map(|filesystem| filesystem.get("source")?.as_str())
        .filter(|source| source.starts_with('/') && !root.path(source).exists())
        .map(str::to_owned)
        .collect()
}

/// Facts for planning a create on SmartOS whose payload has been prepared. Refuses what cannot be made: of images that
/// do not exist or whose zones never say that they are set up, of datasets that exist.
pub fn for_create(root: &Root, payload: &Payload, brand: Brand) -> Result<create::Facts, Failure> {
    use manifest::Fields as _;
    let text = |key: &str| payload.text(key).unwrap_or_default().to_owned();
    let pool = text("zpool");
    let features = brand.features();
    let mut no_zoneconfig = false;
    if features.vm_type == VmType::Os && !features.var_svc_provisioning {
        no_zoneconfig = !provisionable(root, &pool, &text("image_uuid"), brand)?.reads_zoneconfig;
    }
    let mut facts = storage(root, payload, &format!("{pool}/{}", text("zonename")))?;
    facts.no_zoneconfig = no_zoneconfig;
    facts.others_have_firewall = payload.objects("add_nics").next().is_some()
        && others_have_firewall(root, payload.object())?;
    if features.vm_type.is_hvm() {
        let sysinfo = gz::sysinfo::read(root)?;
        if brand == Brand::Bhyve {
            check_bhyve(&sysinfo)?;
        }
        facts.platform_buildstamp =
            sysinfo.get("Live Image").and_then(Value::as_str).map(str::to_owned);
    }
    Ok(facts)
}

/// Those of the facts that are about datasets, `target` being the new VM's own.
pub fn storage(root: &Root, payload: &Payload, target: &str) -> Result<create::Facts, Failure> {
    use manifest::Fields as _;
    let pool = payload.text("zpool").unwrap_or_default().to_owned();
    let mut facts = create::Facts {
        now_ms: now_ms(),
        volume_uuids: volume_uuids(payload.object()),
        provision_limit_ms: provision_limit_ms(),
        disk_uuids: vec![uuid::Uuid::new_v4().to_string()],
        ..Default::default()
    };
    let mut images = Vec::new();
    if let Some(image) = payload.text("image_uuid") {
        images.push(format!("{pool}/{image}"));
    }
    let mut blank_pools = BTreeSet::new();
    for disk in
        payload.objects("add_disks").filter(|disk| disk.get("media") != Some(&"cdrom".into()))
    {
        let disk_pool = disk.text("zpool").unwrap_or(&pool);
        match disk.text("image_uuid") {
            Some(image) => images.push(format!("{disk_pool}/{image}")),
            None if !disk.has("block_size") && !disk.truthy("nocreate") => {
                blank_pools.insert(disk_pool.to_owned());
            }
            None => {}
        }
    }
    let mut names = vec![target.to_owned()];
    for image in &images {
        names.push(image.clone());
        names.push(format!("{image}@final"));
    }
    let existing = existing(root, &names)?;
    if existing.contains(target) {
        return Err(Failure::new(format!("dataset {target} already exists")));
    }
    for image in images {
        if !existing.contains(&image) {
            return Err(Failure::new(format!("unable to find dataset: {image}")));
        }
        if !existing.contains(&format!("{image}@final")) {
            facts.without_final.insert(image);
        }
    }
    for pool in blank_pools {
        let size = block_size(root, &pool)?;
        if size != create::BLOCK_SIZE {
            facts.block_sizes.insert(pool, size);
        }
    }
    Ok(facts)
}

/// Environment variable that says how many seconds a new VM may take to set itself up.
const PROVISION_TIMEOUT: &str = "ZONEKIT_PROVISION_TIMEOUT";

fn provision_limit_ms() -> Option<u64> {
    let seconds: u64 = std::env::var(PROVISION_TIMEOUT).ok()?.parse().ok()?;
    Some(seconds.saturating_mul(1000))
}

/// New UUIDs, one for each filesystem that is to be made for the VM under a name of our choice.
pub fn volume_uuids(payload: &Object) -> Vec<String> {
    elements(payload, &["add_filesystems"])
        .filter(|filesystem| filesystem.get("source") == Some(&"create-volume".into()))
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect()
}

fn check_bhyve(sysinfo: &Object) -> Result<(), Failure> {
    match sysinfo.get("Bhyve Capable") {
        None => Err(Failure::new("sysinfo does not have \"Bhyve Capable\" property")),
        Some(capable) if manifest::js::truthy(capable) => Ok(()),
        Some(_) => Err(Failure::new("Bhyve not supported")),
    }
}

/// Those of `names` (datasets and snapshots) that exist, in one run of zfs.
fn existing(root: &Root, names: &[String]) -> Result<BTreeSet<String>, Failure> {
    let tool = zfs::tool(root).args(["list", "-H", "-p", "-o", "name", "-t", "all"]).args(names);
    let command = tool.display();
    let output = tool.output()?;
    // One that does not exist makes zfs fail, after it has listed the others.
    let stderr = output.error_text();
    let absent = |line: &str| line.contains("does not exist");
    if output.success() || (!stderr.is_empty() && stderr.lines().all(absent)) {
        return Ok(output.text().lines().map(str::to_owned).collect());
    }
    Err(gz::Error::Failed { command, status: output.status, stderr }.into())
}

/// The block size for blank volumes of a pool: larger where all its disks have 4 KiB sectors and are in a RAID-Z, which
/// would waste space with small blocks.
pub fn block_size(root: &Root, pool: &str) -> Result<u64, Failure> {
    const LARGE: u64 = 32 * 1024;
    let text = root.tool("/usr/sbin/zdb").args(["-C", pool]).text()?;
    let large_sectors = text.contains("ashift: 12") && !text.contains("ashift: 9");
    Ok(if large_sectors && text.contains("type: 'raidz'") { LARGE } else { create::BLOCK_SIZE })
}

/// What the zoneinit of an image does, as the image says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zoneinit {
    /// It moves `/var/svc/provisioning` away once the zone has set itself up.
    pub moves_provisioning: bool,
    /// It reads `/root/zoneconfig`.
    pub reads_zoneconfig: bool,
}

impl Zoneinit {
    /// Looks below an image's root (`/zones/<uuid>/root`). Before images said what their zoneinit does, one that fetched
    /// metadata did both.
    pub fn read(root: &Root, image_root: &str) -> Result<Self, Failure> {
        const ABOUT: &str = "/var/zoneinit/zoneinit.json";
        const FETCHES: [&str; 2] =
            ["/root/zoneinit.d/04-mdata.sh", "/var/zoneinit/includes/04-mdata.sh"];
        if !root.path(image_root).is_dir() {
            return Ok(Self { moves_provisioning: false, reads_zoneconfig: true });
        }
        let files = gz::zone_files::ZoneRoot::new(root, image_root);
        let about: Value = match files.read(ABOUT)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| Failure::new(format!("{image_root}{ABOUT}: {error}")))?,
            None => Value::Null,
        };
        if let Some(features) = about.get("features") {
            let has = |name: &str| features.get(name).is_some_and(manifest::js::truthy);
            return Ok(Self {
                moves_provisioning: has("var_svc_provisioning"),
                reads_zoneconfig: has("zoneconfig"),
            });
        }
        let mut moves_provisioning = false;
        for path in FETCHES {
            moves_provisioning |= files.exists(path)?;
        }
        Ok(Self { moves_provisioning, reads_zoneconfig: true })
    }
}

/// Refuses an image whose zones would never say that they are set up: create would wait for them in vain.
fn provisionable(root: &Root, pool: &str, image: &str, brand: Brand) -> Result<Zoneinit, Failure> {
    let why = match Zoneinit::read(root, &format!("/{pool}/{image}/root")) {
        Ok(zoneinit) if zoneinit.moves_provisioning => return Ok(zoneinit),
        Ok(_) => format!(
            "image {image} has neither features.var_svc_provisioning in /var/zoneinit/zoneinit.json nor zoneinit's \
             04-mdata.sh: its zones would not say when they are set up"
        ),
        Err(Failure::Failed(message)) => message,
        Err(usage @ Failure::Usage(_)) => return Err(usage),
    };
    let refusal =
        format!("provisioning dataset {image} with brand {} is not supported", brand.as_str());
    Err(Failure::explained(refusal, [why]))
}

/// Whether a VM other than this one has its firewall enabled. Looks at the zones' documents alone.
pub fn others_have_firewall(root: &Root, vm: &Object) -> Result<bool, Failure> {
    let own = vm.get("zonename").or_else(|| vm.get("uuid")).and_then(Value::as_str);
    Ok(gz::zonecfg::any_other_has_flag(root, own.unwrap_or_default(), "firewall_enabled")?)
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// New UUIDs for the disks of a VM that have none.
pub fn disk_uuids(vm: &Object) -> Vec<String> {
    let disks = vm.get("disks").and_then(Value::as_array).into_iter().flatten();
    disks
        .filter(|disk| disk.get("uuid").is_none())
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect()
}
