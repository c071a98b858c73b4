//! `gzsim run` and `gzsim shell`: programs with the simulated zone's tools on their path.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::ctx::Ctx;

/// The search path: our programs, then the simulated zone's tools, then what was there.
pub fn search_path(ctx: &Ctx) -> Result<OsString> {
    let programs = env::current_exe().context("cannot find the gzsim program")?;
    let mut directories = vec![ctx.path("/usr/sbin"), ctx.path("/usr/bin")];
    if let Some(directory) = programs.parent() {
        directories.insert(0, directory.to_path_buf());
    }
    if let Some(path) = env::var_os("PATH") {
        directories.extend(env::split_paths(&path));
    }
    Ok(env::join_paths(directories)?)
}

/// A command with the environment of the simulated zone. A program of that name beside gzsim or among the tools comes
/// before the machine's own.
pub fn command(ctx: &Ctx, program: &str) -> Result<Command> {
    if !ctx.state("").is_dir() {
        bail!("{} is not a simulated global zone: make it with gzsim init", ctx.root().display());
    }
    let path = search_path(ctx)?;
    let found = env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| !program.contains('/') && candidate.is_file());
    let mut command = Command::new(found.as_deref().unwrap_or(Path::new(program)));
    command.env("PATH", path).env("ZONEKIT_ROOT", ctx.root()).env_remove("GZSIM_ROOT");
    Ok(command)
}

/// Replaces this process by the program.
pub fn exec(ctx: &Ctx, words: &[String]) -> Result<i32> {
    let Some((program, arguments)) = words.split_first() else { bail!("no command given") };
    let mut command = command(ctx, program)?;
    let error = command.args(arguments).exec();
    eprintln!("gzsim: cannot run {program}: {error}");
    Ok(127)
}

/// Replaces this process by the operator's shell.
pub fn shell(ctx: &Ctx) -> Result<i32> {
    let shell = env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    exec(ctx, &[shell])
}
