//! Faults asked for from outside: `GZSIM_FAULT="zoneadm install:1=exit 1 boom; zfs clone:2=kill caller"`.
//!
//! One fault is `TOOL [WORD…]:N=ACTION`, several are separated by `;` or `,`. It strikes at the N-th call (`*`: at each)
//! of the tool (`*`: any tool) whose arguments hold the words in that order. Calls are counted from the first sight of
//! exactly this text in a root, or from `gzsim fault reset`. Actions:
//! - `exit CODE [MESSAGE]`: the tool does nothing, says MESSAGE and exits with CODE;
//! - `delay 5s` (also `ms`, `m`): the tool waits, then works;
//! - `kill caller`: the program that ran the tool is killed (SIGKILL), the tool does nothing;
//! - `kill self`: the tool is killed.
//!
//! `after kill caller` and `after kill self` let the tool do its work first.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::ctx::Ctx;
use crate::state;

/// Environment variable that asks for faults.
pub const VARIABLE: &str = "GZSIM_FAULT";

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Exit at once with a code and a message for stderr.
    Exit(i32, String),
    /// Wait, then work.
    Delay(Duration),
    /// Kill the parent process.
    KillCaller { after: bool },
    /// Kill the tool itself.
    KillSelf { after: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    tool: String,
    words: Vec<String>,
    /// `None`: every call.
    call: Option<u64>,
    action: Action,
}

/// How often each fault of the current text has matched.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counters {
    text: String,
    counts: BTreeMap<usize, u64>,
}

/// The action for this call of the tool, if a fault strikes.
pub fn strike(ctx: &Ctx, text: &str, arguments: &[String]) -> Result<Option<Action>> {
    let faults = parse(text)?;
    let matching: Vec<usize> =
        (0..faults.len()).filter(|&at| faults[at].matches(ctx.tool(), arguments)).collect();
    if matching.is_empty() {
        return Ok(None);
    }
    state::update(ctx, "faults", |counters: &mut Counters| {
        if counters.text != text {
            *counters = Counters { text: text.to_owned(), counts: BTreeMap::new() };
        }
        let mut struck = None;
        for at in matching {
            let count = counters.counts.entry(at).or_insert(0);
            *count += 1;
            if faults[at].call.is_none_or(|call| call == *count) && struck.is_none() {
                struck = Some(faults[at].action.clone());
            }
        }
        Ok(struck)
    })
}

/// Starts counting anew.
pub fn reset(ctx: &Ctx) -> Result<()> {
    state::update(ctx, "faults", |counters: &mut Counters| {
        *counters = Counters::default();
        Ok(())
    })
}

impl Fault {
    fn matches(&self, tool: &str, arguments: &[String]) -> bool {
        let mut rest = arguments.iter();
        (self.tool == "*" || self.tool == tool)
            && self.words.iter().all(|word| rest.any(|argument| argument == word))
    }
}

fn parse(text: &str) -> Result<Vec<Fault>> {
    let mut faults: Vec<String> = Vec::new();
    for part in text.split([';', ',']) {
        // A message may hold separators: what does not begin a fault belongs to the one before.
        if head(part).is_some() || faults.is_empty() {
            faults.push(part.trim().to_owned());
        } else if let Some(last) = faults.last_mut().filter(|_| !part.trim().is_empty()) {
            last.push(',');
            last.push_str(part);
        }
    }
    faults.iter().filter(|fault| !fault.is_empty()).map(|fault| parse_one(fault)).collect()
}

/// `TOOL WORD…`, the call and the action of `TOOL WORD…:N=ACTION`.
fn head(part: &str) -> Option<(&str, Option<u64>, &str)> {
    let (before, action) = part.split_once('=')?;
    let (target, call) = before.rsplit_once(':')?;
    let call = match call.trim() {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    Some((target.trim(), call, action.trim()))
}

fn parse_one(text: &str) -> Result<Fault> {
    let Some((target, call, action)) = head(text) else {
        bail!("{VARIABLE}: \"{text}\" is not of the form TOOL [WORD...]:N=ACTION");
    };
    let mut words = target.split_whitespace().map(str::to_owned);
    let Some(tool) = words.next() else { bail!("{VARIABLE}: \"{text}\" names no tool") };
    Ok(Fault { tool, words: words.collect(), call, action: parse_action(action)? })
}

fn parse_action(text: &str) -> Result<Action> {
    let (after, plain) = match text.strip_prefix("after ") {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    };
    match plain.split_once(' ') {
        Some(("kill", "caller")) => return Ok(Action::KillCaller { after }),
        Some(("kill", "self")) => return Ok(Action::KillSelf { after }),
        Some(("delay", time)) if !after => {
            if let Some(time) = parse_duration(time) {
                return Ok(Action::Delay(time));
            }
        }
        Some(("exit", rest)) if !after => {
            let (code, message) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Ok(code) = code.parse() {
                return Ok(Action::Exit(code, message.to_owned()));
            }
        }
        _ => {}
    }
    bail!("{VARIABLE}: \"{text}\" is not an action: exit CODE, delay TIME, kill caller, kill self")
}

/// A time as settings give it: `5s`, `250ms`, `2m`, or seconds without a unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number * 60)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn several_faults_and_a_message_with_separators() {
        let faults = parse(
            "zoneadm install:1=exit 1 boom, bang; zfs create -V:*=delay 250ms,x:2=after kill self",
        )
        .expect("three faults");
        assert_eq!(faults.len(), 3);
        assert_eq!(faults[0].action, Action::Exit(1, "boom, bang".to_owned()));
        assert_eq!(faults[1].action, Action::Delay(Duration::from_millis(250)));
        assert_eq!(faults[1].call, None);
        assert_eq!(faults[2].action, Action::KillSelf { after: true });
    }

    #[test]
    fn words_must_stand_in_order() {
        let fault = parse_one("zfs create -V:1=kill caller").expect("a fault");
        assert!(fault.matches("zfs", &words("create -o x=y -V 5 zones/a")));
        assert!(!fault.matches("zfs", &words("-V create")));
        assert!(!fault.matches("zpool", &words("create -V")));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["zfs", "zfs:x=exit 1", "zfs:1=explode", ":1=exit 1", "zfs:1=exit one"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
