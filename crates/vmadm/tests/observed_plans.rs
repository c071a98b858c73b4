//! Plans of create and update against what SmartOS's vmadm did with the same payloads: whether its checks passed, with
//! which message they did not, the datasets it made and the script it gave to zonecfg.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gz::plan::{Plan, Step};
use manifest::facts::{ImageFacts, NicTag};
use manifest::ids::Ids;
use manifest::{Action, Facts, Payload, VmObject, normalise};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use vmadm::plan::{create, update};

#[derive(Deserialize)]
struct Case {
    name: String,
    payload: Map<String, Value>,
    run_create: Option<Run>,
    run_update: Option<Run>,
}

#[derive(Deserialize)]
struct Run {
    checks_passed: bool,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    zonecfg: Vec<String>,
    #[serde(default)]
    zfs: Vec<String>,
}

/// Cases that go another way on purpose: see docs/COMPATIBILITY.md.
const OTHERWISE: &[&str] = &[
    // The original adds a device called "undefined".
    "create-bhyve-disk-cdrom-nopath",
    // The original answers with an internal message.
    "create-joyent-uuid-null",
    // The original removes a device that is not there, and then waits a minute for that to happen.
    "update-bhyve-remove_disks",
];

fn data(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifest/tests/data");
    fs::read_to_string(directory.join(name)).unwrap()
}

fn cases() -> Vec<Case> {
    data("validate.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

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

fn image(uuid: &str, image_type: &str) -> ImageFacts {
    ImageFacts {
        uuid: uuid.to_owned(),
        pool: "zones".to_owned(),
        image_type: image_type.to_owned(),
        ..ImageFacts::default()
    }
}

/// The system that the cases ran on.
fn facts() -> Facts {
    let tag = |name: &str, kind: &str| NicTag { name: name.to_owned(), kind: kind.to_owned() };
    Facts {
        zpools: vec!["zones".to_owned()],
        images: vec![
            image("01b2c898-945f-11e1-a523-af1afbe22822", "zone-dataset"),
            image("5917ca96-c888-11e5-8da0-e785a1ad1185", "lx-dataset"),
            image("6a7c1b52-0d7a-11e9-8eb2-f2801f1b9fd1", "zone-dataset"),
            image("1f538e99-dc58-40ce-b1e3-25a5226b3adc", "docker"),
            ImageFacts {
                image_size: Some(10240),
                ..image("9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a", "zvol")
            },
            ImageFacts {
                image_size: Some(5120),
                has_requirements: true,
                bootrom: Some("uefi".to_owned()),
                ..image("d42a37b1-3a3b-4a3f-9a2c-3b3c3e3f4a4b", "zvol")
            },
            ImageFacts {
                image_size: Some(5120),
                cloudinit_datasource: Some("nocloud".to_owned()),
                ..image("aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb", "zvol")
            },
        ],
        nic_tags: Some(vec![
            tag("admin", "normal"),
            tag("external", "normal"),
            tag("internal", "normal"),
            tag("stub0", "etherstub"),
        ]),
        ..Facts::default()
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
    let vm: VmObject = serde_json::from_str(&data(&format!("BASEVM-{brand}.json"))).unwrap();
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
    check(cases().into_iter().filter_map(|case| {
        let run = case.run_create.as_ref()?;
        Some((case.name.clone(), compare(&case, run, plan_create(case.payload.clone()))))
    }));
}

#[test]
fn updates() {
    check(cases().into_iter().filter_map(|case| {
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
