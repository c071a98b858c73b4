//! The observed traces of vmadm (`tests/data/traces/*.log`), as data.
//!
//! A trace is a row of steps. A step begins with `=== COMMAND`; then its input (`   in: `), the tools it ran (`  $ `)
//! with their input (`      < `), output (`      > `) and messages (`      2> `), `exit: N`, its own output under
//! `--- stdout` and `--- stderr`, and sometimes the files (`--- files`) and datasets (`--- zfs state`) it left.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// One observed run of vmadm.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Line of the trace it begins on, from 1.
    pub line: usize,
    /// Failures that were injected into tools: pattern, exit code, message. A pattern begins with the tool's name, or
    /// with `~`: then it may stand anywhere in the command.
    pub faults: Vec<(String, i32, String)>,
    /// The program's arguments, after `vmadm`.
    pub arguments: Vec<String>,
    pub stdin: Option<String>,
    pub calls: Vec<Call>,
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
    pub files: Option<Vec<File>>,
    pub datasets: Option<Vec<Dataset>>,
}

/// How the original ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    /// It crashed: a fault of the original that says nothing about ours.
    #[default]
    Crash,
    /// It went on until it was stopped.
    Endless,
}

/// A tool that was run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// As typed.
    pub command: String,
    pub stdin: Vec<String>,
    pub stdout: Vec<String>,
    pub exit: i32,
}

/// A file that was left.
#[derive(Debug, Clone, Default)]
pub struct File {
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub text: String,
}

/// A dataset that was left, with the properties that are not at their default.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub name: String,
    pub kind: String,
    pub properties: Map<String, Value>,
}

/// The directory of the traces.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/traces")
}

