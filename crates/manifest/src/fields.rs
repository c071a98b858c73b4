//! Typed access to JSON objects that keep what they do not understand.

use serde_json::{Map, Value};

use crate::js;

/// A JSON object, in the order in which its keys were given.
pub type Object = Map<String, Value>;

/// Reading and writing the members of a payload, a VM object or one of their nested objects.
///
/// Readers answer `None` for a member that is absent or of another type; validation has reported
/// the latter.
pub trait Fields {
    /// The object itself.
    fn object(&self) -> &Object;
    /// The object itself, to change.
    fn object_mut(&mut self) -> &mut Object;

    /// Whether the member exists, even as null.
    fn has(&self, key: &str) -> bool {
        self.object().contains_key(key)
    }

    /// The member, null included.
    fn value(&self, key: &str) -> Option<&Value> {
        self.object().get(key)
    }

    /// A text.
    fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.as_str()
    }

    /// A whole number; fractions and texts are `None`.
    fn integer(&self, key: &str) -> Option<i64> {
        whole(self.value(key)?)
    }

    /// A number, whole or not.
    fn number(&self, key: &str) -> Option<f64> {
        self.value(key)?.as_f64()
    }

    /// `true` or `false`; texts of them are `None`.
    fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key)?.as_bool()
    }

    /// Whether the member is `true`.
    fn flag(&self, key: &str) -> bool {
        self.boolean(key) == Some(true)
    }

    /// Whether JavaScript would take the member for true: anything but absent, null, false, 0 and
    /// the empty string.
    fn truthy(&self, key: &str) -> bool {
        self.value(key).is_some_and(js::truthy)
    }

    /// The elements of an array.
    fn array(&self, key: &str) -> &[Value] {
        self.value(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The texts of an array; other elements are left out.
    fn texts(&self, key: &str) -> impl Iterator<Item = &str>
    where
        Self: Sized,
    {
        self.array(key).iter().filter_map(Value::as_str)
    }

    /// The objects of an array; other elements are left out.
    fn objects(&self, key: &str) -> impl Iterator<Item = &Object>
    where
        Self: Sized,
    {
        self.array(key).iter().filter_map(Value::as_object)
    }

    /// The objects of an array, to change.
    fn objects_mut(&mut self, key: &str) -> impl Iterator<Item = &mut Object>
    where
        Self: Sized,
    {
        self.object_mut()
            .get_mut(key)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
    }

    /// A nested object.
    fn map(&self, key: &str) -> Option<&Object> {
        self.value(key)?.as_object()
    }

    /// Sets the member, in its place if it exists, else as the last one.
    fn set(&mut self, key: &str, value: impl Into<Value>)
    where
        Self: Sized,
    {
        self.object_mut().insert(key.to_owned(), value.into());
    }

    /// Sets the member unless it exists.
    fn set_default(&mut self, key: &str, value: impl Into<Value>)
    where
        Self: Sized,
    {
        if !self.has(key) {
            self.set(key, value);
        }
    }

    /// Takes the member out; the order of the others stays.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.object_mut().shift_remove(key)
    }

    /// Gives the member another name; it becomes the last one.
    fn rename(&mut self, from: &str, to: &str)
    where
        Self: Sized,
    {
        if let Some(value) = self.take(from) {
            self.set(to, value);
        }
    }
}

/// The whole number that a JSON number stands for.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // 2^63 is exact in f64, so every number below it that has no fraction fits.
        (number.fract() == 0.0 && number.abs() < 9_223_372_036_854_775_808.0)
            .then_some(number as i64)
    })
}

impl Fields for Object {
    fn object(&self) -> &Object {
        self
    }

    fn object_mut(&mut self) -> &mut Object {
        self
    }
}

/// Makes a newtype over [`Object`] with the accessors of [`Fields`].
macro_rules! object_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name($crate::fields::Object);

        impl $name {
            /// One without members.
            pub fn new() -> Self {
                Self::default()
            }

            /// The object in it.
            pub fn into_object(self) -> $crate::fields::Object {
                self.0
            }

            /// The same as a JSON value.
            pub fn into_value(self) -> serde_json::Value {
                serde_json::Value::Object(self.0)
            }
        }

        impl $crate::fields::Fields for $name {
            fn object(&self) -> &$crate::fields::Object {
                &self.0
            }

            fn object_mut(&mut self) -> &mut $crate::fields::Object {
                &mut self.0
            }
        }

        impl From<$crate::fields::Object> for $name {
            fn from(object: $crate::fields::Object) -> Self {
                Self(object)
            }
        }
    };
}
pub(crate) use object_type;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Object {
        json!({"a": 1.0, "b": "x", "c": null, "d": [{"e": true}, 5], "f": 1e300})
            .as_object()
            .cloned()
            .unwrap_or_default()
    }

    #[test]
    fn readers_check_types() {
        let object = sample();
        assert_eq!(object.integer("a"), Some(1));
        assert_eq!(object.integer("f"), None);
        assert_eq!(object.text("a"), None);
        assert_eq!(object.text("b"), Some("x"));
        assert!(object.has("c") && !object.has("z"));
        assert_eq!(object.objects("d").count(), 1);
        assert!(object.objects("d").all(|element| element.flag("e")));
    }

    #[test]
    fn writers_keep_the_order() {
        let mut object = sample();
        object.take("a");
        object.set("b", 2);
        object.rename("c", "g");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["b", "d", "f", "g"]);
    }
}
