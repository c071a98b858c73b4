//! Images of VMs: `imgadm create`, with and without a script that prepares the VM. The test is the guest that runs
//! the script: it tells through the VM's metadata how it fares.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use e2e::images::Server;
use e2e::signal::{self, Signal};
use e2e::{Gz, Need, needs, wait};
use serde_json::{Value, json};

const VM: &str = "a0000001-0000-4000-8000-000000000001";
const IMAGE: &str = "01b2c898-945f-11e1-a523-af1afbe22822";

fn zone() -> Value {
    json!({
        "uuid": VM, "brand": "joyent", "image_uuid": IMAGE, "alias": "x", "autoboot": false,
        "max_physical_memory": 256, "quota": 5, "customer_metadata": {"mine": "kept"},
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "mac": "02:08:20:00:00:51"}]
    })
}

fn machine() -> Value {
    json!({
        "uuid": VM, "brand": "bhyve", "alias": "x", "autoboot": false, "ram": 256, "vcpus": 1,
        "customer_metadata": {"mine": "kept"},
        "disks": [{"boot": true, "model": "virtio", "size": 512}],
        "nics": [{"nic_tag": "admin", "ips": ["10.88.88.51/24"], "model": "virtio",
            "mac": "02:08:20:00:00:51"}]
    })
}

/// What the manifest of a machine without an image has to say.
const OF_MACHINE: &[&str] = &[
    "os=linux",
    "type=zvol",
    "image_size=512",
    "nic_driver=virtio",
    "disk_driver=virtio",
    "cpu_type=host",
];

struct Lab {
    gz: Gz,
    out: tempfile::TempDir,
    before: (Value, String),
    more: &'static [&'static str],
}

impl Lab {
    fn new(payload: &Value, running: bool) -> Self {
        let gz = Gz::new();
        let _ = gz.create(payload).ok();
        if running {
            let _ = gz.vmadm(&["start", VM]).ok();
        }
        let more: &[&str] = if payload["brand"] == "bhyve" { OF_MACHINE } else { &[] };
        let out = tempfile::tempdir().unwrap();
        let mut lab = Self { gz, out, before: (Value::Null, String::new()), more };
        std::fs::write(lab.out.path().join("script"), "#!/bin/sh\n").unwrap();
        lab.before = lab.now();
        lab
    }

    /// What has to be as before: the VM, and all datasets.
    fn now(&self) -> (Value, String) {
        let vm = self.gz.vmadm(&["get", VM]).ok().json();
        let fields = [
            "state",
            "customer_metadata",
            "internal_metadata",
            "quota",
            "disks",
            "nics",
            "snapshots",
            "alias",
        ];
        let kept = fields.iter().map(|name| ((*name).to_owned(), vm[*name].clone()));
        (kept.collect(), self.gz.datasets())
    }

