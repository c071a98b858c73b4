//! Carries out commands on a configuration in memory.
//!
//! A [`Session`] is what one run of zonecfg is: it takes text, carries out its commands in order, and
//! commits at the end. Messages, their order and the exit status are those of illumos's zonecfg. All
//! effects go through [`System`].

mod add;
mod clear;
mod commands;
mod create;
mod end;
mod getopt;
mod info;
mod keys;
mod loading;
mod messages;
mod remove;
mod select;
mod set;
mod verify;

use crate::lang::{Command, Listing, Parsed, Parser, ResourceType, Verb};
use crate::model::{Admin, Attr, Dataset, Device, Fs, Net, Pset, Rctl, SecurityFlags, Zone};
use crate::system::System;
use crate::usage::{self, Topic};

/// Where a session's commands come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The command line: goes on after errors.
    Arguments,
    /// A file: stops at the first error. The name is for messages.
    File(String),
    /// The standard input, as with `-f -`: goes on after errors.
    FileFromInput,
    /// The standard input without `-f`, a terminal or not.
    Input,
}

/// What a session is told from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program's name in messages.
    pub program: String,
    /// The zone.
    pub zone: String,
    /// Where commands come from.
    pub source: Source,
    /// Whether the configuration cannot be written.
    pub read_only: bool,
    /// Whether another root was asked for on the command line.
    pub alternate_root: bool,
}

/// The session ends at once with this exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

/// Exit status after an error.
pub const EXIT_ERROR: u8 = 1;

type Flow = Result<(), Exit>;

/// A loaded configuration.
#[derive(Debug, Clone)]
struct Handle {
    zone: Zone,
    is_new: bool,
    renamed_from: Option<String>,
}

/// A resource that is being specified.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pending {
    Fs(Fs),
    Net(Net),
    Device(Device),
    Rctl(Rctl),
    Attr(Attr),
    Dataset(Dataset),
    DedicatedCpu(Pset, String),
    CappedCpu,
    CappedMemory,
    Admin(Admin),
    SecurityFlags(SecurityFlags),
}

impl Pending {
    fn empty(resource: ResourceType) -> Self {
        match resource {
            ResourceType::Fs => Self::Fs(Fs::default()),
            ResourceType::Net => Self::Net(Net::default()),
            ResourceType::Device => Self::Device(Device::default()),
            ResourceType::Rctl => Self::Rctl(Rctl::default()),
            ResourceType::Attr => Self::Attr(Attr::default()),
            ResourceType::Dataset => Self::Dataset(Dataset::default()),
            ResourceType::DedicatedCpu => Self::DedicatedCpu(Pset::default(), String::new()),
            ResourceType::CappedCpu => Self::CappedCpu,
            ResourceType::CappedMemory => Self::CappedMemory,
            ResourceType::Admin => Self::Admin(Admin::default()),
            ResourceType::SecurityFlags => Self::SecurityFlags(SecurityFlags::default()),
        }
    }

    const fn kind(&self) -> ResourceType {
        match self {
            Self::Fs(_) => ResourceType::Fs,
            Self::Net(_) => ResourceType::Net,
            Self::Device(_) => ResourceType::Device,
            Self::Rctl(_) => ResourceType::Rctl,
            Self::Attr(_) => ResourceType::Attr,
            Self::Dataset(_) => ResourceType::Dataset,
            Self::DedicatedCpu(..) => ResourceType::DedicatedCpu,
            Self::CappedCpu => ResourceType::CappedCpu,
            Self::CappedMemory => ResourceType::CappedMemory,
            Self::Admin(_) => ResourceType::Admin,
            Self::SecurityFlags(_) => ResourceType::SecurityFlags,
        }
    }
}

/// What `end` does with the open resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Adds it.
    Add,
    /// Puts it in place of the one at this index.
    Replace(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    pending: Pending,
    ending: Ending,
}

/// How the end of the input went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The session is over with this exit status.
    Done(u8),
    /// The user wants to go on.
    Again,
}

/// One run of zonecfg.
pub struct Session<'s> {
    system: &'s mut dyn System,
    options: Options,
    /// The zone's name now.
    zone: String,
    /// The zone's name as last committed.
    saved_name: String,
    /// The UUID to set at the next commit, as it was given; empty for none.
    new_uuid: String,
    handle: Option<Handle>,
    /// Whether a configuration was ever loaded.
    had_handle: bool,
    scope: Option<Scope>,
    changed: bool,
    failed: bool,
    exiting: bool,
    forced_exit: bool,
    /// The scanner's line, and the last one that messages named.
    line: usize,
    named_line: usize,
    /// Whether wrong options are no longer reported.
    quiet_options: bool,
    may_ask: bool,
}

impl<'s> Session<'s> {
    /// A session in which nothing is loaded yet.
    pub fn new(system: &'s mut dyn System, options: Options) -> Self {
        Self {
            system,
            zone: options.zone.clone(),
            saved_name: options.zone.clone(),
            may_ask: !matches!(options.source, Source::File(_)),
            options,
            new_uuid: String::new(),
            handle: None,
            had_handle: false,
            scope: None,
            changed: false,
            failed: false,
            exiting: false,
            forced_exit: false,
            line: 1,
            named_line: 0,
            quiet_options: false,
        }
    }

    /// The name of the zone and, within a resource, its type: what the prompt shows.
    pub fn place(&self) -> (&str, Option<ResourceType>) {
        (&self.zone, self.scope.as_ref().map(|scope| scope.pending.kind()))
    }

