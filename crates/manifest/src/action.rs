//! What a payload is for.

use std::fmt;

/// The operation that a payload is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    Receive,
    Update,
}

impl Action {
    /// The action called `name`.
    pub fn from_name(name: &str) -> Option<Action> {
        [Action::Create, Action::Receive, Action::Update]
            .into_iter()
            .find(|action| action.as_str() == name)
    }

    /// The command's name, as messages have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Receive => "receive",
            Action::Update => "update",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
