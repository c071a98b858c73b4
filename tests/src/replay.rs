//! Replaying an observed trace in a simulated global zone and comparing what happens.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::gz::Gz;
use crate::normal::Known;
use crate::trace::{self, Exit, Step};

/// What two runs are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    Exit,
    Stdout,
    Stderr,
    /// The scripts that zonecfg was given, and its commands as arguments.
    Zonecfg,
    /// The other tool runs that change something, as a list without order.
    Calls,
    Files,
    Datasets,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Exit,
        Self::Stdout,
        Self::Stderr,
        Self::Zonecfg,
        Self::Calls,
        Self::Files,
        Self::Datasets,
    ];

    /// The aspect of that name, as it is printed.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.to_string() == name)
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exit => "exit",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Zonecfg => "zonecfg",
            Self::Calls => "calls",
            Self::Files => "files",
            Self::Datasets => "datasets",
        })
    }
}

/// One way in which a step went another way than observed.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Line of the trace that the step begins on.
    pub line: usize,
    pub command: String,
    pub aspect: Aspect,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: vmadm {}: {}", self.line, self.command, self.aspect)?;
        let expected: Vec<&str> = self.expected.lines().collect();
        let found: Vec<&str> = self.found.lines().collect();
        let head = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
        let (expected, found) = (&expected[head..], &found[head..]);
        let backwards = expected.iter().rev().zip(found.iter().rev());
        let tail = backwards.take_while(|(a, b)| a == b).count();
        if head > 0 {
            writeln!(f, "  ... {head} equal lines")?;
        }
        for line in &expected[..expected.len() - tail] {
            writeln!(f, "  - {line}")?;
        }
        for line in &found[..found.len() - tail] {
            writeln!(f, "  + {line}")?;
        }
        Ok(())
    }
}

/// Numbers of bytes that are close enough: ZFS's metadata overhead is estimated differently by the stand-in that the
/// traces were taken with.
fn close(a: u64, b: u64) -> bool {
    a.abs_diff(b) <= a.max(b) / 25
}

/// Replays the trace `name` in a new simulated global zone.
///
/// # Panics
/// Where the trace cannot be read or the zone not made.
pub fn replay(name: &str) -> Vec<Difference> {
    let steps = trace::read(name).expect("a trace in the known form");
    let mut gz = Gz::init(&["--fixture", "spec"]);
    let mut known = Known::default();
    known.learn(include_str!("../../crates/gzsim/src/init/spec.rs"));
    known.learn(include_str!("../../crates/gzsim/src/init/data/sysinfo.json"));
    let image_files = files_of_images(&gz);
    let initial = gz.datasets();
    let mut sent = Vec::new();
    let mut resources_moved = false;
    let mut differences = Vec::new();
    for step in steps.iter().filter(|step| step.exit != Exit::Endless) {
        known.learn(step.stdin.as_deref().unwrap_or_default());
        known.learn(&step.arguments.join(" "));
        let faults = faults(step);
        if faults.is_empty() {
            gz.unset("GZSIM_FAULT");
        } else {
            gz.set("GZSIM_FAULT", &faults);
        }
        gz.clear_calls();
        let arguments: Vec<&str> = step.arguments.iter().map(String::as_str).collect();
        let stdin = match (&step.stdin, arguments.first()) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(&"receive")) => std::mem::take(&mut sent),
            // Some payloads were not recorded. An empty one comes closest: all of them are refused.
            (None, Some(&"reprovision")) => b"{}".to_vec(),
            _ => Vec::new(),
        };
        // What was observed to run on and on is not waited for.
        let Exit::Code(code) = step.exit else { continue };
        let run = gz.run_with("vmadm", &arguments, &stdin);
        if arguments.first() == Some(&"send") && arguments.len() > 1 {
            sent.clone_from(&run.stdout);
        }
        let mut note = |aspect, expected: &str, found: &str| {
            let (expected, found) = (known.normalise(expected), known.normalise(found));
            if expected != found {
                differences.push(Difference {
                    line: step.line,
                    command: step.arguments.join(" "),
                    aspect,
                    expected,
                    found,
                });
            }
        };
        let exit = run.exit.map_or_else(|| "killed".to_owned(), |code| code.to_string());
        note(Aspect::Exit, &code.to_string(), &exit);
        if !step.stdout.starts_with("(saved ") {
            let output = |text| comparable_output(step, text, resources_moved);
            note(Aspect::Stdout, &output(&step.stdout), &output(run.text().trim_end()));
        }
        note(Aspect::Stderr, &without_node(&step.stderr), run.stderr.trim_end());
        let (scripts, calls) = expected_calls(step);
        let (our_scripts, our_calls) = found_calls(&gz);
        note(Aspect::Zonecfg, &scripts.join("\n"), &our_scripts.join("\n"));
        note(Aspect::Calls, &calls.join("\n"), &our_calls.join("\n"));
        if let Some(files) = &step.files {
            let expected: BTreeMap<String, String> = files
                .iter()
                .map(|file| (file.path.clone(), format!("{:o}\n{}", file.mode, file.text)))
                .collect();
            let mut found = files_left(&gz, &expected, &image_files);
            let mut expected = expected;
            if arguments.first() != Some(&"create") {
                // A zone that boots again finishes its provisioning in its own time.
                for files in [&mut expected, &mut found] {
                    files.retain(|path, _| !path.contains("/root/var/svc/provision"));
                }
            }
            for files in [&mut expected, &mut found] {
                for (path, text) in files.iter_mut() {
                    *text = known.normalise(&comparable(path, text));
                }
            }
            let equal: Vec<String> = expected
                .iter()
                .filter(|(path, text)| found.get(*path) == Some(*text))
                .map(|(path, _)| path.clone())
                .collect();
            for path in equal {
                expected.remove(&path);
                found.remove(&path);
            }
            note(Aspect::Files, &listing(&expected), &listing(&found));
        }
        if let Some(datasets) = &step.datasets {
            let (expected, found) = datasets_left(&gz, datasets, &initial);
            note(Aspect::Datasets, &expected, &found);
        }
        resources_moved |= matches!(arguments.first(), Some(&("update" | "reprovision")));
    }
    differences
}

