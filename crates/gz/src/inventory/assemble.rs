//! One VM object out of what the sources said, with the original's order of keys and its omissions.

use manifest::Object;
use manifest::js::number;
use serde_json::{Value, json};

use super::datasets::{Dataset, Datasets};
use super::fields::Fields;
use super::{Shared, config};
use crate::clock::iso8601;
use crate::root::Root;
use crate::zoneadm::Zone;

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;
/// What zfs prints for a limit that is not set.
const NO_LIMIT: f64 = 18_446_744_073_709_551_615.0;

/// Adds what the zone list and the VM's own files say to `vm`, which holds what its configuration says.
pub(super) fn add_zone(
    root: &Root,
    zone: &Zone,
    wanted: &Fields,
    shared: &Shared,
    vm: &mut Object,
) {
    let mut set = |key: &str, value: Value| {
        vm.insert(key.to_owned(), value);
    };
    set("brand", json!(zone.brand));
    set("uuid", json!(zone.uuid));
    set("zone_state", json!(zone.state));
    set("zonename", json!(zone.name));
    set("zonepath", json!(zone.zonepath));
    set("hvm", json!(matches!(zone.brand.as_str(), "kvm" | "bhyve")));
    if wanted.wants("zoneid") {
        set("zoneid", json!(zone.id));
    }
    if wanted.wants("zonedid") {
        set("zonedid", json!(zone.debug_id.parse::<u64>().ok()));
    }
    if wanted.wants("last_modified")
        && let Some(time) = config::last_modified(root, &zone.name, &zone.zonepath)
    {
        set("last_modified", json!(time));
    }
    if wanted.need_lastexited()
        && zone.state != "running"
        && let Some((status, time)) = config::last_exited(root, &zone.zonepath)
    {
        set("exit_status", json!(status));
        set("exit_timestamp", json!(time));
    }
    if wanted.wants("resolvers") {
        vm.entry("resolvers").or_insert_with(|| json!([]));
    }
    if wanted.wants("firewall_enabled") {
        vm.entry("firewall_enabled").or_insert_with(|| json!(false));
    }
    add_sysinfo(shared, vm);
    add_state(zone, vm);
    if let Some(kstat) = shared.kstat.get(&zone.name) {
        vm.insert("boot_timestamp".into(), json!(iso8601(kstat.boot_time * 1000)));
        vm.insert("init_restarts".into(), json!(kstat.init_restarts));
        vm.insert("pid".into(), json!(kstat.init_pid));
    }
    add_config_files(root, zone, wanted, vm);
    if vm["state"] == "receiving"
        && let Some(name) = config::receiving_filesystem(root, &zone.uuid)
    {
        vm.entry("zfs_filesystem").or_insert(name);
    }
}

fn add_sysinfo(shared: &Shared, vm: &mut Object) {
    for (key, fact) in [
        ("server_uuid", "UUID"),
        ("datacenter_name", "Datacenter Name"),
        ("platform_buildstamp", "Live Image"),
        ("headnode_id", "Headnode ID"),
    ] {
        if let Some(value) = shared.sysinfo.get(fact) {
            vm.insert(key.to_owned(), value.clone());
        }
    }
}

/// The state: what a transition says, else the zone's own; provisioning and failure override it.
fn add_state(zone: &Zone, vm: &mut Object) {
    let zone_state = if zone.state == "installed" { "stopped" } else { zone.state.as_str() };
    vm.entry("state").or_insert_with(|| json!(zone_state));
    if vm["state"] == "stopped" && vm.get("provisioning") == Some(&Value::Bool(true)) {
        vm.insert("state".into(), json!("provisioning"));
    }
    let failed = match vm.get("failed") {
        Some(Value::Bool(failed)) => *failed,
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    };
    if failed {
        vm.insert("state".into(), json!("failed"));
    }
}