/// Names of all traces, sorted.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a trace.
pub fn read(name: &str) -> Result<Vec<Step>> {
    let path = directory().join(format!("{name}.log"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Which part of a step the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    /// In the middle of `<<…`, up to `>>`.
    Here,
    Stdout,
    Stderr,
    Files,
    Datasets,
}

/// Parses the text of a trace.
pub fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut faults = Vec::new();
    let mut part = Part::Head;
    for (number, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("=== ") {
            let mut arguments = split_words(command);
            if let [.., redirection, _] = arguments.as_slice()
                && redirection == "<"
            {
                arguments.truncate(arguments.len() - 2);
            }
            arguments.remove(0);
            let faults = std::mem::take(&mut faults);
            steps.push(Step { line: number + 1, faults, arguments, ..Step::default() });
            part = Part::Head;
            continue;
        }
        if let Some(rest) = line.strip_prefix("(injected failure: ") {
            faults = parse_faults(rest.trim_end_matches(')'))?;
            continue;
        }
        let Some(step) = steps.last_mut() else {
            if line.trim().is_empty() {
                continue;
            }
            bail!("line {}: nothing may stand before the first command", number + 1);
        };
        match line {
            "--- stdout" => part = Part::Stdout,
            "--- stderr" => part = Part::Stderr,
            "--- files" => {
                part = Part::Files;
                step.files = Some(Vec::new());
            }
            "--- zfs state" => {
                part = Part::Datasets;
                step.datasets = Some(Vec::new());
            }
            _ => {
                part = take_line(step, part, line)
                    .with_context(|| format!("line {}: {line}", number + 1))?;
            }
        }
    }
    for step in &mut steps {
        for text in [&mut step.stdout, &mut step.stderr] {
            text.truncate(text.trim_end().len());
        }
        for file in step.files.iter_mut().flatten() {
            // Lines were printed with a line end each, the last one of a file included.
            file.text.pop();
        }
    }
    Ok(steps)
}

fn take_line(step: &mut Step, part: Part, line: &str) -> Result<Part> {
    match part {
        Part::Head => return take_head(step, line),
        Part::Here => {
            if line == ">>" {
                return Ok(Part::Head);
            }
            let call = step.calls.last_mut().context("input without a command")?;
            call.stdin.push(line.to_owned());
        }
        Part::Stdout => push_line(&mut step.stdout, line),
        Part::Stderr => push_line(&mut step.stderr, line),
        Part::Files => {
            let files = step.files.get_or_insert_default();
            if let Some(head) = line.strip_prefix("FILE ") {
                let (path, rest) = head.split_once(" mode=").context("a file without a mode")?;
                let (mode, _) = rest.split_once(' ').context("a file without a size")?;
                let mode = u32::from_str_radix(mode, 8)?;
                files.push(File { path: path.to_owned(), mode, text: String::new() });
            } else if let Some(text) = line.strip_prefix("    | ") {
                push_line(&mut files.last_mut().context("text without a file")?.text, text);
            }
        }
        Part::Datasets => {
            if let [name, kind, properties] = *line.trim().splitn(3, ' ').collect::<Vec<_>>() {
                step.datasets.get_or_insert_default().push(Dataset {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    properties: serde_json::from_str(properties)?,
                });
            }
        }
    }
    Ok(part)
}

fn take_head(step: &mut Step, line: &str) -> Result<Part> {
    if let Some(text) = line.strip_prefix("   in: ").or_else(|| line.strip_prefix("   in:")) {
        push_line(step.stdin.get_or_insert_default(), text);
    } else if let Some(command) = line.strip_prefix("  $ ") {
        let (command, here) = match command.split_once(" <<") {
            Some((command, text)) => (command, Some(text)),
            None => (command, None),
        };
        let (command, exit) = match command.rsplit_once("   [exit ") {
            Some((command, code)) => (command, code.trim_end_matches(']').parse()?),
            None => (command, 0),
        };
        let stdin = here.map(str::to_owned).into_iter().collect();
        step.calls.push(Call { command: command.to_owned(), stdin, stdout: Vec::new(), exit });
        if here.is_some() {
            return Ok(Part::Here);
        }
    } else if let Some(code) = line.strip_prefix("exit: ") {
        step.exit = match code.parse() {
            Ok(code) if code >= 0 => Exit::Code(code),
            _ if code == "TIMEOUT" => Exit::Endless,
            _ => Exit::Crash,
        };
    } else if let Some(call) = step.calls.last_mut() {
        if let Some(text) = line.strip_prefix("      < ") {
            call.stdin.push(text.to_owned());
        } else if let Some(text) = line.strip_prefix("      > ") {
            call.stdout.push(text.to_owned());
        }
    }
    Ok(Part::Head)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn parse_faults(text: &str) -> Result<Vec<(String, i32, String)>> {
    Ok(serde_json::from_str::<Vec<(String, i32, String)>>(text)?)
}

/// Words as a shell splits them: blanks, single quotes, backslashes.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trace_is_read() {
        let names = names().expect("the directory of the traces");
        assert_eq!(names.len(), 37);
        let steps: Vec<Step> =
            names.iter().flat_map(|name| read(name).expect("a trace in the known form")).collect();
        assert_eq!(steps.len(), 371);
        assert!(steps.iter().filter(|step| step.exit == Exit::Crash).count() < 10);
        assert_eq!(steps.iter().filter(|step| step.files.is_some()).count(), 30);
        assert_eq!(steps.iter().filter(|step| step.datasets.is_some()).count(), 28);
    }

    #[test]
    fn a_step_has_all_its_parts() {
        let steps = read("create-joyent-image").expect("a trace in the known form");
        let create = &steps[0];
        assert_eq!(create.arguments, ["create"]);
        let payload: Value = serde_json::from_str(create.stdin.as_deref().unwrap_or_default())
            .expect("the payload is JSON");
        assert_eq!(payload["alias"], "j1");
        let script = create.calls.iter().find(|call| call.command.starts_with("zonecfg -z"));
        assert_eq!(script.expect("a script").stdin[0], "create -b");
        assert_eq!(create.exit, Exit::Code(0));
        assert!(create.stderr.starts_with("Successfully created VM"));
        let files = create.files.as_ref().expect("files");
        assert!(files.iter().any(|file| file.path.ends_with("/nodename") && file.text == "j1\n"));
        assert_eq!(create.datasets.as_ref().expect("datasets").len(), 2);
    }

    #[test]
    fn words() {
        assert_eq!(
            split_words("vmadm list -o '' 'a b=~^x'"),
            ["vmadm", "list", "-o", "", "a b=~^x"]
        );
    }
}
