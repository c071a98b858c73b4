//! `zfs get` and `zfs holds`.

use std::path::Path;

use super::super::get::{Item, Source, date};
use super::super::proptable::{BOOKMARK, FS, SNAP, VOL};
use super::super::state::parent_of;
use super::super::{Error, Zfs};
use super::columns::{self, Column, Reader, Row, Walk};
use super::getopt;
use super::{Fail, Outcome, print, usage_error};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Property,
    Value,
    Received,
    Source,
}

const FIELDS: [(&str, Field, &str); 5] = [
    ("name", Field::Name, "NAME"),
    ("property", Field::Property, "PROPERTY"),
    ("value", Field::Value, "VALUE"),
    ("received", Field::Received, "RECEIVED"),
    ("source", Field::Source, "SOURCE"),
];

fn parse_fields(text: &str) -> Result<Vec<Field>, Fail> {
    let mut fields = Vec::new();
    for name in text.split(',') {
        if fields.len() == FIELDS.len() {
            return usage_error("too many fields given to -o option");
        }
        if name == "all" {
            if !fields.is_empty() {
                return usage_error("\"all\" conflicts with specific fields given to -o option");
            }
            fields = FIELDS.iter().map(|(_, f, _)| *f).collect();
            continue;
        }
        match FIELDS.iter().find(|(n, _, _)| *n == name) {
            Some((_, field, _)) => fields.push(*field),
            None => return usage_error(format!("invalid column name '{name}'")),
        }
    }
    Ok(fields)
}

fn source_name(source: &Source) -> &'static str {
    match source {
        Source::None => "none",
        Source::Default => "default",
        Source::Local => "local",
        Source::Received => "received",
        Source::Inherited(_) => "inherited",
    }
}

fn source_text(source: &Source) -> String {
    match source {
        Source::None => "-".to_owned(),
        Source::Inherited(from) => format!("inherited from {from}"),
        other => source_name(other).to_owned(),
    }
}

struct Line {
    name: String,
    property: String,
    value: String,
    received: String,
    source: String,
}

impl Line {
    fn field(&self, field: Field) -> &str {
        match field {
            Field::Name => &self.name,
            Field::Property => &self.property,
            Field::Value => &self.value,
            Field::Received => &self.received,
            Field::Source => &self.source,
        }
    }
}

pub fn get(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options_telling_missing(args, "d:o:s:rt:Hcp")?;
    let mut fields = vec![Field::Name, Field::Property, Field::Value, Field::Source];
    let (mut literal, mut scripted) = (false, false);
    let mut sources: Option<Vec<String>> = None;
    let mut walk = Walk {
        types: FS | VOL | SNAP | BOOKMARK,
        recursive: false,
        depth: None,
        snapshots_below: true,
    };
    for (option, value) in parsed.options {
        match option {
            'p' => literal = true,
            'H' => scripted = true,
            'r' => walk.recursive = true,
            'd' => {
                walk.depth = Some(columns::parse_depth(&value)?);
                walk.recursive = true;
            }
            't' => walk.types = columns::parse_types(&value)?,
            'o' => fields = parse_fields(&value)?,
            's' => {
                const KNOWN: [&str; 6] =
                    ["local", "default", "inherited", "received", "temporary", "none"];
                let given: Vec<String> = value.split(',').map(str::to_owned).collect();
                if let Some(bad) = given.iter().find(|g| !KNOWN.contains(&g.as_str())) {
                    return usage_error(format!("invalid source '{bad}'"));
                }
                sources = Some(given);
            }
            _ => {}
        }
    }
    let Some((list, names)) = parsed.rest.split_first() else {
        return usage_error("missing property argument");
    };
    let all = list == "all";
    let wanted = columns::parse_list(list, false)?;
    let zfs = Zfs::open_shared(root)?;
    let (rows, failed) = columns::walk(&zfs, names, walk);
    let measure = wanted.iter().any(Column::needs_space);
    let mut reader = Reader::new(&zfs, &rows, measure);
    let mut lines = Vec::new();
    for row in &rows {
        let user = if all { user_properties(&zfs, row) } else { Vec::new() };
        for column in wanted.iter().chain(&user) {
            let value = reader.value(row, column);
            if all && value.is_none() {
                continue;
            }
            let source = value.as_ref().map_or(Source::None, |v| v.source.clone());
            if sources.as_ref().is_some_and(|s| !s.iter().any(|s| s == source_name(&source))) {
                continue;
            }
            let (shown, received) = match value {
                Some(v) => (if literal { v.exact } else { v.nice }, v.received),
                None => ("-".to_owned(), None),
            };
            lines.push(Line {
                name: row.name.clone(),
                property: column.name().to_owned(),
                value: shown,
                received: received.unwrap_or_else(|| "-".to_owned()),
                source: source_text(&source),
            });
        }
    }
    zfs.unlock()?;
    print(&lines_text(&lines, &wanted, &fields, scripted, literal))?;
    Ok(i32::from(failed))
}

