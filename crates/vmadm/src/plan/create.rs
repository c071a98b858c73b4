//! The plan of `vmadm create`.

use std::collections::{BTreeMap, BTreeSet};

use gz::plan::{OnFailure, Plan, Step, ZoneFile};
use manifest::Brand;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zonecfg::mapping::smartos_write::{self, NewZone};

use super::{
    ConfigFiles, Object, as_text, disks, docker, flag, objects, slots, start, text, zone_files,
};

/// How long a new VM may take to set itself up, in milliseconds.
const PROVISION_LIMIT_MS: u64 = 300_000;

/// Memory, in MiB, for which an HVM VM gets that time once more.
const PROVISION_RAM: u64 = 4096;

/// Seconds that mdata:execute may take where the payload says nothing.
const MDATA_TIMEOUT: u64 = 300;

/// The block size of volumes, in bytes, where nothing is known of the pool.
pub const BLOCK_SIZE: u64 = 8192;

/// What the planner needs to know of the system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// Best block size for blank volumes by pool, in bytes, where it is not [`BLOCK_SIZE`].
    pub block_sizes: BTreeMap<String, u64>,
    /// Images (`pool/uuid`) that lack the `@final` snapshot.
    pub without_final: BTreeSet<String>,
    /// Whether the image says that its zoneinit does not read `/root/zoneconfig`.
    pub no_zoneconfig: bool,
    /// The platform's build stamp, which HVM guests see.
    pub platform_buildstamp: Option<String>,
    /// How long a new VM may take to set itself up, where that is not the usual time.
    pub provision_limit_ms: Option<u64>,
    /// UUIDs for disks that get theirs when the VM starts.
    pub disk_uuids: Vec<String>,
    /// UUIDs for created volumes, one for each `create-volume` filesystem.
    pub volume_uuids: Vec<String>,
    /// Whether another VM has its firewall enabled, whose rules may name this one.
    pub others_have_firewall: bool,
}

/// Plans a create. `payload` has been prepared: coerced, completed and checked.
pub fn plan(mut payload: Object, brand: Brand, facts: &Facts) -> Result<Plan, String> {
    let uuid = text(&payload, "uuid").to_owned();
    let zonename = text(&payload, "zonename").to_owned();
    let pool = text(&payload, "zpool").to_owned();
    let dataset = format!("{pool}/{zonename}");
    let zonepath = format!("/{dataset}");
    let root = format!("{zonepath}/root");
    let features = brand.features();
    smartos_write::complete_nics(&mut payload, brand.as_str());
    resolve_created_filesystems(&mut payload, &zonepath, &facts.volume_uuids)?;

    let mut plan = Plan::new("create", &uuid, OnFailure::Undo);
    if brand.vm_type().is_hvm() {
        volumes(&mut plan.steps, &mut payload, brand, &dataset, &pool, facts)?;
    }
    if brand == Brand::Bhyve {
        slots::check(&Object::new(), &payload)?;
    }
    let boots = flag(&payload, "autoboot");
    let limit = facts.provision_limit_ms.unwrap_or_else(|| provision_limit(&payload, brand));
    let expiry = facts.now_ms.saturating_add(limit);
    let created = gz::clock::iso8601(i64::try_from(facts.now_ms).unwrap_or(i64::MAX));
    let transition = format!("provisioning:running:{expiry}");
    let new = NewZone {
        zonepath: &zonepath,
        create_timestamp: &created,
        transition: boots.then_some(transition.as_str()),
        version: 1,
    };
    let script = smartos_write::create_script(&payload, &new).map_err(|e| e.to_string())?;
    plan.steps.push(Step::ConfigureZone { zone: zonename.clone(), uuid: uuid.clone(), script });
    let image = payload.get("image_uuid").and_then(Value::as_str).map(str::to_owned);
    plan.steps.push(Step::Install {
        zone: zonename,
        uuid: uuid.clone(),
        quota_gib: payload.get("quota").and_then(Value::as_u64).unwrap_or_default(),
        no_dataset: image.is_some() || brand == Brand::Bhyve,
        image,
    });
    datasets(&mut plan.steps, &payload, &uuid, &dataset);
    configuration(&mut plan.steps, &mut payload, &uuid, &zonepath)?;
    if features.var_svc_provisioning || !brand.vm_type().is_hvm() {
        plan.steps.push(provisioning_mark(&root));
    }
    first_boot(&mut plan.steps, &payload, brand, &root, facts);
    plan.steps.push(change(&uuid, "remove attr name=provisioning"));
    if flag(&payload, "firewall_enabled") {
        // The zone finds its rules when it boots.
        plan.steps.push(Step::SetFirewall { uuid: uuid.clone(), enabled: true });
    }
    if facts.others_have_firewall && !super::list(&payload, "add_nics").is_empty() {
        plan.steps.push(Step::UpdateFirewalls { uuid: uuid.clone() });
    }
    if boots {
        let vm = vm_object(&payload, &zonepath, facts);
        let wait = if flag(&payload, "nowait") {
            start::NewVm::Unawaited
        } else {
            start::NewVm::Awaited(expiry)
        };
        let extra =
            start::Extra { disk_uuids: facts.disk_uuids.clone(), ..start::Extra::default() };
        start::boot(&mut plan.steps, &vm, brand, &extra, wait)?;
    }
    Ok(plan)
}

