//! Payloads: JSON from a file or from standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use manifest::json;
use serde_json::Value;

use super::{Call, Failure};
use crate::cli::options::Syntax;

/// Options of the commands that read a payload: `-f FILE`.
pub const SYNTAX: Syntax = Syntax { types: &[], shorts: &[("f", &["--file"])] };

/// Reads the payload from the file that `-f` names (`-`: standard input), else from standard input. `refusal` is the
/// usage error for a terminal there, which would wait for ever.
pub fn read(call: &Call, refusal: &str) -> Result<Value, Failure> {
    let mut origin = "standard input".to_owned();
    let text = match call.options.text("file") {
        Some(name) if name != "-" => {
            let text = read_file(&name)?;
            origin = name;
            text
        }
        _ if io::stdin().is_terminal() => return Err(Failure::usage(refusal)),
        _ => {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text)?;
            text
        }
    };
    parse(&text, &origin)
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

/// The JSON text as a value. Errors name `origin`, line and column.
pub fn parse(text: &[u8], origin: &str) -> Result<Value, Failure> {
    let what = match json::parse(text, origin) {
        Ok(value) => return Ok(value),
        // Observed wording; nothing has no line and column.
        Err(_) if text.trim_ascii().is_empty() => "Unexpected end of input".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(format!("Invalid JSON payload: {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        match parse(text.as_bytes(), "vm.json") {
            Err(Failure::Failed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(message(""), "Invalid JSON payload: Unexpected end of input");
        assert_eq!(message("{\n \"a\": b}"), "Invalid JSON payload: vm.json:2:7: expected value");
    }
}
