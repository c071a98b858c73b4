//! `bhyve-ctl console` and `bhyve-ctl vnc`: an operator's terminal or screen on a virtual machine.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use manifest::Flavour;

use super::host::Host;
use crate::console::{self, End, RawMode};
use crate::screen::Screen;
use crate::vnc_proxy;

pub(super) fn commands() -> [Command; 2] {
    [
        Command::new("console")
            .about("Connect to the console; Ctrl-] ends the session")
            .arg(super::vm_argument().required(true)),
        Command::new("vnc")
            .about("Offer the VNC server of a virtual machine on TCP, until interrupted")
            .arg(super::vm_argument().required(true))
            .arg(
                Arg::new("listen")
                    .long("listen")
                    .value_name("ADDRESS:PORT")
                    .value_parser(value_parser!(SocketAddr))
                    .default_value("127.0.0.1:0")
                    .help("Where to listen; port 0 is any free one"),
            ),
    ]
}

pub(super) fn console(matches: &ArgMatches) -> anyhow::Result<()> {
    let host = Host::from_env();
    let vm = super::vm_of(matches)?;
    let machine = host.machine(vm)?;
    machine.check_running()?;
    let zone = machine.zone();
    // qemu on SmartOS has its serial port on a socket; everything else is on the zone's console.
    if zone.brand != "kvm" || host.flavour_of(zone) == Flavour::OmniOs {
        let zlogin = host.root().tool("/usr/sbin/zlogin");
        let status = zlogin.args(["-C", "-e", "\\035", &zone.name]).interactive()?;
        if !status.success() {
            bail!("zlogin ended with {status}");
        }
        return Ok(());
    }
    gz::interrupt::handle().context("cannot take signals")?;
    let port = gz::hvm::connect(host.root(), &zone.zonepath, "/tmp/vm.console")?;
    let end = {
        let stdin = io::stdin();
        let _raw = RawMode::enter(stdin.as_fd()).context("cannot set up the terminal")?;
        // Bytes as they are typed: a buffered reader could hold some back.
        let input = std::fs::File::from(stdin.as_fd().try_clone_to_owned()?);
        console::attach(input, io::stdout(), port, &gz::interrupt::requested)?
    };
    if end == End::Closed {
        eprintln!("\nbhyve-ctl: {vm} has closed its console");
    }
    Ok(())
}

pub(super) fn vnc(matches: &ArgMatches) -> anyhow::Result<()> {
    gz::interrupt::handle().context("cannot take signals")?;
    let host = Host::from_env();
    let machine = host.machine(super::vm_of(matches)?)?;
    let zone = machine.zone().clone();
    let path = match machine.screen() {
        Some(Screen::Socket(path)) => path,
        Some(Screen::Tcp { address }) => {
            bail!("VNC of {} is on TCP in the zone: {address}", zone.name)
        }
        None => bail!("VNC of {} is switched off", zone.name),
    };
    let address: &SocketAddr = matches.get_one("listen").context("no address is given")?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    super::print(&format!("{}\n", listener.local_addr()?))?;
    let root = host.root().clone();
    let connect = move || gz::hvm::connect(&root, &zone.zonepath, &path).map_err(io::Error::other);
    vnc_proxy::run(&listener, connect, &gz::interrupt::requested).context("cannot take clients")
}
