//! What plans do to a running KVM guest: powering it down, and setting its VNC password.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::wait_for;
use crate::root::Root;
use crate::tool::Result;
use crate::{shutdown, zoneadm};

/// The socket on which qemu takes commands, in the zone.
const QMP_SOCKET: &str = "root/tmp/vm.qmp";

/// How long qemu may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Presses the guest's power button and gives it `limit` to go down, then halts its zone; at once where nobody answers.
pub fn down(root: &Root, uuid: &str, zonepath: &str, limit: Duration) -> Result<()> {
    let socket = root.path(zonepath).join(QMP_SOCKET);
    match press(&socket) {
        Ok(()) => {
            wait_for(limit, || shutdown::is_down(root, uuid))?;
        }
        Err(error) => log::info!("no answer at {}: {error}", socket.display()),
    }
    zoneadm::halt(root, uuid).map(drop)
}

/// Whether qemu says that the guest has set its hardware up; no where nobody answers.
pub fn is_set_up(root: &Root, zonepath: &str) -> bool {
    let socket = root.path(zonepath).join(QMP_SOCKET);
    ask(&socket, "query-status", Value::Null).is_ok_and(|answer| answer["hwsetup"] == true)
}

/// Sets the password of the guest's VNC server.
pub fn set_vnc_password(root: &Root, zonepath: &str, password: &str) -> io::Result<()> {
    let socket = root.path(zonepath).join(QMP_SOCKET);
    ask(&socket, "set_password", json!({"protocol": "vnc", "password": password})).map(drop)
}

fn press(socket: &Path) -> io::Result<()> {
    ask(socket, "system_powerdown", Value::Null).map(drop)
}

/// Gives qemu one command with its arguments, or null, and returns its answer.
fn ask(socket: &Path, command: &str, arguments: Value) -> io::Result<Value> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut answer = Value::Null;
    for (command, arguments) in [("qmp_capabilities", Value::Null), (command, arguments)] {
        let mut request = json!({"execute": command});
        if !arguments.is_null() {
            request["arguments"] = arguments;
        }
        (&stream).write_all(format!("{request}\n").as_bytes())?;
        // The greeting and events come between the answers.
        answer = loop {
            let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            let mut message: Value = serde_json::from_str(&line).map_err(io::Error::from)?;
            if let Some(error) = message.get("error") {
                return Err(io::Error::other(
                    error["desc"].as_str().unwrap_or_default().to_owned(),
                ));
            }
            if let Some(answer) = message.get_mut("return") {
                break answer.take();
            }
        };
    }
    Ok(answer)
}