    /// The configuration as it stands in memory.
    pub fn configuration(&self) -> Option<&Zone> {
        self.handle.as_ref().map(|handle| &handle.zone)
    }

    /// Loads the zone as an interactive session does at its start; tells how to begin where there is none.
    ///
    /// # Errors
    /// The session ends.
    pub fn begin(&mut self) -> Flow {
        if !self.options.read_only {
            self.initialize(false)?;
        }
        Ok(())
    }

    /// Carries out the commands of a text.
    ///
    /// # Errors
    /// The session ends.
    pub fn run(&mut self, text: &str) -> Flow {
        let mut parser = Parser::new(text);
        loop {
            let parsed = parser.next_parsed();
            self.line = parser.line();
            match parsed {
                Parsed::End => return Ok(()),
                Parsed::Empty => {}
                Parsed::Command(statement) => self.execute(&statement.command)?,
                Parsed::Usage { verb, listing, line, .. } => {
                    self.line = line;
                    self.short_usage(verb);
                    if listing != Listing::None {
                        self.system.err("\n");
                        self.usage_error(usage::topics_of(listing));
                    }
                    self.line = parser.line();
                }
                Parsed::Syntax { near, line, .. } => {
                    let near = if near.starts_with('\n') { "\\n" } else { &near };
                    let place =
                        if self.is_file() { format!(" on line {line}") } else { String::new() };
                    self.system.err(&format!("syntax error{place} at '{near}'\n"));
                    self.failed = true;
                    self.usage_error(&[Topic::Commands]);
                }
                Parsed::TooLong(_) => {
                    self.system.out("Input string too long, limit 2048\n");
                    return Err(Exit(EXIT_ERROR));
                }
            }
            if self.failed && matches!(self.options.source, Source::File(_)) {
                self.exiting = true;
            }
            if self.exiting && self.options.source != Source::Arguments {
                return Ok(());
            }
        }
    }

    /// Commits what is to be committed at the end of the input.
    ///
    /// # Errors
    /// The session ends.
    pub fn finish(&mut self) -> Result<Outcome, Exit> {
        const FAILED: Outcome = Outcome::Done(EXIT_ERROR);
        if self.options.source == Source::Arguments {
            self.may_ask = false;
        }
        if self.scope.is_some() {
            if self.exiting {
                self.failed = true;
            } else {
                match self.ask("Resource incomplete; really quit", false) {
                    None => {
                        self.complain("Resource incomplete.");
                        return Ok(FAILED);
                    }
                    Some(false) => return Ok(Outcome::Again),
                    Some(true) => {}
                }
            }
        }
        if self.changed && self.handle.is_some() {
            self.commit(&[])?;
            if self.changed {
                let answer = if self.forced_exit {
                    None
                } else {
                    self.ask("Configuration not saved; really quit", false)
                };
                match answer {
                    None => {
                        self.complain("Configuration not saved.");
                        return Ok(FAILED);
                    }
                    Some(false) => {
                        self.exiting = false;
                        return Ok(Outcome::Again);
                    }
                    Some(true) => {}
                }
            }
        }
        Ok(Outcome::Done(if self.changed || self.failed { EXIT_ERROR } else { 0 }))
    }

    /// Carries out one command; whether the session is over, and what it complained of, on one line.
    pub fn carry_out(&mut self, command: &Command) -> (bool, Option<String>) {
        let over = self.execute(command).is_err();
        (over, self.system.take_complaints())
    }

    /// Does what [`Session::finish`] does; what it complained of, on one line.
    pub fn carry_out_end(&mut self) -> Option<String> {
        // Its exit status says no more than the complaints do.
        let _ = self.finish();
        self.system.take_complaints()
    }

    /// Whether a UUID waits for the next commit.
    pub fn has_new_uuid(&self) -> bool {
        !self.new_uuid.is_empty()
    }

    /// Whether a command failed.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether `exit` was given.
    pub fn is_over(&self) -> bool {
        self.exiting
    }

    fn execute(&mut self, command: &Command) -> Flow {
        match command {
            Command::Words(verb, words) => match verb {
                Verb::Cancel => self.cancel(words),
                Verb::Commit => return self.commit(words),
                Verb::Create => return self.create(words),
                Verb::Delete => return self.delete(words),
                Verb::End => return self.end(words),
                Verb::Exit => return self.exit(words),
                Verb::Export => return self.export(words),
                Verb::Help => self.help(words),
                Verb::Revert => return self.revert(words),
                Verb::Verify => return self.verify(words, false),
                // The parser makes other commands of these.
                Verb::Add | Verb::Clear | Verb::Info | Verb::Remove | Verb::Select | Verb::Set => {}
            },
            Command::AddWord(word) => return self.add_word(word),
            Command::AddResource(resource) => return self.add_resource(*resource),
            Command::AddProperty(name, value) => return self.add_property_command(*name, value),
            Command::Clear(name) => return self.clear(*name),
            Command::Info => return self.info(),
            Command::InfoProperty(name) => return self.info_property(*name),
            Command::InfoResource(resource, pairs) => return self.info_resource(*resource, pairs),
            Command::RemoveResource(word, resource, pairs) => {
                return self.remove_resource(word.as_deref(), *resource, pairs);
            }
            Command::RemoveProperty(word, name, value) => {
                return self.remove_property_command(word.as_deref(), *name, value);
            }
            Command::Select(resource, pairs) => return self.select(*resource, pairs),
            Command::Set(word, name, value) => return self.set(word.as_deref(), *name, value),
        }
        Ok(())
    }
}
