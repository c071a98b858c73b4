//! The configuration that bhyve makes of its arguments: `key=value` lines, as its `-k` option reads them and its
//! `-o config.dump=1` prints them (as observed of the bhyve of 2022).

use crate::refusal::{Result, refuse};
use crate::usage::Slot;

/// Devices that bhyve can emulate or pass through.
const DEVICES: [&str; 20] = [
    "ahci",
    "ahci-cd",
    "ahci-hd",
    "amd_hostbridge",
    "dummy",
    "e1000",
    "fbuf",
    "hda",
    "hostbridge",
    "lpc",
    "nvme",
    "passthru",
    "uart",
    "virtio-9p",
    "virtio-blk",
    "virtio-console",
    "virtio-net",
    "virtio-net-viona",
    "virtio-rnd",
    "virtio-scsi",
];
/// The controller that takes USB devices.
const USB: &str = "xhci";

/// A node of the configuration: its entries in the order in which they came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    entries: Vec<(String, Entry)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Value(String),
    Node(Config),
}

impl Config {
    /// The configuration of a bhyve command line, the program's name first.
    ///
    /// # Errors
    /// An option is not known or lacks its value, a device is not known, or a slot is used twice.
    pub fn of_arguments(argv: &[String]) -> Result<Self> {
        let mut config = Self::default();
        for (key, value) in
            [("acpi_tables", "false"), ("memory.size", "256M"), ("x86.strictmsr", "true")]
        {
            config.set(key, value);
        }
        let mut arguments = argv.iter().skip(1);
        while let Some(argument) = arguments.next() {
            let Some(letter) = argument.strip_prefix('-').filter(|rest| rest.len() == 1) else {
                // The name ends the options.
                if arguments.next().is_some() {
                    refuse!("bhyve takes one name: {argument} is not the last argument");
                }
                config.set("name", argument);
                return Ok(config);
            };
            match letter {
                "H" => config.set("x86.vmexit_on_hlt", "true"),
                "w" => config.set("x86.strictmsr", "false"),
                "S" => config.set("memory.wired", "true"),
                // ACPI tables are always there.
                "A" => {}
                "B" | "c" | "k" | "l" | "m" | "o" | "s" | "U" => {
                    let Some(value) = arguments.next() else {
                        refuse!("option -{letter} of bhyve lacks its value");
                    };
                    config.option(letter, value)?;
                }
                _ => refuse!("bhyve has no option -{letter}"),
            }
        }
        Ok(config)
    }

    fn option(&mut self, letter: &str, value: &str) -> Result<()> {
        match letter {
            "B" => {
                // The number of the SMBIOS table comes first.
                for (name, value) in options(value).skip(1) {
                    self.set(&format!("smbios.{name}"), value);
                }
            }
            "c" => {
                for part in value.split(',') {
                    match part.split_once('=') {
                        Some((name, number)) => self.set(name, number),
                        None => self.set("cpus", part),
                    }
                }
            }
            "m" => self.set("memory.size", value),
            "U" => self.set("uuid", value),
            "o" => match value.split_once('=') {
                Some((key, value)) => self.set(key, value),
                None => refuse!("the setting {value} has no value"),
            },
            "l" => self.lpc(value)?,
            "s" => self.device(value)?,
            _ => refuse!("option -{letter} of bhyve is not known here"),
        }
        Ok(())
    }

    fn lpc(&mut self, value: &str) -> Result<()> {
        match value.split_once(',') {
            Some(("bootrom", path)) => self.set("lpc.bootrom", path),
            Some((port, path)) => self.set(&format!("lpc.{port}.path"), path),
            None => refuse!("the legacy device {value} has no path"),
        }
        Ok(())
    }

