//! Options as SmartOS's imgadm takes them: short ones in groups, long ones with `=` or a word after, options and
//! arguments in any order, and the messages that scripts know.

use crate::errors::{Error, Result};

/// One option of a command.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Every name, without dashes: one letter is `-x`, more is `--xyz`.
    pub names: &'static [&'static str],
    /// What its argument is called in the help; `None` for a flag.
    pub argument: Option<&'static str>,
    /// What the help says; a full sentence.
    pub help: &'static str,
}

/// A row of a command's option table.
#[derive(Debug, Clone, Copy)]
pub enum Row {
    Opt(Opt),
    /// An option that the help leaves out.
    Hidden(Opt),
    /// A blank line in the help.
    Gap,
}

/// A flag.
pub const fn flag(names: &'static [&'static str], help: &'static str) -> Row {
    Row::Opt(Opt { names, argument: None, help })
}

/// An option that takes an argument.
pub const fn value(
    names: &'static [&'static str],
    argument: &'static str,
    help: &'static str,
) -> Row {
    Row::Opt(Opt { names, argument: Some(argument), help })
}

/// What was given on the command line.
#[derive(Debug, Default, Clone)]
pub struct Given {
    options: Vec<(&'static str, Option<String>)>,
    /// What is not an option, in order.
    pub arguments: Vec<String>,
}

impl Given {
    /// Whether the option was given. `name` is the first of its names.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(key, _)| *key == name)
    }

    /// The last argument given to the option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| *key == name)?.1.as_deref()
    }

    /// Every argument given to the option, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.options
            .iter()
            .filter(|(key, _)| *key == name)
            .filter_map(|(_, v)| v.as_deref())
            .collect()
    }
}

fn find(rows: &[Row], name: &str) -> Option<Opt> {
    rows.iter().find_map(|row| match row {
        Row::Opt(opt) | Row::Hidden(opt) if opt.names.contains(&name) => Some(*opt),
        _ => None,
    })
}

/// Parses `words`. With `interspersed`, options may follow arguments; without, the first argument ends them.
pub fn parse(rows: &[Row], words: &[String], interspersed: bool) -> Result<Given> {
    let mut given = Given::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            parse_long(rows, word, long, &mut words, &mut given)?;
        } else if word.len() > 1 && word.starts_with('-') {
            parse_short(rows, word, &mut words, &mut given)?;
        } else {
            given.arguments.push(word.clone());
            if !interspersed {
                break;
            }
        }
    }
    given.arguments.extend(words.cloned());
    Ok(given)
}

fn parse_long<'a>(
    rows: &[Row],
    word: &str,
    long: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    given: &mut Given,
) -> Result<()> {
    let (name, attached) = match long.split_once('=') {
        Some((name, text)) => (name, Some(text.to_owned())),
        None => (long, None),
    };
    let Some(opt) = find(rows, name) else {
        return Err(Error::option(format!("unknown option: \"--{name}\"")));
    };
    let argument = match (opt.argument, attached) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Error::option(format!(
                "argument given to \"--{name}\" option that does not take one: \"{word}\""
            )));
        }
        (Some(_), Some(text)) => Some(text),
        (Some(_), None) => Some(next_word(rest, &format!("--{name}"))?),
    };
    given.options.push((opt.names[0], argument));
    Ok(())
}

fn parse_short<'a>(
    rows: &[Row],
    word: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    given: &mut Given,
) -> Result<()> {
    let letters = &word[1..];
    // The whole group is looked at first, so that an unknown letter refuses it before anything is taken.
    let mut found = Vec::new();
    for (at, letter) in letters.char_indices() {
        let Some(opt) = find(rows, letter.encode_utf8(&mut [0; 4])) else {
            return Err(Error::option(if letters.chars().count() > 1 {
                format!("unknown option: \"-{letter}\" in \"{word}\" group")
            } else {
                format!("unknown option: \"-{letter}\"")
            }));
        };
        found.push((opt, letter, at + letter.len_utf8()));
        if opt.argument.is_some() {
            break;
        }
    }
    for (opt, letter, end) in found {
        let argument = match opt.argument {
            None => None,
            Some(_) if end < letters.len() => Some(letters[end..].to_owned()),
            Some(_) => Some(next_word(rest, &format!("-{letter}"))?),
        };
        given.options.push((opt.names[0], argument));
    }
    Ok(())
}

