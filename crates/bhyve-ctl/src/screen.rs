//! Where a virtual machine offers its screen, by VNC.

use manifest::Flavour;

use crate::omnios::vnc;
use crate::zone::HvmZone;

/// Where both flavours have the socket unless they are told another place.
const SOCKET: &str = "/tmp/vm.vnc";

/// Where a VNC server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// On a socket, by its path in the zone.
    Socket(String),
    /// On TCP in the zone: a port, or an address and a port with a colon between.
    Tcp { address: String },
}

/// What a zone's configuration says; `None` where the screen is switched off.
pub fn of_zone(zone: &HvmZone, flavour: Flavour) -> Option<Screen> {
    if flavour == Flavour::SmartOs {
        let off = zone.value("vnc-port") == Some("-1");
        return (!off).then(|| Screen::Socket(SOCKET.to_owned()));
    }
    let text = zone.value("vnc").unwrap_or("off").trim();
    if zone.brand == "kvm" { of_qemu(text) } else { of_bhyve(text) }
}

fn is_off(text: &str) -> bool {
    matches!(text, "off" | "false" | "no" | "0" | "none" | "")
}

/// The attribute of a kvm zone is qemu's own option (`unix:PATH`, `ADDRESS:DISPLAY`), or `on`.
fn of_qemu(text: &str) -> Option<Screen> {
    const FIRST_DISPLAY: u16 = 5900;
    let target = text.split(',').next().unwrap_or_default();
    if is_off(target) {
        return None;
    }
    if let Some(path) = target.strip_prefix("unix:") {
        return Some(Screen::Socket(path.to_owned()));
    }
    match target.rsplit_once(':').map(|(host, display)| (host, display.parse::<u16>())) {
        Some((host, Ok(display))) => {
            let port = FIRST_DISPLAY.saturating_add(display);
            let before = if host.is_empty() { String::new() } else { format!("{host}:") };
            Some(Screen::Tcp { address: format!("{before}{port}") })
        }
        _ => Some(Screen::Socket(SOCKET.to_owned())),
    }
}

/// That of a bhyve zone is a list of options of bhyve's frame buffer, or `on` or `wait` among them. What is switched on
/// is the first word.
fn of_bhyve(text: &str) -> Option<Screen> {
    if is_off(text.split(',').next().unwrap_or_default()) {
        return None;
    }
    // The brand's other words for `on`.
    let words = match text.split_once(',') {
        Some((first, rest)) if is_on(first) => format!("on,{rest}"),
        None if is_on(text) => "on".to_owned(),
        _ => text.to_owned(),
    };
    let options = vnc::parse(&words).options;
    let option = |name: &str| {
        let found =
            options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        found.filter(|value| !value.is_empty())
    };
    match (option("unix"), option("tcp").or_else(|| option("rfb"))) {
        (Some(path), _) => Some(Screen::Socket(path.to_owned())),
        (None, Some(address)) => Some(Screen::Tcp { address: address.to_owned() }),
        (None, None) => None,
    }
}

fn is_on(word: &str) -> bool {
    matches!(word, "on" | "true" | "yes" | "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(brand: &str, vnc: &str) -> Option<Screen> {
        let zone = HvmZone::from_xml(&format!(
            "<zone name=\"z\" zonepath=\"/z\" brand=\"{brand}\">\
             <attr name=\"vnc\" type=\"string\" value=\"{vnc}\"/></zone>"
        ));
        of_zone(&zone.expect("well formed"), Flavour::OmniOs)
    }

    #[test]
    fn every_form_of_the_attribute_is_understood() {
        let socket = |path: &str| Some(Screen::Socket(path.to_owned()));
        let tcp = |address: &str| Some(Screen::Tcp { address: address.to_owned() });
        for (brand, vnc, expected) in [
            ("bhyve", "off", None),
            ("bhyve", "off,w=1200", None),
            ("bhyve", "on", socket(SOCKET)),
            ("bhyve", "true", socket(SOCKET)),
            ("bhyve", "wait", socket(SOCKET)),
            ("bhyve", "on,wait,w=1200,h=800,password=secret", socket(SOCKET)),
            ("bhyve", "on,unix=/tmp/other.vnc", socket("/tmp/other.vnc")),
            ("bhyve", "unix=/tmp/other.vnc,wait", socket("/tmp/other.vnc")),
            ("bhyve", "tcp=0.0.0.0:5901,w=1200", tcp("0.0.0.0:5901")),
            ("bhyve", "rfb=5902", tcp("5902")),
            ("kvm", "on", socket(SOCKET)),
            ("kvm", "none", None),
            ("kvm", "unix:/tmp/x.vnc", socket("/tmp/x.vnc")),
            ("kvm", "192.0.2.1:1,password", tcp("192.0.2.1:5901")),
            ("kvm", ":2", tcp("5902")),
        ] {
            assert_eq!(screen(brand, vnc), expected, "{brand} {vnc}");
        }
    }
}