/// A one-line change of the zone.
pub(super) fn change(uuid: &str, script: &str) -> Step {
    Step::ChangeZone { uuid: uuid.to_owned(), script: script.to_owned() }
}

/// Large HVM VMs take longer to come up.
fn provision_limit(payload: &Object, brand: Brand) -> u64 {
    let times = match payload.get("ram").and_then(Value::as_u64) {
        Some(ram) if brand.vm_type().is_hvm() => (ram / PROVISION_RAM).max(1),
        _ => 1,
    };
    PROVISION_LIMIT_MS * times
}

fn volumes(
    steps: &mut Vec<Step>,
    payload: &mut Object,
    brand: Brand,
    dataset: &str,
    pool: &str,
    facts: &Facts,
) -> Result<(), String> {
    let uuid = text(payload, "uuid").to_owned();
    if brand == Brand::Bhyve {
        steps.push(Step::CreateFilesystem { dataset: dataset.to_owned(), properties: vec![] });
        disks::add_seed(payload);
    }
    let pools = disks::Pools {
        block_size: &|pool| facts.block_sizes.get(pool).copied().unwrap_or(BLOCK_SIZE),
        has_final: &|image| !facts.without_final.contains(image),
    };
    // A bhyve VM's volumes lie below its dataset, a KVM one's beside it.
    let name = if brand == Brand::Bhyve { text(payload, "zonename").to_owned() } else { uuid };
    let added = disks::add(payload, brand.as_str(), &name, pool, BTreeSet::new(), pools)?;
    steps.extend(added);
    if brand == Brand::Bhyve {
        steps.push(Step::ReserveBhyveSpace {
            dataset: dataset.to_owned(),
            quota_gib: payload.get("quota").and_then(Value::as_u64).unwrap_or_default(),
            flexible_mib: payload.get("flexible_disk_size").and_then(Value::as_u64),
            keep: disks::with_own_reservation(payload),
        });
        disks::note_seed(payload);
    }
    Ok(())
}

/// The file in a new root that is there until it has set itself up.
pub(super) fn provisioning_mark(root: &str) -> Step {
    Step::WriteZoneFile {
        file: ZoneFile { root: root.to_owned(), path: "/var/svc/provisioning".into() },
        text: String::new(),
        mode: 0o644,
    }
}

/// Properties of the zone's dataset that are not the defaults.
pub(super) fn root_properties(steps: &mut Vec<Step>, payload: &Object, dataset: &str) {
    const PROPERTIES: [(&str, &str, Option<&str>); 4] = [
        ("zfs_root_compression", "compression", Some("off")),
        ("zfs_root_recsize", "recsize", Some("131072")),
        ("zfs_snapshot_limit", "snapshot_limit", None),
        ("zfs_filesystem_limit", "filesystem_limit", None),
    ];
    for (property, name, default) in PROPERTIES {
        let Some(value) = payload.get(property).filter(|value| !value.is_null()).map(as_text)
        else {
            continue;
        };
        if Some(value.as_str()) != default {
            let properties = vec![(name.to_owned(), value)];
            steps.push(Step::SetProperties { dataset: dataset.to_owned(), properties });
        }
    }
}