fn next_word<'a>(rest: &mut impl Iterator<Item = &'a String>, option: &str) -> Result<String> {
    rest.next()
        .cloned()
        .ok_or_else(|| Error::option(format!("do not have enough args for \"{option}\" option")))
}

/// The width of a help text.
const WIDTH: usize = 80;
const INDENT: &str = "    ";

/// The option table as help text, each line ended; the texts start at a common column of at least `least`.
pub fn help(rows: &[Row], least: usize) -> String {
    let shown: Vec<Option<(String, &str)>> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Opt(opt) => Some(Some((usage(opt), opt.help))),
            Row::Hidden(_) => None,
            Row::Gap => Some(None),
        })
        .collect();
    let widest = shown.iter().flatten().map(|(usage, _)| usage.len()).max().unwrap_or(0);
    let column = (widest + INDENT.len() + 2).clamp(least, least.max(40));
    let mut text = String::new();
    for row in &shown {
        if let Some((usage, help)) = row {
            let mut line = format!("{INDENT}{usage}");
            if line.len() <= column {
                line.push_str(&" ".repeat(column - line.len()));
            } else {
                line.push('\n');
                line.push_str(&" ".repeat(column));
            }
            let separator = format!("\n{}", " ".repeat(column));
            text.push_str(&line);
            text.push_str(&wrap(help, WIDTH - column).join(&separator));
        }
        text.push('\n');
    }
    text
}

fn usage(opt: &Opt) -> String {
    let mut names = opt.names.to_vec();
    names.sort_by_key(|name| name.len());
    let shown: Vec<String> = names
        .iter()
        .map(|name| match (name.len(), opt.argument) {
            (1, None) => format!("-{name}"),
            (1, Some(argument)) => format!("-{name} {argument}"),
            (_, None) => format!("--{name}"),
            (_, Some(argument)) => format!("--{name}={argument}"),
        })
        .collect();
    shown.join(", ")
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &[Row] = &[
        flag(&["help", "h"], "Show this help."),
        flag(&["verbose", "v"], "Verbose."),
        Row::Gap,
        value(&["pool", "P"], "<pool>", "Name of a pool."),
    ];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn takes_groups_attached_arguments_and_any_order() {
        let given = parse(ROWS, &words("a -vP tank b --pool=zones -- -v"), true).unwrap();
        assert_eq!(given.arguments, ["a", "b", "-v"]);
        assert!(given.has("verbose") && !given.has("help"));
        assert_eq!(given.get("pool"), Some("zones"));
        assert_eq!(given.all("pool"), ["tank", "zones"]);
        assert_eq!(parse(ROWS, &words("-Ptank"), true).unwrap().get("pool"), Some("tank"));
        let first = parse(ROWS, &words("-v list -P x"), false).unwrap();
        assert_eq!(first.arguments, ["list", "-P", "x"]);
    }

    #[test]
    fn refuses_with_the_known_messages() {
        for (line, message) in [
            ("--bogus", "unknown option: \"--bogus\""),
            ("-p", "unknown option: \"-p\""),
            ("-vx", "unknown option: \"-x\" in \"-vx\" group"),
            ("-P", "do not have enough args for \"-P\" option"),
            ("--pool", "do not have enough args for \"--pool\" option"),
            (
                "--help=1",
                "argument given to \"--help\" option that does not take one: \"--help=1\"",
            ),
        ] {
            let error = parse(ROWS, &words(line), true).unwrap_err();
            assert_eq!((error.code(), error.message()), ("Option", message));
        }
    }

    #[test]
    fn help_lines_up() {
        assert_eq!(
            help(ROWS, 20),
            "    -h, --help                Show this help.\n    \
             -v, --verbose             Verbose.\n\n    \
             -P <pool>, --pool=<pool>  Name of a pool.\n"
        );
    }
}
