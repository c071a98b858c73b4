//! The QMP client against a real qemu, without a guest. Skipped, by name, where there is none.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bhyve_ctl::qmp::{Client, Error};
use bhyve_ctl::screenshot::Picture;
use serde_json::json;

const QEMU: &str = "qemu-system-x86_64";
const LIMIT: Duration = Duration::from_secs(20);

/// A qemu that ends with the test.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended as the test asked it to.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(directory: &Path) -> Option<(Qemu, Client)> {
    let socket = directory.join("qmp");
    let child = Command::new(QEMU)
        .args(["-machine", "pc,accel=tcg", "-m", "32", "-nodefaults", "-vga", "std"])
        .args(["-smp", "2", "-display", "none"])
        .args(["-drive", "driver=null-co,if=ide,id=disk0,size=1048576"])
        .arg("-vnc")
        .arg(format!("unix:{}", directory.join("vnc").display()))
        .arg("-qmp")
        .arg(format!("unix:{},server=on,wait=off", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn();
    let Ok(child) = child else {
        eprintln!("skipped: {QEMU} is not installed");
        return None;
    };
    let mut qemu = Qemu(child);
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Ok(stream) = UnixStream::connect(&socket) {
            let client = Client::connect(stream, LIMIT).expect("qemu greets");
            return Some((qemu, client));
        }
        assert!(qemu.0.try_wait().expect("our child").is_none(), "qemu has ended");
        assert!(Instant::now() < deadline, "qemu does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn qemu_answers_every_command_and_quits() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let Some((mut qemu, mut client)) = start(directory.path()) else { return };
    assert!(!client.version().is_empty());
    let status = client.status().expect("query-status");
    assert!(status.running, "{status:?}");
    assert_eq!(status.status.as_deref(), Some("running"));
    let blocks = client.block_devices().expect("query-block");
    assert!(blocks.iter().any(|block| block.device == "disk0"), "{blocks:?}");
    let chars = client.char_devices().expect("query-chardev");
    assert!(chars.iter().any(|port| port.filename.contains("qmp")), "{chars:?}");
    assert_eq!(client.cpus().expect("query-cpus").len(), 2);
    assert!(client.pci().expect("query-pci")[0]["devices"].is_array());
    let vnc = client.vnc().expect("query-vnc");
    assert!(vnc.enabled, "{vnc:?}");
    client.block_stats().expect("query-blockstats");
    client.nmi().expect("inject-nmi");

    let file = directory.path().join("screen.ppm");
    client.screendump(file.to_str().expect("a plain path")).expect("screendump");
    let picture = Picture::from_ppm(&std::fs::read(&file).expect("written")).expect("a picture");
    assert!(picture.width >= 640 && picture.height >= 400, "{}x{}", picture.width, picture.height);
    let mut png = Vec::new();
    picture.write_png(&mut png).expect("in memory");
    assert!(png.starts_with(b"\x89PNG\r\n"));

    client.powerdown().expect("system_powerdown");
    assert!(client.wait_for("POWERDOWN", LIMIT).expect("connected"), "the button was pressed");
    client.reset().expect("system_reset");
    assert!(client.wait_for("RESET", LIMIT).expect("connected"), "the machine was reset");
    let error = client.execute("no-such-command", &json!({})).expect_err("qemu does not know it");
    assert!(error.is_unknown_command(), "{error}");
    client.quit().expect("quit");
    assert!(qemu.0.wait().expect("our child").success());
    assert!(matches!(client.status(), Err(Error::Closed | Error::Io(_))));
}
