//! The command line that OmniOS's bhyve brand makes of a zone's attributes (its `boot` program, as observed).

use super::boot_order::{BootOptions, BootTarget};
use super::device_list::{Numbering, device_list};
use super::options::{Aliases, Options, boolean, plain_alias};
use super::vnc;
use crate::refusal::{Refusal, Result, refuse};
use crate::words;
use crate::zone::HvmZone;

const FIRMWARE: &str = "/usr/share/bhyve/firmware";
/// Appended to the boot ROM: where its variables are, below the root of the zone.
const UEFI_VARIABLES: &str = ",/etc/uefivars";

const MIB: u64 = 1 << 20;
/// Memory that bhyve takes for a boot ROM, and for a frame buffer, on top of the guest's.
const EXTRA_MEMORY: u64 = 16 * MIB;

const DEFAULTS: &[(&str, Option<&str>)] = &[
    ("bootorder", Some("path0,bootdisk,cdrom0")),
    ("bootnext", None),
    ("bootrom", Some("BHYVE_RELEASE_CSM")),
    ("cloud-init", Some("off")),
    ("console", Some("/dev/zconsole")),
    ("debug.persist", Some("off")),
    ("diskif", Some("virtio-blk")),
    ("hostbridge", Some("i440fx")),
    ("memreserve", Some("off")),
    ("netif", Some("virtio-net-viona")),
    ("priv.debug", Some("off")),
    ("ram", Some("1G")),
    ("rng", Some("off")),
    ("type", Some("generic")),
    ("uefivars", Some("on")),
    ("uuid", None),
    ("vcpus", Some("1")),
    ("vga", Some("off")),
    ("vnc", Some("off")),
    ("xhci", Some("on")),
];

/// Other names of values.
pub(super) const ALIASES: Aliases = &[
    ("bootorder", &[("cd", "path0,bootdisk,cdrom0"), ("dc", "cdrom0,path0,bootdisk")]),
    ("diskif", &[("virtio", "virtio-blk"), ("ahci", "ahci-hd")]),
    ("netif", &[("virtio", "virtio-net-viona")]),
    // Older scripts wrote it this way.
    ("hostbridge", &[("intel", "netapp")]),
    ("vnc", &[("on", "unix=/tmp/vm.vnc"), ("wait", "unix=/tmp/vm.vnc,wait")]),
    // Firmware of releases before r151035.
    (
        "bootrom",
        &[
            ("BHYVE_DEBUG-2.70", "BHYVE_DEBUG"),
            ("BHYVE_DEBUG_CSM-2.40", "BHYVE_DEBUG_CSM"),
            ("BHYVE_RELEASE-2.70", "BHYVE_RELEASE"),
            ("BHYVE_RELEASE_CSM-2.40", "BHYVE_RELEASE_CSM"),
        ],
    ),
];

/// PCI slots of bus 0.
mod slot {
    pub(super) const HOSTBRIDGE: u32 = 0;
    pub(super) const LPC: u32 = 1;
    pub(super) const CDROM: u32 = 3;
    pub(super) const BOOTDISK: u32 = 4;
    pub(super) const DISK: u32 = 5;
    pub(super) const NET: u32 = 6;
    /// Behind the boot disk, for firmware that boots in the order of slots.
    pub(super) const CDROM_BEHIND: u32 = 7;
    pub(super) const MORE_DISKS: u32 = 8;
    pub(super) const PASS_THROUGH: u32 = 9;
    pub(super) const RNG: u32 = 10;
    pub(super) const VIRTFS: u32 = 11;
    pub(super) const MORE_NETS: u32 = 12;
    pub(super) const CLOUD_INIT: u32 = 29;
    pub(super) const FRAME_BUFFER: u32 = 30;
    /// Where Windows expects it.
    pub(super) const LPC_WINDOWS: u32 = 31;
}

/// What the zone's configuration does not say.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The UUID of the zone (`etc/uuid` below its root, or a new one); used where no `uuid` attribute is.
    pub uuid: &'a str,
    /// Whether a file of the global zone exists; asked for firmware that is given by name.
    pub exists: &'a dyn Fn(&str) -> bool,
}

/// What is needed to start a bhyve zone of OmniOS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Arguments, the program's path first.
    pub argv: Vec<String>,
    /// UUID of the virtual machine.
    pub uuid: String,
    /// VNC password, or the name of the file that holds it. It belongs into the configuration file only.
    pub vnc_password: Option<String>,
    /// Where the seed image's user data come from (the `cloud-init` attribute), if it needs one.
    pub seed: Option<String>,
    /// `promisc-filtered` properties to set on datalinks: datalink, `on` or `off`.
    pub link_properties: Vec<(String, &'static str)>,
    /// Whether the firmware is UEFI with variables, so that the boot order can be written into these.
    pub uefi: bool,
    /// Boot order and the target of the next boot only; written where the firmware is UEFI with variables.
    pub boot_order: BootOrder,
    /// Memory to reserve from the bhyve memory reservoir, in bytes.
    pub reservation: Option<u64>,
}

