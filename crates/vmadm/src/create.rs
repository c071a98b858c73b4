//! `vmadm create`.

use gz::inventory::Inventory;
use gz::plan::OnFailure;
use manifest::ids::{Ids, RandomIds};
use manifest::normalise::{self, Dropped};
use manifest::{Action, Fields as _, Payload, Refusal};
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, payload, print, tell};
use crate::commands::Command;
use crate::plan::{Object, create, omnios};
use crate::{change, facts};

pub const COMMAND: Command = Command {
    names: &["create"],
    syntax: Syntax {
        types: &[("dry-run", Kind::Flag), ("strict", Kind::Flag), ("keep-failed", Kind::Flag)],
        shorts: &[("f", &["--file"])],
    },
    run,
};

fn run(call: Call) -> Outcome {
    let payload = payload::read(&call, "Will not create from stdin when stdin is a tty.")?;
    let Value::Object(mut object) = payload else {
        return Err(Failure::new("Invalid JSON payload: expected an object"));
    };
    let mut ids = RandomIds;
    let uuid = match object.get("uuid") {
        None => {
            let uuid = ids.uuid();
            object.insert("uuid".into(), uuid.clone().into());
            uuid
        }
        Some(Value::String(uuid)) if uuid::Uuid::try_parse(uuid).is_ok() && uuid.len() == 36 => {
            uuid.clone()
        }
        Some(_) => {
            let refusal = Refusal::BadValues(vec!["uuid".to_owned()]);
            return Err(refused(&refusal, &Payload::from(object), &manifest::Facts::default()));
        }
    };
    if call.options.flag("dry-run") == Some(true) {
        let (plan, notes) = plan(&call, object, &uuid, &mut ids)?;
        for note in &notes {
            tell(note);
        }
        print(&change::shown(&call.root, &plan)?)?;
        return Ok(None);
    }
    let _lock = change::begin(&call.root, &uuid)?;
    let reserved = change::reserve(&call.root, &object)?;
    let (plan, notes) = plan(&call, object, &uuid, &mut ids)?;
    if let Err(failure) = change::execute_reserved(&call.root, &plan, reserved) {
        for note in &notes {
            tell(note);
        }
        return Err(failure);
    }
    // Ansible and Salt take the UUID from the first line of stderr, so notes come behind it.
    let mut lines = vec![format!("Successfully created VM {uuid}")];
    lines.extend(notes);
    Ok(Some(lines.join("\n")))
}

/// Everything that can be refused is refused here, before anything is changed. With the plan come notes for the operator.
fn plan(
    call: &Call,
    object: Object,
    uuid: &str,
    ids: &mut RandomIds,
) -> Result<(gz::plan::Plan, Vec<String>), Failure> {
    let root = &call.root;
    if Inventory::one(root, uuid)?.is_some() {
        return Err(Failure::new(format!("VM with UUID {uuid} already exists")));
    }
    let on_omnios = change::is_omnios(root);
    if on_omnios {
        omnios::check(&object).map_err(Failure::new)?;
    }
    let (facts, warnings) = facts::for_checks(root, &object, None, uuid)?;
    let given = object.clone();
    let mut payload = Payload::from(object);
    let prepared = normalise::prepare_create(Action::Create, &mut payload, &facts, ids)
        .map_err(|refusal| refused(&refusal, &payload, &facts))?;
    let mut notes = dropped_notes(&prepared.dropped, call.options.flag("strict") == Some(true))?;
    notes.extend(warnings);
    if payload.text("zonename") != Some(uuid) {
        check_zonename(root, payload.text("zonename").unwrap_or_default())?;
    }
    let brand = prepared.brand;
    let plan = if on_omnios {
        let place = facts::place(root)?;
        let facts = facts::storage(root, &payload, &format!("{}/{uuid}", place.dataset))?;
        omnios::create(&given, payload.into_object(), brand, &place, &facts)
    } else {
        let facts = facts::for_create(root, &payload, brand)?;
        create::plan(payload.into_object(), brand, &facts)
    };
    let mut plan = plan.map_err(Failure::new)?;
    if call.options.flag("keep-failed") == Some(true) {
        plan.on_failure = OnFailure::Keep;
    }
    Ok((plan, notes))
}

/// The refusal of a payload: the message that scripts know and, on a terminal, what was expected of each bad value.
pub fn refused(refusal: &Refusal, payload: &Payload, facts: &manifest::Facts) -> Failure {
    Failure::explained(refusal, refusal.explain(payload, facts).iter().map(ToString::to_string))
}

/// A note for each property that is not known; with `--strict` they are refused, and those that the brand does not have
/// too.
pub fn dropped_notes(dropped: &[Dropped], strict: bool) -> Result<Vec<String>, Failure> {
    if strict {
        refuse_dropped(dropped)?;
    }
    let (unknown, unfit): (Vec<&Dropped>, Vec<&Dropped>) =
        dropped.iter().partition(|property| property.unknown);
    for property in unfit {
        log::warn!("ignoring {property}");
    }
    Ok(unknown.into_iter().map(|property| format!("ignoring {property}")).collect())
}

/// Refuses a payload of which anything is dropped.
pub fn refuse_dropped(dropped: &[Dropped]) -> Result<(), Failure> {
    if dropped.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = dropped.iter().map(ToString::to_string).collect();
    Err(Failure::new(lines.join("\n")))
}

/// A zone's name is a file's name and a dataset's.
fn check_zonename(root: &gz::Root, name: &str) -> Result<(), Failure> {
    let plain = name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !plain || name == "global" {
        return Err(Failure::new(format!(
            "zonename: \"{name}\" is no name for a zone (up to 63 letters, digits and -_.)"
        )));
    }
    if root.path(format!("/etc/zones/{name}.xml")).exists() {
        return Err(Failure::new(format!("zonename: zone {name} already exists")));
    }
    Ok(())
}
