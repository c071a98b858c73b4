//! Running plans, undoing them, and recovering those that were cut off.

use std::fmt;

use super::journal::{self, Begun, Journal, Left};
use super::made::Made;
use super::{OnFailure, Plan, Step, run as running};
use crate::interrupt::{self, Shield};
use crate::lock::{self, Lock};
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
    Run::new(root, plan, Vec::new()).from(0)
}

/// Carries out a plan whose addresses were found to be free under [`lock::addresses`](crate::lock::addresses), and lets
/// go of that lock as soon as the zone's configuration shows them to others.
pub fn execute_reserved(
    root: &Root,
    plan: &Plan,
    reserved: Option<Lock>,
) -> std::result::Result<(), Failed> {
    Run { reserved, ..Run::new(root, plan, Vec::new()) }.from(0)
}

/// Finishes or undoes what a plan on this VM left when it was cut off. Says what it did: the plan's command and whether
/// it was finished; `None` where nothing was left. The caller holds the VM's lock.
pub fn recover(root: &Root, uuid: &str) -> std::result::Result<Option<(String, bool)>, Failed> {
    let Some(Left { plan, mut begun }) = journal::left(root, uuid)? else { return Ok(None) };
    let _shield = Shield::new();
    let first = begun.last().map_or(0, |last| last.index);
    let finish = plan.on_failure_at(first) == OnFailure::Finish;
    log::info!("recovering {} of {uuid}", plan.command);
    if finish {
        begun.retain(|begun| begun.index < first);
        Run { repeated: Some(first), ..Run::new(root, &plan, begun) }.from(first)?;
    } else {
        // Written anew: its last line may have been cut off.
        let mut journal = Journal::start(root, &plan, &begun)?;
        let left = undo(root, &begun, Some(&mut journal));
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
    /// Started with the first step that is noted: as long as there is none, nothing is to be recovered.
    journal: Option<Journal>,
    begun: Vec<Begun>,
    made: Made,
    reserved: Option<Lock>,
    /// The step at which an earlier run was cut off: it may have been done.
    repeated: Option<usize>,
}

impl<'a> Run<'a> {
    fn new(root: &'a Root, plan: &'a Plan, begun: Vec<Begun>) -> Self {
        let made = Made::default();
        Self { root, plan, journal: None, begun, made, reserved: None, repeated: None }
    }

    fn from(mut self, first: usize) -> std::result::Result<(), Failed> {
        let mut shield = None;
        for (index, step) in self.plan.steps.iter().enumerate().skip(first) {
            if self.plan.on_failure_at(index) == OnFailure::Finish {
                shield.get_or_insert_with(Shield::new);
            }
            if let Err(error) = self.step(index, step) {
                return Err(self.fail(index, step, error));
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
        match self.plan.on_failure_at(index) {
            OnFailure::Undo => {
                // What goes with something that is undone whole needs no undoing, and no waiting for the disk.
                let undo = if self.made.holds(step) { Vec::new() } else { step.undo(self.root)? };
                if !undo.is_empty() {
                    self.note(Begun { index, undo })?;
                }
                self.made.add(step);
            }
            OnFailure::Finish => self.note(Begun { index, undo: Vec::new() })?,
            OnFailure::Keep => {}
        }
        let done = if step.waits_for_guest() { self.give_way(step) } else { run(self.root, step) };
        match done {
            Err(error) if self.repeated == Some(index) && is_removed(step, &error) => {}
            other => other?,
        }
        if matches!(step, Step::ConfigureZone { .. } | Step::ChangeZone { .. }) {
            self.reserved = None;
        }
        Ok(())
    }

    /// Does a step that waits for the guest, as long as no command that goes by force asks for the VM.
    fn give_way(&self, step: &Step) -> Result<()> {
        let uuid = &self.plan.uuid;
        let demands = lock::demands(self.root, uuid);
        match interrupt::giving_way(demands, || run(self.root, step)) {
            (Err(Error::Interrupted), Some(to)) => Err(Error::GaveWay { uuid: uuid.clone(), to }),
            (done, _) => done,
        }
    }

    /// Notes in the journal that a step begins.
    fn note(&mut self, begun: Begun) -> Result<()> {
        self.begun.push(begun);
        match (&mut self.journal, self.begun.last()) {
            (Some(journal), Some(begun)) => journal.begin(begun)?,
            _ => self.journal = Some(Journal::start(self.root, self.plan, &self.begun)?),
        }
        Ok(())
    }

    fn fail(mut self, index: usize, step: &Step, error: Error) -> Failed {
        let mut failed = Failed { step: step.to_string(), error, left: Vec::new() };
        let _shield = Shield::new();
        if self.is_for_the_operator(index, step, &failed.error) {
            if let Some(Err(error)) = self.journal.map(Journal::close) {
                failed.left.push(("the journal".to_owned(), error));
            }
            return failed;
        }
        if self.on_failure(index, step) != OnFailure::Undo {
            return failed;
        }
        // What was there before is not ours to take away.
        if failed.error.stderr().contains("already exists") {
            self.begun.retain(|begun| begun.index != index);
            note_undone(self.journal.as_mut(), index);
        }
        failed.left = undo(self.root, &self.begun, self.journal.as_mut());
        if failed.left.is_empty()
            && let Some(journal) = self.journal
            && let Err(error) = journal.close()
        {
            failed.left.push(("the journal".to_owned(), error));
        }
        failed
    }
}

impl Run<'_> {
    /// What becomes of the plan where a step has failed. The first one behind the point of no return may not have taken
    /// the plan there.
    fn on_failure(&self, index: usize, step: &Step) -> OnFailure {
        let was_not_passed = self.plan.no_return == Some(index) && step.is_all_or_nothing();
        if was_not_passed { self.plan.on_failure } else { self.plan.on_failure_at(index) }
    }

    /// Whether nothing is to be done about a failure by any command but one that the operator gives for that.
    fn is_for_the_operator(&self, index: usize, step: &Step, error: &Error) -> bool {
        match (error, step) {
            (Error::Unprovisioned { .. }, _) => true,
            // The new VM is all there, and the other command wants it.
            (Error::GaveWay { .. }, Step::AwaitProvisioned { uuid, .. }) => {
                if let Err(error) = running::mark_unprovisioned(self.root, uuid) {
                    log::warn!("{error}");
                }
                true
            }
            // What a crash has cut off and cannot be finished now may be later.
            _ => {
                self.plan.only_if_cut_off
                    && self.repeated.is_none()
                    && self.on_failure(index, step) == OnFailure::Finish
            }
        }
    }
}

/// Whether a step has failed because what it takes out of a zone's configuration is gone.
fn is_removed(step: &Step, error: &Error) -> bool {
    matches!(step, Step::ChangeZone { script, .. } if script.starts_with("remove attr "))
        && error.stderr().contains("No such resource with that id")
}

/// Undoes what was begun, last first, and says what could not be. Where a dataset cannot be moved back nothing further is
/// undone: it would be destroyed with what it was moved into.
fn undo(root: &Root, begun: &[Begun], mut journal: Option<&mut Journal>) -> Vec<(String, Error)> {
    let mut left = Vec::new();
    for begun in begun.iter().rev() {
        let failed_before = left.len();
        for step in &begun.undo {
            if let Err(error) = run(root, step) {
                left.push((step.to_string(), error));
                if matches!(step, Step::RenameDataset { .. }) {
                    return left;
                }
            }
        }
        if left.len() == failed_before {
            note_undone(journal.as_deref_mut(), begun.index);
        }
    }
    left
}

/// A journal that cannot be written must not keep the rest from being undone.
fn note_undone(journal: Option<&mut Journal>, index: usize) {
    if let Some(journal) = journal
        && let Err(error) = journal.undone(index)
    {
        log::warn!("{error}");
    }
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
