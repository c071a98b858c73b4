//! Reading commands in a simulated global zone without and with 50,000 snapshots of a dataset that no VM has, in turns.
//!
//! A tool's time is what the program's debug log says it took; all else is its own. The tools are gzsim's, which reads its
//! whole state at every start, snapshots included: that part of the time says nothing about illumos, where zfs asks
//! the kernel for the datasets that are named. What it is asked is the same in both, which `tests/tests/counts.rs`
//! checks.

use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::{Gz, Need, needs};

const VMS: u32 = 20;
/// Datasets that no VM has, and snapshots of each.
const DATASETS: usize = 500;
const SNAPSHOTS: usize = 100;
const ROUNDS: usize = 15;

fn main() {
    needs!(Need::Simulation, Need::SimulatedZfs, Need::TwoRoots);
    let without = Gz::with_vms(VMS);
    let with = Gz::with_vms(VMS);
    let _ = with.run("zfs", &["create", "zones/others"]).ok();
    for number in 1..DATASETS {
        let _ = with.run("zfs", &["create", &format!("zones/others/{number}")]).ok();
    }
    for number in 0..SNAPSHOTS {
        let _ = with.run("zfs", &["snapshot", "-r", &format!("zones/others@s{number}")]).ok();
    }
    println!(
        "{VMS} VMs, {} snapshots against none, medians of {ROUNDS} runs in turns",
        DATASETS * SNAPSHOTS
    );
    println!("{:<34} {:>12} {:>12} {:>12}", "command", "whole", "own", "in tools");
    let uuid = "b0000001-0000-4000-8000-000000000001";
    let commands: [(&str, &[&str]); 6] = [
        ("vmadm", &["list"]),
        ("vmadm", &["lookup", "-j", "-o", "uuid,snapshots"]),
        ("vmadm", &["lookup", "alias=x"]),
        ("vmadm", &["lookup", "-j"]),
        ("vmadm", &["get", uuid]),
        ("imgadm", &["list"]),
    ];
    for (program, arguments) in commands {
        let mut runs = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            runs.0.push(time(&without, program, arguments));
            runs.1.push(time(&with, program, arguments));
        }
        let ratio = |of: &dyn Fn(&Run) -> Duration| {
            let median = |runs: &[Run]| {
                let mut times: Vec<Duration> = runs.iter().map(of).collect();
                times.sort();
                times[times.len() / 2].as_secs_f64()
            };
            let (with, without) = (median(&runs.1), median(&runs.0));
            if without > 0.0 { format!("{:.2}", with / without) } else { "-".to_owned() }
        };
        println!(
            "{:<34} {:>12} {:>12} {:>12}",
            format!("{program} {}", arguments.join(" ")),
            ratio(&|run| run.total),
            ratio(&|run| run.total.saturating_sub(run.tools)),
            ratio(&|run| run.tools),
        );
    }
}

struct Run {
    total: Duration,
    tools: Duration,
}

fn time(gz: &Gz, program: &str, arguments: &[&str]) -> Run {
    let mut command = gz.command(program, arguments);
    command.stdin(Stdio::null());
    if program == "vmadm" {
        command.arg("-d");
    } else {
        command.env("IMGADM_LOG_LEVEL", "debug");
    }
    let begun = Instant::now();
    let output = command.output().expect("the program can be run");
    let total = begun.elapsed();
    assert!(output.status.success(), "{program} {arguments:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    Run { total, tools: said.lines().filter_map(tool_time).sum() }
}

/// The time in a line with `COMMAND took N ms`, which imgadm has in JSON; none in other lines.
fn tool_time(line: &str) -> Option<Duration> {
    let (_, time) = line.rsplit_once(" took ")?;
    let milliseconds: f64 = time.split_once(" ms")?.0.parse().ok()?;
    Some(Duration::from_secs_f64(milliseconds / 1e3))
}
