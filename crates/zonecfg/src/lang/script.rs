//! Commands to text that reads back as the same commands.

use std::fmt::Write as _;

use super::ast::{Command, Complex, Item, Pair, Value};
use super::lexer::MAX_QUOTED;
use super::names::{PropertyName, ResourceType, Verb};

/// A value that the language has no way to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {reason}")]
pub struct Inexpressible {
    /// The property whose value it is.
    pub property: String,
    /// Why it cannot be written.
    pub reason: &'static str,
}

/// A list of commands as text, one command a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    text: String,
}

impl Script {
    /// An empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text, each command with its newline.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Adds a command.
    ///
    /// # Errors
    /// A value cannot be written; the script is then unchanged.
    pub fn push(&mut self, command: &Command) -> Result<&mut Self, Inexpressible> {
        let line = print(command)?;
        self.text.push_str(&line);
        self.text.push('\n');
        Ok(self)
    }

    /// Adds `create` with options such as `-b`.
    ///
    /// # Errors
    /// As [`Script::push`].
    pub fn create(&mut self, options: &[&str]) -> Result<&mut Self, Inexpressible> {
        self.push(&Command::Words(Verb::Create, options.iter().map(|&o| o.to_owned()).collect()))
    }

    /// Adds `set name=value`.
    ///
    /// # Errors
    /// As [`Script::push`].
    pub fn set(&mut self, name: PropertyName, value: &str) -> Result<&mut Self, Inexpressible> {
        self.push(&Command::Set(None, name, Value::Simple(value.to_owned())))
    }

    /// Adds a resource: `add`, a `set` for each simple property, an `add` for each other one, `end`.
    ///
    /// # Errors
    /// As [`Script::push`].
    pub fn add(
        &mut self,
        resource: ResourceType,
        properties: &[Pair],
    ) -> Result<&mut Self, Inexpressible> {
        self.push(&Command::AddResource(resource))?;
        self.body(properties)
    }

    /// Changes a resource: `select` by the first pairs, then as [`Script::add`].
    ///
    /// # Errors
    /// As [`Script::push`].
    pub fn change(
        &mut self,
        resource: ResourceType,
        keys: &[Pair],
        properties: &[Pair],
    ) -> Result<&mut Self, Inexpressible> {
        self.push(&Command::Select(resource, keys.to_vec()))?;
        self.body(properties)
    }

    /// Adds `remove resource key=value …`.
    ///
    /// # Errors
    /// As [`Script::push`].
    pub fn remove(
        &mut self,
        resource: ResourceType,
        keys: &[Pair],
    ) -> Result<&mut Self, Inexpressible> {
        self.push(&Command::RemoveResource(None, resource, keys.to_vec()))
    }

    fn body(&mut self, properties: &[Pair]) -> Result<&mut Self, Inexpressible> {
        for (name, value) in properties {
            match value {
                Value::Simple(_) => self.push(&Command::Set(None, *name, value.clone()))?,
                Value::Complex(_) | Value::List(_) => {
                    self.push(&Command::AddProperty(*name, value.clone()))?
                }
            };
        }
        self.push(&Command::Words(Verb::End, Vec::new()))
    }
}

/// The text of one command, without its end.
///
/// # Errors
/// A value cannot be written.
pub fn print(command: &Command) -> Result<String, Inexpressible> {
    let mut out = command.verb().as_str().to_owned();
    let flag = |out: &mut String, word: &Option<String>| {
        if let Some(word) = word {
            out.push(' ');
            out.push_str(word);
        }
    };
    match command {
        Command::Words(verb, words) => {
            for word in words {
                let _ = write!(out, " {}", quote_if_needed(verb.as_str(), word)?);
            }
        }
        Command::AddWord(word) => {
            let _ = write!(out, " {}", quote_if_needed("add", word)?);
        }
        Command::AddResource(resource) => {
            let _ = write!(out, " {resource}");
        }
        Command::AddProperty(name, value) => {
            let _ = write!(out, " {name} {}", print_value(*name, value)?);
        }
        Command::Clear(name) | Command::InfoProperty(name) => {
            let _ = write!(out, " {name}");
        }
        Command::Info => {}
        Command::InfoResource(resource, pairs) | Command::Select(resource, pairs) => {
            let _ = write!(out, " {resource}");
            print_pairs(&mut out, pairs)?;
        }
        Command::RemoveResource(word, resource, pairs) => {
            flag(&mut out, word);
            let _ = write!(out, " {resource}");
            print_pairs(&mut out, pairs)?;
        }
        Command::RemoveProperty(word, name, value) => {
            flag(&mut out, word);
            let _ = write!(out, " {name} {}", print_value(*name, value)?);
        }
        Command::Set(word, name, value) => {
            flag(&mut out, word);
            let _ = write!(out, " {name}={}", print_value(*name, value)?);
        }
    }
    Ok(out)
}

