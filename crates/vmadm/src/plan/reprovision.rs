//! The plan of `vmadm reprovision`: the VM keeps its identity, data and network and gets a new root from an image.
//!
//! The old root stays until the new one is complete: up to there the plan can be undone, and a VM that ran runs again.
//! From the old root's end it can only go on.

use gz::plan::{OnFailure, Plan, Step};
use manifest::Brand;
use serde_json::Value;

use super::create::{self, Facts, change};
use super::start::{self, Extra, NewVm};
use super::{Object, flag, list, objects, stop, text};

/// How long the VM may take to set itself up, in milliseconds.
const LIMIT_MS: u64 = 300_000;

/// What the planner needs to know of the image.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub uuid: String,
    /// MiB, of images of disks.
    pub size: Option<u64>,
    /// The image's type, as its manifest says it.
    pub image_type: String,
    /// Whether it has its `@final` snapshot.
    pub has_final: bool,
}

/// Refuses VMs that cannot be given a new root.
pub fn check(vm: &Object, brand: Brand) -> Result<(), String> {
    let features = brand.features();
    if !features.reprovision || features.install_script.is_none() {
        return Err(format!("brand \"{brand}\" does not yet support reprovision"));
    }
    if flag(vm, "indestructible_zoneroot") {
        return Err("indestructible_zoneroot is set, cannot reprovision".to_owned());
    }
    check_datasets(vm)
}

fn check_datasets(vm: &Object) -> Result<(), String> {
    let delegated: Vec<&str> = list(vm, "datasets").iter().filter_map(Value::as_str).collect();
    match delegated.as_slice() {
        [] => Ok(()),
        [one] if *one == format!("{}/data", text(vm, "zfs_filesystem")) => Ok(()),
        [one] => Err(format!("cannot support reprovision with non-standard \"{one}\" dataset")),
        _ => Err("cannot support reprovision with multiple delegated datasets".to_owned()),
    }
}

/// Refuses images that cannot be the VM's root.
pub fn check_image(vm: &Object, brand: Brand, image: &Image) -> Result<(), String> {
    let types =
        if brand == Brand::Bhyve { &["zvol"][..] } else { brand.features().zoneroot_image_types };
    if !types.contains(&image.image_type.as_str()) {
        let types = Value::from(types.to_vec());
        let (uuid, image_type) = (&image.uuid, &image.image_type);
        return Err(format!("image {uuid} is type {image_type}, but must be one of: {types}"));
    }
    if brand != Brand::Bhyve {
        return Ok(());
    }
    let disk = boot_disk(vm)?;
    let size = disk.get("size").and_then(Value::as_u64).unwrap_or_default();
    let needed = image.size.ok_or("Missing image_size in manifest")?;
    if needed > size {
        return Err(format!("Cannot reprovision: image ({needed} MiB) > disk0 ({size} MiB)"));
    }
    Ok(())
}

/// The disk that holds a bhyve VM's system.
fn boot_disk(vm: &Object) -> Result<&Object, String> {
    let disk = objects(vm, "disks").find(|disk| text(disk, "path").ends_with("/disk0"));
    let disk = disk.ok_or("disk0 not found for bhyve VM")?;
    if !flag(disk, "boot") {
        return Err("disk0 found but does not have boot property set to true - reprovision \
                    requires a bootable disk0"
            .to_owned());
    }
    Ok(disk)
}

/// Plans the reprovision of a VM. One that runs is stopped first.
pub fn plan(vm: &Object, brand: Brand, image: &Image, facts: &Facts) -> Result<Plan, String> {
    let uuid = text(vm, "uuid");
    let mut plan = Plan::new("reprovision", uuid, OnFailure::Undo);
    let expiry = facts.now_ms + LIMIT_MS;
    if text(vm, "zone_state") != "installed" {
        plan.steps.extend(stop::plan(vm, brand, None)?.steps);
        start::again_when_undone(&mut plan.steps, vm);
    }
    plan.steps.push(change(
        uuid,
        &format!(
            "add attr; set name=transition; set value=\"provisioning:running:{expiry}\"; \
             set type=string; end"
        ),
    ));
    if brand == Brand::Bhyve {
        disk(&mut plan, vm, image)?;
        if flag(vm, "autoboot") {
            plan.steps.extend(start::after_stop(vm, brand)?.steps);
        }
    } else {
        root(&mut plan, vm, brand, image);
        first_boot(&mut plan.steps, vm, brand, facts, expiry)?;
    }
    Ok(plan)
}

