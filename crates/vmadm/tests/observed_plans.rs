//! Plans of create and update against what SmartOS's vmadm did with the same payloads: whether its checks passed, with
//! which message they did not, the datasets it made and the script it gave to zonecfg.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../manifest/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{Case, Run, base_vm, cases, facts};
use gz::plan::{Plan, Step};
use manifest::ids::Ids;
use manifest::{Action, Payload, normalise};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use vmadm::plan::{create, update};

/// Cases that go another way on purpose: see docs/COMPATIBILITY.md.
const OTHERWISE: &[&str] = &[
    // The original adds a device called "undefined".
    "create-bhyve-disk-cdrom-nopath",
    // The original answers with an internal message.
    "create-joyent-uuid-null",
    // The original removes a device that is not there, and then waits a minute for that to happen.
    "update-bhyve-remove_disks",
];

/// Identifiers that count, so that a plan is the same each time.
struct Counting(u32);

impl Ids for Counting {
    fn uuid(&mut self) -> String {
        self.0 += 1;
        format!("{:08x}-0000-4000-8000-00000000000e", self.0)
    }

    fn mac(&mut self) -> String {
        self.0 += 1;
        format!("42:00:00:00:00:{:02x}", self.0)
    }
}

fn plan_create(payload: Map<String, Value>) -> Result<Plan, String> {
    let mut payload = Payload::from(payload);
    let prepared =
        normalise::prepare_create(Action::Create, &mut payload, &facts(), &mut Counting(0))
            .map_err(|refusal| refusal.to_string())?;
    let facts = create::Facts { now_ms: 1_795_235_274_704, ..create::Facts::default() };
    create::plan(payload.into_object(), prepared.brand, &facts)
}

fn plan_update(brand: &str, payload: Map<String, Value>) -> Result<Plan, String> {
    let vm = base_vm(brand).unwrap();
    let mut payload = Payload::from(payload);
    let prepared = normalise::prepare_update(&mut payload, &vm, &facts(), &mut Counting(0))
        .map_err(|refusal| refusal.to_string())?;
    update::plan(
        &vm.into_object(),
        payload.into_object(),
        prepared.brand,
        &update::Facts::default(),
    )
}

/// Scripts and the commands that make datasets, one a line.
fn effects(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            Step::ConfigureZone { script, .. } => {
                lines.extend(script.lines().map(str::to_owned));
                // Observed as far as this.
                break;
            }
            Step::ChangeZone { script, .. } => lines.extend(script.lines().map(str::to_owned)),
            Step::CreateFilesystem { .. }
            | Step::CreateVolume { .. }
            | Step::CloneDataset { .. } => {
                lines.push(step.to_string());
            }
            _ => {}
        }
    }
    lines
}

/// Identifiers that are made anew each time become numbers in order of first mention.
fn normal(lines: &[String]) -> Vec<String> {
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let mac = Regex::new(r#"(mac-addr=|"mac":")[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}"#).unwrap();
    let time = Regex::new(r"20\d\d-\d\d-\d\dT[0-9:.]+Z|running:\d+").unwrap();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut name = |found: &str, kind: &str| {
        let next = known.len();
        let number = *known.entry(found.to_owned()).or_insert(next);
        format!("{kind}{number}")
    };
    let mut out = Vec::new();
    for line in lines {
        let line = time.replace_all(line, "TIME");
        let line =
            uuid.replace_all(&line, |found: &regex_lite::Captures<'_>| name(&found[0], "UUID"));
        let line =
            mac.replace_all(&line, |found: &regex_lite::Captures<'_>| name(&found[0], "MAC"));
        out.push(line.into_owned());
    }
    out
}

fn observed(run: &Run) -> Vec<String> {
    let making = |line: &&String| {
        (line.starts_with("zfs create") && !line.contains(" -n")) || line.starts_with("zfs clone")
    };
    let mut lines: Vec<String> = run.zfs.iter().filter(making).cloned().collect();
    lines.extend(run.zonecfg.iter().cloned());
    lines
}

fn compare(case: &Case, run: &Run, plan: Result<Plan, String>) -> Result<(), String> {
    match (run.checks_passed, plan) {
        (true, Ok(plan)) => {
            let (expected, found) = (normal(&observed(run)), normal(&effects(&plan)));
            if expected == found {
                return Ok(());
            }
            let only = |a: &[String], b: &[String], sign: char| {
                let lines = a.iter().filter(|line| !b.contains(line));
                lines.fold(String::new(), |all, line| format!("{all}\n  {sign} {line}"))
            };
            Err(format!(
                "{}: {}{}{}",
                case.name,
                Value::Object(case.payload.clone()),
                only(&expected, &found, '-'),
                only(&found, &expected, '+')
            ))
        }
        (true, Err(message)) => Err(format!("{}: refused: {message}", case.name)),
        (false, Err(message)) => {
            let crash = run.stderr.starts_with("Uncaught ");
            if crash
                || normal(std::slice::from_ref(&message)) == normal(&[run.stderr.trim().to_owned()])
            {
                return Ok(());
            }
            Err(format!("{}:\n  - {}\n  + {message}", case.name, run.stderr.trim()))
        }
        // What made the original stop in the middle may well work.
        (false, Ok(_)) if run.stderr.starts_with("Uncaught ") => Ok(()),
        (false, Ok(_)) => Err(format!("{}: not refused: {}", case.name, run.stderr.trim())),
    }
}

fn check(outcomes: impl Iterator<Item = (String, Result<(), String>)>) {
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, outcome) in outcomes {
        count += 1;
        match outcome {
            Err(difference) if !OTHERWISE.contains(&name.as_str()) => failed.push(difference),
            Ok(()) if OTHERWISE.contains(&name.as_str()) => {
                failed.push(format!("{name}: goes the observed way"));
            }
            _ => {}
        }
    }
    assert!(failed.is_empty(), "{} of {count} differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn creates() {
    check(cases().unwrap().into_iter().filter_map(|case| {
        let run = case.run_create.as_ref()?;
        Some((case.name.clone(), compare(&case, run, plan_create(case.payload.clone()))))
    }));
}

#[test]
fn updates() {
    check(cases().unwrap().into_iter().filter_map(|case| {
        let run = case.run_update.as_ref()?;
        let brand = ["joyent-minimal", "joyent", "builder", "lx", "kvm", "bhyve"]
            .into_iter()
            .find(|brand| case.name.starts_with(&format!("update-{brand}-")))?;
        Some((case.name.clone(), compare(&case, run, plan_update(brand, case.payload.clone()))))
    }));
}

/// Plans as an operator reads them, for reviewers: `payload` and `facts` of NAME.json give NAME.txt. With
/// `UPDATE_GOLDEN` set the texts are written instead.
#[test]
fn golden_plans() {
    #[derive(Deserialize)]
    struct Golden {
        payload: Map<String, Value>,
        facts: create::Facts,
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for name in ["bhyve", "joyent", "lx-docker"] {
        let text = fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
        let golden: Golden = serde_json::from_str(&text).unwrap();
        let mut payload = Payload::from(golden.payload);
        let prepared =
            normalise::prepare_create(Action::Create, &mut payload, &facts(), &mut Counting(0))
                .unwrap();
        let plan = create::plan(payload.into_object(), prepared.brand, &golden.facts).unwrap();
        let path = directory.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, plan.to_string()).unwrap();
        }
        assert_eq!(plan.to_string(), fs::read_to_string(&path).unwrap(), "{name}");
    }
}
