//! Metadata for all zones of a system: each virtual machine's on its second serial port, each other zone's on a socket in
//! the zone, where the metadata clients of SmartOS's images look for it.

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, mem};

use anyhow::{Context as _, bail};
use gz::Root;
use gz::zone_files::ZoneRoot;
use gz::zoneadm::{self, Zone};
use manifest::Flavour;
use nix::errno::Errno;
use nix::sys::signal::kill;

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
    let mut served = BTreeMap::new();
    while !gz::interrupt::requested() {
        match zoneadm::list(root) {
            Ok(zones) => look(root, zones, &mut served),
            Err(error) => log::warn!("{error}"),
        }
        wait(LOOK);
    }
    Ok(())
}

/// A zone by name and id, which tells one boot from the next.
type Instance = (String, u32);

/// A zone that is served, by a thread of its own.
struct Served {
    /// Set when the zone does not run any more.
    gone: Arc<AtomicBool>,
    thread: JoinHandle<End>,
}

/// Why a zone is served no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its first process has ended. It may go on with another.
    InitEnded,
    /// It has gone, or cannot be served.
    Final,
}

/// Starts to serve zones that have come up, once those that have gone are let go of: a zone that has been booted anew has
/// its socket at the same path.
fn look(root: &Root, zones: Vec<Zone>, served: &mut BTreeMap<Instance, Served>) {
    let running: BTreeMap<Instance, Zone> = zones
        .into_iter()
        .filter(|zone| zone.state == "running")
        .filter_map(|zone| Some(((zone.name.clone(), zone.id?), zone)))
        .collect();
    let (stay, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
        mem::take(served).into_iter().partition(|(instance, _)| running.contains_key(instance));
    for zone in gone.values() {
        zone.gone.store(true, Ordering::Relaxed);
    }
    for zone in gone.into_values() {
        // What made it fail is on the log.
        let _ = zone.thread.join();
    }
    for (instance, zone) in stay {
        if !zone.thread.is_finished() {
            served.insert(instance, zone);
            continue;
        }
        let end = zone.thread.join().unwrap_or(End::Final);
        if end == End::Final {
            // Not to be tried again and again.
            served
                .insert(instance, Served { gone: zone.gone, thread: thread::spawn(|| End::Final) });
        }
    }
    for (instance, zone) in running {
        served.entry(instance).or_insert_with(|| start(root, zone));
    }
}

fn start(root: &Root, zone: Zone) -> Served {
    let gone = Arc::new(AtomicBool::new(false));
    let (root, is_gone) = (root.clone(), Arc::clone(&gone));
    let thread = thread::spawn(move || {
        let stop = || is_gone.load(Ordering::Relaxed) || gz::interrupt::requested();
        serve(&root, &zone, &stop).unwrap_or_else(|error| {
            log::warn!("{}: {error:#}", zone.name);
            End::Final
        })
    });
    Served { gone, thread }
}

fn serve(root: &Root, zone: &Zone, stop: Stop<'_>) -> anyhow::Result<End> {
    let named = uuid::Uuid::try_parse(&zone.name).is_ok();
    let uuid = if named { &zone.name } else { &zone.uuid };
    let files = Files { root: root.clone(), zonepath: zone.zonepath.clone(), uuid: uuid.clone() };
    if !matches!(zone.brand.as_str(), "bhyve" | "kvm") {
        let init = gz::kstat::init_of(root, zone)?;
        let has_ended = || init.is_some_and(|pid| kill(pid, None) == Err(Errno::ESRCH));
        listen(&files, &zone.brand, &|| stop() || has_ended())?;
        return Ok(if has_ended() { End::InitEnded } else { End::Final });
    }
    let (path, text) = gz::zonecfg::read_file(root, uuid)?.context("it has gone")?;
    let machine = HvmZone::from_xml(&text).context(path)?;
    // One whose guest has no such port asks for nothing.
    if let Ok(port) = port(&machine) {
        connect(&files, port, stop);
    }
    Ok(End::Final)
}

/// Serves the clients in a zone until it goes down. A zone whose first process has ended is on its way: its root is about to
/// be unmounted, which a socket in it would prevent.
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
    drop(listener);
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
