//! Boot orders: letters in manifests (`order=cd`), devices in the zone.

/// What is behind the letters of a boot order: the brand's name for the device.
const DEVICES: [(char, &str); 3] = [('c', "bootdisk"), ('d', "cdrom0"), ('n', "net0")];

/// Orders that the brand has names for.
const NAMED: [&str; 2] = ["cd", "dc"];

/// The attribute for a manifest's `boot`; `None` where it cannot be had. The kvm brand takes letters.
pub(super) fn attribute(boot: &str, bhyve: bool) -> Option<String> {
    let order = boot.strip_prefix("order=").filter(|order| !order.is_empty())?;
    let mut devices = Vec::new();
    for letter in order.chars() {
        let (_, device) = DEVICES.iter().find(|(known, _)| *known == letter)?;
        devices.push(*device);
    }
    if !bhyve || NAMED.contains(&order) {
        return Some(order.to_owned());
    }
    Some(devices.join(","))
}

/// A manifest's `boot` for an attribute; devices without a letter are passed over.
pub(super) fn boot(attribute: &str) -> Option<String> {
    let is_letters =
        |text: &str| text.chars().all(|c| DEVICES.iter().any(|(known, _)| *known == c));
    let order: String = match attribute.trim() {
        "" => return None,
        order if is_letters(order) => order.to_owned(),
        list => {
            let mut letters = String::new();
            for device in list.split(',') {
                let kind = device.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '=');
                let letter = match kind.split(|c: char| c.is_ascii_digit() || c == '=').next() {
                    Some("bootdisk" | "disk") => 'c',
                    Some("cdrom") => 'd',
                    Some("net") => 'n',
                    _ => continue,
                };
                if !letters.contains(letter) {
                    letters.push(letter);
                }
            }
            letters
        }
    };
    (!order.is_empty()).then(|| format!("order={order}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_for_devices() {
        assert_eq!(attribute("order=cd", true).as_deref(), Some("cd"));
        assert_eq!(attribute("order=ncd", true).as_deref(), Some("net0,bootdisk,cdrom0"));
        assert_eq!(attribute("order=ncd", false).as_deref(), Some("ncd"));
        assert_eq!(attribute("once=d", true), None);
        assert_eq!(attribute("order=x", true), None);
        for (attribute, order) in [
            ("dc", Some("order=dc")),
            ("net0,bootdisk,cdrom0", Some("order=ncd")),
            ("path0,bootdisk,cdrom0", Some("order=cd")),
            ("net1=pxe,disk3", Some("order=nc")),
            ("path0", None),
        ] {
            assert_eq!(boot(attribute).as_deref(), order, "{attribute}");
        }
    }
}
