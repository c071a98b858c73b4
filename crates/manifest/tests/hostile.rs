//! Nothing panics, whatever a payload holds.

mod common;

use common::TestResult;
use manifest::validate::{brand, validate};
use manifest::{
    Action, Fields, Flavour, Payload, RandomIds, Refusal, json, prepare_create, prepare_update,
};
use serde_json::{Map, Value, json};

fn nasty() -> Vec<Value> {
    let mut deep = Value::Null;
    for _ in 0..100 {
        deep = json!([deep]);
    }
    vec![
        Value::Null,
        json!(false),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e300),
        json!(-1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(","),
        json!("é"),
        json!("\u{10348}\n\";$(reboot)'`"),
        json!("nics[99999999999999999999]"),
        json!("::::::"),
        json!("/"),
        json!("0x"),
        json!("Infinity"),
        json!("x".repeat(100_000)),
        json!([]),
        json!([[]]),
        json!([null]),
        json!([{}]),
        json!({}),
        json!({"": null}),
        json!({"10.0.0.0/8": "macs[é]"}),
        deep,
    ]
}

fn run(action: &str, brand_name: Option<&str>, payload: &Map<String, Value>) -> TestResult {
    let facts = common::facts();
    let mut checked = Payload::from(payload.clone());
    let kind = Action::from_name(action).unwrap_or(Action::Create);
    let given = brand_name.map(Value::from);
    if let Ok(brand) = brand(given.as_ref().or(checked.value("brand")), Flavour::SmartOs) {
        let _ = validate(kind, brand, &mut checked, &facts);
    }
    let mut prepared = Payload::from(payload.clone());
    let refusal: Option<Refusal> = match brand_name {
        None => prepare_create(Action::Create, &mut prepared, &facts, &mut RandomIds).err(),
        Some(name) => {
            prepare_update(&mut prepared, &common::base_vm(name)?, &facts, &mut RandomIds).err()
        }
    };
    if let Some(refusal) = refusal {
        let _ = refusal.to_string();
        let _ = refusal.explain(&prepared, &facts);
    }
    Ok(())
}

/// Every payload of a sample of the observed cases, with each of its values replaced in turn.
#[test]
fn replaced_values_are_answered() -> TestResult {
    let nasty = nasty();
    let mut runs = 0;
    for case in common::cases()?.iter().step_by(19) {
        for key in case.payload.keys() {
            for value in &nasty {
                let mut payload = case.payload.clone();
                payload.insert(key.clone(), value.clone());
                run(&case.action, case.brand.as_deref(), &payload)?;
                runs += 1;
            }
            let members: Vec<String> = case.payload[key]
                .get(0)
                .and_then(Value::as_object)
                .map(|object| object.keys().cloned().collect())
                .unwrap_or_default();
            for member in members {
                for value in &nasty {
                    let mut payload = case.payload.clone();
                    payload[key][0][&member] = value.clone();
                    run(&case.action, case.brand.as_deref(), &payload)?;
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 3_000, "only {runs} runs");
    Ok(())
}

#[test]
fn texts_come_back_as_they_were() -> TestResult {
    for text in nasty().iter().filter_map(Value::as_str) {
        let payload = json!({
            "brand": "joyent", "image_uuid": "01b2c898-945f-11e1-a523-af1afbe22822",
            "alias": text, "customer_metadata": { "key": text }, "tags": { text: text },
        });
        let mut payload: Payload = serde_json::from_value(payload)?;
        prepare_create(Action::Create, &mut payload, &common::facts(), &mut RandomIds)?;
        let read = json::parse(json::pretty(&payload).as_bytes(), "payload")?;
        assert_eq!(read["alias"], text);
        assert_eq!(read["customer_metadata"]["key"], text);
        assert_eq!(read["tags"][text], text);
    }
    Ok(())
}
