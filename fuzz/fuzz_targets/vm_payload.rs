//! Payloads: no JSON makes reading, validation or preparation panic, and what is printed reads
//! back as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest::validate::{brand, validate};
use manifest::{Action, Facts, Fields, Flavour, Payload, RandomIds, json, prepare_create};

fuzz_target!(|text: &[u8]| {
    let Ok(object) = json::parse_object(text, "input") else { return };
    let mut payload = Payload::from(object);
    let printed = json::pretty(&payload);
    let again = json::parse(printed.as_bytes(), "again").expect("what is printed can be read");
    assert_eq!(json::pretty(&again), printed);

    let facts = Facts::default();
    if let Ok(brand) = brand(payload.value("brand"), Flavour::SmartOs) {
        for action in [Action::Create, Action::Receive, Action::Update] {
            let _ = validate(action, brand, &mut payload.clone(), &facts);
        }
    }
    if let Err(refusal) = prepare_create(Action::Create, &mut payload, &facts, &mut RandomIds) {
        let _ = (refusal.to_string(), refusal.explain(&payload, &facts));
    }
});
