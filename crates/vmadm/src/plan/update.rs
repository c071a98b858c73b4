//! The plan of `vmadm update`.

use std::collections::{BTreeMap, BTreeSet};

use gz::plan::{OnFailure, Plan, Properties, Step};
use manifest::Brand;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zonecfg::mapping::smartos_write;

use super::create::{self, change, protect};
use super::{
    ConfigFiles, Object, as_text, disks, docker, flag, links, list, live, objects, slots, text,
    zone_files,
};

const MIB: u64 = 1 << 20;

pub use super::live::changes_what_rules_go_by;

/// Bytes; a size that is beyond all pools stays so.
fn mib_to_bytes(mib: Option<u64>) -> u64 {
    mib.unwrap_or_default().saturating_mul(MIB)
}

/// What the planner needs to know of the system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Best block size for blank volumes by pool, in bytes, where it is not the usual one.
    pub block_sizes: BTreeMap<String, u64>,
    /// Images (`pool/uuid`) that lack the `@final` snapshot.
    pub without_final: BTreeSet<String>,
    /// Answers to the [`questions`], by volume.
    pub reservations: BTreeMap<String, Reservation>,
    /// The VM's interfaces that are up.
    pub links: BTreeSet<String>,
    /// UUIDs for created volumes, one for each `create-volume` filesystem.
    pub volume_uuids: Vec<String>,
    /// Whether the VM has had created volumes before.
    pub has_volumes: bool,
    /// Whether another VM has its firewall enabled, whose rules may name this one.
    pub others_have_firewall: bool,
}

/// What a volume needs to be written full, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its reservation and size now; zero for a new one.
    pub now: u64,
    pub size_now: u64,
    /// Its reservation and size after the change.
    pub after: u64,
    pub size_after: u64,
}

/// A volume whose reservation the planner wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub volume: String,
    /// Bytes.
    pub size: u64,
    /// Whether it exists and is resized.
    pub exists: bool,
    /// The image (`pool/uuid`) it is cloned of, whose block size it has.
    pub image: Option<String>,
    /// The block size asked for, in bytes.
    pub block_size: Option<u64>,
    pub pool: String,
}

/// What is to be asked of zfs before a plan for this update can be made.
pub fn questions(vm: &Object, payload: &Object) -> Vec<Question> {
    let mut questions = Vec::new();
    if text(vm, "brand") != "bhyve" {
        return questions;
    }
    for (disk, update) in resized(vm, payload) {
        let volume = text(disk, "zfs_filesystem").to_owned();
        questions.push(Question {
            pool: pool_of(&volume).to_owned(),
            volume,
            size: mib_to_bytes(update.get("size").and_then(Value::as_u64)),
            exists: true,
            image: None,
            block_size: None,
        });
    }
    let mut named = payload.clone();
    // A payload that cannot be planned has no questions; planning says why.
    let steps = add_disks(vm, &mut named, Brand::Bhyve, &Facts::default()).unwrap_or_default();
    let volumes = steps.iter().filter_map(|step| match step {
        Step::CreateVolume { dataset, .. } | Step::CloneDataset { dataset, .. } => Some(dataset),
        _ => None,
    });
    let new = objects(&named, "add_disks").filter(|disk| {
        volumes.clone().any(|volume| text(disk, "path") == format!("/dev/zvol/rdsk/{volume}"))
    });
    for disk in new.filter(|disk| !disk.contains_key("refreservation")) {
        let volume = text(disk, "path").trim_start_matches("/dev/zvol/rdsk/").to_owned();
        let pool = pool_of(&volume).to_owned();
        let size = ["size", "image_size"].iter().find_map(|key| disk.get(*key)?.as_u64());
        questions.push(Question {
            size: mib_to_bytes(size),
            exists: false,
            image: disk
                .get("image_uuid")
                .and_then(Value::as_str)
                .map(|image| format!("{pool}/{image}")),
            block_size: disk.get("block_size").and_then(Value::as_u64),
            volume,
            pool,
        });
    }
    questions
}

