//! Options as getopt(3C) reads them: single letters, clustered, values attached or following, ended by the first
//! operand or `--`.

/// What getopt found.
#[derive(Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// The letters in order, each with its value where it takes one.
    pub found: Vec<(char, Option<&'a str>)>,
    /// What follows the options.
    pub operands: &'a [String],
    /// The first letter that is not in the list, or that lacks its value.
    pub unknown: Option<char>,
}

impl Options<'_> {
    /// Whether `letter` was given.
    pub fn has(&self, letter: char) -> bool {
        self.found.iter().any(|(found, _)| *found == letter)
    }

    /// The last value given with `letter`.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.found.iter().rev().find(|(found, _)| *found == letter).and_then(|(_, value)| *value)
    }
}

/// Reads the options of `arguments`; `letters` as in getopt(3C), a colon after each letter that takes a value. Stops
/// at the first unknown letter.
pub fn getopt<'a>(arguments: &'a [String], letters: &str) -> Options<'a> {
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(argument) = arguments.get(index) {
        let Some(cluster) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            break;
        };
        index += 1;
        if cluster == "-" {
            break;
        }
        for (position, letter) in cluster.char_indices() {
            let Some(at) = letters.find(letter).filter(|_| letter != ':') else {
                return Options { found, operands: &arguments[index..], unknown: Some(letter) };
            };
            if !letters[at + letter.len_utf8()..].starts_with(':') {
                found.push((letter, None));
                continue;
            }
            let attached = &cluster[position + letter.len_utf8()..];
            if !attached.is_empty() {
                found.push((letter, Some(attached)));
            } else if let Some(value) = arguments.get(index) {
                index += 1;
                found.push((letter, Some(value)));
            } else {
                return Options { found, operands: &arguments[index..], unknown: Some(letter) };
            }
            break;
        }
    }
    Options { found, operands: &arguments[index..], unknown: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn clusters_and_values() {
        let arguments = words("-pd , -ox,y rest -p");
        let options = getopt(&arguments, "pd:o:");
        assert_eq!(options.found, [('p', None), ('d', Some(",")), ('o', Some("x,y"))]);
        assert_eq!(options.operands, words("rest -p"));
        assert_eq!(options.unknown, None);
    }

    #[test]
    fn unknown_and_missing() {
        assert_eq!(getopt(&words("-px"), "p").unknown, Some('x'));
        assert_eq!(getopt(&words("-d"), "d:").unknown, Some('d'));
        assert_eq!(getopt(&words("-- -x"), "p").operands, words("-x"));
    }
}
