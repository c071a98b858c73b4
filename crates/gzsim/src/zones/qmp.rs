//! The QMP socket of a kvm zone's qemu: `/tmp/vm.qmp` in the zone. Enough of the protocol to ask for the state, press
//! buttons and take a picture.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a guest is told by its buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Power down, by the guest system itself.
    Power,
    /// Pull the plug.
    Quit,
}

/// The socket below the zone's root.
pub const SOCKET: &str = "tmp/vm.qmp";

/// How long a new qemu may take to open its socket.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Waits until a new qemu has opened its socket, so that whoever booted the zone can use it. False where it has not.
pub fn await_socket(zone_root: &Path, socket: &str) -> bool {
    let begun = Instant::now();
    while UnixStream::connect(zone_root.join(socket)).is_err() {
        if begun.elapsed() > OPEN_LIMIT {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Serves the socket of the zone whose root is `zone_root` until the process ends; what is pressed goes to `buttons`.
pub fn serve(zone_root: &Path, buttons: Sender<Button>) {
    // Without a socket there is nobody to serve.
    let _ =
        listen(zone_root, SOCKET, move |stream, zone_root| converse(stream, zone_root, &buttons));
}

/// Opens a socket in the zone whose root is `zone_root` and has each connection served in a thread of its own until
/// the process ends.
pub fn listen(
    zone_root: &Path,
    socket: &str,
    serve: impl Fn(UnixStream, &Path) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    let path = zone_root.join(socket);
    // Left by the qemu before.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    let zone_root = zone_root.to_path_buf();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (zone_root, serve) = (zone_root.clone(), serve.clone());
            // One that hangs up early is no concern of the others.
            thread::spawn(move || serve(stream, &zone_root));
        }
    });
    Ok(())
}

fn converse(stream: UnixStream, zone_root: &Path, buttons: &Sender<Button>) -> io::Result<()> {
    let mut output = stream.try_clone()?;
    let greeting = json!({"QMP": {
        "version": {"qemu": {"micro": 1, "minor": 14, "major": 0}, "package": " (qemu-kvm-devel)"},
        "capabilities": [],
    }});
    write!(output, "{greeting}\r\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let mut pressed = None;
        let mut answer = match serde_json::from_str::<Value>(&line) {
            Ok(request) => {
                pressed = button(&request);
                let mut answer = answer(&request, zone_root);
                if let Some(id) = request.get("id") {
                    answer["id"] = id.clone();
                }
                answer
            }
            Err(_) => error("JSONParsing", "Invalid JSON syntax"),
        }
        .to_string();
        answer.push_str("\r\n");
        output.write_all(answer.as_bytes())?;
        // As qemu does, after the answer: the process may end before the next line.
        if let Some(button) = pressed {
            // The receiver is gone only when the process ends.
            let _ = buttons.send(button);
        }
    }
    Ok(())
}

/// The button that a request presses.
fn button(request: &Value) -> Option<Button> {
    match request["execute"].as_str()? {
        "system_powerdown" => Some(Button::Power),
        "quit" => Some(Button::Quit),
        _ => None,
    }
}

fn answer(request: &Value, zone_root: &Path) -> Value {
    let command = request["execute"].as_str().unwrap_or_default();
    let result = match command {
        "qmp_capabilities"
        | "system_powerdown"
        | "quit"
        | "system_reset"
        | "inject-nmi"
        | "nmi"
        | "cont"
        | "stop"
        | "set_password"
        | "human-monitor-command" => json!({}),
        "query-status" => json!({"running": true, "singlestep": false, "status": "running"}),
        "query-version" => json!({"qemu": {"micro": 1, "minor": 14, "major": 0},
                                  "package": " (qemu-kvm-devel)"}),
        "query-kvm" => json!({"enabled": true, "present": true}),
        "query-vnc" => json!({"enabled": true, "host": "127.0.0.1", "service": "5900",
                              "auth": "none", "family": "unix", "clients": []}),
        "query-spice" => json!({"enabled": false}),
        "query-uuid" => json!({"UUID": "00000000-0000-0000-0000-000000000000"}),
        "query-chardev" => json!([
            {"label": "qmp", "filename": "unix:/tmp/vm.qmp,server"},
            {"label": "serial0", "filename": "unix:/tmp/vm.console,server"},
        ]),
        "query-cpus" => json!([{"CPU": 0, "current": true, "halted": false, "pc": 0}]),
        "query-pci" => json!([{"bus": 0, "devices": [{
            "bus": 0, "slot": 0, "function": 0, "qdev_id": "", "regions": [],
            "class_info": {"class": 1536, "desc": "Host bridge"},
            "id": {"device": 4663, "vendor": 32902},
        }]}]),
        "query-block" => json!([{"device": "virtio0", "locked": false, "removable": false,
                                 "type": "hd"}]),
        "query-blockstats" => json!([{"device": "virtio0", "stats": {
            "rd_bytes": 0, "rd_operations": 0, "wr_bytes": 0, "wr_operations": 0}}]),
        "screendump" => {
            let name = request["arguments"]["filename"].as_str().unwrap_or_default();
            return match take_picture(zone_root, name) {
                Some(()) => json!({"return": {}}),
                None => error("OpenFileFailed", "Could not open the picture's file"),
            };
        }
        other => {
            let text = format!("The command {other} has not been found");
            return error("CommandNotFound", &text);
        }
    };
    json!({"return": result})
}

fn error(class: &str, text: &str) -> Value {
    json!({"error": {"class": class, "desc": text}})
}

/// Writes a small picture, black, in the zone.
pub fn take_picture(zone_root: &Path, name: &str) -> Option<()> {
    const WIDTH: usize = 16;
    const HEIGHT: usize = 8;
    let relative: PathBuf = name.trim_start_matches('/').into();
    let inside = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if name.is_empty() || !inside {
        return None;
    }
    let mut picture = format!("P6\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    picture.resize(picture.len() + WIDTH * HEIGHT * 3, 0);
    fs::write(zone_root.join(relative), picture).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_answered() {
        let ask = |command: &str| answer(&json!({"execute": command}), Path::new("/nowhere"));
        assert_eq!(ask("query-status")["return"]["status"], "running");
        assert_eq!(ask("frobnicate")["error"]["class"], "CommandNotFound");
        assert_eq!(ask("system_powerdown"), json!({"return": {}}));
        assert_eq!(button(&json!({"execute": "system_powerdown"})), Some(Button::Power));
        assert_eq!(button(&json!({"execute": "query-status"})), None);
    }
}
