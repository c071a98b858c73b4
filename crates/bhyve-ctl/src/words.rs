//! Splitting a string into words as a shell does, without expansions.

use crate::refusal::{Result, refuse};

/// Splits at blanks. Single quotes keep everything, double quotes keep everything but `\"` and `\\`, a backslash
/// keeps the next character. `#` starts no comment. These are the rules of Python's `shlex.split`, which OmniOS's
/// brands use.
///
/// # Errors
/// A quote is not closed, or the text ends in a backslash.
pub fn split(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => refuse!("No closing quotation in: {text}"),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default(), text)?,
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => refuse!("No escaped character in: {text}"),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String, text: &str) -> Result<()> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => refuse!("No escaped character in: {text}"),
            },
            Some(c) => word.push(c),
            None => refuse!("No closing quotation in: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_as_pythons_shlex_does() {
        for (text, words) in [
            ("", &[][..]),
            ("  a\t b\n", &["a", "b"]),
            ("a'b c'd", &["ab cd"]),
            (r#""a\"b\c\\" x"#, &[r#"a"b\c\"#, "x"]),
            (r"a\ b '' #c", &["a b", "", "#c"]),
        ] {
            assert_eq!(split(text).expect("well quoted"), words, "{text}");
        }
        for text in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