/// The zone's dataset, the one that is delegated to it, and what keeps either from being destroyed.
pub(super) fn datasets(steps: &mut Vec<Step>, payload: &Object, uuid: &str, dataset: &str) {
    root_properties(steps, payload, dataset);
    if flag(payload, "indestructible_zoneroot") {
        protect(steps, dataset);
    }
    if !flag(payload, "delegate_dataset") {
        return;
    }
    let data = format!("{dataset}/data");
    let properties = [("zfs_data_compression", "compression"), ("zfs_data_recsize", "recsize")]
        .into_iter()
        .filter_map(|(property, name)| {
            let value = payload.get(property).filter(|value| !value.is_null())?;
            Some((name.to_owned(), as_text(value)))
        })
        .collect();
    steps.push(Step::CreateFilesystem { dataset: data.clone(), properties });
    steps.push(change(uuid, &format!("add dataset; set name={data}; end")));
    if flag(payload, "indestructible_delegated") {
        protect(steps, &data);
    }
}

/// Makes a dataset indestructible: it has a snapshot that is held.
pub(super) fn protect(steps: &mut Vec<Step>, dataset: &str) {
    let snapshot = format!("{dataset}@indestructible");
    steps.push(Step::CreateSnapshots { snapshots: vec![snapshot.clone()] });
    steps.push(Step::Hold { tag: "do_not_destroy".to_owned(), snapshot });
}

/// Metadata, routes and tags; a docker zone's host files; the filesystems that are made for this VM.
fn configuration(
    steps: &mut Vec<Step>,
    payload: &mut Object,
    uuid: &str,
    zonepath: &str,
) -> Result<(), String> {
    let is_docker = flag(payload, "docker");
    if is_docker
        && flag(payload, "autoboot")
        && let Some(Value::Object(metadata)) = payload.get_mut("internal_metadata")
    {
        metadata.insert("docker:restartcount".into(), 0.into());
    }
    steps.extend(ConfigFiles::of(payload).create(zonepath));
    if is_docker {
        let (files, filesystems) = docker::host_files(&with_nics(payload), zonepath)?;
        steps.extend(files);
        steps.push(add_filesystems(uuid, &filesystems)?);
    }
    created_filesystems(steps, payload, uuid, zonepath, false)
}

fn with_nics(payload: &Object) -> Object {
    let mut vm = payload.clone();
    if let Some(nics) = payload.get("add_nics") {
        vm.insert("nics".into(), nics.clone());
    }
    vm
}

fn add_filesystems(uuid: &str, filesystems: &[Value]) -> Result<Step, String> {
    let script = smartos_write::filesystem_script(filesystems).map_err(|e| e.to_string())?;
    Ok(change(uuid, &script))
}

/// Sources of filesystems that are made for the VM become paths below its dataset. `uuids` name the volumes of those
/// that say `create-volume`.
pub(super) fn resolve_created_filesystems(
    payload: &mut Object,
    zonepath: &str,
    uuids: &[String],
) -> Result<(), String> {
    let mut uuids = uuids.iter();
    let list = payload.get_mut("add_filesystems").and_then(Value::as_array_mut);
    let mut created = Vec::new();
    let Some(list) = list else { return Ok(()) };
    for filesystem in std::mem::take(list) {
        let source = filesystem["source"].as_str().unwrap_or_default().to_owned();
        if !smartos_write::is_created_later(&source) {
            list.push(filesystem);
            continue;
        }
        if source.contains("://") {
            return Err(format!("filesystems.*.source: cannot mount {source}: not a path or UUID"));
        }
        let name = match source.as_str() {
            "create-volume" => uuids.next().cloned().unwrap_or(source),
            _ => source,
        };
        let mut filesystem = filesystem;
        filesystem["source"] = format!("{zonepath}/volumes/{name}").into();
        created.push(filesystem);
    }
    if !created.is_empty() {
        payload.insert(CREATED.to_owned(), created.into());
    }
    Ok(())
}

/// Where the planner keeps the filesystems that it makes.
const CREATED: &str = "created_filesystems";