/// User properties in force on a row, in name order.
fn user_properties(zfs: &Zfs, row: &Row<'_>) -> Vec<Column> {
    let mut names = std::collections::BTreeSet::new();
    let mut collect = |props: &std::collections::BTreeMap<String, _>| {
        names.extend(props.keys().filter(|n| n.contains(':')).cloned());
    };
    if let Item::Snap(_, snap) = row.item {
        collect(&snap.props);
    }
    let mut at = row.name.split(['@', '#']).next();
    while let Some(name) = at {
        if let Some(ds) = zfs.state.datasets.get(name) {
            collect(&ds.props);
        }
        at = parent_of(name);
    }
    names.into_iter().map(Column::User).collect()
}

fn lines_text(
    lines: &[Line],
    wanted: &[Column],
    fields: &[Field],
    scripted: bool,
    literal: bool,
) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let longest =
        |field: Field| lines.iter().map(|l| l.field(field).chars().count()).max().unwrap_or(0);
    let width = |field: Field, header: &str| {
        let fixed = wanted.iter().filter_map(Column::fixed_width).max().unwrap_or(0);
        let widest = match field {
            // numbers keep the width of their kind, unless printed exactly
            Field::Value if !literal => lines
                .iter()
                .filter(|l| Column::parse(&l.property).is_none_or(|c| c.fixed_width().is_none()))
                .map(|l| l.value.chars().count())
                .max()
                .unwrap_or(0)
                .max(fixed),
            Field::Value => longest(field).max(fixed),
            _ => longest(field),
        };
        widest.max(header.len())
    };
    let widths: Vec<usize> = fields
        .iter()
        .map(|f| FIELDS.iter().find(|(_, g, _)| g == f).map_or(0, |(_, _, h)| width(*f, h)))
        .collect();
    let mut text = String::new();
    let mut put = |values: &[&str]| {
        for (i, value) in values.iter().enumerate() {
            let width = widths[i];
            if i + 1 == values.len() {
                text.push_str(value);
            } else if scripted {
                text.push_str(value);
                text.push('\t');
            } else {
                text.push_str(&format!("{value:<width$}  "));
            }
        }
        text.push('\n');
    };
    if !scripted {
        let headers: Vec<&str> = fields
            .iter()
            .filter_map(|f| FIELDS.iter().find(|(_, g, _)| g == f).map(|(_, _, h)| *h))
            .collect();
        put(&headers);
    }
    for line in lines {
        put(&fields.iter().map(|f| line.field(*f)).collect::<Vec<_>>());
    }
    text
}

pub fn holds(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options(args, "rH")?;
    let scripted = parsed.options.iter().any(|(o, _)| *o == 'H');
    let recursive = parsed.options.iter().any(|(o, _)| *o == 'r');
    if parsed.rest.is_empty() {
        return usage_error("");
    }
    let zfs = Zfs::open_shared(root)?;
    let mut errors = false;
    let mut lines: Vec<(String, String, String)> = Vec::new();
    for arg in &parsed.rest {
        let Some((ds, snap)) = arg.split_once('@') else {
            eprintln!("'{arg}' is not a snapshot");
            errors = true;
            continue;
        };
        let known = if recursive { zfs.exists(ds) } else { zfs.exists(arg) };
        if !known {
            let missing = if recursive { ds } else { arg };
            eprintln!("{}", Error::no_dataset(missing));
            errors = true;
            continue;
        }
        let below = zfs.state.descendants(ds).map(|(n, _)| n.as_str());
        for name in std::iter::once(ds).chain(below.take_while(|_| recursive)) {
            let full = format!("{name}@{snap}");
            for (tag, at) in zfs.holds(&full).unwrap_or_default() {
                lines.push((full.clone(), tag, date(at)));
            }
        }
    }
    let mut text = String::new();
    let names = lines.iter().map(|l| l.0.len()).max().unwrap_or(0).max(4);
    let tags = lines.iter().map(|l| l.1.len()).max().unwrap_or(0).max(3);
    if !scripted {
        text.push_str(&format!("{:<names$}  {:<tags$}  TIMESTAMP\n", "NAME", "TAG"));
    }
    for (name, tag, time) in lines {
        if scripted {
            text.push_str(&format!("{name}\t{tag}\t{time}\n"));
        } else {
            text.push_str(&format!("{name:<names$}  {tag:<tags$}  {time}\n"));
        }
    }
    zfs.unlock()?;
    print(&text)?;
    Ok(i32::from(errors))
}
