//! `bhyve-ctl metadata`: answers a guest's requests for metadata, or every guest's, where the system has no service that
//! does.

mod zones;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Arg, ArgGroup, ArgMatches, Command, value_parser};
use gz::Root;
use gz::inventory::{self, ConfigFile, Fields};
use manifest::Flavour;
use serde_json::{Value, json};

use super::host::Host;
use crate::metadata::{Change, Metadata, Session, Store, Table, serve};

/// How long to wait before a socket that is not there, or was closed with the guest, is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often to look whether to stop.
const TICK: Duration = Duration::from_millis(500);

/// Says whether to stop.
type Stop<'a> = &'a dyn Fn() -> bool;

pub(super) fn command() -> Command {
    Command::new("metadata")
        .about("Answer a guest's requests for metadata, or every guest's, until interrupted")
        .arg(super::vm_argument())
        .arg(
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .requires("served")
                .help("Listen on this socket instead of that which the guest looks for"),
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
        .group(ArgGroup::new("served").args(["vm", "file"]))
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    gz::interrupt::handle().context("cannot take signals")?;
    let socket: Option<&PathBuf> = matches.get_one("socket");
    if let (Some(file), Some(socket)) = (matches.get_one::<PathBuf>("file"), socket) {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let vm: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let mut session = Session::new(ReadOnly(Metadata::of_vm(vm)));
        return listen(socket, &mut session);
    }
    let host = Host::from_env();
    if matches.get_one::<String>("vm").is_none() {
        return zones::serve_all(host.root());
    }
    let zone = host.zone(super::vm_of(matches)?)?;
    if host.flavour_of(&zone) == Flavour::SmartOs {
        bail!("SmartOS's own metadata service answers the guests of this system");
    }
    let uuid = host.uuid_of(&zone);
    let files = Files { root: host.root().clone(), zonepath: zone.zonepath.clone(), uuid };
    match socket {
        Some(socket) => listen(socket, &mut Session::new(files)),
        None if zone.brand == "bhyve" || zone.brand == "kvm" => {
            let port = zones::port(&zone)?;
            connect(&files, port, &gz::interrupt::requested);
            Ok(())
        }
        None => zones::listen(&files, &zone.brand, &gz::interrupt::requested),
    }
}

/// Connects to the socket of the guest's second serial port, again and again: it goes and comes with the guest.
fn connect(files: &Files, port: &str, stop: Stop<'_>) {
    let mut session = Session::new(files.clone());
    while !stop() {
        match gz::hvm::connect(&files.root, &files.zonepath, port) {
            Ok(stream) => converse(stream, &mut session, stop),
            Err(error) => log::debug!("{error}"),
        }
        std::thread::sleep(AGAIN);
    }
}

fn listen<S: Store>(socket: &PathBuf, session: &mut Session<S>) -> anyhow::Result<()> {
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    listener.set_nonblocking(true)?;
    while !gz::interrupt::requested() {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                converse(stream, session, &gz::interrupt::requested);
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

fn converse<S: Store>(stream: UnixStream, session: &mut Session<S>, stop: Stop<'_>) {
    let limits =
        stream.set_read_timeout(Some(TICK)).and_then(|()| stream.set_write_timeout(Some(TICK)));
    let outcome = limits.and_then(|()| serve(stream, session, stop));
    if let Err(error) = outcome {
        log::debug!("the connection ended: {error}");
    }
}

/// Metadata in the files of a machine below its zone path.
#[derive(Debug, Clone)]
struct Files {
    root: Root,
    zonepath: String,
    uuid: String,
}

impl Store for Files {
    fn load(&mut self) -> anyhow::Result<Metadata> {
        let vm = inventory::get(&self.root, &self.uuid, &Fields::all())?
            .with_context(|| format!("{}: there is no such VM", self.uuid))?;
        Ok(Metadata::of_vm(serde_json::to_value(vm)?))
    }

    fn change(&mut self, change: &Change) -> anyhow::Result<()> {
        let root = &self.root;
        let _lock = gz::lock::vm(root, &self.uuid, Duration::from_secs(30))?;
        let mut file = ConfigFile::Metadata.read(root, &self.zonepath)?;
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
        let path = root.path(&self.zonepath).join(ConfigFile::Metadata.path());
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
