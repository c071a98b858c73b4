//! Options as getopt(3C) reads them: letters may be joined, and end at the first other argument.

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
    let mut options = Vec::new();
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if arg == "--" {
            at += 1;
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else { break };
        at += 1;
        for (i, c) in letters.char_indices() {
            let known = spec.find(c).filter(|_| c != ':').ok_or(Trouble::Unknown(c))?;
            if !spec[known + c.len_utf8()..].starts_with(':') {
                options.push((c, String::new()));
                continue;
            }
            let joined = &letters[i + c.len_utf8()..];
            if joined.is_empty() {
                let value = args.get(at).ok_or(Trouble::MissingArgument(c))?;
                at += 1;
                options.push((c, value.clone()));
            } else {
                options.push((c, joined.to_owned()));
            }
            break;
        }
    }
    Ok(Parsed { options, rest: args[at..].to_vec() })
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

/// [`getopt`] with the usual message.
pub fn options(args: &[String], spec: &str) -> Result<Parsed, super::Fail> {
    getopt(args, spec).map_err(|t| super::Fail::Usage(t.text(false)))
}

/// [`getopt`] for subcommands that tell a missing argument from an unknown option.
pub fn options_telling_missing(args: &[String], spec: &str) -> Result<Parsed, super::Fail> {
    getopt(args, spec).map_err(|t| super::Fail::Usage(t.text(true)))
}
