//! Indexes: every text is kept as it is, and changes never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zonecfg::index::{Index, ZoneState};

fuzz_target!(|text: &str| {
    let mut index = Index::parse(text);
    assert_eq!(index.print(), text);
    let names: Vec<String> = index.entries().map(|entry| entry.name).collect();
    for name in names {
        let _ = index.set_state(&name, ZoneState::Installed);
        index.remove(&name);
    }
});