fn pool_of(dataset: &str) -> &str {
    dataset.split('/').next().unwrap_or(dataset)
}

/// Plans an update on SmartOS. `payload` has been prepared against `vm`: coerced, completed and checked.
pub fn plan(vm: &Object, payload: Object, brand: Brand, facts: &Facts) -> Result<Plan, String> {
    if brand == Brand::Bhyve {
        slots::check(vm, &payload)?;
    }
    let script = |payload: &Object| {
        smartos_write::update_script(vm, payload).map_err(|error| error.to_string())
    };
    plan_with(vm, payload, brand, facts, &script)
}

/// Plans an update. `script` gives the commands that change the zone's configuration, of a payload in which the paths of
/// new disks are filled in.
pub fn plan_with(
    vm: &Object,
    mut payload: Object,
    brand: Brand,
    facts: &Facts,
    script: &dyn Fn(&Object) -> Result<String, String>,
) -> Result<Plan, String> {
    check_disks(vm, &payload)?;
    let uuid = text(vm, "uuid");
    let dataset = text(vm, "zfs_filesystem");
    let zonepath = text(vm, "zonepath");
    let mut plan = Plan::new("update", uuid, OnFailure::Undo);
    let steps = &mut plan.steps;
    create::resolve_created_filesystems(&mut payload, zonepath, &facts.volume_uuids)?;

    steps.extend(live::once_undone(vm, &payload, brand, facts.others_have_firewall));
    let adds_disks = payload.contains_key("add_disks");
    let space = space(vm, &payload, brand, dataset);
    // Room is made before it is taken. Destroying comes last, as it cannot be undone.
    let (before, after) = if grows(vm, &payload) { (space, None) } else { (None, space) };
    steps.extend(before);
    let flexible = payload.get("flexible_disk_size").or_else(|| vm.get("flexible_disk_size"));
    let room = Room {
        dataset,
        flexible: flexible.and_then(Value::as_u64).is_some_and(|size| size > 0),
        facts,
    };
    let removed = removed_volumes(vm, &payload);
    let shared = if adds_disks && room.flexible { reserved(&removed) } else { 0 };
    share_space(steps, dataset, &removed, shared);
    for step in add_disks(vm, &mut payload, brand, facts)? {
        let volume = match &step {
            Step::CreateVolume { dataset, .. } | Step::CloneDataset { dataset, .. } => {
                Some(dataset.clone())
            }
            _ => None,
        };
        steps.extend(volume.and_then(|volume| room.adjust(&volume)));
        steps.push(step);
    }
    let old_files = ConfigFiles::of(vm);
    let new_files = old_files.updated(&payload);
    steps.extend(new_files.update(&old_files, zonepath));
    let script = script(&payload)?;
    let configured = !script.is_empty();
    if configured {
        steps.push(change(uuid, &script));
    }
    create::created_filesystems(steps, &payload, uuid, zonepath, facts.has_volumes)?;
    live::restart_metadata(steps, vm, &payload, brand);
    links::update(steps, vm, &payload, &facts.links);
    if brand.features().write_zone_netfiles {
        zone_files::update_ipv6_routes(steps, vm, &payload);
    }
    let resizes = resize_disks(steps, vm, &payload, &room);
    docker_hosts(steps, vm, &new_files, zonepath)?;
    let spaces = after.is_some();
    steps.extend(after);
    dataset_properties(steps, vm, &payload, dataset);
    indestructible(steps, vm, &payload, dataset);
    disk_properties(steps, vm, &payload);
    live::resource_controls(steps, vm, &payload, brand);
    live::display(steps, vm, &payload, brand);
    live::resize_tmp(steps, vm, &payload);
    live::firewall(steps, vm, &payload, facts.others_have_firewall);
    let routes = new_files.routes != old_files.routes;
    if !configured && (resizes || spaces || routes) {
        // The time of the last change is that of this file.
        steps.push(Step::Touch { path: format!("/etc/zones/{}.xml", text(vm, "zonename")) });
    }
    if !removed.is_empty() {
        plan.no_return_from_here();
        plan.steps.extend(
            removed.iter().map(|disk| Step::DestroyVolume { dataset: volume_of(disk).to_owned() }),
        );
        if shared > 0 {
            plan.steps.push(Step::SettleQuota { dataset: dataset.to_owned() });
        }
    }
    Ok(plan)
}

