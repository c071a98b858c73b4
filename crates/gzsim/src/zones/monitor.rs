//! The monitor of the qemu of OmniOS's kvm brand: `/tmp/vm.monitor` in the zone, text for humans with an echo and a
//! prompt.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::Sender;

use crate::zones::qmp::{self, Button};

/// The socket below the zone's root.
pub const SOCKET: &str = "tmp/vm.monitor";

const PROMPT: &str = "(qemu) ";

/// Serves the socket of the zone whose root is `zone_root` until the process ends; what is pressed goes to `buttons`.
pub fn serve(zone_root: &Path, buttons: Sender<Button>) {
    // Without a socket there is nobody to serve.
    let _ = qmp::listen(zone_root, SOCKET, move |stream, zone_root| {
        converse(stream, zone_root, &buttons)
    });
}

fn converse(stream: UnixStream, zone_root: &Path, buttons: &Sender<Button>) -> io::Result<()> {
    let mut output = stream.try_clone()?;
    write!(output, "QEMU 0.14.1 monitor - type 'help' for more information\r\n{PROMPT}")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        // What a line editor makes of the last letter, for a taste of it.
        write!(output, "{line}\x1b[K\r\n")?;
        let button = match line.trim() {
            "system_powerdown" => Some(Button::Power),
            "quit" => Some(Button::Quit),
            _ => None,
        };
        if let Some(Button::Quit) = button {
            // The receiver is gone only when the process ends.
            let _ = buttons.send(Button::Quit);
            return Ok(());
        }
        write!(output, "{}{PROMPT}", answer(line.trim(), zone_root))?;
        if let Some(button) = button {
            let _ = buttons.send(button);
        }
    }
    Ok(())
}

fn answer(command: &str, zone_root: &Path) -> String {
    match command {
        "" | "nmi 0" | "system_reset" | "system_powerdown" => String::new(),
        "info status" => "VM status: running\r\n".to_owned(),
        "info version" => "0.14.1 (qemu-kvm-devel)\r\n".to_owned(),
        "info vnc" => {
            "Server:\r\n     address: unix:/tmp/vm.vnc\r\n        auth: none\r\nClient: none\r\n"
                .to_owned()
        }
        "info blockstats" => {
            "virtio0: rd_bytes=512 wr_bytes=0 rd_operations=1 wr_operations=0\r\n".to_owned()
        }
        "info pci" => {
            "  Bus  0, device   0, function 0:\r\n    Host bridge: PCI device 8086:1237\r\n"
                .to_owned()
        }
        command => match command.strip_prefix("screendump ") {
            Some(name) if qmp::take_picture(zone_root, name).is_some() => String::new(),
            Some(name) => format!("Could not open '{name}'\r\n"),
            None => format!("unknown command: '{command}'\r\n"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_answered() {
        let ask = |command: &str| answer(command, Path::new("/nowhere"));
        assert_eq!(ask("info status"), "VM status: running\r\n");
        assert_eq!(ask("nmi 0"), "");
        assert_eq!(ask("nmi"), "unknown command: 'nmi'\r\n");
    }
}
