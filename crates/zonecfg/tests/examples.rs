//! Runs that were observed of illumos's zonecfg: the same exit status, files and words.

mod common;

use common::{FORMER_UUID, PINNED_UUID, Ran, Root};
use serde_json::Value;

/// Where the original aborts, we report and go on. The text that it aborts with.
const ABORT: &str = "zonecfg: zonecfg_lex.l";

struct Example {
    value: Value,
}

impl Example {
    fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field).and_then(Value::as_str)
    }

    fn arguments(&self) -> Vec<&str> {
        let argv = self.value["argv"].as_array().expect("argv is a list");
        argv.iter().map(|word| word.as_str().expect("words")).collect()
    }

    /// The root as it was before the run.
    fn root(&self) -> Root {
        let root = Root::new();
        for step in self.value["pre"].as_array().into_iter().flatten() {
            let word = |at: usize| step[at].as_str().expect("a word");
            match word(0) {
                "zc" => {
                    let words: Vec<&str> = step[1]
                        .as_array()
                        .expect("words")
                        .iter()
                        .filter_map(Value::as_str)
                        .collect();
                    let ran = root.zonecfg(&words, "");
                    assert_eq!(ran.exit, 0, "{words:?}: {}", ran.stderr);
                    if let Some(uuid) = root.uuid_of(words[1]) {
                        root.replace("/etc/zones/index", &uuid, FORMER_UUID);
                    }
                }
                "write" => root.write(word(1), word(2)),
                "append" => {
                    let before = root.read(word(1)).unwrap_or_default();
                    root.write(word(1), &(before + word(2)));
                }
                "sub" => root.replace(word(1), word(2), word(3)),
                "rm" => std::fs::remove_file(root.path(word(1))).expect("it is there"),
                "mkdir" => std::fs::create_dir_all(root.path(word(1))).expect("a new directory"),
                other => panic!("unknown step {other}"),
            }
        }
        if let Some(command) = self.value["env"]["ORACLE_VERIFY_CMD"].as_str() {
            root.write(
                "/usr/lib/brand/lx/config.xml",
                "<brand><verify_cfg>/lx_verify</verify_cfg></brand>",
            );
            root.write("/usr/lib/brand/ipkg/config.xml", "<brand/>");
            root.write_program("/lx_verify", &format!("#!/bin/sh\n{command}\n"));
        }
        if let Some(zone) = self.value["env"]["ORACLE_RUNNING"].as_str() {
            root.write_program(
                "/usr/sbin/zoneadm",
                &format!(
                    "#!/bin/sh\necho 1:{zone}:running:/zones/{zone}:{FORMER_UUID}:joyent:shared\n"
                ),
            );
        }
        root.write("/script.txt", self.text("script").unwrap_or_default());
        root
    }

    /// Compares one field of what was observed.
    fn compare(&self, problems: &mut Vec<String>, how: &str, field: &str, got: &str) {
        let observed = self.value["as_argument"].get(field).filter(|_| how == "argument");
        let wanted =
            observed.or_else(|| self.value.get(field)).and_then(Value::as_str).unwrap_or_default();
        if wanted != got && wanted != as_original(field, got) {
            problems.push(format!(
                "{} ({how}): {field}\n--- observed\n{wanted}\n--- ours\n{got}",
                self.text("name").unwrap_or_default()
            ));
        }
    }

    fn check(&self, how: &str, arguments: &[&str], problems: &mut Vec<String>) {
        let root = self.root();
        let script = if self.arguments().contains(&"-") {
            self.text("script").unwrap_or_default()
        } else {
            ""
        };
        let ran = root.zonecfg(arguments, script);
        let aborted = how == "argument"
            && self.value["as_argument"]["exit"].as_i64().is_some_and(|exit| exit < 0);
        let observed = self.value["as_argument"].get("exit").filter(|_| how == "argument");
        let exit = observed.unwrap_or(&self.value["exit"]).as_i64().expect("an exit status");
        let exit = if aborted { 1 } else { exit };
        if i64::from(ran.exit) != exit {
            problems.push(format!(
                "{:?} ({how}): exit {} is {}",
                self.text("name"),
                exit,
                ran.exit
            ));
        }
        if aborted {
            let wanted = self.value["as_argument"]["stderr"].as_str().expect("a message");
            let wanted = wanted.split(ABORT).next().unwrap_or_default();
            if !ran.stderr.starts_with(wanted) {
                problems.push(format!("{:?} ({how}): {}", self.text("name"), ran.stderr));
            }
            return;
        }
        // Generated UUIDs were pinned when the runs were observed.
        let uuid = root.uuid_of("z1").unwrap_or_else(|| PINNED_UUID.to_owned());
        let known = self.value["script"].as_str().is_some_and(|s| s.to_lowercase().contains(&uuid));
        let pinned = |text: &str| {
            if known || uuid == FORMER_UUID {
                text.to_owned()
            } else {
                text.replace(&uuid, PINNED_UUID)
            }
        };
        self.compare(problems, how, "stdout", &pinned(&ran.stdout));
        let program = env!("CARGO_BIN_EXE_zonecfg");
        self.compare(
            problems,
            how,
            "stderr",
            &pinned(&ran.stderr).replace(program, "/usr/sbin/zonecfg"),
        );
        self.compare(problems, how, "xml", &root.read("/etc/zones/z1.xml").unwrap_or_default());
        // Where the document differs as an argument, what else differs was not noted.
        if how == "argument" && self.value["as_argument"].get("xml").is_some() {
            return;
        }
        self.compare(
            problems,
            how,
            "index",
            &pinned(&root.read("/etc/zones/index").unwrap_or_default()),
        );
        for command in ["info", "export"] {
            if self.value.get(command).is_some() {
                let Ran { stdout, stderr, .. } = root.zonecfg(&["-z", "z1", command], "");
                let separate =
                    if stderr.is_empty() { String::new() } else { format!("STDERR:{stderr}") };
                self.compare(problems, how, command, &pinned(&(stdout + &separate)));
            }
        }
    }
}

