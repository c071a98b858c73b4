//! The zonecfg program: its command line.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use crate::exec::{EXIT_ERROR, Exit, Options, Outcome, Session, Source};
use crate::fault::Fault;
use crate::host::Host;
use crate::index::hyphenated;
use crate::json::{self, Beside};
use crate::lint;
use crate::store::Root;
use crate::system::System as _;
use crate::usage::{self, Topic};
use crate::values::is_zone_name;

/// Exit status for wrong usage.
const EXIT_USAGE: u8 = 2;
/// Exit status for an argument of `-u` that is no UUID (observed).
const EXIT_BAD_UUID: u8 = 50;

/// Runs the program; the first argument is its name. The result is the exit status.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    let mut arguments: Vec<String> =
        arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    if arguments.is_empty() {
        arguments.push("zonecfg".to_owned());
    }
    match Invocation::new(arguments).run() {
        Ok(status) | Err(Exit(status)) => status,
    }
}

/// The system's words for a failed file operation, without Rust's error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

struct Invocation {
    path: String,
    program: String,
    words: Vec<String>,
    root: Root,
}

/// The options before the command.
#[derive(Default)]
struct Given {
    zone: Option<String>,
    uuid: bool,
    file: Option<String>,
    alternate_root: bool,
}

impl Invocation {
    fn new(mut arguments: Vec<String>) -> Self {
        let path = arguments.remove(0);
        let program = path.trim_end_matches('/').rsplit('/').next().unwrap_or("zonecfg").to_owned();
        Self { path, program, words: arguments, root: Root::from_environment() }
    }

    fn complain(&self, text: &str) {
        Host::new(self.root.clone()).err(text);
    }

    fn usage_error(&self, topics: &[Topic]) -> Exit {
        self.complain(&usage::text(topics, false, &self.program));
        Exit(EXIT_USAGE)
    }

    fn run(mut self) -> Result<u8, Exit> {
        match self.words.first().map(String::as_str) {
            None => return Err(self.usage_error(&[Topic::Invocation, Topic::Commands])),
            Some("help") => {
                self.execute(&Given::default(), &self.words.join(" "))?;
                return Ok(0);
            }
            Some("lint") => return self.lint(&self.words[1..]),
            _ => {}
        }
        let (given, taken) = self.options()?;
        let commands = self.words.split_off(taken);
        if given.zone.is_none() {
            return Err(self.usage_error(&[Topic::Invocation]));
        }
        if commands.is_empty() {
            match &given.file {
                Some(file) if file != "-" => self.execute_file(&given, file),
                _ => self.execute_input(&given),
            }
        } else {
            let words: Vec<&str> = commands.iter().map(String::as_str).collect();
            match words.as_slice() {
                [what @ ("info" | "export"), "--json"] => self.show_json(&given, what),
                ["apply", file] => self.apply(&given, file),
                ["apply", ..] => {
                    let program = &self.program;
                    self.complain(&format!("usage:\t{program} -z <zone> apply <file.json>\n"));
                    Err(Exit(EXIT_USAGE))
                }
                _ => self.execute(&given, &commands.join(" ")),
            }
        }
    }

