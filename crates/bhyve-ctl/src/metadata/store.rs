//! What a guest can ask for, and where its changes go.

use serde_json::{Map, Value};

/// Which of a machine's two tables of metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `customer_metadata`, the guest's own.
    Customer,
    /// `internal_metadata`, the operator's.
    Internal,
}

/// A change that a guest asked for. No value removes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: String,
    /// The new value.
    pub value: Option<String>,
}

/// A machine's metadata and its VM object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The VM object, of which names that begin with `sdc:` ask.
    pub vm: Value,
    /// `customer_metadata`
    pub customer: Map<String, Value>,
    /// `internal_metadata`
    pub internal: Map<String, Value>,
    /// `internal_metadata_namespaces`: keys with one of these prefixes are the operator's.
    pub namespaces: Vec<String>,
}

/// Where metadata are kept.
pub trait Store {
    /// The metadata as they are now.
    ///
    /// # Errors
    /// What went wrong, for the log.
    fn load(&mut self) -> anyhow::Result<Metadata>;

    /// Keeps a change.
    ///
    /// # Errors
    /// What went wrong, for the log.
    fn change(&mut self, change: &Change) -> anyhow::Result<()>;
}

impl Metadata {
    /// The metadata in a VM object.
    pub fn of_vm(vm: Value) -> Self {
        let table = |name: &str| vm[name].as_object().cloned().unwrap_or_default();
        let namespaces = vm["internal_metadata_namespaces"].as_array();
        Self {
            customer: table("customer_metadata"),
            internal: table("internal_metadata"),
            namespaces: namespaces
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            vm,
        }
    }

    /// Makes a change here.
    pub fn apply(&mut self, change: &Change) {
        let table = match change.table {
            Table::Customer => &mut self.customer,
            Table::Internal => &mut self.internal,
        };
        match &change.value {
            Some(value) => {
                table.insert(change.key.clone(), Value::from(value.as_str()));
            }
            None => {
                table.shift_remove(&change.key);
            }
        }
    }

    /// The operator's namespace that a key is in.
    pub(super) fn namespace_of(&self, key: &str) -> Option<&str> {
        let (prefix, _) = key.split_once(':')?;
        self.namespaces.iter().map(String::as_str).find(|namespace| *namespace == prefix)
    }

    /// The value of a key. Passwords and keys in an operator's namespace are internal metadata.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        if key.ends_with("_pw") || self.namespace_of(key).is_some() {
            self.internal.get(key)
        } else {
            self.customer.get(key)
        }
    }

    /// The keys that a guest may ask for.
    pub(super) fn keys(&self) -> Vec<&str> {
        let internal = |key: &&String| key.ends_with("_pw") || self.namespace_of(key).is_some();
        let customer_keys = self.customer.keys().filter(|key| !internal(key));
        customer_keys.chain(self.internal.keys().filter(internal)).map(String::as_str).collect()
    }
}