    fn create(&self, arguments: &[&str]) -> Child {
        let out = self.out.path().to_str().unwrap();
        let script = self.out.path().join("script");
        let mut all = vec!["create", "-s", script.to_str().unwrap(), "-o", out];
        all.extend(arguments);
        all.extend([VM, "name=made", "version=1.0.0"]);
        // A machine without an image has nowhere to take these from.
        all.extend(self.more);
        let mut command = self.gz.command("imgadm", &all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until the VM was started with the script.
    fn wait_for_script(&self) {
        wait::until("the script is started", || {
            let vm = self.gz.vmadm(&["get", VM]).json();
            vm["state"] == "running" && !vm["internal_metadata"]["operator-script"].is_null()
        });
    }

    /// What the script tells.
    fn tell(&self, keys: &Value) {
        let update = json!({"set_customer_metadata": keys}).to_string();
        let _ = self.gz.run_with("vmadm", &["update", VM], update.as_bytes()).ok();
    }

    fn unchanged(&self) {
        let now = self.now();
        assert_eq!(now.0, self.before.0);
        assert_eq!(now.1, self.before.1);
    }

    /// The names of what was written, but for the script.
    fn files(&self) -> Vec<String> {
        let list = std::fs::read_dir(self.out.path()).unwrap();
        let mut names: Vec<String> =
            list.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "script");
        names.sort();
        names
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The script succeeds: an image is made, and the VM is as before.
fn prepared(payload: &Value, running: bool, arguments: &[&str], files: &[&str]) -> Value {
    let lab = Lab::new(payload, running);
    let child = lab.create(arguments);
    lab.wait_for_script();
    lab.tell(&json!({"prepare-image:state": "running"}));
    sleep(Duration::from_secs(3));
    // What the script does to the VM.
    let changed = lab.gz.path(&format!("/zones/{VM}/root/prepared"));
    std::fs::write(&changed, "by the script").unwrap();
    lab.tell(&json!({"prepare-image:state": "success"}));
    let _ = lab.gz.vmadm(&["stop", VM, "-F"]).ok();
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = said(&output);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let mut at = 0;
    let stop = format!("Stopping VM {VM} to snapshot it");
    let restart = format!("Restarting VM {VM} (cleanup)");
    for line in [
        "Manifest:",
        if running { &stop } else { "" },
        &format!("Snapshotting VM \"{VM}\" to @imgadm-create-pre-prepare"),
        &format!("Preparing VM {VM} (starting it)"),
        "Prepare script is running",
        "Prepare script succeeded",
        &format!("Prepare script stopped VM {VM}"),
        "Snapshotting to \"",
        "Sending image file to \"",
        "Saving manifest to \"",
        &format!("Rollback VM {VM} to pre-prepare snapshot (cleanup)"),
        if running { &restart } else { "" },
    ] {
        let found = stdout[at..].find(line);
        at += found.unwrap_or_else(|| panic!("\"{line}\" is not where it should be: {stdout}"));
    }
    assert_eq!(stdout.contains(&restart), running);
    assert_eq!(lab.files(), files);
    lab.unchanged();
    assert!(!changed.exists());
    let manifest = std::fs::read(lab.out.path().join("made-1.0.0.imgmanifest")).unwrap();
    serde_json::from_slice(&manifest).unwrap()
}

#[test]
fn a_running_zone_is_prepared_and_runs_on_as_it_was() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let manifest =
        prepared(&zone(), true, &["-c", "gzip"], &["made-1.0.0.imgmanifest", "made-1.0.0.zfs.gz"]);
    assert_eq!(
        (&manifest["name"], &manifest["files"][0]["compression"]),
        (&json!("made"), &json!("gzip"))
    );
}

#[test]
fn a_stopped_zone_is_prepared_and_stays_stopped() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let manifest = prepared(&zone(), false, &["-i"], &["made-1.0.0.imgmanifest", "made-1.0.0.zfs"]);
    assert_eq!(manifest["origin"], IMAGE);
}

#[test]
fn a_machine_is_prepared_with_its_disks() {
    needs!(Need::Brand("bhyve"), Need::Virtualisation, Need::NicTag("admin"));
    let lab_manifest =
        prepared(&machine(), true, &[], &["made-1.0.0.imgmanifest", "made-1.0.0.zvol"]);
    assert_eq!(lab_manifest["requirements"]["brand"], "bhyve");
}

#[test]
fn a_script_that_fails_leaves_the_vm_as_it_was() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let lab = Lab::new(&zone(), true);
    let child = lab.create(&[]);
    lab.wait_for_script();
    lab.tell(&json!({"prepare-image:state": "running"}));
    lab.tell(&json!({"prepare-image:state": "error", "prepare-image:error": "no room"}));
    let output = child.wait_with_output().unwrap();
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "imgadm create: error (PrepareImageError): prepare-image script error while preparing VM \
         {VM}: no room\n"
    );
    assert_eq!(stderr, expected);
    assert!(lab.files().is_empty());
    lab.unchanged();
}

#[test]
fn an_interrupt_leaves_the_vm_as_it_was() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let lab = Lab::new(&zone(), true);
    let child = lab.create(&[]);
    lab.wait_for_script();
    signal::send(child.id(), Signal::SIGINT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(lab.files().is_empty());
    lab.unchanged();
}

