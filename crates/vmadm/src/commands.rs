//! The table of commands: names, options and the function that runs each.

use crate::cli::options::Syntax;
use crate::cli::{Call, Outcome};
use crate::{
    console, create, delete, events, get, help, info, install, kill, links, list, lookup, receive,
    recover, reprovision, send, snapshots, start, stop, sysrq, update, validate,
};

/// One command of vmadm.
#[derive(Debug)]
pub struct Command {
    /// The command's name and its synonyms.
    pub names: &'static [&'static str],
    /// The options it takes beside `-v` and `-d`.
    pub syntax: Syntax,
    /// Runs it.
    pub run: fn(Call) -> Outcome,
}

static COMMANDS: &[&Command] = &[
    &console::COMMAND,
    &create::COMMAND,
    &delete::COMMAND,
    &events::COMMAND,
    &get::COMMAND,
    &help::COMMAND,
    &info::COMMAND,
    &install::COMMAND,
    &kill::COMMAND,
    &links::COMMAND,
    &list::COMMAND,
    &lookup::COMMAND,
    &receive::COMMAND,
    &recover::COMMAND,
    &reprovision::COMMAND,
    &send::COMMAND,
    &snapshots::CREATE,
    &snapshots::DELETE,
    &snapshots::ROLLBACK,
    &start::COMMAND,
    &stop::REBOOT,
    &stop::STOP,
    &sysrq::COMMAND,
    &update::COMMAND,
    &validate::COMMAND,
];

/// The command of that name or synonym.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().copied().find(|command| command.names.contains(&name))
}

/// Commands that leave everything as it is, or go on for ever and change as little as they can.
const SHOWING: [&str; 9] =
    ["console", "events", "get", "help", "info", "links", "list", "lookup", "validate"];

/// Whether the command of that name or synonym changes VMs.
pub fn changes(name: &str) -> bool {
    find(name).is_some_and(|command| !command.names.iter().any(|name| SHOWING.contains(name)))
}

/// Every command, for completions.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied()
}

/// Every name and synonym, for hints.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().flat_map(|command| command.names.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_show_are_known() {
        assert!(SHOWING.iter().all(|name| find(name).is_some() && !changes(name)));
        assert!(changes("halt") && changes("destroy") && changes("send") && !changes("json"));
    }

    #[test]
    fn no_name_is_taken_twice() {
        let mut all: Vec<&str> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(count, all.len());
    }
}
