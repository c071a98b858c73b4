//! The nearest known name to a misspelt one.

/// Shorter names are the beginning of too many others to guess from.
const MIN_BEGINNING: usize = 3;

/// The candidate nearest to `name`, if it is near enough to be what was meant: at most a third of
/// its letters differ, or it begins with `name`.
///
/// Of equally near candidates the first wins. Letter case and the difference between `-` and `_`
/// count as nothing.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(name);
    if wanted.is_empty() || wanted.len() > 64 {
        return None;
    }
    let candidates: Vec<(&str, Vec<char>)> =
        candidates.into_iter().map(|candidate| (candidate, fold(candidate))).collect();
    let misspelt = candidates
        .iter()
        .map(|(candidate, letters)| (distance(&wanted, letters), letters.len(), *candidate))
        .filter(|(distance, length, _)| *distance <= (length.min(&wanted.len()) / 3).max(1))
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate);
    let cut_short = || {
        let longer = candidates.iter().filter(|(_, letters)| letters.starts_with(&wanted));
        longer.min_by_key(|(_, letters)| letters.len()).map(|(candidate, _)| *candidate)
    };
    misspelt.or_else(|| (wanted.len() >= MIN_BEGINNING).then(cut_short).flatten())
}

fn fold(name: &str) -> Vec<char> {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Edit distance in which swapping two neighbours counts as one edit (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitution = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["max_physical_memory", "quota", "ram", "resolvers"];

    #[test]
    fn misspelt_names_find_their_neighbour() {
        assert_eq!(nearest("max_phsyical_memory", NAMES), Some("max_physical_memory"));
        assert_eq!(nearest("qouta", NAMES), Some("quota"));
        assert_eq!(nearest("resolver", NAMES), Some("resolvers"));
        assert_eq!(nearest("max_phys", NAMES), Some("max_physical_memory"));
        assert_eq!(nearest("Max-Physical-Memory", NAMES), Some("max_physical_memory"));
    }

    #[test]
    fn far_names_find_nothing() {
        assert_eq!(nearest("foo", NAMES), None);
        assert_eq!(nearest("", NAMES), None);
        assert_eq!(nearest(&"x".repeat(100_000), NAMES), None);
    }
}
