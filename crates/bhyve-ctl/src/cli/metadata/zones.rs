//! Metadata for all zones of a system: each virtual machine's on its second serial port, each other zone's on a socket in
//! the zone, where the metadata clients of SmartOS's images look for it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gz::Root;
use gz::zone_files::ZoneRoot;
use gz::zoneadm::{self, Zone};
use manifest::Flavour;

use super::{Files, Stop, connect, converse};
use crate::metadata::Session;
use crate::zone::HvmZone;

/// How often to look for zones that have come up or gone down.
const LOOK: Duration = Duration::from_secs(2);
/// How often to look for a client, or whether to stop.
const TICK: Duration = Duration::from_millis(50);
/// Most clients of one zone at a time.
const CLIENTS_MAX: usize = 16;

/// The path of the socket of a machine's second serial port.
pub(super) fn port(zone: &HvmZone) -> anyhow::Result<&str> {
    let port = zone.value("com2").with_context(|| format!("{} has no com2", zone.name))?;
    let path = port.strip_prefix("socket,");
    path.with_context(|| format!("com2 of {} is no socket: {port}", zone.name))
}

/// Serves every zone that runs until interrupted.
pub(super) fn serve_all(root: &Root) -> anyhow::Result<()> {
    if gz::platform::flavour(root) == Some(Flavour::SmartOs) {
        bail!("SmartOS's own metadata service answers the guests of this system");
    }
    let mut served: BTreeMap<(String, u32), Arc<AtomicBool>> = BTreeMap::new();
    while !gz::interrupt::requested() {
        match zoneadm::list(root) {
            Ok(zones) => look(root, zones, &mut served),
            Err(error) => log::warn!("{error}"),
        }
        wait(LOOK);
    }
    Ok(())
}

/// Starts to serve zones that have come up, and stops to serve those that have gone. Their ids tell one boot from the
/// next.
fn look(root: &Root, zones: Vec<Zone>, served: &mut BTreeMap<(String, u32), Arc<AtomicBool>>) {
    let running: Vec<(u32, Zone)> = zones
        .into_iter()
        .filter(|zone| zone.state == "running")
        .filter_map(|zone| Some((zone.id?, zone)))
        .collect();
    served.retain(|(name, id), gone| {
        let stays = running.iter().any(|(running, zone)| running == id && zone.name == *name);
        gone.store(!stays, Ordering::Relaxed);
        stays
    });
    for (id, zone) in running {
        served.entry((zone.name.clone(), id)).or_insert_with(|| start(root, zone));
    }
}

fn start(root: &Root, zone: Zone) -> Arc<AtomicBool> {
    let gone = Arc::new(AtomicBool::new(false));
    let (root, is_gone) = (root.clone(), Arc::clone(&gone));
    thread::spawn(move || {
        let stop = || is_gone.load(Ordering::Relaxed) || gz::interrupt::requested();
        if let Err(error) = serve(&root, &zone, &stop) {
            log::warn!("{}: {error:#}", zone.name);
        }
    });
    gone
}

fn serve(root: &Root, zone: &Zone, stop: Stop<'_>) -> anyhow::Result<()> {
    let named = uuid::Uuid::try_parse(&zone.name).is_ok();
    let uuid = if named { &zone.name } else { &zone.uuid };
    let files = Files { root: root.clone(), zonepath: zone.zonepath.clone(), uuid: uuid.clone() };
    if !matches!(zone.brand.as_str(), "bhyve" | "kvm") {
        return listen(&files, &zone.brand, stop);
    }
    let (path, text) = gz::zonecfg::read_file(root, uuid)?.context("it has gone")?;
    let machine = HvmZone::from_xml(&text).context(path)?;
    // One whose guest has no such port asks for nothing.
    if let Ok(port) = port(&machine) {
        connect(&files, port, stop);
    }
    Ok(())
}

/// Serves the clients in a zone until it goes down.
pub(super) fn listen(files: &Files, brand: &str, stop: Stop<'_>) -> anyhow::Result<()> {
    let path = match brand {
        "lx" => "/native/.zonecontrol/metadata.sock",
        _ => "/.zonecontrol/metadata.sock",
    };
    let zone = ZoneRoot::new(&files.root, &format!("{}/root", files.zonepath));
    let listener = zone.listen(path)?;
    listener.set_nonblocking(true)?;
    let clients = Arc::new(AtomicUsize::new(0));
    let closed = Arc::new(AtomicBool::new(false));
    let outcome = accept_all(&listener, files, &clients, &closed, stop);
    closed.store(true, Ordering::Relaxed);
    zone.remove(path)?;
    Ok(outcome?)
}

fn accept_all(
    listener: &UnixListener,
    files: &Files,
    clients: &Arc<AtomicUsize>,
    closed: &Arc<AtomicBool>,
    stop: Stop<'_>,
) -> io::Result<()> {
    while !stop() {
        match listener.accept() {
            Ok((stream, _)) if clients.load(Ordering::Relaxed) < CLIENTS_MAX => {
                stream.set_nonblocking(false)?;
                let (files, clients, closed) =
                    (files.clone(), Arc::clone(clients), Arc::clone(closed));
                clients.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    answer(stream, files, &closed);
                    clients.fetch_sub(1, Ordering::Relaxed);
                });
            }
            // One too many has to come again.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TICK),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn answer(stream: UnixStream, files: Files, closed: &AtomicBool) {
    let stop = || closed.load(Ordering::Relaxed) || gz::interrupt::requested();
    converse(stream, &mut Session::new(files), &stop);
}

fn wait(limit: Duration) {
    let ticks = limit.as_millis() / TICK.as_millis();
    for _ in 0..ticks {
        if gz::interrupt::requested() {
            return;
        }
        thread::sleep(TICK);
    }
}
