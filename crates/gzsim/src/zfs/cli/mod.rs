//! The program `zfs`: its subcommands, options, output and exit codes (illumos's zfs_main.c).

mod change;
mod columns;
mod create;
mod destroy;
mod getopt;
mod list;
mod mounts;
mod show;
mod streams;
mod usage;

use std::io::{self, Write};
use std::path::Path;

use super::{Error, Zfs};

/// Why a subcommand ends early.
pub enum Fail {
    /// Wrong usage: the reason, then the usage text, exit 2.
    Usage(String),
    /// A message (as it stands) and an exit code.
    Exit(String, i32),
    /// The operation was refused.
    Refused(Error),
}

impl From<Error> for Fail {
    fn from(e: Error) -> Self {
        Self::Refused(e)
    }
}

impl From<io::Error> for Fail {
    fn from(e: io::Error) -> Self {
        Self::Refused(e.into())
    }
}

/// The exit code of a subcommand that got to its end.
pub type Outcome = Result<i32, Fail>;

/// Runs `zfs ARGS` (without the program's name) on the pools below `root`; returns the exit code.
pub fn zfs_main(root: &Path, args: &[String]) -> i32 {
    let Some(typed) = args.first() else {
        eprintln!("missing command");
        eprint!("{}", usage::all());
        return 2;
    };
    let command = match typed.as_str() {
        "umount" => "unmount",
        "recv" => "receive",
        "snap" => "snapshot",
        "-?" => {
            print!("{}", usage::all());
            return 0;
        }
        other => other,
    };
    let rest = &args[1..];
    let outcome = match command {
        "create" => create::create(root, rest),
        "destroy" => destroy::destroy(root, rest),
        "snapshot" => change::snapshot(root, rest),
        "rollback" => change::rollback(root, rest),
        "clone" => create::clone(root, rest),
        "promote" => change::promote(root, rest),
        "rename" => change::rename(root, rest),
        "bookmark" => change::bookmark(root, rest),
        "list" => list::list(root, rest),
        "set" => change::set(root, rest),
        "get" => show::get(root, rest),
        "inherit" => change::inherit(root, rest),
        "mount" => mounts::mount(root, rest),
        "unmount" => mounts::unmount(root, rest),
        "share" | "unshare" => Ok(0),
        "send" => streams::send(root, rest),
        "receive" => streams::receive(root, rest),
        "hold" => change::hold(root, rest, true),
        "release" => change::hold(root, rest, false),
        "holds" => show::holds(root, rest),
        "upgrade" => {
            println!("This system is currently running ZFS filesystem version 5.\n");
            println!("All filesystems are formatted with the current version.");
            Ok(0)
        }
        other => {
            eprintln!("unrecognized command '{other}'");
            eprint!("{}", usage::all());
            return 2;
        }
    };
    report(command, outcome)
}

fn report(command: &str, outcome: Outcome) -> i32 {
    match outcome {
        Ok(code) => code,
        Err(Fail::Usage(why)) => {
            if !why.is_empty() {
                eprintln!("{why}");
            }
            eprint!("{}", usage::of(command));
            2
        }
        Err(Fail::Exit(text, code)) => {
            if !text.is_empty() {
                eprintln!("{text}");
            }
            code
        }
        Err(Fail::Refused(e)) => {
            eprintln!("{e}");
            e.exit()
        }
    }
}

fn usage_error<T>(why: impl Into<String>) -> Result<T, Fail> {
    Err(Fail::Usage(why.into()))
}

/// Prints a whole answer at once. A reader that has gone away is not our failure.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Reads `property=value` after `-o` into a list; each property once.
fn parse_property(props: &mut Vec<(String, String)>, text: &str) -> Result<(), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| "missing '=' for property=value argument".to_owned())?;
    if props.iter().any(|(n, _)| n == name) {
        return Err(format!("property '{name}' specified multiple times"));
    }
    props.push((name.to_owned(), value.to_owned()));
    Ok(())
}

/// Opens the pools for changing, does one thing and commits it.
fn change_one(root: &Path, action: impl FnOnce(&mut Zfs) -> super::Result<()>) -> Outcome {
    let mut zfs = Zfs::open(root)?;
    action(&mut zfs)?;
    zfs.commit()?;
    Ok(0)
}
