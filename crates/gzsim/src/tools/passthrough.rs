//! Our own programs in a simulated zone (zonecfg, imgadm, …): gzsim stands in front of them, so that their runs are
//! logged and can be made to fail like any tool's, and hands over to the program beside itself.

use std::env;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ctx::Ctx;

/// Our programs that a simulated zone has.
pub const PROGRAMS: &[&str] = &["zonecfg", "vmadm", "imgadm", "bhyve-ctl"];

/// Where the program `name` is: beside gzsim.
pub fn sibling(name: &str) -> Result<PathBuf> {
    Ok(env::current_exe().context("cannot find the gzsim program")?.with_file_name(name))
}

/// Whether a run of the tool takes its commands from stdin.
pub fn reads_script(tool: &str, arguments: &[String]) -> bool {
    // Without a subcommand after -z or -u, and without a file; `-f -` is stdin too.
    let file = arguments.iter().position(|argument| argument == "-f");
    let from_file = file.and_then(|at| arguments.get(at + 1)).is_some_and(|file| file == "-");
    tool == "zonecfg" && (from_file || file.is_none() && arguments.len() == 2)
}

/// Reads a script from stdin; nothing where stdin is a terminal.
pub fn read_script() -> Result<Vec<u8>> {
    let mut script = Vec::new();
    if !io::stdin().is_terminal() {
        io::stdin().read_to_end(&mut script)?;
    }
    Ok(script)
}

/// Runs the program with our arguments and, where it was read already, the script as its stdin.
pub fn run(ctx: &Ctx, arguments: &[String], script: Option<&[u8]>) -> Result<i32> {
    let program = sibling(ctx.tool())?;
    let mut child = Command::new(&program)
        .args(arguments)
        .env("ZONEKIT_ROOT", ctx.root())
        .stdin(if script.is_some() { Stdio::piped() } else { Stdio::inherit() })
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if let (Some(mut stdin), Some(script)) = (child.stdin.take(), script)
        && let Err(error) = stdin.write_all(script)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error.into());
    }
    forward_signals(child.id())?;
    let status = child.wait()?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// Hands requests to end on to the program: whoever sends them knows this process only.
fn forward_signals(child: u32) -> Result<()> {
    let child = Pid::from_raw(i32::try_from(child).context("a process number")?);
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
        let (mut received, sender) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(signal as i32, sender)?;
        thread::spawn(move || {
            while received.read_exact(&mut [0]).is_ok() {
                // It may have ended in between.
                let _ = kill(child, signal);
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_on_stdin() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(reads_script("zonecfg", &words("-z name")));
        assert!(reads_script("zonecfg", &words("-u name -f -")));
        assert!(!reads_script("zonecfg", &words("-u name info")));
        assert!(!reads_script("zonecfg", &words("-u name -f file")));
        assert!(!reads_script("imgadm", &words("-z name")));
    }
}
