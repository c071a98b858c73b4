//! `bhyve-ctl metadata`: answers a guest's requests for metadata, where the system has no service that does.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use gz::inventory::{self, ConfigFile, Fields};
use manifest::Flavour;
use serde_json::{Value, json};

use super::host::Host;
use crate::metadata::{Change, Metadata, Session, Store, Table, serve};
use crate::zone::HvmZone;

/// How long to wait before a socket that is not there, or was closed with the guest, is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often to look whether to stop.
const TICK: Duration = Duration::from_millis(500);

pub(super) fn command() -> Command {
    Command::new("metadata")
        .about("Answer the guest's requests for metadata, until interrupted")
        .arg(super::vm_argument())
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help(
                    "Listen on this socket instead of connecting to the guest's second serial port",
                ),
        )
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .requires("socket")
                .conflicts_with("vm")
                .help("Serve the VM object in FILE, read-only"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    gz::interrupt::handle().context("cannot take signals")?;
    let socket: Option<&PathBuf> = matches.get_one("socket");
    if let (Some(file), Some(socket)) = (matches.get_one::<PathBuf>("file"), socket) {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let vm: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        return listen(socket, &mut Session::new(ReadOnly(Metadata::of_vm(vm))));
    }
    let host = Host::from_env();
    let zone = host.zone(super::vm_of(matches)?)?;
    if host.flavour_of(&zone) == Flavour::SmartOs {
        bail!("SmartOS's own metadata service answers the guests of this system");
    }
    let uuid = host.index_uuid(&zone).unwrap_or_else(|| zone.name.clone());
    let mut session = Session::new(Files { host: &host, zone: &zone, uuid });
    match socket {
        Some(socket) => listen(socket, &mut session),
        None => connect(&host, &zone, &mut session),
    }
}

/// Connects to the socket of the guest's second serial port, again and again: it goes and comes with the guest.
fn connect<S: Store>(host: &Host, zone: &HvmZone, session: &mut Session<S>) -> anyhow::Result<()> {
    let port = zone.value("com2").with_context(|| format!("{} has no com2", zone.name))?;
    let Some(path) = port.strip_prefix("socket,") else {
        bail!("com2 of {} is no socket: {port}", zone.name);
    };
    while !gz::interrupt::requested() {
        match gz::hvm::connect(host.root(), &zone.zonepath, path) {
            Ok(stream) => converse(stream, session),
            Err(error) => log::debug!("{error}"),
        }
        std::thread::sleep(AGAIN);
    }
    Ok(())
}

fn listen<S: Store>(socket: &PathBuf, session: &mut Session<S>) -> anyhow::Result<()> {
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    listener.set_nonblocking(true)?;
    while !gz::interrupt::requested() {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                converse(stream, session);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(TICK / 10);
            }
            Err(error) => return Err(error).context("cannot take a connection"),
        }
    }
    gz::files::remove(socket)?;
    Ok(())
}

fn converse<S: Store>(stream: UnixStream, session: &mut Session<S>) {
    let limits =
        stream.set_read_timeout(Some(TICK)).and_then(|()| stream.set_write_timeout(Some(TICK)));
    let outcome = limits.and_then(|()| serve(stream, session, &gz::interrupt::requested));
    if let Err(error) = outcome {
        log::debug!("the connection ended: {error}");
    }
}

/// Metadata in the files of a machine below its zone path.
struct Files<'a> {
    host: &'a Host,
    zone: &'a HvmZone,
    uuid: String,
}

impl Store for Files<'_> {
    fn load(&mut self) -> anyhow::Result<Metadata> {
        let vm = inventory::get(self.host.root(), &self.uuid, &Fields::all())?
            .with_context(|| format!("{}: there is no such VM", self.uuid))?;
        Ok(Metadata::of_vm(serde_json::to_value(vm)?))
    }

    fn change(&mut self, change: &Change) -> anyhow::Result<()> {
        let root = self.host.root();
        let _lock = gz::lock::vm(root, &self.uuid, Duration::from_secs(30))?;
        let mut file = ConfigFile::Metadata.read(root, &self.zone.zonepath)?;
        let table = match change.table {
            Table::Customer => "customer_metadata",
            Table::Internal => "internal_metadata",
        };
        if !file[table].is_object() {
            file[table] = json!({});
        }
        match (&change.value, file[table].as_object_mut()) {
            (Some(value), Some(table)) => drop(table.insert(change.key.clone(), json!(value))),
            (None, Some(table)) => drop(table.shift_remove(&change.key)),
            (_, None) => {}
        }
        let path = root.path(&self.zone.zonepath).join(ConfigFile::Metadata.path());
        gz::files::replace(&path, serde_json::to_string_pretty(&file)?.as_bytes(), 0o600)?;
        Ok(())
    }
}

/// Metadata that cannot be changed.
struct ReadOnly(Metadata);

impl Store for ReadOnly {
    fn load(&mut self) -> anyhow::Result<Metadata> {
        Ok(self.0.clone())
    }

    fn change(&mut self, _: &Change) -> anyhow::Result<()> {
        bail!("the metadata are read-only")
    }
}