/// Makes the filesystems that [`resolve_created_filesystems`] found; `has_volumes` says whether the VM has had any.
pub(super) fn created_filesystems(
    steps: &mut Vec<Step>,
    payload: &Object,
    uuid: &str,
    zonepath: &str,
    has_volumes: bool,
) -> Result<(), String> {
    let created = super::list(payload, CREATED);
    if created.is_empty() {
        return Ok(());
    }
    let new =
        |dataset: &str| Step::CreateFilesystem { dataset: dataset.to_owned(), properties: vec![] };
    let below = zonepath.trim_start_matches('/');
    if !has_volumes {
        steps.push(new(&format!("{below}/volumes")));
    }
    for filesystem in objects(payload, CREATED) {
        let source = text(filesystem, "source");
        steps.push(new(source.trim_start_matches('/')));
        steps.push(Step::CopyZoneDirectory {
            root: format!("{zonepath}/root"),
            directory: text(filesystem, "target").to_owned(),
            to: source.to_owned(),
        });
    }
    steps.push(add_filesystems(uuid, created)?);
    Ok(())
}

/// What the zone's first boot finds in its root.
pub(super) fn first_boot(
    steps: &mut Vec<Step>,
    payload: &Object,
    brand: Brand,
    root: &str,
    facts: &Facts,
) {
    let features = brand.features();
    let mut service = |service: &str, property: &str, value: String| {
        steps.push(Step::SetServiceProperty {
            root: root.to_owned(),
            service: service.to_owned(),
            property: property.to_owned(),
            value,
        });
    };
    if features.update_mdata_exec_timeout {
        let seconds = payload.get("mdata_exec_timeout").and_then(Value::as_u64);
        let seconds = seconds.unwrap_or(MDATA_TIMEOUT);
        service("svc:/smartdc/mdata:execute", "start/timeout_seconds", format!("count: {seconds}"));
    }
    if features.zoneinit && features.cleanup_dataset {
        let method = "/lib/svc/method/mdata-fetch".to_owned();
        service("svc:/smartdc/mdata:fetch", "start/exec", method);
    }
    if features.cleanup_dataset {
        steps.extend(zone_files::clean(root, features.zoneinit));
    }
    if features.zoneinit && !facts.no_zoneconfig {
        steps.push(zone_files::zoneconfig(payload, root));
    }
    if features.write_zone_netfiles {
        steps.extend(zone_files::network(payload, root));
    }
    steps.push(Step::RemoveZoneFiles {
        root: root.to_owned(),
        paths: vec!["/.zonecontrol/metadata.sock".to_owned()],
    });
    if features.zoneinit && payload.get("tmpfs").and_then(Value::as_u64) == Some(0) {
        steps.push(zone_files::without_tmpfs(root));
    }
}

/// The VM as it will be loaded, as far as starting it needs.
fn vm_object(payload: &Object, zonepath: &str, facts: &Facts) -> Object {
    let mut vm = payload.clone();
    for (add, name) in [("add_disks", "disks"), ("add_nics", "nics")] {
        if let Some(list) = vm.shift_remove(add) {
            vm.insert(name.to_owned(), list);
        }
    }
    if let Some(Value::Array(nics)) = vm.get_mut("nics") {
        for nic in nics.iter_mut().filter_map(Value::as_object_mut) {
            let gateway = super::list(nic, "gateways")
                .iter()
                .find(|gateway| gateway.as_str().is_some_and(|gateway| !gateway.contains(':')));
            if let Some(gateway) = gateway.cloned() {
                nic.insert("gateway".into(), gateway);
            }
        }
    }
    if text(payload, "brand") == "bhyve" {
        // What the configuration of a new zone has in any case.
        let own_ports = vm.contains_key("com1") || vm.contains_key("com2");
        let ports: &[_] = if own_ports { &[] } else { &["com1", "com2"] };
        for &name in ports.iter().chain(&["zlog_mode", "zlog_name"]) {
            vm.insert(name.to_owned(), Value::Null);
        }
    }
    vm.insert("zonepath".into(), zonepath.into());
    vm.insert("state".into(), "provisioning".into());
    vm.insert("zone_state".into(), "installed".into());
    if let Some(stamp) = &facts.platform_buildstamp {
        vm.insert("platform_buildstamp".into(), stamp.clone().into());
    }
    vm
}
