//! `vmadm recover`: finishes or undoes what commands left that were cut off.

use gz::plan;

use crate::change;
use crate::cli::options::Syntax;
use crate::cli::{Call, Failure, Outcome};
use crate::commands::Command;

pub const COMMAND: Command = Command { names: &["recover"], syntax: Syntax::NONE, run };

/// Of the VM named, or of all.
fn run(mut call: Call) -> Outcome {
    let uuids =
        if call.operands.is_empty() { plan::recover_all(&call.root)? } else { vec![call.uuid()?] };
    let mut failed = Vec::new();
    for uuid in uuids {
        let recovered =
            change::take(&call.root, &uuid).and_then(|_lock| change::recover(&call.root, &uuid));
        if let Err(error) = recovered {
            failed.push(match error {
                Failure::Failed(message) => format!("VM {uuid}: {message}"),
                Failure::Usage(_) => format!("VM {uuid}: cannot be recovered"),
            });
        }
    }
    if failed.is_empty() { Ok(None) } else { Err(Failure::new(failed.join("\n"))) }
}
