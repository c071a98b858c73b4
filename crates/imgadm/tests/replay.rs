//! Replays what SmartOS's imgadm was observed to do: the same commands against the same images give the same exit
//! status, output, files and datasets. Where this imgadm answers otherwise on purpose, the difference is written here.

mod common;

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use common::server::{Reply, Request, Server};
use common::tools::{Sim, sha1, stream};
use serde_json::{Value, json};

/// One observed command.
#[derive(Debug, Default)]
struct Case {
    arguments: Vec<String>,
    exit: i32,
    stdout: String,
    stderr: String,
    /// Files by path: mode, size and content.
    files: Vec<(String, String)>,
    /// Datasets afterwards, where they were looked at.
    datasets: Option<Vec<String>>,
    /// What was done before it: `echo … > FILE`, or a fault of a tool.
    setup: Vec<String>,
    number: usize,
}

fn parse(log: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut setup = Vec::new();
    let mut section = "";
    for line in log.lines() {
        if let Some(command) = line.strip_prefix("=== imgadm") {
            let arguments = command.split_whitespace().map(str::to_owned).collect();
            let number = cases.len();
            cases.push(Case {
                arguments,
                setup: std::mem::take(&mut setup),
                number,
                ..Case::default()
            });
            section = "calls";
            continue;
        }
        let is_setup = ["(setup: ", "(injected failure: "].iter().any(|p| line.starts_with(p));
        if is_setup && line.ends_with(')') {
            setup.push(line.to_owned());
            section = "";
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        match line {
            "--- stdout" | "--- stderr" | "--- files" | "--- zfs" => {
                section = &line[4..];
                if section == "zfs" {
                    case.datasets = Some(Vec::new());
                }
                continue;
            }
            _ => {}
        }
        match section {
            "calls" => {
                if let Some(code) = line.strip_prefix("exit: ") {
                    case.exit = code.split_whitespace().next().unwrap().parse().unwrap();
                }
            }
            "stdout" => push(&mut case.stdout, line),
            "stderr" => push(&mut case.stderr, line),
            "files" => {
                if let Some(rest) = line.strip_prefix("FILE ") {
                    let path = rest.split_whitespace().next().unwrap();
                    case.files.push((path.to_owned(), String::new()));
                } else if let (Some(text), Some((_, content))) =
                    (line.strip_prefix("    | "), case.files.last_mut())
                {
                    push(content, text);
                }
            }
            "zfs" => {
                if let (Some(names), Some(name)) =
                    (&mut case.datasets, line.split_whitespace().next())
                {
                    names.push(name.to_owned());
                }
            }
            _ => {}
        }
    }
    cases
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// What the server has under one number of the observed images.
struct Image {
    manifest: Value,
    file: Vec<u8>,
    fault: &'static str,
}

fn uuid(number: usize) -> String {
    format!("1a0000{number:02}-0000-4000-8000-0000000000{number:02}")
}

/// Compresses a stream of the stand-in's so that the file has exactly `size` bytes, as the observed one had.
fn file_of(compression: &str, size: usize, origin: &str, snapshots: &[&str], n: u32) -> Vec<u8> {
    use std::io::Write;
    let pack = |data: &[u8]| -> Vec<u8> {
        match compression {
            "gzip" => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            "bzip2" => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            "xz" => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                out.write_all(data).unwrap();
                out.finish().unwrap()
            }
            _ => data.to_vec(),
        }
    };
    for seed in n..n + 1000 {
        let mut length = size;
        // What cannot be compressed grows by nearly the same whatever its length.
        for _ in 0..4 {
            let packed = pack(&stream(length, origin, snapshots, seed));
            if packed.len() == size {
                return packed;
            }
            length = length + size - packed.len();
        }
    }
    panic!("no stream of {size} bytes as {compression}");
}

fn images() -> HashMap<String, Image> {
    const GZIP: &str = "gzip";
    let mut images = HashMap::new();
    let mut add = |n: usize, name: &str, file: Vec<u8>, compression: &str, more: Value, fault| {
        let mut manifest = json!({
            "v": 2, "uuid": uuid(n), "owner": "00000000-0000-0000-0000-000000000000", "name": name,
            "version": "1.0.0", "state": "active", "disabled": false, "public": true,
            "published_at": format!("2020-01-{:02}T00:00:00Z", n + 1), "type": "zone-dataset",
            "os": "smartos",
            "files": [{"sha1": sha1(&file), "size": file.len(), "compression": compression}],
            "description": format!("test image {name}"), "homepage": "https://example.com",
            "requirements": {"networks": [{"name": "net0", "description": "public"}]},
            "tags": {"role": "os"}
        });
        for (key, value) in more.as_object().unwrap() {
            match key.as_str() {
                "files" => match value {
                    Value::Null => drop(manifest.as_object_mut().unwrap().shift_remove("files")),
                    _ => {
                        for (key, value) in value.as_object().unwrap() {
                            let file = manifest["files"][0].as_object_mut().unwrap();
                            if value.is_null() {
                                file.shift_remove(key);
                            } else {
                                file.insert(key.clone(), value.clone());
                            }
                        }
                    }
                },
                "requirements" => {
                    for (key, value) in value.as_object().unwrap() {
                        manifest["requirements"][key] = value.clone();
                    }
                }
                _ => manifest[key] = value.clone(),
            }
        }
        images.insert(uuid(n), Image { manifest, file, fault });
    };
    let plain = |n: u32| file_of(GZIP, 3102, "-", &["final"], n);
    let origin = |n: usize| format!("zones/{}@final", uuid(n));
    add(1, "base64", plain(1), GZIP, json!({}), "");
    add(2, "basebz", file_of("bzip2", 3582, "-", &["final"], 2), "bzip2", json!({}), "");
    add(3, "basexz", file_of("xz", 3140, "-", &["final"], 3), "xz", json!({}), "");
    add(4, "basenone", file_of("none", 3079, "-", &["final"], 4), "none", json!({}), "");
    add(
        5,
        "child",
        file_of(GZIP, 3136, &origin(1), &["final"], 5),
        GZIP,
        json!({"origin": uuid(1)}),
        "",
    );
    add(
        6,
        "grandchild",
        file_of(GZIP, 3136, &origin(5), &["final"], 6),
        GZIP,
        json!({"origin": uuid(5)}),
        "",
    );
    add(7, "badsha", plain(7), GZIP, json!({"files": {"sha1": "0".repeat(40)}}), "");
    add(8, "badsize", plain(8), GZIP, json!({"files": {"size": 3202}}), "");
    add(9, "truncated", plain(9), GZIP, json!({}), "truncated");
    add(
        10,
        "orphan",
        plain(10),
        GZIP,
        json!({"origin": "1affffff-0000-4000-8000-000000000099"}),
        "",
    );
    add(11, "lxdeb", plain(11), GZIP, json!({"type": "lx-dataset", "os": "linux"}), "");
    add(
        12,
        "kvmimg",
        plain(12),
        GZIP,
        json!({"type": "zvol", "os": "linux", "nic_driver": "virtio",
        "disk_driver": "virtio", "cpu_type": "qemu64", "image_size": 8}),
        "",
    );
    add(13, "disabled", plain(13), GZIP, json!({"state": "disabled"}), "");
    add(14, "unactivated", plain(14), GZIP, json!({"state": "unactivated"}), "");
    add(15, "othersnap", file_of(GZIP, 3102, "-", &["other"], 15), GZIP, json!({}), "");
    add(16, "twosnaps", file_of(GZIP, 3103, "-", &["a", "b"], 16), GZIP, json!({}), "");
    add(17, "nosnaps", file_of(GZIP, 3095, "-", &[], 17), GZIP, json!({}), "");
    let garbage = pack_stored(&[b'g'; 817]);
    add(18, "garbage", garbage, GZIP, json!({}), "");
    let mut cut = stream(3079, "-", &["final"], 19);
    cut.truncate(1000);
    add(19, "trunczfs", pack_stored(&cut), GZIP, json!({}), "");
    add(20, "nofiles", plain(20), GZIP, json!({"files": null}), "");
    add(
        21,
        "minplat",
        plain(21),
        GZIP,
        json!({"requirements": {"min_platform": {"7.0": "20990101T000000Z"}}}),
        "",
    );
    add(
        22,
        "maxplat",
        plain(22),
        GZIP,
        json!({"requirements": {"max_platform": {"7.0": "20100101T000000Z"}}}),
        "",
    );
    add(23, "file500", plain(23), GZIP, json!({}), "500");
    add(24, "nosha", plain(24), GZIP, json!({"files": {"sha1": null}}), "");
    add(25, "base64", plain(25), GZIP, json!({"version": "2.0.0"}), "");
    add(26, "sizesmall", plain(26), GZIP, json!({"files": {"size": 3002}}), "");
    add(27, "hangup", plain(27), GZIP, json!({}), "hangup");
    add(28, "docktype", plain(28), GZIP, json!({"type": "docker", "tags": {}}), "");
    add(
        29,
        "othertype",
        plain(29),
        GZIP,
        json!({"type": "other", "os": "other", "published_at": "2020-01-02T00:00:00Z"}),
        "",
    );
    images
}

fn pack_stored(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

/// The image server of the observations: no ranges, and a few images it cannot send.
fn good_server(images: &HashMap<String, Image>, request: &Request) -> Reply {
    let path = request.path.split('?').next().unwrap();
    if path == "/ping" {
        return Reply::json(200, r#"{"ping": "pong", "version": "4.10.0", "imgapi": true}"#);
    }
    let mut parts = path.trim_start_matches('/').split('/').skip(1);
    let Some(image) = parts.next().and_then(|uuid| images.get(uuid)) else {
        return Reply::not_found();
    };
    if parts.next().is_none() {
        return Reply::json(200, image.manifest.to_string());
    }
    let full = image.file.len() as u64;
    match image.fault {
        "truncated" => {
            Reply { length: Some(full), ..Reply::bytes(&image.file[..image.file.len() / 2]) }
        }
        "hangup" => Reply { length: Some(full), ..Reply::bytes(&image.file[..10]) },
        "500" => Reply::json(500, r#"{"code": "InternalError", "message": "no file for you"}"#),
        _ => Reply::bytes(&image.file),
    }
}

/// The observed ports, and others of as many digits that are free here, so that tables keep their widths.
struct Ports {
    map: Vec<(String, String)>,
    _servers: Vec<Server>,
}

fn bind_four_digits() -> TcpListener {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 2000 + (std::process::id() % 7000) as u16;
    loop {
        let port = 1024 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8976;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}

impl Ports {
    fn new(images: &Arc<HashMap<String, Image>>) -> Self {
        let mut map = Vec::new();
        let mut servers = Vec::new();
        let mut add = |observed: u16, handler: Box<dyn Fn(&Request) -> Reply + Send + Sync>| {
            let listener = bind_four_digits();
            map.push((
                format!("127.0.0.1:{observed}"),
                format!("127.0.0.1:{}", listener.local_addr().unwrap().port()),
            ));
            servers.push(Server::on(listener, handler));
        };
        for port in [8000, 8001] {
            let images = Arc::clone(images);
            add(port, Box::new(move |request| good_server(&images, request)));
        }
        add(
            8002,
            Box::new(|_| Reply::bytes(b"<html>hi</html>").header("content-type", "text/html")),
        );
        add(
            8003,
            Box::new(|_| {
                Reply::json(500, r#"{"code": "InternalError", "message": "server is sick"}"#)
            }),
        );
        add(8004, Box::new(|_| Reply::json(200, r#"{"ping": "pong"}"#)));
        // Bound to be free, and let go of: nothing listens there.
        let dead = bind_four_digits().local_addr().unwrap().port();
        map.push(("127.0.0.1:9999".into(), format!("127.0.0.1:{dead}")));
        Self { map, _servers: servers }
    }

    fn here(&self, text: &str) -> String {
        self.map.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn observed(&self, text: &str) -> String {
        self.map.iter().fold(text.to_owned(), |text, (from, to)| text.replace(to, from))
    }
}

/// Checksums are of other bytes here than there.
fn without_checksums(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once('\0')) {
        if c.is_ascii_hexdigit() && !c.is_ascii_uppercase() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() == 40 { "SHA1" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// What is compared of a case, and what this imgadm says instead of the observed.
enum Expect {
    Same,
    /// Exit status, standard output as observed, and the last line of standard error.
    Instead(i32, &'static str),
    /// Exit status and standard output as observed, and only the last line of standard error.
    LastLine,
    /// The original crashed: this exit status, how the last line of standard error begins, and nothing on standard
    /// output, but for the line of the failure, that the original did not print too.
    Crashed(i32, &'static str),
    /// A table in place of a crash, and the last line of standard error.
    Table(i32, &'static [&'static str], &'static str),
    /// As observed but for which error a resolver without an answer gives.
    AnyResolver,
    /// The failure as JSON, with the observed fields and values.
    Structured,
    /// The failure with its kind as observed, after log records of our own.
    Verbose,
}

#[allow(clippy::match_same_arms)] // Each has its own reason.
fn expectation(log: &str, case: &Case) -> Expect {
    let command = case.arguments.join(" ");
    match (log, command.as_str()) {
        ("sources", "sources -a notaurl") => Expect::AnyResolver,
        // The original crashed.
        ("sources", "sources -c") => Expect::Table(
            1,
            &[
                "URL                    TYPE    OK     ERROR",
                "http://127.0.0.1:8000  imgapi  true   -",
                "http://127.0.0.1:8001  imgapi  true   -",
                "http://127.0.0.1:9999  imgapi  false  unexpected ping error with \"imgapi\" image \
                 source \"http://127.0.0.1:9999\": Error: connect ECONNREFUSED 127.0.0.1:9999",
                "https://docker.io      docker  false  unexpected ping error with \"docker\" image \
                 source \"https://docker.io\": Error: connect ECONNREFUSED 127.0.0.1:9999",
                "http://127.0.0.1:8001  dsapi   false  \"dsapi\" source URL does not end with \
                 \"/datasets\": \"http://127.0.0.1:8001\"",
            ],
            "imgadm sources: error (SourcePing): 3 of 5 image sources did not answer as they should",
        ),
        ("sources", "sources -t nosuch -a http://x") => Expect::Instead(
            1,
            "imgadm sources: error (ConfigError): type \"nosuch\" for source url \"http://x\" is \
             invalid: must be one of \"imgapi\", \"dsapi\", \"docker\"",
        ),
        ("sources", "avail") => {
            Expect::Instead(1, "imgadm avail: error (NoSources): imgadm has no configured sources")
        }
        ("import-bad", command) if command.starts_with("-v ") => Expect::Verbose,
        ("import-bad", command) if command.starts_with("-E ") => Expect::Structured,
        // A bare message.
        ("import-bad", "import 1a000010-0000-4000-8000-000000000010") => Expect::Instead(
            1,
            "imgadm import: error (OriginNotFoundInSource): origin image \
             \"1affffff-0000-4000-8000-000000000099\" does not exist in image source \
             \"http://127.0.0.1:8000\"",
        ),
        // Crashed after the download.
        ("import-bad", "import 1a000020-0000-4000-8000-000000000020") => Expect::Crashed(
            1,
            "imgadm import: error (InvalidManifest): manifest is invalid: image \
             1a000020-0000-4000-8000-000000000020 has no files",
        ),
        // Its unpacking program did not run there; the layer is none either.
        ("import-bad", "import 1a000028-0000-4000-8000-000000000028") => {
            Expect::Crashed(1, "imgadm import: error (UncompressionError): cannot unpack layer ")
        }
        // With the log record of the rename; with "first of 1 error".
        ("import-bad", "import 1a000001-0000-4000-8000-000000000001")
            if case.stderr.contains("error importing") =>
        {
            Expect::LastLine
        }
        ("import-bad", "import 1a000001-0000-4000-8000-000000000001")
            if case.stderr.contains("first of 1 error") =>
        {
            Expect::Instead(1, "zfs boom")
        }
        // One source is dead, the other says that it has no such image.
        ("import-bad", "import 1affffff-0000-4000-8000-000000000000")
            if case.stderr.contains("ECONNREFUSED") =>
        {
            Expect::Instead(
                1,
                "imgadm import: error (ActiveImageNotFound): an active image \
                 \"1affffff-0000-4000-8000-000000000000\" was not found in image sources",
            )
        }
        _ => Expect::Same,
    }
}

fn set_up(sim: &Sim, setup: &[String]) {
    for line in setup {
        if let Some(echo) = line.strip_prefix("(setup: echo '") {
            let (text, path) = echo.split_once("' > ").unwrap();
            let path = sim.path(path.trim_end_matches(')').trim_start_matches('/'));
            fs::write(path, format!("{text}\n")).unwrap();
        } else if let Some(faults) = line.strip_prefix("(injected failure: ") {
            let faults: Value = serde_json::from_str(faults.trim_end_matches(')')).unwrap();
            let first = faults.get(0);
            let text = |place: usize| first.map(|fault| fault[place].as_str().unwrap().to_owned());
            let (operation, message) = (text(0), text(2));
            sim.fail(operation.as_deref().zip(message.as_deref()));
        }
    }
}

/// A log record without what no two runs have in common.
fn record(line: &str) -> String {
    let mut record: Value = serde_json::from_str(line.trim()).unwrap_or_default();
    let stack = record["err"]["stack"].as_str().unwrap_or_default();
    record["err"]["stack"] = stack.lines().next().unwrap_or_default().into();
    for name in ["req_id", "hostname", "pid", "time"] {
        if !record[name].is_null() {
            record[name] = "any".into();
        }
    }
    format!("{record:#}")
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches('\n')
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

fn replay(name: &str, log: &str) {
    let images = Arc::new(images());
    let ports = Ports::new(&images);
    let sim = Sim::new();
    let mut faults = Vec::new();
    let mut ran = 0;
    for case in parse(log) {
        set_up(&sim, &case.setup);
        let expect = expectation(name, &case);
        ran += 1;
        let arguments: Vec<String> = case.arguments.iter().map(|word| ports.here(word)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // What is asked outside of this machine ends at a proxy that is not there.
        let dead = format!("http://{}", ports.here("127.0.0.1:9999"));
        let output = sim.command(&arguments).env("https_proxy", dead).output().unwrap();
        let text =
            |bytes: &[u8]| without_checksums(&ports.observed(&String::from_utf8_lossy(bytes)));
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let mut fault = |what: &str, expected: &str, actual: &str| {
            if trimmed(expected) != trimmed(actual) {
                faults.push(format!(
                    "{name} {}: imgadm {}\n{what} expected:\n{expected}\n{what} actual:\n{actual}\n",
                    case.number,
                    case.arguments.join(" ")
                ));
            }
        };
        let exit = output.status.code().unwrap_or(-1).to_string();
        let observed_stdout = without_checksums(&case.stdout);
        match expect {
            Expect::Instead(code, line) => {
                fault("exit", &code.to_string(), &exit);
                fault("stdout", &observed_stdout, &stdout);
                if !line.is_empty() {
                    fault("stderr", line, last_line(&stderr));
                }
            }
            Expect::LastLine => {
                fault("exit", &case.exit.to_string(), &exit);
                fault("stdout", &observed_stdout, &stdout);
                fault("stderr", last_line(&case.stderr), last_line(&stderr));
            }
            Expect::Crashed(code, start) => {
                fault("exit", &code.to_string(), &exit);
                for line in stdout.lines().filter(|line| !line.starts_with("Aborting (")) {
                    let known = observed_stdout.lines().any(|observed| observed == line);
                    fault("stdout", if known { line } else { "" }, line);
                }
                let line = last_line(&stderr);
                fault("stderr", start, line.get(..start.len()).unwrap_or(line));
            }
            Expect::Table(code, table, line) => {
                fault("exit", &code.to_string(), &exit);
                fault("stdout", &table.join("\n"), &stdout);
                fault("stderr", line, last_line(&stderr));
            }
            Expect::AnyResolver => {
                fault("exit", &case.exit.to_string(), &exit);
                fault("stderr", &case.stderr, &stderr.replace("ENOTFOUND", "EAI_AGAIN"));
            }
            Expect::Structured => {
                fault("exit", &case.exit.to_string(), &exit);
                fault("stdout", &observed_stdout, &stdout);
                fault("stderr", &record(&without_checksums(&case.stderr)), &record(&stderr));
            }
            Expect::Verbose => {
                fault("exit", &case.exit.to_string(), &exit);
                fault("stdout", &observed_stdout, &stdout);
                let observed = case.stderr.lines().find(|line| line.starts_with("imgadm "));
                fault("stderr", observed.unwrap_or_default(), last_line(&stderr));
                let records = stderr.lines().count() - 1;
                for line in stderr.lines().take(records) {
                    let record: Value = serde_json::from_str(line).unwrap_or_default();
                    fault("record", "imgadm", record["name"].as_str().unwrap_or(line));
                }
            }
            Expect::Same => {
                fault("exit", &case.exit.to_string(), &exit);
                fault("stdout", &observed_stdout, &stdout);
                // Images are listed without the snapshots of the whole system.
                let observed =
                    case.stderr.replace("filesystem,volume,snapshot", "filesystem,volume");
                fault("stderr", &without_checksums(&observed), &stderr);
            }
        }
        if let Some(expected) = &case.datasets {
            let installed: Vec<String> = expected.clone();
            fault("datasets", &installed.join("\n"), &sim.datasets().join("\n"));
        }
        for (path, content) in &case.files {
            // The original leaves the records of failed installations; those of installed images count.
            let of_image =
                path.strip_prefix("/var/imgadm/images/").map(|file| file.replacen('-', "/", 1));
            let dataset = of_image.map(|file| file.trim_end_matches(".json").to_owned());
            if dataset.is_some_and(|dataset| !sim.datasets().contains(&dataset)) {
                continue;
            }
            let actual = fs::read_to_string(sim.path(path.trim_start_matches('/')));
            let actual = text(actual.unwrap_or_default().as_bytes());
            fault(path, &without_checksums(content), &actual);
        }
    }
    assert!(ran > 20, "only {ran} cases were found");
    assert!(faults.is_empty(), "{} of {ran} cases:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn sources() {
    replay("sources", include_str!("data/sources.log"));
}

#[test]
fn good_imports() {
    replay("import-ok", include_str!("data/import-ok.log"));
}

#[test]
fn bad_imports() {
    replay("import-bad", include_str!("data/import-bad.log"));
}
