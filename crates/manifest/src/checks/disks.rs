//! Rules for disks.

use super::limits::{COMPRESSION, is_record_size};
use crate::brand::Brand;
use crate::facts::Facts;
use crate::fields::{Fields, Object};
use crate::js;
use crate::json::Compact;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::vm_object::VmObject;

pub(super) fn check_added(
    payload: &mut Payload,
    vm: Option<&VmObject>,
    brand: Brand,
    facts: &Facts,
) -> Result<(), Refusal> {
    let default_model = default_model(vm);
    for disk in payload.objects_mut("add_disks") {
        // Nobody asked for the pools where there are none.
        if let Some(pool) = disk.value("zpool")
            && !facts.zpools.is_empty()
            && !facts.zpools.iter().any(|known| pool == known)
        {
            return Refusal::rule(format!("there is no zpool {} for the disk", Compact(pool)));
        }
        if disk.has("path") && disk.text("media") != Some("cdrom") && !disk.flag("nocreate") {
            return Refusal::rule(
                "you cannot specify a path for a disk unless you set nocreate=true",
            );
        }
        if let Some(size) = disk.value("block_size") {
            if !is_record_size(js::to_number(size)) {
                return Refusal::rule(format!(
                    "invalid .block_size({}), must be 512-131072 and a power of 2.",
                    js::to_text(size)
                ));
            }
            if disk.has("image_uuid") {
                return Refusal::rule(
                    "setting both .block_size and .image_uuid on a volume is invalid",
                );
            }
        }
        check_compression(disk, "setting")?;
        if !disk.has("model") || disk.text("model") == Some("undefined") {
            let Some(model) = &default_model else {
                return Refusal::rule(format!("missing .model option for disk: {}", Compact(disk)));
            };
            disk.set("model", model.as_str());
        } else {
            check_model(disk, brand)?;
        }
    }
    Ok(())
}

pub(super) fn check_updated(
    payload: &Payload,
    vm: Option<&VmObject>,
    brand: Brand,
) -> Result<(), Refusal> {
    for disk in payload.objects("update_disks") {
        if disk.text("refreservation") == Some("auto") {
            return Refusal::rule("cannot change refreservation to auto on existing disk");
        }
        check_compression(disk, "type")?;
        if disk.has("block_size") {
            return Refusal::rule("cannot change .block_size for a disk after creation");
        }
        if disk.has("model") {
            check_model(disk, brand)?;
        }
        let path = disk.value("path");
        let exists = vm.is_none_or(|vm| {
            path.is_some() && vm.objects("disks").any(|old| old.value("path") == path)
        });
        if !exists {
            return Refusal::rule(format!(
                "There is no existing disk with that path: {}",
                Compact(disk)
            ));
        }
    }
    Ok(())
}

/// The model of a disk that names none: the VM's driver, or that of its first disk.
fn default_model(vm: Option<&VmObject>) -> Option<String> {
    let vm = vm?;
    let first = || vm.objects("disks").next().and_then(|disk| disk.text("model"));
    vm.text("disk_driver").or_else(first).map(str::to_owned)
}

fn check_compression(disk: &Object, noun: &str) -> Result<(), Refusal> {
    match disk.value("compression") {
        Some(value) if !value.as_str().is_some_and(|name| COMPRESSION.contains(&name)) => {
            Refusal::rule(format!(
                "invalid compression {noun} for disk, must be one of: {}",
                COMPRESSION.join(", ")
            ))
        }
        _ => Ok(()),
    }
}

fn check_model(disk: &Object, brand: Brand) -> Result<(), Refusal> {
    let models = brand.features().disk_models;
    let model = disk.value("model").map(js::to_text).unwrap_or_default();
    if models.contains(&model.as_str()) {
        return Ok(());
    }
    Refusal::rule(format!(
        "\"{model}\" is not a valid disk model for {brand} brand. Valid are: {}",
        models.join(",")
    ))
}
