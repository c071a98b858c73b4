//! Options of subcommands, with the messages of illumos's zfs for wrong ones.

use std::path::Path;

/// Options and arguments of a command line.
pub struct Parsed {
    pub options: Vec<(char, String)>,
    pub rest: Vec<String>,
}

/// What getopt stumbles over.
pub enum Trouble {
    Unknown(char),
    MissingArgument(char),
}

/// Splits `args` by a getopt specification (`Ho:rt:`).
pub fn getopt(args: &[String], spec: &str) -> Result<Parsed, Trouble> {
    let read = crate::getopt::getopt(args, spec);
    match read.unknown {
        // known, so it is the value that lacks
        Some(letter) if letter != ':' && spec.contains(letter) => {
            Err(Trouble::MissingArgument(letter))
        }
        Some(letter) => Err(Trouble::Unknown(letter)),
        None => Ok(Parsed {
            options: read
                .found
                .into_iter()
                .map(|(letter, value)| (letter, value.unwrap_or_default().to_owned()))
                .collect(),
            rest: read.operands.to_vec(),
        }),
    }
}

impl Trouble {
    /// The message that most subcommands print. Those whose specification does not begin with a colon on illumos say
    /// "invalid option" for a missing argument too.
    pub fn text(&self, tells_missing: bool) -> String {
        match self {
            Self::MissingArgument(c) if tells_missing => {
                format!("missing argument for '{c}' option")
            }
            Self::Unknown(c) | Self::MissingArgument(c) => format!("invalid option '{c}'"),
        }
    }
}

/// The letters of a subcommand, on OmniOS without `F`, which only SmartOS's zfs has for it.
pub fn of_system(root: &Path, letters: &str) -> String {
    if crate::ctx::is_omnios(root) { letters.replace('F', "") } else { letters.to_owned() }
}

/// [`getopt`] with the usual message.
pub fn options(args: &[String], spec: &str) -> Result<Parsed, super::Fail> {
    getopt(args, spec).map_err(|t| super::Fail::Usage(t.text(false)))
}

/// [`getopt`] for subcommands that tell a missing argument from an unknown option.
pub fn options_telling_missing(args: &[String], spec: &str) -> Result<Parsed, super::Fail> {
    getopt(args, spec).map_err(|t| super::Fail::Usage(t.text(true)))
}