/// Updates of existing disks that give a size, with the disk.
fn resized<'a>(
    vm: &'a Object,
    payload: &'a Object,
) -> impl Iterator<Item = (&'a Object, &'a Object)> {
    objects(payload, "update_disks").filter(|update| update.contains_key("size")).filter_map(
        |update| {
            let disk = objects(vm, "disks").find(|disk| disk.get("path") == update.get("path"))?;
            (disk.get("size") != update.get("size")).then_some((disk, update))
        },
    )
}

/// Refuses disks that are not there, and shrinking that was not asked for in so many words.
fn check_disks(vm: &Object, payload: &Object) -> Result<(), String> {
    for path in list(payload, "remove_disks").iter().map(as_text) {
        if !objects(vm, "disks").any(|disk| text(disk, "path") == path) {
            return Err(format!("There is no existing disk with that path: {path}"));
        }
    }
    for (disk, update) in resized(vm, payload) {
        let size = |of: &Object| of.get("size").and_then(Value::as_u64).unwrap_or_default();
        if text(disk, "zfs_filesystem").is_empty() {
            return Err("failed to identify device to resize".to_owned());
        }
        if size(disk) > size(update) && !flag(update, "dangerous_allow_shrink") {
            return Err(format!(
                "first of 1 error: cannot resize disk: new size must be greater than current size. ({} > {})",
                size(disk),
                size(update)
            ));
        }
    }
    Ok(())
}

/// Room for volumes in a bhyve VM's quota.
struct Room<'a> {
    dataset: &'a str,
    /// Whether volumes share a size of their own: only their metadata come on top.
    flexible: bool,
    facts: &'a Facts,
}

impl Room<'_> {
    /// Bytes that a volume needs more than before, of the VM's quota.
    fn delta(&self, volume: &str) -> i64 {
        let Some(answer) = self.facts.reservations.get(volume) else { return 0 };
        let (now, after) = if self.flexible {
            let metadata = |reserved: u64, size: u64| reserved.saturating_sub(size);
            (metadata(answer.now, answer.size_now), metadata(answer.after, answer.size_after))
        } else {
            (answer.now, answer.after)
        };
        i64::try_from(after).unwrap_or(i64::MAX).saturating_sub_unsigned(now)
    }

    fn adjust(&self, volume: &str) -> Option<Step> {
        let delta = self.delta(volume);
        (delta != 0).then(|| Step::AdjustSpace { dataset: self.dataset.to_owned(), delta })
    }
}

fn add_disks(
    vm: &Object,
    payload: &mut Object,
    brand: Brand,
    facts: &Facts,
) -> Result<Vec<Step>, String> {
    if !brand.vm_type().is_hvm() {
        return Ok(Vec::new());
    }
    let used = objects(vm, "disks").filter_map(|disk| disks::number(text(disk, "path"))).collect();
    let pools = disks::Pools {
        block_size: &|pool| facts.block_sizes.get(pool).copied().unwrap_or(create::BLOCK_SIZE),
        has_final: &|image| !facts.without_final.contains(image),
    };
    let dataset = text(vm, "zfs_filesystem");
    let pool = match text(vm, "zpool") {
        "" => pool_of(dataset).to_owned(),
        pool => pool.to_owned(),
    };
    // A bhyve VM's volumes lie below its dataset, a KVM one's beside it, wherever that is.
    let name = match dataset.split_once('/') {
        Some((_, name)) if brand == Brand::Bhyve => name.to_owned(),
        Some((_, name)) => match name.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{}", text(vm, "uuid")),
            None => text(vm, "uuid").to_owned(),
        },
        None => text(vm, "uuid").to_owned(),
    };
    disks::add(payload, brand.as_str(), &name, &pool, used, pools)
}

