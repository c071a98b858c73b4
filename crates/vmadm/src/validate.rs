//! `vmadm validate`.

use manifest::{Action, Payload, validate};
use serde_json::Value;

use crate::cli::{Call, Failure, Outcome, payload};
use crate::commands::Command;
use crate::facts;

pub const COMMAND: Command = Command { names: &["validate"], syntax: payload::SYNTAX, run };

fn run(call: Call) -> Outcome {
    let operands: Vec<String> = call.operands.iter().cloned().collect();
    match operands.first().map(String::as_str) {
        None => return Err(Failure::usage("Will not validate without a valid action.")),
        Some("update") if operands.len() != 2 => {
            return Err(Failure::usage("Will not validate without a valid action and brand."));
        }
        Some(_) => {}
    }
    // Observed: a file that is not there is named before an action that is none.
    let payload = payload::read(&call, "Will not validate from stdin when stdin is a tty.")?;
    let action = operands.first().and_then(|name| Action::from_name(name));
    let action =
        action.ok_or_else(|| Failure::usage("Will not validate without a valid action."))?;
    let Value::Object(object) = payload else {
        return Err(Failure::new("Invalid JSON payload: expected an object"));
    };
    let named = match action {
        Action::Update => operands.get(1).map(|brand| Value::String(brand.clone())),
        Action::Create | Action::Receive => object.get("brand").cloned(),
    };
    let facts = facts::for_validation(&call.root, &object, None)?;
    let mut payload = Payload::from(object);
    let brand = validate::brand(named.as_ref(), facts.flavour).map_err(Failure::new)?;
    validate::validate(action, brand, &mut payload, &facts).map_err(Failure::new)?;
    Ok(Some(validate::valid_message(action, brand)))
}
