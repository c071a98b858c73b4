//! Filters of list and lookup: `key=value`, and `key=~regex` without regard to case.

use manifest::properties::Flatten;
use manifest::validate::value::same_mac;
use manifest::{Fields, VmObject};
use regress::Regex;
use serde_json::Value;

use super::flatten::{flatten, kind, text};
use crate::cli::{Failure, looks_like_uuid};

/// One condition on a VM.
#[derive(Debug)]
pub struct Filter {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equal(String),
    Match(Regex),
}

impl Filter {
    /// The filter of `key=value`.
    pub fn new(key: &str, value: &str) -> Result<Self, Failure> {
        let test = match value.strip_prefix('~') {
            Some(pattern) => Test::Match(compile(pattern)?),
            None => Test::Equal(value.to_owned()),
        };
        Ok(Self { key: key.to_owned(), test })
    }

    /// The field of the VM object that it looks at.
    pub fn field(&self) -> &str {
        self.key.split('.').next().unwrap_or_default()
    }

    /// The UUID, where the filter lets that one VM through alone.
    pub fn exact_uuid(&self) -> Option<&str> {
        match &self.test {
            Test::Equal(uuid) if self.key == "uuid" && looks_like_uuid(uuid) => Some(uuid),
            _ => None,
        }
    }

    /// Whether the VM meets it. With `*` for an index, one of the items must.
    pub fn accepts(&self, vm: &VmObject) -> bool {
        let parts: Vec<&str> = self.key.split('.').collect();
        if let [list, "*", field] = parts.as_slice()
            && kind(list) == Some(Flatten::ArrayOfObjects)
        {
            return vm.array(list).iter().any(|item| self.holds(item.get(field)));
        }
        self.holds(flatten(vm, &self.key))
    }

    fn is_mac(&self) -> bool {
        matches!(self.key.split('.').collect::<Vec<_>>().as_slice(), ["nics", .., "mac"])
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        let Some(found) = value.and_then(text) else { return false };
        match &self.test {
            Test::Match(regex) => regex.find(&found).is_some(),
            Test::Equal(wanted) if self.is_mac() => same_mac(&found, wanted),
            Test::Equal(wanted) => found == *wanted,
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, Failure> {
    Regex::with_flags(pattern, "i")
        .map_err(|error| Failure::new(format!("Invalid regular expression: /{pattern}/: {error}")))
}

/// The filters of `key=value` operands; the first key that is none is refused as an invalid `kind` key.
pub fn parse(pairs: &[(String, String)], kind: &str) -> Result<Vec<Filter>, Failure> {
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !super::columns::filterable(key)) {
        return Err(Failure::new(format!("Invalid {kind} key: \"{key}\"")));
    }
    let mut filters: Vec<Filter> = Vec::new();
    for (key, value) in pairs {
        // Of the same key the last value counts.
        filters.retain(|filter| filter.key != *key);
        filters.push(Filter::new(key, value)?);
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(key: &str, value: &str) -> bool {
        let vm = json!({"alias": "Zed", "ram": 512, "autoboot": false, "zoneid": null,
            "nics": [{"mac": "02:08:20:aa:00:01"}, {"vlan_id": 5}]});
        let vm: VmObject = serde_json::from_value(vm).unwrap();
        Filter::new(key, value).is_ok_and(|filter| filter.accepts(&vm))
    }

    #[test]
    fn values_are_compared_as_text() {
        assert!(accepts("alias", "Zed") && !accepts("alias", "zed") && !accepts("alias", "Z*"));
        assert!(accepts("ram", "512") && !accepts("ram", "0x200"));
        assert!(accepts("autoboot", "false") && !accepts("autoboot", "0"));
        assert!(!accepts("zoneid", "null") && !accepts("hostname", ""));
    }

    #[test]
    fn patterns_disregard_case_and_may_match_anywhere() {
        assert!(accepts("alias", "~^z") && accepts("alias", "~E") && accepts("ram", "~^5"));
        assert!(!accepts("alias", "~("));
        // Whatever JavaScript knows.
        assert!(accepts("alias", "~^(?!web)") && !accepts("alias", "~^(?!ze)"));
        assert!(accepts("alias", "~(?<=z)e") && accepts("nics.0.mac", "~(a)\\1"));
        assert!(accepts("alias", "~^[\\w-]+$") && accepts("alias", "~\\x65"));
    }

    #[test]
    fn a_star_stands_for_any_item_and_macs_may_be_short() {
        assert!(accepts("nics.*.mac", "2:8:20:aa:0:1") && accepts("nics.*.vlan_id", "5"));
        assert!(accepts("nics.0.mac", "02:08:20:aa:00:01") && !accepts("nics.1.mac", "x"));
    }
}
