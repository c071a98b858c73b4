//! Payloads with hostile content in every property that takes text: what create and update take comes back as it was
//! given; what they refuse they name, and nothing has changed.
//!
//! The payloads are generated. A failure names its seed; `ZONEKIT_HOSTILE_SEED=N` begins with that one, and
//! `ZONEKIT_HOSTILE_ROUNDS` runs more than the usual few.

use std::env;

use e2e::{Gz, Need, Run, needs};
use manifest::properties::{Kind, PROPERTIES};
use manifest::{Action, Brand, Flavour, Property};
use serde_json::{Map, Value, json};

const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const ZONE_IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const LX_IMAGE: &str = "5917ca96-c888-11e5-8da0-e785a1ad1185";
const DISK_IMAGE: &str = "9dd7f770-59b3-11e0-b2d8-bf6b1d3d9f2a";

/// Rounds of create, get, update, get for each brand.
const ROUNDS: u64 = 4;

/// Pieces that texts are put together from.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "`",
    ";",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "\\n",
    "\u{1}",
    "\u{1b}[31m",
    "\u{7f}",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{feff}",
    "\u{1F600}",
    "\u{10FFFF}",
    "e\u{301}",
    "漢字",
    "$(reboot)",
    "${HOME}",
    "`reboot`",
    "&& reboot",
    "| cat",
    "> /etc/x",
    "<a b=\"c\"/>",
    "]]>",
    "&amp;",
    "&#0;",
    "--",
    "-- ",
    "%s%n",
    "#",
    "//",
    "../",
    "=",
    ",",
    ":",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "*",
    "?",
    "!",
    " ",
    "  ",
    "end",
    "exit",
    "commit",
    "set zonepath=/",
    "add attr",
    "null",
    "undefined",
    "true",
    "false",
    "0",
    "-1",
    "1e9",
    "0x10",
    "NaN",
    "a",
    "web",
    "zone.example.com",
];

/// A linear congruential generator: the same numbers for the same seed everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end.max(1) as u64).expect("below a usize")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn text(&mut self) -> String {
        if self.one_in(60) {
            return "x".repeat(100_000);
        }
        (0..=self.below(4)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }

    /// The value of a tag or of metadata.
    fn scalar(&mut self) -> Value {
        match self.below(8) {
            0 => json!(self.below(1_000_000)),
            1 => json!(self.one_in(2)),
            // What Docker's properties are: JSON within a string.
            2 => json!(json!({"a": [self.text(), {"b": self.text()}]}).to_string()),
            3 => json!(format!("{}{}", "[".repeat(500), "]".repeat(500))),
            _ => json!(self.text()),
        }
    }

    fn map(&mut self) -> Map<String, Value> {
        (0..self.below(5)).map(|_| (self.text(), self.scalar())).collect()
    }

    fn list(&mut self) -> Value {
        (0..=self.below(3)).map(|_| self.text()).collect()
    }
}

/// The properties that take text, or lists or maps of it.
fn texts(brand: Brand, action: Action) -> impl Iterator<Item = &'static Property> {
    PROPERTIES.iter().filter(move |property| {
        property.nested().is_none()
            && property.allows(action, brand, Flavour::SmartOs)
            && matches!(property.kind, Some(Kind::Text | Kind::List | Kind::FlatObject))
            && !matches!(property.name, "brand" | "internal_metadata_namespaces")
            && !property.name.starts_with("remove_")
    })
}

fn hostile(numbers: &mut Numbers, brand: Brand, action: Action) -> Map<String, Value> {
    let mut payload = Map::new();
    for property in texts(brand, action) {
        if !numbers.one_in(3) {
            continue;
        }
        let value = match property.kind {
            Some(Kind::List) => numbers.list(),
            Some(Kind::FlatObject) => Value::Object(numbers.map()),
            _ => json!(numbers.text()),
        };
        payload.insert(property.name.to_owned(), value);
    }
    payload
}

