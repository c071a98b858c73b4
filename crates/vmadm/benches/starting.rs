//! What starting each of the four programs costs, against `/bin/true`, and how large they are.
//!
//! Program and `/bin/true` are run in turns, so that both have the same share of whatever else the machine does, and
//! the shortest run of each counts: nothing makes a start quicker than it can be, everything else makes it slower.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each program.
const ROUNDS: usize = 500;

/// Program, argument and the exit status that goes with them.
const PROGRAMS: [(&str, &str, i32); 4] = [
    ("vmadm", "help", 2),
    ("imgadm", "--version", 0),
    ("zonecfg", "help", 0),
    ("bhyve-ctl", "help", 0),
];

fn main() {
    println!("best of {ROUNDS} runs in turns with /bin/true");
    println!("{:<20} {:>9} {:>9} {:>6} {:>10}", "command", "start", "true", "ratio", "size");
    for (program, argument, exit) in PROGRAMS {
        let path = e2e::programs::directory().join(program);
        let (mut own, mut baseline) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            baseline = baseline.min(run(Path::new("/bin/true"), argument, 0));
            own = own.min(run(&path, argument, exit));
        }
        let size = fs::metadata(&path).expect("the program is there").len();
        println!(
            "{:<20} {:>7.2}ms {:>7.2}ms {:>6.2} {:>6.2} MiB",
            format!("{program} {argument}"),
            own.as_secs_f64() * 1e3,
            baseline.as_secs_f64() * 1e3,
            own.as_secs_f64() / baseline.as_secs_f64(),
            size as f64 / f64::from(1 << 20)
        );
    }
}

fn run(program: &Path, argument: &str, exit: i32) -> Duration {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("the program can be run");
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(exit), "{} {argument}", program.display());
    took
}
