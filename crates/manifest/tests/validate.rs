//! Every observed verdict of `vmadm validate`.

mod common;

use common::{Case, TestResult};
use manifest::validate::{Invalid, brand, valid_message, validate};
use manifest::{Action, Fields, Flavour, Payload};
use serde_json::Value;

fn verdict(case: &Case) -> Result<String, Invalid> {
    let mut payload = Payload::from(case.payload.clone());
    let action = Action::from_name(&case.action).unwrap_or(Action::Create);
    let given = case.brand.clone().map(Value::from);
    let brand = brand(given.as_ref().or(payload.value("brand")), Flavour::SmartOs)?;
    validate(action, brand, &mut payload, &common::facts())?;
    Ok(valid_message(action, brand))
}

#[test]
fn verdicts_are_those_observed() -> TestResult {
    let mut wrong = Vec::new();
    let mut total = 0;
    for case in common::cases()? {
        total += 1;
        let ours = verdict(&case);
        let same = match (case.exit, &ours) {
            (0, Ok(message)) => case.verdict == message.as_str(),
            (1, Err(invalid)) => invalid.to_json() == case.verdict,
            // The original failed on these with a stack trace.
            (exit, Err(_)) => exit < 0,
            (_, Ok(_)) => false,
        };
        if !same {
            wrong.push(format!("{}: observed {}, ours {ours:?}", case.name, case.verdict));
        }
    }
    assert!(total > 300, "only {total} cases");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
