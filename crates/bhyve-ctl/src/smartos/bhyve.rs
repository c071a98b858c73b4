//! The command line that SmartOS's bhyve brand makes of a zone (its `boot` program of April 2022).

use super::environment::{Environment, cut};
use super::pci_slot::PciSlot;
use crate::refusal::{Result, refuse};

const BOOTROM_UEFI: &str = "/usr/share/bhyve/uefi-rom.bin";
const BOOTROM_CSM: &str = "/usr/share/bhyve/uefi-csm-rom.bin";

/// Most arguments, the program's name included.
const ARGUMENTS_MAX: usize = 100;
/// Longest device configuration (`-s`), in bytes.
const SLOT_MAX: usize = 255;
/// The same for disks, which are put together in another way.
const DISK_MAX: usize = 254;
/// Longest other value, in bytes.
const VALUE_MAX: usize = 1023;
/// Longest frame buffer configuration with its password, in bytes.
const FRAME_BUFFER_MAX: usize = 1022;
/// Longest name of a virtual machine, in bytes.
const VM_NAME_MAX: usize = 228;

mod slot {
    pub(super) const HOSTBRIDGE: u8 = 0;
    pub(super) const CDROM: u8 = 3;
    pub(super) const BOOT_DISK: u8 = 4;
    pub(super) const OTHER_DISKS: u8 = 5;
    pub(super) const NICS: u8 = 6;
    pub(super) const FRAME_BUFFER: u8 = 30;
    /// Where Windows expects it.
    pub(super) const LPC: u8 = 31;
}

/// The arguments, the program's name first.
///
/// `platform` is the version of the running system (`uname -v`), such as `joyent_20220407T000000Z`.
///
/// # Errors
/// What the brand refuses, in its words.
pub fn command_line(
    zonename: &str,
    environment: &Environment,
    platform: &str,
) -> Result<Vec<String>> {
    let mut line = Line(vec!["bhyve".to_owned(), "-H".to_owned()]);
    smbios(&mut line, zonename, environment, platform)?;
    lpc(&mut line, environment)?;
    hostbridge(&mut line, environment)?;
    for (option, attr) in [("-c", "vcpus"), ("-m", "ram")] {
        if let Some(value) = environment.attr(attr) {
            line.option(option, value)?;
        }
    }
    Devices::default().add_all(&mut line, environment)?;
    nets(&mut line, environment)?;
    for word in words(environment.attr("bhyve_extra_opts").unwrap_or_default(), &[' ', '\t']) {
        line.push(word)?;
    }
    frame_buffer(&mut line, environment)?;
    match environment.get("_ZONECFG_did") {
        None | Some("") => line.push("SYSbhyve-unknown")?,
        Some(debugid) => line.push(cut(&format!("SYSbhyve-{debugid}"), VM_NAME_MAX))?,
    }
    Ok(line.0)
}

/// Arguments under construction.
struct Line(Vec<String>);

impl Line {
    fn push(&mut self, argument: &str) -> Result<()> {
        if self.0.len() >= ARGUMENTS_MAX {
            refuse!("Error: too many arguments");
        }
        self.0.push(argument.to_owned());
        Ok(())
    }

    fn option(&mut self, option: &str, value: &str) -> Result<()> {
        self.push(option)?;
        self.push(value)
    }
}

fn words<'a>(text: &'a str, blanks: &'static [char]) -> impl Iterator<Item = &'a str> {
    text.split(blanks).filter(|word| !word.is_empty())
}

fn smbios(line: &mut Line, zonename: &str, env: &Environment, platform: &str) -> Result<()> {
    if let Some(uuid) = env.get("_ZONECFG_uuid") {
        line.option("-U", uuid)?;
    }
    let version = platform.strip_prefix("joyent_").unwrap_or("?");
    let smbios = format!(
        "1,manufacturer=Joyent,product=SmartDC HVM,version=7.{version},serial={zonename},sku=001,\
         family=Virtual Machine"
    );
    line.option("-B", cut(&smbios, VALUE_MAX))
}