/// The boot attributes as they stand, with the devices they can name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootOrder {
    options: BootOptions,
    order: String,
    next: String,
}

impl BootOrder {
    /// Targets of the `bootorder` attribute; `None` where it is empty.
    ///
    /// # Errors
    /// See [`BootOptions::order`].
    pub fn order(&self) -> Result<Option<Vec<BootTarget>>> {
        if self.order.is_empty() { Ok(None) } else { self.options.order(&self.order).map(Some) }
    }

    /// Target of the `bootnext` attribute.
    ///
    /// # Errors
    /// See [`BootOptions::order`].
    pub fn next(&self) -> Result<Option<BootTarget>> {
        if self.next.is_empty() { Ok(None) } else { self.options.resolve(&self.next) }
    }
}

/// Memory to reserve for a zone, in bytes, where it asks for that.
///
/// # Errors
/// `memreserve` is no boolean, or `ram` cannot be read.
pub fn reservation(zone: &HvmZone) -> Result<Option<u64>> {
    reserve(&Options::read(zone, DEFAULTS, ALIASES))
}

fn reserve(options: &Options) -> Result<Option<u64>> {
    if !options.flag("memreserve")? {
        return Ok(None);
    }
    let frame_buffer = if options.is_not_off("vnc") { EXTRA_MEMORY } else { 0 };
    let bytes = ram_bytes(options.get("ram"))?;
    Ok(Some(bytes.saturating_add(EXTRA_MEMORY + frame_buffer)))
}

/// The command line and what goes with it.
///
/// # Errors
/// What the brand refuses, in its words.
pub fn boot(zone: &HvmZone, host: Host<'_>) -> Result<Boot> {
    let options = Options::read(zone, DEFAULTS, ALIASES);
    let reservation = reserve(&options)?;
    let windows = options.get("type") == "windows";

    let bootrom = firmware(options.get("bootrom"), host)?;
    let uefi = options.flag("uefivars")? && !bootrom.contains("_CSM");
    // Without variables the firmware boots in the order of slots.
    let disk_first = !uefi && options.get("bootorder").starts_with("bootdisk") && !windows;

    let uuid = match options.get("uuid") {
        "" => host.uuid,
        uuid => uuid,
    };
    let mut line = Line::default();
    let (serial, seed) = cloud_init(&options, uuid, &mut line);
    if options.get("type") == "openbsd" {
        line.push("-w");
    }
    if !uuid.is_empty() {
        line.option("-U", uuid);
    }
    line.push("-H");
    line.option(
        "-B",
        format!(
            "1,manufacturer=OmniOS,product=OmniOS HVM,version=1.0,serial={serial},sku=001,\
             family=Virtual Machine"
        ),
    );
    line.option("-c", options.get("vcpus"));
    line.option("-m", options.get("ram"));
    let variables = if uefi { UEFI_VARIABLES } else { "" };
    line.option("-l", format!("bootrom,{bootrom}{variables}"));
    match options.get("hostbridge") {
        "" | "none" => {}
        raw if raw.contains('=') => line.slot(slot::HOSTBRIDGE, None, format!("hostbridge,{raw}")),
        model => line.slot(slot::HOSTBRIDGE, None, format!("hostbridge,model={model}")),
    }
    line.slot(if windows { slot::LPC_WINDOWS } else { slot::LPC }, None, "lpc");
    for (number, device) in sorted(zone, "com", 4, true)? {
        if number > 1 {
            line.option("-l", format!("com{number},{device}"));
        }
    }
    line.option("-l", format!("com1,{}", options.get("console")));

    let mut bootable = BootOptions::default();
    let cdrom_slot = if disk_first { slot::CDROM_BEHIND } else { slot::CDROM };
    for (number, path) in sorted(zone, "cdrom", 8, true)? {
        line.slot(cdrom_slot, Some(number), format!("ahci-cd,{path},ro"));
        bootable.add("cdrom", Some(number), cdrom_slot, number);
    }
    disks(zone, &options, &mut line, &mut bootable)?;
    let link_properties = nets(zone, &options, &mut line, &mut bootable)?;
    let vnc_password = frame_buffer(&options, &mut line)?;
    pass_through(zone, &mut line)?;
    shared_directories(zone, &mut line)?;
    if options.flag("rng")? {
        line.slot(slot::RNG, Some(0), "virtio-rnd");
    }
    for (option, setting) in [
        ("priv.debug", "privileges.debug=true"),
        ("debug.persist", "debug.persist=true"),
        ("memreserve", "memory.use_reservoir=true"),
    ] {
        if options.flag(option)? {
            line.option("-o", setting);
        }
    }
    for (_, text) in sorted(zone, "extra", 16, true)? {
        line.0.extend(words::split(&text)?);
    }
    line.option("-o", "config.dump=1");
    line.push(&zone.name);

    let boot_order = BootOrder {
        options: bootable,
        order: options.get("bootorder").to_owned(),
        next: options.get("bootnext").to_owned(),
    };
    if uefi {
        // A boot order that cannot be read is refused before anything is started.
        boot_order.order()?;
        boot_order.next()?;
    }
    Ok(Boot {
        argv: line.0,
        uuid: uuid.to_owned(),
        vnc_password,
        seed,
        link_properties,
        uefi,
        boot_order,
        reservation,
    })
}

