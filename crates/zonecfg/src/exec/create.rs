//! `create`

use super::getopt::Wrong;
use super::{EXIT_ERROR, Exit, Flow, Handle, Session};
use crate::fault::Fault;
use crate::index::ZoneState;
use crate::lang::Verb;
use crate::model::key;

/// The template of a plain `create`.
const DEFAULT_TEMPLATE: &str = "SUNWdefault";

/// What a new configuration is made of.
enum Origin {
    Template(String),
    Detached(String),
}

impl Session<'_> {
    pub(super) fn create(&mut self, words: &[String]) -> Flow {
        let Some(given) = self.options(Verb::Create, words, "?a:bFt:X", Wrong::HelpOrUsage) else {
            return Ok(());
        };
        let mut origin = Origin::Template(DEFAULT_TEMPLATE.to_owned());
        for (option, argument) in &given.options {
            match option {
                'a' => origin = Origin::Detached(argument.clone()),
                'b' => origin = Origin::Template("SUNWblank".to_owned()),
                't' => origin = Origin::Template(argument.clone()),
                'X' => return self.adopt(),
                _ => {}
            }
        }
        if given.taken != words.len() {
            self.short_usage(Verb::Create);
            return Ok(());
        }
        if self.is_read_only(Verb::Create) || !self.may_create(given.has('F'))? {
            return Ok(());
        }
        let loaded = match &origin {
            Origin::Template(name) => self.system.load(name),
            Origin::Detached(path) => self.system.load_detached(path).map(|mut zone| {
                zone.set(key::ZONEPATH, path);
                zone
            }),
        };
        match loaded {
            Ok(mut zone) => {
                zone.set(key::NAME, &self.zone);
                self.changed = true;
                self.had_handle = true;
                self.handle = Some(Handle { zone, is_new: true, renamed_from: None });
                self.new_uuid = self.system.new_uuid().to_string();
            }
            Err(fault) => self.creation_failed(&origin, fault),
        }
        Ok(())
    }

    /// As in the original, a wrong path of a detached zone is no failure by itself.
    fn creation_failed(&mut self, origin: &Origin, fault: Fault) {
        match (origin, fault) {
            (Origin::Detached(_), Fault::NoZone) => {
                self.system.err("invalid path to detached zone\n");
            }
            (Origin::Detached(_), Fault::InvalidDocument) => {
                self.system.err("Cannot attach to an earlier release of the operating system\n");
            }
            (Origin::Detached(_), fault) => self.fault(DEFAULT_TEMPLATE, fault),
            (Origin::Template(name), fault) => self.fault(name, fault),
        }
    }

    /// `create -X`: takes the zone's document as it lies there, without an entry in the index.
    fn adopt(&mut self) -> Flow {
        let name = self.zone.clone();
        match self.system.load(&name) {
            Ok(zone) => {
                self.had_handle = true;
                self.changed = true;
                self.handle = Some(Handle { zone, is_new: true, renamed_from: None });
                Ok(())
            }
            Err(fault) => {
                let fault = if fault == Fault::NoZone { Fault::FileSystem } else { fault };
                let program = self.options.program.clone();
                self.fault(program, fault);
                Err(Exit(EXIT_ERROR))
            }
        }
    }

    /// Whether nothing stands in the way; an existing configuration does unless `force`.
    fn may_create(&mut self, force: bool) -> Result<bool, Exit> {
        let name = self.zone.clone();
        if self.system.load(&name).is_err() {
            return Ok(true);
        }
        if self.state_of(&name) == Some(ZoneState::Installed) {
            self.complain(format_args!("Zone {name} already installed; create not allowed."));
            return Ok(false);
        }
        if force {
            self.system.out(&format!("Zone {name} already exists; overwriting.\n"));
            return Ok(true);
        }
        let answer = self.ask(&format!("Zone {name} already exists; create anyway"), false);
        if answer.is_none() {
            self.complain(
                "Zone exists, input not from terminal and -F not specified:\n\
                 create command ignored, exiting.",
            );
        }
        answer.ok_or(Exit(EXIT_ERROR))
    }
}
