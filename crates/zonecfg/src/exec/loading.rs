//! The zone of a session: loading it, and what is asked of it all over.

use uuid::Uuid;

use super::{EXIT_ERROR, Exit, Handle, Session, Source};
use crate::fault::Fault;
use crate::index::ZoneState;
use crate::lang::Verb;
use crate::model::Zone;

impl Session<'_> {
    /// Loads the zone unless it is loaded; false where it cannot be. `expected` makes that a failure.
    pub(super) fn initialize(&mut self, expected: bool) -> Result<bool, Exit> {
        if self.handle.is_some() {
            return Ok(true);
        }
        let name = self.zone.clone();
        let mut zone = match self.system.load(&name) {
            Ok(zone) => zone,
            Err(Fault::NoZone)
                if self.is_global_zone() && !self.had_handle && !self.options.read_only =>
            {
                return self.initialize_global_zone();
            }
            Err(fault) => {
                self.complain(format_args!("{name}: {fault}"));
                self.failed |= expected || self.had_handle;
                let begins = fault == Fault::NoZone && !self.had_handle && !self.options.read_only;
                if begins && self.is_interactive() {
                    self.system.out("Use 'create' to begin configuring a new zone.\n");
                }
                return Ok(false);
            }
        };
        crate::alias::replace_memory_cap(&mut zone);
        let Ok(brand) = self.brand_of(&zone) else {
            self.complain(format_args!("Zone {name} is inconsistent: missing brand attribute"));
            return Err(Exit(EXIT_ERROR));
        };
        if !self.system.has_brand(&brand) {
            self.complain(format_args!(
                "Zone {name} uses non-existent brand \"{brand}\".  Unable to continue"
            ));
            return Err(Exit(EXIT_ERROR));
        }
        self.had_handle = true;
        self.handle = Some(Handle { zone, is_new: false, renamed_from: None });
        Ok(true)
    }

    /// The global zone needs no configuration until resources are limited in it.
    pub(super) fn initialize_global_zone(&mut self) -> Result<bool, Exit> {
        let template = "SUNWblank";
        match self.system.load(template) {
            Ok(mut zone) => {
                zone.set(crate::model::key::NAME, &self.zone);
                self.changed = true;
                self.had_handle = true;
                self.handle = Some(Handle { zone, is_new: true, renamed_from: None });
                Ok(true)
            }
            Err(fault) => {
                self.fault(template, fault);
                Ok(false)
            }
        }
    }

    pub(super) fn is_interactive(&self) -> bool {
        matches!(self.options.source, Source::Input | Source::FileFromInput)
    }

    pub(super) fn is_global_zone(&self) -> bool {
        self.options.zone == "global"
    }

    /// The zone's brand; that of the default template where it names none.
    pub(super) fn brand_of(&mut self, zone: &Zone) -> Result<String, Fault> {
        if let Some(brand) = zone.brand() {
            return Ok(brand.to_owned());
        }
        let template = self.system.load("SUNWdefault")?;
        Ok(template.brand().unwrap_or("native").to_owned())
    }

    /// The loaded configuration. Commands call this after [`Session::initialize`] only.
    pub(super) fn zone_mut(&mut self) -> &mut Zone {
        &mut self.handle.as_mut().expect("the zone was loaded before").zone
    }

    pub(super) fn zone_ref(&self) -> &Zone {
        &self.handle.as_ref().expect("the zone was loaded before").zone
    }

    /// The zone's state, running counted as installed.
    pub(super) fn state_of(&mut self, name: &str) -> Option<ZoneState> {
        self.system.index().get(name).map(|entry| entry.state)
    }

    pub(super) fn is_installed(&mut self) -> bool {
        let name = self.zone.clone();
        self.state_of(&name) == Some(ZoneState::Installed)
    }

    pub(super) fn saved_uuid(&mut self) -> Option<Uuid> {
        let name = self.zone.clone();
        self.system.index().get(&name).and_then(|entry| entry.uuid)
    }

    pub(super) fn is_read_only(&mut self, verb: Verb) -> bool {
        let zone = self.zone.clone();
        if zone.starts_with("SUNW") {
            self.error(format_args!("{zone}: zones beginning with SUNW are read-only."));
        } else if self.options.read_only {
            self.error(format_args!("{zone}: cannot {verb} in read-only mode."));
        } else {
            return false;
        }
        true
    }

    pub(super) fn warn_of_global_limits(&mut self, what: &str) {
        if self.is_global_zone() {
            self.complain(format_args!(
                "WARNING: Setting a global zone {what} too low could deny\nservice to even the root user; \
                 this could render the system impossible\nto administer.  Please use caution."
            ));
        }
    }
}
