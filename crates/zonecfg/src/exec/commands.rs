//! `cancel`, `delete`, `exit`, `export`, `help` and `revert`

use super::getopt::Wrong;
use super::{EXIT_ERROR, Exit, Flow, Handle, Session};
use crate::export::{self, Saved};
use crate::fault::Fault;
use crate::lang::Verb;
use crate::usage::{self, Topic};

impl Session<'_> {
    pub(super) fn cancel(&mut self, words: &[String]) {
        if self.only_options(Verb::Cancel, words, "?", Wrong::Help).is_none() {
            return;
        }
        if self.scope.is_none() {
            self.scope_usage(Verb::Cancel);
        }
        self.scope = None;
    }

    pub(super) fn exit(&mut self, words: &[String]) -> Flow {
        let Some(given) = self.only_options(Verb::Exit, words, "?F", Wrong::Help) else {
            return Ok(());
        };
        self.forced_exit |= given.has('F');
        if self.scope.is_none() || self.forced_exit {
            self.exiting = true;
            return Ok(());
        }
        let Some(answer) = self.ask("Resource incomplete; really quit", false) else {
            self.complain(
                "Resource incomplete, input not from terminal and -F not specified:\n\
                 exit command ignored, but exiting anyway.",
            );
            return Err(Exit(EXIT_ERROR));
        };
        self.exiting = answer;
        Ok(())
    }

    pub(super) fn help(&mut self, words: &[String]) {
        let topics: &[Topic] = match words.first().map(String::as_str) {
            None => match self.place().1 {
                Some(resource) => &[Topic::Scope(resource)],
                None => &[Topic::Commands],
            },
            Some("usage") => &[Topic::Invocation],
            Some("commands") => &[Topic::Commands],
            Some("syntax") => &[Topic::Syntax, Topic::Resources, Topic::Properties],
            Some("-?") => return self.longer_usage(Verb::Help),
            Some(word) => {
                if let Some(verb) = Verb::parse(word) {
                    return self.longer_usage(verb);
                }
                self.system.err(&format!("Unknown help subject {word}.  "));
                return self.usage_error(&[Topic::More]);
            }
        };
        let text = usage::text(topics, true, &self.options.program);
        self.system.out(&text);
    }

    pub(super) fn delete(&mut self, words: &[String]) -> Flow {
        let Some(given) = self.only_options(Verb::Delete, words, "?F", Wrong::Help) else {
            return Ok(());
        };
        let force = given.has('F');
        if self.is_read_only(Verb::Delete) {
            return Ok(());
        }
        let name = self.zone.clone();
        if !force {
            if !self.initialize(true)? {
                return Ok(());
            }
            match self.ask(&format!("Are you sure you want to delete zone {name}"), false) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => {
                    self.complain(
                        "Input not from terminal and -F not specified:\ndelete command ignored, exiting.",
                    );
                    return Err(Exit(EXIT_ERROR));
                }
            }
        }
        self.initialize(true)?;
        match self.system.destroy(&name, force) {
            Ok(()) => {}
            Err(Fault::BadZoneState) if !force => self.complain(format_args!(
                "Zone {name} not in configured state; delete not allowed.  Use -F to force delete."
            )),
            Err(fault) => self.fault(&name, fault),
        }
        self.changed = false;
        if force && self.handle.is_none() && self.is_interactive() {
            self.system.out("Use 'create' to begin configuring a new zone.\n");
        }
        if self.had_handle {
            self.reload(&name);
        }
        Ok(())
    }

    /// Takes the saved configuration again, if there still is one.
    fn reload(&mut self, name: &str) {
        self.handle = None;
        match self.system.load(name) {
            Ok(zone) => self.handle = Some(Handle { zone, is_new: false, renamed_from: None }),
            Err(fault) => {
                if fault != Fault::NoZone {
                    self.fault(name, fault);
                }
                self.had_handle = false;
            }
        }
    }

    pub(super) fn revert(&mut self, words: &[String]) -> Flow {
        let Some(given) = self.only_options(Verb::Revert, words, "?F", Wrong::Help) else {
            return Ok(());
        };
        if self.is_read_only(Verb::Revert) {
            return Ok(());
        }
        if self.scope.is_some() {
            self.error(
                "You can only use revert in the global scope.\n\
                 Use 'cancel' to cancel changes to a resource specification.",
            );
            return Ok(());
        }
        if self.handle.is_none() {
            self.error("No changes to revert.");
            return Ok(());
        }
        if !given.has('F') {
            match self.ask("Are you sure you want to revert", false) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => {
                    self.complain(
                        "Input not from terminal and -F not specified:\nrevert command ignored, exiting.",
                    );
                    return Err(Exit(EXIT_ERROR));
                }
            }
        }
        let saved = self.saved_name.clone();
        self.handle = None;
        match self.system.load(&saved) {
            Ok(zone) => self.handle = Some(Handle { zone, is_new: false, renamed_from: None }),
            Err(fault) => {
                self.failed = true;
                self.had_handle = false;
                if fault == Fault::NoZone {
                    self.complain(format_args!("{saved}: no such saved zone to revert to."));
                } else {
                    let zone = self.zone.clone();
                    self.fault(zone, fault);
                }
            }
        }
        self.zone = saved;
        Ok(())
    }

    pub(super) fn export(&mut self, words: &[String]) -> Flow {
        let Some(given) = self.only_options(Verb::Export, words, "?f:", Wrong::HelpOrUsage) else {
            return Ok(());
        };
        let file =
            given.options.iter().rev().find(|(option, _)| *option == 'f').map(|(_, file)| file);
        let file = file.filter(|file| !file.is_empty());
        if !self.initialize(true)? {
            return Ok(());
        }
        let name = self.zone.clone();
        // Brand and UUID are those of the saved zone: a new one gets them at its first commit.
        let brand = match self.system.load(&name) {
            Ok(zone) => self.brand_of(&zone).ok(),
            Err(_) => None,
        };
        let uuid = self.saved_uuid();
        let text = export::commands(self.zone_ref(), &Saved { brand: brand.as_deref(), uuid });
        match file {
            None => self.system.out(&text),
            Some(file) => {
                if let Err(reason) = self.system.write_file(file, &text) {
                    self.complain(format_args!("opening file {file}: {reason}"));
                }
            }
        }
        Ok(())
    }
}