/// An image server's end of a connection: it tells of every request, and answers all but those with `silent` in their
/// first line.
fn converse(mut stream: TcpStream, silent: &str, seen: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if header.is_empty() {
            break;
        }
    }
    seen.send(line.clone()).ok()?;
    if line.contains(silent) {
        sleep(Duration::from_secs(30));
    }
    // A connection that is closed with something unread is reset, and the answer may be lost with it.
    reader.read_exact(&mut vec![0; length]).ok()?;
    let body = r#"{"imgapi": true}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()
}

#[test]
fn an_interrupt_ends_the_wait_for_a_server_that_is_published_to() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let lab = Lab::new(&zone(), false);
    for (silent, signal, last) in
        [("action=import", Signal::SIGINT, "action=import"), ("PUT", Signal::SIGTERM, "DELETE")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || converse(stream, silent, &sender));
            }
        });
        let arguments = ["create", "-p", &url, VM, "name=made", "version=1.0.0"];
        let mut command = lab.gz.command("imgadm", &arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let next = || seen.recv_timeout(Duration::from_mins(1)).unwrap();
        while !next().contains(silent) {}
        let told = Instant::now();
        signal::send(child.id(), signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(told.elapsed() < Duration::from_secs(10), "{output:?}");
        // What is on the server by halves is deleted there.
        let requests: Vec<String> = seen.try_iter().collect();
        assert!(requests.last().map_or(silent, String::as_str).contains(last), "{requests:?}");
        let left = std::fs::read_dir(lab.gz.path("/var/tmp")).unwrap();
        let left = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".imgadm-create-")
        });
        assert_eq!(left.count(), 0);
        lab.unchanged();
    }
}

#[test]
fn what_cannot_be_made_an_image_of_is_refused_before_anything_is_done() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let lab = Lab::new(&zone(), true);
    let out = lab.out.path().join("x");
    let out = out.to_str().unwrap();
    let missing = "a0000001-0000-4000-8000-0000000000ff";
    let no_manifest = lab.out.path().join("nosuch");
    for (arguments, code) in [
        (&[VM, "name=a", "version=1"][..], "VmNotStopped"),
        (&[missing, "name=a", "version=1"], "VmNotFound"),
        (&["bad"], "InvalidUUID"),
        (&[], "Usage"),
        (&["-c", "rar", VM], "Usage"),
        (&["--max-origin-depth=1", VM], "Usage"),
        (&["--max-origin-depth=x", VM], "Option"),
        (&["-p", "http://127.0.0.1:1", "-o", out, VM], "Usage"),
        (&["-m", no_manifest.to_str().unwrap(), VM], "FileSystem"),
        (&[VM, "name"], "Usage"),
        (&["-o", "/nosuch/directory/x", VM, "name=a", "version=1"], "Usage"),
        (&["-p", "http://127.0.0.1:1", VM, "name=a", "version=1"], "SourcePing"),
    ] {
        let mut all = vec!["create"];
        if !arguments.contains(&"-p") {
            all.extend(["-o", out]);
        }
        all.extend(arguments);
        let run = lab.gz.run("imgadm", &all);
        assert_eq!(run.exit, Some(1), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(&format!("error ({code})")), "{arguments:?}: {}", run.stderr);
    }
    lab.unchanged();
    let _ = lab.gz.vmadm(&["stop", VM]).ok();
    for (arguments, code) in [
        (&["name=a", "version=1", "os=nosuch"][..], "ManifestValidation"),
        (&["version=1"], "ManifestValidation"),
        (&["--max-origin-depth=2", "-i", "name=a"], "ManifestValidation"),
    ] {
        let mut all = vec!["create", "-o", out, VM];
        all.extend(arguments);
        let run = lab.gz.run("imgadm", &all).failed();
        assert!(run.stderr.contains(code), "{arguments:?}: {}", run.stderr);
    }
    assert!(lab.files().is_empty());
    assert!(!Path::new(out).exists());
}

