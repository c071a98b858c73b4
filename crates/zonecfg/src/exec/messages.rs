//! What a session says.

use std::fmt::Display;

use super::{Session, Source};
use crate::fault::Fault;
use crate::lang::Verb;
use crate::usage::{self, Topic};

impl Session<'_> {
    pub(super) fn is_file(&self) -> bool {
        matches!(self.options.source, Source::File(_) | Source::FileFromInput)
    }

    /// Prints a message; in a file, its line first, once a line.
    pub(super) fn complain(&mut self, message: impl Display) {
        if self.is_file() && self.line > self.named_line {
            let line = self.line - 1;
            let place = match &self.options.source {
                Source::File(name) => format!("On line {line} of {name}:\n"),
                _ => format!("On line {line}:\n"),
            };
            self.system.err(&place);
            self.named_line = self.line;
        }
        self.system.err(&format!("{message}\n"));
    }

    /// Prints a message and remembers the failure.
    pub(super) fn error(&mut self, message: impl Display) {
        self.complain(message);
        self.failed = true;
    }

    /// Prints a reason and remembers the failure.
    pub(super) fn fault(&mut self, prefix: impl Display, fault: Fault) {
        self.error(format_args!("{prefix}: {fault}"));
    }

    pub(super) fn short_usage(&mut self, verb: Verb) {
        let line = self.line.saturating_sub(1);
        let place = match &self.options.source {
            Source::File(name) => format!("syntax error on line {line} of {name}\n"),
            Source::FileFromInput => format!("syntax error on line {line}\n"),
            Source::Arguments | Source::Input => String::new(),
        };
        self.system.err(&format!("{place}usage:\n{}\n", usage::short(verb)));
        self.failed = true;
    }

    pub(super) fn long_usage(&mut self, verb: Verb) {
        self.system.err(&format!("usage:\n{}\n\t{}\n", usage::short(verb), usage::long(verb)));
        self.failed = true;
    }

    /// The help text of a command, on the standard output.
    pub(super) fn longer_usage(&mut self, verb: Verb) {
        self.system.out(&format!("usage:\n{}\n\t{}\n", usage::short(verb), usage::long(verb)));
        let topics = usage::topics_of(usage::listing_of(verb));
        if !topics.is_empty() {
            let text = usage::text(topics, true, &self.options.program);
            self.system.out(&format!("\n{text}"));
        }
    }

    pub(super) fn usage_error(&mut self, topics: &[Topic]) {
        let text = usage::text(topics, false, &self.options.program);
        self.system.err(&text);
    }

    pub(super) fn scope_usage(&mut self, verb: Verb) {
        let scope = if self.scope.is_none() { "resource" } else { "global" };
        self.error(format_args!("The {verb} command only makes sense in the {scope} scope."));
    }

    pub(super) fn ask(&mut self, question: &str, default: bool) -> Option<bool> {
        let answer = if self.may_ask { self.system.ask(question, default) } else { None };
        if answer.is_none() {
            self.failed = true;
        }
        answer
    }
}