fn add_config_files(root: &Root, zone: &Zone, wanted: &Fields, vm: &mut Object) {
    use config::ConfigFile;
    if wanted.need_metadata() {
        let mut file = ConfigFile::Metadata.show(root, &zone.zonepath);
        for key in ["customer_metadata", "internal_metadata"] {
            if wanted.wants(key) {
                let value = file.get_mut(key).map(Value::take);
                vm.insert(key.to_owned(), value.unwrap_or_else(|| json!({})));
            }
        }
    }
    for (key, file) in [("routes", ConfigFile::Routes), ("tags", ConfigFile::Tags)] {
        if wanted.wants(key) {
            vm.insert(key.to_owned(), file.show(root, &zone.zonepath));
        }
    }
}

/// Adds what ZFS says. A VM whose dataset is not there simply lacks these properties.
pub(super) fn add_datasets(datasets: &Datasets, wanted: &Fields, vm: &mut Object) {
    let zonepath = text(vm, "zonepath").to_owned();
    if let Some((name, dataset)) = datasets.at(&zonepath) {
        add_root(datasets, name, dataset, wanted, vm);
    }
    if let Some(filesystem) = vm.get("zfs_filesystem").and_then(Value::as_str) {
        let data = format!("{filesystem}/data");
        if let Some(dataset) = datasets.by_name.get(&data) {
            add_delegated(datasets, &data, dataset, wanted, vm);
        }
    }
    if let Some(Value::Array(disks)) = vm.get_mut("disks") {
        for disk in disks.iter_mut().filter_map(Value::as_object_mut) {
            add_disk(datasets, disk);
        }
    }
    if wanted.wants("snapshots") {
        let filesystem = text(vm, "zfs_filesystem");
        let snapshots = snapshots(datasets, filesystem);
        vm.insert("snapshots".into(), snapshots);
    }
    if wanted.wants("free_space") && vm.get("brand").is_some_and(|brand| brand == "bhyve") {
        add_free_space(datasets, vm);
    }
    if vm.get("state").is_some_and(|state| state == "receiving") {
        let missing = missing(datasets, vm);
        vm.insert("missing".into(), missing);
    }
}

fn add_root(datasets: &Datasets, name: &str, dataset: &Dataset, wanted: &Fields, vm: &mut Object) {
    if wanted.wants("indestructible_zoneroot") && datasets.indestructible(name) {
        vm.insert("indestructible_zoneroot".into(), json!(true));
    }
    let bhyve = vm.get("brand").is_some_and(|brand| brand == "bhyve");
    let quota = if bhyve { dataset.refquota } else { dataset.quota };
    if let Some(bytes) = quota {
        vm.insert("quota".into(), number(bytes / GIB));
    }
    if !vm.contains_key("create_timestamp")
        && let Some(seconds) = dataset.creation
    {
        vm.insert("create_timestamp".into(), json!(iso8601(seconds as i64 * 1000)));
    }
    if let Some(compression) = dataset.compression.as_deref().filter(|c| *c != "off") {
        vm.insert("zfs_root_compression".into(), json!(compression));
    }
    if let Some(bytes) = dataset.recsize {
        vm.insert("zfs_root_recsize".into(), number(bytes));
    }
    for (key, limit) in [
        ("zfs_filesystem_limit", dataset.filesystem_limit),
        ("zfs_snapshot_limit", dataset.snapshot_limit),
    ] {
        if let Some(limit) = limit.filter(|limit| *limit < NO_LIMIT) {
            vm.insert(key.to_owned(), number(limit));
        }
    }
    vm.insert("zfs_filesystem".into(), json!(name));
    vm.insert("zpool".into(), json!(pool(name)));
}

