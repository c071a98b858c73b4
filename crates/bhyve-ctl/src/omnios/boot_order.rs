//! What the `bootorder` and `bootnext` attributes mean to UEFI firmware.

use std::fmt;

use crate::refusal::{Result, refuse};

/// The UEFI shell that OmniOS's firmware has built in.
const SHELL: &str = "7c04a583-9e3e-4f1c-ad65-e05268d0b4d1";

/// Something a UEFI firmware can boot from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootTarget {
    /// The n-th entry that names a file, such as a boot loader that an operating system installed.
    Path(u32),
    /// The entry `Boot000n`.
    Boot(u32),
    /// A PCI device.
    Pci {
        /// Slot.
        slot: u32,
        /// Function.
        function: u32,
        /// Whether to boot over HTTP rather than PXE.
        http: bool,
    },
    /// An application that is part of the firmware, by its identifier.
    App(String),
}

impl fmt::Display for BootTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(index) => write!(f, "path{index}"),
            Self::Boot(index) => write!(f, "boot{index}"),
            Self::Pci { slot, function, http } => {
                write!(f, "pci {slot}.{function}{}", if *http { " (http)" } else { "" })
            }
            Self::App(id) => write!(f, "app {id}"),
        }
    }
}

/// The devices of a virtual machine that can be booted from, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOptions(Vec<(String, BootTarget)>);

impl Default for BootOptions {
    fn default() -> Self {
        Self(vec![("shell".to_owned(), BootTarget::App(SHELL.to_owned()))])
    }
}

impl BootOptions {
    /// Adds the device `kind` with its number, where it has one. Number 0 also goes by the plain name.
    pub(super) fn add(&mut self, kind: &str, number: Option<u32>, slot: u32, function: u32) {
        let target = BootTarget::Pci { slot, function, http: false };
        match number {
            None => self.set(kind.to_owned(), target),
            Some(number) => {
                self.set(format!("{kind}{number}"), target.clone());
                if number == 0 {
                    self.set(kind.to_owned(), target);
                }
            }
        }
    }

    fn set(&mut self, name: String, target: BootTarget) {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = target,
            None => self.0.push((name, target)),
        }
    }

    /// What a list of names means. Names of devices that are not there are left out.
    ///
    /// # Errors
    /// A network device has another protocol than `pxe` or `http`.
    pub fn order(&self, names: &str) -> Result<Vec<BootTarget>> {
        let mut order = Vec::new();
        for name in names.split(',').filter(|_| !names.is_empty()) {
            order.extend(self.resolve(name)?);
        }
        Ok(order)
    }

    /// What one name means; nothing where there is no such device.
    ///
    /// # Errors
    /// As [`BootOptions::order`].
    pub fn resolve(&self, name: &str) -> Result<Option<BootTarget>> {
        if let Some(digits) = name.strip_prefix("path") {
            if digits.is_empty() {
                return Ok(Some(BootTarget::Path(0)));
            }
            if let Some(index) = number(digits) {
                return Ok(Some(BootTarget::Path(index)));
            }
        }
        if let Some(index) = name.strip_prefix("boot").and_then(number) {
            return Ok(Some(BootTarget::Boot(index)));
        }
        let mut device = name;
        let mut over_http = false;
        if name.starts_with("net")
            && let Some((net, protocol)) = name.split_once('=')
        {
            match protocol {
                "pxe" | "" => {}
                "http" => over_http = true,
                _ => refuse!("Invalid protocol '{protocol}' for '{net}'"),
            }
            device = net;
        }
        let target = self.0.iter().find(|(key, _)| key == device).map(|(_, target)| target.clone());
        Ok(target.map(|target| match target {
            BootTarget::Pci { slot, function, http } => {
                BootTarget::Pci { slot, function, http: http || over_http }
            }
            other => other,
        }))
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}
