//! Planners: what each command will do, worked out from the payload and from what was read of the system before.
//!
//! Pure: no planner runs a tool or looks at a file, so that the same payload and facts give the same plan.

mod boot_media;
mod config_files;
pub mod create;
pub mod delete;
mod disks;
mod docker;
mod guest;
pub mod install;
pub mod links;
mod live;
pub mod omnios;
pub mod reboot;
pub mod rebuild;
pub mod receive;
pub mod reprovision;
mod seed;
mod slots;
pub mod snapshot;
pub mod start;
mod startvm;
pub mod stop;
pub mod transfer;
pub mod update;
mod zone_files;

use serde_json::{Map, Value};

pub use config_files::ConfigFiles;

/// A payload or VM object.
pub type Object = Map<String, Value>;

/// The text of a property; empty where it is absent or no text.
fn text<'a>(object: &'a Object, property: &str) -> &'a str {
    object.get(property).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a property is true.
fn flag(object: &Object, property: &str) -> bool {
    object.get(property) == Some(&Value::Bool(true))
}

/// The VM as it is once it has been stopped.
fn stopped(vm: &Object) -> Object {
    let mut stopped = vm.clone();
    stopped.insert("state".into(), "stopped".into());
    stopped.insert("zone_state".into(), "installed".into());
    stopped
}

/// The objects of a list property.
fn objects<'a>(object: &'a Object, property: &str) -> impl Iterator<Item = &'a Object> {
    list(object, property).iter().filter_map(Value::as_object)
}

/// A command as a step has it.
fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|&word| word.to_owned()).collect()
}

/// The elements of a list property.
fn list<'a>(object: &'a Object, property: &str) -> &'a [Value] {
    object.get(property).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A value as the text that tools are given.
fn as_text(value: &Value) -> String {
    manifest::js::to_text(value)
}