/// The original's stderr without what its node.js says for itself.
fn without_node(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("(node)")).collect();
    lines.join("\n")
}

fn faults(step: &Step) -> String {
    let faults = step.faults.iter().map(|(pattern, code, message)| {
        let target = match pattern.strip_prefix('~') {
            // One word is a tool's name; several stand among its arguments.
            Some(word) if !word.contains(' ') => word.to_owned(),
            Some(words) => format!("* {words}"),
            None => pattern.clone(),
        };
        format!("{target}:*=exit {code} {message}")
    });
    faults.collect::<Vec<_>>().join("; ")
}

/// Whether the command changes nothing.
fn only_reads(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["zfs", sub, rest @ ..] => {
            matches!(*sub, "list" | "get" | "holds")
                || *sub == "create" && rest.first().is_some_and(|option| option.starts_with("-n"))
        }
        ["zoneadm", rest @ ..] => rest.contains(&"list"),
        ["dladm", sub, ..] => sub.starts_with("show"),
        ["mount"] | [] => true,
        [tool, ..] => matches!(
            *tool,
            "zpool"
                | "zdb"
                | "kstat"
                | "sysinfo"
                | "nictagadm"
                | "imgadm"
                | "svcs"
                | "uname"
                | "zonename"
                | "pwait"
        ),
    }
}

/// The zonecfg runs and the other runs that change something; the others sorted, since their order may differ.
fn expected_calls(step: &Step) -> (Vec<String>, Vec<String>) {
    split(step.calls.iter().map(|call| {
        let command = call.command.replace('\'', "");
        (command, call.stdin.clone())
    }))
}

fn found_calls(gz: &Gz) -> (Vec<String>, Vec<String>) {
    let calls: Vec<(String, Vec<String>)> = gz
        .calls_json()
        .iter()
        .map(|call| {
            let words = call["argv"].as_array().map(Vec::as_slice).unwrap_or_default();
            let command = words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            let stdin = call["stdin"].as_str().unwrap_or_default();
            (command, stdin.lines().map(str::to_owned).collect())
        })
        .collect();
    split(calls.into_iter())
}

