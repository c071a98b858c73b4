//! One byte range of a request, as RFC 9110 has it.

/// The part of a file that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// From the first byte to the last, both included.
    Bytes(u64, u64),
    /// A range that the file has not.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `length` bytes. What is not one range of bytes is answered with the whole
/// file, as the standard allows.
pub fn parse(header: Option<&str>, length: u64) -> Part {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Part::Whole;
    };
    let Some((first, last)) = range.split_once('-').map(|(a, b)| (a.trim(), b.trim())) else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if last >= first => (first, last.min(length.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, length.saturating_sub(1)),
        (None, Some(0)) if first.is_empty() => return Part::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => {
            (length.saturating_sub(count), length.saturating_sub(1))
        }
        _ => return Part::Whole,
    };
    if first >= length { Part::Unsatisfiable } else { Part::Bytes(first, last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, part) in [
            (None, Part::Whole),
            (Some("bytes=0-9"), Part::Bytes(0, 9)),
            (Some("bytes=10-"), Part::Bytes(10, 99)),
            (Some("bytes=90-200"), Part::Bytes(90, 99)),
            (Some("bytes=-5"), Part::Bytes(95, 99)),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=100-"), Part::Unsatisfiable),
            (Some("bytes=5-2"), Part::Whole),
            (Some("bytes=0-1,3-4"), Part::Whole),
            (Some("lines=0-1"), Part::Whole),
        ] {
            assert_eq!(parse(header, 100), part, "{header:?}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Part::Unsatisfiable);
    }
}
