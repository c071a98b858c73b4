//! Where in a JSON text a value stands.

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A place in a text: line and column, both counted from 1, the column in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Where the value at the end of `path` begins in `text`, which is known to be JSON. Of keys given
/// twice the last counts.
pub fn locate(text: &[u8], path: &[Step]) -> Option<Position> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_mark();
    for step in path {
        scanner.skip_space();
        match step {
            Step::Key(key) => scanner.enter_object(key)?,
            Step::Index(index) => scanner.enter_array(*index)?,
        }
    }
    scanner.skip_space();
    Some(position(text, scanner.at))
}

fn position(text: &[u8], at: usize) -> Position {
    let before = &text[..at.min(text.len())];
    let line_start =
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.split(|byte| *byte == b'\n').count(),
        column: before.len() - line_start + 1,
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_mark(&mut self) {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte`, with the space before it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Moves to the value of the last member called `wanted`.
    fn enter_object(&mut self, wanted: &str) -> Option<()> {
        let mut found = None;
        self.expect(b'{')?;
        loop {
            self.skip_space();
            if self.peek()? == b'}' {
                break;
            }
            let start = self.at;
            self.skip_value()?;
            let key: String = serde_json::from_slice(&self.text[start..self.at]).ok()?;
            self.expect(b':')?;
            if key == wanted {
                found = Some(self.at);
            }
            self.skip_value()?;
            if self.expect(b',').is_none() {
                break;
            }
        }
        self.at = found?;
        Some(())
    }

    /// Moves to the element number `wanted`.
    fn enter_array(&mut self, wanted: usize) -> Option<()> {
        self.expect(b'[')?;
        for _ in 0..wanted {
            self.skip_value()?;
            self.expect(b',')?;
        }
        Some(())
    }

    /// Steps over a value with all that is in it.
    fn skip_value(&mut self) -> Option<()> {
        self.skip_space();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // Within brackets, what stands between values is stepped over with them.
                _ if depth > 0 => self.at += 1,
                _ => self.skip_literal(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }

    fn skip_literal(&mut self) {
        let ends =
            |byte: u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        while self.peek().is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "{\n  \"a\\\"b\": [1, {\"c\": \"}\"}, [ ]],\n  \"quota\" : -5,\n  \"d\": 1, \"d\": null\n}";

    fn at(path: &[Step]) -> Option<(usize, usize)> {
        locate(TEXT.as_bytes(), path).map(|position| (position.line, position.column))
    }

    fn key(text: &str) -> Step {
        Step::Key(text.to_owned())
    }

    #[test]
    fn values_are_found() {
        assert_eq!(at(&[]), Some((1, 1)));
        assert_eq!(at(&[key("quota")]), Some((3, 13)));
        assert_eq!(at(&[key("a\"b"), Step::Index(1), key("c")]), Some((2, 21)));
        assert_eq!(at(&[key("a\"b"), Step::Index(2)]), Some((2, 27)));
        assert_eq!(at(&[key("d")]), Some((4, 16)), "the last one counts");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert_eq!(at(&[key("z")]), None);
        assert_eq!(at(&[key("quota"), key("z")]), None);
        assert_eq!(at(&[key("a\"b"), Step::Index(9)]), None);
        assert_eq!(locate(b"{\"a\": \"", &[key("a"), key("b")]), None);
        assert_eq!(locate(b"\xef\xbb\xbf {}", &[]), Some(Position { line: 1, column: 5 }));
    }
}
