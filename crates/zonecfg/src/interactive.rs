//! Prompts, history and completion on a terminal.

use std::cell::RefCell;
use std::rc::Rc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::completion::candidates;
use crate::exec::{EXIT_ERROR, Exit, Outcome, Session};
use crate::lang::ResourceType;

/// Commands that are kept for the arrow keys.
const HISTORY: usize = 1024;

/// Completes commands by the scope they are typed in.
struct Completion {
    scope: Rc<RefCell<Option<ResourceType>>>,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, candidates(&line[..at], *self.scope.borrow())))
    }
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

/// Reads commands from the terminal until the session is over. The result is the exit status.
///
/// # Errors
/// The session ends at once.
pub fn run(session: &mut Session<'_>, program: &str) -> Result<u8, Exit> {
    let scope = Rc::new(RefCell::new(None));
    let mut editor =
        editor(Completion { scope: Rc::clone(&scope) }).map_err(|_| Exit(EXIT_ERROR))?;
    loop {
        let (zone, resource) = session.place();
        *scope.borrow_mut() = resource;
        let prompt = match resource {
            Some(resource) => format!("{program}:{zone}:{resource}> "),
            None => format!("{program}:{zone}> "),
        };
        let over = match editor.readline(&prompt) {
            Ok(line) => {
                // A line that cannot be remembered can still be carried out.
                let _ = editor.add_history_entry(line.as_str());
                session.run(&(line + "\n"))?;
                session.is_over()
            }
            Err(ReadlineError::Interrupted) => false,
            Err(_) => true,
        };
        if over && let Outcome::Done(status) = session.finish()? {
            return Ok(status);
        }
    }
}

fn editor(completion: Completion) -> rustyline::Result<Editor<Completion, MemHistory>> {
    let config = Config::builder().completion_type(CompletionType::List).build();
    let history = MemHistory::with_config(&Config::builder().max_history_size(HISTORY)?.build());
    let mut editor = Editor::with_history(config, history)?;
    editor.set_helper(Some(completion));
    Ok(editor)
}
