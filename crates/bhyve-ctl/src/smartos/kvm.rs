//! The qemu command line that vmadm makes of a kvm virtual machine when it starts it on SmartOS.

use std::net::Ipv4Addr;

use super::vm::{Disk, Nic, Vm};
use crate::refusal::{Result, refuse};

const QEMU: &str = "/smartdc/bin/qemu-system-x86_64";
/// Waits for the zone's console before it becomes qemu.
const QEMU_EXEC: &str = "/smartdc/bin/qemu-exec";

const DISK_MODELS: [&str; 3] = ["virtio", "scsi", "ide"];

/// Options of one start only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra {
    /// Value of `-boot` (`order=cd,once=d`).
    pub boot: Option<String>,
    /// Disks for this start, such as an installation medium.
    pub disks: Vec<Disk>,
}

/// A qemu command line: arguments, and options that an administrator wrote for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// qemu's arguments, without the program.
    pub arguments: Vec<String>,
    /// `qemu_opts` and `qemu_extra_opts` as they stand.
    pub shell_options: String,
}

impl CommandLine {
    /// The line of the start script.
    pub fn script_line(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().map(|a| format!("\"{a}\"")).collect();
        format!("exec {QEMU_EXEC} {QEMU} {} {}", arguments.join(" "), self.shell_options)
    }

    /// All arguments, programs first.
    ///
    /// # Errors
    /// The shell options have an open quotation.
    pub fn argv(&self) -> Result<Vec<String>> {
        let mut argv = vec![QEMU_EXEC.to_owned(), QEMU.to_owned()];
        argv.extend(self.arguments.iter().cloned());
        argv.extend(crate::words::split(&self.shell_options)?);
        Ok(argv)
    }
}

/// The command line of a virtual machine. `exists` says whether a path below the zone's root exists; it is asked for
/// extra disks only.
///
/// # Errors
/// The machine is not stopped, or an extra disk is not there or has a model that qemu does not know.
pub fn command_line(vm: &Vm, extra: &Extra, exists: &dyn Fn(&str) -> bool) -> Result<CommandLine> {
    check_state(vm)?;
    let mut arguments = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
    add(&["-m", &vm.ram, "-name", &vm.uuid, "-uuid", &vm.uuid]);
    add(&["-cpu", vm.cpu_type.as_deref().unwrap_or("qemu64")]);
    if vm.vcpus > 1 {
        add(&["-smp", &vm.vcpus.to_string()]);
    }
    for disk in &extra.disks {
        check_extra_disk(vm, disk, exists)?;
    }
    for (index, disk) in vm.disks.iter().chain(&extra.disks).enumerate() {
        add(&["-drive", &drive(disk, index)]);
    }
    let boot = extra.boot.as_deref().or(vm.boot.as_deref()).unwrap_or("order=cd");
    add(&["-boot", boot]);

    let mut primary_found = false;
    for (vlan, nic) in vm.nics.iter().enumerate() {
        let Nic { mac, model, interface, .. } = nic;
        if model == "virtio" {
            let (timer, burst) = (&vm.virtio_txtimer, &vm.virtio_txburst);
            add(&[
                "-device",
                &format!(
                    "virtio-net-pci,mac={mac},tx=timer,x-txtimer={timer},x-txburst={burst},\
                     vlan={vlan}"
                ),
            ]);
        } else {
            let nic = format!("nic,macaddr={mac},vlan={vlan},name={interface},model={model}");
            add(&["-net", &nic]);
        }
        let mut vnic = format!("vnic,name={interface},vlan={vlan},ifname={interface}");
        if let Some((ip, netmask)) = address(nic) {
            vnic.push_str(&format!(",ip={ip},netmask={netmask}"));
            if !primary_found && let Some(settings) = primary_settings(vm, nic) {
                vnic.push_str(&settings);
                primary_found = true;
            }
        }
        add(&["-net", &vnic]);
    }
    let (uuid, stamp) = (&vm.uuid, vm.platform_buildstamp.as_deref().unwrap_or("7.x"));
    add(&[
        "-smbios",
        &format!(
            "type=1,manufacturer=Joyent,product=SmartDC HVM,version=7.{stamp},serial={uuid},\
             uuid={uuid},sku=001,family=Virtual Machine"
        ),
    ]);
    add(&["-pidfile", "/tmp/vm.pid", "-vga", vm.vga.as_deref().unwrap_or("std")]);
    add(&["-chardev", "socket,id=qmp,path=/tmp/vm.qmp,server,nowait", "-qmp", "chardev:qmp"]);
    for (port, path) in [("serial0", "vm.console"), ("serial1", "vm.ttyb")] {
        add(&["-chardev", &format!("socket,id={port},path=/tmp/{path},server,nowait")]);
        add(&["-serial", &format!("chardev:{port}")]);
    }
    let mut shell_options = vm.qemu_opts.clone();
    if vm.qemu_opts.is_empty() {
        // The password itself is given through QMP.
        let vnc_password = if vm.vnc_password.is_some() { ",password" } else { "" };
        add(&["-vnc", &format!("unix:/tmp/vm.vnc{vnc_password}")]);
        if let Some(spice) = &vm.spice {
            let mut options = "sock=/tmp/vm.spice".to_owned();
            if !spice.password {
                options.push_str(",disable-ticketing");
            }
            if !spice.options.is_empty() {
                options.push_str(&format!(",{}", spice.options));
            }
            add(&["-spice", &options]);
        }
        add(&["-parallel", "none", "-usb", "-usbdevice", "tablet", "-k", "en-us"]);
    }
    if !vm.qemu_extra_opts.is_empty() {
        shell_options.push_str(&format!(" {}", vm.qemu_extra_opts));
    }
    Ok(CommandLine { arguments, shell_options })
}

