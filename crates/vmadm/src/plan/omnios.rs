//! Plans for VMs of OmniOS, where a VM is its zone and its datasets: no services of SmartOS watch over it, and the brands
//! read what they need from the zone's attributes.

use std::collections::{BTreeMap, BTreeSet};

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;
use zonecfg::export::{self, Saved};
use zonecfg::mapping::{omnios, smartos_write};

use super::create::{self, Facts, change};
use super::start::Extra;
use super::{
    ConfigFiles, Object, disks, flag, live, objects, reboot as common, stop as down, text,
};

/// Seconds that a KVM guest has to power down after its brand gave up waiting.
const GUEST_LIMIT: u64 = 60;

/// Where VMs go, and what is behind NIC tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The filesystem below which VMs have theirs.
    pub dataset: String,
    /// Where it is mounted.
    pub directory: String,
    /// The datalinks behind NIC tags that are no links themselves.
    pub nic_tags: BTreeMap<String, String>,
}

/// Properties that a new VM may have.
const CREATABLE: &[&str] = &[
    "alias",
    "autoboot",
    "bhyve_extra_opts",
    "billing_id",
    "boot",
    "bootrom",
    "brand",
    "com2",
    "cpu_cap",
    "cpu_shares",
    "customer_metadata",
    "disk_driver",
    "dns_domain",
    "fs_allowed",
    "hostname",
    "image_uuid",
    "indestructible_zoneroot",
    "internal_metadata",
    "kernel_version",
    "max_locked_memory",
    "max_lwps",
    "max_msg_ids",
    "max_physical_memory",
    "max_sem_ids",
    "max_shm_ids",
    "max_shm_memory",
    "max_swap",
    "nic_driver",
    "nowait",
    "owner_uuid",
    "package_name",
    "package_version",
    "quota",
    "ram",
    "resolvers",
    "tags",
    "uuid",
    "vcpus",
    "vnc_password",
    "vnc_port",
    "zfs_filesystem_limit",
    "zfs_root_compression",
    "zfs_root_recsize",
    "zfs_snapshot_limit",
    "zonename",
    "zpool",
];

/// What the parts of a new VM may have.
const PARTS: [(&str, &[&str]); 4] = [
    (
        "disks",
        &[
            "block_size",
            "boot",
            "compression",
            "guest_block_size",
            "image_name",
            "image_size",
            "image_uuid",
            "media",
            "model",
            "nocreate",
            "notrim",
            "path",
            "refreservation",
            "size",
            "uuid",
            "zpool",
        ],
    ),
    (
        "nics",
        &[
            "gateway",
            "gateways",
            "interface",
            "ip",
            "ips",
            "mac",
            "model",
            "netmask",
            "network_uuid",
            "nic_tag",
            "primary",
            "vlan_id",
        ],
    ),
    ("filesystems", &["options", "raw", "source", "target", "type"]),
    ("pci_devices", &["path"]),
];

/// Properties of a VM that can be changed.
const UPDATABLE: &[&str] = &[
    "alias",
    "autoboot",
    "bhyve_extra_opts",
    "billing_id",
    "boot",
    "bootrom",
    "cpu_cap",
    "cpu_shares",
    "dns_domain",
    "fs_allowed",
    "hostname",
    "kernel_version",
    "max_locked_memory",
    "max_lwps",
    "max_msg_ids",
    "max_physical_memory",
    "max_sem_ids",
    "max_shm_ids",
    "max_shm_memory",
    "max_swap",
    "owner_uuid",
    "package_name",
    "package_version",
    "ram",
    "remove_customer_metadata",
    "remove_internal_metadata",
    "remove_tags",
    "resolvers",
    "set_customer_metadata",
    "set_internal_metadata",
    "set_tags",
    "vcpus",
    "vnc_password",
    "vnc_port",
    "zfs_filesystem_limit",
    "zfs_root_compression",
    "zfs_root_recsize",
    "zfs_snapshot_limit",
];

