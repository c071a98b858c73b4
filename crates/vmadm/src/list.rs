//! `vmadm list`.

use gz::inventory::Fields;
use manifest::{VmObject, js, suggest};

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, print};
use crate::commands::Command;
use crate::rows::columns::{self, Column};
use crate::rows::flatten::{flatten, text};
use crate::rows::sort::{SortKey, sort};
use crate::rows::{self, filter};

pub const COMMAND: Command = Command {
    names: &["list"],
    syntax: Syntax {
        types: &[
            ("order", Kind::Text),
            ("sortby", Kind::Text),
            ("parsable", Kind::Flag),
            ("header", Kind::Flag),
        ],
        shorts: &[
            ("o", &["--order"]),
            ("s", &["--sortby"]),
            ("p", &["--parsable", "true"]),
            ("h", &["--header", "true"]),
            ("H", &["--header", "false"]),
        ],
    },
    run,
};

const DEFAULT_ORDER: &str = "uuid,type,ram,state,alias";
const DEFAULT_SORT: &str = "ram,uuid";

fn run(call: Call) -> Outcome {
    let filters = filter::parse(&call.pairs(), "filter")?;
    let order = call.options.text("order").unwrap_or_else(|| DEFAULT_ORDER.to_owned());
    let sort_by = call.options.text("sortby").unwrap_or_else(|| DEFAULT_SORT.to_owned());
    for (keys, kind) in [(&order, "order"), (&sort_by, "sort")] {
        if let Some(key) = keys.split(',').find(|key| !columns::single(key)) {
            return Err(Failure::new(format!("Invalid {kind} key: \"{key}\"")));
        }
    }
    let keys = sort_keys(&sort_by)?;
    let columns = order_columns(&order)?;
    let parsable = call.options.flag("parsable").unwrap_or(false);
    let header = call.options.flag("header").unwrap_or(!parsable);

    let fields: Vec<String> = order
        .split(',')
        .map(|field| field.split('.').next().unwrap_or_default().to_owned())
        .collect();
    let mut vms = rows::select(&call.root, &filters, &Fields::of(&fields))?;
    rows::prune(&mut vms, &fields);
    // Observed: only what is shown can be sorted by.
    sort(&mut vms, &keys);

    let mut output = String::new();
    if header {
        let titles = columns.iter().map(|(_, column)| (column, column.header.clone()));
        push_line(&mut output, titles, parsable);
    }
    for vm in &vms {
        let cells = columns.iter().map(|(field, column)| (column, cell(vm, field, parsable)));
        push_line(&mut output, cells, parsable);
    }
    print(&output)?;
    Ok(None)
}

fn sort_keys(text: &str) -> Result<Vec<SortKey>, Failure> {
    text.split(',')
        .map(|word| {
            let key = SortKey::parse(word);
            match columns::find(&key.field) {
                Some(_) => Ok(key),
                None => Err(unknown("sort", word, &key.field)),
            }
        })
        .collect()
}

fn order_columns(text: &str) -> Result<Vec<(String, Column)>, Failure> {
    text.split(',')
        .map(|name| {
            let column = columns::find(name).ok_or_else(|| unknown("order", name, name))?;
            Ok((name.to_owned(), column))
        })
        .collect()
}

/// The message for a field that is none, and, on a line of its own, the name that was probably meant.
fn unknown(kind: &str, word: &str, field: &str) -> Failure {
    let hint = suggest::nearest(field, columns::names())
        .map_or(String::new(), |name| format!("\nDid you mean \"{name}\"?"));
    Failure::new(format!("invalid {kind} field: {word}{hint}"))
}

/// A cell's text: what is absent, false or empty is `-`, or nothing in parsable output. Zero is shown.
fn cell(vm: &VmObject, field: &str, parsable: bool) -> String {
    let value = flatten(vm, field);
    let zero = value.is_some_and(|value| value.as_f64() == Some(0.0));
    match value.filter(|value| js::truthy(value) || zero).and_then(text) {
        Some(text) => text,
        None if parsable => String::new(),
        None => "-".to_owned(),
    }
}

fn push_line<'a>(
    output: &mut String,
    cells: impl Iterator<Item = (&'a Column, String)>,
    parsable: bool,
) {
    let start = output.len();
    for (place, (column, cell)) in cells.enumerate() {
        if parsable {
            if place > 0 {
                output.push(':');
            }
            output.push_str(&cell);
            continue;
        }
        if place > 0 {
            output.push_str("  ");
        }
        output.push_str(&cell);
        // Widths count UTF-16 units, as the original's do.
        let units = cell.encode_utf16().count();
        output.extend(std::iter::repeat_n(' ', column.width.saturating_sub(units)));
    }
    let end = start + output[start..].trim_end().len();
    output.truncate(end);
    output.push('\n');
}