/// Arguments under construction.
struct Line(Vec<String>);

impl Default for Line {
    fn default() -> Self {
        Self(vec!["/usr/sbin/bhyve".to_owned()])
    }
}

impl Line {
    fn push(&mut self, argument: impl Into<String>) {
        self.0.push(argument.into());
    }

    fn option(&mut self, option: &str, value: impl Into<String>) {
        self.0.extend([option.to_owned(), value.into()]);
    }

    fn slot(&mut self, slot: u32, function: Option<u32>, device: impl std::fmt::Display) {
        match function {
            Some(function) => self.option("-s", format!("{slot}:{function},{device}")),
            None => self.option("-s", format!("{slot},{device}")),
        }
    }
}

fn sorted(
    zone: &HvmZone,
    kind: &'static str,
    count: u32,
    plain: bool,
) -> Result<Vec<(u32, String)>> {
    let mut list = device_list(zone, Numbering { kind, free: count, highest: count - 1, plain })?;
    list.sort_by_key(|(number, _)| *number);
    Ok(list)
}

fn firmware(name: &str, host: Host<'_>) -> Result<String> {
    if name.starts_with('/') {
        return Ok(name.to_owned());
    }
    let path = format!("{FIRMWARE}/{}.fd", name.strip_suffix(".fd").unwrap_or(name));
    if !(host.exists)(&path) {
        refuse!("bootrom {name} not found.");
    }
    Ok(path)
}

/// The system's serial number, which tells cloud-init where to look, and the source of a seed image if one is needed.
fn cloud_init(options: &Options, uuid: &str, line: &mut Line) -> (String, Option<String>) {
    if !options.is_not_off("cloud-init") {
        return (uuid.to_owned(), None);
    }
    let source = options.get("cloud-init");
    if source.starts_with("http://") || source.starts_with("https://") {
        return (format!("ds=nocloud-net;s={source};i={uuid}"), None);
    }
    line.slot(slot::CLOUD_INIT, Some(0), "ahci-cd,/cloud-init.iso,ro,ser=CLOUD-INIT-0");
    (format!("ds=nocloud;i={uuid}"), Some(source.to_owned()))
}

fn disks(
    zone: &HvmZone,
    options: &Options,
    line: &mut Line,
    bootable: &mut BootOptions,
) -> Result<()> {
    let bus = |name: &str| plain_alias(ALIASES, "diskif", name).unwrap_or(name).to_owned();
    if let Some(path) = zone.value("bootdisk") {
        // An interface without a value costs the boot disk: observed.
        let interface = match zone.find("bootdiskif") {
            None => Some(options.get("diskif").to_owned()),
            Some(attr) => attr.value.as_deref().map(|value| bus(value.trim())),
        };
        if let Some(interface) = interface {
            line.slot(slot::BOOTDISK, Some(0), format!("{interface},{}", disk_path(path.trim())));
            bootable.add("bootdisk", None, slot::BOOTDISK, 0);
        }
    }
    for (number, path) in sorted(zone, "disk", 16, true)? {
        let interface = match zone.find(&format!("diskif{number}")) {
            None => options.get("diskif").to_owned(),
            // What the brand makes of an absent value; bhyve then refuses it.
            Some(attr) => bus(attr.value.as_deref().unwrap_or("None")),
        };
        let (slot, function) = split_slot(number, slot::DISK, slot::MORE_DISKS);
        line.slot(slot, Some(function), format!("{interface},{}", disk_path(&path)));
        bootable.add("disk", Some(number), slot, function);
    }
    Ok(())
}