/// Refuses a new VM, as it was given, with what a zone of OmniOS has no place for. What asks for nothing (`false`, an
/// empty list) and what no VM has passes.
pub fn check_create(given: &Object) -> Result<(), String> {
    for (name, value) in given {
        match PARTS.iter().find(|(list, _)| list == name) {
            None => check_property(name, name, value, CREATABLE)?,
            Some((list, members)) => {
                for (index, element) in objects(given, list).enumerate() {
                    for (member, value) in element {
                        let property = format!("{list}.*.{member}");
                        let shown = format!("{list}.{index}.{member}");
                        if !members.contains(&member.as_str()) {
                            check_property(&property, &shown, value, &[])?;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Refuses an update, as it was given, that a zone of OmniOS has no place for.
pub fn check_update(given: &Object) -> Result<(), String> {
    given.iter().try_for_each(|(name, value)| check_property(name, name, value, UPDATABLE))
}

fn check_property(
    property: &str,
    shown: &str,
    value: &Value,
    allowed: &[&str],
) -> Result<(), String> {
    let asks = match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    if allowed.contains(&property) || !asks || !is_property(property) {
        return Ok(());
    }
    Err(format!("{shown}: not available on OmniOS"))
}

/// Whether VMs of some brand have the property, so that it is no misspelling.
fn is_property(name: &str) -> bool {
    let plain = ["add_", "update_", "remove_", "set_"].iter().find_map(|p| name.strip_prefix(p));
    [Some(name), plain].into_iter().flatten().any(|n| manifest::properties::find(n).is_some())
}

/// Plans a create. `payload` has been prepared: coerced, completed and checked.
pub fn create(
    mut payload: Object,
    brand: Brand,
    place: &Place,
    facts: &Facts,
) -> Result<Plan, String> {
    let uuid = text(&payload, "uuid").to_owned();
    if text(&payload, "zonename") != uuid {
        return Err("zonename: on OmniOS a VM's zone has the UUID for a name".to_owned());
    }
    let dataset = format!("{}/{uuid}", place.dataset);
    let zonepath = format!("{}/{uuid}", place.directory.trim_end_matches('/'));
    let (pool, name) = dataset.split_once('/').unwrap_or((&dataset, ""));
    check_pool("zpool", text(&payload, "zpool"), pool)?;
    let install = install_arguments(&payload, brand, pool, facts)?;
    smartos_write::complete_nics(&mut payload, brand.as_str());

    let mut volumes = Vec::new();
    if brand.vm_type().is_hvm() {
        let list = payload.get_mut("add_disks").and_then(Value::as_array_mut);
        for (index, disk) in list.into_iter().flatten().enumerate() {
            let Some(disk) = disk.as_object_mut() else { continue };
            check_pool(&format!("disks.{index}.zpool"), text(disk, "zpool"), pool)?;
            // The brand places them itself.
            disk.shift_remove("pci_slot");
        }
        let pools = disks::Pools {
            block_size: &|pool| facts.block_sizes.get(pool).copied().unwrap_or(create::BLOCK_SIZE),
            has_final: &|image| !facts.without_final.contains(image),
        };
        let brand = brand.as_str();
        volumes = disks::add(&mut payload, brand, name, pool, BTreeSet::new(), pools)?;
    }
    let vm = vm_object(&payload, place);
    let zone = omnios::zone(&vm, &zonepath).map_err(|unmappable| unmappable.to_string())?;
    let saved = Saved { brand: Some(brand.as_str()), uuid: None };
    let script = export::commands(&zone, &saved);

    let mut plan = Plan::new("create", &uuid, OnFailure::Undo);
    let steps = &mut plan.steps;
    steps.push(Step::ConfigureZone { zone: uuid.clone(), uuid: uuid.clone(), script });
    steps.push(Step::Zoneadm { zone: uuid.clone(), arguments: install });
    steps.extend(volumes);
    let quota_gib = payload.get("quota").and_then(Value::as_u64).unwrap_or_default();
    if brand == Brand::Bhyve {
        steps.push(Step::ReserveBhyveSpace {
            dataset: dataset.clone(),
            quota_gib,
            flexible_mib: None,
            keep: disks::with_own_reservation(&payload),
        });
    } else if quota_gib > 0 {
        let properties = vec![("quota".to_owned(), format!("{quota_gib}G"))];
        steps.push(Step::SetProperties { dataset: dataset.clone(), properties });
    }
    create::root_properties(steps, &payload, &dataset);
    if flag(&payload, "indestructible_zoneroot") {
        create::protect(steps, &dataset);
    }
    steps.extend(ConfigFiles::of(&payload).create(&zonepath));
    if flag(&payload, "autoboot") {
        steps.push(zoneadm(&uuid, &["boot"]));
    }
    Ok(plan)
}

fn check_pool(property: &str, given: &str, pool: &str) -> Result<(), String> {
    if given.is_empty() || given == pool {
        return Ok(());
    }
    Err(format!("{property}: VMs are in the pool {pool}, as {} says", gz::settings::PATH))
}

/// How a zone of the brand is installed. Only lx and illumos are made of an image; others come with what the system has.
fn install_arguments(
    payload: &Object,
    brand: Brand,
    pool: &str,
    facts: &Facts,
) -> Result<Vec<String>, String> {
    let mut arguments = vec!["install".to_owned()];
    match (brand, text(payload, "image_uuid")) {
        (Brand::Lx | Brand::Illumos, "") => {
            return Err(format!("image_uuid: a zone of the brand {brand} is made of an image"));
        }
        (Brand::Lx | Brand::Illumos, image) => {
            let image = format!("{pool}/{image}");
            // Of a filesystem the brand takes a snapshot itself.
            let is_final = !facts.without_final.contains(&image);
            let source = if is_final { format!("{image}@final") } else { image };
            arguments.extend(["-s".to_owned(), source]);
        }
        (_, "") => {}
        (_, _) => {
            return Err(format!("image_uuid: a zone of the brand {brand} is not made of an image"));
        }
    }
    Ok(arguments)
}

/// The VM as it will be loaded, as far as its configuration needs, with the links of its NICs.
fn vm_object(payload: &Object, place: &Place) -> Object {
    let mut vm = payload.clone();
    for name in ["disks", "nics", "filesystems", "pci_devices"] {
        if let Some(list) = vm.shift_remove(&format!("add_{name}")) {
            vm.insert(name.to_owned(), list);
        }
    }
    let nics = vm.get_mut("nics").and_then(Value::as_array_mut).into_iter().flatten();
    for nic in nics.filter_map(Value::as_object_mut) {
        if let Some(interface) = nic.shift_remove("physical") {
            nic.entry("interface").or_insert(interface);
        }
        let gateway = super::list(nic, "gateways").first().cloned();
        if let Some(gateway) = gateway {
            nic.insert("gateway".to_owned(), gateway);
        }
        if let Some(link) = place.nic_tags.get(text(nic, "nic_tag")) {
            nic.insert("link".to_owned(), link.clone().into());
        }
    }
    vm
}

fn zoneadm(zone: &str, arguments: &[&str]) -> Step {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    Step::Zoneadm { zone: zone.to_owned(), arguments }
}

fn set_autoboot(vm: &Object, value: bool) -> Step {
    change(text(vm, "uuid"), &format!("set autoboot={value}"))
}

/// Plans the start of a VM that is stopped.
pub fn start(vm: &Object, extra: &Extra) -> Result<Plan, String> {
    if *extra != Extra::default() {
        return Err("boot options of one start are not available on OmniOS".to_owned());
    }
    let mut plan = Plan::new("start", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(zoneadm(text(vm, "zonename"), &["boot"]));
    plan.steps.push(set_autoboot(vm, true));
    Ok(plan)
}

/// Plans the stop of a running VM, `timeout` in seconds.
pub fn stop(vm: &Object, brand: Brand, timeout: Option<u64>) -> Result<Plan, String> {
    let mut plan = stay_down(vm);
    shut_down(&mut plan.steps, vm, brand, timeout)?;
    Ok(plan)
}

/// Plans that a VM which is not running does not come up with the system.
pub fn stay_down(vm: &Object) -> Plan {
    let mut plan = Plan::new("stop", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(set_autoboot(vm, false));
    plan
}

/// Plans a stop by force, whatever the state.
pub fn halt(vm: &Object) -> Plan {
    let mut plan = Plan::new("stop", text(vm, "uuid"), OnFailure::Keep);
    plan.steps.push(Step::Halt { uuid: text(vm, "uuid").to_owned() });
    plan.steps.push(set_autoboot(vm, false));
    plan
}

/// Plans the reboot of a running VM.
pub fn reboot(vm: &Object, brand: Brand) -> Result<Plan, String> {
    if !brand.vm_type().is_hvm() {
        return common::plan(vm, brand);
    }
    let mut plan = Plan::new("reboot", text(vm, "uuid"), OnFailure::Keep);
    shut_down(&mut plan.steps, vm, brand, None)?;
    plan.steps.push(zoneadm(text(vm, "zonename"), &["boot"]));
    Ok(plan)
}

/// As on SmartOS, but for KVM: there the brand has the guest powered down.
fn shut_down(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    timeout: Option<u64>,
) -> Result<(), String> {
    if brand != Brand::Kvm {
        return down::stop(steps, vm, brand, timeout);
    }
    steps.push(zoneadm(text(vm, "zonename"), &["shutdown"]));
    steps.push(Step::AwaitState {
        uuid: text(vm, "uuid").to_owned(),
        states: vec!["installed".to_owned()],
        seconds: timeout.unwrap_or(GUEST_LIMIT),
        or_halt: true,
    });
    Ok(())
}

/// Plans an update. `payload` has been prepared against `vm`: coerced, completed and checked.
pub fn update(vm: &Object, payload: &Object, brand: Brand) -> Result<Plan, String> {
    let uuid = text(vm, "uuid");
    let zonepath = text(vm, "zonepath");
    let mut after = vm.clone();
    for (name, value) in payload {
        let unset = value.is_null() || (name == "cpu_cap" && value == 0);
        if unset {
            after.shift_remove(name);
        } else {
            after.insert(name.clone(), value.clone());
        }
    }
    let zone = |vm: &Object| omnios::zone(vm, zonepath).map_err(|error| error.to_string());
    let script = omnios::update_script(&zone(vm)?, &zone(&after)?);
    let mut plan = Plan::new("update", uuid, OnFailure::Undo);
    create::root_properties(&mut plan.steps, payload, text(vm, "zfs_filesystem"));
    if !script.is_empty() {
        plan.steps.push(change(uuid, &script));
    }
    let files = ConfigFiles::of(vm);
    plan.steps.extend(files.updated(payload).update(&files, zonepath));
    live::resource_controls(&mut plan.steps, vm, payload, brand);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_has_no_place_is_named() {
        for (given, property) in [
            (json!({"brand": "bhyve", "flexible_disk_size": 1024}), "flexible_disk_size"),
            (json!({"brand": "sparse", "delegate_dataset": true}), "delegate_dataset"),
            (json!({"disks": [{"size": 1}, {"pci_slot": "0:4:1"}]}), "disks.1.pci_slot"),
            (json!({"nics": [{"allow_ip_spoofing": true}]}), "nics.0.allow_ip_spoofing"),
        ] {
            let refused = check_create(&object(given)).unwrap_err();
            assert_eq!(refused, format!("{property}: not available on OmniOS"));
        }
        let nothing = json!({"firewall_enabled": false, "routes": {}, "alais": "misspelt"});
        assert_eq!(check_create(&object(nothing)), Ok(()));
        let refused = check_update(&object(json!({"add_disks": [{"size": 1}]}))).unwrap_err();
        assert_eq!(refused, "add_disks: not available on OmniOS");
        assert_eq!(check_update(&object(json!({"alias": "a", "set_tags": {"a": 1}}))), Ok(()));
    }

    #[test]
    fn an_update_changes_the_attributes() {
        let vm = object(json!({
            "uuid": "u", "zonename": "u", "zonepath": "/zones/u", "brand": "bhyve", "ram": 512,
            "state": "stopped", "hostname": "a"
        }));
        let plan = update(&vm, &object(json!({"ram": 1024, "hostname": null})), Brand::Bhyve);
        let text = plan.unwrap().to_string();
        let expected = "update u: 1 steps, undone if a step fails\n  1. zonecfg -u u\n     \
            < remove attr name=hostname\n     < select attr name=ram; set value=\"1024M\"; end\n";
        assert_eq!(text, expected);
    }
}