fn snapshot_of(steps: &mut Vec<Step>, vm: &Object, image: &Image) -> String {
    let (pool, uuid) = (text(vm, "zpool"), &image.uuid);
    if image.has_final {
        return format!("{pool}/{uuid}@final");
    }
    let snapshot = format!("{pool}/{uuid}@{}", text(vm, "uuid"));
    steps.push(Step::CreateSnapshots { snapshots: vec![snapshot.clone()] });
    snapshot
}

fn brand_script(vm: &Object) -> Step {
    Step::BrandScript {
        brand: text(vm, "brand").to_owned(),
        arguments: ["-r", "-R", text(vm, "zonepath"), "-z", text(vm, "zonename")]
            .map(str::to_owned)
            .to_vec(),
    }
}

fn zoned(dataset: &str, value: &str) -> Step {
    let properties = vec![("zoned".to_owned(), value.to_owned())];
    Step::SetProperties { dataset: dataset.to_owned(), properties }
}

fn rename(from: &str, to: &str) -> Step {
    Step::RenameDataset { from: from.to_owned(), to: to.to_owned() }
}

/// A zone's root dataset is exchanged; its data, configuration files and cores stay.
fn root(plan: &mut Plan, vm: &Object, brand: Brand, image: &Image) {
    let filesystem = text(vm, "zfs_filesystem").to_owned();
    let zonepath = text(vm, "zonepath");
    let old = format!("{filesystem}-reprovisioning-root");
    let kept = format!("{filesystem}-reprovisioning-data");
    let cores = format!("{}/cores/{}", text(vm, "zpool"), text(vm, "uuid"));
    let data = list(vm, "datasets").first().and_then(Value::as_str);
    let steps = &mut plan.steps;
    if let Some(data) = data {
        steps.push(zoned(data, "off"));
    }
    steps.push(Step::UnmountDataset { dataset: cores.clone() });
    if let Some(data) = data {
        steps.push(rename(data, &kept));
    }
    steps.push(rename(&filesystem, &old));
    let snapshot = snapshot_of(steps, vm, image);
    let mut properties = Vec::new();
    if let Some(quota) = vm.get("quota").and_then(Value::as_u64).filter(|quota| *quota > 0) {
        properties.push(("quota".to_owned(), format!("{quota}G")));
    }
    properties.push(("devices".to_owned(), "off".to_owned()));
    steps.push(Step::CloneDataset {
        snapshot,
        dataset: filesystem.clone(),
        force: false,
        properties,
    });
    steps.push(Step::FreshDirectory { path: format!("{zonepath}/config"), mode: 0o755 });
    steps.push(Step::CopyTree {
        from: format!("{zonepath}-reprovisioning-root/config"),
        to: format!("{zonepath}/config"),
    });
    steps.push(brand_script(vm));
    if let Some(data) = data {
        steps.push(rename(&kept, data));
        steps.push(zoned(data, "on"));
    }
    let image = &image.uuid;
    let script = format!("select attr name=dataset-uuid; set value=\"{image}\"; end");
    steps.push(change(text(vm, "uuid"), &script));
    plan.no_return_from_here();
    let steps = &mut plan.steps;
    steps.push(Step::DestroyDataset { dataset: old, force: false });
    steps.push(Step::MountDataset { dataset: cores });
    create::root_properties(steps, vm, &filesystem);
    if brand.features().var_svc_provisioning || !brand.is_hvm() {
        steps.push(create::provisioning_mark(&format!("{zonepath}/root")));
    }
}

/// A new root sets itself up as a new VM's does, whether the VM was up before or not.
fn first_boot(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    facts: &Facts,
    expiry: u64,
) -> Result<(), String> {
    let mut payload = vm.clone();
    if let Some(nics) = payload.shift_remove("nics") {
        payload.insert("add_nics".into(), nics);
    }
    create::first_boot(steps, &payload, brand, &format!("{}/root", text(vm, "zonepath")), facts);
    start::boot(steps, vm, brand, &Extra::default(), NewVm::Awaited(expiry))
}

