//! Reading JSON with errors that say where, and writing it as SmartOS's tools do.

mod locate;

use std::fmt;
use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use serde_json::{Number, Value};
use thiserror::Error;

use crate::fields::Object;
use crate::js;

pub use locate::{Position, Step, locate};

/// A text that is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct JsonError {
    /// Where the text came from, as the caller named it.
    pub file: String,
    /// Counted from 1; 0 where the text as a whole is meant.
    pub line: usize,
    /// Counted in bytes from 1.
    pub column: usize,
    /// What was wrong or expected.
    pub what: String,
}

/// Reads one JSON value. A byte order mark before it is skipped; of keys given twice the last value
/// counts, in the first one's place; keys that are array indexes come first, as in every JavaScript
/// object.
///
/// `file` names the text's origin in errors.
pub fn parse(text: &[u8], file: &str) -> Result<Value, JsonError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map(javascript_order).map_err(|error| JsonError {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        what: explain(&error),
    })
}

/// Reads one JSON object.
pub fn parse_object(text: &[u8], file: &str) -> Result<Object, JsonError> {
    match parse(text, file)? {
        Value::Object(object) => Ok(object),
        other => Err(JsonError {
            file: file.to_owned(),
            line: 1,
            column: 1,
            what: format!("expected an object ({{…}}), found {}", type_name(&other)),
        }),
    }
}

/// What serde_json has to say, without the place, which the caller shows itself.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    match what.strip_prefix("EOF while parsing ") {
        Some("a value") => "the text ends where a value was expected".to_owned(),
        Some(inside) => format!("the text ends inside {inside}"),
        None => what.to_owned(),
    }
}

/// The name of a value's type, with its article.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Puts keys that are array indexes first, in ascending order, in every object of `value`.
fn javascript_order(value: Value) -> Value {
    match value {
        Value::Array(elements) => {
            Value::Array(elements.into_iter().map(javascript_order).collect())
        }
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> =
                object.into_iter().map(|(key, value)| (key, javascript_order(value))).collect();
            if members.iter().any(|(key, _)| array_index(key).is_some()) {
                members.sort_by_key(|(key, _)| array_index(key).unwrap_or(u64::MAX));
            }
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// The index that a key stands for: digits without a leading zero, below 2^32 - 1.
fn array_index(key: &str) -> Option<u64> {
    let canonical = key == "0" || !key.starts_with('0');
    (canonical && key.len() <= 10 && key.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| key.parse().ok())
        .flatten()
        .filter(|index| *index < u64::from(u32::MAX))
}

/// `value` as `JSON.stringify(value, null, 2)` writes it.
pub fn pretty<T: Serialize>(value: &T) -> String {
    write(value, PrettyFormatter::new())
}

/// `value` as `JSON.stringify(value)` writes it.
pub fn compact<T: Serialize>(value: &T) -> String {
    write(value, CompactFormatter)
}

fn write<T: Serialize, F: Formatter>(value: &T, formatter: F) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, JavaScript(formatter));
    // Values here are maps with text keys, which always serialise, and writing to memory does not
    // fail.
    if value.serialize(&mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A formatter that prints numbers as JavaScript does and leaves the rest to another.
struct JavaScript<F>(F);

macro_rules! delegate {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $arg: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $arg)*)
        })*
    };
}

impl<F: Formatter> Formatter for JavaScript<F> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write_number(writer, Number::from_f64(value))
    }

    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        write_number(writer, Some(value.into()))
    }

    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        write_number(writer, Some(value.into()))
    }

    delegate! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }
}

fn write_number<W: ?Sized + io::Write>(writer: &mut W, number: Option<Number>) -> io::Result<()> {
    match number {
        Some(number) => writer.write_all(js::number_text(&number).as_bytes()),
        None => writer.write_all(b"null"),
    }
}

/// Displays a value in compact form.
pub struct Compact<'a, T>(pub &'a T);

impl<T: Serialize> fmt::Display for Compact<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&compact(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text.as_bytes(), "vm.json")
            .map_or_else(|error| error.to_string(), |value| value.to_string())
    }

    #[test]
    fn errors_say_where_and_what() {
        assert_eq!(message("{\n  \"a\": 1\n  \"b\": 2\n}"), "vm.json:3:3: expected `,` or `}`");
        assert_eq!(message("{\"a\": }"), "vm.json:1:7: expected value");
        assert_eq!(message("{\"a\": 1,}"), "vm.json:1:9: trailing comma");
        assert_eq!(message("{\"a\": \"x"), "vm.json:1:8: the text ends inside a string");
        assert_eq!(message(""), "vm.json:1:0: the text ends where a value was expected");
    }

    #[test]
    fn only_objects_are_payloads() {
        let error = parse_object(b"[1]", "vm.json").map_err(|error| error.to_string());
        assert_eq!(error, Err("vm.json:1:1: expected an object ({…}), found an array".to_owned()));
    }

    #[test]
    fn byte_order_marks_are_skipped_and_doubles_overwrite() {
        assert_eq!(message("\u{feff}{\"a\":1,\"b\":2,\"a\":3}"), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn index_keys_come_first() {
        assert_eq!(message(r#"{"b":1,"10":2,"9":3,"01":4}"#), r#"{"9":3,"10":2,"b":1,"01":4}"#);
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes(), "deep").is_err());
    }

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        let value = parse(b"[2222222222222222222122222.0,2.2222222222222222e21,0.1e-6]", "");
        let text = value.as_ref().map(compact);
        assert_eq!(text.as_deref(), Ok("[2.2222222222222222e+24,2.2222222222222222e+21,1e-7]"));
    }

    #[test]
    fn printing_matches_node() {
        let value = parse(
            br#"{"a":1.0,"b":[],"c":{},"d":[1e21,"\u0007\u007f\u2028"],"e":9223372036854775807}"#,
            "",
        );
        let text = value.as_ref().map(compact);
        assert_eq!(
            text.as_deref(),
            Ok(
                "{\"a\":1,\"b\":[],\"c\":{},\"d\":[1e+21,\"\\u0007\u{7f}\u{2028}\"],\"e\":9223372036854776000}"
            )
        );
        let text = value.as_ref().map(pretty);
        assert!(text.is_ok_and(|text| {
            text.starts_with("{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    1e+21,")
        }));
    }
}