    fn device(&mut self, text: &str) -> Result<()> {
        let Some(slot) = Slot::parse(text) else {
            refuse!("{text} names no PCI slot");
        };
        let (bus, device, function) = slot.address;
        let at = format!("pci slot {bus}:{device}:{function}");
        let key = format!("pci.{bus}.{device}.{function}");
        if self.node(&key).is_some() {
            refuse!("{at} already occupied!");
        }
        if slot.device != USB && !DEVICES.contains(&slot.device) {
            refuse!("{at}: unknown device \"{}\"", slot.device);
        }
        let mut set = |name: &str, value: &str| self.set(&format!("{key}.{name}"), value);
        let given =
            slot.config.map(|config| options(config).collect::<Vec<_>>()).unwrap_or_default();
        // Of some devices the first word is no option but what they are connected to.
        let first = slot.config.map(|config| config.split(',').next().unwrap_or_default());
        let skipped = match (slot.device, first) {
            ("ahci-hd" | "ahci-cd", first) => {
                set("device", "ahci");
                set("port.0.type", if slot.device == "ahci-cd" { "cd" } else { "hd" });
                if let Some(path) = first {
                    set("port.0.path", path);
                }
                for (name, value) in given.iter().skip(1) {
                    set(&format!("port.0.{name}"), value);
                }
                return Ok(());
            }
            (USB, Some(first)) => {
                set("device", USB);
                set("slot.1.device", first);
                1
            }
            ("virtio-9p", Some(first)) => {
                set("device", slot.device);
                let (share, path) = first.split_once('=').unwrap_or((first, ""));
                set("sharename", share);
                set("path", path);
                1
            }
            (device, Some(first)) => {
                set("device", device);
                match device {
                    "virtio-blk" | "nvme" | "passthru" | "uart" => set("path", first),
                    "virtio-net-viona" => set("vnic", first),
                    "virtio-net" | "e1000" => set("backend", first),
                    _ => {}
                }
                let connected = [
                    "virtio-blk",
                    "nvme",
                    "passthru",
                    "uart",
                    "virtio-net-viona",
                    "virtio-net",
                    "e1000",
                ];
                usize::from(connected.contains(&device))
            }
            (device, None) => {
                set("device", device);
                0
            }
        };
        for (name, value) in given.iter().skip(skipped) {
            set(name, value);
        }
        Ok(())
    }

    /// Sets a key, the parts of which are joined by dots. A value that is set again moves to the end of its node.
    pub fn set(&mut self, key: &str, value: &str) {
        // Paths are no keys: what has a slash is one name, as bhyve has it.
        let Some((head, tail)) = key.split_once('.').filter(|(head, _)| !head.contains('/')) else {
            self.entries.retain(|(name, _)| name != key);
            self.entries.push((key.to_owned(), Entry::Value(value.to_owned())));
            return;
        };
        if !self.entries.iter().any(|(name, _)| name == head) {
            self.entries.push((head.to_owned(), Entry::Node(Self::default())));
        }
        for (name, entry) in &mut self.entries {
            if name == head {
                if let Entry::Value(_) = entry {
                    *entry = Entry::Node(Self::default());
                }
                if let Entry::Node(node) = entry {
                    node.set(tail, value);
                }
            }
        }
    }

    fn node(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |node, part| {
            node.entries.iter().find_map(|(name, entry)| match entry {
                Entry::Node(child) if name == part => Some(child),
                _ => None,
            })
        })
    }

    /// The lines, without the request to print them that OmniOS's brand adds.
    pub fn print(&self) -> String {
        let mut text = String::new();
        self.write("", &mut text);
        text
    }

    fn write(&self, prefix: &str, text: &mut String) {
        for (name, entry) in &self.entries {
            match entry {
                Entry::Value(_) if prefix == "config." && name == "dump" => {}
                Entry::Value(value) => text.push_str(&format!("{prefix}{name}={value}\n")),
                Entry::Node(node) => node.write(&format!("{prefix}{name}."), text),
            }
        }
    }
}

/// Options and their values; those without a value are true.
fn options(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').map(|option| option.split_once('=').unwrap_or((option, "true")))
}
