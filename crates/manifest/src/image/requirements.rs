//! The rules of an image's requirements.

use serde_json::Value;

use super::validate::FieldError;
use crate::fields::{Fields, Object};
use crate::js;
use crate::json::Compact;

const BOOTROMS: [&str; 2] = ["bios", "uefi"];
const KNOWN: [&str; 8] = [
    "networks",
    "brand",
    "ssh_key",
    "min_ram",
    "max_ram",
    "min_platform",
    "max_platform",
    "bootrom",
];
/// Platforms are not older.
const FIRST_YEAR: u32 = 2012;

/// Whether `text` is the build stamp of a platform: `YYYYMMDDTHHMMSSZ`.
fn is_platform_stamp(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    text.len() == 16
        && text.get(8..9) == Some("T")
        && text.get(15..) == Some("Z")
        && number(0..4).is_some_and(|year| year >= FIRST_YEAR)
        && number(4..6).is_some_and(|month| (1..=12).contains(&month))
        && number(6..8).is_some_and(|day| (1..=31).contains(&day))
        && number(9..11).is_some_and(|hour| hour <= 23)
        && number(11..13).is_some_and(|minute| minute <= 59)
        && number(13..15).is_some_and(|second| second <= 59)
}

pub(super) fn check(_: &Object, name: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let Some(requirements) = value.as_object() else {
        errors.push(
            FieldError::invalid(name)
                .because(format!("invalid image \"{name}\" (not an object): {}", Compact(value))),
        );
        return;
    };
    check_networks(requirements, errors);
    for (key, what, fits) in [
        ("brand", "a string", Value::is_string as fn(&Value) -> bool),
        ("ssh_key", "a boolean", Value::is_boolean),
        ("min_ram", "a positive integer", is_integer),
        ("max_ram", "a positive integer", is_integer),
    ] {
        if let Some(value) = given(requirements, key).filter(|value| !fits(value)) {
            errors.push(not(key, what, value));
        }
    }
    if let (Some(min), Some(max)) =
        (requirements.integer("min_ram"), requirements.integer("max_ram"))
        && min > 0
        && max > 0
        && max < min
    {
        errors.push(
            error("max_ram")
                .because(format!("min_ram must be <= max_ram, but:min_ram={min}, max_ram={max}")),
        );
    }
    check_platform(requirements, "min_platform", errors);
    check_platform(requirements, "max_platform", errors);
    check_bootrom(requirements, errors);
    for key in requirements.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        errors.push(FieldError::invalid(key).because(format!("unsupported requirement \"{key}\"")));
    }
}

/// A requirement that is there and not null, false, 0 or empty.
fn given<'a>(requirements: &'a Object, key: &str) -> Option<&'a Value> {
    requirements.value(key).filter(|value| js::truthy(value))
}

fn error(key: &str) -> FieldError {
    FieldError::invalid(&format!("requirements.{key}"))
}

fn not(key: &str, what: &str, value: &Value) -> FieldError {
    error(key)
        .because(format!("invalid image \"requirements.{key}\" (not {what}): {}", Compact(value)))
}

fn is_integer(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn check_networks(requirements: &Object, errors: &mut Vec<FieldError>) {
    match given(requirements, "networks") {
        Some(Value::Array(networks)) => {
            for network in networks {
                let good = network.as_object().is_some_and(|network| {
                    network.len() == 2 && network.has("name") && network.has("description")
                });
                if !good {
                    errors.push(error("networks").because(format!(
                        "invalid image \"requirements.networks\" entry: {}",
                        Compact(network)
                    )));
                }
            }
        }
        Some(other) => errors.push(not("networks", "an array", other)),
        None => {}
    }
}

fn check_platform(requirements: &Object, key: &str, errors: &mut Vec<FieldError>) {
    match given(requirements, key) {
        Some(Value::Object(platforms)) if !platforms.is_empty() => {
            for (version, stamp) in platforms {
                if !stamp.as_str().is_some_and(is_platform_stamp) {
                    errors.push(error(key).because(format!(
                        "invalid image \"requirements.{key}\" entry: \"{version}: {}\" not a valid \
                         platform version",
                        js::to_text(stamp)
                    )));
                }
            }
        }
        Some(other) => errors.push(not(key, "an object", other)),
        None => {}
    }
}

/// Only bhyve lets an image choose the firmware.
fn check_bootrom(requirements: &Object, errors: &mut Vec<FieldError>) {
    let Some(bootrom) = given(requirements, "bootrom") else { return };
    let Some(brand) = given(requirements, "brand") else {
        let missing = FieldError::missing("requirements.bootrom");
        errors.push(missing.because(
            "\"requirements.brand\" not specified. \"requirements.bootrom\" requires \
             \"requirements.brand\" to be set to \"bhyve\"",
        ));
        return;
    };
    if brand != "bhyve" {
        errors.push(error("bootrom").because(format!(
            "invalid bootrom \"requirements.bootrom\" not supported with \"{}\" brand; \
             \"requirements.brand\" must be \"bhyve\"",
            js::to_text(brand)
        )));
    } else if !bootrom.as_str().is_some_and(|name| BOOTROMS.contains(&name)) {
        errors.push(error("bootrom").because(format!(
            "invalid bootrom \"requirements.bootrom\" invalid entry \"{}\"; must be one of: {}",
            js::to_text(bootrom),
            BOOTROMS.join(", ")
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::is_platform_stamp;

    #[test]
    fn stamps_are_compact_times() {
        assert!(is_platform_stamp("20180301T000000Z"));
        for bad in [
            "2018",
            "20110301T000000Z",
            "20181301T000000Z",
            "20180301 000000Z",
            "20180301T240000Z",
            "2018030éT00000Z",
        ] {
            assert!(!is_platform_stamp(bad), "{bad}");
        }
    }
}
