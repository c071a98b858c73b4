//! What imgadm can fail with: a code that scripts match on, a message, and an exit status.

use std::borrow::Cow;
use std::fmt;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure as the operator sees it: `imgadm CMD: error (Code): message`.
///
/// The codes and messages are SmartOS's (observed); a code from an image server is passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Cow<'static, str>,
    message: String,
    exit_status: u8,
    status_code: Option<u16>,
}

/// How the failure of a sort field without a name begins.
const NAMELESS_SORT_FIELD: &str = "zero-length sort field: ";

impl Error {
    /// A failure with this code and message and exit status 1.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), exit_status: 1, status_code: None }
    }

    /// The code, such as `ActiveImageNotFound`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message without the code.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What kind of failure it is in the words of the original's libraries, which `-E` and `-v` show: nearly all are
    /// its own kind.
    pub fn name(&self) -> &'static str {
        match self.code() {
            "Option" => "OptionError",
            "UnknownCommand" => "UnknownCommandError",
            "" if self.message.ends_with("is required")
                || self.message.starts_with(NAMELESS_SORT_FIELD) =>
            {
                "AssertionError"
            }
            "" => "Error",
            _ => "WError",
        }
    }

    /// What the program exits with.
    pub fn exit_status(&self) -> u8 {
        self.exit_status
    }

    /// The HTTP status of a server's answer, where the failure is one.
    pub fn status_code(&self) -> Option<u16> {
        self.status_code
    }

    fn exiting(mut self, status: u8) -> Self {
        self.exit_status = status;
        self
    }

    /// The same failure, marked as an HTTP answer with this status.
    #[must_use]
    pub fn with_status_code(mut self, status: u16) -> Self {
        self.status_code = Some(status);
        self
    }

    /// The same failure with `text` before its message, as in `SOURCE: message`.
    #[must_use]
    pub fn prefixed(mut self, text: &str) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// A failure of which all has been said: only the exit status is left.
    pub fn told() -> Self {
        Self::new("", "")
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalError", message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new("Usage", message)
    }

    /// An option that cannot be understood.
    pub fn option(message: impl Into<String>) -> Self {
        Self::new("Option", message)
    }

    pub fn unknown_command(command: &str) -> Self {
        Self::new("UnknownCommand", format!("unknown command: \"{command}\""))
    }

    /// The usual complaint about the number of arguments.
    pub fn wrong_arguments(arguments: &[String]) -> Self {
        Self::usage(format!(
            "incorrect number of args ({}): \"{}\"",
            arguments.len(),
            arguments.join(" ")
        ))
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new("ConfigError", message)
    }

    /// A field without a name among those to sort by. No code: this is how the message is known.
    pub fn nameless_sort_field(fields: &[String]) -> Self {
        Self::new("", format!("{NAMELESS_SORT_FIELD}{}", fields.join(",")))
    }

    pub fn no_sources() -> Self {
        Self::new("NoSources", "imgadm has no configured sources")
    }

    pub fn invalid_uuid(uuid: &str) -> Self {
        Self::new("InvalidUUID", format!("invalid uuid: \"{uuid}\""))
    }

    pub fn image_not_installed(pool: &str, uuid: &str) -> Self {
        Self::new(
            "ImageNotInstalled",
            format!("image \"{uuid}\" was not found on zpool \"{pool}\""),
        )
        .exiting(3)
    }

    pub fn origin_not_installed(pool: &str, uuid: &str) -> Self {
        Self::new(
            "OriginNotInstalled",
            format!("origin image \"{uuid}\" was not found on zpool \"{pool}\""),
        )
        .exiting(3)
    }

    /// A source has more images than can be shown at once.
    pub fn too_many_images() -> Self {
        Self::new("TooManyImages", "there are too many images to list: filters make them fewer")
    }

    pub fn image_not_found(uuid: &str) -> Self {
        Self::new("ImageNotFound", format!("image \"{uuid}\" was not found"))
    }

    pub fn active_image_not_found(arg: &str) -> Self {
        Self::new(
            "ActiveImageNotFound",
            format!("an active image \"{arg}\" was not found in image sources"),
        )
    }

    pub fn origin_not_found_in_source(origin: &str, source: &str) -> Self {
        Self::new(
            "OriginNotFoundInSource",
            format!("origin image \"{origin}\" does not exist in image source \"{source}\""),
        )
    }

    pub fn invalid_manifest(why: impl fmt::Display) -> Self {
        Self::new("InvalidManifest", format!("manifest is invalid: {why}"))
    }

    pub fn download(message: impl Into<String>) -> Self {
        Self::new("DownloadError", message)
    }

    pub fn upload(message: impl Into<String>) -> Self {
        Self::new("UploadError", message)
    }

    pub fn uncompression(message: impl Into<String>) -> Self {
        Self::new("UncompressionError", message)
    }

    pub fn not_supported(message: impl Into<String>) -> Self {
        Self::new("NotSupported", message)
    }

    pub fn file_system(message: impl Into<String>) -> Self {
        Self::new("FileSystem", message)
    }

    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new("Timeout", message)
    }

    /// The snapshots that a received dataset has, where exactly one is wanted. `names` start with `@`.
    pub fn unexpected_number_of_snapshots(uuid: &str, names: &[String]) -> Self {
        let list = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        Self::new(
            "UnexpectedNumberOfSnapshots",
            format!(
                "image \"{uuid}\" has an unexpected number of snapshots ({}){list}",
                names.len()
            ),
        )
    }

    pub fn has_dependent_clones(uuid: &str, clones: &[String]) -> Self {
        let first = clones.first().map_or("", String::as_str);
        let others = match clones.len() {
            0 | 1 => String::new(),
            n => format!(" and {} others...", n - 1),
        };
        Self::new(
            "ImageHasDependentClones",
            format!("image \"{uuid}\" has dependent clones: {first}{others}"),
        )
    }

    /// Several failures as one; a single failure stays itself.
    pub fn multiple(mut errors: Vec<Self>) -> Self {
        if errors.len() == 1
            && let Some(only) = errors.pop()
        {
            return only;
        }
        let mut message = format!("multiple ({}) errors", errors.len());
        for error in &errors {
            message.push_str(&format!("\n    error ({}): {}", error.code, error.message));
        }
        Self::new("MultiError", message)
    }

    /// A failed run of a tool, told at length: what was being done, the whole command line, status and stderr.
    pub fn tool(what: &str, error: gz::Error) -> Self {
        match error {
            gz::Error::Failed { command, status, stderr } => {
                let status = status.code().map_or_else(|| "null".into(), |code| code.to_string());
                Self::internal(format!(
                    "{what}:\n\tcommand: {}\n\texit status: {status}\n\tstdout:\n\n\tstderr:\n{stderr}",
                    full_path(&command)
                ))
            }
            other => Self::from(other),
        }
    }
}

