//! A SmartOS zone configuration document as the part of a VM object that is stored in it.
//!
//! The document is read as a stream, without building the zone model: a listing reads tens of thousands of them and
//! wants a handful of properties of each.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use manifest::Object;
use manifest::js::{number, parse_number};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::Value;

use super::smartos_load_table::{self as table, As, Target};

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not well formed.
    #[error("not well-formed at byte {at}: {why}")]
    Syntax { at: u64, why: String },
    /// The zone has no brand.
    #[error("the zone has no brand")]
    NoBrand,
}

/// The properties of a VM that its zone configuration holds, in the document's order: `xml` is the text of
/// `/etc/zones/NAME.xml`. Properties that `wanted` refuses are left out where that saves work.
///
/// Beside what is stored there are always `nics`, for HVM brands `disks`, and, while a transition is under way,
/// `state`, `transition_to` and `transition_expire` (milliseconds of the epoch). Sizes are in MiB.
pub fn load(xml: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Object, LoadError> {
    let mut reader = Reader::from_str(xml);
    let mut loader = Loader { vm: Object::new(), wanted, open: Vec::new(), rctl: String::new() };
    loop {
        let event = reader.read_event().map_err(|error| LoadError::Syntax {
            at: reader.error_position(),
            why: error.to_string(),
        })?;
        let taken = match event {
            Event::Start(start) => loader.start(&start),
            Event::Empty(start) => loader.start(&start).map(|()| loader.end()),
            Event::End(_) => {
                loader.end();
                Ok(())
            }
            Event::Eof if loader.open.is_empty() => break,
            Event::Eof => Err("the document ends before its root element does".to_owned()),
            _ => Ok(()),
        };
        taken.map_err(|why| LoadError::Syntax { at: reader.buffer_position(), why })?;
    }
    finish(loader.vm)
}

/// Which element is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Zone,
    Filesystem,
    Network,
    Device,
    Rctl,
    /// Read already, or nothing that a VM object has.
    Other,
}

struct Loader<'a> {
    vm: Object,
    wanted: &'a dyn Fn(&str) -> bool,
    open: Vec<Place>,
    /// Name of the resource control that is open.
    rctl: String,
}

impl Loader<'_> {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.name();
        let place = match (self.open.last(), name.as_ref()) {
            (None, "zone") => {
                self.take(element, table::zone)?;
                Place::Zone
            }
            (None, other) => return Err(format!("the root element is <{other}>, not <zone>")),
            (Some(Place::Zone), "attr") => {
                let attr = NameValue::read(element)?;
                self.set(table::attr(&attr.name), &attr.value);
                Place::Other
            }
            (Some(Place::Zone), "dataset") => {
                if let Some(name) = attribute(element, "name")? {
                    self.push("datasets", Value::String(name));
                }
                Place::Other
            }
            (Some(Place::Zone), "filesystem") if (self.wanted)("filesystems") => {
                let object = object(element, table::filesystem)?;
                self.push("filesystems", Value::Object(object));
                Place::Filesystem
            }
            (Some(Place::Filesystem), "fsoption") => {
                if let Some(option) = attribute(element, "name")?
                    && let Some(filesystem) = self.last("filesystems")
                {
                    push(filesystem, "options", Value::String(option));
                }
                Place::Other
            }
            (Some(Place::Zone), "network") if (self.wanted)("nics") => {
                let object = object(element, table::network)?;
                self.push("nics", Value::Object(object));
                Place::Network
            }
            (Some(Place::Network), "net-attr") => {
                self.take_net_attr("nics", element, table::network_attr)?;
                Place::Other
            }
            (Some(Place::Zone), "device")
                if (self.wanted)("disks") || (self.wanted)("pci_devices") =>
            {
                let object = object(element, table::device)?;
                self.push("disks", Value::Object(object));
                Place::Device
            }
            (Some(Place::Device), "net-attr") => {
                self.take_net_attr("disks", element, table::device_attr)?;
                Place::Other
            }
            (Some(Place::Zone), "rctl") => {
                self.rctl = attribute(element, "name")?.unwrap_or_default();
                Place::Rctl
            }
            (Some(Place::Rctl), "rctl-value") => {
                self.take_rctl_value(element)?;
                Place::Other
            }
            _ => Place::Other,
        };
        self.open.push(place);
        Ok(())
    }

    fn end(&mut self) {
        if self.open.pop() == Some(Place::Device) {
            self.sort_device();
        }
    }

    /// The device that was just read is a disk or, with model `passthru`, a PCI device.
    fn sort_device(&mut self) {
        let passthru = |device: &Value| device.get("model").is_some_and(|m| m == "passthru");
        let Some(Value::Array(disks)) = self.vm.get_mut("disks") else { return };
        if disks.last().is_some_and(passthru)
            && let Some(device) = disks.pop()
        {
            if disks.is_empty() {
                self.vm.shift_remove("disks");
            }
            self.push("pci_devices", device);
        }
    }

    fn take(&mut self, element: &BytesStart<'_>, table: fn(&str) -> Target) -> Result<(), String> {
        for attribute in element.attributes() {
            let (name, value) = pair(attribute)?;
            self.set(table(&name), &value);
        }
        Ok(())
    }

    fn take_net_attr(
        &mut self,
        list: &str,
        element: &BytesStart<'_>,
        table: fn(&str) -> Target,
    ) -> Result<(), String> {
        let attr = NameValue::read(element)?;
        if let Some((key, form)) = table(&attr.name)
            && let Some(Value::Object(object)) = self.last(list)
        {
            object.insert(key.to_owned(), value(&attr.value, form));
        }
        Ok(())
    }

    fn take_rctl_value(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let privilege = attribute(element, "priv")?.unwrap_or_default();
        let action = attribute(element, "action")?.unwrap_or_default();
        let target = table::rctl(&self.rctl, &privilege, &action);
        if let Some(limit) = attribute(element, "limit")? {
            self.set(target, &limit);
        }
        Ok(())
    }

    fn set(&mut self, target: Target, text: &str) {
        if let Some((key, form)) = target
            && (key == "brand" || (self.wanted)(key))
        {
            self.vm.insert(key.to_owned(), value(text, form));
        }
    }

    fn push(&mut self, key: &str, item: Value) {
        match self.vm.get_mut(key) {
            Some(Value::Array(list)) => list.push(item),
            _ => {
                self.vm.insert(key.to_owned(), Value::Array(vec![item]));
            }
        }
    }

    fn last(&mut self, key: &str) -> Option<&mut Value> {
        self.vm.get_mut(key)?.as_array_mut()?.last_mut()
    }
}

