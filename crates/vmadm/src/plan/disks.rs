//! Volumes of bhyve and KVM virtual machines.

use std::collections::BTreeSet;

use gz::plan::{Properties, Step};
use serde_json::Value;

use super::{Object, as_text, seed, text};

/// What is known of the pools that volumes are put on.
#[derive(Clone, Copy)]
pub(super) struct Pools<'a> {
    /// The block size for blank volumes where none is asked for, in bytes.
    pub block_size: &'a dyn Fn(&str) -> u64,
    /// Whether an image (`pool/uuid`) has its `@final` snapshot.
    pub has_final: &'a dyn Fn(&str) -> bool,
}

/// Names the volumes of the disks in `add_disks` that need one, notes their path and pool in the payload, and gives the
/// steps that make them. `used` are the numbers taken by the VM's other disks.
pub(super) fn add(
    payload: &mut Object,
    brand: &str,
    uuid: &str,
    default_pool: &str,
    mut used: BTreeSet<u64>,
    pools: Pools<'_>,
) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let disks = payload.get_mut("add_disks").and_then(Value::as_array_mut).into_iter().flatten();
    for disk in disks.filter_map(Value::as_object_mut) {
        if text(disk, "media") == "cdrom" || disk.get("nocreate").is_some_and(is_set) {
            if text(disk, "path").is_empty() {
                return Err(
                    "disks.*.path: missing for a disk that is not made for the VM".to_owned()
                );
            }
            continue;
        }
        let mut number = 0;
        while !used.insert(number) {
            number += 1;
        }
        let pool = match text(disk, "zpool") {
            "" => default_pool.to_owned(),
            pool => pool.to_owned(),
        };
        let separator = if brand == "bhyve" { "/" } else { "-" };
        let volume = format!("{pool}/{uuid}{separator}disk{number}");
        create(disk, &pool, &volume, pools, &mut steps);
        disk.insert("path".to_owned(), format!("/dev/zvol/rdsk/{volume}").into());
    }
    Ok(steps)
}

fn is_set(value: &Value) -> bool {
    manifest::js::truthy(value) && value != "false"
}

fn create(disk: &Object, pool: &str, volume: &str, pools: Pools<'_>, steps: &mut Vec<Step>) {
    let mut properties = Properties::new();
    let mut copy = |name: &str, value: Option<String>| {
        properties.extend(value.map(|value| (name.to_owned(), value)));
    };
    copy("compression", disk.get("compression").map(as_text));
    let block_size = disk.get("block_size").map(as_text);
    let reserved = match disk.get("refreservation") {
        Some(mib) if mib != "auto" => Some(format!("{}M", as_text(mib))),
        _ => None,
    };
    let size = disk.get("size").and_then(Value::as_u64);
    if let Some(image) = disk.get("image_uuid").and_then(Value::as_str) {
        copy("volblocksize", block_size);
        copy("volsize", size.map(|size| format!("{size}M")));
        copy("refreservation", Some(reserved.unwrap_or_else(|| "auto".to_owned())));
        let image = format!("{pool}/{image}");
        let snapshot = if (pools.has_final)(&image) {
            format!("{image}@final")
        } else {
            let snapshot = format!("{image}@{}", text(disk, "uuid"));
            steps.push(Step::CreateSnapshots { snapshots: vec![snapshot.clone()] });
            snapshot
        };
        steps.push(Step::CloneDataset {
            snapshot,
            dataset: volume.to_owned(),
            force: true,
            properties,
        });
    } else {
        let optimal = || (pools.block_size)(pool).to_string();
        copy("volblocksize", Some(block_size.unwrap_or_else(optimal)));
        copy("refreservation", reserved);
        let size_mib = size.unwrap_or_default();
        steps.push(Step::CreateVolume { dataset: volume.to_owned(), size_mib, properties });
    }
}

/// The volumes among `add_disks` whose reservation the operator has chosen. The original overwrites it with the default.
pub(super) fn with_own_reservation(payload: &Object) -> Vec<String> {
    super::objects(payload, "add_disks")
        .filter(|disk| disk.get("refreservation").is_some_and(|mib| mib != "auto"))
        .filter_map(|disk| text(disk, "path").strip_prefix("/dev/zvol/rdsk/").map(str::to_owned))
        .collect()
}

/// Adds the volume for cloud-init's seed to a new VM whose image reads it from there.
pub(super) fn add_seed(payload: &mut Object) {
    if !seed::is_wanted(payload) || seed::volume(payload).is_some() {
        return;
    }
    let disk = serde_json::json!({
        "size": seed::SIZE_MIB, "model": "virtio", "boot": false, "media": "disk",
        "block_size": seed::BLOCK_SIZE, SEED: true,
    });
    match payload.entry("add_disks").or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(disks) => disks.push(disk),
        _ => return,
    }
    if let Some(size) = payload.get("flexible_disk_size").and_then(Value::as_u64) {
        payload.insert("flexible_disk_size".into(), (size + seed::SIZE_MIB).into());
    }
}

/// Marks the disk with cloud-init's seed among those that are added; it is not stored.
const SEED: &str = "is_seed";

/// Notes where the seed's volume is, so that it can be written when the VM starts.
pub(super) fn note_seed(payload: &mut Object) {
    let path = super::objects(payload, "add_disks")
        .find(|disk| super::flag(disk, SEED))
        .map(|disk| text(disk, "path").to_owned());
    if let Some(path) = path {
        seed::set_volume(payload, &path);
    }
}

/// The number of a disk's volume (`…/disk3`, `…-disk3`).
pub(super) fn number(path: &str) -> Option<u64> {
    let digits = path.rfind("disk")? + "disk".len();
    path[digits..].parse().ok()
}
