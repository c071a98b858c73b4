//! `vmadm update`.

use std::collections::BTreeSet;

use gz::Root;
use gz::inventory::Fields;
use gz::plan::Plan;
use manifest::ids::RandomIds;
use manifest::{Brand, Dropped, Payload, VmObject, normalise};
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, payload, print};
use crate::commands::Command;
use crate::create::{refuse_dropped, refused};
use crate::plan::update::{self, Question, Reservation};
use crate::plan::{Object, create, omnios};
use crate::{change, damage, facts};

pub const COMMAND: Command = Command {
    names: &["update"],
    syntax: Syntax {
        types: &[("dry-run", Kind::Flag), ("strict", Kind::Flag)],
        shorts: &[("f", &["--file"])],
    },
    run,
};

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let pairs = call.pairs();
    let object = if pairs.is_empty() {
        match payload::read(&call, "Will not update from stdin when stdin is a tty.")? {
            Value::Object(object) => object,
            _ => return Err(Failure::new("Invalid JSON payload: expected an object")),
        }
    } else {
        pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect()
    };
    let strict = call.options.flag("strict") == Some(true);
    if call.options.flag("dry-run") == Some(true) {
        let (plan, notes) = plan(&call.root, &uuid, object, strict)?;
        print(&change::shown(&call.root, &plan)?)?;
        return Ok((!notes.is_empty()).then(|| notes.join("\n")));
    }
    let _lock = change::begin(&call.root, &uuid)?;
    let reserved = change::reserve(&call.root, &object)?;
    let (plan, notes) = plan(&call.root, &uuid, object, strict)?;
    if !plan.steps.is_empty() {
        change::execute_reserved(&call.root, &plan, reserved)?;
    }
    let mut lines = vec![format!("Successfully updated VM {uuid}")];
    lines.extend(notes);
    Ok(Some(lines.join("\n")))
}

/// Everything that can be refused is refused here, before anything is changed. With the plan come notes for the operator.
fn plan(
    root: &Root,
    uuid: &str,
    object: Object,
    strict: bool,
) -> Result<(Plan, Vec<String>), Failure> {
    let (vm, brand) = change::load(root, uuid, &Fields::all())?
        .ok_or_else(|| Failure::new(format!("VM {uuid} not found")))?;
    let on_omnios = change::is_omnios(root);
    if on_omnios {
        omnios::check(&object).map_err(Failure::new)?;
    }
    let given = object.clone();
    let pool = vm.get("zpool").and_then(Value::as_str);
    let (facts, warnings) = facts::for_checks(root, &object, pool, uuid)?;
    let mut payload = Payload::from(object);
    let vm = VmObject::from(vm);
    let prepared = normalise::prepare_update(&mut payload, &vm, &facts, &mut RandomIds)
        .map_err(|refusal| refused(&refusal, &payload, &facts))?;
    if strict {
        refuse_dropped(&prepared.dropped)?;
    }
    let mut notes = ignored(&prepared.dropped);
    notes.extend(warnings);
    let (vm, payload) = (vm.into_object(), payload.into_object());
    let mut facts = read_facts(root, &vm, &payload, brand)?;
    let plan = if on_omnios {
        let (real, place) = (facts::zone(root, uuid)?, facts::names(root)?);
        omnios::update(&vm, &given, payload, brand, &real, &place, &facts)
    } else {
        facts.links = links(root, &vm, &payload)?;
        facts.others_have_firewall =
            update::changes_what_rules_go_by(&payload) && facts::others_have_firewall(root, &vm)?;
        update::plan(&vm, payload, brand, &facts)
    };
    let plan = plan.map_err(Failure::new)?;
    notes.extend(damage::check(root, &vm, &plan)?);
    Ok((plan, notes))
}

/// A note for each property that the update does not change although it is another one than the VM has; one for all
/// that vmadm itself has printed.
fn ignored(dropped: &[Dropped]) -> Vec<String> {
    let (read_only, others): (Vec<&Dropped>, Vec<&Dropped>) =
        dropped.iter().partition(|property| property.read_only);
    let mut notes: Vec<String> =
        others.iter().map(|property| format!("ignoring {property}")).collect();
    if !read_only.is_empty() {
        let names: Vec<&str> = read_only.iter().map(|property| property.name.as_str()).collect();
        notes.push(format!("ignoring what cannot be set: {}", names.join(", ")));
    }
    notes
}

fn read_facts(
    root: &Root,
    vm: &Object,
    payload: &Object,
    brand: Brand,
) -> Result<update::Facts, Failure> {
    let mut facts =
        update::Facts { volume_uuids: facts::volume_uuids(payload), ..update::Facts::default() };
    if payload.contains_key("add_filesystems") {
        let dataset = vm.get("zfs_filesystem").and_then(Value::as_str).unwrap_or_default();
        facts.has_volumes = gz::zfs::exists(root, &format!("{dataset}/volumes"))?;
    }
    let added = payload.get("add_disks").and_then(Value::as_array);
    if brand.vm_type().is_hvm()
        && let Some(added) = added
    {
        let own_pool = vm.get("zpool").and_then(Value::as_str).unwrap_or("zones");
        for disk in added.iter().filter_map(Value::as_object) {
            let pool = disk.get("zpool").and_then(Value::as_str).unwrap_or(own_pool);
            match disk.get("image_uuid").and_then(Value::as_str) {
                Some(image) => {
                    let image = format!("{pool}/{image}");
                    if !gz::zfs::exists(root, &format!("{image}@final"))? {
                        facts.without_final.insert(image);
                    }
                }
                None if !disk.contains_key("block_size") && !disk.contains_key("nocreate") => {
                    facts.block_sizes.insert(pool.to_owned(), facts::block_size(root, pool)?);
                }
                None => {}
            }
        }
    }
    for question in update::questions(vm, payload) {
        let answer = answer(root, &question, &facts)?;
        facts.reservations.insert(question.volume, answer);
    }
    Ok(facts)
}

/// The VM's interfaces that are up, where NICs are updated.
fn links(root: &Root, vm: &Object, payload: &Object) -> Result<BTreeSet<String>, Failure> {
    let running = vm.get("state").is_some_and(|state| state == "running");
    if !running || !payload.contains_key("update_nics") {
        return Ok(BTreeSet::new());
    }
    let zone = vm.get("zonename").and_then(Value::as_str).unwrap_or_default();
    let tool = root.tool("/usr/sbin/dladm").args(["show-vnic", "-z", zone, "-o", "link", "-p"]);
    Ok(tool.text()?.lines().map(str::to_owned).collect())
}

/// What zfs says that a volume needs.
fn answer(root: &Root, question: &Question, facts: &update::Facts) -> Result<Reservation, Failure> {
    let number = |text: Option<&String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
    let get = |dataset: &str| {
        gz::zfs::get(root, dataset, &["volsize", "volblocksize", "copies", "refreservation"])
    };
    let mut reservation = Reservation { size_after: question.size, ..Reservation::default() };
    let block_size = if question.exists {
        let now = get(&question.volume)?;
        reservation.now = number(now.get("refreservation"));
        reservation.size_now = number(now.get("volsize"));
        number(now.get("volblocksize"))
    } else if let Some(image) = &question.image {
        number(get(image)?.get("volblocksize"))
    } else {
        let optimal = facts.block_sizes.get(&question.pool).copied();
        question.block_size.or(optimal).unwrap_or(create::BLOCK_SIZE)
    };
    reservation.after =
        gz::space::volume_reservation(root, &question.volume, question.size, block_size)?;
    Ok(reservation)
}
