//! The serial ports and the screen of a virtual machine: Unix sockets in the zone that answer.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

/// What is behind a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// A console that greets and echoes what is typed.
    Console,
    /// A serial port on which nobody is in the guest.
    Silent,
    /// A VNC server that gets as far as its greeting.
    Screen,
}

const BHYVE: [(&str, Port); 2] = [("tmp/vm.ttyb", Port::Silent), ("tmp/vm.vnc", Port::Screen)];
const KVM: [(&str, Port); 3] = [
    ("tmp/vm.console", Port::Console),
    ("tmp/vm.ttyb", Port::Silent),
    ("tmp/vm.vnc", Port::Screen),
];

/// Serves the sockets of a virtual machine below its zone's root until the process ends; none for other brands.
/// bhyve's console is the zone's own.
pub fn serve(zone_root: &Path, brand: &str) {
    let ports = match brand {
        "bhyve" => &BHYVE[..],
        "kvm" => &KVM[..],
        _ => return,
    };
    for &(name, port) in ports {
        let path = zone_root.join(name);
        // Left by the machine before.
        let _ = fs::remove_file(&path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let Ok(listener) = made.and_then(|()| UnixListener::bind(&path)) else { continue };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that hangs up early is no concern of the others.
                thread::spawn(move || converse(stream, port));
            }
        });
    }
}

fn converse(mut stream: UnixStream, port: Port) -> io::Result<()> {
    match port {
        Port::Console => stream.write_all(b"\r\nguest login: ")?,
        Port::Screen => stream.write_all(b"RFB 003.008\n")?,
        Port::Silent => {}
    }
    let mut buffer = [0; 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if port == Port::Console {
            stream.write_all(&buffer[..length])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_console_and_a_screen() {
        let root = tempfile::tempdir().expect("a temporary directory");
        serve(root.path(), "kvm");
        let connect = |name: &str| UnixStream::connect(root.path().join(name)).expect("it listens");
        let mut console = connect("tmp/vm.console");
        console.write_all(b"root\r").expect("writable");
        let mut text = [0; 20];
        console.read_exact(&mut text).expect("readable");
        assert_eq!(&text, b"\r\nguest login: root\r");
        let mut greeting = [0; 12];
        connect("tmp/vm.vnc").read_exact(&mut greeting).expect("readable");
        assert_eq!(&greeting, b"RFB 003.008\n");
        connect("tmp/vm.ttyb").write_all(b"GET x\n").expect("writable");
    }
}
