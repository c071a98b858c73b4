//! zlogin(1): commands inside a running zone. `shutdown` and its relatives take the zone down or reboot it; a few that
//! only tell of the zone answer from what the simulation knows of it, or are run on its files; others do nothing and
//! succeed.

use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};

use crate::ctx::Ctx;
use crate::fault::parse_duration;
use crate::getopt::getopt;
use crate::zones::table::{self, Row, State};
use crate::zones::zoneadmd;

/// What a command inside the zone does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Halt,
    Reboot,
}

/// The program.
///
/// Settings: `GZSIM_SHUTDOWN_DELAY`, the time a zone takes to shut down (default none; `never`: it does not).
pub fn main(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let options = getopt(arguments, "inQCES:e:l:");
    let silent = options.has('S');
    if options.unknown.is_some() || options.operands.is_empty() || silent && options.has('C') {
        eprintln!(
            "usage: zlogin [ -inQCES ] [ -e cmdchar ] [-l user] zonename [command [args ...] ]"
        );
        return Ok(2);
    }
    let zone = &options.operands[0];
    if zone == "global" {
        eprintln!("zlogin: '{zone}' operation not allowed on the global zone");
        return Ok(1);
    }
    let Some(row) = table::row(ctx, zone)? else {
        eprintln!("zlogin: zone '{zone}' unknown");
        return Ok(1);
    };
    if options.has('C') {
        return console(zone, row.state);
    }
    if row.state != State::Running && !(silent && row.state == State::Ready) {
        eprintln!(
            "zlogin: login allowed only to running zones ({zone} is '{}').",
            row.state.as_str()
        );
        return Ok(1);
    }
    let words: Vec<&str> =
        options.operands[1..].iter().flat_map(|word| word.split_whitespace()).collect();
    match effect(&words) {
        Effect::None => inside(ctx, &row, &words),
        wanted => shut_down(ctx, zone, wanted),
    }
}

/// Commands that tell of a zone: its names from the simulation, its files from its root.
fn inside(ctx: &Ctx, row: &Row, words: &[&str]) -> Result<i32> {
    let Some((program, arguments)) = words.split_first() else { return Ok(0) };
    let root = ctx.path(&row.path).join("root");
    match program.rsplit('/').next().unwrap_or(program) {
        "zonename" => println!("{}", row.name),
        "hostname" => println!("{}", nodename(&root).unwrap_or_else(|| row.name.clone())),
        "uname" => {
            let system = if row.brand == "lx" { "Linux" } else { "SunOS" };
            let node = nodename(&root).unwrap_or_else(|| row.name.clone());
            match arguments {
                [] | ["-s"] => println!("{system}"),
                ["-n"] => println!("{node}"),
                _ => println!("{system} {node}"),
            }
        }
        "echo" => println!("{}", arguments.join(" ")),
        "false" => return Ok(1),
        "cat" => return cat(&root, arguments),
        _ => {}
    }
    Ok(0)
}

fn nodename(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("etc/nodename")).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Prints files of the zone; like cat(1) it goes on after one that it cannot read.
fn cat(root: &Path, files: &[&str]) -> Result<i32> {
    let mut code = 0;
    for file in files {
        // A zone sees nothing above its root.
        let below: PathBuf = Path::new(file)
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        if let Ok(bytes) = fs::read(root.join(below)) {
            io::stdout().write_all(&bytes)?;
        } else {
            eprintln!("cat: cannot open {file}: No such file or directory");
            code = 2;
        }
    }
    Ok(code)
}

/// Ends the shutdown that a zlogin began: `gzsim zone-shutdown ROOT ZONE halt|reboot DELAY`.
pub fn finish_shutdown(ctx: &Ctx, zone: &str, effect: &str, delay: &str) -> Result<i32> {
    thread::sleep(parse_duration(delay).unwrap_or_default());
    end(ctx, zone, if effect == "reboot" { Effect::Reboot } else { Effect::Halt })
}

fn shut_down(ctx: &Ctx, zone: &str, effect: Effect) -> Result<i32> {
    let Some(delay) = ctx.setting("GZSIM_SHUTDOWN_DELAY") else { return end(ctx, zone, effect) };
    if parse_duration(&delay).is_none() {
        // The zone does not heed the request.
        return Ok(0);
    }
    zoneadmd::begin_shutdown(ctx, zone)?;
    let effect = if effect == Effect::Reboot { "reboot" } else { "halt" };
    Command::new(env::current_exe().context("cannot find the gzsim program")?)
        .arg("zone-shutdown")
        .arg(ctx.root())
        .args([zone, effect, &delay])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the zone's shutdown")?;
    Ok(0)
}

fn end(ctx: &Ctx, zone: &str, effect: Effect) -> Result<i32> {
    let command = match effect {
        Effect::Reboot => zoneadmd::Command::Reboot,
        _ => zoneadmd::Command::Halt,
    };
    zoneadmd::call(ctx, zone, command, &|_| {})
}

/// What the command does: shutdown with an init state or -h/-r/-P, halt, poweroff, reboot, init N.
fn effect(words: &[&str]) -> Effect {
    let Some((program, arguments)) = words.split_first() else { return Effect::None };
    let has = |word: &str| arguments.contains(&word);
    match program.rsplit('/').next().unwrap_or(program) {
        "halt" | "poweroff" => Effect::Halt,
        "reboot" => Effect::Reboot,
        "init" | "telinit" if has("0") || has("5") => Effect::Halt,
        "init" | "telinit" if has("6") => Effect::Reboot,
        "shutdown" if has("-r") || has("-i6") => Effect::Reboot,
        "shutdown" if has("-h") || has("-P") || has("-i5") || has("-i0") => Effect::Halt,
        "shutdown" => {
            let state = arguments.iter().skip_while(|word| **word != "-i").nth(1);
            match state {
                Some(&"6") => Effect::Reboot,
                Some(&("0" | "5")) => Effect::Halt,
                _ => Effect::None,
            }
        }
        _ => Effect::None,
    }
}

fn console(zone: &str, state: State) -> Result<i32> {
    if state < State::Installed {
        eprintln!(
            "zlogin: cannot connect to the console of zone '{zone}': it is {}",
            state.as_str()
        );
        return Ok(1);
    }
    println!("[Connected to zone '{zone}' console]");
    io::stdin().read_to_end(&mut Vec::new())?;
    println!("\n[Connection to zone '{zone}' console closed]");
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_commands() {
        let cases = [
            ("/usr/sbin/shutdown -y -g 0 -i 5", Effect::Halt),
            ("/usr/sbin/shutdown -y -g 0 -i 6", Effect::Reboot),
            ("/sbin/shutdown -h now", Effect::Halt),
            ("/sbin/shutdown -r now", Effect::Reboot),
            ("init 6", Effect::Reboot),
            ("/usr/sbin/mount -F tmpfs -o remount,size=5m /tmp", Effect::None),
            ("", Effect::None),
        ];
        for (command, wanted) in cases {
            let words: Vec<&str> = command.split_whitespace().collect();
            assert_eq!(effect(&words), wanted, "{command}");
        }
    }
}
