//! Values as tokens of the zonecfg language.

use std::borrow::Cow;

use serde_json::Value;

use crate::lang::MAX_QUOTED;

/// A value that the zonecfg language has no way to write down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}: zonecfg cannot store {character}")]
pub struct Unmappable {
    /// The property of the payload.
    pub property: String,
    /// What is in the way, in words.
    pub character: String,
}

/// `value` as a quoted token. The language has no escapes: a quoted token holds anything but quotes, line ends and
/// other control characters.
pub(super) fn quoted(property: &str, value: &str) -> Result<String, Unmappable> {
    check(property, value)?;
    Ok(format!("\"{value}\""))
}

/// `value` as it is where it is one word of the language, quoted elsewhere. Commas separate words only within lists,
/// of which none is written here (paths of PCI devices have them).
pub(super) fn token<'a>(property: &str, value: &'a str) -> Result<Cow<'a, str>, Unmappable> {
    check(property, value)?;
    let word =
        !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || "\";=[]()".contains(c));
    Ok(if word { Cow::Borrowed(value) } else { Cow::Owned(format!("\"{value}\"")) })
}

fn check(property: &str, value: &str) -> Result<(), Unmappable> {
    if value.len() > MAX_QUOTED {
        let character = format!("more than {MAX_QUOTED} bytes");
        return Err(Unmappable { property: property.to_owned(), character });
    }
    let Some(bad) = value.chars().find(|&c| c == '"' || c.is_control()) else { return Ok(()) };
    let character = match bad {
        '"' => "a double quote".to_owned(),
        '\n' => "a line end".to_owned(),
        c => format!("the control character U+{:04X}", u32::from(c)),
    };
    Err(Unmappable { property: property.to_owned(), character })
}

/// A value as JavaScript's `toString` writes it: lists joined by commas, null elements of a list empty.
pub(super) fn text(value: &Value) -> String {
    manifest::js::to_text(value)
}