fn split(calls: impl Iterator<Item = (String, Vec<String>)>) -> (Vec<String>, Vec<String>) {
    let (mut scripts, mut others) = (Vec::new(), Vec::new());
    for (command, stdin) in calls {
        // Brands' scripts are known by their names.
        let command = match command.strip_prefix("/usr/lib/brand/") {
            Some(script) => script.split_once('/').map_or(script, |(_, name)| name).to_owned(),
            None => command,
        };
        // The original runs zonecfg for every update, with nothing to do if need be.
        if command.starts_with("zonecfg -u ") && stdin.is_empty() && command.split(' ').count() == 3
        {
            continue;
        }
        if command.starts_with("zonecfg ") {
            // One line may be given as an argument or on stdin.
            let lines: Vec<&str> = stdin.iter().map(String::as_str).collect();
            if let [line] = *lines.as_slice() {
                scripts.push(format!("$ {command} {line}"));
            } else {
                scripts.push(format!("$ {command}"));
                scripts.extend(stdin);
            }
        } else if !only_reads(&command) {
            others.push(command.replace("//checkpoints", "/checkpoints"));
        }
    }
    others.sort();
    (scripts, others)
}

/// The text of a file without what differs on purpose or by the stand-ins that the traces were taken with:
/// - in a zone's configuration the document type may stand before or after the comment, and resources in another
///   order (illumos's zonecfg moves a resource to the end when it is selected; the stand-in did not);
/// - the original writes addresses into zoneconfig only for NICs with an `ip`, and `undefined` for others.
fn comparable(path: &str, text: &str) -> String {
    if path.starts_with("/etc/zones/") {
        return sorted_resources(text);
    }
    let is_left_out = |line: &&str| {
        path.ends_with("/zoneconfig") && (line.contains("_IP=") || line.contains("_NETMASK="))
    };
    let kept: Vec<&str> = text.lines().filter(|line| !is_left_out(line)).collect();
    kept.join("\n")
}

/// A zone's document without its head, the resources and the zone's own attributes sorted.
fn sorted_resources(text: &str) -> String {
    let mut zone = String::new();
    let mut resources: Vec<String> = Vec::new();
    for line in text.lines() {
        let deeper = line.starts_with("    ") || line.starts_with("  </");
        match resources.last_mut() {
            Some(resource) if deeper => {
                resource.push_str(line);
                resource.push('\n');
            }
            _ if line.starts_with("  <") => resources.push(format!("{line}\n")),
            _ if line.starts_with("<zone ") => {
                let mut attributes: Vec<&str> = line.trim_end_matches('>').split(' ').collect();
                attributes.sort_unstable();
                zone = format!("{}\n", attributes.join(" "));
            }
            _ => {}
        }
    }
    resources.sort();
    zone + &resources.concat()
}

/// What vmadm printed, without process numbers in listings and without `"device": null`, which the original's get
/// shows by mistake.
///
/// The keys of a VM object stand in the order of its zone's resources. After an update (`resources_moved`) they are
/// sorted: illumos's zonecfg moves a resource that is selected to the end, the stand-in that the traces were taken with
/// did not.
fn comparable_output(step: &Step, text: &str, resources_moved: bool) -> String {
    let sorted = if resources_moved { with_sorted_keys(text) } else { None };
    let text = sorted.as_deref().unwrap_or(text);
    let lists_pids =
        step.arguments.iter().any(|argument| argument.split(',').any(|field| field == "pid"));
    let mut lines = String::new();
    for line in text.lines().filter(|line| line.trim() != "\"device\": null,") {
        if lists_pids {
            let words = line.split_whitespace().map(|word| {
                if word.bytes().all(|byte| byte.is_ascii_digit()) { "N" } else { word }
            });
            lines.push_str(&words.collect::<Vec<_>>().join(" "));
        } else {
            lines.push_str(line);
        }
        lines.push('\n');
    }
    lines
}

/// JSON text with the keys of all its objects sorted; `None` for other text.
fn with_sorted_keys(text: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    value.sort_all_objects();
    serde_json::to_string_pretty(&value).ok()
}

fn listing(files: &BTreeMap<String, String>) -> String {
    let text = files.iter().map(|(path, text)| format!("== {path} {text}\n"));
    text.collect()
}

/// The files below the mountpoints of the images, by their path below it.
fn files_of_images(gz: &Gz) -> Vec<String> {
    let mut files = Vec::new();
    for image in fs::read_dir(gz.path("/zones")).into_iter().flatten().flatten() {
        walk(&image.path(), &image.path(), &mut files);
    }
    files
}