fn add_delegated(
    datasets: &Datasets,
    name: &str,
    dataset: &Dataset,
    wanted: &Fields,
    vm: &mut Object,
) {
    if wanted.wants("indestructible_delegated") && datasets.indestructible(name) {
        vm.insert("indestructible_delegated".into(), json!(true));
    }
    if let Some(compression) = dataset.compression.as_deref().filter(|c| *c != "off") {
        vm.insert("zfs_data_compression".into(), json!(compression));
    }
    if let Some(bytes) = dataset.recsize {
        vm.insert("zfs_data_recsize".into(), number(bytes));
    }
}

fn add_disk(datasets: &Datasets, disk: &mut Object) {
    let Some(path) = disk.get("path").and_then(Value::as_str) else { return };
    let Some((name, dataset)) = datasets.at(path) else {
        disk.insert("missing".into(), json!(true));
        return;
    };
    disk.insert("zfs_filesystem".into(), json!(name));
    disk.insert("zpool".into(), json!(pool(name)));
    if let Some(bytes) = dataset.volsize {
        disk.insert("size".into(), number(bytes / MIB));
    }
    if let Some(compression) = &dataset.compression {
        disk.insert("compression".into(), json!(compression));
    }
    if let Some(bytes) = dataset.refreservation {
        disk.insert("refreservation".into(), number((bytes / MIB).ceil()));
    }
    if let Some(bytes) = dataset.volblocksize {
        disk.insert("block_size".into(), number(bytes));
    }
}

/// The snapshots that were made with `create-snapshot`, newest first; sizes in MiB.
fn snapshots(datasets: &Datasets, filesystem: &str) -> Value {
    let mut found: Vec<_> = datasets
        .snapshots
        .get(filesystem)
        .into_iter()
        .flatten()
        .filter_map(|snapshot| {
            let name = snapshot.name.strip_prefix("vmsnap-").filter(|name| !name.is_empty())?;
            Some((snapshot, name))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| b.creation.total_cmp(&a.creation));
    found
        .into_iter()
        .map(|(snapshot, name)| {
            json!({
                "name": name,
                "size": number(snapshot.written / MIB),
                "created_at": iso8601(snapshot.creation as i64 * 1000),
            })
        })
        .collect()
}

/// What `flexible_disk_size` leaves over after disks and their snapshots, in whole MiB.
fn add_free_space(datasets: &Datasets, vm: &mut Object) {
    let Some(size) = vm.get("flexible_disk_size").and_then(Value::as_f64) else { return };
    let disks = vm.get("disks").and_then(Value::as_array).into_iter().flatten();
    let used: Option<f64> = disks
        .map(|disk| {
            let (_, dataset) = datasets.at(disk.get("path")?.as_str()?)?;
            Some(dataset.volsize? + dataset.usedbysnapshots.unwrap_or(0.0))
        })
        .sum();
    if let Some(used) = used {
        vm.insert("free_space".into(), number((size - used / MIB).floor()));
    }
}

/// What a VM that is being received still lacks.
fn missing(datasets: &Datasets, vm: &Object) -> Value {
    let items = |key: &str| vm.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut lacking: Vec<&str> = Vec::new();
    match vm.get("zfs_filesystem").and_then(Value::as_str) {
        Some(name) if datasets.by_name.contains_key(name) => {}
        Some(name) => lacking.push(name),
        None => lacking.push(text(vm, "zonepath").trim_start_matches('/')),
    }
    let delegated = items("datasets").filter_map(Value::as_str);
    lacking.extend(delegated.filter(|name| !datasets.by_name.contains_key(*name)));
    let disks: Vec<&Value> = items("disks")
        .filter(|disk| disk.get("missing").is_some())
        .filter_map(|disk| disk.get("path"))
        .collect();
    let filesystems: Vec<&Value> = items("filesystems").filter_map(|f| f.get("source")).collect();
    json!({"datasets": lacking, "disks": disks, "filesystems": filesystems})
}

fn text<'a>(vm: &'a Object, key: &str) -> &'a str {
    vm.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn pool(dataset: &str) -> &str {
    dataset.split('/').next().unwrap_or_default()
}
