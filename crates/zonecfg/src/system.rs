//! What a zonecfg session needs of the system that it works on.

use uuid::Uuid;

use crate::fault::Fault;
use crate::index::Index;
use crate::model::Zone;

/// How a configuration is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Save {
    /// A new one, or one that replaces another whole.
    New,
    /// A change of an existing one.
    Existing,
    /// A change under a new name; the old name.
    Renamed(String),
}

/// The system of a session: the zones below a root directory, or none at all when a script is only checked.
pub trait System {
    /// Writes to the standard output.
    fn out(&mut self, text: &str);
    /// Writes to the standard error output.
    fn err(&mut self, text: &str);
    /// Takes what went to the standard error output since the last call, if it is kept, on one line.
    fn take_complaints(&mut self) -> Option<String> {
        None
    }
    /// Asks a yes-or-no question. `None` where there is nobody to ask.
    fn ask(&mut self, question: &str, default: bool) -> Option<bool>;
    /// The saved configuration or template of that name.
    ///
    /// # Errors
    /// [`Fault::NoZone`], [`Fault::InvalidDocument`], or another reason why it cannot be read.
    fn load(&mut self, name: &str) -> Result<Zone, Fault>;
    /// The configuration of a detached zone, by its zone path.
    ///
    /// # Errors
    /// As [`System::load`].
    fn load_detached(&mut self, path: &str) -> Result<Zone, Fault>;
    /// The index.
    fn index(&mut self) -> Index;
    /// Whether the zone is more than installed: ready, running, shutting down.
    fn is_active(&mut self, name: &str) -> bool;
    /// Saves a configuration and its entry in the index; `brand` is the zone's, or the default one. Without
    /// a UUID the one in the index stays.
    ///
    /// # Errors
    /// Why it cannot be saved; then nothing has changed.
    fn save(
        &mut self,
        zone: &Zone,
        brand: &str,
        how: &Save,
        uuid: Option<Uuid>,
    ) -> Result<(), Fault>;
    /// Removes a configuration and its entry in the index.
    ///
    /// # Errors
    /// Why it cannot be removed.
    fn destroy(&mut self, name: &str, force: bool) -> Result<(), Fault>;
    /// A debug ID that no zone had before.
    fn next_debugid(&mut self) -> Option<u32>;
    /// A fresh UUID.
    fn new_uuid(&mut self) -> Uuid;
    /// Whether the brand is installed.
    fn has_brand(&mut self, brand: &str) -> bool;
    /// Whether zones of the brand may have an IP stack of their own.
    fn allows_exclusive_ip(&mut self, brand: &str) -> bool;
    /// Runs the brand's own check.
    ///
    /// # Errors
    /// [`Fault::BrandError`] where it refuses.
    fn verify_brand(&mut self, zone: &Zone, brand: &str) -> Result<(), Fault>;
    /// Whether there is a user or role of that name.
    fn is_user(&mut self, name: &str) -> bool;
    /// Whether `solaris.zone.RIGHT` is an authorization.
    fn is_authorization(&mut self, right: &str) -> bool;
    /// Writes a file that the user named.
    ///
    /// # Errors
    /// The system's words.
    fn write_file(&mut self, path: &str, text: &str) -> Result<(), String>;
}
