//! `zonecfg lint`: checks command files and XML documents without a system.

use std::fmt;

use crate::exec::{Options, Session, Source};
use crate::lang::{Command, Parsed, Parser, Position, Verb};
use crate::paper::Paper;
use crate::usage;
use crate::xml;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub position: Position,
    /// What.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.position.line, self.position.column, self.message)
    }
}

/// Checks the text of a file: a zone's document where it begins as XML does, else commands.
pub fn check(text: &str) -> Vec<Finding> {
    if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        check_document(text)
    } else {
        check_commands(text)
    }
}

fn check_document(text: &str) -> Vec<Finding> {
    let (line, column, message) = match xml::read_strict(text) {
        Ok(_) => return Vec::new(),
        Err(xml::Error::Syntax { line, column, message }) => (line, column, message),
        Err(error) => (1, 1, error.to_string()),
    };
    vec![Finding { position: Position { line, column }, message }]
}

/// Checks commands: all errors of syntax; without any, the commands are carried out on paper as well. A
/// script that changes an existing zone is not, for the zone is not known here.
fn check_commands(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut statements = Vec::new();
    let mut parser = Parser::new(text);
    loop {
        let (position, message) = match parser.next_parsed() {
            Parsed::End => break,
            Parsed::Empty => continue,
            Parsed::Command(statement) => {
                statements.push(statement);
                continue;
            }
            Parsed::Usage { verb, position, .. } => (
                position,
                format!("usage: {}", usage::short(verb).replace("\n\t", " ").replace('\n', ", ")),
            ),
            Parsed::Syntax { near, position, .. } => {
                (position, format!("syntax error at '{}'", near.escape_debug()))
            }
            Parsed::TooLong(position) => {
                findings.push(Finding { position, message: "the word is too long".to_owned() });
                break;
            }
        };
        findings.push(Finding { position, message });
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let position = Position { line: parser.line(), column: 1 };
        let message =
            "the last line has no line end: zonecfg -f leaves its last command out".to_owned();
        findings.push(Finding { position, message });
    }
    let creates = |command: &Command| matches!(command, Command::Words(Verb::Create, _));
    if !findings.is_empty() || !statements.first().is_some_and(|first| creates(&first.command)) {
        return findings;
    }
    let mut paper = Paper::default();
    let options = Options {
        program: "zonecfg".to_owned(),
        zone: "zone".to_owned(),
        source: Source::Arguments,
        read_only: false,
        alternate_root: false,
    };
    let mut session = Session::new(&mut paper, options);
    let mut last = Position { line: 1, column: 1 };
    for statement in &statements {
        last = statement.position;
        let (over, said) = session.carry_out(&statement.command);
        findings.extend(said.map(|message| Finding { position: last, message }));
        if over {
            return findings;
        }
    }
    findings.extend(session.carry_out_end().map(|message| Finding { position: last, message }));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        check(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clean_scripts_have_no_findings() {
        assert_eq!(
            found(
                "create -b\nset zonepath=/z\nadd attr; set name=a; set type=int; set value=1; end\n"
            ),
            [""; 0]
        );
        assert_eq!(found("select net physical=net0\nset vlan-id=5\nend\n"), [""; 0]);
    }

    #[test]
    fn errors_of_syntax_are_all_found() {
        let text = "create -b\n  set autoboot true\nadd options [a,]\n";
        assert_eq!(found(text), ["2:16: syntax error at 'true'", "3:16: syntax error at ']'"]);
        assert_eq!(found("create").len(), 1);
    }

    #[test]
    fn errors_of_meaning_are_found_in_their_place() {
        let text = "create -b\nset zonepath=/z\n set hostid=xyz\nadd net; set physical=bge\nend\n";
        assert_eq!(
            found(text),
            [
                "3:2: hostid: Specified property is invalid",
                "4:10: bge: invalid physical interface name",
                "5:1: physical not specified",
                "5:1: Resource incomplete.",
            ]
        );
        assert_eq!(
            found("create -b\nset autoboot=true\n"),
            [
                "2:1: zonepath cannot be empty. Zone zone failed to verify zone: Required resource missing Configuration not saved."
            ]
        );
    }

    #[test]
    fn documents_are_checked() {
        assert_eq!(found("<zone>\n <a>\n</zone>")[0].split(':').next(), Some("3"));
        assert_eq!(found("<zone/>"), ["1:1: there is no DOCTYPE"]);
    }
}
