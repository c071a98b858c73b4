//! Rules for names of pools, datasets, snapshots and bookmarks.

use super::error::{Code, Error, Result};

const MAX_LEN: usize = 256;
const MAX_DEPTH: usize = 50;

/// What kind of name is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Dataset,
    Snapshot,
    Bookmark,
}

/// Checks a name.
///
/// # Errors
/// The reason in libzfs's words.
pub fn check(name: &str, want: Want, modifying: bool) -> std::result::Result<(), String> {
    entity(name)?;
    let bad = |text: &str| Err(text.to_owned());
    if matches!(want, Want::Dataset | Want::Bookmark) && name.contains('@') {
        return bad("snapshot delimiter '@' is not expected here");
    }
    if want == Want::Snapshot && !name.contains('@') {
        return bad("missing '@' delimiter in snapshot name");
    }
    if matches!(want, Want::Dataset | Want::Snapshot) && name.contains('#') {
        return bad("bookmark delimiter '#' is not expected here");
    }
    if want == Want::Bookmark && !name.contains('#') {
        return bad("missing '#' delimiter in bookmark name");
    }
    if modifying && name.contains('%') {
        return bad("invalid character % in name");
    }
    Ok(())
}

/// [`check`] for a name about to be used in an action: `cannot ACTION: REASON`.
pub fn check_for(action: &str, name: &str, want: Want) -> Result<()> {
    check(name, want, true).map_err(|why| Error::cannot(Code::Refused, action, why))
}

/// Whether a name nests deeper than datasets may.
pub fn too_deep(name: &str) -> bool {
    name.split(['@', '#']).next().unwrap_or(name).matches('/').count() >= MAX_DEPTH
}

fn entity(name: &str) -> std::result::Result<(), String> {
    let bad = |text: &str| Err(text.to_owned());
    if name.len() >= MAX_LEN {
        return bad("name is too long");
    }
    if name.starts_with('/') {
        return bad("leading slash in name");
    }
    if name.is_empty() {
        return bad("empty component in name");
    }
    if name.ends_with('/') {
        return bad("trailing slash in name");
    }
    let mut rest = name;
    let mut delimited = false;
    loop {
        let end = rest.find(['/', '@', '#']).unwrap_or(rest.len());
        let (component, tail) = rest.split_at(end);
        if let Some(c) = component.chars().find(|&c| !valid(c)) {
            return Err(format!("invalid character '{c}' in name"));
        }
        let delimiter = tail.chars().next();
        if matches!(delimiter, Some('@' | '#')) {
            if delimited {
                return bad("multiple '@' and/or '#' delimiters in name");
            }
            delimited = true;
        }
        if component.is_empty() {
            return bad("empty component in name");
        }
        match delimiter {
            None => return Ok(()),
            Some('/') if delimited => return bad("trailing slash in name"),
            Some(_) => rest = &tail[1..],
        }
    }
}

fn valid(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' ' | '%')
}

/// Checks the name of a new pool.
pub fn check_pool(name: &str) -> Result<()> {
    let why = if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "name must begin with a letter"
    } else if name.contains(['/', '@', '#', '%']) || entity(name).is_err() {
        "invalid character in pool name"
    } else if ["mirror", "raidz", "spare", "log"].iter().any(|r| name.starts_with(r)) {
        "name is reserved"
    } else {
        return Ok(());
    };
    Err(Error::cannot(Code::Refused, format_args!("create '{name}'"), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, want, verdict) in [
            ("zones/a", Want::Dataset, Ok(())),
            ("zones/a b", Want::Dataset, Ok(())),
            ("zones/a@s", Want::Snapshot, Ok(())),
            ("", Want::Dataset, Err("empty component in name")),
            ("/zones", Want::Dataset, Err("leading slash in name")),
            ("zones/", Want::Dataset, Err("trailing slash in name")),
            ("zones//a", Want::Dataset, Err("empty component in name")),
            ("zones/a$", Want::Dataset, Err("invalid character '$' in name")),
            ("zones/a%b", Want::Dataset, Err("invalid character % in name")),
            ("zones/a@b@c", Want::Snapshot, Err("multiple '@' and/or '#' delimiters in name")),
            ("zones/a@", Want::Snapshot, Err("empty component in name")),
            ("zones/a", Want::Snapshot, Err("missing '@' delimiter in snapshot name")),
            ("zones/a@s", Want::Dataset, Err("snapshot delimiter '@' is not expected here")),
            ("zones/a@s/b", Want::Snapshot, Err("trailing slash in name")),
        ] {
            assert_eq!(check(name, want, true), verdict.map_err(str::to_owned), "{name}");
        }
        assert_eq!(check(&"a".repeat(256), Want::Dataset, true), Err("name is too long".into()));
        assert!(
            check_pool("zones").is_ok()
                && check_pool("1a").is_err()
                && check_pool("mirror0").is_err()
        );
    }
}
