//! Guest metadata on OmniOS: `bhyve-ctl metadata` for all zones, and clients in them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use e2e::flavours::omnios;
use e2e::{Gz, Need, needs, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const VM: &str = "b0000001-0000-4000-8000-000000000001";

/// The service, ended with the test.
struct Service(Child);

impl Service {
    fn start(gz: &Gz) -> Self {
        let child = gz.command("bhyve-ctl", &["metadata"]).stdout(Stdio::null()).spawn();
        Self(child.expect("the program starts"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client of the metadata socket says and hears.
struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> Self {
        wait::until("the socket answers", || UnixStream::connect(socket).is_ok());
        let stream = UnixStream::connect(socket).expect("it did just now");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let answers = BufReader::new(stream.try_clone().expect("another handle"));
        Self { stream, answers }
    }

    fn line(&mut self) -> String {
        self.try_line().expect("an answer")
    }

    /// A line; `None` where the service ends the connection.
    fn try_line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.answers.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    }

    fn ask(&mut self, request: &str) -> String {
        self.try_ask(request).expect("an answer")
    }

    /// The answer; `None` where the service ends the connection.
    fn try_ask(&mut self, request: &str) -> Option<String> {
        writeln!(self.stream, "{request}").ok()?;
        self.try_line()
    }

    /// A request of version 2; the payload is in base64 on both ways.
    fn frame(&mut self, id: &str, request: &str) -> String {
        let body = format!("{id} {request}");
        let answer = self.ask(&format!("V2 {} {:08x} {body}", body.len(), crc32(body.as_bytes())));
        let parts: Vec<&str> = answer.splitn(4, ' ').collect();
        assert_eq!((parts[0], parts[1]), ("V2", parts[3].len().to_string().as_str()), "{answer}");
        assert_eq!(parts[2], format!("{:08x}", crc32(parts[3].as_bytes())));
        parts[3].strip_prefix(id).expect("our id").trim_start().to_owned()
    }
}

/// The checksum of frames.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

fn get(gz: &Gz) -> Value {
    gz.vmadm(&["get", VM]).ok().json()
}

#[test]
fn clients_in_a_native_zone_speak_both_versions() {
    needs!(Need::Simulation);
    let gz = omnios();
    let payload = json!({
        "uuid": VM, "brand": "sparse", "alias": "web", "max_physical_memory": 256,
        "customer_metadata": {"greeting": "hello", "lines": "a\n.b"},
        "internal_metadata": {"ops:secret": "s"}, "internal_metadata_namespaces": ["ops"],
    });
    let _ = gz.create(&payload).ok();
    let _service = Service::start(&gz);
    let socket: PathBuf = gz.path(&format!("/zones/{VM}/root/.zonecontrol/metadata.sock"));

    let mut old = Client::connect(&socket);
    assert_eq!(old.ask("GET greeting"), "SUCCESS");
    assert_eq!((old.line(), old.line()), ("hello".to_owned(), ".".to_owned()));
    assert_eq!(old.ask("GET nosuch"), "NOTFOUND");

    let mut new = Client::connect(&socket);
    assert_eq!(new.ask("NEGOTIATE V2"), "V2_OK");
    // "greeting", "hello"; "sdc:alias", "web"; "ops:secret", "s"
    assert_eq!(new.frame("dc4fae17", "GET Z3JlZXRpbmc="), "SUCCESS aGVsbG8=");
    assert_eq!(new.frame("00000001", "GET c2RjOmFsaWFz"), "SUCCESS d2Vi");
    assert_eq!(new.frame("00000002", "GET b3BzOnNlY3JldA=="), "SUCCESS cw==");
    // "mood", "good", each in base64 and both together again.
    assert_eq!(new.frame("00000003", "PUT Ylc5dlpBPT0gWjI5dlpBPT0="), "SUCCESS T0s=");
    assert_eq!(get(&gz)["customer_metadata"]["mood"], "good");
    // The other client still has its connection.
    assert_eq!(old.ask("GET mood"), "SUCCESS");
    assert_eq!(new.frame("00000004", "DELETE bW9vZA=="), "SUCCESS T0s=");
    assert_eq!(get(&gz)["customer_metadata"].get("mood"), None);

    let _ = gz.vmadm(&["reboot", VM]).ok();
    // For a moment the socket is that from before, whose clients have to connect again.
    wait::until("an answer after the reboot", || {
        Client::connect(&socket).try_ask("GET greeting").as_deref() == Some("SUCCESS")
    });
    // So it is with an init that is started anew.
    let init = get(&gz)["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    kill(Pid::from_raw(init.expect("an init")), Signal::SIGKILL).expect("it runs");
    wait::until("the connection ends", || old.try_ask("GET greeting").is_none());
    wait::until("an answer after the restart of init", || {
        Client::connect(&socket).try_ask("GET greeting").as_deref() == Some("SUCCESS")
    });
    let _ = gz.vmadm(&["stop", VM, "-F"]).ok();
    wait::until("the socket goes with the zone", || !socket.exists());
}

#[test]
fn a_link_in_a_zone_leads_the_service_nowhere() {
    needs!(Need::Simulation);
    let gz = omnios();
    let payload = json!({"uuid": VM, "brand": "sparse", "max_physical_memory": 256});
    let _ = gz.create(&payload).ok();
    let outside = gz.path("/outside");
    std::fs::create_dir(&outside).expect("a directory");
    let link = gz.path(&format!("/zones/{VM}/root/.zonecontrol"));
    std::os::unix::fs::symlink(&outside, &link).expect("a link");
    let other = "b0000002-0000-4000-8000-000000000002";
    let payload = json!({"uuid": other, "brand": "sparse", "max_physical_memory": 256});
    let _ = gz.create(&payload).ok();
    let _service = Service::start(&gz);
    let socket = gz.path(&format!("/zones/{other}/root/.zonecontrol/metadata.sock"));
    assert_eq!(Client::connect(&socket).ask("GET nosuch"), "NOTFOUND");
    assert!(!outside.join("metadata.sock").exists());
}

#[test]
fn smartos_keeps_its_own_service() {
    needs!(Need::Simulation);
    let gz = Gz::init(&["--fixture", "spec"]);
    let run = gz.run("bhyve-ctl", &["metadata"]).failed();
    assert!(run.stderr.contains("SmartOS's own metadata service"), "{}", run.stderr);
}
