//! Options of commands, as getopt(3C) reads them.

use super::Session;
use crate::lang::Verb;

/// What to do about `-?` and unknown options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Help on the standard output, for unknown options, too.
    Help,
    /// Help for `-?`, a usage error for unknown options.
    HelpOrUsage,
    /// No message.
    Silent,
}

/// The options that were given and how many words they took.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) options: Vec<(char, String)>,
    pub(super) taken: usize,
}

impl Given {
    pub(super) fn has(&self, option: char) -> bool {
        self.options.iter().any(|(name, _)| *name == option)
    }
}

impl Session<'_> {
    /// Reads the options at the beginning of a command's words. `known` lists the letters, those with an
    /// argument before a colon. `None` after a message.
    pub(super) fn options(
        &mut self,
        verb: Verb,
        words: &[String],
        known: &str,
        wrong: Wrong,
    ) -> Option<Given> {
        let mut given = Given::default();
        let mut bad = false;
        while let Some(word) = words.get(given.taken) {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                break;
            };
            given.taken += 1;
            if letters == "-" {
                break;
            }
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                let at = known.find(letter).filter(|_| letter != ':');
                let takes_argument = at.is_some_and(|at| known[at + 1..].starts_with(':'));
                let argument = if takes_argument && !letters.as_str().is_empty() {
                    Some(letters.as_str().to_owned())
                } else if takes_argument {
                    given.taken += 1;
                    words.get(given.taken - 1).cloned()
                } else {
                    at.map(|_| String::new())
                };
                match argument {
                    Some(argument) if letter != '?' => given.options.push((letter, argument)),
                    argument => {
                        bad = true;
                        if argument.is_none() && !self.quiet_options {
                            let problem = if takes_argument {
                                "option requires an argument"
                            } else {
                                "illegal option"
                            };
                            self.system.err(&format!("{}: {problem} -- {letter}\n", words[0]));
                        }
                        self.wrong_option(verb, letter, wrong);
                    }
                }
                if takes_argument {
                    break;
                }
            }
        }
        given.taken = given.taken.min(words.len());
        (!bad).then_some(given)
    }

    /// As [`Session::options`] where nothing may follow the options.
    pub(super) fn only_options(
        &mut self,
        verb: Verb,
        words: &[String],
        known: &str,
        wrong: Wrong,
    ) -> Option<Given> {
        let given = self.options(verb, words, known, wrong)?;
        if given.taken != words.len() {
            self.short_usage(verb);
            return None;
        }
        Some(given)
    }

    fn wrong_option(&mut self, verb: Verb, letter: char, wrong: Wrong) {
        match wrong {
            Wrong::Help => self.longer_usage(verb),
            Wrong::HelpOrUsage if letter == '?' => self.longer_usage(verb),
            Wrong::HelpOrUsage => self.short_usage(verb),
            Wrong::Silent => {}
        }
    }
}
