//! Properties that are dropped from a payload, and which of them an operator is told of.

use serde_json::Value;

use super::ARRAYS;
use crate::action::Action;
use crate::brand::{Brand, Flavour};
use crate::fields::{Fields, Object};
use crate::js;
use crate::properties;
use crate::vm_object::VmObject;

/// What VM objects have beside the properties of the table: it is told by the list of zones.
const PRINTED: [&str; 4] = ["hvm", "zone_state", "zonedid", "zoneid"];

/// A property that the brand does not have, or not for this action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub name: String,
    /// Whether no brand has it for any action: it is probably misspelt.
    pub unknown: bool,
    /// The nearest name that this payload could have.
    pub suggestion: Option<&'static str>,
    /// The properties by which an update changes it.
    pub instead: Vec<&'static str>,
    /// Whether VM objects alone have it.
    pub read_only: bool,
}

impl Dropped {
    /// A misspelt name and the one that was meant.
    pub(crate) fn misspelt(name: &str, meant: &'static str) -> Dropped {
        Dropped {
            name: name.to_owned(),
            unknown: true,
            suggestion: Some(meant),
            instead: Vec::new(),
            read_only: false,
        }
    }
}

/// What is wrong with it, for the operator.
impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Self { unknown: true, .. } => "unknown property",
            Self { read_only: true, .. } => "read-only property",
            _ => "property not allowed here",
        };
        write!(f, "{kind} \"{}\"", self.name)?;
        match (self.suggestion, self.instead.as_slice()) {
            (Some(near), _) => write!(f, " (did you mean \"{near}\"?)"),
            (None, []) => Ok(()),
            (None, instead) => write!(f, " (use {})", instead.join(", ")),
        }
    }
}

impl Dropped {
    /// The property of that name, which a payload for `action` and `brand` may not have.
    pub(super) fn new(name: String, action: Action, brand: Brand, flavour: Flavour) -> Dropped {
        let row = properties::find_on(&name, flavour);
        let printed = PRINTED.contains(&name.as_str());
        let unknown = row.is_none() && !printed;
        let suggestion =
            unknown.then(|| properties::suggest(&name, action, brand, flavour)).flatten();
        let read_only = printed || row.is_some_and(|property| property.kind.is_none());
        let instead = match action {
            Action::Update => changing(&name, brand, flavour),
            Action::Create | Action::Receive => Vec::new(),
        };
        Dropped { name, unknown, suggestion, instead, read_only }
    }
}

/// The properties by which an update changes what create calls `name`.
fn changing(name: &str, brand: Brand, flavour: Flavour) -> Vec<&'static str> {
    ["set", "add", "update", "remove"]
        .iter()
        .filter_map(|verb| properties::find_on(&format!("{verb}_{name}"), flavour))
        .filter(|property| property.allows(Action::Update, brand, flavour))
        .map(|property| property.name)
        .collect()
}

/// Keeps those that make a difference: an update may hold all that `vmadm get` printed. `given` is the payload before
/// they were dropped.
pub(super) fn retain_changes(dropped: &mut Vec<Dropped>, given: &Object, vm: &VmObject) {
    // What is in an array that is dropped as a whole is not told of.
    let mut kept = given.clone();
    kept.retain(|name, _| !dropped.iter().any(|property| property.name == *name));
    dropped.retain(|property| match property.name.split_once(".*.") {
        Some((array, member)) => is_member_changed(&kept, vm, array, member),
        None => !is_same(given.get(&property.name), vm.value(&property.name)),
    });
}

fn is_same(given: Option<&Value>, now: Option<&Value>) -> bool {
    match (given, now) {
        // It follows from others, which are told of themselves.
        (None, _) | (Some(Value::Null), None) => true,
        (Some(given @ (Value::Object(_) | Value::Array(_))), now) => Some(given) == now,
        // Types are loose: 1 and "1" are the same.
        (Some(given), Some(now)) => js::to_text(given) == js::to_text(now),
        _ => false,
    }
}

/// Whether elements that are added have the member, or such as are changed have another one than the VM's own. Those of
/// the array itself are dropped with it.
fn is_member_changed(given: &Object, vm: &VmObject, array: &str, member: &str) -> bool {
    let names = ARRAYS.iter().find(|(own, ..)| *own == array);
    let Some((_, add, update)) = names else { return true };
    let elements = |key: &str| given.get(key).and_then(Value::as_array).into_iter().flatten();
    let key = properties::element_key(array).unwrap_or_default();
    elements(add).any(|element| element.get(member).is_some())
        || elements(update).any(|element| {
            let own = vm.objects(array).find(|own| own.get(key) == element.get(key));
            let now = own.and_then(|own| own.get(member));
            element.get(member).is_some() && !is_same(element.get(member), now)
        })
}
