//! Sorting of rows: `ram,-alias`.

use std::cmp::Ordering;

use manifest::{VmObject, js};
use serde_json::Value;

use super::flatten::flatten;

/// One sort field and its direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    pub field: String,
    pub descending: bool,
}

impl SortKey {
    /// Reads `field`, `+field` or `-field`.
    pub fn parse(text: &str) -> Self {
        let (descending, field) = match text.strip_prefix(['+', '-']) {
            Some(field) => (text.starts_with('-'), field),
            None => (false, text),
        };
        Self { field: field.to_owned(), descending }
    }
}

/// Up to this many rows the original sorts by insertion, and only then is its order of unlike values defined.
const BY_INSERTION: usize = 10;

/// Sorts rows by the keys, equal ones in the order they came.
///
/// The original's comparison is no order where truth and falsehood meet: it puts `false`, 0 and "" after what follows
/// them as well as after what goes before. Short lists come out as it leaves them; long ones get a true order, with
/// what is missing last.
pub fn sort(rows: &mut [VmObject], keys: &[SortKey]) {
    if rows.len() > BY_INSERTION {
        rows.sort_by(|a, b| by_keys(a, b, keys, total));
        return;
    }
    for end in 1..rows.len() {
        let mut at = end;
        while at > 0 && by_keys(&rows[at - 1], &rows[end], keys, original) == Ordering::Greater {
            at -= 1;
        }
        rows[at..=end].rotate_right(1);
    }
}

type Compare = fn(Option<&Value>, Option<&Value>) -> Ordering;

fn by_keys(a: &VmObject, b: &VmObject, keys: &[SortKey], compare: Compare) -> Ordering {
    keys.iter()
        .map(|key| {
            let order = compare(flatten(a, &key.field), flatten(b, &key.field));
            if key.descending { order.reverse() } else { order }
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn original(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let order = javascript(a, b);
    if order == Some(Ordering::Greater) || (!truthy(a) && truthy(b)) || (a.is_none() && b.is_some())
    {
        Ordering::Greater
    } else if order == Some(Ordering::Less)
        || (truthy(a) && !truthy(b))
        || (a.is_some() && b.is_none())
    {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}

fn total(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => match (a, b) {
            (Value::String(a), Value::String(b)) => utf16(a, b),
            _ => js::to_number(a).total_cmp(&js::to_number(b)),
        },
        // What is missing goes last.
        _ => a.is_none().cmp(&b.is_none()),
    }
}

/// JavaScript's `<` and `>`; `None` where neither holds and they are not equal.
fn javascript(a: Option<&Value>, b: Option<&Value>) -> Option<Ordering> {
    match (a?, b?) {
        (Value::String(a), Value::String(b)) => Some(utf16(a, b)),
        (a, b) => js::to_number(a).partial_cmp(&js::to_number(b)),
    }
}

fn utf16(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn truthy(value: Option<&Value>) -> bool {
    value.is_some_and(js::truthy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::Fields;
    use serde_json::json;

    fn sorted(values: &[Value], key: &str) -> String {
        let mut rows: Vec<VmObject> = values
            .iter()
            .map(|value| {
                let mut row = VmObject::new();
                if *value != json!("none") {
                    row.set("x", value.clone());
                }
                row
            })
            .collect();
        sort(&mut rows, &[SortKey::parse(key)]);
        let values: Vec<String> =
            rows.iter().map(|row| row.value("x").map_or("-".into(), Value::to_string)).collect();
        values.join(" ")
    }

    #[test]
    fn missing_values_come_last_and_descending_first() {
        let values = [json!("none"), json!("j1"), json!("Zed"), json!("a")];
        assert_eq!(sorted(&values, "x"), r#""Zed" "a" "j1" -"#);
        assert_eq!(sorted(&values, "-x"), r#"- "j1" "a" "Zed""#);
    }

    #[test]
    fn long_lists_get_a_true_order() {
        let values: Vec<Value> = (0..12).map(|n| json!((n * 7) % 12)).collect();
        assert_eq!(sorted(&values, "+x"), "0 1 2 3 4 5 6 7 8 9 10 11");
        let mixed: Vec<Value> = (0..12).map(|n| json!(n % 2 == 0)).collect();
        assert!(sorted(&mixed, "x").starts_with("false false"));
    }
}
