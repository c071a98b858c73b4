//! Whether a zone was configured for SmartOS's brands or for OmniOS's.

use manifest::Flavour;

use crate::zone::HvmZone;

/// Generic attributes that only OmniOS's brands read, beside numbered ones.
const OMNIOS_ATTRS: [&str; 22] = [
    "bootdisk",
    "bootdiskif",
    "bootnext",
    "bootorder",
    "cdrom",
    "cloud-init",
    "console",
    "cpu",
    "debug.persist",
    "disk",
    "diskif",
    "extra",
    "memreserve",
    "netif",
    "priv.debug",
    "rng",
    "rtc",
    "type",
    "uefivars",
    "virtfs",
    "vnc",
    "xhci",
];
/// Generic attributes that vmadm writes on either.
const VM_ATTRS: [&str; 2] = ["billing-id", "owner-uuid"];
/// Generic attributes that vmadm writes on SmartOS.
const SMARTOS_ATTRS: [&str; 6] =
    ["create-timestamp", "vm-autoboot", "vm-version", "vnc-password", "vnc-port", "zlog-mode"];

/// The flavour whose marks a configuration bears, in this order: attributes of SmartOS's vmadm, or devices and network
/// interfaces with a model (SmartOS); attributes of OmniOS's brands (OmniOS); other attributes of vmadm, or a debug ID,
/// which SmartOS gives to every zone (SmartOS). `None` where it bears no mark; vmadm leaves none without one.
pub fn of_zone(zone: &HvmZone) -> Option<Flavour> {
    let has = |names: &[&str]| zone.attrs.iter().any(|attr| names.contains(&attr.name.trim()));
    let has_model = zone.devices.iter().any(|device| device.property("model").is_some())
        || zone
            .nets
            .iter()
            .any(|net| net.property("model").is_some() || net.property("primary").is_some());
    if has(&SMARTOS_ATTRS) || has_model {
        return Some(Flavour::SmartOs);
    }
    let is_numbered = |name: &str| {
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
        kind != name && ["cdrom", "disk", "diskif", "extra", "ppt", "virtfs"].contains(&kind)
    };
    if has(&OMNIOS_ATTRS) || zone.attrs.iter().any(|attr| is_numbered(attr.name.trim())) {
        return Some(Flavour::OmniOs);
    }
    (has(&VM_ATTRS) || zone.debugid.is_some()).then_some(Flavour::SmartOs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_bears_the_marks_of_its_flavour() {
        for (body, flavour) in [
            (r#"<attr name="bootdisk" type="string" value="a"/>"#, Some(Flavour::OmniOs)),
            (r#"<attr name="owner-uuid" type="string" value="a"/>"#, Some(Flavour::SmartOs)),
            (
                r#"<attr name="owner-uuid" type="string" value="a"/><attr name="vnc" type="string" value="on"/>"#,
                Some(Flavour::OmniOs),
            ),
            (r#"<attr name="disk3" type="string" value="a"/>"#, Some(Flavour::OmniOs)),
            (
                r#"<device match="/x"><net-attr name="model" value="virtio"/></device>"#,
                Some(Flavour::SmartOs),
            ),
            (r#"<attr name="ram" type="string" value="1G"/>"#, None),
        ] {
            let zone =
                HvmZone::from_xml(&format!("<zone name=\"z\" zonepath=\"/z\">{body}</zone>"));
            assert_eq!(of_zone(&zone.expect("well formed")), flavour, "{body}");
        }
    }
}
