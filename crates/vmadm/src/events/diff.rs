//! The differences between two VM objects, one entry a value that was added, removed or changed.

use serde_json::{Map, Value, json};

/// How the elements of a list are told apart: an element of the same identity is changed, not exchanged.
const IDENTITY: &[(&str, &str)] = &[("disks", "path"), ("nics", "mac")];

/// A step of a path: a key, or any element of a list.
type Step = Option<String>;

/// The changes from one object to another: `prettyPath`, `path` (null for list elements), `action`, `oldValue`,
/// `newValue` and, within list elements, their identity `ident`.
pub fn diff(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Value> {
    let mut changes = Vec::new();
    objects(before, after, &[], &mut changes);
    changes
}

fn objects(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    prefix: &[Step],
    changes: &mut Vec<Value>,
) {
    for (key, old) in before {
        let path = extend(prefix, Some(key.clone()));
        match (old, after.get(key)) {
            (old, None) => changes.push(change(&path, "removed", Some(old), None)),
            (old, Some(new)) if old == new => {}
            (Value::Object(old), Some(Value::Object(new))) => objects(old, new, &path, changes),
            (Value::Array(old), Some(Value::Array(new))) => lists(old, new, &path, key, changes),
            (old, Some(new)) => changes.push(change(&path, "changed", Some(old), Some(new))),
        }
    }
    for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        let path = extend(prefix, Some(key.clone()));
        changes.push(change(&path, "added", None, Some(new)));
    }
}

fn lists(before: &[Value], after: &[Value], prefix: &[Step], key: &str, changes: &mut Vec<Value>) {
    let path = extend(prefix, None);
    let mut removed: Vec<&Value> = before.iter().filter(|item| !after.contains(item)).collect();
    let mut added: Vec<&Value> = after.iter().filter(|item| !before.contains(item)).collect();
    let mut modified = Vec::new();
    let identity = IDENTITY.iter().find(|(list, _)| prefix.len() == 1 && *list == key);
    if let Some((_, identity)) = identity {
        removed.retain(|old| {
            let same = added.iter().position(|new| new.get(identity) == old.get(identity));
            match same {
                Some(at) => modified.push((*old, added.remove(at))),
                None => return true,
            }
            false
        });
    }
    changes.extend(removed.iter().map(|old| change(&path, "removed", Some(old), None)));
    for (old, new) in modified {
        if let (Value::Object(from), Value::Object(to)) = (old, new) {
            let mut within = Vec::new();
            objects(from, to, &path, &mut within);
            for mut entry in within {
                if let (Some((_, identity)), Some(entry)) = (identity, entry.as_object_mut()) {
                    entry.insert("ident".into(), from.get(*identity).cloned().unwrap_or_default());
                }
                changes.push(entry);
            }
        }
    }
    changes.extend(added.iter().map(|new| change(&path, "added", None, Some(new))));
}

fn extend(prefix: &[Step], step: Step) -> Vec<Step> {
    prefix.iter().cloned().chain([step]).collect()
}

fn change(path: &[Step], action: &str, old: Option<&Value>, new: Option<&Value>) -> Value {
    let mut entry = Map::new();
    entry.insert("prettyPath".into(), json!(pretty(path)));
    entry.insert("path".into(), json!(path));
    entry.insert("action".into(), json!(action));
    if let Some(old) = old {
        entry.insert("oldValue".into(), old.clone());
    }
    if let Some(new) = new {
        entry.insert("newValue".into(), new.clone());
    }
    Value::Object(entry)
}

/// `nics.*.mac`; a key with dots or brackets stands in brackets.
fn pretty(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        let key = step.as_deref().unwrap_or("*");
        if key.contains(['.', '[', ']']) {
            let escaped = key.replace('[', "\\[").replace(']', "\\]");
            text.push_str(&format!("[{escaped}]"));
            continue;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(key);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: Value, after: Value) -> String {
        let (Value::Object(before), Value::Object(after)) = (before, after) else {
            panic!("not objects")
        };
        let lines: Vec<String> = diff(&before, &after)
            .iter()
            .map(|c| format!("{} {}", c["prettyPath"].as_str().unwrap(), c["action"]))
            .collect();
        lines.join("; ").replace('"', "")
    }

    #[test]
    fn keys_are_added_removed_and_changed() {
        assert_eq!(
            changes(json!({"a": 1, "b": 2, "t": {"x.y": 1}}), json!({"a": 2, "c": 3, "t": {}})),
            "a changed; b removed; t[x.y] removed; c added"
        );
    }

    #[test]
    fn list_elements_are_known_by_their_identity() {
        let nic = |ip| json!({"mac": "m", "ip": ip});
        assert_eq!(
            changes(json!({"nics": [nic(1)], "r": [1, 2]}), json!({"nics": [nic(2)], "r": [2, 3]})),
            "nics.*.ip changed; r.* removed; r.* added"
        );
        let Value::Object(before) = json!({"nics": [nic(1)]}) else { panic!() };
        let Value::Object(after) = json!({"nics": [nic(2)]}) else { panic!() };
        assert_eq!(
            diff(&before, &after)[0].to_string(),
            r#"{"prettyPath":"nics.*.ip","path":["nics",null,"ip"],"action":"changed","oldValue":1,"newValue":2,"ident":"m"}"#
        );
    }
}