fn print_pairs(out: &mut String, pairs: &[Pair]) -> Result<(), Inexpressible> {
    for (name, value) in pairs {
        let _ = write!(out, " {name}={}", print_value(*name, value)?);
    }
    Ok(())
}

fn print_value(name: PropertyName, value: &Value) -> Result<String, Inexpressible> {
    match value {
        Value::Simple(text) => quote_if_needed(name.as_str(), text),
        Value::Complex(parts) => print_complex(name, parts),
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items
                .iter()
                .map(|item| match item {
                    Item::Simple(text) => quote_inside(name.as_str(), text),
                    Item::Complex(parts) => print_complex(name, parts),
                })
                .collect();
            Ok(format!("[{}]", items?.join(",")))
        }
    }
}

fn print_complex(name: PropertyName, parts: &Complex) -> Result<String, Inexpressible> {
    let label =
        parts.iter().find(|(part, _)| *part == PropertyName::Name).map(|(_, label)| label.as_str());
    let label = label.unwrap_or(name.as_str());
    let parts: Result<Vec<_>, _> = parts
        .iter()
        .map(|(part, text)| Ok(format!("{part}={}", quote_inside(label, text)?)))
        .collect();
    Ok(format!("({})", parts?.join(",")))
}

/// A value as a token: bare where that reads back as the same value, else in double quotes.
///
/// # Errors
/// Quotes, line ends and other control characters cannot be written at all; `property` is what the error
/// names.
pub fn quote_if_needed(property: &str, value: &str) -> Result<String, Inexpressible> {
    check(property, value)?;
    Ok(token(value, &[' ', ';', '=', '[', ']', '(', ')']))
}

/// As [`quote_if_needed`], for a value inside of brackets or parentheses.
fn quote_inside(property: &str, value: &str) -> Result<String, Inexpressible> {
    check(property, value)?;
    Ok(token(value, &[' ', ',', ';', '=', '[', ']', '(', ')']))
}

fn token(value: &str, special: &[char]) -> String {
    if value.is_empty() || value.contains(special) {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}

/// A value in double quotes.
///
/// # Errors
/// As [`quote_if_needed`].
pub fn quote(property: &str, value: &str) -> Result<String, Inexpressible> {
    check(property, value)?;
    Ok(format!("\"{value}\""))
}

fn check(property: &str, value: &str) -> Result<(), Inexpressible> {
    let reason = if value.contains('"') {
        "a double quote cannot be written in a zone configuration"
    } else if value.contains(['\n', '\r']) {
        "a line end cannot be written in a zone configuration"
    } else if value.chars().any(char::is_control) {
        "a control character cannot be written in a zone configuration"
    } else if value.len() > MAX_QUOTED {
        "the value is too long for a zone configuration"
    } else {
        return Ok(());
    };
    Err(Inexpressible { property: property.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Parsed, Parser};

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "create -b",
            "set zonepath=/zones/a",
            "set bootargs=\"-v -m verbose\"",
            "add net",
            "add options [ro,\"a=b\"]",
            "add property (name=ip,value=\"10.0.0.1,10.0.0.2\")",
            "add value (priv=privileged,limit=5,action=deny)",
            "set options=[]",
            "select net physical=net0 mac-addr=2:8:20:a:b:c",
            "remove -F attr name=a",
            "remove options nosuid",
            "info",
            "info net physical=net0",
            "clear pool",
            "set -F zonepath=/a",
            "end",
        ] {
            let line = format!("{text}\n");
            let Parsed::Command(statement) = Parser::new(&line).next_parsed() else {
                panic!("{text} is a command");
            };
            assert_eq!(print(&statement.command).as_deref(), Ok(text));
        }
    }

    #[test]
    fn values_that_cannot_be_written_are_refused_by_name() {
        for value in ["a\"b", "a\nb", "a\u{7}", &"x".repeat(MAX_QUOTED + 1)] {
            let mut script = Script::new();
            let error = script.set(PropertyName::Bootargs, value).expect_err("refused");
            assert_eq!(error.property, "bootargs");
            assert_eq!(script.as_str(), "");
        }
        let part = |name, text: &str| (name, text.to_owned());
        let value = Value::Complex(vec![
            part(PropertyName::Name, "user-script"),
            part(PropertyName::Value, "a\nb"),
        ]);
        let mut script = Script::new();
        let error = script.add(ResourceType::Net, &[(PropertyName::Property, value)]);
        assert_eq!(error.expect_err("refused").property, "user-script");
    }
}
