//! Options as SmartOS's vmadm reads them.
//!
//! Its rules are loose and scripts rely on that: an option may stand anywhere, be shortened as long as it is unique,
//! carry its value after `=` or as the next argument, and be negated with `no-`. Single letters may stand together. An
//! unknown option takes the next argument as its value and is otherwise ignored (observed: `list --bogus`).

use std::collections::VecDeque;

use manifest::js::parse_number;

/// What kind of value an option has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stands alone; may be followed by `true` or `false`.
    Flag,
    Text,
    /// A number; anything else is as if the option had not been given.
    Number,
}

/// The options of a command. `-v` (`--verbose`) and `-d` (`--debug`) are every command's.
#[derive(Debug, Clone, Copy)]
pub struct Syntax {
    /// Long names and kinds.
    pub types: &'static [(&'static str, Kind)],
    /// Short forms and the arguments each stands for.
    pub shorts: &'static [(&'static str, &'static [&'static str])],
}

impl Syntax {
    /// No option of its own.
    pub const NONE: Self = Self { types: &[], shorts: &[] };

    const COMMON: Self = Self {
        types: &[("verbose", Kind::Flag), ("debug", Kind::Flag)],
        shorts: &[("v", &["--verbose", "true"]), ("d", &["--debug", "true"])],
    };

    fn types(&self) -> impl Iterator<Item = (&'static str, Kind)> + Clone {
        Self::COMMON.types.iter().chain(self.types).copied()
    }

    fn shorts(&self) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        Self::COMMON.shorts.iter().chain(self.shorts).copied()
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.types().find(|(long, _)| *long == name).map(|(_, kind)| kind)
    }

    /// The long name that `name` is or shortens; `None` where it fits none or more than one.
    fn long(&self, name: &str) -> Option<&'static str> {
        unique(self.types().map(|(long, _)| long), name)
    }

    /// What the short form `arg` (with its dashes) stands for.
    fn expand(&self, arg: &str) -> Option<Vec<String>> {
        let name = arg.trim_start_matches('-');
        let exact = |name: &str| self.shorts().find(|(short, _)| *short == name);
        if self.long(name).is_some() && exact(name).is_none() {
            return None;
        }
        let strings = |args: &[&str]| args.iter().map(|&a| a.to_owned()).collect::<Vec<_>>();
        if let Some((_, args)) = exact(name) {
            return Some(strings(args));
        }
        let mut together = Vec::new();
        for letter in name.chars() {
            let (_, args) = exact(letter.encode_utf8(&mut [0; 4]))?;
            together.extend(strings(args));
        }
        Some(together)
    }
}

fn unique<'a>(mut names: impl Iterator<Item = &'a str> + Clone, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return None;
    }
    if let Some(exact) = names.clone().find(|name| *name == prefix) {
        return Some(exact);
    }
    let first = names.find(|name| name.starts_with(prefix))?;
    names.all(|name| !name.starts_with(prefix)).then_some(first)
}

/// The value an option was given.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Flag(bool),
    Text(String),
}

/// The options of one call: the last value of each, in the order of first mention.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    given: Vec<(String, Value)>,
}