/// The disks in `remove_disks` that have a volume.
fn removed_volumes<'a>(vm: &'a Object, payload: &Object) -> Vec<&'a Object> {
    let removed: Vec<String> = list(payload, "remove_disks").iter().map(as_text).collect();
    objects(vm, "disks")
        .filter(|disk| removed.iter().any(|path| path == text(disk, "path")))
        .filter(|disk| !volume_of(disk).is_empty() && !flag(disk, "missing"))
        .collect()
}

fn volume_of(disk: &Object) -> &str {
    text(disk, "zfs_filesystem")
}

/// Bytes that disks have reserved, at least.
fn reserved(disks: &[&Object]) -> u64 {
    let mib =
        |disk: &&Object| disk.get("refreservation").and_then(Value::as_u64).map(|mib| mib + 1);
    disks.iter().filter_map(mib).sum::<u64>().saturating_mul(MIB)
}

/// Disks that share a size are there twice until the old ones may go: the quota is `bytes` larger meanwhile, and what the
/// old ones have reserved but not written is free for the new ones.
fn share_space(steps: &mut Vec<Step>, dataset: &str, removed: &[&Object], bytes: u64) {
    if bytes > 0 {
        steps.push(Step::RaiseQuota { dataset: dataset.to_owned(), bytes });
        steps.extend(
            removed.iter().map(|disk| set(volume_of(disk), "refreservation", "none".to_owned())),
        );
    }
}

/// Grown volumes need room before, shrunk ones leave it after. Says whether there are any.
fn resize_disks(steps: &mut Vec<Step>, vm: &Object, payload: &Object, room: &Room<'_>) -> bool {
    let before = steps.len();
    for (disk, update) in resized(vm, payload) {
        let volume = text(disk, "zfs_filesystem");
        let bytes = mib_to_bytes(update.get("size").and_then(Value::as_u64));
        let set = Step::SetProperties {
            dataset: volume.to_owned(),
            properties: vec![("volsize".to_owned(), bytes.to_string())],
        };
        let adjust = room.adjust(volume);
        if room.delta(volume) > 0 {
            steps.extend(adjust);
            steps.push(set);
        } else {
            steps.push(set);
            steps.extend(adjust);
        }
    }
    steps.len() > before
}

/// What changes of `quota` and `flexible_disk_size` come to.
fn space(vm: &Object, payload: &Object, brand: Brand, dataset: &str) -> Option<Step> {
    let number = |of: &Object, key: &str| of.get(key).and_then(Value::as_u64);
    let changed = |key: &str| payload.contains_key(key) && number(payload, key) != number(vm, key);
    if !changed("quota") && !changed("flexible_disk_size") {
        return None;
    }
    let now = |key: &str| number(if payload.contains_key(key) { payload } else { vm }, key);
    let quota_gib = now("quota").unwrap_or_default();
    if brand == Brand::Bhyve {
        return Some(Step::ReserveBhyveSpace {
            dataset: dataset.to_owned(),
            quota_gib,
            flexible_mib: now("flexible_disk_size"),
            keep: objects(vm, "disks")
                .map(|disk| text(disk, "zfs_filesystem").to_owned())
                .collect(),
        });
    }
    let quota = if quota_gib == 0 { "none".to_owned() } else { format!("{quota_gib}g") };
    Some(set(dataset, "quota", quota))
}

/// Whether the update gives a bhyve VM more space for its volumes.
fn grows(vm: &Object, payload: &Object) -> bool {
    let number = |of: &Object| of.get("flexible_disk_size").and_then(Value::as_u64);
    payload.contains_key("flexible_disk_size") && number(payload) > number(vm)
}

