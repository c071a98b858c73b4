//! The observed traces of vmadm, replayed: everything that differs is in `tests/data/differences.tsv`, with the reason.
//!
//! `cargo run -p e2e --bin replay -- TRACE` shows the differences of a trace as text.

use std::fs;
use std::path::Path;

use e2e::replay::{Difference, replay};
use e2e::{Need, needs, trace};

/// A line of differences.tsv: trace, line of the step or `*`, aspect or `*`; the reason is for readers.
struct Known {
    trace: String,
    line: String,
    aspect: String,
}

impl Known {
    fn covers(&self, trace: &str, difference: &Difference) -> bool {
        self.trace == trace
            && (self.line == "*" || self.line == difference.line.to_string())
            && (self.aspect == "*" || self.aspect == difference.aspect.to_string())
    }
}

fn known() -> Vec<Known> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/differences.tsv");
    let text = fs::read_to_string(path).expect("the list of differences");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| match *line.split('\t').collect::<Vec<_>>() {
            [trace, at, aspect, reason] if !reason.is_empty() => {
                Known { trace: trace.into(), line: at.into(), aspect: aspect.into() }
            }
            _ => panic!("not trace, line, aspect and reason: {line}"),
        })
        .collect()
}

/// A trace in which a volume outgrows the quota above it, which no real ZFS lets it.
const OUTGROWN: &str = "update-bhyve-stopped";

/// Replays the traces whose number is `part` modulo 4.
fn check(part: usize) {
    let names = trace::names().expect("the traces");
    let part = names.iter().skip(part).step_by(4).map(String::as_str);
    check_each(part.filter(|name| *name != OUTGROWN));
}

fn check_each<'a>(names: impl Iterator<Item = &'a str>) {
    let known = known();
    let mut failures = String::new();
    for name in names {
        let all = known.iter().filter(|known| known.trace == name);
        // A trace of commands that are not there yet.
        if all.clone().any(|known| known.line == "*" && known.aspect == "*") {
            continue;
        }
        let differences = replay(name);
        for difference in &differences {
            if !known.iter().any(|known| known.covers(name, difference)) {
                failures.push_str(&format!("{name}, {difference}\n"));
            }
        }
        for stale in all.filter(|known| !differences.iter().any(|found| known.covers(name, found)))
        {
            let Known { line, aspect, .. } = stale;
            failures.push_str(&format!("{name}, line {line}: {aspect} does not differ any more\n"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_volume_outgrows_its_quota_as_observed() {
    needs!(Need::SimulatedZfs);
    check_each([OUTGROWN].into_iter());
}

#[test]
fn traces_go_as_observed_0() {
    needs!(Need::Simulation);
    check(0);
}

#[test]
fn traces_go_as_observed_1() {
    needs!(Need::Simulation);
    check(1);
}

#[test]
fn traces_go_as_observed_2() {
    needs!(Need::Simulation);
    check(2);
}

#[test]
fn traces_go_as_observed_3() {
    needs!(Need::Simulation);
    check(3);
}
