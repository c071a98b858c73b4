//! The JSON files below `<zonepath>/config`: metadata, routes and tags.

use gz::plan::Step;
use manifest::json;
use serde_json::{Map, Value};

use super::Object;

/// What a skeleton file holds: images bring files of their own, which must not count.
const EMPTY: &str = "{}\n";

/// The contents of a VM's configuration files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFiles {
    pub customer_metadata: Object,
    pub internal_metadata: Object,
    pub routes: Object,
    pub tags: Object,
}

const PARTS: [&str; 4] = ["customer_metadata", "internal_metadata", "routes", "tags"];

impl ConfigFiles {
    /// Those that a payload or VM object brings.
    pub fn of(object: &Object) -> Self {
        let part = |name| object.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Self {
            customer_metadata: part("customer_metadata"),
            internal_metadata: part("internal_metadata"),
            routes: part("routes"),
            tags: part("tags"),
        }
    }

    fn part(&mut self, name: &str) -> &mut Object {
        match name {
            "customer_metadata" => &mut self.customer_metadata,
            "internal_metadata" => &mut self.internal_metadata,
            "routes" => &mut self.routes,
            _ => &mut self.tags,
        }
    }

    /// What becomes of them by the `set_…` and `remove_…` of an update.
    #[must_use]
    pub fn updated(&self, payload: &Object) -> Self {
        let mut new = self.clone();
        for name in PARTS {
            let part = new.part(name);
            for key in super::list(payload, &format!("remove_{name}")) {
                part.shift_remove(super::as_text(key).as_str());
            }
            if let Some(set) = payload.get(&format!("set_{name}")).and_then(Value::as_object) {
                part.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        new
    }

    /// Makes the directory anew and writes every file: a new VM.
    pub fn create(&self, zonepath: &str) -> Vec<Step> {
        let directory = format!("{zonepath}/config");
        let mut steps = vec![Step::FreshDirectory { path: directory, mode: 0o755 }];
        let none = Self::default();
        for (name, changed, text) in self.files(&none) {
            let text = if changed { text } else { EMPTY.to_owned() };
            steps.push(write(zonepath, name, text));
        }
        steps
    }

    /// Writes those that are not there.
    pub fn missing(&self, zonepath: &str, has: impl Fn(&str) -> bool) -> Vec<Step> {
        let files = self.files(&Self::default()).into_iter();
        files
            .filter(|(name, ..)| !has(name))
            .map(|(name, changed, text)| {
                write(zonepath, name, if changed { text } else { EMPTY.to_owned() })
            })
            .collect()
    }

    /// Writes the files that differ from `old`.
    pub fn update(&self, old: &Self, zonepath: &str) -> Vec<Step> {
        self.files(old)
            .into_iter()
            .filter(|(_, changed, _)| *changed)
            .map(|(name, _, text)| write(zonepath, name, text))
            .collect()
    }

    /// Names and contents, and whether they differ from `old`.
    fn files(&self, old: &Self) -> [(&'static str, bool, String); 3] {
        let metadata = || {
            let mut both = Map::new();
            both.insert("internal_metadata".into(), self.internal_metadata.clone().into());
            both.insert("customer_metadata".into(), self.customer_metadata.clone().into());
            json::pretty(&both)
        };
        let metadata_changed = self.internal_metadata != old.internal_metadata
            || self.customer_metadata != old.customer_metadata;
        [
            ("metadata.json", metadata_changed, metadata()),
            ("tags.json", self.tags != old.tags, json::pretty(&self.tags)),
            ("routes.json", self.routes != old.routes, json::pretty(&self.routes)),
        ]
    }
}

/// These are read by the services in the global zone as the original wrote them, so they keep its mode. Whoever may not
/// see them cannot reach below the zonepath, which is root's alone.
fn write(zonepath: &str, name: &str, text: String) -> Step {
    Step::WriteFile { path: format!("{zonepath}/config/{name}"), text, mode: 0o644 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn texts(steps: Vec<Step>) -> Vec<(String, String)> {
        steps
            .into_iter()
            .filter_map(|step| match step {
                Step::WriteFile { path, text, .. } => Some((path, text)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_new_vm_has_all_of_them() {
        let files = ConfigFiles::of(&object(json!({"internal_metadata": {"a": 1}})));
        assert_eq!(
            texts(files.create("/z")),
            [
                (
                    "/z/config/metadata.json".to_owned(),
                    "{\n  \"internal_metadata\": {\n    \"a\": 1\n  },\n  \"customer_metadata\": {}\n}".to_owned()
                ),
                ("/z/config/tags.json".to_owned(), "{}\n".to_owned()),
                ("/z/config/routes.json".to_owned(), "{}\n".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_there_is_not_written_anew() {
        let files = ConfigFiles::of(&object(json!({"tags": {"a": "b"}, "routes": {"r": "s"}})));
        assert_eq!(
            texts(files.missing("/z", |name| name == "routes.json")),
            [
                ("/z/config/metadata.json".to_owned(), "{}\n".to_owned()),
                ("/z/config/tags.json".to_owned(), "{\n  \"a\": \"b\"\n}".to_owned()),
            ]
        );
    }

    #[test]
    fn updates_write_what_changed() {
        let old = ConfigFiles::of(&object(json!({"tags": {"a": "b"}, "routes": {"r": "s"}})));
        let new = old.updated(&object(
            json!({"set_tags": {"c": 1}, "remove_tags": ["a"], "remove_routes": ["no"]}),
        ));
        assert_eq!(
            texts(new.update(&old, "/z")),
            [("/z/config/tags.json".to_owned(), "{\n  \"c\": 1\n}".to_owned())]
        );
    }
}