fn push(object: &mut Value, key: &str, item: Value) {
    if let Value::Object(object) = object {
        match object.get_mut(key) {
            Some(Value::Array(list)) => list.push(item),
            _ => {
                object.insert(key.to_owned(), Value::Array(vec![item]));
            }
        }
    }
}

/// The `name` and `value` of an `attr` or `net-attr` element.
struct NameValue {
    name: String,
    value: String,
}

impl NameValue {
    fn read(element: &BytesStart<'_>) -> Result<Self, String> {
        let mut found = Self { name: String::new(), value: String::new() };
        for attribute in element.attributes() {
            match pair(attribute)? {
                (key, value) if key == "name" => found.name = value,
                (key, value) if key == "value" => found.value = value,
                _ => {}
            }
        }
        Ok(found)
    }
}

type XmlAttribute<'a> =
    Result<quick_xml::events::attributes::Attribute<'a>, quick_xml::events::attributes::AttrError>;

fn pair(attribute: XmlAttribute<'_>) -> Result<(String, String), String> {
    let attribute = attribute.map_err(|e| e.to_string())?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
    Ok((attribute.key.as_ref().to_owned(), value.into_owned()))
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in element.attributes() {
        let (key, value) = pair(attribute)?;
        if key == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn object(element: &BytesStart<'_>, table: fn(&str) -> Target) -> Result<Object, String> {
    let mut object = Object::new();
    for attribute in element.attributes() {
        let (name, text) = pair(attribute)?;
        if let Some((key, form)) = table(&name) {
            object.insert(key.to_owned(), value(&text, form));
        }
    }
    Ok(object)
}

fn value(text: &str, form: As) -> Value {
    match form {
        As::Text => Value::String(text.to_owned()),
        As::Flag => match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::String(text.to_owned()),
        },
        As::Number => number(parse_number(text)),
        As::Mebibytes => number(parse_number(text) / (1024.0 * 1024.0)),
        As::Base64 => Value::String(unbase64(text)),
        As::List => text.split(',').map(Value::from).collect(),
        As::Numbers => text.split(',').map(|part| number(parse_number(part))).collect(),
    }
}

/// Base64 as lenient as node's: padding may be missing, other characters are passed over.
fn unbase64(text: &str) -> String {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(text).unwrap_or_else(|_| {
        let mut known: String = text
            .chars()
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                other => other,
            })
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
            .collect();
        if known.len() % 4 == 1 {
            known.pop();
        }
        LENIENT.decode(known).unwrap_or_default()
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the original adds and rearranges once the document is read.
fn finish(mut vm: Object) -> Result<Object, LoadError> {
    let Some(brand) = vm.get("brand").and_then(Value::as_str) else {
        return Err(LoadError::NoBrand);
    };
    let hvm = matches!(brand, "kvm" | "bhyve");
    let kvm = brand == "kvm";
    vm.entry("nics").or_insert_with(|| Value::Array(Vec::new()));
    if hvm {
        vm.entry("disks").or_insert_with(|| Value::Array(Vec::new()));
    }
    if kvm {
        use_vm_autoboot(&mut vm);
    }
    split_transition(&mut vm);
    sort_by_index(&mut vm, "disks", "path", disk_index);
    sort_by_index(&mut vm, "nics", "interface", |name| name.strip_prefix("net"));
    Ok(vm)
}

/// KVM zones are booted by vmadmd, not with the machine: their `autoboot` is an attribute of its own.
fn use_vm_autoboot(vm: &mut Object) {
    match vm.shift_remove("vm_autoboot") {
        Some(value) => {
            vm.insert("autoboot".to_owned(), value);
        }
        None => {
            vm.shift_remove("autoboot");
        }
    }
}

/// `STATE:TARGET:EXPIRY` while a VM is on its way from one state to another; other forms stay as they are.
fn split_transition(vm: &mut Object) {
    let Some(transition) = vm.get("transition").and_then(Value::as_str) else { return };
    let fields: Vec<String> = transition.trim_end().split(':').map(str::to_owned).collect();
    if let [state, to, expire] = fields.as_slice() {
        vm.shift_remove("transition");
        vm.insert("state".to_owned(), Value::from(state.as_str()));
        vm.insert("transition_to".to_owned(), Value::from(to.as_str()));
        vm.insert("transition_expire".to_owned(), number(parse_number(expire)));
    }
}

/// The number in `…/disk0` or `…-disk0`.
fn disk_index(path: &str) -> Option<&str> {
    let at = path.rfind("disk")?;
    path[..at].ends_with(['/', '-']).then(|| &path[at + 4..])
}

/// Sorts a list of objects by the number that `index` finds in `key`; those without one count as 0 and keep their order.
fn sort_by_index(vm: &mut Object, list: &str, key: &str, index: fn(&str) -> Option<&str>) {
    if let Some(Value::Array(list)) = vm.get_mut(list) {
        list.sort_by_key(|item| {
            item.get(key)
                .and_then(Value::as_str)
                .and_then(index)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u64>().ok())
                .unwrap_or(0)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_all(xml: &str) -> Object {
        load(xml, &|_| true).unwrap()
    }

    #[test]
    fn sizes_are_in_mebibytes() {
        assert_eq!(value("805306880", As::Mebibytes).to_string(), "768.00048828125");
        assert_eq!(value("536870912", As::Mebibytes).to_string(), "512");
        assert_eq!(value("x", As::Number).to_string(), "null");
    }

    #[test]
    fn base64_is_lenient() {
        for (text, plain) in [("ajE=", "j1"), ("ajE", "j1"), ("aj\nE=", "j1"), ("YsOpIDg=", "bé 8")]
        {
            assert_eq!(unbase64(text), plain);
        }
    }

    #[test]
    fn passthru_devices_are_no_disks_and_disks_are_in_order() {
        let vm = load_all(
            r#"<zone name="z" zonepath="/z" autoboot="false" brand="bhyve">
              <device match="/dev/ppt0"><net-attr name="model" value="passthru"/></device>
              <device match="/dev/zvol/rdsk/zones/z/disk1"/>
              <device match="/dev/zvol/rdsk/zones/z/disk0"/>
              <device match="/x.iso"/>
            </zone>"#,
        );
        let text = Value::Object(vm).to_string();
        assert_eq!(
            text,
            concat!(
                r#"{"zonename":"z","autoboot":false,"brand":"bhyve","#,
                r#""pci_devices":[{"path":"/dev/ppt0","model":"passthru"}],"#,
                r#""disks":[{"path":"/dev/zvol/rdsk/zones/z/disk0"},{"path":"/x.iso"},"#,
                r#"{"path":"/dev/zvol/rdsk/zones/z/disk1"}],"nics":[]}"#
            )
        );
    }

    #[test]
    fn a_transition_becomes_the_state() {
        let vm = load_all(
            r#"<zone name="z" brand="kvm" autoboot="true">
              <attr name="transition" type="string" value="provisioning:running:1795"/>
              <attr name="vm-autoboot" type="string" value="false"/>
            </zone>"#,
        );
        assert_eq!(vm["state"], "provisioning");
        assert_eq!(vm["transition_expire"], 1795);
        assert_eq!(vm["autoboot"], false);
        assert!(!vm.contains_key("transition") && !vm.contains_key("vm_autoboot"));
    }

    #[test]
    fn damaged_documents_are_errors() {
        for xml in [
            "",
            "<zone",
            "<zone name='z' brand='lx'>",
            "<other/>",
            "<zone/>",
            "<zone a='1' a='2'/>",
        ] {
            assert!(load(xml, &|_| true).is_err(), "{xml}");
        }
    }
}