/// A bhyve VM's first disk is exchanged; it keeps its size and reservation.
fn disk(plan: &mut Plan, vm: &Object, image: &Image) -> Result<(), String> {
    let disk = boot_disk(vm)?;
    let path = text(disk, "path");
    let dataset = text(disk, "zfs_filesystem").to_owned();
    let old = format!("{dataset}-reprovisioning");
    let mib = |key: &str| disk.get(key).and_then(Value::as_u64);
    let steps = &mut plan.steps;
    // Both disks exist for a while, but only one has space reserved.
    let none = vec![("refreservation".to_owned(), "none".to_owned())];
    steps.push(Step::SetProperties { dataset: dataset.clone(), properties: none });
    steps.push(rename(&dataset, &old));
    let snapshot = snapshot_of(steps, vm, image);
    let set = |name: &str, value: String| (name.to_owned(), value);
    let reserved = mib("refreservation");
    // More than the size is what zfs works out itself, and follows the size.
    let own = reserved.filter(|reserved| Some(*reserved) <= mib("size"));
    let properties = reserved.map(|_| set("refreservation", "auto".to_owned())).into_iter();
    steps.push(Step::CloneDataset {
        snapshot,
        dataset: dataset.clone(),
        force: true,
        properties: properties.collect(),
    });
    let size = mib("size").filter(|size| Some(*size) != image.size);
    let later = [("volsize", size), ("refreservation", own)];
    for (name, mib) in later {
        if let Some(mib) = mib {
            let properties = vec![set(name, format!("{mib}M"))];
            steps.push(Step::SetProperties { dataset: dataset.clone(), properties });
        }
    }
    let removed = match text(disk, "image_uuid") {
        "" => String::new(),
        old => format!("remove property (name=image-uuid, value=\"{old}\"); "),
    };
    let new = &image.uuid;
    let script = format!(
        "select device match=\"{path}\"; {removed}add property (name=image-uuid, value=\"{new}\"); end"
    );
    steps.push(change(text(vm, "uuid"), &script));
    steps.push(brand_script(vm));
    plan.no_return_from_here();
    plan.steps.push(Step::DestroyDataset { dataset: old, force: false });
    plan.steps.push(change(text(vm, "uuid"), "remove attr name=transition"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vm(more: Value) -> Object {
        let mut vm = json!({"uuid": "u", "zonename": "u", "zonepath": "/zones/u", "brand": "joyent",
            "zfs_filesystem": "zones/u", "zpool": "zones", "quota": 10, "tmpfs": 256});
        for (key, value) in more.as_object().unwrap() {
            vm[key] = value.clone();
        }
        serde_json::from_value(vm).unwrap()
    }

    fn image(image_type: &str) -> Image {
        Image { uuid: "i".into(), size: Some(1024), image_type: image_type.into(), has_final: true }
    }

    #[test]
    fn the_old_root_stays_until_the_new_one_is_complete() {
        let vm = vm(json!({"datasets": ["zones/u/data"]}));
        let plan = plan(&vm, Brand::Joyent, &image("zone-dataset"), &Facts::default()).unwrap();
        let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        let (replace, finish) = steps.split_at(plan.no_return.unwrap());
        assert!(!replace.iter().any(|step| step.starts_with("zfs destroy")), "{replace:?}");
        assert_eq!(finish[0], "zfs destroy -r zones/u-reprovisioning-root");
        assert!(
            replace.contains(
                &"zfs clone -o quota=10G -o devices=off zones/i@final zones/u".to_owned()
            )
        );
    }

    #[test]
    fn what_cannot_be_reprovisioned_is_refused() {
        let error = |vm: &Object, brand| check(vm, brand).unwrap_err();
        assert_eq!(
            error(&vm(json!({})), Brand::Kvm),
            "brand \"kvm\" does not yet support reprovision"
        );
        assert!(error(&vm(json!({"datasets": ["a/b", "c/d"]})), Brand::Lx).contains("multiple"));
        assert!(error(&vm(json!({"datasets": ["a/b"]})), Brand::Lx).contains("non-standard"));
        assert!(check_image(&vm(json!({})), Brand::Joyent, &image("zvol")).is_err());
    }

    #[test]
    fn a_larger_image_than_the_disk_is_refused() {
        let vm = vm(json!({"disks": [{"path": "/dev/zvol/rdsk/zones/u/disk0", "boot": true,
            "zfs_filesystem": "zones/u/disk0", "size": 512}]}));
        assert_eq!(
            check_image(&vm, Brand::Bhyve, &image("zvol")).unwrap_err(),
            "Cannot reprovision: image (1024 MiB) > disk0 (512 MiB)"
        );
    }
}
