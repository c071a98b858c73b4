//! The payload of a VM that comes from elsewhere, checked as that of a new one.

use gz::Root;
use gz::lock::Lock;
use manifest::ids::RandomIds;
use manifest::{Action, Brand, Fields as _, Payload, normalise};
use serde_json::Value;

use crate::cli::{Failure, tell};
use crate::plan::{Object, receive};
use crate::{change, facts};

/// The payload of a VM object, checked and completed.
pub(super) struct Prepared {
    pub payload: Payload,
    pub brand: Brand,
    /// The lock on the addresses that were found to be free.
    pub reserved: Option<Lock>,
}

/// Checks the VM object, whose images have to be here.
pub(super) fn whole(root: &Root, vm: &Object, uuid: &str) -> Result<Prepared, Failure> {
    prepare(root, receive::payload(vm.clone()), uuid)
}

/// Checks the VM object; images that are not here need not be, where its datasets are whole.
pub(super) fn without_images(root: &Root, vm: &Object, uuid: &str) -> Result<Prepared, Failure> {
    let mut object = receive::payload(vm.clone());
    let pool = vm.get("zpool").and_then(Value::as_str).unwrap_or_default();
    let absent = take_absent_images(root, &mut object, pool)?;
    let mut prepared = prepare(root, object, uuid)?;
    put_back(prepared.payload.object_mut(), absent);
    Ok(prepared)
}

fn prepare(root: &Root, object: Object, uuid: &str) -> Result<Prepared, Failure> {
    let reserved = change::reserve(root, &object)?;
    let (known, warnings) = facts::for_checks(root, &object, None, uuid)?;
    for warning in &warnings {
        tell(warning);
    }
    let mut payload = Payload::from(object);
    let prepared = normalise::prepare_create(Action::Receive, &mut payload, &known, &mut RandomIds)
        .map_err(Failure::new)?;
    Ok(Prepared { payload, brand: prepared.brand, reserved })
}

/// Images that the VM was made of, which need not be here where its datasets come whole: the property is taken from the
/// VM, or from its disk of that number, for the checks.
fn take_absent_images(
    root: &Root,
    vm: &mut Object,
    pool: &str,
) -> Result<Vec<(Option<usize>, Value)>, Failure> {
    let mut absent = Vec::new();
    if is_absent(root, vm, pool)? {
        absent.extend(vm.shift_remove("image_uuid").map(|image| (None, image)));
    }
    let disks = vm.get_mut("disks").and_then(Value::as_array_mut).into_iter().flatten();
    for (number, disk) in disks.enumerate() {
        if let Some(disk) = disk.as_object_mut()
            && is_absent(root, disk, pool)?
        {
            absent.extend(disk.shift_remove("image_uuid").map(|image| (Some(number), image)));
        }
    }
    Ok(absent)
}

fn is_absent(root: &Root, object: &Object, pool: &str) -> Result<bool, Failure> {
    let Some(image) = object.get("image_uuid").and_then(Value::as_str) else { return Ok(false) };
    // The name of a file is made of it.
    let plausible = crate::cli::looks_like_uuid(image) && !image.contains('/');
    Ok(plausible && gz::images::read(root, pool, image)?.is_none())
}

fn put_back(payload: &mut Object, absent: Vec<(Option<usize>, Value)>) {
    for (number, image) in absent {
        let of = match number {
            None => Some(&mut *payload),
            Some(number) => payload
                .get_mut("add_disks")
                .and_then(|disks| disks.get_mut(number))
                .and_then(Value::as_object_mut),
        };
        if let Some(of) = of {
            of.insert("image_uuid".to_owned(), image);
        }
    }
}
