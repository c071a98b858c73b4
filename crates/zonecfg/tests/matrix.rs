//! Which property each operation takes in which scope, as observed (tests/data/legality-matrix.txt).

use zonecfg::exec::{Options, Session, Source};
use zonecfg::model::Zone;
use zonecfg::paper::Paper;

/// A zone with one resource of each kind, but for resource controls.
const ZONE: &str = "create -b; set zonepath=/zones/z1; set ip-type=exclusive; set max-lwps=100; \
    set cpu-shares=1; add fs; set dir=/1; set special=/1; set type=1; end; \
    add net; set physical=net0; set mac-addr=0:0:0:0:0:1; set vlan-id=2; set global-nic=g; end; \
    add device; set match=1; end; \
    add attr; set name=1; set type=string; set value=1; end; add dataset; set name=a1; end; \
    add admin; set user=root; set auths=login; end; add security-flags; set default=aslr; end; ";

/// A value that the property takes where it takes one.
fn value(scope: &str, name: &str) -> &'static str {
    match (scope, name) {
        ("attr", "value") => "1",
        ("rctl", "value") => "(priv=privileged,limit=1,action=deny)",
        (_, "property" | "value") => "(name=a,value=b)",
        ("rctl", "name") => "zone.max-lwps",
        ("attr", "type") => "string",
        (_, "zonename") => "z2",
        (_, "zonepath") => "/zones/z1",
        (_, "dir" | "special" | "raw") => "/1",
        (_, "autoboot") => "true",
        (_, "ip-type") => "shared",
        (_, "brand") => "lx",
        (_, "physical") if scope == "capped-memory" => "100m",
        (_, "swap" | "locked") => "100m",
        (_, "physical") => "net0",
        (_, "address" | "allowed-address" | "defrouter") => "10.0.0.1",
        (_, "uuid") => "01234567-89ab-4cde-8f01-23456789abcd",
        (_, "max-lwps" | "max-processes") => "100",
        _ => "1",
    }
}

/// A key of the zone above, where it has one of that name.
fn key(resource: &str, name: &str) -> &'static str {
    match (resource, name) {
        ("fs", "raw") => "/2",
        ("net", "mac-addr") => "0:0:0:0:0:1",
        ("rctl", "name") => "zone.max-lwps",
        ("dataset", "name") => "a1",
        ("attr", "value") => "1",
        (_, "value" | "property") => "(name=a,value=b)",
        ("admin", "user") => "root",
        _ => value(resource, name),
    }
}

/// What a session of the zone `z1` is given whose commands are arguments.
fn options() -> Options {
    Options {
        program: "zonecfg".to_owned(),
        zone: "z1".to_owned(),
        source: Source::Arguments,
        read_only: false,
        alternate_root: false,
    }
}

/// The first line that the operation says, after a setup that says nothing.
fn said(setup: &str, operation: &str, after: &str) -> (String, String) {
    let mut paper = Paper::default();
    let mut session = Session::new(&mut paper, options());
    let done = session.run(&format!("{setup}{operation};{after}\n"));
    if done.is_ok() && after.is_empty() {
        let _ = session.finish();
    }
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    (first(&paper.out), first(&paper.err))
}

struct Row<'a> {
    words: Vec<&'a str>,
    outcome: &'a str,
    names: Vec<&'a str>,
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    include_str!("data/legality-matrix.txt").lines().map(|line| {
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let names = fields.last().expect("names").split_whitespace().collect();
        let outcome = fields[fields.len() - 2];
        let words = fields[..fields.len() - 2].iter().flat_map(|f| f.split_whitespace()).collect();
        Row { words, outcome, names }
    })
}

#[test]
fn observed_matrix() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for row in rows() {
        for name in &row.names {
            let got = if row.words.last() == Some(&"KEY") {
                let (verb, resource) = (row.words[0], row.words[1]);
                let pair = match *name {
                    "(none)" => String::new(),
                    _ => format!(" {name}={}", key(resource, name)),
                };
                let setup = match resource {
                    "dedicated-cpu" => {
                        ZONE.replace("set cpu-shares=1; ", "")
                            + "add dedicated-cpu; set ncpus=1; end; "
                    }
                    "capped-cpu" => format!("{ZONE}add capped-cpu; set ncpus=1; end; "),
                    "capped-memory" => format!("{ZONE}add capped-memory; set swap=100m; end; "),
                    _ => ZONE.to_owned(),
                };
                said(&setup, &format!("{verb} {resource}{pair}"), "info zonename")
            } else {
                let (scope, verb) = (row.words[0], row.words[1]);
                let text = value(scope, name);
                let setup = "create -b; set zonepath=/zones/z1; ".to_owned();
                let operation = match verb {
                    "set" => format!("set {name}={text}"),
                    "clear" => format!("clear {name}"),
                    _ => format!("{verb} {name} {text}"),
                };
                if scope == "global" {
                    said(&setup, &operation, "")
                } else {
                    let setup = format!("{setup}add {scope}; ");
                    said(&setup, &operation, "cancel")
                }
            };
            let wanted = row
                .outcome
                .replace("P:", &format!("{name}:"))
                .replace("clear P", &format!("clear {name}"));
            let matches = match wanted.strip_prefix("OK") {
                Some(rest) => got.1.is_empty() && (rest.is_empty() || got.0 == rest[1..]),
                None => got.1 == wanted || got.1.starts_with(&wanted),
            };
            checked += 1;
            if !matches {
                problems.push(format!(
                    "{} {name}: observed {wanted}, ours {got:?}",
                    row.words.join(" ")
                ));
            }
        }
    }
    assert!(checked > 3000, "only {checked}");
    assert!(problems.is_empty(), "{} of {checked}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn the_setup_of_the_matrix_is_accepted() {
    let mut paper = Paper::default().with_zone(Zone::new("other", "lx"));
    let mut session = Session::new(&mut paper, options());
    assert!(session.run(&format!("{ZONE}\n")).is_ok());
    assert_eq!(paper.err, "");
}
