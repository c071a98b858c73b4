//! Tokens to commands.
//!
//! Errors are found at the same token, and what follows is taken up at the same place, as in illumos's
//! zonecfg: after an error the text up to the next newline or `;` is dropped.

use super::ast::{Command, Complex, Item, Pair, Statement, Value};
use super::lexer::{Kind, Lexer, Position, Token};
use super::names::{PropertyName, Verb};

/// How many `name=value` pairs select, remove and info take.
const MAX_PAIRS: usize = 3;

/// The next thing in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A whole command with its end.
    Command(Statement),
    /// An empty line.
    Empty,
    /// A command word that is not followed by what it takes; the message shows how it is used.
    Usage {
        /// The command word.
        verb: Verb,
        /// What to list after the command's own usage.
        listing: Listing,
        /// Where the command begins.
        position: Position,
        /// The scanner's line when this was seen.
        line: usize,
    },
    /// A token that cannot stand where it stands.
    Syntax {
        /// The token's text.
        near: String,
        /// Where it begins.
        position: Position,
        /// The scanner's line when this was seen.
        line: usize,
    },
    /// A token beyond the limit.
    TooLong(Position),
    /// The end of the text. A last command without its end is dropped.
    End,
}

/// What is listed after a command's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Nothing.
    None,
    /// The properties.
    Properties,
    /// The resource types and the properties.
    ResourcesAndProperties,
}

enum Failure<'a> {
    At(Token<'a>),
    Usage(Verb, Listing),
}

/// The parser.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<Token<'a>>,
}

impl<'a> Parser<'a> {
    /// Begins at line 1.
    pub fn new(text: &'a str) -> Self {
        Self { lexer: Lexer::new(text), ahead: None }
    }

    /// The line that the scanner has reached, from 1.
    pub fn line(&self) -> usize {
        self.lexer.line()
    }

    /// The next command, empty line or error.
    pub fn next_parsed(&mut self) -> Parsed {
        let first = self.next();
        let position = first.position;
        let verb = match first.kind {
            Kind::Terminator => return Parsed::Empty,
            Kind::Verb(verb) => verb,
            _ => return self.fail(first),
        };
        match self.command(verb) {
            Ok(command) => {
                let end = self.next();
                match end.kind {
                    Kind::Terminator => Parsed::Command(Statement { command, position }),
                    _ => self.fail(end),
                }
            }
            Err(Failure::At(token)) => self.fail(token),
            Err(Failure::Usage(verb, listing)) => {
                let line = self.line();
                self.recover(None);
                Parsed::Usage { verb, listing, position, line }
            }
        }
    }

    /// Reports a token and drops the rest of its command.
    fn fail(&mut self, token: Token<'a>) -> Parsed {
        let line = if token.text == "\n" { token.position.line + 1 } else { token.position.line };
        match token.kind {
            Kind::End => Parsed::End,
            Kind::TooLong => Parsed::TooLong(token.position),
            _ => {
                let near = token.text.to_owned();
                let position = token.position;
                self.recover(Some(token));
                Parsed::Syntax { near, position, line }
            }
        }
    }

    fn recover(&mut self, token: Option<Token<'a>>) {
        let mut token = token.unwrap_or_else(|| self.next());
        while !matches!(token.kind, Kind::Terminator | Kind::End | Kind::TooLong) {
            token = self.next();
        }
        if token.kind == Kind::TooLong {
            self.ahead = Some(token);
        }
    }

