//! What is exported makes the same zone again.

mod common;

use common::Root;
use serde_json::Value;

/// Exports a zone, imports that elsewhere and exports it again.
fn assert_fixed_point(name: &str, root: &Root) -> bool {
    let first = root.zonecfg(&["-z", "z1", "export"], "");
    // A zone that was not configured, or whose document cannot be read, cannot be exported.
    if first.stdout.is_empty() {
        return false;
    }
    let other = Root::new();
    other.write("/script.txt", &first.stdout);
    let imported = other.zonecfg(&["-z", "z1", "-f", "script.txt"], "");
    assert_eq!((imported.exit, imported.stderr.as_str()), (0, ""), "{name}: {}", first.stdout);
    let second = other.zonecfg(&["-z", "z1", "export"], "");
    // A zone without a UUID gets one by being created.
    let without_uuid = |text: &str| {
        text.lines().filter(|l| !l.starts_with("set uuid=")).collect::<Vec<_>>().join("\n")
    };
    if first.stdout.contains("\nset uuid=") {
        assert_eq!(first.stdout, second.stdout, "{name}");
    } else {
        assert_eq!(without_uuid(&first.stdout), without_uuid(&second.stdout), "{name}");
    }
    true
}

/// Makes the zone of an observed run and checks its export; false where there is none.
fn check_observed(line: &str) -> bool {
    let example: Value = serde_json::from_str(line).expect("JSON");
    let Some(script) = example["script"].as_str() else { return false };
    let root = Root::new();
    for step in example["pre"].as_array().into_iter().flatten() {
        if step[0] == "zc" {
            let words: Vec<&str> =
                step[1].as_array().expect("words").iter().filter_map(Value::as_str).collect();
            root.zonecfg(&words, "");
        }
    }
    root.write("/script.txt", script);
    root.zonecfg(&["-z", "z1", "-f", "script.txt"], "");
    assert_fixed_point(example["name"].as_str().unwrap_or_default(), &root)
}

#[test]
fn exports_of_observed_runs() {
    let lines: Vec<&str> = include_str!("data/examples.jsonl").lines().collect();
    // Side by side, for most of the time goes into waiting for the disk.
    let checked: usize = std::thread::scope(|scope| {
        let check = |lines: &[&str]| lines.iter().filter(|line| check_observed(line)).count();
        let threads: Vec<_> =
            lines.chunks(18).map(|lines| scope.spawn(move || check(lines))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no example fails")).sum()
    });
    assert!(checked > 60, "only {checked}");
}

#[test]
fn exports_with_values_that_need_quotes() {
    for (name, script) in [
        ("blanks", "set bootargs=\"-v -m verbose\""),
        ("brackets", "set bootargs=\"a[b](c)=d;e\""),
        ("an empty property name", "add device; set match=/dev/x; add property (value=v); end"),
        (
            "a property name with blanks",
            "add device; set match=/x; add property (name=\"a b\",value=1); end",
        ),
        ("a line end in a value", "add attr; set name=a; set type=string; set value=\"b\n\nend"),
        (
            "options",
            "add fs; set dir=/d; set special=/s; set type=t; add options [\"a b\",\"c,d\",\"[e]\"]; end",
        ),
        ("limits", "add dedicated-cpu; set ncpus=1-4; set importance=5; end"),
        ("flags", "add security-flags; set default=aslr; set upper=all; end"),
    ] {
        let root = Root::new();
        root.write("/script.txt", &format!("create -b\nset zonepath=/zones/z1\n{script}\n"));
        let ran = root.zonecfg(&["-z", "z1", "-f", "script.txt"], "");
        assert_eq!(
            (ran.exit, ran.stderr.as_str() == "" || name == "an empty property name"),
            (0, true),
            "{name}: {}",
            ran.stderr
        );
        assert!(assert_fixed_point(name, &root), "{name}");
    }
}
