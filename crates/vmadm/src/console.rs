//! `vmadm console`: the operator's terminal becomes the VM's console.

use gz::inventory::{self, Fields};
use manifest::Fields as _;
use manifest::brand::Console;

use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;
use crate::{change, get};

pub const COMMAND: Command = Command { names: &["console"], syntax: Syntax::NONE, run };

/// Ctrl-] ends the session.
const ESCAPE: &str = "\\035";

fn run(mut call: Call) -> Outcome {
    let uuid = call.uuid()?;
    let wanted = Fields::of(["brand", "state", "zonename", "zonepath"]);
    let vm = inventory::get(&call.root, &uuid, &wanted)?.ok_or_else(get::gone)?;
    if vm.state() != "running" {
        let state = vm.state();
        return Err(Failure::new(format!(
            "cannot connect to console when state is \"{state}\" must be \"running\"."
        )));
    }
    let text = |key| vm.text(key).unwrap_or_default();
    let console = match vm.brand() {
        // OmniOS's kvm brand has the guest's console on the zone's.
        Some(brand) if !change::is_omnios(&call.root) => brand.features().console,
        _ => Console::Zlogin,
    };
    match console {
        Console::Zlogin => {
            let tool = call.root.tool("/usr/sbin/zlogin");
            tool.args(["-C", "-e", ESCAPE, text("zonename")]).interactive()?;
        }
        Console::SerialSocket => {
            // socat puts the terminal into raw mode and back.
            let socket = call.root.path(text("zonepath")).join("root/tmp/vm.console");
            let address = format!("unix-client:{}", socket.display());
            let tool = call.root.tool("/usr/bin/socat");
            tool.args([address.as_str(), "-,raw,echo=0,escape=0x1d"]).interactive()?;
        }
    }
    Ok(None)
}
