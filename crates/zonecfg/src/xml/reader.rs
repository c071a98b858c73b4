//! Well-formed XML to an element tree.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::is_blank;
use crate::model::{Element, Node};

/// Deepest nesting read; the document type allows three levels.
const MAX_DEPTH: usize = 64;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not well formed.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The root element is another.
    #[error("the root element is <{0}>, not <zone>")]
    NotAZone(String),
    /// Not valid under the document type.
    #[error("{0}")]
    Invalid(String),
}

/// A parsed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What stands between `<!DOCTYPE` and `>`.
    pub doctype: Option<String>,
    /// The root element.
    pub root: Element,
}

/// Parses a document. Comments before and after the root element are dropped, as illumos does; white space
/// between elements is not kept.
///
/// # Errors
/// [`Error::Syntax`] with the place.
pub fn parse(text: &str) -> Result<Document, Error> {
    if let Some((offset, c)) = text.char_indices().find(|(_, c)| !is_xml_char(*c)) {
        return Err(error_at(
            text,
            offset,
            format!("character U+{:04X} is not allowed", u32::from(c)),
        ));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut tree = Tree::default();
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                let offset = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                return Err(error_at(text, offset, error.to_string()));
            }
        };
        let done = tree.take(event).map_err(|message| {
            let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            error_at(text, offset, message)
        })?;
        if done {
            break;
        }
    }
    let doctype = tree.doctype;
    match tree.root {
        Some(root) if tree.open.is_empty() => Ok(Document { doctype, root }),
        _ => Err(error_at(
            text,
            text.len(),
            "the document ends before its root element does".to_owned(),
        )),
    }
}

#[derive(Default)]
struct Tree {
    doctype: Option<String>,
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree {
    /// Takes one event; true at the end of the document.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::Start(start) => {
                if self.open.len() >= MAX_DEPTH {
                    return Err("elements are nested too deeply".to_owned());
                }
                self.open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                self.close(element)?;
            }
            Event::End(_) => {
                let element = self.open.pop().ok_or("an end tag without a start tag")?;
                self.close(element)?;
            }
            Event::Text(text) => {
                self.text(&text)?;
            }
            Event::CData(data) => {
                self.text(&data)?;
            }
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let text = entity(name).ok_or_else(|| format!("entity '{name}' is not defined"))?;
                self.text(&text)?;
            }
            Event::Comment(comment) => self.raw(format!("<!--{}-->", &*comment)),
            Event::PI(pi) => self.raw(format!("<?{}?>", &*pi)),
            Event::DocType(doctype) => {
                if self.doctype.is_some() || self.root.is_some() || !self.open.is_empty() {
                    return Err("the document type stands in the wrong place".to_owned());
                }
                self.doctype = Some(doctype.trim().to_owned());
            }
            Event::Decl(_) => {
                if self.root.is_some() || !self.open.is_empty() {
                    return Err("the XML declaration stands in the wrong place".to_owned());
                }
            }
            Event::Eof => return Ok(true),
        }
        Ok(false)
    }

    fn close(&mut self, mut element: Element) -> Result<(), String> {
        if element.children.iter().any(|node| !matches!(node, Node::Text(_))) {
            element.children.retain(|node| !is_blank(node));
        } else if element.children.iter().all(is_blank) {
            element.children.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None if self.root.is_none() => self.root = Some(element),
            None => return Err("a second root element".to_owned()),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut().map(|parent| &mut parent.children) {
            Some(children) => {
                if let Some(Node::Text(last)) = children.last_mut() {
                    last.push_str(text);
                } else {
                    children.push(Node::Text(text.to_owned()));
                }
            }
            None if text
                .trim_start_matches('\u{feff}')
                .bytes()
                .all(|b| b.is_ascii_whitespace()) => {}
            None => return Err("text outside of the root element".to_owned()),
        }
        Ok(())
    }

    fn raw(&mut self, raw: String) {
        if let Some(parent) = self.open.last_mut() {
            parent.children.push(Node::Raw(raw));
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element::new(start.name().as_ref());
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute_value(&attribute.value)?;
        element.attributes.set(attribute.key.as_ref(), &value);
    }
    Ok(element)
}

/// Resolves references and normalizes white space as XML 1.0 does for CDATA attributes.
fn attribute_value(raw: &str) -> Result<String, String> {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
        value.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(reference) = rest.strip_prefix('&') {
            let (name, after) =
                reference.split_once(';').ok_or("'&' does not begin a reference")?;
            value.push_str(&entity(name).ok_or_else(|| format!("entity '{name}' is not defined"))?);
            rest = after;
        } else if rest.starts_with('<') {
            return Err("'<' in an attribute value".to_owned());
        } else {
            value.push(' ');
            rest = rest.strip_prefix("\r\n").unwrap_or_else(|| &rest[1..]);
        }
    }
    value.push_str(rest);
    Ok(value)
}

fn entity(name: &str) -> Option<String> {
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| is_xml_char(*c))?
        }
    };
    Some(c.to_string())
}

/// The characters that XML 1.0 allows.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn error_at(text: &str, offset: usize, message: String) -> Error {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.split(|b| *b == b'\n').count();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    Error::Syntax { line, column, message }
}
