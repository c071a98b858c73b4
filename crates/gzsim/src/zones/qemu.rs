//! A real qemu as the init of a kvm zone, where one is installed: without KVM, and with the little memory that its
//! firmware needs.
//!
//! qemu cannot be put into the zone as on SmartOS, which takes a zone or chroot(2). So it runs in the zone's root
//! directory and takes paths below it, and a second process, the guest's stand-in, has the QMP socket that programs
//! connect to: it makes paths in commands relative and does what an operating system in the guest would.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::zones::init_process::{self, When};
use crate::zones::qmp;

/// The setting that names the program; empty for the stand-in.
const SETTING: &str = "GZSIM_QEMU";
/// Where it is looked for.
const PROGRAMS: [&str; 2] = ["/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"];

/// Sockets of qemu's own, below the zone's root: for programs and for the stand-in of the guest.
const FOR_PROGRAMS: &str = "tmp/.qemu.qmp";
const FOR_GUEST: &str = "tmp/.guest.qmp";

/// How often the guest looks whether its zone is still there.
const TICK: Duration = Duration::from_millis(500);
/// How long a new qemu may take to open its sockets.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// The command that runs qemu for the zone at `zonepath`; none where it is not installed or not wanted.
pub fn command(ctx: &Ctx, zonepath: &str) -> Option<Command> {
    let program = match ctx.setting(SETTING) {
        Some(program) if program.is_empty() => return None,
        Some(program) => PathBuf::from(program),
        None => PROGRAMS.iter().map(PathBuf::from).find(|program| program.is_file())?,
    };
    let root = ctx.path(zonepath).join("root");
    fs::create_dir_all(root.join("tmp")).ok()?;
    for socket in [FOR_PROGRAMS, FOR_GUEST] {
        // Left by the qemu before.
        let _ = fs::remove_file(root.join(socket));
    }
    let script = fs::read_to_string(root.join("startvm")).unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(["-accel", "tcg", "-m", "16", "-nodefaults", "-vga", "std", "-display", "none"])
        // The firmware talks on the serial port too.
        .args(["-machine", "pc,graphics=off"])
        .args(machine_arguments(&start_arguments(&script), ctx.root(), &root));
    for (id, path) in [("serial0", "tmp/vm.console"), ("serial1", "tmp/vm.ttyb")] {
        let socket = format!("socket,id={id},path={path},server=on,wait=off");
        command.args(["-chardev", &socket, "-serial", &format!("chardev:{id}")]);
    }
    for socket in [FOR_PROGRAMS, FOR_GUEST] {
        command.args(["-qmp", &format!("unix:{socket},server=on,wait=off")]);
    }
    command.current_dir(root);
    Some(command)
}

/// The arguments that the start script gives qemu.
fn start_arguments(script: &str) -> Vec<String> {
    let line = script.lines().find(|line| line.contains("/qemu-system-x86_64 "));
    let Some((_, line)) = line.and_then(|line| line.split_once("/qemu-system-x86_64 ")) else {
        return Vec::new();
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, &mut word) {
            ('"', None) => word = Some(String::new()),
            ('"', Some(_)) => words.extend(word.take()),
            ('\\', Some(word)) => word.extend(chars.next()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words
}

/// What of these arguments today's qemu understands: name, UUID, boot order, SMBIOS, disks and VNC.
fn machine_arguments(given: &[String], gz_root: &Path, zone_root: &Path) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut vnc = "unix:tmp/vm.vnc".to_owned();
    for pair in given.windows(2) {
        let value = match pair[0].as_str() {
            "-name" | "-uuid" | "-boot" | "-smbios" => pair[1].clone(),
            "-drive" => drive(&pair[1], gz_root, zone_root),
            "-vnc" => {
                if pair[1].ends_with(",password") {
                    vnc.push_str(",password=on");
                }
                continue;
            }
            _ => continue,
        };
        arguments.extend([pair[0].clone(), value]);
    }
    arguments.extend(["-vnc".to_owned(), vnc]);
    arguments
}

/// A disk with its file where that is outside of the zone. It is not written to, and nobody is kept from it.
fn drive(options: &str, gz_root: &Path, zone_root: &Path) -> String {
    let options = options.split(',').filter(|option| *option != "boot=on").map(|option| {
        let Some(path) = option.strip_prefix("file=") else { return option.to_owned() };
        let root = if path.starts_with("/dev/zvol/") { gz_root } else { zone_root };
        format!("file={}", root.join(path.trim_start_matches('/')).display())
    });
    let mut options: Vec<String> = options.collect();
    options.extend([
        "format=raw".to_owned(),
        "snapshot=on".to_owned(),
        "file.locking=off".to_owned(),
    ]);
    options.join(",")
}

/// Starts the stand-in for the guest of a qemu that has just been started.
pub fn start_guest(ctx: &Ctx, zonepath: &str) -> io::Result<()> {
    let child = Command::new(std::env::current_exe()?)
        .arg("zone-guest")
        .arg(ctx.root())
        .arg(zonepath)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.map(drop)
}

/// The guest: provisions its zone, goes down when its power button is pressed (settings as those of
/// [`init_process::run`]), and takes its qemu with it when the zone's root directory goes.
pub fn guest(ctx: &Ctx, zonepath: &str) -> i32 {
    let path = ctx.path(zonepath);
    let root = path.join("root");
    i32::from(live(ctx, &path, &root).is_err())
}

fn live(ctx: &Ctx, path: &Path, root: &Path) -> io::Result<()> {
    let (sender, events) = mpsc::channel();
    let mut own = connect(&root.join(FOR_GUEST))?;
    let watched = own.try_clone()?;
    thread::spawn(move || watch(watched, &sender));
    writeln!(own, "{}", json!({"execute": "qmp_capabilities"}))?;
    qmp::listen(root, qmp::SOCKET, serve)?;
    let delay = ctx.setting("GZSIM_SHUTDOWN_DELAY");
    let mut provisioned = When::from_setting(ctx.setting("GZSIM_PROVISION_DELAY").as_deref());
    let mut end = When::Never;
    loop {
        if provisioned.is_due() {
            init_process::provision(ctx, path);
            provisioned = When::Never;
        }
        if end.is_due() || !root.is_dir() || !ctx.state("").is_dir() {
            writeln!(own, "{}", json!({"execute": "quit"}))?;
            end = When::Never;
        }
        let wait = [provisioned.remaining(), end.remaining()]
            .into_iter()
            .flatten()
            .fold(TICK, Duration::min);
        match next(&events, wait) {
            Some(Event::PowerButton) => end = When::from_setting(delay.as_deref()),
            Some(Event::Gone) => return Ok(()),
            None => {}
        }
    }
}

/// What happens to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    PowerButton,
    /// qemu has ended.
    Gone,
}

