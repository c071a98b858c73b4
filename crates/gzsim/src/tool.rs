//! One run of a tool: finds what it does, strikes with the fault that is asked for, and writes the run down.

use std::env;
use std::thread;

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{getpid, getppid};

use crate::calls::{self, Call};
use crate::ctx::{Ctx, NESTED};
use crate::fault::{self, Action};
use crate::net;
use crate::tools::{bhyvectl, firewall, mount, passthrough, real_zfs, smf, sysinfo, system};
use crate::zfs;
use crate::zones::{brand, kstat, prctl, zlogin, zoneadm};

type Main = fn(&Ctx, &[String]) -> Result<i32>;

/// The tools by name.
const TOOLS: &[(&str, Main)] = &[
    ("bhyvectl", bhyvectl::main),
    ("binstall", brand::main),
    ("dladm", net::dladm::main),
    ("fwadm", firewall::fwadm),
    ("ipf", firewall::ipf),
    ("jinstall", brand::main),
    ("kinstall", brand::main),
    ("kstat", kstat::main),
    ("lx_install", brand::main),
    ("mount", mount::mount),
    ("nictagadm", net::nictagadm::main),
    ("prctl", prctl::main),
    ("pwait", system::pwait),
    ("svcadm", smf::svcadm),
    ("svccfg", smf::svccfg),
    ("svcs", smf::svcs),
    ("swap", system::swap),
    ("sysinfo", sysinfo::main),
    ("umount", mount::umount),
    ("uname", system::uname),
    ("zdb", |ctx, arguments| Ok(zfs::zdb_main(ctx.root(), arguments))),
    ("zfs", |ctx, arguments| Ok(zfs::zfs_main(ctx.root(), arguments))),
    ("zlogin", zlogin::main),
    ("zoneadm", zoneadm::main),
    ("zonename", system::zonename),
    ("zpool", |ctx, arguments| Ok(zfs::zpool_main(ctx.root(), arguments))),
];

/// Whether there is a tool of that name.
pub fn exists(name: &str) -> bool {
    passthrough::PROGRAMS.contains(&name) || TOOLS.iter().any(|(known, _)| *known == name)
}

/// Runs the tool that `ctx` names; gives its exit code.
pub fn run(ctx: &Ctx, arguments: &[String]) -> i32 {
    let result = if env::var_os(NESTED).is_some() || !ctx.state("").is_dir() {
        act(ctx, arguments, None)
    } else {
        observed(ctx, arguments)
    };
    result.unwrap_or_else(|error| {
        eprintln!("{}: {error:#}", ctx.tool());
        1
    })
}

/// A run that is logged and may be struck by a fault.
fn observed(ctx: &Ctx, arguments: &[String]) -> Result<i32> {
    let script = if passthrough::reads_script(ctx.tool(), arguments) {
        Some(passthrough::read_script()?)
    } else {
        None
    };
    let record = |exit| {
        let mut argv = vec![ctx.tool().to_owned()];
        argv.extend_from_slice(arguments);
        let stdin = script.as_deref().map(|text| String::from_utf8_lossy(text).into_owned());
        calls::record(ctx, &Call { argv, stdin, exit })
    };
    let action = match env::var(fault::VARIABLE) {
        Ok(text) if !text.is_empty() => fault::strike(ctx, &text, arguments)?,
        _ => None,
    };
    match action {
        Some(Action::Exit(code, message)) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            record(Some(code))?;
            return Ok(code);
        }
        Some(Action::Delay(time)) => thread::sleep(time),
        Some(Action::KillCaller { after: false }) => {
            record(None)?;
            kill(getppid(), Signal::SIGKILL)?;
            return Ok(1);
        }
        Some(Action::KillSelf { after: false }) => {
            record(None)?;
            kill(getpid(), Signal::SIGKILL)?;
        }
        _ => {}
    }
    let code = act(ctx, arguments, script.as_deref());
    record(Some(*code.as_ref().unwrap_or(&1)))?;
    match action {
        Some(Action::KillCaller { after: true }) => kill(getppid(), Signal::SIGKILL)?,
        Some(Action::KillSelf { after: true }) => kill(getpid(), Signal::SIGKILL)?,
        _ => {}
    }
    code
}

fn act(ctx: &Ctx, arguments: &[String], script: Option<&[u8]>) -> Result<i32> {
    if let "zfs" | "zpool" | "zdb" = ctx.tool()
        && let Some(program) = real_zfs::program(ctx, ctx.tool())
    {
        return real_zfs::run(ctx, program, arguments);
    }
    if passthrough::PROGRAMS.contains(&ctx.tool()) {
        return passthrough::run(ctx, arguments, script);
    }
    match TOOLS.iter().find(|(name, _)| *name == ctx.tool()) {
        Some((_, main)) => main(ctx, arguments),
        None => anyhow::bail!("there is no such tool in the simulated global zone"),
    }
}
