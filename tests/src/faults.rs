//! Faults at the tool runs of a command, one run after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::pool;
use crate::{Gz, Run};

/// More tool runs than any command here has, with a whole sample to spare.
const MOST_CALLS: usize = 80;

/// On a real ZFS, where a command takes seconds, one tool run in so many is struck.
const SAMPLE: usize = 7;

/// Whether only some of the tool runs are struck.
pub fn are_sampled() -> bool {
    pool::real_zfs().is_some()
}

/// The tool runs to strike, by number from 1: each, or a sample that begins elsewhere each time.
fn calls() -> impl Iterator<Item = usize> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let (first, step) = if are_sampled() {
        (1 + TURN.fetch_add(1, Ordering::Relaxed) % SAMPLE, SAMPLE)
    } else {
        (1, 1)
    };
    (first..=MOST_CALLS).step_by(step)
}

/// Runs a command with a fault at its first tool run, its second and so on until none is left to strike, each time in a new
/// system. `prepare` makes what the command needs, undisturbed; `act` runs it; `after` sees what `prepare` gave, the number
/// of the call and the run.
///
/// # Panics
/// Where the command ends well although it was struck, or has more tool runs than any here.
pub fn at_every_call<T>(
    fault: &str,
    prepare: impl Fn(&Gz) -> T,
    act: impl Fn(&Gz) -> Run,
    mut after: impl FnMut(&Gz, T, usize, Run),
) {
    for call in calls() {
        let mut gz = Gz::new();
        let prepared = prepare(&gz);
        let run = struck(&mut gz, fault, call, &act);
        if run.exit == Some(0) {
            assert!(call > 5, "the fault did not strike at call {call}: {}", run.stderr);
            return;
        }
        after(&gz, prepared, call, run);
    }
    panic!("no end after {MOST_CALLS} calls");
}

/// Has the tool runs of a command struck by each of `faults`, all in one system. `prepare` makes what the command needs,
/// `act` runs it, `check` sees to what is left and takes it away: the run, and words that say which it was.
///
/// # Panics
/// Where the command does not work without a fault, or a fault has not the effect that it should have.
pub fn strike(
    gz: &mut Gz,
    faults: &[&str],
    prepare: impl Fn(&Gz),
    act: impl Fn(&Gz) -> Run,
    check: impl Fn(&Gz, &Run, &str),
) {
    prepare(gz);
    gz.clear_calls();
    let run = act(gz).ok();
    let count = gz.calls().len();
    assert!(count > 0, "no tool is run");
    check(gz, &run, "without a fault");
    for fault in faults {
        for call in calls().take_while(|&call| call <= count) {
            prepare(gz);
            gz.clear_calls();
            let run = struck(gz, fault, call, &act);
            let when = format!("{fault} at call {call}: {}", run.stderr);
            // A command that waits makes as many calls as what it waits for takes its time.
            let is_struck = gz.calls().len() >= call;
            assert_eq!(run.exit.is_none(), is_struck && fault.contains("kill"), "{when}");
            check(gz, &run, &when);
        }
    }
}

fn struck(gz: &mut Gz, fault: &str, call: usize, act: impl Fn(&Gz) -> Run) -> Run {
    gz.set("GZSIM_FAULT", &format!("*:{call}={fault}"));
    let run = act(gz);
    gz.unset("GZSIM_FAULT");
    run
}
