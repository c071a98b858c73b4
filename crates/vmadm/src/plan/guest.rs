//! What is made ready for the guest of an HVM virtual machine each time that it starts.

use gz::plan::{Step, ZoneFile};
use manifest::normalise::assign_pci_slots;
use manifest::{Brand, json};
use serde_json::{Value, json};
use zonecfg::mapping::smartos_write;

use super::create::change;
use super::start::Extra;
use super::{Object, boot_media, objects, seed, startvm, text};

/// Makes everything ready and boots the zone.
pub(super) fn boot(
    steps: &mut Vec<Step>,
    vm: &Object,
    brand: Brand,
    extra: &Extra,
) -> Result<(), String> {
    let mut vm = vm.clone();
    let uuid = text(&vm, "uuid").to_owned();
    if brand == Brand::Kvm {
        seed::write(steps, &mut vm)?;
        files(steps, &vm, extra)?;
        steps.push(Step::Boot { uuid });
        return Ok(());
    }
    settle_slots(steps, &mut vm)?;
    settle_uuids(steps, &mut vm, &extra.disk_uuids)?;
    seed::write(steps, &mut vm)?;
    // bhyve does not look at this script: media and boot order of one start are given to it in another way.
    files(steps, &vm, &Extra::default())?;
    let script = boot_media::script(&vm, extra)?;
    steps.push(if script.is_empty() {
        Step::Boot { uuid }
    } else {
        Step::BootOnce { uuid, script }
    });
    Ok(())
}

/// Notes the PCI slots that the brand would give to disks without one, so that they stay when disks come and go.
fn settle_slots(steps: &mut Vec<Step>, vm: &mut Object) -> Result<(), String> {
    let disks: Vec<&Object> = objects(vm, "disks").collect();
    let slots = assign_pci_slots(&disks, true).map_err(|refusal| refusal.to_string())?;
    let slots = slots.into_iter().map(|slot| slot.map(Value::from)).collect();
    settle(steps, vm, "pci_slot", slots)
}

/// Gives a UUID to disks that have none, as far as there are some.
fn settle_uuids(steps: &mut Vec<Step>, vm: &mut Object, uuids: &[String]) -> Result<(), String> {
    let mut uuids = uuids.iter().cloned();
    let given = objects(vm, "disks")
        .map(|disk| if disk.contains_key("uuid") { None } else { uuids.next().map(Value::from) })
        .collect();
    settle(steps, vm, "uuid", given)
}

/// Stores a property of the disks for which there is a value, in the VM and in its zone.
fn settle(
    steps: &mut Vec<Step>,
    vm: &mut Object,
    property: &str,
    values: Vec<Option<Value>>,
) -> Result<(), String> {
    let updates: Vec<Value> = objects(vm, "disks")
        .zip(&values)
        .filter_map(|(disk, value)| {
            Some(json!({"path": disk.get("path")?, property: value.as_ref()?}))
        })
        .collect();
    if updates.is_empty() {
        return Ok(());
    }
    let payload = Object::from_iter([("update_disks".to_owned(), Value::from(updates))]);
    let script = smartos_write::update_script(vm, &payload).map_err(|e| e.to_string())?;
    steps.push(change(text(vm, "uuid"), &script));
    let disks = vm.get_mut("disks").and_then(Value::as_array_mut).into_iter().flatten();
    for (disk, value) in disks.filter_map(Value::as_object_mut).zip(values) {
        if let Some(value) = value {
            disk.insert(property.to_owned(), value);
        }
    }
    Ok(())
}

/// The script that runs the virtual machine, and the metadata its agent reads before there is a service for it.
fn files(steps: &mut Vec<Step>, vm: &Object, extra: &Extra) -> Result<(), String> {
    let zonepath = text(vm, "zonepath");
    let metadata = vm.get("internal_metadata").cloned().unwrap_or_else(|| json!({}));
    let metadata = json::pretty(&json!({ "internal_metadata": metadata })) + "\n";
    let mut write = |path: &str, text: String, mode: u32| {
        let file = ZoneFile { root: format!("{zonepath}/root"), path: path.to_owned() };
        steps.push(Step::WriteZoneFile { file, text, mode });
    };
    write("/startvm", startvm::script(&Value::Object(vm.clone()), extra)?, 0o755);
    write("/tmp/vm.metadata", metadata, 0o644);
    Ok(())
}
