//! Prints JSON values as YAML in block style, keys sorted.

use serde_json::Value;

/// A value as a YAML document.
pub fn print(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Prints a value that starts at the beginning of a line, or where its first line has been indented already.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str(&scalar(key));
                text.push(':');
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        text.push('\n');
                        text.push_str(&" ".repeat(indent + 2));
                        block(value, indent + 2, text);
                    }
                    // Lists stand below their key, not further in.
                    Value::Array(list) if !list.is_empty() => {
                        text.push('\n');
                        text.push_str(&" ".repeat(indent));
                        block(value, indent, text);
                    }
                    _ => {
                        text.push(' ');
                        block(value, indent, text);
                    }
                }
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                block(value, indent + 2, text);
            }
        }
        Value::String(string) => {
            text.push_str(&scalar(string));
            text.push('\n');
        }
        other => {
            text.push_str(&other.to_string());
            text.push('\n');
        }
    }
}

/// A string, quoted as in JSON unless it can only be read as this string.
fn scalar(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._/:@+-=".contains(&b))
        && !text.contains(": ")
        && !text.ends_with([':', ' ']);
    if is_word && !is_special(text) {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

/// Words and numbers, also those of YAML 1.1 (`yes`, `1:20` for 80).
fn is_special(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_numeric = text.starts_with(|c: char| c.is_ascii_digit())
        && (text.starts_with("0x")
            || text.bytes().all(|b| b.is_ascii_digit() || b".:_+-eo".contains(&b)));
    let groups = text.split('.').count();
    let is_padded = text.starts_with('0') && text.contains(':');
    WORDS.contains(&text.to_ascii_lowercase().as_str())
        || is_numeric && groups < 3 && !is_padded && !is_uuid(text)
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok() && text.contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_could_be_read_otherwise_is_quoted() {
        let value = json!({
            "b": "yes", "a": "12", "c": "1:20", "d": "10.0.0.1", "e": "a: b", "f": "#x",
            "g": "", "h": [], "i": true, "j": "x y",
        });
        assert_eq!(
            print(&value),
            "a: \"12\"\nb: \"yes\"\nc: \"1:20\"\nd: 10.0.0.1\ne: \"a: b\"\nf: \"#x\"\ng: \"\"\nh: []\n\
             i: true\nj: x y\n"
        );
    }
}
