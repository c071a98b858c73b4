//! Powering a KVM guest down.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::plan::wait_for;
use crate::root::Root;
use crate::tool::Result;
use crate::zoneadm;

/// The socket on which qemu takes commands, in the zone.
const QMP_SOCKET: &str = "root/tmp/vm.qmp";

/// How long qemu may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Presses the guest's power button and gives it `limit` to go down, then halts its zone; at once where nobody answers.
pub fn down(root: &Root, uuid: &str, zonepath: &str, limit: Duration) -> Result<()> {
    let socket = root.path(zonepath).join(QMP_SOCKET);
    match press(&socket) {
        Ok(()) => {
            wait_for(limit, || {
                Ok(zoneadm::find(root, uuid)?.is_none_or(|zone| zone.state == "installed"))
            })?;
        }
        Err(error) => log::info!("no answer at {}: {error}", socket.display()),
    }
    zoneadm::halt(root, uuid).map(drop)
}

/// Whether qemu says that the guest has set its hardware up; no where nobody answers.
pub fn is_set_up(root: &Root, zonepath: &str) -> bool {
    let socket = root.path(zonepath).join(QMP_SOCKET);
    let Ok(answer) = ask(&socket, "query-status") else { return false };
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
    answer["return"]["hwsetup"] == true
}

fn press(socket: &Path) -> std::io::Result<()> {
    ask(socket, "system_powerdown").map(drop)
}

/// Gives qemu one command and returns the line it answers with.
fn ask(socket: &Path, command: &str) -> std::io::Result<String> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    // Greeting, then one answer a command.
    reader.read_line(&mut line)?;
    for command in ["qmp_capabilities", command] {
        (&stream).write_all(format!("{{\"execute\":\"{command}\"}}\n").as_bytes())?;
        line.clear();
        reader.read_line(&mut line)?;
    }
    Ok(line)
}
