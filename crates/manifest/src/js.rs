//! The conversions of JavaScript that payloads have always been subject to.

use serde_json::{Number, Value};

/// Whether JavaScript takes `value` for true.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The text that `String(value)` gives.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_text(number),
        Value::String(text) => text.clone(),
        Value::Array(elements) => elements
            .iter()
            .map(|element| if element.is_null() { String::new() } else { to_text(element) })
            .collect::<Vec<_>>()
            .join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// The number that `Number(value)` gives; NaN where there is none.
pub fn to_number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => parse_number(text),
        Value::Array(_) => parse_number(&to_text(value)),
        Value::Object(_) => f64::NAN,
    }
}

/// The number that a text stands for: decimal, `0x`, `0o` or `0b`, with spaces around it; nothing
/// is 0.
pub fn parse_number(text: &str) -> f64 {
    let text = trim(text);
    if text.is_empty() {
        return 0.0;
    }
    if let Some(digits) = text.get(2..).filter(|_| text.starts_with('0')) {
        let radix = match text.as_bytes()[1] {
            b'x' | b'X' => 16,
            b'o' | b'O' => 8,
            b'b' | b'B' => 2,
            _ => return parse_decimal(text),
        };
        return parse_radix(digits, radix);
    }
    parse_decimal(text)
}

fn parse_radix(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    digits
        .chars()
        .try_fold(0.0, |number, digit| {
            digit.to_digit(radix).map(|digit| number * f64::from(radix) + f64::from(digit))
        })
        .unwrap_or(f64::NAN)
}

fn parse_decimal(text: &str) -> f64 {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // Rust also reads "inf" and "nan", JavaScript does not.
    let plain =
        unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

/// `text` without the white space around it, byte order marks included.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// A JSON number for `number`, as an integer where it is one; null where JSON has none.
pub fn number(number: f64) -> Value {
    const SAFE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= SAFE {
        Value::from(number as i64)
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

/// The text that JavaScript prints for a number.
pub fn number_text(number: &Number) -> String {
    let float = number.as_f64().unwrap_or(f64::NAN);
    if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
        return if float == 0.0 { "0".to_owned() } else { format!("{float:.0}") };
    }
    float_text(float)
}

/// ECMAScript's Number::toString for finite numbers: the shortest digits that read back, with an
/// exponent from 1e21 on and below 1e-6.
fn float_text(float: f64) -> String {
    let scientific = format!("{:e}", float.abs());
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let sign = if float < 0.0 { "-" } else { "" };
    let places = digits.len() as i32;
    let body = if (places - 1..21).contains(&exponent) {
        format!("{digits}{}", "0".repeat((exponent - places + 1) as usize))
    } else if (0..places - 1).contains(&exponent) {
        let (whole, fraction) = digits.split_at(exponent as usize + 1);
        format!("{whole}.{fraction}")
    } else if (-6..0).contains(&exponent) {
        format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{}{}", if exponent < 0 { "-" } else { "+" }, exponent.abs())
    };
    format!("{sign}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_become_numbers_as_in_javascript() {
        for (text, number) in [
            ("", 0.0),
            (" 10 ", 10.0),
            ("0x10", 16.0),
            ("0b11", 3.0),
            ("1e3", 1000.0),
            ("-5", -5.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("010", 10.0),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_number(text).to_bits(), f64::to_bits(number), "{text}");
        }
        for text in ["abc", "0x", "0xg", "inf", "nan", "1_000", "1 2", "--1", "1e", "é"] {
            assert!(parse_number(text).is_nan(), "{text}");
        }
        assert_eq!(to_number(&json!([7])).to_bits(), 7_f64.to_bits());
        assert!(to_number(&json!([7, 8])).is_nan());
        assert!(to_number(&json!({})).is_nan());
    }

    #[test]
    fn numbers_print_as_in_javascript() {
        for (number, text) in [
            (json!(1.0), "1"),
            (json!(-0.0), "0"),
            (json!(0.1), "0.1"),
            (json!(1.5e-7), "1.5e-7"),
            (json!(0.000_001), "0.000001"),
            (json!(1e21), "1e+21"),
            (json!(1e20), "100000000000000000000"),
            (json!(9_223_372_036_854_775_807_i64), "9223372036854776000"),
            (json!(-12.25), "-12.25"),
            (json!(9_007_199_254_740_991_i64), "9007199254740991"),
        ] {
            assert_eq!(to_text(&number), text);
        }
    }

    #[test]
    fn arrays_print_joined() {
        assert_eq!(to_text(&json!([1, null, "a"])), "1,,a");
        assert_eq!(to_text(&json!({})), "[object Object]");
    }
}