#[test]
fn a_token_that_the_server_does_not_take_is_told_before_an_image_is_made() {
    needs!(Need::Brand("joyent"), Need::Image(IMAGE), Need::NicTag("admin"));
    let mut lab = Lab::new(&zone(), false);
    let published = tempfile::tempdir().unwrap();
    let server = Server::start(&lab.gz, published.path());
    let arguments = ["create", "-p", &server.url, VM, "name=made", "version=1.0.0"];
    for token in [None, Some("wrong")] {
        match token {
            Some(token) => lab.gz.set("IMGADM_TOKEN", token),
            None => lab.gz.unset("IMGADM_TOKEN"),
        }
        let run = lab.gz.run("imgadm", &arguments).failed();
        assert!(run.stderr.contains("error (Unauthorized)"), "{token:?}: {}", run.stderr);
        assert_eq!(run.text(), "", "{token:?}");
        lab.unchanged();
    }
    lab.gz.set("IMGADM_TOKEN", "secret");
    let run = lab.gz.run("imgadm", &arguments).ok();
    assert!(run.text().contains("Successfully published image"), "{}", run.text());
    lab.unchanged();
}

#[test]
fn an_archive_is_imported_and_written_out_for_a_server() {
    needs!(Need::SimulatedZfs);
    let gz = Gz::new();
    let work = tempfile::tempdir().unwrap();
    let path = |name: &str| work.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(work.path().join("root/etc")).unwrap();
    std::fs::write(work.path().join("root/etc/motd"), "of the archive\n").unwrap();
    let packed = std::process::Command::new("tar")
        .args(["-C", &path("root"), "--owner=0", "--group=0", "-czf", &path("root.tar.gz"), "."])
        .status();
    assert!(packed.unwrap().success());
    let (before, images) = (gz.datasets(), gz.run("imgadm", &["list", "-j"]).ok().text());
    let import = |file: &str, more: &[&str]| {
        let about = ["import", "--name", "My Root/x", "--version", "1.0.0", "--os", "linux"];
        gz.run("imgadm", &[&about[..], more, &[file]].concat())
    };
    // What cannot be written out, or is none of the kind, is refused before anything is done.
    let refused = import(&path("root.tar.gz"), &["--save", &path("nowhere")]).failed();
    assert!(refused.stderr.contains("nowhere is no directory"), "{}", refused.stderr);
    for (file, option) in [(IMAGE, "--save"), (&*path("missing.tar"), "--save")] {
        let refused = gz.run("imgadm", &["import", option, &path(""), file]).failed();
        let message = "--save is for one disk image or archive, a file or a URL: ";
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }
    assert_eq!(gz.datasets(), before);
    let stdout = import(&path("root.tar.gz"), &["--save", &path("")]).ok().text();
    let uuid = stdout.split("Imported image ").nth(1).and_then(|rest| rest.split(' ').next());
    let uuid = uuid.unwrap();
    let (manifest, file) = (path("my-rootx-1.0.0.imgmanifest"), path("my-rootx-1.0.0.zfs.gz"));
    let written: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let installed = gz.run("imgadm", &["get", uuid]).ok().json();
    let mut without_files = written.clone();
    without_files.as_object_mut().unwrap().shift_remove("files");
    assert_eq!(without_files, installed["manifest"]);
    let of_file = &written["files"][0];
    assert_eq!(of_file["compression"], "gzip");
    assert_eq!(of_file["size"], std::fs::metadata(&file).unwrap().len());
    // It is an image like any other: it installs, and holds the same.
    let _ = gz.run("imgadm", &["delete", uuid]).ok();
    assert_eq!(gz.datasets(), before);
    let _ = gz.run("imgadm", &["install", "-m", &manifest, "-f", &file]).ok();
    let motd = gz.path(&format!("/zones/{uuid}/root/etc/motd"));
    assert_eq!(std::fs::read_to_string(motd).unwrap(), "of the archive\n");
    let _ = gz.run("imgadm", &["delete", uuid]).ok();
    assert_eq!((gz.datasets(), gz.run("imgadm", &["list", "-j"]).ok().text()), (before, images));
}
