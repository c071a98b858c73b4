//! The commands, one file each.

mod ancestry;
mod avail;
mod create;
mod delete;
mod get;
mod import;
mod install;
mod latest;
mod list;
mod mirror;
mod publish;
mod serve;
mod show;
mod sources;
mod update;
mod vacuum;
mod verify;

use gz::Root;

use crate::app::App;
use crate::cli::options::{Given, Row, flag, value};
use crate::errors::{Error, Result};
use crate::store;

/// One command of the program.
pub struct Command {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub options: &'static [Row],
    /// The help text; `{{options}}` is where the option table goes.
    pub help: &'static str,
    pub run: Run,
}

/// What a command works with.
#[derive(Clone, Copy)]
pub enum Run {
    WithApp(fn(&App, &Given) -> Result<()>),
    /// Works without the configuration of this system.
    Bare(fn(&Given) -> Result<()>),
}

/// Every command.
pub const ALL: &[Command] = &[
    sources::COMMAND,
    avail::COMMAND,
    show::COMMAND,
    import::COMMAND,
    install::COMMAND,
    list::COMMAND,
    get::COMMAND,
    update::COMMAND,
    delete::COMMAND,
    ancestry::COMMAND,
    vacuum::COMMAND,
    create::COMMAND,
    publish::COMMAND,
    serve::COMMAND,
    mirror::COMMAND,
    latest::COMMAND,
    verify::COMMAND,
];

/// The command of a name or alias.
pub fn find(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|command| command.name == name || command.aliases.contains(&name))
}

const HELP: Row = flag(&["help", "h"], "Show this help.");
const JSON: Row = flag(&["json", "j"], "JSON output.");
const NO_HEADER: Row = flag(&["H"], "Do not print table header row.");
const POOL: Row =
    value(&["P"], "<pool>", "Name of zpool in which to look for the image. Default is \"zones\".");
const MANIFEST: Row =
    value(&["m"], "<manifest>", "Required. The file that holds the image's manifest.");
const IMAGE_FILE: Row = value(&["f"], "<file>", "Required. The image file.");
const QUIET: Row = flag(&["quiet", "q"], "Disable progress bar.");
const COLUMNS: Row = value(
    &["o"],
    "FIELD,...",
    "Specify fields (columns) to output. Default is \"uuid,name,version,os,type,pub\".",
);
const SORT: Row =
    value(&["s"], "FIELD,...", "Sort on the given fields. Default is \"published_at,name\".");

/// The columns and the order of `list` and `avail`.
const DEFAULT_COLUMNS: &str = "uuid,name,version,os,type,pub";
const DEFAULT_SORT: &str = "published_at,name";

/// The one argument of a command that takes one.
fn only_argument(given: &Given) -> Result<&str> {
    match given.arguments.as_slice() {
        [only] => Ok(only),
        other => Err(Error::wrong_arguments(other)),
    }
}

/// The installed image that a command is about: the pool and the UUID.
fn pool_and_uuid<'a>(root: &Root, given: &'a Given) -> Result<(String, &'a str)> {
    let uuid = only_argument(given)?;
    store::check_uuid(uuid)?;
    Ok((pool(root, given)?, uuid))
}

/// The argument of an option that a command cannot do without.
fn required<'a>(given: &'a Given, option: &str, argument: &str) -> Result<&'a str> {
    // No code: this is how the message is known.
    let missing = || Error::new("", format!("-{option} {argument} (string) is required"));
    given.get(option).ok_or_else(missing)
}

/// The manifest in the file of [`MANIFEST`], and the path that [`IMAGE_FILE`] names; both files have to be there.
fn manifest_and_file(given: &Given) -> Result<(serde_json::Value, &std::path::Path)> {
    let manifest = required(given, "m", "<manifest>")?;
    let file = std::path::Path::new(required(given, "f", "<file>")?);
    if !std::path::Path::new(manifest).exists() {
        return Err(Error::usage(format!("manifest path does not exist: \"{manifest}\"")));
    }
    if !file.exists() {
        return Err(Error::usage(format!("file path does not exist: \"{}\"", file.display())));
    }
    let text = std::fs::read(manifest)
        .map_err(|e| Error::file_system(format!("cannot read {manifest}: {e}")))?;
    let manifest = serde_json::from_slice(&text).map_err(Error::invalid_manifest)?;
    Ok((manifest, file))
}

/// Takes interrupts as requests to stop in good order, for commands that change something.
fn handle_interrupts() -> Result<()> {
    gz::interrupt::handle().map_err(|e| Error::internal(format!("cannot take signals: {e}")))
}

/// The pool of `-P`, else the one of this system's VMs.
fn pool(root: &Root, given: &Given) -> Result<String> {
    let pool = match given.get("P") {
        Some(pool) => pool.to_owned(),
        None => store::default_pool(root)?,
    };
    store::check_pool(&pool)?;
    Ok(pool)
}
