//! `vmadm events`: what it tells, how soon, what it costs and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use e2e::signal::{self, Signal};
use e2e::{Gz, Need, needs, wait::PATIENCE};
use serde_json::{Value, json};

const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";
const UUID: &str = "a0000001-0000-4000-8000-000000000001";
const OTHER: &str = "a0000002-0000-4000-8000-000000000002";

fn zone(uuid: &str) -> Value {
    json!({"uuid": uuid, "brand": "joyent", "image_uuid": IMAGE, "alias": "z", "quota": 10,
        "max_physical_memory": 256, "autoboot": false})
}

/// A running `vmadm events`; what it says comes line by line.
struct Events {
    child: Child,
    told: Receiver<String>,
    errors: Receiver<String>,
}

impl Events {
    /// Starts it and waits until it is ready.
    fn start(gz: &Gz, options: &[&str]) -> (Self, String) {
        let arguments: Vec<&str> = ["events", "-r"].iter().chain(options).copied().collect();
        let mut child = gz
            .command("vmadm", &arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vmadm can be run");
        let told = lines(child.stdout.take().expect("stdout is a pipe"));
        let errors = lines(child.stderr.take().expect("stderr is a pipe"));
        let ready = told.recv_timeout(PATIENCE).expect("a ready event");
        (Self { child, told, errors }, ready)
    }

    fn next(&self) -> String {
        self.told.recv_timeout(PATIENCE).expect("an event")
    }

    /// The next event that has the type and, among its changes or in its VM, the wanted value.
    fn await_event(&self, kind: &str, path: &str, value: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.told.recv_timeout(deadline.duration_since(Instant::now())) {
            let event: Value = serde_json::from_str(&line).expect("an event is JSON");
            if event["type"] == kind
                && (path.is_empty() || event["vm"].pointer(path) == Some(value))
            {
                return event;
            }
        }
        panic!("no {kind} with {path} = {value}");
    }

    fn signal(&self, signal: Signal) {
        signal::send(self.child.id(), signal);
    }

    /// Waits for its end; the exit status.
    fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it was started") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    told
}

#[test]
fn whatever_others_change_is_told_within_a_second() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&zone(UUID)).ok();
    let (events, _) = Events::start(&gz, &["-j"]);
    let mut times = Vec::new();
    let mut timed = |program: &str, words: &[&str], path: &str, value: Value| {
        let _ = gz.run(program, words).ok();
        let begun = Instant::now();
        events.await_event("modify", path, &value);
        times.push(begun.elapsed());
    };
    let pids = |gz: &Gz| gz.vmadm(&["get", UUID]).ok().json()["pid"].clone();
    timed("zonecfg", &["-z", UUID, "set autoboot=true"], "/autoboot", json!(true));
    timed("zoneadm", &["-z", UUID, "boot"], "/zone_state", json!("running"));
    timed("zoneadm", &["-z", UUID, "halt"], "/state", json!("stopped"));
    timed("vmadm", &["start", UUID], "/state", json!("running"));
    timed("vmadm", &["update", UUID, "quota=20"], "/quota", json!(20));
    timed(
        "vmadm",
        &["update", UUID, "max_physical_memory=512"],
        "/max_physical_memory",
        json!(512),
    );
    timed("vmadm", &["create-snapshot", UUID, "s1"], "/snapshots/0/name", json!("s1"));
    let text = json!({"set_tags": {"a": "b"}}).to_string();
    let _ = gz.run_with("vmadm", &["update", UUID], text.as_bytes()).ok();
    let begun = Instant::now();
    events.await_event("modify", "/tags/a", &json!("b"));
    times.push(begun.elapsed());
    // An init that ends takes no tool: joyent zones get a new one.
    let pid = pids(&gz);
    let number = pid.as_u64().and_then(|pid| pid.try_into().ok()).expect("a process");
    signal::send(number, Signal::SIGKILL);
    let begun = Instant::now();
    let event = events.await_event("modify", "/zone_state", &json!("running"));
    times.push(begun.elapsed());
    assert_ne!(event["vm"]["pid"], pid);
    // Half of them: the machine that tests run on may be busy for a moment.
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_secs(1), "{times:?}");
}

#[test]
fn vms_come_and_go() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let (events, ready) = Events::start(&gz, &["-j"]);
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!((&ready["type"], &ready["vms"]), (&json!("ready"), &json!({})));
    let _ = gz.create(&zone(UUID)).ok();
    let event = events.await_event("create", "/uuid", &json!(UUID));
    let keys: Vec<&String> = event.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["type", "date", "zonename", "uuid", "vm"]);
    // It may have been made between two looks.
    if event["vm"]["state"] != "stopped" {
        events.await_event("modify", "/state", &json!("stopped"));
    }
    let _ = gz.vmadm(&["delete", UUID]).ok();
    let event = events.await_event("delete", "", &Value::Null);
    let keys: Vec<&String> = event.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["type", "date", "zonename", "uuid"]);
    assert_eq!((&event["uuid"], &event["zonename"]), (&json!(UUID), &json!(UUID)));
}

