//! The known name that a misspelt one probably meant.

/// The nearest of `names`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    names
        .map(|known| (distance(&name, known), known))
        .min()
        .filter(|(distance, known)| *distance > 0 && *distance * 3 <= known.chars().count())
        .map(|(_, known)| known)
}

/// How many characters have to be added, dropped or replaced to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, c) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, t) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(c != *t);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_named_and_far_ones_not() {
        let names = || ["alias", "autoboot", "ram", "max_physical_memory"].into_iter();
        assert_eq!(nearest("aliass", names()), Some("alias"));
        assert_eq!(nearest("max_phisical_memory", names()), Some("max_physical_memory"));
        assert_eq!(nearest("nosuch", names()), None);
    }
}