fn set(dataset: &str, name: &str, value: String) -> Step {
    Step::SetProperties { dataset: dataset.to_owned(), properties: vec![(name.to_owned(), value)] }
}

/// Properties of the zone's dataset and of the one delegated to it.
fn dataset_properties(steps: &mut Vec<Step>, vm: &Object, payload: &Object, dataset: &str) {
    const PROPERTIES: [(&str, &str, bool); 6] = [
        ("zfs_root_recsize", "recsize", false),
        ("zfs_filesystem_limit", "filesystem_limit", false),
        ("zfs_snapshot_limit", "snapshot_limit", false),
        ("zfs_data_recsize", "recsize", true),
        ("zfs_root_compression", "compression", false),
        ("zfs_data_compression", "compression", true),
    ];
    let data = format!("{dataset}/data");
    let delegated = list(vm, "datasets").iter().any(|dataset| dataset == data.as_str());
    for (property, name, of_data) in PROPERTIES {
        let Some(value) = payload.get(property) else { continue };
        if (of_data && !delegated) || vm.get(property) == Some(value) {
            continue;
        }
        let value = match value {
            Value::Null if name.ends_with("limit") => "none".to_owned(),
            Value::Null => continue,
            value => as_text(value),
        };
        steps.push(set(if of_data { &data } else { dataset }, name, value));
    }
}

fn indestructible(steps: &mut Vec<Step>, vm: &Object, payload: &Object, dataset: &str) {
    let data = format!("{dataset}/data");
    let delegated = list(vm, "datasets").iter().any(|dataset| dataset == data.as_str());
    for (property, dataset) in
        [("indestructible_zoneroot", dataset), ("indestructible_delegated", data.as_str())]
    {
        let Some(wanted) = payload.get(property) else { continue };
        let wanted = wanted == &Value::Bool(true);
        let skip = property == "indestructible_delegated" && !delegated;
        if skip || wanted == flag(vm, property) {
            continue;
        }
        if wanted {
            protect(steps, dataset);
        } else {
            let snapshot = format!("{dataset}@indestructible");
            steps.push(Step::ReleaseHolds { snapshot: snapshot.clone() });
            steps.push(Step::DestroySnapshot { snapshot });
        }
    }
}

/// Compression and reservation of disks.
fn disk_properties(steps: &mut Vec<Step>, vm: &Object, payload: &Object) {
    for update in objects(payload, "update_disks") {
        let disk = objects(vm, "disks").find(|disk| disk.get("path") == update.get("path"));
        let Some(volume) = disk.map(|disk| text(disk, "zfs_filesystem")).filter(|v| !v.is_empty())
        else {
            continue;
        };
        let mut properties = Properties::new();
        if let Some(compression) = update.get("compression") {
            properties.push(("compression".to_owned(), as_text(compression)));
        }
        if let Some(mib) = update.get("refreservation") {
            properties.push(("refreservation".to_owned(), format!("{}M", as_text(mib))));
        }
        for (name, value) in properties {
            steps.push(set(volume, &name, value));
        }
    }
}

/// A docker zone's hosts file names the containers that it is linked to.
fn docker_hosts(
    steps: &mut Vec<Step>,
    vm: &Object,
    new: &ConfigFiles,
    zonepath: &str,
) -> Result<(), String> {
    let old = ConfigFiles::of(vm);
    let changed = ["docker:linkHosts", "docker:extraHosts"]
        .iter()
        .any(|key| old.internal_metadata.get(*key) != new.internal_metadata.get(*key));
    if !flag(vm, "docker") || !changed {
        return Ok(());
    }
    let mut vm = vm.clone();
    vm.insert("internal_metadata".into(), new.internal_metadata.clone().into());
    let (files, _) = docker::host_files(&vm, zonepath)?;
    steps.extend(files.into_iter().filter(|step| matches!(step, Step::WriteFile { .. })));
    Ok(())
}