fn check_state(vm: &Vm) -> Result<()> {
    match (vm.state.as_deref(), vm.zone_state.as_deref()) {
        (None, _) => refuse!("Cannot start VM {} which has no state", vm.uuid),
        (Some("stopped"), _) | (Some("provisioning"), Some("installed")) => Ok(()),
        (Some(state), _) => refuse!("Cannot start VM from state: {state}, must be \"stopped\""),
    }
}

/// An extra disk is one that the machine has, or a file below the zone's root.
fn check_extra_disk(vm: &Vm, disk: &Disk, exists: &dyn Fn(&str) -> bool) -> Result<()> {
    let path = disk.path.as_str();
    if !vm.disks.iter().any(|known| known.path == path) && !exists(path) {
        refuse!("Cannot find disk: {path}");
    }
    if !DISK_MODELS.contains(&disk.model.as_str()) {
        refuse!(
            "\"{}\" is not a valid disk model for kvm brand. Valid are: {}",
            disk.model,
            DISK_MODELS.join(",")
        );
    }
    Ok(())
}

fn drive(disk: &Disk, index: usize) -> String {
    let boot = if disk.boot { ",boot=on" } else { "" };
    let media = match disk.media.as_str() {
        "" => "disk",
        media => media,
    };
    format!("file={},if={},index={index},media={media}{boot}", disk.path, disk.model)
}

/// Address and netmask that qemu's own DHCP server gives to a guest: the first IPv4 address.
fn address(nic: &Nic) -> Option<(String, String)> {
    let (ip, netmask) = match &nic.ips {
        Some(ips) => {
            let ip = ips.iter().find(|ip| *ip == "dhcp" || is_cidr(ip))?;
            let (ip, prefix) = ip.split_once('/')?;
            (ip.to_owned(), netmask(prefix.parse().ok()?))
        }
        None => (nic.ip.clone()?, nic.netmask.clone()),
    };
    (ip != "dhcp").then_some((ip, netmask))
}

/// An IPv4 address with a prefix length from 8 to 32.
fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(ip, prefix)| {
        is_ipv4(ip) && prefix.parse().is_ok_and(|prefix: u32| (8..=32).contains(&prefix))
    })
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn netmask(prefix: u32) -> String {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).to_string()
}

/// Gateway, host name and resolvers. Only one interface gives them: the primary one, or in old configurations the one
/// with the machine's default gateway.
fn primary_settings(vm: &Vm, nic: &Nic) -> Option<String> {
    let by_gateway = vm.default_gateway.is_some() && nic.gateway == vm.default_gateway;
    if !nic.primary && !by_gateway {
        return None;
    }
    let mut settings = String::new();
    if let Some(gateway) = &nic.gateway {
        settings.push_str(&format!(",gateway_ip={gateway}"));
    }
    let hostname = vm.hostname.as_deref().unwrap_or(&vm.uuid);
    if !hostname.is_empty() {
        settings.push_str(&format!(",hostname={hostname}"));
    }
    // qemu takes four.
    let resolvers = vm.resolvers.iter().filter(|resolver| is_ipv4(resolver)).take(4);
    for (index, resolver) in resolvers.enumerate() {
        settings.push_str(&format!(",dns_ip{index}={resolver}"));
    }
    Some(settings)
}