fn next(events: &Receiver<Event>, wait: Duration) -> Option<Event> {
    match events.recv_timeout(wait) {
        Ok(event) => Some(event),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => Some(Event::Gone),
    }
}

/// Passes on qemu's events. The sender goes with qemu.
fn watch(stream: UnixStream, events: &Sender<Event>) {
    for line in BufReader::new(stream).lines().map_while(io::Result::ok) {
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if message["event"] == "POWERDOWN" && events.send(Event::PowerButton).is_err() {
            return;
        }
    }
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let begun = std::time::Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Err(_) if begun.elapsed() < OPEN_LIMIT => thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
}

/// One program on the QMP socket. qemu serves one at a time; the next waits.
fn serve(program: UnixStream, zone_root: &Path) -> io::Result<()> {
    let mut to_qemu = connect(&zone_root.join(FOR_PROGRAMS))?;
    let (mut from_qemu, mut to_program) = (to_qemu.try_clone()?, program.try_clone()?);
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_qemu, &mut to_program);
        // The other direction must not wait for a peer that has gone.
        let _ = to_program.shutdown(std::net::Shutdown::Both);
    });
    for line in BufReader::new(program).lines() {
        let Ok(line) = line else { break };
        if to_qemu.write_all(format!("{}\r\n", inside(&line)).as_bytes()).is_err() {
            break;
        }
    }
    let _ = to_qemu.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
    Ok(())
}

/// A command with the path of a file made one below the zone's root.
fn inside(line: &str) -> String {
    let Ok(mut command) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let Some(path) = command["arguments"]["filename"].as_str() else { return line.to_owned() };
    let parts = Path::new(path).components();
    let relative: PathBuf =
        parts.filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
    command["arguments"]["filename"] = relative.to_string_lossy().into_owned().into();
    command.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_the_start_script_are_those_of_todays_qemu() {
        let script = "exec /smartdc/bin/qemu-exec /startvm.zone \"-m\" \"1\"\n\
             exec /smartdc/bin/qemu-exec /smartdc/bin/qemu-system-x86_64 \"-m\" \"1024\" \"-name\" \"a \\\"b\" \
             \"-drive\" \"file=/dev/zvol/rdsk/zones/d,if=virtio,index=0,media=disk,boot=on\" \
             \"-drive\" \"file=/x.iso,if=ide,index=1,media=cdrom\" \"-net\" \"vnic\" \
             \"-vnc\" \"unix:/tmp/vm.vnc,password\" \n";
        let given = start_arguments(script);
        assert_eq!(given[..4], ["-m", "1024", "-name", "a \"b"]);
        let arguments = machine_arguments(&given, Path::new("/r"), Path::new("/r/zones/z/root"));
        assert_eq!(
            arguments,
            [
                "-name",
                "a \"b",
                "-drive",
                "file=/r/dev/zvol/rdsk/zones/d,if=virtio,index=0,media=disk,format=raw,snapshot=on,\
                 file.locking=off",
                "-drive",
                "file=/r/zones/z/root/x.iso,if=ide,index=1,media=cdrom,format=raw,snapshot=on,\
                 file.locking=off",
                "-vnc",
                "unix:tmp/vm.vnc,password=on",
            ]
        );
        assert!(start_arguments("").is_empty());
    }

    #[test]
    fn files_are_below_the_zones_root() {
        let line = r#"{"execute":"screendump","arguments":{"filename":"/tmp/../vm.ppm"},"id":1}"#;
        assert_eq!(inside(line), line.replace("/tmp/../", "tmp/"));
        assert_eq!(inside("{\"execute\": \"x\"}"), "{\"execute\": \"x\"}");
    }
}
