//! Scripts: parsing and carrying them out never panics, and printed commands read back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zonecfg::lang::{Parsed, Parser, print};
use zonecfg::lint;

fuzz_target!(|text: &str| {
    let mut parser = Parser::new(text);
    loop {
        match parser.next_parsed() {
            Parsed::End | Parsed::TooLong(_) => break,
            Parsed::Command(statement) => {
                if let Ok(line) = print(&statement.command) {
                    let line = line + "\n";
                    match Parser::new(&line).next_parsed() {
                        Parsed::Command(again) => assert_eq!(again.command, statement.command),
                        other => panic!("{line:?} reads back as {other:?}"),
                    }
                }
            }
            _ => {}
        }
    }
    lint::check(text);
});
