//! Why create or update refuses a payload.

use serde_json::Value;
use thiserror::Error;

use crate::brand::{Brand, Flavour};
use crate::facts::Facts;
use crate::fields::Fields;
use crate::json::Compact;
use crate::normalise::Dropped;
use crate::payload::Payload;
use crate::properties;
use crate::suggest;
use crate::validate::{Explanation, Invalid, explain};

/// A payload that create, receive or update refuses. Displayed, it is the message that SmartOS's
/// vmadm prints.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Refusal {
    /// No such brand on this platform.
    #[error("Invalid brand while validating payload: {}{}", Compact(.brand), hint(.brand, *.flavour))]
    Brand { brand: Value, flavour: Flavour },
    /// Values of the wrong type or out of range, by name of the property.
    #[error("Invalid value(s) for: {}", .0.join(","))]
    BadValues(Vec<String>),
    /// Required properties that are not there, and unknown ones that may be meant for them.
    #[error("Missing required properties: {}{}", .names.join(","), lines(.misspelt))]
    Missing { names: Vec<String>, misspelt: Vec<Dropped> },
    /// A number was expected; the message shows what JavaScript makes of such a value.
    #[error("Invalid value for {0}: null:number")]
    NotANumber(String),
    /// Any other rule; the text says which and of what.
    #[error("{0}")]
    Rule(String),
}

impl Refusal {
    /// What was expected of each bad value, for people. `payload` is the one that was refused.
    pub fn explain(&self, payload: &Payload, facts: &Facts) -> Vec<Explanation> {
        match self {
            Refusal::BadValues(names) => {
                names.iter().map(|name| explain(name, payload, facts)).collect()
            }
            Refusal::NotANumber(name) => vec![explain(name, payload, facts)],
            Refusal::Brand { .. } | Refusal::Missing { .. } | Refusal::Rule(_) => Vec::new(),
        }
    }

    /// The refusal of a payload without the properties called `names`.
    pub(crate) fn missing(names: Vec<String>, payload: &Payload) -> Refusal {
        let unknown = payload.object().keys().filter(|key| properties::find(key).is_none());
        let misspelt = unknown
            .filter_map(|key| {
                let near = suggest::nearest(key, names.iter().map(String::as_str))?;
                let suggestion = properties::find(near)?.name;
                Some(Dropped::misspelt(key, suggestion))
            })
            .collect();
        Refusal::Missing { names, misspelt }
    }

    pub(crate) fn rule<T>(message: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::Rule(message.into()))
    }
}

fn lines(misspelt: &[Dropped]) -> String {
    misspelt.iter().fold(String::new(), |lines, property| lines + "\n" + &property.to_string())
}

fn hint(brand: &Value, flavour: Flavour) -> String {
    brand
        .as_str()
        .and_then(|name| Brand::suggest(name, flavour))
        .map(|near| format!(" (did you mean \"{near}\"?)"))
        .unwrap_or_default()
}

/// What is fatal to create and update: properties that are not allowed are not, they are dropped.
pub(crate) fn fatal(invalid: &Invalid, payload: &Payload) -> Option<Refusal> {
    match invalid {
        Invalid::Brand { brand, flavour } => {
            Some(Refusal::Brand { brand: brand.clone(), flavour: *flavour })
        }
        Invalid::Properties(problems) if !problems.bad_values.is_empty() => {
            Some(Refusal::BadValues(problems.bad_values.clone()))
        }
        Invalid::Properties(problems) if !problems.missing_properties.is_empty() => {
            Some(Refusal::missing(problems.missing_properties.clone(), payload))
        }
        Invalid::Properties(_) => None,
    }
}
