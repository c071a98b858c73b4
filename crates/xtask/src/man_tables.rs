//! `cargo xtask man-tables`: the property lists of the manual pages.
//!
//! A page has a line `.\" BEGIN PROPERTIES` and a line `.\" END PROPERTIES`; what is between them
//! is replaced.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use manifest::brand::{Brand, BrandSet, Flavour};
use manifest::properties::{OnOmniOs, PROPERTIES, Property, brands};

const BEGIN: &str = ".\\\" BEGIN PROPERTIES\n";
const END: &str = ".\\\" END PROPERTIES\n";

/// Rewrites the property lists of the pages in `root/man`.
pub fn write(root: &Path) -> Result<()> {
    let directory = root.join("man");
    for entry in
        std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?
    {
        let path = entry?.path();
        if path.is_file() {
            let page = std::fs::read_to_string(&path)?;
            if let Some(page) = with_list(&page) {
                crate::write_changed(&path, &page)?;
            }
        }
    }
    Ok(())
}

/// The page with its property list made anew; `None` if it has no place for one.
fn with_list(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", list()))
}

/// The list of all properties by name, in mdoc.
pub fn list() -> String {
    let mut properties: Vec<&Property> =
        PROPERTIES.iter().filter(|property| !property.hidden).collect();
    properties.sort_by_key(|property| property.name);
    let mut mdoc = String::from(".Bl -tag -width Ds\n");
    for property in properties {
        mdoc.push_str(&item(property));
    }
    mdoc.push_str(".El\n");
    mdoc
}

fn item(property: &Property) -> String {
    let mut mdoc = format!(".It Sy {}", property.name);
    if let Some(kind) = property.kind {
        let _ = write!(mdoc, " Pq {kind}");
    }
    mdoc.push('\n');
    let doc = property.doc.replace(". ", ".\n");
    let facts = facts(property);
    // A sentence a line, as mdoc spaces them.
    for sentence in doc.lines().chain(facts.iter().map(String::as_str)) {
        let _ = writeln!(mdoc, "{}", escaped(sentence));
    }
    mdoc
}

/// Sentences about a property that the table has columns for.
fn facts(property: &Property) -> Vec<String> {
    let mut facts = Vec::new();
    if property.deprecated {
        facts.push("Deprecated.".to_owned());
    }
    let uses = uses(property);
    if uses.is_empty() {
        facts.push("Read only.".to_owned());
    } else {
        facts.push(format!("For {}.", uses.join("; ")));
    }
    if !property.required.is_empty() {
        facts.push(format!("Required for {}.", brand_names(property.required)));
    }
    match (property.min, property.max) {
        (Some(min), Some(max)) => facts.push(format!("From {min} to {max}.")),
        (Some(min), None) => facts.push(format!("At least {min}.")),
        (None, Some(max)) => facts.push(format!("At most {max}.")),
        (None, None) => {}
    }
    if let Some(default) = property.default_text {
        facts.push(format!("Default: {default}."));
    }
    if property.live {
        facts.push("A running VM follows a change at once.".to_owned());
    }
    if let Some(OnOmniOs::Not(why)) = property.omnios {
        facts.push(format!("Not on OmniOS: {why}."));
    }
    facts
}

/// In which payloads of which brands a property can be.
fn uses(property: &Property) -> Vec<String> {
    let nested = property.nested().is_some();
    let actions = [
        (property.create, if nested { "new" } else { "create" }),
        (property.receive, "receive"),
        (property.update, if nested { "changed" } else { "update" }),
    ];
    let mut uses: Vec<(BrandSet, Vec<&str>)> = Vec::new();
    for (set, action) in actions {
        match uses.iter_mut().find(|(known, _)| *known == set) {
            _ if set.is_empty() => {}
            Some((_, actions)) => actions.push(action),
            None => uses.push((set, vec![action])),
        }
    }
    let what = if nested { " elements" } else { "" };
    let mut uses: Vec<String> = uses
        .into_iter()
        .map(|(set, actions)| format!("{}{what} of {}", actions.join(", "), brand_names(set)))
        .collect();
    for (set, action) in [
        (property.create_on_omnios, if nested { "new" } else { "create" }),
        (property.update_on_omnios, if nested { "changed" } else { "update" }),
    ] {
        if !set.is_empty() {
            uses.push(format!("{action}{what} of {} on OmniOS", brand_names(set)));
        }
    }
    uses
}

fn brand_names(set: BrandSet) -> String {
    let groups = [
        (brands::ANY, "all brands"),
        (brands::OS, "brands that share the host's kernel"),
        (brands::NOT_BHYVE, "all brands but bhyve"),
    ];
    if let Some((_, name)) = groups.iter().find(|(group, _)| *group == set) {
        return (*name).to_owned();
    }
    let names: Vec<&str> = [Flavour::SmartOs, Flavour::OmniOs]
        .iter()
        .flat_map(|flavour| set.iter().filter(|brand| brand.exists_on(*flavour)).map(Brand::as_str))
        .collect();
    let mut unique: Vec<&str> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique.join(", ")
}

/// Text that roff takes as it is: no control characters at the start of a line, backslashes
/// doubled.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_replace_what_was_between_the_marks() {
        let page = format!(".Sh PROPERTIES\n{BEGIN}old\n{END}.Sh EXIT STATUS\n");
        let new = with_list(&page).unwrap_or_default();
        assert!(new.starts_with(&format!(".Sh PROPERTIES\n{BEGIN}.Bl -tag")), "{new}");
        assert!(new.ends_with(&format!(".El\n{END}.Sh EXIT STATUS\n")));
        assert!(!new.contains("old\n"));
        assert_eq!(with_list(".Sh NAME\n"), None);
    }

    #[test]
    fn items_say_what_the_table_says() {
        let quota = manifest::properties::find("quota").map(item).unwrap_or_default();
        for part in [
            ".It Sy quota Pq integer",
            "For create, receive, update of all brands.",
            "At least 0.",
            "A running VM",
        ] {
            assert!(quota.contains(part), "{quota}");
        }
        let pid = manifest::properties::find("pid").map(item).unwrap_or_default();
        assert!(pid.contains("Read only."), "{pid}");
    }

    #[test]
    fn pages_are_up_to_date() -> Result<()> {
        let Ok(entries) = std::fs::read_dir(crate::root().join("man")) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(new) = with_list(&page) {
                assert!(new == page, "{}: run cargo xtask man-tables", path.display());
            }
        }
        Ok(())
    }
}