impl Options {
    /// Splits arguments into options and operands. `--` ends the options.
    pub fn parse(syntax: &Syntax, arguments: Vec<String>) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut operands = Vec::new();
        let mut left: VecDeque<String> = arguments.into();
        while let Some(arg) = left.pop_front() {
            if is_end(&arg) {
                operands.extend(left);
                break;
            }
            if arg.starts_with('-') {
                options.read(syntax, arg, &mut left);
            } else {
                operands.push(arg);
            }
        }
        (options, operands)
    }

    fn read(&mut self, syntax: &Syntax, mut arg: String, left: &mut VecDeque<String>) {
        if let Some((name, value)) = arg.split_once('=') {
            left.push_front(value.to_owned());
            arg = name.to_owned();
        }
        if let Some(mut longer) = syntax.expand(&arg)
            && longer.first() != Some(&arg)
        {
            // A single dash stands for nothing.
            while let Some(last) = longer.pop() {
                left.push_front(last);
            }
            return;
        }
        let mut name = arg.trim_start_matches('-');
        let mut yes = true;
        while let Some(rest) = strip_no(name) {
            name = rest;
            yes = !yes;
        }
        let name = syntax.long(name).unwrap_or(name).to_owned();
        let value = if syntax.kind(&name) == Some(Kind::Flag) || !yes {
            match left.front().map(String::as_str) {
                Some(word @ ("true" | "false")) => {
                    let given = (word == "true") == yes;
                    left.pop_front();
                    Value::Flag(given)
                }
                _ => Value::Flag(yes),
            }
        } else {
            match left.front() {
                Some(next) if !is_end(next) => Value::Text(left.pop_front().unwrap_or_default()),
                _ => Value::Flag(true),
            }
        };
        match self.given.iter_mut().find(|(given, _)| *given == name) {
            Some((_, old)) => *old = value,
            None => self.given.push((name, value)),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value)
    }

    /// A flag's value; `None` where it was not given.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Flag(value) => Some(*value),
            Value::Text(_) => Some(true),
        }
    }

    /// A text option's value; an option without one has `true` (observed: `list -o`).
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::Flag(value) => Some(value.to_string()),
            Value::Text(text) => Some(text.trim().to_owned()),
        }
    }

    /// A number option's value; `None` where it was not given or is no number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.value(name)? {
            Value::Flag(value) => Some(f64::from(u8::from(*value))),
            Value::Text(text) => Some(parse_number(text)).filter(|number| !number.is_nan()),
        }
    }

    /// Names and values of every option given that is not one of `known`: what `kill -9 UUID` is read from.
    pub fn unknown<'a>(
        &'a self,
        syntax: &'a Syntax,
    ) -> impl Iterator<Item = (&'a str, String)> + 'a {
        self.given.iter().filter(|(name, _)| syntax.kind(name).is_none()).map(|(name, value)| {
            let text = match value {
                Value::Flag(value) => value.to_string(),
                Value::Text(text) => text.clone(),
            };
            (name.as_str(), text)
        })
    }
}

fn is_end(arg: &str) -> bool {
    arg.len() >= 2 && arg.bytes().all(|b| b == b'-')
}

fn strip_no(name: &str) -> Option<&str> {
    name.get(..3).filter(|start| start.eq_ignore_ascii_case("no-")).map(|_| &name[3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Syntax = Syntax {
        types: &[("order", Kind::Text), ("parsable", Kind::Flag), ("header", Kind::Flag)],
        shorts: &[
            ("o", &["--order"]),
            ("p", &["--parsable", "true"]),
            ("h", &["--header", "true"]),
            ("H", &["--header", "false"]),
        ],
    };

    fn parse(args: &[&str]) -> (Options, Vec<String>) {
        Options::parse(&LIST, args.iter().map(|&a| a.to_owned()).collect())
    }

    #[test]
    fn short_long_glued_and_shortened_forms() {
        for args in [&["-pH", "-o", "a,b", "x=1"][..], &["x=1", "--pars", "-H", "--ord=a,b"]] {
            let (options, operands) = parse(args);
            assert_eq!(options.flag("parsable"), Some(true), "{args:?}");
            assert_eq!(options.flag("header"), Some(false), "{args:?}");
            assert_eq!(options.text("order").as_deref(), Some("a,b"), "{args:?}");
            assert_eq!(operands, ["x=1"], "{args:?}");
        }
    }

    #[test]
    fn missing_values_negations_and_the_end_of_options() {
        let (options, operands) = parse(&["--no-header", "-o", "--", "-p"]);
        assert_eq!(options.flag("header"), Some(false));
        assert_eq!(options.text("order").as_deref(), Some("true"));
        assert_eq!(operands, ["-p"]);
    }

    #[test]
    fn an_unknown_option_takes_the_next_argument() {
        let (options, operands) = parse(&["--bogus", "x", "-9", "y", "z"]);
        let unknown: Vec<(&str, String)> = options.unknown(&LIST).collect();
        assert_eq!(unknown, [("bogus", "x".to_owned()), ("9", "y".to_owned())]);
        assert_eq!(operands, ["z"]);
    }

    #[test]
    fn a_single_dash_is_nothing_and_numbers_are_javascripts() {
        let (options, operands) = parse(&["-", "a", "-p", "-", "b"]);
        assert_eq!(options.flag("parsable"), Some(true));
        assert_eq!(operands, ["a", "b"]);
        const STOP: Syntax = Syntax { types: &[("timeout", Kind::Number)], shorts: &[] };
        for (text, number) in
            [("0x10", Some(16.0)), ("1e3", Some(1000.0)), ("", Some(0.0)), ("x", None)]
        {
            let (options, _) = Options::parse(&STOP, vec![format!("--timeout={text}")]);
            assert_eq!(options.number("timeout"), number, "{text:?}");
        }
    }

    #[test]
    fn an_order_that_starts_with_a_dash_is_a_value() {
        let (options, _) = parse(&["-o", "-ram"]);
        assert_eq!(options.text("order").as_deref(), Some("-ram"));
    }
}