/// An element of a list with a hostile member; the list's name and the member's.
fn hostile_element(
    numbers: &mut Numbers,
    brand: Brand,
) -> Option<(&'static str, &'static str, Value)> {
    let members: Vec<(&str, &Property)> = PROPERTIES
        .iter()
        .filter(|property| property.allows(Action::Create, brand, Flavour::SmartOs))
        .filter(|property| matches!(property.kind, Some(Kind::Text | Kind::List | Kind::Uuid)))
        .filter_map(|property| Some((property.nested()?.0, property)))
        // Passed through to the guest from devices of this machine; a name that create takes and does not use.
        .filter(|(list, property)| *list != "pci_devices" && property.name != "nics.*.interface")
        .collect();
    let (list, property) = members.get(numbers.below(members.len()))?;
    let (_, member) = property.nested()?;
    let mut element = match *list {
        "nics" => {
            let address = format!("10.88.{}.{}/16", numbers.below(250), 1 + numbers.below(250));
            json!({"nic_tag": "admin", "ips": [address], "model": "virtio"})
        }
        "disks" => json!({"model": "virtio", "size": 10}),
        _ => {
            json!({"source": "/tmp", "target": format!("/data{}", numbers.below(1_000_000)), "type": "lofs"})
        }
    };
    // Addresses have an older and a newer form.
    if matches!(member, "ip" | "netmask" | "gateway")
        && let Some(nic) = element.as_object_mut()
    {
        nic.remove("ips");
        nic.extend([
            ("ip".to_owned(), json!("10.88.88.77")),
            ("netmask".to_owned(), json!("255.255.255.0")),
        ]);
    }
    element[member] =
        if property.kind == Some(Kind::List) { numbers.list() } else { json!(numbers.text()) };
    Some((list, member, element))
}

fn base(brand: Brand) -> Value {
    match brand {
        Brand::Lx => json!({"brand": "lx", "image_uuid": LX_IMAGE, "kernel_version": "4.4.0",
            "max_physical_memory": 256, "quota": 5}),
        Brand::Kvm => json!({"brand": "kvm", "ram": 256, "vcpus": 1,
            "disks": [{"boot": true, "model": "virtio", "image_uuid": DISK_IMAGE}]}),
        Brand::Bhyve => json!({"brand": "bhyve", "ram": 256, "vcpus": 1, "bootrom": "bios",
            "disks": [{"boot": true, "model": "virtio", "size": 10}]}),
        _ => {
            json!({"brand": "joyent", "image_uuid": ZONE_IMAGE, "max_physical_memory": 256, "quota": 5})
        }
    }
}

/// How messages that are the original's name what they refuse.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("routes", "Invalid route "),
    ("set_routes", "Invalid route "),
    ("zfs_root_compression", "invalid compression type"),
    ("zfs_data_compression", "invalid compression type"),
    ("vga", "Invalid VGA type: "),
    ("vnc_password", "VNC password is too long"),
    ("spice_password", "SPICE password"),
    ("limit_priv", "invalid privilege: "),
];

/// Whether the message names the property. It has to be a word of its own: `boot` is no part of `bootrom`.
fn names(message: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    message.split(|c| !is_word(c)).any(|word| word == name)
        || OTHER_NAMES.iter().any(|(known, words)| *known == name && message.contains(words))
}

/// The payload for a message: every value cut short.
fn shown(payload: &Map<String, Value>) -> String {
    let line = |(name, value): (&String, &Value)| {
        format!("\n  {name}: {}", value.to_string().chars().take(200).collect::<String>())
    };
    payload.iter().map(line).collect()
}

/// Runs the command with the hostile properties, dropping those it refuses; returns those it took.
fn settle(
    gz: &Gz,
    seed: u64,
    mut hostile: Map<String, Value>,
    run: impl Fn(&Map<String, Value>) -> Run,
) -> Map<String, Value> {
    let before = gz.snapshot();
    loop {
        let answer = run(&hostile);
        let message = answer.stderr.chars().take(2000).collect::<String>();
        let all = shown(&hostile);
        if answer.exit == Some(0) {
            // What is left out is said beside the success.
            hostile.retain(|name, _| !names(&message, name));
            return hostile;
        }
        assert_eq!(answer.exit, Some(1), "seed {seed}: {message}{all}");
        let changes = gz.changes_since(&before);
        assert!(changes.is_empty(), "seed {seed}: refused, but changed: {message}{all}{changes}");
        let count = hostile.len();
        hostile.retain(|name, _| !names(&message, name));
        assert!(hostile.len() < count, "seed {seed}: refused without a name: {message}{all}");
    }
}

/// Checks that the VM has what it was given.
fn check(seed: u64, vm: &Value, given: &Map<String, Value>) {
    for (name, value) in given {
        let (name, got) = match name.strip_prefix("set_") {
            // Set members come beside those that are there.
            Some(map) => {
                let members = value.as_object().expect("a map").keys();
                let got: Map<String, Value> = members
                    .map(|key| (key.clone(), vm[map].get(key).cloned().unwrap_or_default()))
                    .collect();
                (map, Value::Object(got))
            }
            None => (name.as_str(), vm.get(name).cloned().unwrap_or_default()),
        };
        // What zonecfg has a property of its own for comes back as it is there.
        let joined = || {
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(",")
        };
        if matches!(name, "fs_allowed" | "limit_priv") && got == *joined() {
            continue;
        }
        // Blanks alone mean that it is unset.
        if value.as_str().is_some_and(|text| text.trim().is_empty()) && got.is_null() {
            continue;
        }
        assert!(got == *value, "seed {seed}: {name} was {value:?} and came back as {got:?}");
    }
}

