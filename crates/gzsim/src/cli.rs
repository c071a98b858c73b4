//! gzsim's own subcommands.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::ctx::Ctx;
use crate::init::{self, Fixture, Options, Platform};
use crate::zones::{init_process, qemu, zlogin};
use crate::{calls, demo, fault, populate, run, tool};

const USAGE: &str =
    "usage: gzsim init [--fixture spec] [--platform smartos|omnios] [--zfs PATH] [--pool NAME]
                  [--pool-size BYTES] DIR
       gzsim run DIR [--] COMMAND [ARGUMENT...]
       gzsim shell DIR
       gzsim calls DIR [--clear|--json]
       gzsim fault reset DIR
       gzsim populate DIR COUNT        adds VMs, every second one running
       gzsim demo [--examples DIR]
       gzsim TOOL [ARGUMENT...]        as the tool, in the zone that ZONEKIT_ROOT names";

/// Runs the subcommand; gives the exit code.
pub fn main(ctx: &Ctx, arguments: &[String]) -> i32 {
    let result = match arguments.split_first() {
        None => Err(Usage.into()),
        Some((command, rest)) => subcommand(ctx, command, rest),
    };
    result.unwrap_or_else(|error| {
        if error.is::<Usage>() {
            eprintln!("{USAGE}");
            return 2;
        }
        eprintln!("gzsim: {error:#}");
        1
    })
}

/// The command line is not of a known form.
#[derive(Debug)]
struct Usage;

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrong usage")
    }
}

impl std::error::Error for Usage {}

fn subcommand(ctx: &Ctx, command: &str, arguments: &[String]) -> Result<i32> {
    match (command, arguments) {
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            Ok(0)
        }
        ("init", _) => {
            init::run(&init_options(arguments)?)?;
            Ok(0)
        }
        ("run", [dir, rest @ ..]) => {
            let words =
                if rest.first().is_some_and(|word| word == "--") { &rest[1..] } else { rest };
            if words.is_empty() {
                return Err(Usage.into());
            }
            run::exec(&Ctx::new(dir, "gzsim"), words)
        }
        ("shell", [dir]) => run::shell(&Ctx::new(dir, "gzsim")),
        ("calls", [dir, rest @ ..]) => show_calls(&Ctx::new(dir, "gzsim"), rest),
        ("fault", [word, dir]) if word == "reset" => {
            fault::reset(&Ctx::new(dir, "gzsim"))?;
            Ok(0)
        }
        ("demo", rest) => {
            let examples = match rest {
                [] => "examples",
                [option, dir] if option == "--examples" => dir,
                _ => return Err(Usage.into()),
            };
            demo::main(Path::new(examples))?;
            Ok(0)
        }
        ("populate", [dir, count]) => {
            let count = count.parse().context("COUNT is a number")?;
            populate::run(&Ctx::new(dir, "gzsim"), count)?;
            Ok(0)
        }
        // Started by zoneadm and zlogin.
        ("zone-init", [root, _, zonepath, brand]) => {
            Ok(init_process::run(&Ctx::new(root, "init"), zonepath, brand))
        }
        ("zone-guest", [root, zonepath]) => Ok(qemu::guest(&Ctx::new(root, "guest"), zonepath)),
        ("zone-shutdown", [root, zone, effect, delay]) => {
            zlogin::finish_shutdown(&Ctx::new(root, "zlogin"), zone, effect, delay)
        }
        (name, _) if tool::exists(name) => Ok(tool::run(&Ctx::new(ctx.root(), name), arguments)),
        _ => Err(Usage.into()),
    }
}

fn show_calls(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    match arguments {
        [] => {
            for call in calls::read(ctx)? {
                print!("{}", calls::render(&call));
            }
        }
        [option] if option == "--json" => {
            for call in calls::read(ctx)? {
                println!("{}", serde_json::to_string(&call)?);
            }
        }
        [option] if option == "--clear" => calls::clear(ctx)?,
        _ => return Err(Usage.into()),
    }
    Ok(0)
}

fn init_options(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        dir: PathBuf::new(),
        platform: Platform::SmartOs,
        fixture: None,
        zfs: None,
        pool: None,
        pool_size: init::POOL_SIZE,
    };
    let mut words = arguments.iter();
    let mut dir = None;
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        if !name.starts_with("--") {
            if dir.replace(PathBuf::from(word)).is_some() {
                return Err(Usage.into());
            }
            continue;
        }
        let value = attached
            .or_else(|| words.next().cloned())
            .with_context(|| format!("{name} takes a value"))?;
        match (name, value.as_str()) {
            ("--fixture", "spec") => options.fixture = Some(Fixture::Spec),
            ("--fixture", other) => bail!("unknown fixture \"{other}\": there is spec"),
            ("--platform", "smartos") => options.platform = Platform::SmartOs,
            ("--platform", "omnios") => options.platform = Platform::OmniOs,
            ("--platform", other) => {
                bail!("unknown platform \"{other}\": there are smartos, omnios")
            }
            ("--zfs", _) => options.zfs = Some(PathBuf::from(value)),
            ("--pool", _) => options.pool = Some(value),
            ("--pool-size", _) => {
                options.pool_size = value.parse().context("--pool-size takes a number of bytes")?;
            }
            _ => return Err(Usage.into()),
        }
    }
    options.dir = dir.ok_or(Usage)?;
    Ok(options)
}