    fn next(&mut self) -> Token<'a> {
        self.ahead.take().unwrap_or_else(|| self.lexer.next_token())
    }

    fn peek(&mut self) -> &Kind {
        &self.ahead.get_or_insert_with(|| self.lexer.next_token()).kind
    }

    fn command(&mut self, verb: Verb) -> Result<Command, Failure<'a>> {
        match verb {
            Verb::Add => self.add(),
            Verb::Clear => match *self.peek() {
                Kind::Property(name) => {
                    self.next();
                    Ok(Command::Clear(name))
                }
                _ => Err(Failure::Usage(verb, Listing::Properties)),
            },
            Verb::Info => self.info(),
            Verb::Remove => self.remove(),
            Verb::Select => self.select(),
            Verb::Set => self.set(),
            Verb::Create => self.words(verb, 3),
            Verb::Export => self.words(verb, 2),
            _ => self.words(verb, 1),
        }
    }

    fn words(&mut self, verb: Verb, most: usize) -> Result<Command, Failure<'a>> {
        let mut words = Vec::new();
        while words.len() < most {
            match self.word() {
                Some(word) => words.push(word),
                None => break,
            }
        }
        Ok(Command::Words(verb, words))
    }

    fn word(&mut self) -> Option<String> {
        if !matches!(self.peek(), Kind::Word(_)) {
            return None;
        }
        match self.next().kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn add(&mut self) -> Result<Command, Failure<'a>> {
        if let Some(word) = self.word() {
            return Ok(Command::AddWord(word));
        }
        match *self.peek() {
            Kind::Resource(resource) => {
                self.next();
                Ok(Command::AddResource(resource))
            }
            Kind::Property(name) => {
                self.next();
                Ok(Command::AddProperty(name, self.value()?))
            }
            _ => Err(Failure::Usage(Verb::Add, Listing::ResourcesAndProperties)),
        }
    }

    fn info(&mut self) -> Result<Command, Failure<'a>> {
        match *self.peek() {
            Kind::Word(_) => {
                self.next();
                Err(Failure::Usage(Verb::Info, Listing::ResourcesAndProperties))
            }
            Kind::Resource(resource) => {
                self.next();
                Ok(Command::InfoResource(resource, self.pairs()?))
            }
            Kind::Property(name) if name.is_global() => {
                self.next();
                Ok(Command::InfoProperty(name))
            }
            _ => Ok(Command::Info),
        }
    }

    fn remove(&mut self) -> Result<Command, Failure<'a>> {
        let word = self.word();
        match *self.peek() {
            Kind::Resource(resource) => {
                self.next();
                Ok(Command::RemoveResource(word, resource, self.pairs()?))
            }
            Kind::Property(name) => {
                self.next();
                Ok(Command::RemoveProperty(word, name, self.value()?))
            }
            _ => Err(Failure::Usage(Verb::Remove, Listing::ResourcesAndProperties)),
        }
    }

    fn select(&mut self) -> Result<Command, Failure<'a>> {
        use super::names::ResourceType::{CappedCpu, CappedMemory, DedicatedCpu};
        let Kind::Resource(resource) = *self.peek() else {
            return Err(Failure::Usage(Verb::Select, Listing::ResourcesAndProperties));
        };
        self.next();
        let single = matches!(resource, DedicatedCpu | CappedCpu | CappedMemory);
        match self.peek() {
            Kind::Property(_) => Ok(Command::Select(resource, self.pairs()?)),
            Kind::Terminator if single => Ok(Command::Select(resource, Vec::new())),
            _ => Err(Failure::Usage(Verb::Select, Listing::None)),
        }
    }

    fn set(&mut self) -> Result<Command, Failure<'a>> {
        if let Some(word) = self.word() {
            self.expect(|kind| *kind == Kind::Property(PropertyName::Zonepath))?;
            self.expect(|kind| *kind == Kind::Equal)?;
            return Ok(Command::Set(Some(word), PropertyName::Zonepath, self.value()?));
        }
        let Kind::Property(name) = *self.peek() else {
            return Err(Failure::Usage(Verb::Set, Listing::Properties));
        };
        self.next();
        self.expect(|kind| *kind == Kind::Equal)?;
        if *self.peek() == Kind::OpenSquare {
            self.next();
            if *self.peek() == Kind::CloseSquare {
                self.next();
                return Ok(Command::Set(None, name, Value::List(Vec::new())));
            }
            return Ok(Command::Set(None, name, self.list()?));
        }
        Ok(Command::Set(None, name, self.value()?))
    }

    fn pairs(&mut self) -> Result<Vec<Pair>, Failure<'a>> {
        let mut pairs = Vec::new();
        while pairs.len() < MAX_PAIRS {
            let Kind::Property(name) = *self.peek() else { break };
            self.next();
            self.expect(|kind| *kind == Kind::Equal)?;
            pairs.push((name, self.value()?));
        }
        Ok(pairs)
    }

    fn expect(&mut self, wanted: impl Fn(&Kind) -> bool) -> Result<(), Failure<'a>> {
        let token = self.next();
        if wanted(&token.kind) { Ok(()) } else { Err(Failure::At(token)) }
    }

    fn value(&mut self) -> Result<Value, Failure<'a>> {
        let token = self.next();
        match token.kind {
            Kind::OpenParen => Ok(Value::Complex(self.complex()?)),
            Kind::OpenSquare => self.list(),
            _ => Ok(Value::Simple(simple(token)?)),
        }
    }

    /// A list after its opening bracket.
    fn list(&mut self) -> Result<Value, Failure<'a>> {
        let mut items = Vec::new();
        loop {
            let token = self.next();
            items.push(match token.kind {
                Kind::OpenParen => Item::Complex(self.complex()?),
                _ => Item::Simple(simple(token)?),
            });
            let token = self.next();
            match token.kind {
                Kind::Comma => {}
                Kind::CloseSquare => return Ok(Value::List(items)),
                _ => return Err(Failure::At(token)),
            }
        }
    }

    /// A complex value after its opening parenthesis.
    fn complex(&mut self) -> Result<Complex, Failure<'a>> {
        let mut parts = Vec::new();
        loop {
            let token = self.next();
            let Kind::Property(name) = token.kind else { return Err(Failure::At(token)) };
            self.expect(|kind| *kind == Kind::Equal)?;
            parts.push((name, simple(self.next())?));
            let token = self.next();
            match token.kind {
                Kind::Comma => {}
                Kind::CloseParen => return Ok(parts),
                _ => return Err(Failure::At(token)),
            }
        }
    }
}

/// The text of a word; names are words, too, where a value is expected.
fn simple(token: Token<'_>) -> Result<String, Failure<'_>> {
    match token.kind {
        Kind::Word(word) => Ok(word),
        Kind::Resource(resource) => Ok(resource.as_str().to_owned()),
        Kind::Property(name) => Ok(name.as_str().to_owned()),
        _ => Err(Failure::At(token)),
    }
}
