//! Taking out of a text what differs from run to run: times, process numbers, generated UUIDs and MAC addresses.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

static UUID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static MAC: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}"));

/// What to replace wherever it stands: pattern and replacement.
static TIMES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z", "TIME"),
        (
            r"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) [A-Z][a-z]{2} [0-9]{1,2} [0-9]{4} [0-9:]{8}[^\n]*",
            "DATE",
        ),
        (r":[0-9]{13}\b", ":MILLISECONDS"),
        (r#"("(?:pid|zoneid|transition_expire|boot_timestamp|last_modified)": )[0-9]+"#, "${1}N"),
        (r"\b[0-9]{10}\.[0-9]{1,9} ", "TIME "),
        (r#"("docker:id": ")[0-9a-f]{64}"#, "${1}ID"),
        (r#"("(?:created_at|timestamp|creation)": )[0-9]+"#, "${1}N"),
    ]
    .into_iter()
    .map(|(text, replacement)| (pattern(text), replacement))
    .collect()
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are valid")
}

/// The UUIDs and MAC addresses that are the same in every run: all others were generated.
#[derive(Debug, Clone, Default)]
pub struct Known {
    names: BTreeSet<String>,
}

impl Known {
    /// Adds those that stand in a text (a payload, a manifest).
    pub fn learn(&mut self, text: &str) {
        self.names.extend(UUID.find_iter(text).map(|found| found.as_str().to_owned()));
        self.names.extend(MAC.find_iter(text).map(|found| found.as_str().to_owned()));
    }

    /// The text with times and numbers that differ replaced, and generated UUIDs and MAC addresses numbered in the
    /// order in which they first stand in it.
    pub fn normalise(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, replacement) in TIMES.iter() {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
        let text = self.number(&UUID, &text, "UUID");
        self.number(&MAC, &text, "MAC")
    }

    fn number(&self, pattern: &Regex, text: &str, label: &str) -> String {
        let mut seen: Vec<String> = Vec::new();
        pattern
            .replace_all(text, |found: &Captures<'_>| {
                let name = found[0].to_owned();
                if self.names.contains(&name) || name.starts_with("00000000-") {
                    return name;
                }
                let at = seen.iter().position(|known| *known == name).unwrap_or_else(|| {
                    seen.push(name);
                    seen.len() - 1
                });
                format!("{label}{}", at + 1)
            })
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_generated_is_replaced() {
        let mut known = Known::default();
        known.learn(
            r#"{"uuid": "a0000001-0000-4000-8000-000000000001", "mac": "02:08:20:aa:00:01"}"#,
        );
        let text = "a0000001-0000-4000-8000-000000000001 b0000001-0000-4000-8000-000000000001 \
            02:08:20:aa:00:01 92:08:20:aa:00:01 2026-11-21T04:22:54.704Z running:1795235274705";
        assert_eq!(
            known.normalise(text),
            "a0000001-0000-4000-8000-000000000001 UUID1 02:08:20:aa:00:01 MAC1 TIME running:MILLISECONDS"
        );
        assert_eq!(known.normalise("\"pid\": 68,\n\"pids\": 7"), "\"pid\": N,\n\"pids\": 7");
        assert_eq!(known.normalise("1795235032.801975250 -1\n"), "TIME -1\n");
    }
}
