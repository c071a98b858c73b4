//! `vmadm reprovision`: a new root from an image for a VM that stays the same otherwise.

use gz::inventory::Fields;
use gz::{Root, images, zfs};
use manifest::Brand;
use serde_json::Value;

use crate::cli::{Call, Failure, Outcome, payload};
use crate::commands::Command;
use crate::plan::reprovision::{self, Image};
use crate::plan::{Object, create};
use crate::{change, facts};

pub const COMMAND: Command = Command { names: &["reprovision"], syntax: payload::SYNTAX, run };

fn run(mut call: Call) -> Outcome {
    change::only_smartos(&call.root, "reprovision")?;
    let uuid = call.uuid()?;
    let payload = payload::read(&call, "Will not take payload from stdin when stdin is a tty.")?;
    replace(&call.root, &uuid, &payload).map_err(|failure| {
        change::prefixed(failure, &format!("Failed to reprovision VM {uuid}: "))
    })?;
    Ok(Some(format!("Successfully reprovisioned VM {uuid}")))
}

fn replace(root: &Root, uuid: &str, payload: &Value) -> Result<(), Failure> {
    let _lock = change::begin(root, uuid)?;
    let (vm, brand) = load(root, uuid)?;
    reprovision::check(&vm, brand).map_err(Failure::new)?;
    let image = payload
        .get("image_uuid")
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::new("payload is missing image_uuid"))?;
    let pool = vm.get("zpool").and_then(Value::as_str).unwrap_or_default();
    let image = find_image(root, pool, image)?;
    reprovision::check_image(&vm, brand, &image).map_err(Failure::new)?;
    change::check_nic_tags(root, &vm)?;
    let facts = planning_facts(root, &vm, pool, &image)?;
    let plan = reprovision::plan(&vm, brand, &image, &facts).map_err(Failure::new)?;
    change::execute(root, &plan)
}

fn load(root: &Root, uuid: &str) -> Result<(Object, Brand), Failure> {
    change::load(root, uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))
}

fn find_image(root: &Root, pool: &str, uuid: &str) -> Result<Image, Failure> {
    // The name of a file is made of it.
    let plausible = crate::cli::looks_like_uuid(uuid) && !uuid.contains('/');
    let record = if plausible { images::read(root, pool, uuid)? } else { None };
    let record = record.ok_or_else(|| {
        Failure::new(format!(
            "Command failed: /usr/sbin/imgadm get -P {pool} {uuid}\nimgadm get: error \
             (ImageNotInstalled): image \"{uuid}\" was not found on zpool \"{pool}\"\n"
        ))
    })?;
    let about = record.manifest();
    Ok(Image {
        uuid: uuid.to_owned(),
        size: about["image_size"].as_u64(),
        image_type: about["type"].as_str().unwrap_or_default().to_owned(),
        has_final: zfs::exists(root, &format!("{pool}/{uuid}@final"))?,
    })
}

fn planning_facts(
    root: &Root,
    vm: &Object,
    pool: &str,
    image: &Image,
) -> Result<create::Facts, Failure> {
    let stamp = vm.get("platform_buildstamp").and_then(Value::as_str).map(str::to_owned);
    let zoneinit = facts::Zoneinit::read(root, &format!("/{pool}/{}/root", image.uuid))?;
    Ok(create::Facts {
        now_ms: facts::now_ms(),
        no_zoneconfig: !zoneinit.reads_zoneconfig,
        platform_buildstamp: stamp,
        ..create::Facts::default()
    })
}
