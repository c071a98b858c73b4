//! No input makes the readers panic, and none takes more than linear time.

use std::time::{Duration, Instant};

use zonecfg::exec::{Options, Session, Source};
use zonecfg::index::Index;
use zonecfg::lang::{Parsed, Parser};
use zonecfg::paper::Paper;
use zonecfg::{lint, xml};

/// A small generator of the same numbers every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }

    fn text(&mut self, pieces: &[&str]) -> String {
        (0..self.below(40)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

fn run(script: &str) {
    let options = Options {
        program: "zonecfg".to_owned(),
        zone: "z".to_owned(),
        source: Source::FileFromInput,
        read_only: false,
        alternate_root: false,
    };
    let mut paper = Paper::default();
    let mut session = Session::new(&mut paper, options);
    if session.run(script).is_ok() {
        // Any exit status will do.
        let _ = session.finish();
    }
}

#[test]
fn no_script_panics() {
    const PIECES: &[&str] = &[
        "add ",
        "set ",
        "select ",
        "remove ",
        "info ",
        "create -b",
        "create",
        "end",
        "cancel",
        "clear ",
        "verify",
        "commit",
        "export",
        "revert -F",
        "delete -F",
        "exit -F",
        "help ",
        "net",
        "fs",
        "attr",
        "rctl",
        "device",
        "admin",
        "dataset",
        "dedicated-cpu",
        "capped-cpu",
        "capped-memory",
        "security-flags",
        " name",
        " value",
        "type",
        "options",
        "physical",
        "ncpus",
        "swap",
        "mac-addr",
        "zonepath",
        "uuid",
        "property",
        "=",
        "[",
        "]",
        "(",
        ")",
        ",",
        ";",
        "\n",
        "\n",
        "\"",
        " ",
        " -F ",
        "\t",
        "#",
        "?",
        "1",
        "zone.max-lwps",
        "1-",
        "-",
        "é",
        "\u{0}",
        "0x",
        "1e999m",
        ":",
        "/",
        "99999999999999999999",
        "/zones/z",
        "priv=privileged",
        "limit=1",
    ];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3_000 {
        let script = random.text(PIECES);
        run(&script);
        lint::check(&script);
    }
}

#[test]
fn no_document_panics() {
    const PIECES: &[&str] = &[
        "<zone",
        "</zone>",
        "<attr",
        "/>",
        ">",
        "<!DOCTYPE zone>",
        "<!--",
        "-->",
        "<?xml version=\"1.0\"?>",
        " name=\"",
        " a='",
        "\"",
        "'",
        "&amp;",
        "&#x41;",
        "&",
        ";",
        "<![CDATA[",
        "]]>",
        "text",
        "\n",
        "é",
        "\u{1}",
        "<rctl>",
        "</rctl>",
        "<",
        "=",
        "<network physical=\"a\">",
        "</network>",
    ];
    let mut random = Random(7);
    for _ in 0..5_000 {
        let text = random.text(PIECES);
        if let Ok(zone) = xml::read(&text) {
            let again = xml::read(&xml::write(&zone)).expect("what is written can be read");
            assert_eq!(again, zone, "{text}");
        }
    }
}

#[test]
fn no_index_panics() {
    const PIECES: &[&str] = &[
        "a",
        "z1",
        ":",
        "\"",
        "installed",
        "configured",
        "\n",
        "\r",
        "#",
        "/zones/z1",
        "ex",
        "sh",
        "12",
        "é",
    ];
    let mut random = Random(3);
    for _ in 0..5_000 {
        let text = random.text(PIECES);
        let mut index = Index::parse(&text);
        assert_eq!(index.print(), text);
        let names: Vec<_> = index.entries().map(|entry| entry.name).collect();
        for name in names {
            // A zone that stands there twice is gone the second time.
            let _ = index.set_state(&name, zonecfg::index::ZoneState::Installed);
            index.remove(&name);
            assert!(index.get(&name).is_none(), "{text}");
        }
    }
}

/// Not a measurement: quadratic time on this much would take minutes.
#[test]
fn long_input_takes_linear_time() {
    let begun = Instant::now();
    for piece in ["[", "(", "a=", "add x\n", "\"", ",", "#", "set options=[a,", "info\u{e9}"] {
        let text = piece.repeat(300_000 / piece.len());
        let mut parser = Parser::new(&text);
        while !matches!(parser.next_parsed(), Parsed::End | Parsed::TooLong(_)) {}
        Index::parse(&text).entries().count();
    }
    for piece in ["<a>", "<a/>", "&amp;", "<!---->", "<a b=\"c\"/>"] {
        let text = format!("<zone>{}</zone>", piece.repeat(300_000 / piece.len()));
        if let Ok(zone) = xml::read(&text) {
            xml::write(&zone);
        }
    }
    assert!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
}
