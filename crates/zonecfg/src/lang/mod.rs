//! The command language: text to commands and commands to text.

mod ast;
mod lexer;
mod names;
mod parser;
mod script;

pub use ast::{Command, Complex, Item, Pair, Statement, Value};
pub use lexer::{MAX_BARE, MAX_QUOTED, Position};
pub use names::{PropertyName, ResourceType, Verb};
pub use parser::{Listing, Parsed, Parser};
pub use script::{Inexpressible, Script, print, quote, quote_if_needed};
