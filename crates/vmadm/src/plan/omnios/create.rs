//! New VMs.

use std::collections::BTreeSet;

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;
use zonecfg::export::{self, Saved};
use zonecfg::mapping::{omnios, smartos_write};

use super::{Place, elements, keep_given_slots, power, without_smartos_options};
use crate::plan::create::{self as common, Facts};
use crate::plan::{ConfigFiles, Object, disks, flag, list, objects, text};

/// Plans a create. `given` is the payload as it was given, `payload` the same prepared: coerced, completed and checked.
pub fn create(
    given: &Object,
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
    check_sources(&payload)?;
    let install = install_arguments(&payload, brand, pool, facts)?;
    smartos_write::complete_nics(&mut payload, brand.as_str());
    keep_given_slots(&mut payload, given);
    if !given.contains_key("limit_priv") {
        // The default is SmartOS's; OmniOS's brands have their own.
        payload.shift_remove("limit_priv");
    }

    let mut volumes = Vec::new();
    if brand.vm_type().is_hvm() {
        for (index, disk) in objects(&payload, "add_disks").enumerate() {
            check_pool(&format!("disks.{index}.zpool"), text(disk, "zpool"), pool)?;
        }
        let pools = disks::Pools {
            block_size: &|pool| facts.block_sizes.get(pool).copied().unwrap_or(common::BLOCK_SIZE),
            has_final: &|image| !facts.without_final.contains(image),
        };
        let brand = brand.as_str();
        volumes = disks::add(&mut payload, brand, name, pool, BTreeSet::new(), pools)?;
    }
    let vm = vm_object(&payload, place);
    let zone = omnios::zone(&vm, &zonepath).map_err(|unmappable| unmappable.to_string())?;
    if let Some(given) = payload.get("zone_attributes").and_then(Value::as_object) {
        omnios::check_attributes(&zone, "zone_attributes", given).map_err(|e| e.to_string())?;
    }
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
            flexible_mib: payload.get("flexible_disk_size").and_then(Value::as_u64),
            keep: disks::with_own_reservation(&payload),
        });
    } else if quota_gib > 0 {
        let properties = vec![("quota".to_owned(), format!("{quota_gib}G"))];
        steps.push(Step::SetProperties { dataset: dataset.clone(), properties });
    }
    common::datasets(steps, &payload, &uuid, &dataset);
    steps.extend(ConfigFiles::of(&payload).create(&zonepath));
    if flag(&payload, "autoboot") {
        steps.extend(power::boot_steps(&vm, brand));
    }
    without_smartos_options(&mut plan);
    Ok(plan)
}

/// Refuses filesystems that SmartOS would make for the VM.
pub(super) fn check_sources(payload: &Object) -> Result<(), String> {
    let mut sources = objects(payload, "add_filesystems").map(|fs| text(fs, "source"));
    match sources.position(smartos_write::is_created_later) {
        Some(index) => Err(format!(
            "filesystems.{index}.source: on OmniOS it is a directory or device that exists"
        )),
        None => Ok(()),
    }
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
    for nic in elements(&mut vm, "nics") {
        if let Some(interface) = nic.shift_remove("physical") {
            nic.entry("interface").or_insert(interface);
        }
        if let Some(gateway) = list(nic, "gateways").first().cloned() {
            nic.insert("gateway".to_owned(), gateway);
        }
    }
    place.resolve(&mut vm);
    vm
}