#[test]
fn text_forms() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    let _ = gz.create(&zone(UUID)).ok();
    let name = |full: bool| if full { UUID } else { "a0000001" };
    for full in [false, true] {
        let options: &[&str] = if full { &["-f"] } else { &[] };
        let (events, ready) = Events::start(&gz, options);
        let (date, rest) = ready.split_once("] ").expect("a date");
        // The short form has the time alone.
        assert_eq!(date.len(), if full { 25 } else { 14 }, "{ready}");
        assert!(if full { rest.starts_with("ready (uuid ") } else { rest == "ready" }, "{ready}");
        let word = format!("set autoboot={}", !full);
        let _ = gz.run("zonecfg", &["-z", UUID, &word]).ok();
        let line = std::iter::repeat_with(|| events.next())
            .find(|line| line.contains("autoboot"))
            .expect("an endless list");
        let change = format!("{} z modify: autoboot changed :: {full} -> {}", name(full), !full);
        assert_eq!(line.split_once("] ").expect("a date").1, change);
    }
}

#[test]
fn one_vm_alone_is_told_of() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    for uuid in [UUID, OTHER] {
        let _ = gz.create(&zone(uuid)).ok();
    }
    let (events, _) = Events::start(&gz, &["-j", UUID]);
    for uuid in [OTHER, UUID] {
        let _ = gz.run("zonecfg", &["-z", uuid, "set autoboot=true"]).ok();
    }
    let event = events.await_event("modify", "", &Value::Null);
    assert_eq!(event["uuid"], UUID);
    let run = gz.vmadm(&["events", "a0000003-0000-4000-8000-000000000003"]).failed();
    assert_eq!(run.stderr, "VM a0000003-0000-4000-8000-000000000003 not found\n");
}

#[test]
fn it_ends_in_good_order() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (events, _) = Events::start(&gz, &[]);
        events.signal(signal);
        assert_eq!(events.end(), Some(0), "{signal}");
    }
    // Nobody reads any more: it ends without an event to say.
    let mut child = gz
        .command("vmadm", &["events", "-r"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("vmadm can be run");
    let mut output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    output.read_line(&mut String::new()).expect("a ready event");
    drop(output);
    let begun = Instant::now();
    assert_eq!(child.wait().expect("it was started").code(), Some(0));
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_broken_zone_is_named_and_the_others_go_on() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let gz = Gz::new();
    for uuid in [UUID, OTHER] {
        let _ = gz.create(&zone(uuid)).ok();
    }
    let path = gz.path(&format!("/etc/zones/{OTHER}.xml"));
    let whole = std::fs::read(&path).expect("a configuration");
    let damage = || std::fs::write(&path, "<zone name=").expect("writable");
    damage();
    let (operator, _) = Events::start(&gz, &[]);
    let (program, ready) = Events::start(&gz, &["-j"]);
    assert!(ready.contains(UUID) && !ready.contains(OTHER), "{ready}");
    let warning = || operator.errors.recv_timeout(PATIENCE).expect("a warning");
    let said = warning();
    assert!(said.starts_with(&format!("VM {OTHER} cannot be read: ")), "{said}");
    let _ = gz.run("zonecfg", &["-z", UUID, "set autoboot=true"]).ok();
    assert_eq!(program.await_event("modify", "", &Value::Null)["uuid"], UUID);
    std::fs::write(&path, &whole).expect("writable");
    assert_eq!(program.await_event("create", "", &Value::Null)["uuid"], OTHER);
    damage();
    assert_eq!(warning(), said);
    for events in [operator, program] {
        events.signal(Signal::SIGINT);
        assert!(
            events.errors.recv_timeout(PATIENCE).is_err(),
            "once is enough, for programs never"
        );
        assert_eq!(events.end(), Some(0));
    }
}

#[test]
fn nothing_is_run_while_nothing_changes() {
    needs!(Need::Simulation);
    let gz = Gz::new();
    let _ = gz.create(&zone(UUID)).ok();
    let _ = gz.vmadm(&["start", UUID]).ok();
    let _ = gz.create(&zone(OTHER)).ok();
    let (events, _) = Events::start(&gz, &["-j"]);
    // What was written just before it began is looked at twice.
    thread::sleep(Duration::from_millis(1500));
    gz.clear_calls();
    thread::sleep(Duration::from_secs(3));
    assert_eq!(gz.calls(), [""; 0]);
    assert!(events.told.try_recv().is_err());
}
