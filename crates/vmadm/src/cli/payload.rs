//! Payloads: JSON from a file or from standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use serde_json::Value;
use serde_json::error::Category;

use super::{Call, Failure};
use crate::cli::options::Syntax;

/// Options of the commands that read a payload: `-f FILE`.
pub const SYNTAX: Syntax = Syntax { types: &[], shorts: &[("f", &["--file"])] };

/// Reads the payload from the file that `-f` names (`-`: standard input), else from standard input. `refusal` is the
/// usage error for a terminal there, which would wait for ever.
pub fn read(call: &Call, refusal: &str) -> Result<Value, Failure> {
    let text = match call.options.text("file") {
        Some(name) if name != "-" => read_file(&name)?,
        _ if io::stdin().is_terminal() => return Err(Failure::usage(refusal)),
        _ => {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text)?;
            text
        }
    };
    parse(&text)
}

fn read_file(name: &str) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    match File::open(name).and_then(|mut file| file.read_to_end(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::new(format!("File: {name} does not exist.")))
        }
        Err(error) => Err(Failure::new(format!("Error reading: {name} {error}"))),
    }
}

/// The JSON text as a value. Errors name line and column.
pub fn parse(text: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(text).map_err(|error| {
        let what = match error.classify() {
            // Observed wording; the end needs no line and column.
            Category::Eof => "Unexpected end of input".to_owned(),
            _ => error.to_string(),
        };
        Failure::new(format!("Invalid JSON payload: {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        match parse(text.as_bytes()) {
            Err(Failure::Failed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(message(""), "Invalid JSON payload: Unexpected end of input");
        assert_eq!(
            message("{\n \"a\": b}"),
            "Invalid JSON payload: expected value at line 2 column 7"
        );
    }
}
