//! Attributes that no property stands for: `zone_attributes` in VM objects, `rng` and `memreserve` among them.

use serde_json::Value;

use super::load;
use super::write::{Result, Writer, refused, shown};
use super::{Object, Unmappable};
use crate::model::{Attr, Zone};

/// What the bhyve brand reads as switched on or off, and fails to boot with where it is neither.
const SWITCHES: [&str; 7] =
    ["acpi", "debug.persist", "memreserve", "priv.debug", "rng", "uefivars", "xhci"];
/// The words for that.
const SWITCHED: [&str; 8] = ["on", "off", "true", "false", "yes", "no", "1", "0"];

/// What the bhyve brand takes of these, as zadm(1) checks them.
const CHOICES: [(&str, &[&str]); 3] = [
    ("hostbridge", &["amd", "i440fx", "netapp", "none", "q35"]),
    ("type", &["generic", "openbsd", "windows"]),
    ("vga", &["io", "off", "on"]),
];

impl Writer {
    /// Those of a VM object that properties have left free.
    pub(super) fn attributes(&mut self, vm: &Object) {
        let attributes = vm.get("zone_attributes").and_then(Value::as_object);
        for (name, value) in attributes.into_iter().flatten() {
            if self.zone.attr(name).is_none() {
                self.zone.add(Attr {
                    name: name.clone(),
                    attr_type: "string".to_owned(),
                    value: as_text(&self.brand(), name, value),
                });
            }
        }
    }
}

/// Checks attributes that are to be set (`given`, called `property` in the payload) against the zone that has been made
/// with them.
///
/// # Errors
/// The first that zonecfg or the brand would not take, or that another property stands for.
pub fn check_attributes(
    zone: &Zone,
    property: &str,
    given: &Object,
) -> std::result::Result<(), Unmappable> {
    let brand = zone.brand().unwrap_or_default();
    let shown_by = load::vm(zone);
    let free = shown_by.get("zone_attributes").and_then(Value::as_object);
    for (name, value) in given {
        let named = format!("{property}.{name}");
        let text = as_text(brand, name, value);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(is_plain) {
            return refused(&named, "names are of letters, digits and -_.");
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == '"') {
            return refused(&named, &format!("zonecfg cannot store the character {bad:?}"));
        }
        if free.and_then(|free| free.get(name)).is_none_or(|shown| *shown != text) {
            return refused(&named, "another property stands for this attribute");
        }
        if brand == "bhyve" {
            check_value(&named, name, &text)?;
        }
    }
    Ok(())
}

/// What only a look at the brand's log would explain when the zone does not boot.
fn check_value(named: &str, name: &str, text: &str) -> Result<()> {
    if SWITCHES.contains(&name) && !SWITCHED.contains(&text) {
        return refused(named, "it is on or off");
    }
    if let Some((_, choices)) = CHOICES.iter().find(|(choice, _)| *choice == name) {
        let custom = name == "hostbridge" && text.starts_with("vendor=");
        if !custom && !choices.contains(&text) {
            return refused(named, &format!("it is one of {}", choices.join(", ")));
        }
    }
    let is_seed = SWITCHED.contains(&text)
        || text.starts_with('/')
        || text.starts_with("http://")
        || text.starts_with("https://");
    if name == "cloud-init" && !is_seed {
        return refused(named, "it is on, off, the path of a file or a URL");
    }
    Ok(())
}

/// A value as an attribute; switches are `on` or `off`, as zadm(1) writes them.
fn as_text(brand: &str, name: &str, value: &Value) -> String {
    match value {
        Value::Bool(on)
            if brand == "bhyve" && (SWITCHES.contains(&name) || name == "cloud-init") =>
        {
            if *on { "on" } else { "off" }.to_owned()
        }
        value => shown(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(brand: &str, attributes: Value) -> std::result::Result<Zone, String> {
        let vm = json!({
            "uuid": "z", "brand": brand, "hostname": "a", "zone_attributes": attributes,
            "disks": [{"path": "/dev/zvol/rdsk/rpool/a", "boot": true, "model": "virtio"}],
            "nics": [{"mac": "2:8:20:0:0:1", "nic_tag": "igb0", "model": "virtio"}],
        });
        let vm = vm.as_object().expect("an object");
        let zone = super::super::zone(vm, "/zones/z").expect("everything has a place");
        let given = vm["zone_attributes"].as_object().expect("an object");
        check_attributes(&zone, "zone_attributes", given).map_err(|error| error.to_string())?;
        Ok(zone)
    }

    #[test]
    fn what_is_free_is_set() {
        let zone = check(
            "bhyve",
            json!({"rng": true, "memreserve": "on", "acpi": false, "type": "windows", "site": 7,
                   "hostbridge": "vendor=0x8086,device=0x1237", "cloud-init": "/etc/user-data"}),
        );
        let zone = zone.expect("all are free");
        for (name, value) in [("rng", "on"), ("acpi", "off"), ("site", "7"), ("type", "windows")] {
            assert_eq!(zone.attr(name), Some(value), "{name}");
        }
        let zone = check("lx", json!({"ipv6": true})).expect("it is free");
        assert_eq!(zone.attr("ipv6"), Some("true"));
    }

    #[test]
    fn what_is_not_is_refused_by_name() {
        for (attributes, named) in [
            (json!({"rng": "maybe"}), "zone_attributes.rng: it is on or off"),
            (json!({"type": "linux"}), "zone_attributes.type: it is one of generic"),
            (json!({"cloud-init": "user-data"}), "zone_attributes.cloud-init: it is on, off"),
            (json!({"hostname": "b"}), "zone_attributes.hostname: another property"),
            (json!({"ram": "1G"}), "zone_attributes.ram: another property"),
            (json!({"disk3": "rpool/b"}), "zone_attributes.disk3: another property"),
            (json!({"net0-ips": "dhcp"}), "zone_attributes.net0-ips: another property"),
            (json!({"bootdisk": "rpool/b"}), "zone_attributes.bootdisk: another property"),
            (json!({"a b": "c"}), "zone_attributes.a b: names are"),
            (json!({"a": "\""}), "zone_attributes.a: zonecfg cannot store"),
        ] {
            let refused = check("bhyve", attributes).expect_err("it is not free");
            assert!(refused.starts_with(named), "{refused}");
        }
    }
}