fn lpc(line: &mut Line, env: &Environment) -> Result<()> {
    line.option("-s", &format!("{},lpc", slot::LPC))?;
    for name in ["bootrom", "com1", "com2"] {
        let Some(value) = env.attr(name) else { continue };
        let value = match (name, value) {
            ("bootrom", "bios") => BOOTROM_CSM,
            ("bootrom", "uefi") => BOOTROM_UEFI,
            _ => value,
        };
        let device = format!("{name},{value}");
        if device.len() > VALUE_MAX {
            refuse!("Error: value of attr '{name}' too long");
        }
        line.option("-l", &device)?;
    }
    if env.attr("bootrom").is_none() {
        line.option("-l", &format!("bootrom,{BOOTROM_CSM}"))?;
    }
    Ok(())
}

fn hostbridge(line: &mut Line, env: &Environment) -> Result<()> {
    let device = match env.attr("hostbridge") {
        Some("none") => return Ok(()),
        // Someone who wants to say everything.
        Some(raw) if raw.contains('=') => format!("{},hostbridge,{raw}", slot::HOSTBRIDGE),
        model => format!("{},hostbridge,model={}", slot::HOSTBRIDGE, model.unwrap_or("i440fx")),
    };
    line.option("-s", cut(&device, VALUE_MAX))
}

/// What the devices before the present one have taken.
#[derive(Default)]
struct Devices {
    boot: Option<String>,
    cdroms: u32,
    others: u32,
    wired: bool,
    acpi: bool,
}

impl Devices {
    fn add_all(&mut self, line: &mut Line, env: &Environment) -> Result<()> {
        for name in words(env.resources("device").unwrap_or_default(), &[' ']) {
            let device = Device { env, name };
            let Some(path) = device.get("path") else {
                refuse!("Error: device {name} has no path");
            };
            let Some(model) = device.get("model") else {
                refuse!("Error: device {name} has no model");
            };
            let slot = if model == "passthru" {
                self.pass_through(line, &device, path)?
            } else {
                self.disk(&device, path, model)?
            };
            line.option("-s", &slot)?;
        }
        Ok(())
    }

    fn disk(&mut self, device: &Device<'_>, path: &str, model: &str) -> Result<String> {
        let is_boot = device.is("boot", "true");
        if is_boot {
            if let Some(first) = &self.boot {
                refuse!("Error: multiple boot disks: {first} {path}");
            }
            self.boot = Some(path.to_owned());
        }
        let is_cdrom = device.is("media", "cdrom");
        let slot = match device.get("pci_slot") {
            Some(text) => pci_slot(text)?.to_string(),
            None if is_boot => format!("0:{}:0", slot::BOOT_DISK),
            None if is_cdrom => format!("0:{}:{}", slot::CDROM, next(&mut self.cdroms)),
            None => format!("0:{}:{}", slot::OTHER_DISKS, next(&mut self.others)),
        };
        let mut options = String::new();
        let model = match model {
            "virtio" => {
                // bhyve calls trimming "delete".
                if device.is("notrim", "true") {
                    options.push_str(",nodelete");
                }
                // Size 0 is what the volume says.
                if let Some(size) = device.get("guest_block_size").filter(|size| *size != "0") {
                    options.push_str(&format!(",sectorsize={size}"));
                }
                "virtio-blk"
            }
            "nvme" => "nvme",
            "ahci" if is_cdrom => "ahci-cd",
            "ahci" => "ahci-hd",
            _ => refuse!("Error: unknown disk model '{model}'"),
        };
        let mut slot = format!("{slot},{model},{path}");
        if slot.len() > DISK_MAX {
            refuse!("Error: disk path '{path}' too long");
        }
        slot.push_str(&options);
        if slot.len() > DISK_MAX {
            refuse!("Error: too many disk options");
        }
        Ok(slot)
    }

