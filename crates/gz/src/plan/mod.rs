//! Plans: what a mutating command will do, as data, and the one place where it is done.
//!
//! A [`Plan`] is a list of [`Step`]s. A step prints itself (`--dry-run`), runs itself and says, before it runs, by which
//! steps it is undone. [`execute`](fn@execute) keeps a journal of what was begun, so that a plan that was cut off is
//! undone or finished by the next command on that VM ([`recover`]).

mod checkpoint;
mod execute;
pub(crate) mod journal;
mod made;
mod run;
mod show;
mod step;
mod undo;

use serde::{Deserialize, Serialize};

pub(crate) use run::wait_for;

pub use execute::{Failed, execute, execute_reserved, give_up, recover, recover_all};
pub use step::{Properties, Step, ZoneFile};

/// What becomes of the steps that were done when a later one fails, is interrupted or is cut off by a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They are undone, last first: the system is as before.
    Undo,
    /// The rest is tried again later: the steps can be run twice, and requests to stop are held off.
    Finish,
    /// They stay.
    Keep,
}

/// What a command will do to one VM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The command's name (`create`).
    pub command: String,
    /// The VM's UUID.
    pub uuid: String,
    pub on_failure: OnFailure,
    /// In the order in which they are run.
    pub steps: Vec<Step>,
    /// The number of the first step from which on nothing can be undone: from there the plan is finished, now or by the
    /// next command on the VM. Before it holds what `on_failure` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_return: Option<usize>,
    /// Whether what is behind `no_return` is finished later only where it was cut off. Where a step fails the operator
    /// is told so, and has to ask again: no other command goes on by itself.
    #[serde(default)]
    pub only_if_cut_off: bool,
}

/// The program that sets up roots of a brand; empty where it has none.
fn brand_script(brand: &str) -> &'static str {
    let features = manifest::Brand::from_name(brand).map(manifest::Brand::features);
    features.and_then(|features| features.install_script).unwrap_or_default()
}

impl Plan {
    /// A plan without steps yet.
    pub fn new(command: &str, uuid: &str, on_failure: OnFailure) -> Self {
        Self {
            command: command.to_owned(),
            uuid: uuid.to_owned(),
            on_failure,
            steps: Vec::new(),
            no_return: None,
            only_if_cut_off: false,
        }
    }

    /// The steps added from here on destroy what the earlier ones have replaced: see [`Plan::no_return`].
    pub fn no_return_from_here(&mut self) {
        self.no_return = Some(self.steps.len());
    }

    /// As [`Plan::no_return_from_here`], but for what only the operator may ask for again once it has failed.
    pub fn no_return_unless_it_fails(&mut self) {
        self.no_return_from_here();
        self.only_if_cut_off = true;
    }

    /// What becomes of the plan where step `index` is the last that was begun.
    fn on_failure_at(&self, index: usize) -> OnFailure {
        match self.no_return {
            Some(first) if index >= first => OnFailure::Finish,
            _ => self.on_failure,
        }
    }
}

#[cfg(test)]
mod tests;
