//! Documents: reading never panics, and what is written reads back as the same zone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zonecfg::xml;

fuzz_target!(|text: &str| {
    let _ = xml::read_strict(text);
    if let Ok(zone) = xml::read(text) {
        let again = xml::read(&xml::write(&zone)).expect("what is written can be read");
        assert_eq!(again, zone);
    }
});