fn round(gz: &Gz, brand: Brand, seed: u64) {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ brand as u64);
    let create = |more: &Map<String, Value>| {
        let mut payload = base(brand);
        payload["uuid"] = UUID.into();
        payload["autoboot"] = false.into();
        payload.as_object_mut().expect("an object").extend(more.clone());
        gz.create(&payload)
    };
    let given = hostile(&mut numbers, brand, Action::Create);
    let taken = settle(gz, seed, given, create);
    let vm = gz.vmadm(&["get", UUID]).ok().json();
    check(seed, &vm, &taken);
    let update = |more: &Map<String, Value>| {
        let text = Value::Object(more.clone()).to_string();
        gz.run_with("vmadm", &["update", UUID], text.as_bytes())
    };
    let given = hostile(&mut numbers, brand, Action::Update);
    let taken = settle(gz, seed, given, update);
    check(seed, &gz.vmadm(&["get", UUID]).ok().json(), &taken);
    // Elements of lists: by name of the member or of what it belongs to.
    for _ in 0..4 {
        let Some((list, member, element)) = hostile_element(&mut numbers, brand) else { continue };
        let before = gz.snapshot();
        let text = json!({format!("add_{list}"): [element]}).to_string();
        let run = gz.run_with("vmadm", &["update", UUID], text.as_bytes());
        let shown: String = text.chars().take(500).collect();
        if run.exit == Some(0) {
            let vm = gz.vmadm(&["get", UUID]).ok().json();
            let last = vm[list].as_array().and_then(|all| all.last()).expect("it was added");
            // Blanks alone mean that it is unset; a NIC has an address of its own then.
            if element[member].as_str().is_some_and(|text| text.trim().is_empty()) {
                assert!(member != "mac" || last[member].is_string(), "seed {seed}: {last}");
                continue;
            }
            let left_out = names(&run.stderr, member);
            assert!(
                left_out || last[member] == element[member],
                "seed {seed}: {shown}: came back as {last}"
            );
            continue;
        }
        assert_eq!(run.exit, Some(1), "seed {seed}: {shown}: {}", run.stderr);
        let changes = gz.changes_since(&before);
        assert!(
            changes.is_empty(),
            "seed {seed}: refused, but changed: {shown}: {}{changes}",
            run.stderr
        );
        let message: String = run.stderr.chars().take(2000).collect();
        assert!(
            message.to_lowercase().contains(&member.replace('_', " "))
                || names(&message, member)
                || message.contains(list)
                || member == "media" && message.contains(" devices; ")
                || member == "target" && message.contains("is not an absolute path"),
            "seed {seed}: refused without a name: {shown}: {message}"
        );
    }
    let _ = gz.vmadm(&["delete", UUID]).ok();
}

fn rounds(brand: Brand) {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("ZONEKIT_HOSTILE_SEED").unwrap_or(1);
    let count = number("ZONEKIT_HOSTILE_ROUNDS").unwrap_or(ROUNDS);
    let mut gz = Gz::new();
    // What the original drops with a word in its log is said there.
    gz.set("VMADM_DEBUG_LEVEL", "warn");
    let before = gz.datasets();
    for seed in first..first + count {
        round(&gz, brand, seed);
        assert_eq!(gz.datasets(), before, "seed {seed}: something is left behind");
    }
}

#[test]
fn joyent() {
    needs!(Need::Simulation, Need::Time);
    rounds(Brand::Joyent);
}

#[test]
fn lx() {
    needs!(Need::Simulation, Need::Time);
    rounds(Brand::Lx);
}

#[test]
fn kvm() {
    needs!(Need::Simulation, Need::Time);
    rounds(Brand::Kvm);
}

#[test]
fn bhyve() {
    needs!(Need::Simulation, Need::Time);
    rounds(Brand::Bhyve);
}

#[test]
fn json_without_an_end_is_refused() {
    needs!(Need::Simulation, Need::Time);
    let gz = Gz::new();
    let run = gz.run_with("vmadm", &["create"], "[".repeat(100_000).as_bytes()).failed();
    assert!(run.stderr.contains("JSON"), "{}", run.stderr);
    let mut deep = base(Brand::Joyent);
    deep["tags"] =
        serde_json::from_str(&format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100)))
            .expect("JSON");
    let run = gz.create(&deep).failed();
    assert!(run.stderr.contains("tags"), "{}", run.stderr);
}
