//! PCI slots that a bhyve command line uses.

use std::collections::HashMap;

/// A `-s` argument taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot<'a> {
    /// Bus, device and function.
    pub address: (u32, u32, u32),
    /// Name of the emulated device (`virtio-blk`).
    pub device: &'a str,
    /// The rest, its configuration.
    pub config: Option<&'a str>,
}

impl<'a> Slot<'a> {
    /// Takes `bus:device:function,name,configuration` apart. Bus and function may be left out.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (address, rest) = text.split_once(',')?;
        let mut numbers = address.split(':').map(str::parse::<u32>);
        let address = match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(device)), None, None, None) => (0, device, 0),
            (Some(Ok(device)), Some(Ok(function)), None, None) => (0, device, function),
            (Some(Ok(bus)), Some(Ok(device)), Some(Ok(function)), None) => (bus, device, function),
            _ => return None,
        };
        let (device, config) = match rest.split_once(',') {
            Some((device, config)) => (device, Some(config)),
            None => (rest, None),
        };
        Some(Self { address, device, config })
    }
}

/// The slots of a bhyve command line in order; none for qemu's.
pub fn slots(argv: &[String]) -> Vec<Slot<'_>> {
    let is_bhyve = argv.first().is_some_and(|program| program.ends_with("bhyve"));
    let pairs = argv.windows(2).filter(|pair| is_bhyve && pair[0] == "-s");
    pairs.filter_map(|pair| Slot::parse(&pair[1])).collect()
}

/// The file in which a bhyve command line has UEFI firmware keep its variables.
pub fn uefi_variables(argv: &[String]) -> Option<&str> {
    let mut devices = argv.windows(2).filter(|pair| pair[0] == "-l");
    let bootrom = devices.find_map(|pair| pair[1].strip_prefix("bootrom,"))?;
    bootrom.split(',').nth(1).filter(|path| path.starts_with('/'))
}

/// What is wrong with the slots: each that is used twice, or out of range, with the devices in it. bhyve refuses to
/// start with these, the brands' own programs do not see them.
pub fn conflicts(argv: &[String]) -> Vec<String> {
    let mut seen: HashMap<(u32, u32, u32), Slot<'_>> = HashMap::new();
    let mut conflicts = Vec::new();
    for slot in slots(argv) {
        let (bus, device, function) = slot.address;
        if bus > 255 || device > 31 || function > 7 {
            conflicts.push(format!(
                "PCI slot {bus}:{device}:{function} of {} is out of range: there are too many devices",
                describe(slot)
            ));
        }
        match seen.get(&slot.address) {
            Some(first) => conflicts.push(format!(
                "PCI slot {bus}:{device}:{function} is used twice: by {} and by {}",
                describe(*first),
                describe(slot)
            )),
            None => {
                seen.insert(slot.address, slot);
            }
        }
    }
    conflicts
}

fn describe(slot: Slot<'_>) -> String {
    match slot.config {
        Some(config) => format!("{} {config}", slot.device),
        None => slot.device.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_twice_names_both_devices() {
        let argv = ["bhyve", "-s", "0:4:0,virtio-blk,/a", "-s", "4,nvme,/b", "-s", "5:8,nvme,/c"];
        let conflicts = conflicts(&argv.map(str::to_owned));
        assert_eq!(
            conflicts,
            [
                "PCI slot 0:4:0 is used twice: by virtio-blk /a and by nvme /b",
                "PCI slot 0:5:8 of nvme /c is out of range: there are too many devices",
            ]
        );
    }
}
