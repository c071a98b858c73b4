//! Commands as data.

use super::lexer::Position;
use super::names::{PropertyName, ResourceType, Verb};

/// A command and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The command.
    pub command: Command,
    /// Where its first word stands.
    pub position: Position,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A command word with plain words after it: all but the following.
    Words(Verb, Vec<String>),
    /// `add WORD`, which is nothing that can be added.
    AddWord(String),
    /// `add fs`, …
    AddResource(ResourceType),
    /// `add options ro`, `add value (…)`, …
    AddProperty(PropertyName, Value),
    /// `clear pool`, …
    Clear(PropertyName),
    /// `info` of everything.
    Info,
    /// `info pool`, …
    InfoProperty(PropertyName),
    /// `info net physical=…`
    InfoResource(ResourceType, Vec<Pair>),
    /// `remove [-F] net physical=…`
    RemoveResource(Option<String>, ResourceType, Vec<Pair>),
    /// `remove [-F] options ro`
    RemoveProperty(Option<String>, PropertyName, Value),
    /// `select net physical=…`
    Select(ResourceType, Vec<Pair>),
    /// `set [-F] zonepath=…`
    Set(Option<String>, PropertyName, Value),
}

impl Command {
    /// The command word.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Words(verb, _) => *verb,
            Self::AddWord(_) | Self::AddResource(_) | Self::AddProperty(..) => Verb::Add,
            Self::Clear(_) => Verb::Clear,
            Self::Info | Self::InfoProperty(_) | Self::InfoResource(..) => Verb::Info,
            Self::RemoveResource(..) | Self::RemoveProperty(..) => Verb::Remove,
            Self::Select(..) => Verb::Select,
            Self::Set(..) => Verb::Set,
        }
    }
}

/// `name=value`
pub type Pair = (PropertyName, Value);

/// The names and values of `(name=value,…)`.
pub type Complex = Vec<(PropertyName, String)>;

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One word.
    Simple(String),
    /// `(name=value,…)`
    Complex(Complex),
    /// `[a,b]`; empty only in `set name=[]`.
    List(Vec<Item>),
}

/// One element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// One word.
    Simple(String),
    /// `(name=value,…)`
    Complex(Complex),
}