    /// Reads the options; also how many words they took.
    fn options(&mut self) -> Result<(Given, usize), Exit> {
        let mut given = Given::default();
        let mut at = 0;
        let mut named_zone = false;
        while let Some(word) = self.words.get(at).cloned() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                break;
            };
            at += 1;
            if letters == "-" {
                break;
            }
            let letter = letters.chars().next().unwrap_or_default();
            let rest = &letters[letter.len_utf8()..];
            if letter == '?' {
                let text = usage::text(&[Topic::Invocation, Topic::Commands], true, &self.program);
                Host::new(self.root.clone()).out(&text);
                return Err(Exit(EXIT_USAGE));
            }
            if !"fRzu".contains(letter) {
                self.complain(&format!("{}: illegal option -- {letter}\n", self.path));
                return Err(self.usage_error(&[Topic::Invocation]));
            }
            let argument = if rest.is_empty() {
                at += 1;
                self.words.get(at - 1).cloned()
            } else {
                Some(rest.to_owned())
            };
            let Some(argument) = argument else {
                self.complain(&format!("{}: option requires an argument -- {letter}\n", self.path));
                return Err(self.usage_error(&[Topic::Invocation]));
            };
            match letter {
                'f' => given.file = Some(argument),
                'R' => {
                    self.root = self.alternate_root(&argument)?;
                    given.alternate_root = true;
                }
                'u' => {
                    given.zone = Some(self.zone_of_uuid(&argument)?);
                    given.uuid = true;
                }
                _ => {
                    if argument != "global" && !is_zone_name(&argument) {
                        return Err(self.bogus_name(&argument));
                    }
                    given.zone = Some(argument);
                    named_zone = true;
                }
            }
        }
        if named_zone && given.uuid {
            return Err(self.usage_error(&[Topic::Invocation]));
        }
        Ok((given, at))
    }

    fn bogus_name(&self, name: &str) -> Exit {
        self.complain(&format!("{name}: {}\n", Fault::BogusZoneName));
        self.usage_error(&[Topic::Syntax])
    }

    fn alternate_root(&self, path: &str) -> Result<Root, Exit> {
        if !path.starts_with('/') {
            self.complain(&format!("root path must be absolute: {path}\n"));
            return Err(Exit(EXIT_USAGE));
        }
        if !Path::new(path).is_dir() {
            self.complain(&format!("root path must be a directory: {path}\n"));
            return Err(Exit(EXIT_USAGE));
        }
        Ok(Root::open(path))
    }

    fn zone_of_uuid(&self, text: &str) -> Result<String, Exit> {
        let Some(uuid) = hyphenated(text) else { return Err(Exit(EXIT_BAD_UUID)) };
        let entry = Host::new(self.root.clone()).index().by_uuid(&uuid);
        entry.map(|entry| entry.name).ok_or_else(|| self.bogus_name(text))
    }

    fn session_options(&self, given: &Given, source: Source) -> Result<Options, Exit> {
        let zone = given.zone.clone().unwrap_or_default();
        let read_only = !self.is_writable(&zone)?;
        if read_only && source != Source::Arguments {
            self.complain(
                "WARNING: you do not have write access to this zone's configuration file;\n\
                 going into read-only mode.\n",
            );
        }
        Ok(Options {
            program: self.program.clone(),
            zone,
            source,
            read_only,
            alternate_root: given.alternate_root,
        })
    }

    /// Whether the zone's document, or the directory for it, can be written.
    fn is_writable(&self, zone: &str) -> Result<bool, Exit> {
        use rustix::fs::{Access, access};
        use rustix::io::Errno;
        let file = access(self.root.zone_file(zone), Access::WRITE_OK);
        let result = match file {
            Err(Errno::NOENT) => access(self.root.config_dir(), Access::WRITE_OK),
            other => other,
        };
        match result {
            Ok(()) => Ok(true),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(false),
            Err(_) => {
                self.complain(&format!(
                    "{}: Could not access zone configuration store: {}\n",
                    self.program,
                    Fault::FileSystem
                ));
                Err(Exit(EXIT_ERROR))
            }
        }
    }

    /// Runs commands from the command line.
    fn execute(&self, given: &Given, text: &str) -> Result<u8, Exit> {
        let mut host = Host::new(self.root.clone());
        let options = if given.zone.is_some() {
            self.session_options(given, Source::Arguments)?
        } else {
            // Only help works without a zone.
            Options {
                program: self.program.clone(),
                zone: String::new(),
                source: Source::Arguments,
                read_only: false,
                alternate_root: false,
            }
        };
        let mut session = Session::new(&mut host, options);
        session.run(&format!("{text}\n"))?;
        status(session.finish()?)
    }

    fn execute_file(&self, given: &Given, file: &str) -> Result<u8, Exit> {
        let options = self.session_options(given, Source::File(file.to_owned()))?;
        let metadata = std::fs::metadata(file);
        if metadata.is_ok_and(|metadata| !metadata.is_file()) {
            self.complain(&format!("{file} is not a regular file.\n"));
            return Err(Exit(EXIT_ERROR));
        }
        let text = std::fs::read(file).map_err(|error| {
            self.complain(&format!("could not open file {file}: {}\n", reason(&error)));
            Exit(EXIT_ERROR)
        })?;
        let mut host = Host::new(self.root.clone());
        let mut session = Session::new(&mut host, options);
        session.run(&self.text(text)?)?;
        status(session.finish()?)
    }

    fn execute_input(&self, given: &Given) -> Result<u8, Exit> {
        let source = if given.file.is_some() { Source::FileFromInput } else { Source::Input };
        let options = self.session_options(given, source.clone())?;
        let mut host = Host::new(self.root.clone());
        let mut session = Session::new(&mut host, options);
        if source == Source::Input {
            session.begin()?;
        }
        if io::stdin().is_terminal() {
            return crate::interactive::run(&mut session, &self.program);
        }
        let mut text = Vec::new();
        if let Err(error) = io::stdin().lock().read_to_end(&mut text) {
            self.complain(&format!("{}: {}\n", self.program, reason(&error)));
            return Err(Exit(EXIT_ERROR));
        }
        session.run(&self.text(text)?)?;
        status(session.finish()?)
    }

    /// `lint FILE…`: what is wrong, one line each; exit status 1 where anything is.
    fn lint(&self, files: &[String]) -> Result<u8, Exit> {
        if files.is_empty() {
            self.complain(&format!("usage:\t{} lint <file>...\n", self.program));
            return Err(Exit(EXIT_USAGE));
        }
        let mut clean = true;
        for file in files {
            let text = match std::fs::read(file) {
                Ok(bytes) => self.text(bytes)?,
                Err(error) => {
                    self.complain(&format!("could not open file {file}: {}\n", reason(&error)));
                    clean = false;
                    continue;
                }
            };
            for finding in lint::check(&text) {
                Host::new(self.root.clone()).out(&format!("{file}:{finding}\n"));
                clean = false;
            }
        }
        Ok(if clean { 0 } else { EXIT_ERROR })
    }

    /// `info --json` and `export --json`
    fn show_json(&self, given: &Given, what: &str) -> Result<u8, Exit> {
        let name = given.zone.clone().unwrap_or_default();
        let mut host = Host::new(self.root.clone());
        let mut zone = host.load(&name).map_err(|fault| self.failed(&name, fault))?;
        crate::alias::replace_memory_cap(&mut zone);
        let default =
            host.load("SUNWdefault").ok().and_then(|zone| zone.brand().map(str::to_owned));
        let uuid = host.index().get(&name).and_then(|entry| entry.uuid);
        let beside =
            Beside { brand: zone.brand().or(default.as_deref()).unwrap_or_default(), uuid };
        let value =
            if what == "info" { json::info(&zone, beside) } else { json::export(&zone, beside) };
        host.out(&format!("{value:#}\n"));
        Ok(0)
    }

    fn failed(&self, what: &str, fault: Fault) -> Exit {
        self.complain(&format!("{what}: {fault}\n"));
        Exit(EXIT_ERROR)
    }

    /// `apply FILE.json`: makes the zone's configuration what the file says, or changes nothing.
    fn apply(&self, given: &Given, file: &str) -> Result<u8, Exit> {
        let refused = |message: &str| {
            self.complain(&format!("{file}: {message}\n"));
            Exit(EXIT_ERROR)
        };
        let bytes = std::fs::read(file).map_err(|error| refused(&reason(&error)))?;
        let value = manifest::json::parse(&bytes, file).map_err(|error| {
            self.complain(&format!("{error}\n"));
            Exit(EXIT_ERROR)
        })?;
        let name = given.zone.clone().unwrap_or_default();
        if value.get("zonename").is_some_and(|other| other.as_str() != Some(&name)) {
            return Err(refused(&format!("zonename: this is not the configuration of {name}")));
        }
        let mut host = Host::new(self.root.clone());
        let now = match host.load(&name) {
            Ok(mut zone) => {
                crate::alias::replace_memory_cap(&mut zone);
                Some(zone)
            }
            Err(Fault::NoZone) => None,
            Err(fault) => return Err(self.failed(&name, fault)),
        };
        let saved_uuid = host.index().get(&name).and_then(|entry| entry.uuid);
        let commands = json::commands(&value, now.as_ref(), saved_uuid)
            .map_err(|error| refused(&error.to_string()))?;
        let mut session = Session::new(&mut host, self.session_options(given, Source::Arguments)?);
        for command in &commands {
            let (over, _) = session.carry_out(command);
            if over || session.has_failed() {
                return Err(refused("not applied; nothing has changed"));
            }
        }
        let same =
            now.is_some() && session.configuration() == now.as_ref() && !session.has_new_uuid();
        if same { Ok(0) } else { status(session.finish()?) }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, Exit> {
        String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
            self.complain(&format!("{}: line {line} is not UTF-8\n", self.program));
            Exit(EXIT_ERROR)
        })
    }
}

fn status(outcome: Outcome) -> Result<u8, Exit> {
    match outcome {
        Outcome::Done(status) => Ok(status),
        // Nobody is there to go on.
        Outcome::Again => Ok(EXIT_ERROR),
    }
}
