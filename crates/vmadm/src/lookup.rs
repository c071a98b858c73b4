//! `vmadm lookup`.

use gz::inventory::Fields;
use manifest::VmObject;
use serde_json::Value;

use crate::cli::options::{Kind, Syntax};
use crate::cli::{Call, Failure, Outcome, print};
use crate::commands::Command;
use crate::rows::{self, filter};

pub const COMMAND: Command = Command {
    names: &["lookup"],
    syntax: Syntax {
        types: &[("json", Kind::Flag), ("output", Kind::Text), ("unique", Kind::Flag)],
        shorts: &[("j", &["--json"]), ("o", &["--output"]), ("1", &["--unique"])],
    },
    run,
};

fn run(call: Call) -> Outcome {
    let json = call.options.flag("json").unwrap_or(false);
    let output = call.options.text("output");
    if output.is_some() && !json {
        return Err(Failure::new("Cannot specify -o without -j"));
    }
    let filters = filter::parse(&call.pairs(), "lookup")?;
    let fields: Option<Vec<String>> = match (json, output) {
        (true, None) => None,
        (true, Some(names)) => Some(names.split(',').map(str::to_owned).collect()),
        (false, _) => Some(vec!["uuid".to_owned()]),
    };
    let wanted = fields.as_ref().map_or(Fields::all(), Fields::of);
    let mut vms = rows::select(&call.root, &filters, &wanted)?;
    if let Some(fields) = &fields {
        rows::prune(&mut vms, fields);
    }
    if call.options.flag("unique").unwrap_or(false) && vms.len() != 1 {
        let count = vms.len();
        return Err(Failure::new(format!("Requested unique lookup but found {count} results.")));
    }
    print(&if json { to_json(vms) } else { to_lines(&vms) })?;
    Ok(None)
}

fn to_json(vms: Vec<VmObject>) -> String {
    let list: Value = vms.into_iter().map(VmObject::into_value).collect();
    manifest::json::pretty(&list) + "\n"
}

fn to_lines(vms: &[VmObject]) -> String {
    vms.iter().flat_map(|vm| [vm.uuid(), "\n"]).collect()
}
