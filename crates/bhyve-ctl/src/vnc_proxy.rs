//! A machine's VNC socket, offered on TCP.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Most clients at a time.
const CLIENTS_MAX: usize = 64;
/// How long a client is kept waiting for a machine that is restarting.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look for new clients, and for the machine.
const TICK: Duration = Duration::from_millis(100);

/// Connects clients with a machine's socket until `stop` says so. Each client gets a connection of its own; `connect`
/// makes it. A machine that restarts closes its connections: clients that come back meanwhile are kept waiting until
/// it is there again.
///
/// # Errors
/// Taking connections fails.
pub fn run(
    listener: &TcpListener,
    connect: impl Fn() -> io::Result<UnixStream> + Send + Sync + 'static,
    stop: &(dyn Fn() -> bool + Sync),
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let connect = Arc::new(connect);
    let clients = Arc::new(AtomicUsize::new(0));
    while !stop() {
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(error) if is_passing(&error) => {
                thread::sleep(TICK);
                continue;
            }
            Err(error) => return Err(error),
        };
        if clients.load(Ordering::Relaxed) >= CLIENTS_MAX {
            log::warn!("{CLIENTS_MAX} clients are connected: another one is turned away");
            continue;
        }
        clients.fetch_add(1, Ordering::Relaxed);
        let (connect, clients) = (Arc::clone(&connect), Arc::clone(&clients));
        thread::spawn(move || {
            if let Err(error) = converse(client, &*connect) {
                log::debug!("a client has gone: {error}");
            }
            clients.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

/// No client is there, or one has gone before it was taken.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
}

fn converse(client: TcpStream, connect: &dyn Fn() -> io::Result<UnixStream>) -> io::Result<()> {
    // On some systems an accepted connection is as non-blocking as what it was accepted from.
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let deadline = Instant::now() + PATIENCE;
    let machine = loop {
        match connect() {
            Ok(machine) => break machine,
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(TICK),
        }
    };
    let (mut from_machine, mut to_client) = (machine.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let copied = io::copy(&mut from_machine, &mut to_client);
        // The other direction must not wait for a peer that has gone.
        let _ = (from_machine.shutdown(Shutdown::Both), to_client.shutdown(Shutdown::Both));
        copied
    });
    let (mut from_client, mut to_machine) = (client, machine);
    let copied = io::copy(&mut from_client, &mut to_machine);
    let _ = (from_client.shutdown(Shutdown::Both), to_machine.shutdown(Shutdown::Both));
    let _ = back.join();
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// A machine whose VNC server greets `clients` clients, then goes away.
    fn machine(path: &Path, clients: usize) -> thread::JoinHandle<()> {
        let listener = UnixListener::bind(path).expect("a free path");
        let path = path.to_owned();
        thread::spawn(move || {
            // All are taken before one is waited for: their order is not that of the clients.
            let take = |_| listener.accept().expect("a client").0;
            let mut streams: Vec<UnixStream> = (0..clients).map(take).collect();
            for stream in &mut streams {
                stream.write_all(b"RFB 003.008\n").expect("writable");
            }
            for stream in &mut streams {
                stream.read_exact(&mut [0; 2]).expect("readable");
            }
            std::fs::remove_file(path).expect("it is ours");
            drop(streams);
        })
    }

    fn greeting(client: &mut TcpStream) -> [u8; 12] {
        let mut greeting = [0; 12];
        client.read_exact(&mut greeting).expect("readable");
        client.write_all(b"ok").expect("writable");
        greeting
    }

    #[test]
    fn many_clients_are_served_and_a_restart_is_survived() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("vm.vnc");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let (socket, stopped) = (path.clone(), Arc::clone(&stop));
        let proxy = thread::spawn(move || {
            run(&listener, move || UnixStream::connect(&socket), &|| {
                stopped.load(Ordering::Relaxed)
            })
        });

        let first = machine(&path, 2);
        let mut clients = [0, 1].map(|_| TcpStream::connect(address).expect("it listens"));
        for client in &mut clients {
            assert_eq!(&greeting(client), b"RFB 003.008\n");
        }
        first.join().expect("both were served");
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 1]).expect("closed in order"), 0);
        }

        // This one is there before the machine is back.
        let mut early = TcpStream::connect(address).expect("it listens");
        let second = machine(&path, 1);
        assert_eq!(&greeting(&mut early), b"RFB 003.008\n");
        second.join().expect("it was served");
        stop.store(true, Ordering::Relaxed);
        proxy.join().expect("no panic").expect("it stops");
    }
}