    fn pass_through(&mut self, line: &mut Line, device: &Device<'_>, path: &str) -> Result<String> {
        let Some(text) = device.get("pci_slot") else {
            refuse!("Error: device {} has no PCI slot", device.name);
        };
        let slot = pci_slot(text)?;
        // Other buses than 0 are announced by ACPI tables.
        if slot.bus > 0 && !self.acpi {
            line.push("-A")?;
            self.acpi = true;
        }
        // Pass-through needs the guest's memory wired.
        if !self.wired {
            line.push("-S")?;
            self.wired = true;
        }
        let slot = format!("{slot},passthru,{path}");
        if slot.len() > SLOT_MAX {
            refuse!("Error: device path '{path}' too long");
        }
        Ok(slot)
    }
}

struct Device<'a> {
    env: &'a Environment,
    name: &'a str,
}

impl<'a> Device<'a> {
    fn get(&self, property: &str) -> Option<&'a str> {
        self.env.property("device", self.name, property)
    }

    fn is(&self, property: &str, value: &str) -> bool {
        self.get(property) == Some(value)
    }
}

fn next(counter: &mut u32) -> u32 {
    let number = *counter;
    *counter += 1;
    number
}

fn pci_slot(text: &str) -> Result<PciSlot> {
    match PciSlot::scan(text) {
        Ok(slot) => Ok(slot),
        Err(device) => refuse!("Error: device {device} has illegal PCI slot: {text}"),
    }
}

fn nets(line: &mut Line, env: &Environment) -> Result<()> {
    let Some(list) = env.resources("net").filter(|list| !list.is_empty()) else {
        return Ok(());
    };
    let mut primary: Option<&str> = None;
    let mut others = 0;
    for net in words(list, &[' ']) {
        let function = if env.property("net", net, "primary") == Some("true") {
            if let Some(first) = primary {
                refuse!("Error: multiple primary nets: {first} {net}");
            }
            primary = Some(net);
            0
        } else {
            others += 1;
            others
        };
        let device = format!("{}:{function},virtio-net-viona,{net}", slot::NICS);
        if device.len() > SLOT_MAX {
            refuse!("Error: net '{net}' too long");
        }
        line.option("-s", &device)?;
    }
    if primary.is_none() {
        refuse!("Error: no primary net has been specified");
    }
    Ok(())
}

/// The frame buffer that VNC shows, and a tablet for its pointer.
fn frame_buffer(line: &mut Line, env: &Environment) -> Result<()> {
    if env.attr("vnc_port") == Some("-1") {
        return Ok(());
    }
    let mut device = format!("{}:0,fbuf,vga=off,unix=/tmp/vm.vnc", slot::FRAME_BUFFER);
    if let Some(encoded) = env.attr("vnc_password") {
        device.push_str(",password=");
        let password = decoded(encoded)?;
        if device.len() + password.len() > FRAME_BUFFER_MAX {
            refuse!("Error: the VNC password is too long");
        }
        // What follows a NUL never gets through as an argument.
        let end = password.iter().position(|&b| b == 0).unwrap_or(password.len());
        device.push_str(&String::from_utf8_lossy(&password[..end]));
    }
    line.option("-s", &device)?;
    line.option("-s", &format!("{}:1,xhci,tablet", slot::FRAME_BUFFER))
}

/// Decodes base64 as the brand does: padding only at the very end, and nothing after it.
fn decoded(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(4) {
        refuse!("Error: the VNC password is no base64 text");
    }
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let last = bytes.len() / 4 - 1;
    for (index, block) in bytes.chunks_exact(4).enumerate() {
        let mut bits = 0_u32;
        for &byte in block {
            let Some(value) = sextet(byte) else {
                refuse!("Error: base64 value contains invalid character(s)");
            };
            bits = bits << 6 | u32::from(value);
        }
        let padding = match block {
            [b'=', ..] | [_, b'=', ..] => refuse!("Error: base64 value contains invalid padding"),
            _ if index < last => 0,
            [_, _, b'=', b'='] => 2,
            [_, _, b'=', _] => refuse!("Error: base64 value contains invalid padding"),
            [_, _, _, b'='] => 1,
            _ => 0,
        };
        decoded.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Ok(decoded)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}