/// The files that are there of those expected, and others of the kinds that vmadm writes.
fn files_left(
    gz: &Gz,
    expected: &BTreeMap<String, String>,
    image_files: &[String],
) -> BTreeMap<String, String> {
    let mut paths: Vec<String> = expected.keys().cloned().collect();
    for zone in
        expected.keys().filter_map(|path| path.strip_prefix("/etc/zones/")?.strip_suffix(".xml"))
    {
        let zonepath = format!("/zones/{zone}");
        let mut below = Vec::new();
        walk(&gz.path(&zonepath), &gz.path(&zonepath), &mut below);
        let ours = below.into_iter().filter(|path| !image_files.contains(path));
        paths.extend(ours.map(|path| format!("{zonepath}/{path}")));
    }
    let mut found = BTreeMap::new();
    for path in paths {
        let real = gz.path(&path);
        if let (Ok(bytes), Ok(data)) = (fs::read(&real), fs::metadata(&real)) {
            let mode = data.permissions().mode() & 0o7777;
            found.insert(path, format!("{mode:o}\n{}", String::from_utf8_lossy(&bytes)));
        }
    }
    found
}

fn walk(base: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(base, &path, files),
            Ok(kind) if kind.is_file() => {
                files.extend(path.strip_prefix(base).map(|path| path.display().to_string()));
            }
            _ => {}
        }
    }
}

/// The datasets that are expected and those that are there, as text. A property that the trace does not have is at its
/// default, and sizes that are close are written as expected.
fn datasets_left(gz: &Gz, expected: &[trace::Dataset], initial: &str) -> (String, String) {
    const DEFAULTS: &[(&str, usize)] =
        &[("quota", 4), ("refquota", 5), ("reservation", 6), ("refreservation", 7)];
    let before: Vec<&str> = initial.lines().filter_map(|line| line.split('\t').next()).collect();
    let wanted = expected.iter().map(|dataset| {
        format!("{} {} {}\n", dataset.name, dataset.kind, Value::Object(known_properties(dataset)))
    });
    let mut found = String::new();
    for line in gz.datasets().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, kind, ..] = fields.as_slice() else { continue };
        if before.contains(name) {
            continue;
        }
        let pair = expected.iter().find(|dataset| dataset.name == *name);
        let pair = pair.map(known_properties).unwrap_or_default();
        let mut properties = Map::new();
        let mut put = |key: &str, text: &str| {
            let value = match text.parse::<u64>() {
                Ok(number) => match pair.get(key).and_then(Value::as_u64) {
                    Some(observed) if close(observed, number) => Value::from(observed),
                    _ => Value::from(number),
                },
                Err(_) => Value::from(text),
            };
            properties.insert(key.to_owned(), value);
        };
        for (key, at) in DEFAULTS {
            if let Some(text) = fields.get(*at).filter(|text| !matches!(**text, "0" | "none" | "-"))
            {
                put(key, text);
            }
        }
        for (key, at, default) in [("recordsize", 8, "131072"), ("compression", 9, "off")] {
            if let Some(text) = fields.get(at).filter(|text| **text != default && **text != "-") {
                put(key, text);
            }
        }
        if *kind == "volume" {
            for (key, at) in [("volsize", 10), ("volblocksize", 11)] {
                if let Some(text) = fields.get(at) {
                    put(key, text);
                }
            }
        }
        let sorted: BTreeMap<String, Value> = properties.into_iter().collect();
        let text = serde_json::to_string(&sorted).unwrap_or_default();
        found.push_str(&format!("{name} {kind} {text}\n"));
    }
    (wanted.collect(), found)
}

/// The properties of an observed dataset that are compared, sorted by name.
fn known_properties(dataset: &trace::Dataset) -> Map<String, Value> {
    let compared = [
        "quota",
        "refquota",
        "reservation",
        "refreservation",
        "recordsize",
        "compression",
        "volsize",
        "volblocksize",
    ];
    let sorted: BTreeMap<&String, &Value> = dataset
        .properties
        .iter()
        .filter(|(key, _)| compared.contains(&key.as_str()))
        .filter(|(key, value)| {
            // The stand-in gave volumes a record size too.
            !(key.as_str() == "recordsize"
                && (value.as_u64() == Some(131_072) || dataset.kind == "volume"))
        })
        .collect();
    sorted.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
