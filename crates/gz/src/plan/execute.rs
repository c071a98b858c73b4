//! Running plans, undoing them, and recovering those that were cut off.

use std::fmt;

use super::journal::{self, Begun, Journal, Left};
use super::{OnFailure, Plan, Step};
use crate::interrupt::{self, Shield};
use crate::probes;
use crate::root::Root;
use crate::tool::{Error, Result};

/// Why a plan was not carried out.
#[derive(Debug)]
pub struct Failed {
    /// The step that failed, as `--dry-run` prints it; empty where none was begun.
    pub step: String,
    pub error: Error,
    /// What could not be undone, and why. Empty where everything was, or nothing was to be.
    pub left: Vec<(String, Error)>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        for (step, error) in &self.left {
            write!(f, "\ncould not undo: {}: {error}", step.lines().next().unwrap_or_default())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { step: String::new(), error, left: Vec::new() }
    }
}

/// Carries out a plan. The caller holds the VM's lock.
pub fn execute(root: &Root, plan: &Plan) -> std::result::Result<(), Failed> {
    let journal = match plan.on_failure {
        OnFailure::Keep => None,
        OnFailure::Undo | OnFailure::Finish => Some(Journal::start(root, plan)?),
    };
    let run = Run { root, plan, journal, begun: Vec::new() };
    run.from(0)
}

/// Finishes or undoes what a plan on this VM left when it was cut off. Says what it did: the plan's command and whether
/// it was finished; `None` where nothing was left. The caller holds the VM's lock.
pub fn recover(root: &Root, uuid: &str) -> std::result::Result<Option<(String, bool)>, Failed> {
    let Some(Left { plan, begun }) = journal::left(root, uuid)? else { return Ok(None) };
    let _shield = Shield::new();
    let finish = plan.on_failure == OnFailure::Finish;
    log::info!("recovering {} of {uuid}", plan.command);
    if finish {
        let first = begun.last().map_or(0, |last| last.index);
        let mut journal = Journal::start(root, &plan)?;
        for earlier in begun.iter().filter(|begun| begun.index < first) {
            journal.begin(earlier)?;
        }
        Run { root, plan: &plan, journal: Some(journal), begun: Vec::new() }.from(first)?;
    } else {
        let left = undo(root, &begun);
        if !left.is_empty() {
            let error = Error::Unexpected {
                what: format!("what {} of VM {uuid} left", plan.command),
                why: "not all of it could be undone".to_owned(),
            };
            return Err(Failed { step: String::new(), error, left });
        }
        journal::discard(root, uuid)?;
    }
    Ok(Some((plan.command, finish)))
}

/// Forgets what a plan on this VM left: nothing can be done about it.
pub fn give_up(root: &Root, uuid: &str) -> Result<()> {
    journal::discard(root, uuid)
}

/// The UUIDs of VMs that something is to be recovered of.
pub fn recover_all(root: &Root) -> Result<Vec<String>> {
    journal::all(root)
}

struct Run<'a> {
    root: &'a Root,
    plan: &'a Plan,
    journal: Option<Journal>,
    begun: Vec<Begun>,
}

impl Run<'_> {
    fn from(mut self, first: usize) -> std::result::Result<(), Failed> {
        let _shield = (self.plan.on_failure == OnFailure::Finish).then(Shield::new);
        for (index, step) in self.plan.steps.iter().enumerate().skip(first) {
            if let Err(error) = self.step(index, step) {
                return Err(self.fail(step, error));
            }
        }
        match self.journal {
            Some(journal) => Ok(journal.close()?),
            None => Ok(()),
        }
    }

    fn step(&mut self, index: usize, step: &Step) -> Result<()> {
        if interrupt::requested() {
            return Err(Error::Interrupted);
        }
        if let Some(journal) = &mut self.journal {
            let undo = match self.plan.on_failure {
                OnFailure::Undo => step.undo(self.root)?,
                OnFailure::Finish | OnFailure::Keep => Vec::new(),
            };
            let begun = Begun { index, undo };
            journal.begin(&begun)?;
            self.begun.push(begun);
        }
        run(self.root, step)
    }

    fn fail(mut self, step: &Step, error: Error) -> Failed {
        let mut failed = Failed { step: step.to_string(), error, left: Vec::new() };
        if self.plan.on_failure != OnFailure::Undo {
            return failed;
        }
        if matches!(failed.error, Error::Unprovisioned { .. }) {
            // The VM is all there; its marked remains are for the operator to look into.
            if let Some(Err(error)) = self.journal.map(Journal::close) {
                failed.left.push(("the journal".to_owned(), error));
            }
            return failed;
        }
        let _shield = Shield::new();
        // What was there before is not ours to take away.
        if failed.error.stderr().contains("already exists") {
            self.begun.pop();
        }
        failed.left = undo(self.root, &self.begun);
        if failed.left.is_empty()
            && let Some(journal) = self.journal
            && let Err(error) = journal.close()
        {
            failed.left.push(("the journal".to_owned(), error));
        }
        failed
    }
}

/// Undoes what was begun, last first, and says what could not be.
fn undo(root: &Root, begun: &[Begun]) -> Vec<(String, Error)> {
    let mut left = Vec::new();
    for step in begun.iter().rev().flat_map(|begun| &begun.undo) {
        if let Err(error) = run(root, step) {
            left.push((step.to_string(), error));
        }
    }
    left
}

fn run(root: &Root, step: &Step) -> Result<()> {
    let text = step.to_string();
    let first = text.lines().next().unwrap_or_default();
    log::info!("{first}");
    probes::step_start(first);
    let result = step.run(root);
    probes::step_done(first, result.is_err());
    result
}
