//! Checks that the manual pages tell of the commands that the programs have, and of the options that each takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands::{self, Command, dashed};

/// What a manual page says of one command, in all entries of that name.
#[derive(Default)]
struct Entry {
    /// The options in how it is called.
    call: BTreeSet<String>,
    /// The options there or in the text below.
    options: BTreeSet<String>,
    /// The words that the text marks as names of commands.
    commands: BTreeSet<String>,
}

/// The entries for commands, `.It Cm NAME` and those whose call is on several lines, between `.It Xo` and `.Xc`.
fn entries(page: &str) -> BTreeMap<&str, Entry> {
    let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
    let mut current = None;
    let mut long_call = false;
    for line in page.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut is_call = long_call;
        match words.as_slice() {
            [".It", "Xo", ..] => (current, long_call) = (None, true),
            [".It", "Cm", name, ..] => (current, is_call) = (Some(*name), true),
            [".Cm", name, ..] if long_call && current.is_none() => current = Some(*name),
            [".Xc", ..] => long_call = false,
            [".It" | ".El" | ".Sh" | ".Ss", ..] => current = None,
            _ => {}
        }
        let Some(name) = current else { continue };
        let entry = entries.entry(name).or_default();
        let flags = flags(&words);
        if is_call {
            entry.call.extend(flags.iter().cloned());
        } else if let [".Cm", name, ..] = words.as_slice() {
            entry.commands.insert((*name).to_owned());
        }
        entry.options.extend(flags);
    }
    entries
}

/// The options behind each `Fl` of a line of mdoc: `Fl jH` is two, `Fl -name` is one.
fn flags(words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in words.windows(2) {
        if !matches!(pair[0], "Fl" | ".Fl") {
            continue;
        }
        match pair[1].strip_prefix('-') {
            Some(long) => found.push(dashed(long)),
            // `Fl Ns Ar signal`: any letters.
            None if pair[1] == "Ns" => {}
            None => found.extend(pair[1].chars().map(|letter| format!("-{letter}"))),
        }
    }
    found
}

/// What a page has wrong of a program's commands, a line each.
fn differences(page: &str, commands: &[Command]) -> Vec<String> {
    let mut wrong = Vec::new();
    let entries = entries(page);
    for name in entries.keys().filter(|name| !commands.iter().any(|c| c.names[0] == **name)) {
        wrong.push(format!("{name}: there is no such command"));
    }
    for Command { names, options } in commands {
        let name = &names[0];
        let Some(entry) = entries.get(name.as_str()) else {
            wrong.push(format!("{name}: not in the manual page"));
            continue;
        };
        for synonym in names[1..].iter().filter(|synonym| !synonym.starts_with('-')) {
            if !entry.commands.contains(synonym) {
                wrong.push(format!("{name}: its synonym {synonym} is not in the manual page"));
            }
        }
        for option in
            entry.call.iter().filter(|option| !options.iter().flatten().any(|o| o == *option))
        {
            wrong.push(format!("{name}: there is no option {option}"));
        }
        // Every command of imgadm has the option for help.
        for names in options.iter().filter(|names| !names.iter().any(|name| name == "--help")) {
            if !names.iter().any(|name| entry.options.contains(name)) {
                wrong.push(format!("{name}: {} is not in the manual page", names.join(", ")));
            }
        }
    }
    wrong
}

#[test]
fn manual_pages_tell_of_the_commands_and_options_there_are() {
    let mut wrong = Vec::new();
    for (program, commands) in [
        ("vmadm", commands::vmadm()),
        ("imgadm", commands::imgadm()),
        ("bhyve-ctl", commands::bhyve_ctl()),
    ] {
        let path = crate::root().join(format!("man/{program}.8"));
        let page = std::fs::read_to_string(&path).expect("a manual page");
        wrong.extend(differences(&page, &commands).iter().map(|line| format!("{program} {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_page_has_wrong_is_found() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let commands = [
        Command {
            names: names(&["get", "info"]),
            options: vec![names(&["-j", "--json"]), names(&["-P"])],
        },
        Command { names: names(&["cmdline"]), options: vec![names(&["--xml"])] },
        Command { names: names(&["serve"]), options: Vec::new() },
    ];
    let page = "\
.It Cm get Oo Fl jH Oc Ar uuid
.It Xo
.Cm cmdline
.Op Fl -xml Ar file | Fl -config
.Xc
With
.Fl -flavour
the flavour of another command is meant.
.It Cm fetch Fl x
.El
.Fl P";
    assert_eq!(
        differences(page, &commands),
        [
            "fetch: there is no such command",
            "get: its synonym info is not in the manual page",
            "get: there is no option -H",
            "get: -P is not in the manual page",
            "cmdline: there is no option --config",
            "serve: not in the manual page",
        ]
    );
    let words: Vec<&str> = ".It Cm kill Fl s Ar x | Fl Ns Ar x Fl -name".split(' ').collect();
    assert_eq!(flags(&words), ["-s", "--name"]);
}
