//! The file in which bhyve's UEFI firmware keeps its variables, and what they say of booting.
//!
//! The file is a firmware volume of EDK2 with a variable store (`EFI_FIRMWARE_VOLUME_HEADER` of the UEFI Platform
//! Initialization specification; `VARIABLE_STORE_HEADER` and `AUTHENTICATED_VARIABLE_HEADER` of EDK2). The guest can
//! write what it likes into it: nothing in it is trusted.

use serde::Serialize;

use crate::refusal::{Result, refuse};

/// `EFI_SYSTEM_NV_DATA_FV_GUID`.
const VOLUME: u128 = guid(0xfff1_2b8d_7696_4c8b_a985_2747_075b_4f50);
/// `gEfiVariableGuid` and `gEfiAuthenticatedVariableGuid`.
const PLAIN_STORE: u128 = guid(0xddcf_3616_3275_4164_98b6_fe85_707f_fe7d);
const AUTHENTICATED_STORE: u128 = guid(0xaaf3_2c78_947b_439a_a180_2e14_4ec3_7792);
/// `EFI_GLOBAL_VARIABLE`, whose variables the specification of UEFI defines.
const GLOBAL: u128 = guid(0x8be4_df61_93ca_11d2_aa0d_00e0_9803_2b8c);

/// A GUID as it lies in memory, of its digits as they are written: the first three parts are little endian.
const fn guid(digits: u128) -> u128 {
    let b = digits.to_be_bytes();
    u128::from_be_bytes([
        b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
        b[14], b[15],
    ])
}

/// Length of a store's header.
const STORE_HEADER: usize = 28;
const FORMATTED: u8 = 0x5a;
const HEALTHY: u8 = 0xfe;
const VARIABLE: u16 = 0x55aa;
/// States of a variable: there, and there until its successor is.
const ADDED: u8 = 0x3f;
const IN_TRANSITION: u8 = 0x3e;

/// The variables in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables(Vec<Variable>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: String,
    vendor: u128,
    state: u8,
    data: Vec<u8>,
}

/// What the firmware will boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BootOptions {
    /// Numbers of entries in the order in which they are tried (`BootOrder`).
    pub order: Vec<u16>,
    /// The entry that is tried before them the next time (`BootNext`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u16>,
    /// The entries by number (`Boot0000` …).
    pub entries: Vec<BootEntry>,
}

/// Something that can be booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// Number.
    pub number: u16,
    /// Title as the firmware's menu shows it.
    pub title: String,
    /// Whether it is tried without being asked for.
    pub active: bool,
    /// The PCI device (`device:function`) it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci_slot: Option<String>,
    /// The file of a boot loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it is booted over HTTP.
    pub http: bool,
}

impl Variables {
    /// Reads a file of variables.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match parse(bytes) {
            Some(variables) => Ok(Self(variables)),
            None => refuse!("it is no store of UEFI variables"),
        }
    }

    /// The data of a variable that UEFI defines.
    fn get(&self, name: &str) -> Option<&[u8]> {
        let of_state = |state| {
            let is_it = |v: &&Variable| v.state == state && v.vendor == GLOBAL && v.name == name;
            self.0.iter().find(is_it)
        };
        of_state(ADDED).or_else(|| of_state(IN_TRANSITION)).map(|variable| variable.data.as_slice())
    }

    /// What the firmware will boot.
    pub fn boot_options(&self) -> BootOptions {
        let numbers = |name| -> Vec<u16> {
            let pairs = self.get(name).unwrap_or_default().as_chunks::<2>().0;
            pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
        };
        let mut known: Vec<u16> = self
            .0
            .iter()
            .filter_map(|variable| variable.name.strip_prefix("Boot"))
            .filter(|digits| digits.len() == 4)
            .filter_map(|digits| u16::from_str_radix(digits, 16).ok())
            .collect();
        known.sort_unstable();
        known.dedup();
        let entry = |number: u16| boot_entry(number, self.get(&format!("Boot{number:04X}"))?);
        BootOptions {
            order: numbers("BootOrder"),
            next: numbers("BootNext").first().copied(),
            entries: known.into_iter().filter_map(entry).collect(),
        }
    }
}