/// The command with the tool's whole path, which is what an operator can paste.
fn full_path(command: &str) -> String {
    let directory = if command.starts_with("sysinfo") { "/usr/bin/" } else { "/usr/sbin/" };
    format!("{directory}{command}")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<gz::Error> for Error {
    fn from(error: gz::Error) -> Self {
        let code = match &error {
            gz::Error::Interrupted => return Self::new("Interrupted", "interrupted").exiting(130),
            gz::Error::Io { .. } => "FileSystem",
            _ => "InternalError",
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_are_listed_and_one_stays_itself() {
        let one = Error::download("a");
        assert_eq!(Error::multiple(vec![one.clone()]), one);
        let two = Error::multiple(vec![one, Error::download("b")]);
        assert_eq!(
            two.message(),
            "multiple (2) errors\n    error (DownloadError): a\n    error (DownloadError): b"
        );
        assert_eq!(two.code(), "MultiError");
    }

    /// Every kind of failure that SmartOS's imgadm has and this one too: code, exit status, message.
    #[test]
    fn codes_and_messages_are_the_known_ones() {
        let u = "1a000001-0000-4000-8000-000000000001";
        for (error, code, exit, message) in [
            (Error::internal("m"), "InternalError", 1, "m".to_owned()),
            (Error::no_sources(), "NoSources", 1, "imgadm has no configured sources".into()),
            (Error::invalid_uuid("x"), "InvalidUUID", 1, "invalid uuid: \"x\"".into()),
            (Error::invalid_manifest("w"), "InvalidManifest", 1, "manifest is invalid: w".into()),
            (Error::image_not_found(u), "ImageNotFound", 1, format!("image \"{u}\" was not found")),
            (
                Error::active_image_not_found(u),
                "ActiveImageNotFound",
                1,
                format!("an active image \"{u}\" was not found in image sources"),
            ),
            (
                Error::image_not_installed("zones", u),
                "ImageNotInstalled",
                3,
                format!("image \"{u}\" was not found on zpool \"zones\""),
            ),
            (
                Error::origin_not_installed("zones", u),
                "OriginNotInstalled",
                3,
                format!("origin image \"{u}\" was not found on zpool \"zones\""),
            ),
            (
                Error::origin_not_found_in_source(u, "http://h"),
                "OriginNotFoundInSource",
                1,
                format!("origin image \"{u}\" does not exist in image source \"http://h\""),
            ),
            (
                Error::unexpected_number_of_snapshots(u, &["@a".into(), "@b".into()]),
                "UnexpectedNumberOfSnapshots",
                1,
                format!("image \"{u}\" has an unexpected number of snapshots (2): @a, @b"),
            ),
            (
                Error::unexpected_number_of_snapshots(u, &[]),
                "UnexpectedNumberOfSnapshots",
                1,
                format!("image \"{u}\" has an unexpected number of snapshots (0)"),
            ),
            (Error::download("m"), "DownloadError", 1, "m".into()),
            (Error::upload("m"), "UploadError", 1, "m".into()),
            (Error::uncompression("m"), "UncompressionError", 1, "m".into()),
            (Error::not_supported("m"), "NotSupported", 1, "m".into()),
            (Error::file_system("m"), "FileSystem", 1, "m".into()),
            (Error::timeout("m"), "Timeout", 1, "m".into()),
            (Error::config("m"), "ConfigError", 1, "m".into()),
            (Error::usage("m"), "Usage", 1, "m".into()),
        ] {
            assert_eq!((error.code(), error.exit_status()), (code, exit));
            assert_eq!(error.message(), message);
            assert_eq!(error.name(), "WError");
        }
        let option = Error::option("unknown option: \"-x\"");
        assert_eq!((option.code(), option.name()), ("Option", "OptionError"));
        let command = Error::unknown_command("x");
        assert_eq!((command.code(), command.name()), ("UnknownCommand", "UnknownCommandError"));
        assert_eq!(Error::new("", "-m <manifest> (string) is required").name(), "AssertionError");
    }

    #[test]
    fn clones_beyond_the_first_are_counted() {
        let names = ["zones/a".to_owned(), "zones/b".to_owned(), "zones/c".to_owned()];
        assert_eq!(
            Error::has_dependent_clones("u", &names[..1]).message(),
            "image \"u\" has dependent clones: zones/a"
        );
        assert_eq!(
            Error::has_dependent_clones("u", &names).message(),
            "image \"u\" has dependent clones: zones/a and 2 others..."
        );
    }
}
