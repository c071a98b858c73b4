//! sysinfo(8): what the machine is, as JSON.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::ctx::Ctx;
use crate::getopt::getopt;

/// Name of the file below `/var/gzsim`.
pub const FILE: &str = "sysinfo.json";

/// The program: JSON, or with `-p` shell variables. `-f` and `-u` gather anew, which changes nothing here.
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "fpu?");
    if options.unknown.is_some() || options.has('?') {
        eprintln!("Usage: sysinfo [-f] [-p] [-u]");
        return Ok(1);
    }
    let path = ctx.state(FILE);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if options.has('u') {
        return Ok(0);
    }
    if options.has('p') {
        let values: Map<String, Value> = serde_json::from_str(&text)?;
        for (key, value) in &values {
            let key = key.replace(' ', "_");
            match value {
                Value::String(text) => println!("{key}='{text}'"),
                Value::Array(_) | Value::Object(_) => {}
                other => println!("{key}={other}"),
            }
        }
    } else {
        println!("{}", text.trim_end());
    }
    Ok(0)
}
