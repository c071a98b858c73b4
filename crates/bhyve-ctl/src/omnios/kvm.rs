//! The command line that OmniOS's kvm brand makes of a zone's attributes (its `init` program, as observed).

use super::device_list::{Numbering, device_list};
use super::options::{Aliases, Options};
use crate::refusal::{Result, refuse};
use crate::zone::{HvmZone, Net};

const DEFAULTS: &[(&str, Option<&str>)] = &[
    ("vcpus", Some("1")),
    ("ram", Some("1G")),
    ("diskif", Some("virtio")),
    ("netif", Some("virtio-net-pci")),
    ("vnc", Some("none")),
    ("console", Some("pipe,id=console0,path=/dev/zconsole")),
    ("cpu", Some("qemu64")),
    ("bootorder", Some("cd")),
    ("rtc", Some("base=utc,driftfix=slew")),
];

const ALIASES: Aliases = &[
    ("diskif", &[("virtio", "virtio"), ("ahci", "ahci")]),
    ("netif", &[("virtio", "virtio-net-pci")]),
    ("vnc", &[("on", "unix:/tmp/vm.vnc"), ("off", "none")]),
];

/// What the zone's configuration does not say.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// UUID of the virtual machine, where it has one.
    pub uuid: Option<&'a str>,
    /// The MAC address of a network interface, as dladm prints it; empty where it has none.
    pub mac: &'a dyn Fn(&Net) -> String,
}

/// The arguments, the program's path first.
///
/// # Errors
/// What the brand refuses, in its words.
pub fn command_line(zone: &HvmZone, host: Host<'_>) -> Result<Vec<String>> {
    let options = Options::read(zone, DEFAULTS, ALIASES);
    let mut line = vec!["/usr/bin/qemu-system-x86_64".to_owned()];
    let mut add = |arguments: &[&str]| line.extend(arguments.iter().map(|&a| a.to_owned()));
    add(&["-name", &zone.name]);
    if let Some(uuid) = host.uuid {
        add(&["-uuid", uuid]);
    }
    add(&["-enable-kvm", "-no-hpet"]);
    for (option, value) in [("-m", "ram"), ("-smp", "vcpus"), ("-cpu", "cpu"), ("-rtc", "rtc")] {
        add(&[option, options.get(value)]);
    }
    add(&["-pidfile", "/tmp/vm.pid"]);
    add(&["-monitor", "unix:/tmp/vm.monitor,server,nowait,nodelay"]);
    add(&["-vga", "std"]);
    add(&["-chardev", options.get("console"), "-serial", "chardev:console0"]);
    add(&["-boot", &format!("order={}", options.get("bootorder"))]);

    for drive in drives(zone, options.get("diskif"))? {
        add(&["-drive", &drive]);
    }
    let physical = zone.nets.iter().filter_map(|net| Some((net.physical.as_deref()?.trim(), net)));
    for (vlan, (link, net)) in physical.enumerate() {
        let mac = super::pad_mac(&(host.mac)(net));
        match options.get("netif") {
            "e1000" => {
                add(&[
                    "-net",
                    &format!("nic,vlan={vlan},name=net{vlan},model=e1000,macaddr={mac}"),
                ]);
            }
            device => add(&[
                "-device",
                &format!("{device},mac={mac},tx=timer,x-txtimer=200000,x-txburst=128,vlan={vlan}"),
            ]),
        }
        add(&["-net", &format!("vnic,vlan={vlan},name=net{vlan},ifname={link}")]);
    }
    add(&["-vnc", options.get("vnc")]);

    // The brand's program fails on any such attribute (observed), so a zone that has one has never started.
    if let Some((number, _)) = list(zone, "extra", 16)?.first() {
        refuse!("extra{number}: this brand cannot take extra options");
    }
    Ok(line)
}

fn list(zone: &HvmZone, kind: &'static str, count: u32) -> Result<Vec<(u32, String)>> {
    device_list(zone, Numbering { kind, free: count, highest: count, plain: true })
}

/// The drives in order: cdroms, boot disk, disks. Numbers in the names of attributes only order them.
fn drives(zone: &HvmZone, interface: &str) -> Result<Vec<String>> {
    let mut drives = Vec::new();
    let mut index = 0;
    for (_, path) in list(zone, "cdrom", 5)? {
        drives.push(drive(&path, "ide", "cdrom", index));
        index += 1;
    }
    // Other buses than IDE are numbered on their own.
    if interface != "ide" {
        index = 0;
    }
    if let Some(path) = zone.value("bootdisk") {
        drives.push(drive(&disk_path(path.trim()), interface, "disk", index) + ",boot=on");
        index += 1;
    }
    for (_, path) in list(zone, "disk", 10)? {
        drives.push(drive(&disk_path(&path), interface, "disk", index));
        index += 1;
    }
    Ok(drives)
}

fn drive(path: &str, interface: &str, media: &str, index: usize) -> String {
    let drive = format!("file={path},if={interface},media={media},index={index},cache=none");
    if drive.contains(",serial=") { drive } else { format!("{drive},serial={media}{index}") }
}

/// A disk is a volume's name unless it is below `/dev`.
fn disk_path(path: &str) -> String {
    if path.starts_with("/dev") { path.to_owned() } else { format!("/dev/zvol/rdsk/{path}") }
}
