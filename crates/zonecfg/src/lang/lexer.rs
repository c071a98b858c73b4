//! Splits command text into tokens, as zonecfg's own scanner does.
//!
//! What a character means depends on where it stands: where a command may begin, after a command word, in a
//! list `[…]`, or in a complex value `(…)`. A newline or `;` ends a command wherever it stands.

use super::names::{PropertyName, ResourceType, Verb};

/// Longest unquoted token, in bytes (observed).
pub const MAX_BARE: usize = 2047;
/// Longest quoted token, in bytes without the quotes (observed).
pub const MAX_QUOTED: usize = 2046;

/// A place in the text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A command word.
    Verb(Verb),
    /// A resource type.
    Resource(ResourceType),
    /// A property name.
    Property(PropertyName),
    /// Any other word, or a quoted one, without its quotes.
    Word(String),
    /// `=`
    Equal,
    /// `[`
    OpenSquare,
    /// `]`
    CloseSquare,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// `,`
    Comma,
    /// A newline or `;`
    Terminator,
    /// A character that has no meaning where it stands.
    Stray,
    /// A token beyond the limit.
    TooLong,
    /// The end of the text.
    End,
}

/// A token with its text as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text, quotes included.
    pub text: &'a str,
    /// Where it begins.
    pub position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Words,
    List,
    Complex,
}

/// The scanner.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    rest: &'a str,
    state: State,
    /// Where a closing parenthesis leads back to.
    outer: State,
    line: usize,
    column: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at line 1.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, state: State::Start, outer: State::Start, line: 1, column: 1 }
    }

    /// The line that the next character stands on, from 1. A newline inside of quotes does not count
    /// (observed).
    pub fn line(&self) -> usize {
        self.line
    }

    /// The next token; [`Kind::End`] again and again at the end.
    pub fn next_token(&mut self) -> Token<'a> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
            self.advance(blanks);
            if self.state != State::Start || !self.rest.starts_with('#') {
                break;
            }
            let comment = self.rest.find('\n').unwrap_or(self.rest.len());
            self.advance(comment);
        }
        let position = Position { line: self.line, column: self.column };
        let (kind, length) = self.scan();
        let text = self.advance(length);
        if kind == Kind::Terminator && text == "\n" {
            self.line += 1;
            self.column = 1;
        }
        Token { kind, text, position }
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    fn scan(&mut self) -> (Kind, usize) {
        let Some(first) = self.rest.chars().next() else { return (Kind::End, 0) };
        if matches!(first, '\n' | ';') {
            self.state = State::Start;
            return (Kind::Terminator, 1);
        }
        if self.state == State::Start {
            return self.scan_verb(first);
        }
        match (self.state, first) {
            (_, '=') => return (Kind::Equal, 1),
            (State::Words, '[') => {
                self.state = State::List;
                self.outer = State::List;
                return (Kind::OpenSquare, 1);
            }
            (State::List, ']') => {
                self.state = State::Words;
                self.outer = State::Words;
                return (Kind::CloseSquare, 1);
            }
            (State::Words | State::List, '(') => {
                self.state = State::Complex;
                return (Kind::OpenParen, 1);
            }
            (State::Complex, ')') => {
                self.state = self.outer;
                return (Kind::CloseParen, 1);
            }
            (State::List | State::Complex, ',') => return (Kind::Comma, 1),
            (_, '"') => return self.scan_quoted(),
            _ => {}
        }
        self.scan_bare(first)
    }

    fn scan_verb(&mut self, first: char) -> (Kind, usize) {
        let verb = match first {
            '?' => Some((Verb::Help, 1)),
            _ => Verb::ALL
                .iter()
                .find(|verb| self.rest.starts_with(verb.as_str()))
                .map(|verb| (*verb, verb.as_str().len())),
        };
        match verb {
            Some((verb, length)) => {
                self.state = State::Words;
                self.outer = State::Words;
                (Kind::Verb(verb), length)
            }
            None => (Kind::Stray, first.len_utf8()),
        }
    }

    fn scan_quoted(&self) -> (Kind, usize) {
        let inside = &self.rest[1..];
        let Some(end) = inside.find(['"', '\n']) else { return (Kind::Stray, 1) };
        let length = end + 2;
        if end > MAX_QUOTED {
            return (Kind::TooLong, length);
        }
        // A newline closes a quoted token, too, and then belongs to it.
        let value = if inside[end..].starts_with('\n') { &inside[..=end] } else { &inside[..end] };
        (Kind::Word(value.to_owned()), length)
    }

    fn scan_bare(&self, first: char) -> (Kind, usize) {
        let stops: &[char] = match self.state {
            State::Words | State::Start => &[' ', '\t', '\n', '"', ';', '=', '[', ']', '(', ')'],
            State::List => &[' ', '\t', '\n', '"', ',', ';', '=', '[', ']', '(', ')'],
            State::Complex => &[' ', '\t', '\n', '"', ',', ';', '=', '(', ')'],
        };
        let length = self.rest.find(stops).unwrap_or(self.rest.len());
        if length == 0 {
            return (Kind::Stray, first.len_utf8());
        }
        if length > MAX_BARE {
            return (Kind::TooLong, length);
        }
        let word = &self.rest[..length];
        let resource = || ResourceType::parse(word).filter(|_| self.state == State::Words);
        let property = || PropertyName::parse(word).filter(|_| self.state != State::List);
        let kind = match (resource(), property()) {
            (Some(resource), _) => Kind::Resource(resource),
            (None, Some(property)) => Kind::Property(property),
            (None, None) => Kind::Word(word.to_owned()),
        };
        (kind, length)
    }
}
