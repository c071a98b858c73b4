//! `zfs list`.

use std::cmp::Ordering;
use std::path::Path;

use super::super::Zfs;
use super::super::proptable::{BOOKMARK, FS, Form, SNAP, VOL};
use super::columns::{self, Column, Reader, Row, Walk};
use super::getopt;
use super::{Outcome, print, usage_error};

pub fn list(root: &Path, args: &[String]) -> Outcome {
    let parsed = getopt::options(args, "HS:d:o:prs:t:")?;
    let mut fields = "name,used,available,referenced,mountpoint".to_owned();
    let (mut literal, mut scripted) = (false, false);
    let mut types_given = false;
    let mut walk =
        Walk { types: FS | VOL | SNAP, recursive: false, depth: None, snapshots_below: false };
    let mut sort: Vec<(Column, bool)> = Vec::new();
    for (option, value) in parsed.options {
        match option {
            'o' => fields = value,
            'p' => literal = true,
            'H' => scripted = true,
            'r' => walk.recursive = true,
            'd' => {
                walk.depth = Some(columns::parse_depth(&value)?);
                walk.recursive = true;
            }
            't' => {
                walk.types = columns::parse_types(&value)?;
                walk.snapshots_below = walk.types & (SNAP | BOOKMARK) != 0;
                types_given = true;
            }
            _ => match Column::parse(&value) {
                Some(column) => sort.push((column, option == 'S')),
                None => return usage_error(format!("invalid property '{value}'")),
            },
        }
    }
    if fields == "space" && !types_given {
        walk.types &= !SNAP;
    }
    let wanted = columns::parse_list(&fields, true)?;
    let zfs = Zfs::open_shared(root)?;
    let (mut rows, failed) = columns::walk(&zfs, &parsed.rest, walk);
    let measure = wanted.iter().chain(sort.iter().map(|(c, _)| c)).any(Column::needs_space);
    let mut reader = Reader::new(&zfs, &rows, measure);
    if !sort.is_empty() {
        sort_rows(&mut rows, &sort, &mut reader);
    }
    if rows.is_empty() {
        if !failed && !scripted {
            print("no datasets available\n")?;
        }
        return Ok(i32::from(failed));
    }
    let text = if scripted {
        scripted_text(&rows, &wanted, literal, &mut reader)
    } else {
        table(&rows, &wanted, literal, &mut reader)
    };
    zfs.unlock()?;
    print(&text)?;
    Ok(i32::from(failed))
}

fn cell(reader: &mut Reader<'_>, row: &Row<'_>, column: &Column, literal: bool) -> String {
    match column {
        Column::Native(native) if native.name == "name" => row.name.clone(),
        _ => match reader.value(row, column) {
            Some(value) if literal => value.exact,
            Some(value) => value.nice,
            None => "-".to_owned(),
        },
    }
}

fn scripted_text(
    rows: &[Row<'_>],
    wanted: &[Column],
    literal: bool,
    reader: &mut Reader<'_>,
) -> String {
    let mut text = String::with_capacity(rows.len() * 64);
    for row in rows {
        for (i, column) in wanted.iter().enumerate() {
            if i > 0 {
                text.push('\t');
            }
            text.push_str(&cell(reader, row, column, literal));
        }
        text.push('\n');
    }
    text
}

fn table(rows: &[Row<'_>], wanted: &[Column], literal: bool, reader: &mut Reader<'_>) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| wanted.iter().map(|c| cell(reader, row, c, literal)).collect())
        .collect();
    let headers: Vec<String> = wanted.iter().map(Column::header).collect();
    let widths: Vec<usize> = wanted
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let fixed = column.fixed_width();
            let least = fixed.unwrap_or(headers[i].len());
            if fixed.is_some() && !literal {
                return least;
            }
            cells.iter().map(|row| row[i].chars().count()).max().unwrap_or(0).max(least)
        })
        .collect();
    let mut text = String::new();
    for line in std::iter::once(&headers).chain(&cells) {
        for (i, value) in line.iter().enumerate() {
            if i > 0 {
                text.push_str("  ");
            }
            let width = widths[i];
            if wanted[i].right_aligned() {
                text.push_str(&format!("{value:>width$}"));
            } else if i + 1 == line.len() {
                text.push_str(value);
            } else {
                text.push_str(&format!("{value:<width$}"));
            }
        }
        text.push('\n');
    }
    text
}

/// Sorts by columns; rows without a value come last whatever the direction.
fn sort_rows(rows: &mut Vec<Row<'_>>, by: &[(Column, bool)], reader: &mut Reader<'_>) {
    let mut keyed: Vec<(Vec<Option<String>>, Row<'_>)> = rows
        .drain(..)
        .map(|row| {
            let keys = by
                .iter()
                .map(|(column, _)| match column {
                    Column::Native(n) if n.name == "name" => Some(row.name.clone()),
                    _ => reader.value(&row, column).map(|v| v.exact),
                })
                .collect();
            (keys, row)
        })
        .collect();
    // stable: equal rows stay in name order
    keyed.sort_by(|(a, _), (b, _)| {
        for (i, (column, reverse)) in by.iter().enumerate() {
            let order = match (&a[i], &b[i]) {
                (None, None) => continue,
                (None, Some(_)) => return Ordering::Greater,
                (Some(_), None) => return Ordering::Less,
                (Some(a), Some(b)) => compare(column, a, b),
            };
            if order != Ordering::Equal {
                return if *reverse { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}

fn compare(column: &Column, a: &str, b: &str) -> Ordering {
    let number = matches!(column, Column::Native(n) if n.form == Form::Number);
    match (number, a.parse::<u64>(), b.parse::<u64>()) {
        (true, Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}
