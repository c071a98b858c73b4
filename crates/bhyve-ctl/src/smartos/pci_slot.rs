//! PCI addresses as SmartOS writes them: `bus:device:function`, `device:function` or `device`.

use std::fmt;

/// Where a device is on a virtual machine's PCI buses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciSlot {
    /// Bus, 0-255.
    pub bus: u8,
    /// Device, 0-31.
    pub device: u8,
    /// Function, 0-7.
    pub function: u8,
}

impl fmt::Display for PciSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.bus, self.device, self.function)
    }
}

impl PciSlot {
    fn new(bus: i64, device: i64, function: i64) -> Option<Self> {
        let device = u8::try_from(device).ok().filter(|device| *device <= 31)?;
        let function = u8::try_from(function).ok().filter(|function| *function <= 7)?;
        Some(Self { bus: u8::try_from(bus).ok()?, device, function })
    }

    /// Reads an address as the brand does, with C's `sscanf`: blanks before a number, a sign and, in the shorter
    /// forms, anything after the numbers are let pass.
    ///
    /// # Errors
    /// It is no address; the device number as far as it was read.
    pub(super) fn scan(text: &str) -> Result<Self, i32> {
        let mut rest = text;
        let mut numbers = [0_u32; 3];
        let mut count = 0;
        for (index, number) in numbers.iter_mut().enumerate() {
            if index > 0 {
                let Some(after) = rest.strip_prefix(':') else { break };
                rest = after;
            }
            let Some((value, after)) = scan_unsigned(rest) else { break };
            *number = value;
            rest = after;
            count += 1;
        }
        let [first, second, third] = numbers;
        let (bus, device, function) = match count {
            3 if rest.is_empty() => (first, second, third),
            // With all three numbers there, nothing may follow.
            3 => return Err(second.cast_signed()),
            0 => return Err(0),
            _ => (0, first, second),
        };
        Self::new(bus.into(), device.into(), function.into()).ok_or(device.cast_signed())
    }
}

/// What `%u` takes from the start of a text: blanks, a sign and digits. Overflow wraps.
fn scan_unsigned(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let (number, rest) = digits.split_at(end);
    let value = number.parse::<u64>().unwrap_or(u64::MAX) as u32;
    Some((if negative { value.wrapping_neg() } else { value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brand_reads_as_c_does() {
        let slot = |bus, device, function| Ok(PciSlot { bus, device, function });
        assert_eq!(PciSlot::scan(" 4:1"), slot(0, 4, 1));
        assert_eq!(PciSlot::scan("7"), slot(0, 7, 0));
        assert_eq!(PciSlot::scan("7:"), slot(0, 7, 0));
        assert_eq!(PciSlot::scan("7:1x"), slot(0, 7, 1));
        assert_eq!(PciSlot::scan("1:2:3"), slot(1, 2, 3));
        assert_eq!(PciSlot::scan("1:2:3x"), Err(2));
        assert_eq!(PciSlot::scan("0:4:8"), Err(4));
        assert_eq!(PciSlot::scan("x"), Err(0));
        assert_eq!(PciSlot::scan("-1"), Err(-1));
    }
}
