//! Numbered attributes: `disk0`, `disk1`, …, and the plain `disk` that takes a free number.

use crate::refusal::{Result, refuse};
use crate::zone::{Attr, HvmZone};

/// How a brand numbers its devices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbering {
    /// Name of the attribute without its number.
    pub(super) kind: &'static str,
    /// How many numbers plain attributes may take, from 0.
    pub(super) free: u32,
    /// The highest number an attribute may have.
    pub(super) highest: u32,
    /// Whether plain attributes count.
    pub(super) plain: bool,
}

/// Numbers and values: numbered attributes in document order, then plain ones.
///
/// # Errors
/// A number occurs twice or is out of range, there is no number left for a plain attribute, or a value is missing.
pub(super) fn device_list(zone: &HvmZone, numbering: Numbering) -> Result<Vec<(u32, String)>> {
    let Numbering { kind, free, highest, plain } = numbering;
    let mut list: Vec<(u32, String)> = Vec::new();
    for attr in &zone.attrs {
        let Some(digits) = attr.name.trim().strip_prefix(kind).filter(|rest| is_number(rest))
        else {
            continue;
        };
        let digits = match digits.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        };
        let number = digits.parse().unwrap_or(u32::MAX);
        if list.iter().any(|(taken, _)| *taken == number) {
            refuse!("{kind}{digits} appears more than once in configuration");
        }
        if number > highest {
            refuse!("{kind}{digits} slot out of range");
        }
        list.push((number, value(attr)?));
    }
    if plain {
        let taken: Vec<u32> = list.iter().map(|(number, _)| *number).collect();
        let mut available = (0..free).filter(|number| !taken.contains(number));
        for attr in zone.attrs.iter().filter(|attr| attr.name == kind) {
            let Some(number) = available.next() else {
                refuse!("{kind}: no more available slots");
            };
            list.push((number, value(attr)?));
        }
    }
    Ok(list)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn value(attr: &Attr) -> Result<String> {
    match &attr.value {
        Some(value) => Ok(value.trim().to_owned()),
        None => refuse!("{} has no value", attr.name),
    }
}