fn nets(
    zone: &HvmZone,
    options: &Options,
    line: &mut Line,
    bootable: &mut BootOptions,
) -> Result<Vec<(String, &'static str)>> {
    let mut link_properties: Vec<(String, &'static str)> = Vec::new();
    let physical = zone.nets.iter().filter_map(|net| Some((net.physical.as_deref()?.trim(), net)));
    for (number, (link, net)) in (0..).zip(physical) {
        let mut interface = options.get("netif");
        let mut extra = String::new();
        for property in &net.properties {
            let (name, value) =
                (property.name.as_str(), property.value.as_deref().unwrap_or("None"));
            if name == "netif" {
                interface = value;
                continue;
            }
            match name {
                "promiscphys" => {
                    let filtered = if boolean(value, name)? { "off" } else { "on" };
                    match link_properties.iter_mut().find(|(known, _)| known == link) {
                        Some((_, old)) => *old = filtered,
                        None => link_properties.push((link.to_owned(), filtered)),
                    }
                }
                "promiscrxonly" | "promiscsap" | "promiscmulti" => {
                    boolean(value, name)?;
                }
                _ => {}
            }
            extra.push_str(&format!(",{name}={value}"));
        }
        let (slot, function) = split_slot(number, slot::NET, slot::MORE_NETS);
        line.slot(slot, Some(function), format!("{interface},{link}{extra}"));
        bootable.add("net", Some(number), slot, function);
    }
    Ok(link_properties)
}

fn frame_buffer(options: &Options, line: &mut Line) -> Result<Option<String>> {
    if !options.is_not_off("vnc") {
        return Ok(None);
    }
    let vnc = vnc::parse(options.get("vnc"));
    let vga = options.get("vga");
    line.slot(slot::FRAME_BUFFER, Some(0), format!("fbuf,vga={vga},{}", vnc.options));
    if options.flag("xhci")? {
        line.slot(slot::FRAME_BUFFER, Some(1), "xhci,tablet");
    }
    Ok(vnc.password)
}

/// PCI devices of the host: those with a function of their own first, the others into the gaps.
fn pass_through(zone: &HvmZone, line: &mut Line) -> Result<()> {
    let devices = sorted(zone, "ppt", 8, false)?;
    let mut functions: [Option<u32>; 8] = [None; 8];
    for (number, value) in &devices {
        let Some(digits) = value
            .strip_prefix("slot")
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let wanted: usize = digits.parse().unwrap_or(usize::MAX);
        match functions.get_mut(wanted) {
            None => refuse!("ppt slot {wanted} out of range (0-7)"),
            Some(Some(_)) => refuse!("ppt slot {wanted} appears more than once"),
            Some(function) => *function = Some(*number),
        }
    }
    for (number, value) in &devices {
        if super::options::boolean_word(value) == Some(true) {
            // The last function is only given to a device that asks for it.
            let free = functions.iter_mut().take(7).find(|function| function.is_none());
            *free.ok_or_else(|| Refusal::new("ppt: no more available slots"))? = Some(*number);
        }
    }
    if functions.iter().any(Option::is_some) {
        // Pass-through needs the guest's memory wired.
        line.push("-S");
    }
    for (function, number) in (0..).zip(functions) {
        if let Some(number) = number {
            line.slot(slot::PASS_THROUGH, Some(function), format!("passthru,/dev/ppt{number}"));
        }
    }
    Ok(())
}

fn shared_directories(zone: &HvmZone, line: &mut Line) -> Result<()> {
    for (number, value) in sorted(zone, "virtfs", 8, true)? {
        let parts: Vec<&str> = value.split(',').collect();
        let (share, path, read_only) = match parts[..] {
            [share, path] => (share, path, ""),
            [share, path, "ro"] => (share, path, ",ro"),
            [_, _, other] => refuse!("Unknown virtfs attribute {other}"),
            _ => refuse!("Bad virtfs specification: {value}"),
        };
        line.slot(slot::VIRTFS, Some(number), format!("virtio-9p,{share}={path}{read_only}"));
    }
    Ok(())
}

/// The first eight of a kind are functions of one slot, the rest of another.
fn split_slot(number: u32, first: u32, second: u32) -> (u32, u32) {
    if number < 8 { (first, number) } else { (second, number - 8) }
}

/// A disk is a volume's name unless it is an absolute path.
fn disk_path(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/dev/zvol/rdsk/{path}") }
}

/// Bytes of an amount of memory: a number and one letter. Plain numbers below 2^20 are MiB.
fn ram_bytes(text: &str) -> Result<u64> {
    let digits_end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let mut suffixes = suffix.chars();
    let suffix = suffixes.next();
    if digits.is_empty() || suffixes.next().is_some() {
        refuse!("Could not parse ram value \"{text}\"");
    }
    let number: u64 = digits.parse().unwrap_or(u64::MAX);
    let shift = match suffix.map(|c| c.to_ascii_lowercase()) {
        None if number < MIB => 20,
        None | Some('b') => 0,
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        Some('t') => 40,
        Some('p') => 50,
        Some('e') => 60,
        Some(_) => refuse!("Unknown RAM suffix, {}", suffix.unwrap_or_default()),
    };
    Ok(number.saturating_mul(1 << shift))
}