/// Our export with the one difference undone that is meant: the original does not quote mount options
/// with blanks, which then do not read back.
fn as_original(field: &str, got: &str) -> String {
    let unquoted = |line: &str| match line.strip_prefix("add options \"") {
        Some(rest) if !rest.contains('=') => {
            format!("add options {}", rest.trim_end_matches('"'))
        }
        _ => line.to_owned(),
    };
    match field {
        "export" => got.lines().map(|line| unquoted(line) + "\n").collect(),
        _ => got.to_owned(),
    }
}

fn examples() -> Vec<Example> {
    let text = include_str!("data/examples.jsonl");
    text.lines().map(|line| Example { value: serde_json::from_str(line).expect("JSON") }).collect()
}

/// Needs a user who cannot write everywhere.
fn needs_permissions(example: &Example) -> bool {
    example.value["env"].get("ORACLE_READONLY").is_some()
}

/// Checks all that are chosen, side by side, for most of the time goes into waiting for the disk.
fn check_all(how: &str, chosen: impl Fn(&Example) -> bool) -> usize {
    let examples: Vec<Example> = examples()
        .into_iter()
        .filter(|example| !needs_permissions(example) && chosen(example))
        .collect();
    let problems: Vec<String> = std::thread::scope(|scope| {
        let check = |examples: &[Example]| {
            let mut problems = Vec::new();
            for example in examples {
                let script = example.text("script").unwrap_or_default();
                match how {
                    "argument" => example.check(how, &["-z", "z1", script], &mut problems),
                    _ => example.check(how, &example.arguments(), &mut problems),
                }
            }
            problems
        };
        let threads: Vec<_> =
            examples.chunks(18).map(|some| scope.spawn(move || check(some))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(
        problems.is_empty(),
        "{} of {}:\n{}",
        problems.len(),
        examples.len(),
        problems.join("\n\n")
    );
    examples.len()
}

#[test]
fn observed_runs() {
    assert!(check_all("file", |_| true) > 100);
}

#[test]
fn observed_runs_with_the_script_as_an_argument() {
    let is_script = |example: &Example| {
        example.value.get("as_argument").is_some() && example.arguments().contains(&"script.txt")
    };
    assert!(check_all("argument", is_script) > 50);
}
