//! Tables of JSON rows: columns as wide as their widest cell, two blanks between, nothing after the last column.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::errors::{Error, Result};

/// One row: its fields by name.
pub type Row = Map<String, Value>;

/// One column: the header and the field shown under it.
#[derive(Debug, Clone)]
pub struct Column {
    pub header: String,
    pub field: String,
}

impl Column {
    /// A column headed by the field's name in capitals.
    pub fn new(field: &str) -> Self {
        Self { header: field.to_uppercase(), field: field.to_owned() }
    }

    pub fn titled(header: &str, field: &str) -> Self {
        Self { header: header.to_owned(), field: field.to_owned() }
    }

    /// The columns of a `-o` argument: names separated by commas, blanks around them ignored.
    pub fn list(fields: &str) -> Vec<Self> {
        split_fields(fields).iter().map(|field| Self::new(field)).collect()
    }
}

/// Splits `a, b,c` into its names.
pub fn split_fields(fields: &str) -> Vec<String> {
    fields.trim().split(',').map(|field| field.trim().to_owned()).collect()
}

/// The table as text; empty, without even a header, where there are no rows.
pub fn render(rows: &[Row], columns: &[Column], skip_header: bool) -> String {
    if rows.is_empty() || columns.is_empty() {
        return String::new();
    }
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|c| cell(row.get(&c.field))).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let longest = cells.iter().map(|row| length(&row[i])).max().unwrap_or(0);
            longest.max(length(&column.header))
        })
        .collect();
    let mut text = String::new();
    if !skip_header {
        let headers: Vec<String> = columns.iter().map(|c| c.header.clone()).collect();
        push_line(&mut text, &headers, &widths);
    }
    for row in &cells {
        push_line(&mut text, row, &widths);
    }
    text
}

/// The columns that a text takes, as JavaScript counts its length: an emoji takes two (observed).
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn push_line(text: &mut String, cells: &[String], widths: &[usize]) {
    let last = cells.len() - 1;
    for (i, cell) in cells.iter().enumerate() {
        text.push_str(cell);
        if i < last {
            let padding = widths[i].saturating_sub(length(cell)) + 2;
            text.extend(std::iter::repeat_n(' ', padding));
        }
    }
    text.push('\n');
}

/// A text without control characters: each becomes the character that stands for what cannot be shown.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What stands for a value: strings and numbers as they are, `-` for none, JSON for the rest. Control characters from
/// a server never reach the terminal.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => printable(text),
        Some(other) => manifest::json::compact(other),
    }
}

/// Sorts by the named fields in turn; a name with `-` before it sorts backwards. Rows without a field come before
/// those with one, and rows that compare equal keep their order. Fails where it comes to a field without a name
/// (observed: only where rows are equal in those before it).
pub fn sort(mut rows: Vec<Row>, fields: &[String]) -> Result<Vec<Row>> {
    let mut nameless = false;
    let mut order = |a: &Row, b: &Row| {
        for field in fields {
            let (name, backwards) = match field.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (field.as_str(), false),
            };
            nameless |= name.is_empty();
            let order = compare(a.get(name), b.get(name));
            if order != Ordering::Equal {
                return if backwards { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    };
    // Texts of digits among other texts have no order that holds throughout (`10.0` before `9`, `9` before `10`, `10`
    // before `10.0`), which the library's sort may panic at.
    let mut places: Vec<usize> = Vec::with_capacity(rows.len());
    for place in 0..rows.len() {
        let at = places
            .partition_point(|before| order(&rows[*before], &rows[place]) != Ordering::Greater);
        places.insert(at, place);
    }
    if nameless {
        return Err(Error::nameless_sort_field(fields));
    }
    Ok(places.into_iter().map(|place| std::mem::take(&mut rows[place])).collect())
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            _ => match (a, b) {
                (Value::String(a), Value::String(b)) => a.cmp(b),
                _ => Ordering::Equal,
            },
        },
    }
}

/// The number a value counts as when sorting; a text of digits sorts by its value.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Null => Some(0.0),
        Value::String(text) if text.trim().is_empty() => Some(0.0),
        Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Row {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [row(json!({"uuid": "u1", "n": 12, "b": true})), row(json!({"uuid": "longer"}))];
        let columns = Column::list("uuid, n,b");
        assert_eq!(
            render(&rows, &columns, false),
            "UUID    N   B\nu1      12  true\nlonger  -   -\n"
        );
        assert_eq!(render(&rows, &columns, true), "u1      12  true\nlonger  -   -\n");
        assert_eq!(render(&[], &columns, false), "");
        let rows = [row(json!({"n": "😀", "b": 1})), row(json!({"n": "ü", "b": 2}))];
        assert_eq!(render(&rows, &Column::list("n,b"), true), "😀  1\nü   2\n");
    }

    fn sorted(values: &[Value], fields: &str) -> Result<Vec<Row>> {
        let rows = values.iter().cloned().map(row).collect();
        sort(rows, &split_fields(fields))
    }

    #[test]
    fn sorts_numbers_by_value_and_missing_fields_first() {
        let rows = [json!({"v": "10"}), json!({"v": "9"}), json!({}), json!({"v": 100})];
        assert_eq!(sorted(&rows, "v").unwrap()[..2], [row(json!({})), row(json!({"v": "9"}))]);
        assert_eq!(sorted(&rows, "-v").unwrap()[0]["v"], 100);
        // Those that compare equal keep their order.
        let rows = [json!({"v": 1, "n": 2}), json!({"v": 1, "n": 1})];
        assert_eq!(sorted(&rows, "v").unwrap()[0]["n"], 2);
    }

    #[test]
    fn what_has_no_order_that_holds_throughout_is_sorted_all_the_same() {
        let versions = ["10", "9", "10.0.0", "1e3", "1f", "2", "x", ""];
        let rows: Vec<Value> =
            (0..400).map(|n| json!({"v": versions[n * n % 8], "n": n})).collect();
        let mut numbers: Vec<u64> =
            sorted(&rows, "v").unwrap().iter().filter_map(|row| row["n"].as_u64()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..400).collect::<Vec<_>>());
    }

    #[test]
    fn a_sort_field_without_a_name_fails_once_it_counts() {
        let rows = [json!({"a": 1, "b": 1}), json!({"a": 1, "b": 2})];
        for fields in ["", "-", "a,", "a,-,b"] {
            let error = sorted(&rows, fields).unwrap_err();
            assert_eq!(error.message(), format!("zero-length sort field: {fields}"));
            assert_eq!((error.code(), error.name()), ("", "AssertionError"));
            assert!(sorted(&rows[..1], fields).is_ok() && sorted(&[], fields).is_ok());
        }
        assert!(sorted(&rows, "b,").is_ok());
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(cell(Some(&json!("a\u{1b}[31mb"))), "a\u{fffd}[31mb");
    }
}
