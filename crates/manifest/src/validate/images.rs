//! The images that a payload names: installed, of the right type, and in agreement with it.

use serde_json::Value;

use super::{Problems, value::is_uuid};
use crate::brand::Brand;
use crate::facts::{Facts, ImageFacts};
use crate::fields::{Fields, Object};
use crate::js;
use crate::payload::Payload;

/// The firmware that a new VM can ask for by name. A path would have to name a file in a zone that
/// does not exist yet.
const BOOTROMS: [&str; 2] = ["bios", "uefi"];

/// What an image adds to the payload as a whole.
#[derive(Default)]
struct Found {
    bootrom: Option<String>,
    cloudinit_datasource: Option<String>,
}

/// Checks every image that `payload` names and fills in what their manifests say.
pub(super) fn check(brand: Brand, payload: &mut Payload, facts: &Facts, problems: &mut Problems) {
    let bootrom = payload.value("bootrom").filter(|rom| js::truthy(rom)).cloned();
    let mut found = Vec::new();

    if let Some(uuid) = payload.text("image_uuid").filter(|uuid| is_uuid(uuid)) {
        let types = brand.features().zoneroot_image_types;
        let image = find(facts, payload.object(), uuid, types);
        let wanted = bootrom.as_ref().filter(|_| payload.truthy("boot"));
        match image {
            None => problems.bad_values.push("image_uuid".to_owned()),
            Some(image) => match agree_on_bootrom(image, wanted) {
                Err(()) => problems.bad_values.push("bootrom".to_owned()),
                Ok(bootrom) => found.push(Found {
                    bootrom,
                    cloudinit_datasource: image.cloudinit_datasource.clone(),
                }),
            },
        }
    }
    for array in ["disks", "add_disks"] {
        let disks = payload.object_mut().get_mut(array).and_then(Value::as_array_mut);
        for (index, disk) in disks.into_iter().flatten().enumerate() {
            let Some(disk) = disk.as_object_mut().filter(|disk| disk.has("image_uuid")) else {
                continue;
            };
            let prefix = format!("{array}.{index}");
            found.extend(check_disk(disk, &prefix, bootrom.as_ref(), facts, problems));
        }
    }
    for image in found {
        if let Some(rom) = image.bootrom.filter(|_| bootrom.is_none()) {
            payload.set("bootrom", rom);
        }
        if let Some(source) = image.cloudinit_datasource {
            if payload.map("internal_metadata").is_none() {
                payload.set("internal_metadata", Object::new());
            }
            if let Some(Value::Object(metadata)) = payload.object_mut().get_mut("internal_metadata")
            {
                metadata.set("cloudinit_datasource", source);
            }
        }
    }
}

fn check_disk(
    disk: &mut Object,
    prefix: &str,
    bootrom: Option<&Value>,
    facts: &Facts,
    problems: &mut Problems,
) -> Option<Found> {
    let uuid = disk.text("image_uuid").unwrap_or_default();
    let Some(image) = find(facts, disk, uuid, &["zvol"]) else {
        problems.bad_values.push(format!("{prefix}.image_uuid"));
        return None;
    };
    let size_differs = |size: &i64| {
        disk.value("image_size").is_some_and(|given| given.as_f64() != Some(*size as f64))
    };
    if image.image_size.as_ref().is_some_and(size_differs) {
        problems.bad_values.push(format!("{prefix}.image_size"));
        return None;
    }
    let Ok(bootrom) = agree_on_bootrom(image, bootrom.filter(|_| disk.truthy("boot"))) else {
        problems.bad_values.push("bootrom".to_owned());
        return None;
    };
    if let Some(size) = image.image_size.filter(|_| !disk.has("image_size")) {
        disk.set("image_size", size);
        let missing = format!("{prefix}.image_size");
        if let Some(at) = problems.missing_properties.iter().position(|name| *name == missing) {
            problems.missing_properties.remove(at);
        }
        if disk.value("size").is_some_and(|given| js::to_number(given) < size as f64) {
            problems.bad_values.push("size".to_owned());
        }
    }
    Some(Found { bootrom, cloudinit_datasource: image.cloudinit_datasource.clone() })
}

/// The image in the pool that `owner`, a payload or a disk, names.
fn find<'a>(
    facts: &'a Facts,
    owner: &Object,
    uuid: &str,
    types: &[&str],
) -> Option<&'a ImageFacts> {
    let pool = if owner.has("zpool") { owner.text("zpool")? } else { facts.default_zpool() };
    facts.image(pool, uuid).filter(|image| types.contains(&image.image_type.as_str()))
}

/// The firmware that follows from the image's requirement and the payload's wish; an error if they
/// differ.
fn agree_on_bootrom(image: &ImageFacts, wanted: Option<&Value>) -> Result<Option<String>, ()> {
    match (&image.bootrom, wanted) {
        (Some(required), Some(wanted)) if wanted != required.as_str() => Err(()),
        (None, Some(wanted))
            if image.has_requirements
                && !wanted.as_str().is_some_and(|rom| BOOTROMS.contains(&rom)) =>
        {
            Err(())
        }
        (required, _) => Ok(required.clone()),
    }
}