/// Bytes that are taken from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn guid(&mut self) -> Option<u128> {
        self.take(16)?.try_into().ok().map(u128::from_be_bytes)
    }

    /// UCS-2 up to its NUL.
    fn text(&mut self) -> Option<String> {
        let mut units = Vec::new();
        loop {
            match self.u16()? {
                0 => return Some(String::from_utf16_lossy(&units)),
                unit => units.push(unit),
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<Variable>> {
    let mut volume = Input(bytes);
    volume.take(16)?;
    let is_volume = volume.guid()? == VOLUME;
    let length = usize::try_from(volume.u64()?).ok()?;
    let is_volume = is_volume && volume.take(4)? == b"_FVH";
    // Attributes.
    volume.u32()?;
    let header_length = usize::from(volume.u16()?);
    let bytes = bytes.get(header_length..length.min(bytes.len()))?;

    let mut store = Input(bytes);
    let kind = store.guid()?;
    let size = store.u32()? as usize;
    let is_whole = store.u8()? == FORMATTED && store.u8()? == HEALTHY;
    // Reserved.
    store.take(6)?;
    if !is_volume || !is_whole || !matches!(kind, PLAIN_STORE | AUTHENTICATED_STORE) {
        return None;
    }
    let bytes = bytes.get(..size)?;
    let mut store = Input(bytes.get(STORE_HEADER..)?);
    let mut variables = Vec::new();
    while let Some(variable) = variable(&mut store, kind == AUTHENTICATED_STORE) {
        variables.push(variable);
        // Each begins at a multiple of four.
        let used = bytes.len() - store.0.len();
        if store.take(used.next_multiple_of(4) - used).is_none() {
            break;
        }
    }
    Some(variables)
}

/// The next variable; none where there are no more.
fn variable(store: &mut Input<'_>, authenticated: bool) -> Option<Variable> {
    if store.u16()? != VARIABLE {
        return None;
    }
    let state = store.u8()?;
    store.u8()?;
    // Attributes; what signatures need: a counter, a time and the number of a key.
    store.take(if authenticated { 4 + 8 + 16 + 4 } else { 4 })?;
    let (name_size, data_size) = (store.u32()? as usize, store.u32()? as usize);
    let vendor = store.guid()?;
    let name = Input(store.take(name_size)?).text()?;
    let data = store.take(data_size)?.to_vec();
    Some(Variable { name, vendor, state, data })
}

/// Reads an `EFI_LOAD_OPTION`.
fn boot_entry(number: u16, data: &[u8]) -> Option<BootEntry> {
    const ACTIVE: u32 = 1;
    let mut option = Input(data);
    let attributes = option.u32()?;
    let paths_length = usize::from(option.u16()?);
    let title = option.text()?;
    let mut entry = BootEntry {
        number,
        title,
        active: attributes & ACTIVE != 0,
        pci_slot: None,
        path: None,
        http: false,
    };
    let mut paths = Input(option.take(paths_length)?);
    // Nodes of the device path: type, subtype, length with this header.
    while let (Some(kind), Some(subtype), Some(length)) = (paths.u8(), paths.u8(), paths.u16()) {
        let Some(node) = usize::from(length).checked_sub(4).and_then(|length| paths.take(length))
        else {
            break;
        };
        match (kind, subtype, node) {
            (1, 1, [function, device]) => entry.pci_slot = Some(format!("{device}:{function}")),
            (3, 24, _) => entry.http = true,
            (4, 4, text) => entry.path = Input(text).text(),
            (0x7f, 0xff, _) => break,
            _ => {}
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ucs2(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn put(store: &mut Vec<u8>, state: u8, name: &str, data: &[u8]) {
        let name = ucs2(name);
        store.extend(VARIABLE.to_le_bytes());
        store.extend([state, 0]);
        store.extend([0; 32]);
        store.extend((name.len() as u32).to_le_bytes());
        store.extend((data.len() as u32).to_le_bytes());
        store.extend(GLOBAL.to_be_bytes());
        store.extend(name);
        store.extend(data);
        store.resize(store.len().next_multiple_of(4), 0xff);
    }

    fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
        let mut node = vec![kind, subtype];
        node.extend((data.len() as u16 + 4).to_le_bytes());
        node.extend(data);
        node
    }

    fn option(attributes: u32, title: &str, nodes: &[Vec<u8>]) -> Vec<u8> {
        let mut paths = nodes.concat();
        paths.extend(node(0x7f, 0xff, &[]));
        let mut option = attributes.to_le_bytes().to_vec();
        option.extend((paths.len() as u16).to_le_bytes());
        option.extend(ucs2(title));
        option.extend(paths);
        option
    }

    fn file() -> Vec<u8> {
        let mut variables = Vec::new();
        let disk = option(1, "UEFI Misc Device", &[node(2, 1, &[0; 8]), node(1, 1, &[0, 4])]);
        put(&mut variables, ADDED, "Boot0001", &disk);
        put(&mut variables, 0x3c, "BootOrder", &[9, 0]);
        put(&mut variables, ADDED, "BootOrder", &[1, 0, 0x1a, 0]);
        let loader = option(0, "ubuntu", &[node(4, 4, &ucs2("\\EFI\\ubuntu\\shimx64.efi"))]);
        put(&mut variables, IN_TRANSITION, "Boot001A", &loader);
        put(&mut variables, ADDED, "BootNext", &[0x1a, 0]);
        put(&mut variables, ADDED, "Bootlike", &[]);

        let mut file = vec![0; 16];
        file.extend(VOLUME.to_be_bytes());
        file.extend(0xe000_u64.to_le_bytes());
        file.extend(b"_FVH");
        file.extend([0; 4]);
        file.extend(72_u16.to_le_bytes());
        file.resize(72, 0);
        file.extend(AUTHENTICATED_STORE.to_be_bytes());
        file.extend((0xe000_u32 - 72).to_le_bytes());
        file.extend([FORMATTED, HEALTHY, 0, 0, 0, 0, 0, 0]);
        file.extend(variables);
        file.resize(0x20000, 0xff);
        file
    }

    #[test]
    fn boot_entries_are_read() {
        let options = Variables::parse(&file()).expect("whole").boot_options();
        assert_eq!((options.order, options.next), (vec![1, 0x1a], Some(0x1a)));
        let [disk, loader] = options.entries.as_slice() else { panic!("{:?}", options.entries) };
        assert_eq!(
            (disk.title.as_str(), disk.pci_slot.as_deref()),
            ("UEFI Misc Device", Some("4:0"))
        );
        assert!(disk.active && !loader.active);
        assert_eq!(loader.path.as_deref(), Some("\\EFI\\ubuntu\\shimx64.efi"));
    }

    #[test]
    fn damaged_stores_are_refused_or_end_early() {
        assert!(Variables::parse(b"").is_err());
        assert!(Variables::parse(&vec![0xff; 0x20000]).is_err());
        let whole = file();
        for at in 0..700 {
            let mut damaged = whole.clone();
            for value in [0, 0xff, damaged[at] ^ 0x80] {
                damaged[at] = value;
                if let Ok(variables) = Variables::parse(&damaged) {
                    let _ = variables.boot_options();
                }
            }
            let _ = Variables::parse(&whole[..at]);
        }
    }
}
