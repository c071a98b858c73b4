//! Whether create and update go past their checks as observed, and with which message they refuse.

mod common;

use common::{Case, Run, TestResult};
use manifest::{
    Action, Fields, Flavour, Ids, Payload, Prepared, Refusal, prepare_create, prepare_update,
};
use serde_json::json;

/// Identifiers that are easy to find in messages.
struct FixedIds(u32);

impl Ids for FixedIds {
    fn uuid(&mut self) -> String {
        self.0 += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.0)
    }

    fn mac(&mut self) -> String {
        self.0 += 1;
        format!("02:00:00:00:00:{:02x}", self.0)
    }
}

fn prepare(case: &Case) -> Result<Result<Prepared, Refusal>, Box<dyn std::error::Error>> {
    let mut payload = Payload::from(case.payload.clone());
    let facts = common::facts();
    let mut ids = FixedIds(0);
    Ok(match &case.brand {
        None => prepare_create(Action::Create, &mut payload, &facts, &mut ids),
        Some(brand) => prepare_update(&mut payload, &common::base_vm(brand)?, &facts, &mut ids),
    })
}

/// A message with what is random in it blanked: the values of `mac` and `uuid`.
fn masked(message: &str) -> String {
    let mut text = message.to_owned();
    for key in ["\"mac\":\"", "\"uuid\":\""] {
        if let Some(start) = text.find(key).map(|at| at + key.len()) {
            let end = text[start..].find('"').map_or(text.len(), |length| start + length);
            text.replace_range(start..end, "");
        }
    }
    text
}

/// The original let a null UUID through to where it failed without naming the property.
const BETTER_MESSAGE: [(&str, &str); 1] =
    [("create-joyent-uuid-null", "Invalid value(s) for: uuid")];

fn agrees(case: &Case, run: &Run, ours: &Result<Prepared, Refusal>) -> bool {
    let better = BETTER_MESSAGE.iter().find(|(name, _)| *name == case.name);
    match ours {
        // Where the original failed with a stack trace we may find a use for the payload.
        Ok(_) => run.checks_passed || run.exit.is_some_and(|exit| exit < 0),
        Err(_) if run.checks_passed => false,
        Err(_) if run.exit.is_some_and(|exit| exit < 0) => true,
        Err(refusal) => {
            let expected = better.map_or(run.stderr.trim_end(), |(_, message)| message);
            masked(&refusal.to_string()) == masked(expected)
        }
    }
}

#[test]
fn omnios_has_no_default_brand_and_its_own_pool() -> TestResult {
    let facts = manifest::Facts {
        flavour: Flavour::OmniOs,
        zpools: vec!["rpool".to_owned()],
        default_zpool: Some("rpool".to_owned()),
        ..manifest::Facts::default()
    };
    let mut payload: Payload = serde_json::from_value(json!({ "alias": "x" }))?;
    let refusal = prepare_create(Action::Create, &mut payload, &facts, &mut FixedIds(0));
    assert_eq!(
        refusal,
        Err(Refusal::Missing { names: vec!["brand".to_owned()], misspelt: vec![] })
    );
    payload.set("brand", "ipkg");
    assert!(prepare_create(Action::Create, &mut payload, &facts, &mut FixedIds(0)).is_ok());
    assert_eq!(payload.text("zpool"), Some("rpool"));
    payload.set("brand", "joyent");
    let refusal = prepare_create(Action::Create, &mut payload, &facts, &mut FixedIds(0));
    assert!(matches!(refusal, Err(Refusal::Brand { .. })));
    Ok(())
}

#[test]
fn dropped_properties_are_named_with_their_neighbour() -> TestResult {
    let mut payload: Payload = serde_json::from_value(json!({
        "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
        "qouta": 5, "vcpus": 2, "__note": "mine", "nics": [{ "nic_tag": "admin", "ip": "dhcp", "vlan": 5 }],
    }))?;
    let prepared =
        prepare_create(Action::Create, &mut payload, &common::facts(), &mut FixedIds(0))?;
    let dropped: Vec<String> = prepared.dropped.iter().map(ToString::to_string).collect();
    assert_eq!(
        dropped,
        [
            "unknown property \"qouta\" (did you mean \"quota\"?)",
            "property not allowed here \"vcpus\"",
            "unknown property \"nics.*.vlan\" (did you mean \"nics.*.vlan_id\"?)",
        ]
    );
    assert!(!payload.has("__note") && !payload.has("qouta"));
    Ok(())
}

#[test]
fn create_and_update_refuse_what_was_observed() -> TestResult {
    let mut wrong = Vec::new();
    let mut total = 0;
    for case in common::cases()? {
        let Some(run) = case.run_create.as_ref().or(case.run_update.as_ref()) else { continue };
        total += 1;
        let ours = prepare(&case)?;
        if !agrees(&case, run, &ours) {
            let ours = ours.map(|_| ()).map_err(|refusal| refusal.to_string());
            wrong.push(format!(
                "{}: passed {}, {:?}; ours {ours:?}",
                case.name, run.checks_passed, run.stderr
            ));
        }
    }
    assert!(total > 300, "only {total} cases");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
