//! Servers that lie, break off, send without end or lead elsewhere: a clear error or the right answer, soon, and
//! nothing left behind.

mod common;

use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::image::{UUID, answers, manifest, server_of};
use common::server::{Reply, Request, Server};
use common::tools::{Sim, sha1, stream};
use common::{measured, said};
use serde_json::{Value, json};

/// Imports the image and gives exit status, standard output and standard error.
fn import(sim: &Sim, server: &Server) -> (i32, String, String) {
    sim.sources(&[&server.url()]);
    let output = sim.imgadm(&["import", UUID]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The import fails with `part` in its message, within a few seconds, and leaves nothing.
fn refused(sim: &Sim, server: &Server, part: &str) {
    let started = Instant::now();
    let (code, _, stderr) = import(sim, server);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
    assert!(started.elapsed() < Duration::from_secs(20));
    left_nothing(sim);
}

fn left_nothing(sim: &Sim) {
    assert_eq!(sim.datasets(), ["zones"]);
    for directory in ["var/imgadm/images", "var/tmp/.imgadm-downloads"] {
        let names: Vec<_> = std::fs::read_dir(sim.path(directory))
            .map(|list| list.flatten().map(|entry| entry.file_name()).collect())
            .unwrap_or_default();
        assert!(names.is_empty(), "{directory}: {names:?}");
    }
}

fn good() -> Vec<u8> {
    stream(200_000, "-", &["final"], 1)
}

#[test]
fn a_broken_download_is_resumed_by_range() {
    let file = good();
    let data = file.clone();
    let server = server_of(&manifest(&file, json!({})), move |request| {
        let from = request.range_start().unwrap_or(0);
        let piece = &data[from..data.len().min(from + 70_000)];
        let left = (data.len() - from) as u64;
        let reply = Reply { length: Some(left), ..Reply::bytes(piece) }.header("etag", "\"a\"");
        match from {
            0 => reply,
            _ => Reply { status: 206, ..reply }.header(
                "content-range",
                &format!("bytes {from}-{}/{}", data.len() - 1, data.len()),
            ),
        }
    });
    let sim = Sim::new();
    let (code, _, stderr) = import(&sim, &server);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let requests = server.requests.lock().unwrap();
    let ranges: Vec<Option<usize>> = requests[1..].iter().map(Request::range_start).collect();
    assert_eq!(ranges, [None, Some(70_000), Some(140_000)]);
    assert_eq!(requests[2].header("if-range"), Some("\"a\""));
}

#[test]
fn a_wrong_download_is_tried_once_more() {
    let file = good();
    let (right, mut wrong) = (file.clone(), file.clone());
    wrong[1000] ^= 1;
    let count = AtomicUsize::new(0);
    let server = server_of(&manifest(&file, json!({})), move |_| {
        Reply::bytes(if count.fetch_add(1, Ordering::Relaxed) == 0 { &wrong } else { &right })
    });
    let sim = Sim::new();
    let (code, stdout, stderr) = import(&sim, &server);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(stdout.matches("Downloaded image").count(), 1);
    assert_eq!(server.paths().len(), 3);
}

#[test]
fn a_first_connection_that_fails_is_tried_again() {
    let file = good();
    for failing in [
        Reply::json(503, r#"{"code": "ServiceUnavailable", "message": "later"}"#),
        Reply { mute: true, ..Reply::default() },
    ] {
        let (data, count) = (file.clone(), AtomicUsize::new(0));
        let server = server_of(&manifest(&file, json!({})), move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                failing.clone()
            } else {
                Reply::bytes(&data)
            }
        });
        let (code, _, stderr) = import(&Sim::new(), &server);
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert_eq!(server.paths().len(), 3);
    }
}

#[test]
fn wrong_lengths_and_endless_bodies_are_refused() {
    let file = good();
    let sim = Sim::new();
    let data = file.clone();
    let longer = server_of(&manifest(&file, json!({})), move |_| Reply {
        length: Some(1 << 40),
        endless: false,
        ..Reply::bytes(&data)
    });
    refused(&sim, &longer, "unexpected mismatch between expected size, 200000, and Content-Length");
    let data = file.clone();
    let endless = server_of(&manifest(&file, json!({})), move |_| Reply {
        endless: true,
        ..Reply::bytes(&data)
    });
    refused(&sim, &endless, "missing or invalid Content-Length header");
    let data = file.clone();
    // As long as it should be by its header, but it does not stop there.
    let beyond = server_of(&manifest(&file, json!({})), move |_| {
        Reply { endless: true, ..Reply::bytes(&data) }
            .header("content-length", &data.len().to_string())
    });
    assert_eq!(import(&sim, &beyond).0, 0);
}

#[test]
fn a_server_that_dies_at_any_stage_leaves_nothing() {
    const CHILD: &str = "1a000002-0000-4000-8000-000000000002";
    let (base, child) = (good(), stream(200_000, "-", &["final"], 2));
    let manifests = [
        manifest(&base, json!({})).to_string(),
        manifest(&child, json!({"uuid": CHILD, "origin": UUID})).to_string(),
    ];
    let mute = || Reply { mute: true, ..Reply::default() };
    // Of a file so much comes, and then nothing: the connection ends, or it does not.
    let cut = |length: usize, hang: bool| {
        move |data: &[u8]| Reply {
            length: Some(data.len() as u64),
            hang,
            ..Reply::bytes(&data[..length])
        }
    };
    type OfFile = Box<dyn Fn(&[u8]) -> Reply + Send + Sync>;
    let stages: [(OfFile, &str); 6] = [
        (Box::new(move |_| mute()), "error (ECONNRESET): socket hang up"),
        (Box::new(cut(0, false)), "error (ECONNRESET): socket hang up"),
        (Box::new(cut(70_000, false)), "expected 200000 bytes, downloaded 70000 bytes"),
        (Box::new(cut(199_999, false)), "expected 200000 bytes, downloaded 199999 bytes"),
        (Box::new(cut(0, true)), "ETIMEDOUT"),
        (Box::new(cut(70_000, true)), "ETIMEDOUT"),
    ];
    let sim = Sim::new();
    let attempt = |server: &Server, part: &str| {
        sim.sources(&[&server.url()]);
        let mut command = sim.command(&["import", CHILD]);
        let output = command.env("IMGADM_STALL_TIMEOUT", "1").output().unwrap();
        let (_, stderr) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
        left_nothing(&sim);
    };
    attempt(&Server::new(move |_| mute()), "error (ECONNRESET): socket hang up");
    for (of_file, part) in stages {
        let of_file = std::sync::Arc::new(of_file);
        // That of the base, which goes straight into the pool, and that of its child, which waits in a file.
        for dying in [UUID, CHILD] {
            let (base, child, manifests) = (base.clone(), child.clone(), manifests.clone());
            let of_file = std::sync::Arc::clone(&of_file);
            let server = Server::new(move |request| {
                let is_base = request.path.contains(UUID);
                match (request.path.ends_with("/file"), is_base) {
                    (true, _) if request.path.contains(dying) => {
                        of_file(if is_base { &base } else { &child })
                    }
                    (true, true) => Reply::bytes(&base),
                    (true, false) => Reply::bytes(&child),
                    (false, is_base) => Reply::json(200, manifests[usize::from(!is_base)].clone()),
                }
            });
            attempt(&server, part);
        }
    }
}

fn dripping() -> Server {
    let file = good();
    let data = file.clone();
    server_of(&manifest(&file, json!({})), move |_| Reply {
        drip: Some(Duration::from_millis(300)),
        ..Reply::bytes(&data)
    })
}

#[test]
fn a_slow_drip_is_given_up() {
    let (sim, server) = (Sim::new(), dripping());
    sim.sources(&[&server.url()]);
    let started = Instant::now();
    let output = sim.command(&["import", UUID]).env("IMGADM_STALL_TIMEOUT", "1").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("error (ETIMEDOUT)") && stderr.contains("is too slow"), "{stderr}");
    assert!(started.elapsed() < Duration::from_secs(20));
    left_nothing(&sim);
}

#[test]
fn an_interrupt_leaves_nothing() {
    let (sim, server) = (Sim::new(), dripping());
    sim.sources(&[&server.url()]);
    let mut child = sim.command(&["import", UUID]).spawn().unwrap();
    while server.paths().len() < 2 {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(8));
    left_nothing(&sim);
}

#[test]
fn what_is_no_manifest_is_refused() {
    let file = good();
    let sim = Sim::new();
    for (body, part) in [
        ("{not json".to_owned(), "response not JSON"),
        ("[]".to_owned(), "answered with what has no uuid"),
        (
            manifest(&file, json!({"uuid": "../../../../etc/passwd"})).to_string(),
            "answered with image \"../",
        ),
        (manifest(&file, json!({"origin": "../../x"})).to_string(), "is not a UUID"),
        (manifest(&file, json!({"origin": UUID})).to_string(), "have no end"),
        (manifest(&file, json!({"files": [{"size": -1}]})).to_string(), "is not a number of bytes"),
        (
            manifest(&file, json!({"files": [{"size": 1, "compression": "rot13"}]})).to_string(),
            "file compression \"rot13\" is none of",
        ),
        (manifest(&file, json!({"files": []})).to_string(), "has no files"),
        ("[".repeat(100_000), "response not JSON"),
    ] {
        let server = Server::new(move |_| Reply::json(200, body.clone()));
        refused(&sim, &server, part);
    }
}

#[test]
fn names_of_images_are_no_commands_to_the_terminal() {
    let file = good();
    let data = file.clone();
    let named = json!({"name": "a\u{1b}[31mb\nc", "version": "1\t\u{9b}2J"});
    let server = server_of(&manifest(&file, named), move |_| Reply::bytes(&data));
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    let directory = sim.path("mirror");
    for arguments in [
        &["import", UUID][..],
        &["import", UUID],
        &["vacuum", "-n"],
        &["mirror", directory.to_str().unwrap()],
    ] {
        let output = sim.imgadm(arguments);
        assert!(output.status.success(), "{output:?}");
        let (stdout, stderr) = said(&output);
        let raw = |c: char| c.is_control() && c != '\n';
        assert!(!stdout.contains(raw) && !stderr.contains(raw), "{arguments:?}: {output:?}");
        assert!(!stdout.contains("\nc"), "{arguments:?}: {stdout}");
    }
}

#[test]
fn what_is_no_list_is_told_of_by_its_source() {
    let sim = Sim::new();
    let server = Server::new(|_| Reply::bytes(b"<html>Welcome</html>"));
    sim.sources(&[&server.url()]);
    let (_, stderr) = said(&sim.imgadm(&["avail"]));
    let message = format!(
        "imgadm avail: error (InternalError): {}: the answer is no list of images: ",
        server.url()
    );
    assert!(stderr.starts_with(&message), "{stderr}");
}

#[test]
fn redirects_are_followed_to_http_only() {
    let file = good();
    let sim = Sim::new();
    let lead = |to: String| {
        Server::new(move |_| Reply { status: 302, ..Reply::default() }.header("location", &to))
    };
    refused(&sim, &lead("file:///etc/passwd".into()), "only http and https are followed");
    refused(&sim, &lead("/again".into()), "redirects");
    // What stands in the query of a path leads nowhere else.
    let data = file.clone();
    let elsewhere = "/cdn/x?sig=1&from=ftp://127.0.0.1/y";
    let own = answers(&manifest(&file, json!({})), move |_| {
        Reply { status: 302, ..Reply::default() }.header("location", elsewhere)
    });
    let own = Server::new(move |request| match request.path.as_str() {
        path if path == elsewhere => Reply::bytes(&data),
        _ => own(request),
    });
    let (code, _, stderr) = import(&sim, &own);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(sim.imgadm(&["delete", UUID]).status.success());
    let data = file.clone();
    let real = server_of(&manifest(&file, json!({})), move |_| Reply::bytes(&data));
    let base = real.url();
    let front = Server::new(move |request| {
        Reply { status: 307, ..Reply::default() }
            .header("location", &format!("{base}{}", request.path))
    });
    assert_eq!(import(&sim, &front).0, 0);
}

#[test]
fn data_that_is_not_compressed_as_it_should_be_is_refused() {
    let file = good();
    let sim = Sim::new();
    for compression in ["gzip", "bzip2", "xz", "zstd"] {
        let files = json!([{"sha1": sha1(&file), "size": file.len(), "compression": compression}]);
        let data = file.clone();
        let server =
            server_of(&manifest(&file, json!({"files": files})), move |_| Reply::bytes(&data));
        refused(&sim, &server, &format!("(UncompressionError): {compression} uncompression error"));
    }
}

#[test]
fn a_dead_source_costs_no_time_and_hides_no_other() {
    let file = good();
    let data = file.clone();
    let server = server_of(&manifest(&file, json!({})), move |_| Reply::bytes(&data));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sim = Sim::new();
    sim.sources(&[&format!("http://{dead}"), &server.url()]);
    let started = Instant::now();
    assert!(sim.imgadm(&["import", UUID]).status.success());
    let output = sim.imgadm(&["import", "1affffff-0000-4000-8000-000000000000"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("error (ActiveImageNotFound)"), "{stderr}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn ten_thousand_images_are_listed_in_little_memory() {
    let list: Vec<Value> = (0..10_000)
        .map(|n| {
            let mut image = manifest(b"", json!({"name": format!("image-{n:05}")}));
            image["uuid"] = format!("1a000001-0000-4000-8000-{n:012}").into();
            image["description"] = "x".repeat(500).into();
            image
        })
        .collect();
    let text = Value::Array(list).to_string();
    let server = Server::new(move |_| Reply::json(200, text.clone()));
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    for (arguments, lines) in [
        (&["avail"][..], 10_001),
        (&["avail", "-j"][..], 220_002),
        (&["avail", "-j", "name=image-00007"][..], 30),
        (&["avail", "-H", "name=~image-000"][..], 100),
    ] {
        let (output, peak) = measured(&mut sim.command(arguments));
        assert!(output.status.success());
        let count = String::from_utf8_lossy(&output.stdout).lines().count();
        assert!(count.abs_diff(lines) < 10, "{arguments:?}: {count} lines");
        assert!(peak < 64 * 1024, "{arguments:?}: {peak} KiB");
    }
}

#[test]
fn two_imports_of_one_image_are_one_after_the_other() {
    let file = good();
    let data = file.clone();
    let server = server_of(&manifest(&file, json!({})), move |_| {
        std::thread::sleep(Duration::from_millis(1500));
        Reply::bytes(&data)
    });
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    let start =
        || sim.command(&["import", UUID]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (first, second) = (start(), start());
    let outputs = [first.wait_with_output().unwrap(), second.wait_with_output().unwrap()];
    assert!(outputs.iter().all(|output| output.status.success()));
    let said: String =
        outputs.iter().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).collect();
    assert_eq!(said.matches("Imported image").count(), 1, "{said}");
    assert_eq!(said.matches("was imported while waiting on lock").count(), 1, "{said}");
    assert!(said.contains(&format!("Waiting for image {UUID} import lock")), "{said}");
}

#[test]
fn an_import_that_waited_sees_what_the_other_left_or_took_away() {
    let file = good();
    let data = file.clone();
    let server = server_of(&manifest(&file, json!({})), move |_| Reply::bytes(&data));
    let partial = format!("zones/{UUID}-partial\t-\n");
    for (before, after) in [("", partial.as_str()), (&partial, "")] {
        let sim = Sim::new();
        sim.sources(&[&server.url()]);
        let datasets = |more: &str| {
            std::fs::write(sim.path("sim/datasets"), format!("zones\t-\n{more}")).unwrap();
        };
        datasets(before);
        let lock = sim.path(format!("var/run/img.{UUID}.import.lock"));
        let held = gz::lock::acquire(&lock, "image", Duration::ZERO).unwrap();
        let mut command = sim.command(&["import", UUID]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("import lock") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0);
        }
        datasets(after);
        drop(held);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{rest}{output:?}");
        let warned = rest.contains("Warning: deleting partial dataset left over");
        assert_eq!(warned, !after.is_empty(), "{rest}");
        let image = format!("zones/{UUID}");
        assert_eq!(sim.datasets(), ["zones".to_owned(), image.clone(), format!("{image}@final")]);
    }
}

#[test]
fn an_installation_takes_away_what_a_killed_one_left() {
    let (sim, file) = (Sim::new(), good());
    std::fs::write(sim.path("m"), manifest(&file, json!({})).to_string()).unwrap();
    std::fs::write(sim.path("f"), &file).unwrap();
    let (m, f) = (sim.path("m"), sim.path("f"));
    let left = format!("zones\t-\nzones/{UUID}-partial\t-\n");
    std::fs::write(sim.path("sim/datasets"), left).unwrap();
    let output = sim.imgadm(&["install", "-m", m.to_str().unwrap(), "-f", f.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(said(&output).0.contains("Warning: deleting partial dataset"), "{output:?}");
    assert!(!sim.datasets().iter().any(|name| name.ends_with("-partial")));
}

#[test]
fn a_failed_child_takes_back_the_base_it_brought() {
    let (base, child) = (good(), stream(1000, "-", &["final"], 2));
    let child_uuid = "1a000002-0000-4000-8000-000000000002";
    let mut top = manifest(&child, json!({"uuid": child_uuid, "origin": UUID}));
    top["files"][0]["sha1"] = "0".repeat(40).into();
    let bottom = manifest(&base, json!({})).to_string();
    let server = Server::new(move |request| match request.path.as_str() {
        path if path.ends_with("/file") && path.contains(UUID) => Reply::bytes(&base),
        path if path.ends_with("/file") => {
            std::thread::sleep(Duration::from_millis(500));
            Reply::bytes(&child)
        }
        path if path.ends_with(UUID) => Reply::json(200, bottom.clone()),
        _ => Reply::json(200, top.to_string()),
    });
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    let output = sim.imgadm(&["import", child_uuid]);
    assert_eq!(output.status.code(), Some(1));
    left_nothing(&sim);
}

#[test]
fn several_images_are_imported_with_what_they_share() {
    let uuid = |n: u32| format!("1a00000{n}-0000-4000-8000-000000000001");
    let files: Vec<Vec<u8>> = (1..4).map(|n| stream(1000, "-", &["final"], n)).collect();
    let manifests: Vec<String> = (1..4)
        .map(|n| {
            let mut manifest = manifest(&files[n as usize - 1], json!({"uuid": uuid(n)}));
            if n > 1 {
                manifest["origin"] = uuid(1).into();
            }
            manifest.to_string()
        })
        .collect();
    let server = Server::new(move |request| {
        let place = (1..4).find(|n| request.path.contains(&uuid(*n)));
        match place.map(|n| n as usize - 1) {
            Some(place) if request.path.ends_with("/file") => Reply::bytes(&files[place]),
            Some(place) => Reply::json(200, manifests[place].clone()),
            None => Reply::not_found(),
        }
    });
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    let output = sim.imgadm(&["import", &uuid(2), &uuid(3)]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sim.datasets().len(), 7);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Must download and install 3 images"), "{said}");
    assert_eq!(said.matches("Imported image").count(), 3, "{said}");
    let asked = server.paths();
    assert_eq!(
        asked.iter().filter(|path| **path == format!("/images/{}/file", uuid(1))).count(),
        1
    );
}

/// So many MiB of zeros after a beginning, compressed by gzip.
fn bomb(head: &[u8], mib: usize) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(head).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..mib {
        packer.write_all(&zeros).unwrap();
    }
    packer.finish().unwrap()
}

/// The command fails with `part` in its message, in little memory, long before all is unpacked, and leaves nothing.
fn stopped(sim: &Sim, arguments: &[&str], part: &str) {
    let (output, peak) = measured(&mut sim.command(arguments));
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
    assert!(peak < 64 * 1024, "{peak} KiB");
    left_nothing(sim);
}

#[test]
fn a_bomb_stops_at_what_manifest_and_pool_allow() {
    const TOO_MUCH: &str = "more than it says or zpool \"zones\" can hold";
    let sim = Sim::new();
    let data = bomb(b"STREAM 1 - final\n", 160);
    let compressed = json!([{"sha1": sha1(&data), "size": data.len(), "compression": "gzip"}]);
    let serve = |more: Value| {
        let mut image = manifest(&data, more);
        image["files"] = compressed.clone();
        let data = data.clone();
        server_of(&image, move |_| Reply::bytes(&data))
    };
    // A volume says how large it is.
    let volume = json!({"type": "zvol", "image_size": 8, "nic_driver": "virtio",
        "disk_driver": "virtio", "cpu_type": "host"});
    let server = serve(volume);
    sim.sources(&[&server.url()]);
    stopped(&sim, &["import", UUID], TOO_MUCH);
    // For anything else there is the pool.
    std::fs::write(sim.path("sim/available"), (16 << 20).to_string()).unwrap();
    let server = serve(json!({}));
    sim.sources(&[&server.url()]);
    stopped(&sim, &["import", UUID], TOO_MUCH);
    // Nor does a disk image or an archive unpack without end, into a file or a dataset.
    let about = ["--name", "x", "--version", "1", "--os", "linux"];
    let disk = sim.path("disk.img.gz");
    std::fs::write(&disk, bomb(&[0xeb], 160)).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_uid(u64::from(nix::unistd::geteuid().as_raw()));
    header.set_gid(u64::from(nix::unistd::getegid().as_raw()));
    header.set_size(160 << 20);
    header.set_cksum();
    let archive = sim.path("root.tar.gz");
    std::fs::write(&archive, bomb(header.as_bytes(), 161)).unwrap();
    for path in [&disk, &archive] {
        let mut arguments = vec!["import"];
        arguments.extend(about);
        arguments.push(path.to_str().unwrap());
        stopped(&sim, &arguments, TOO_MUCH);
    }
}

/// An xz file of so many MiB of zeros stored as they are, whose one block asks for the dictionary that the byte stands
/// for (xz format specification, 5.3.1).
fn stored_xz(head: &[u8], dictionary: u8, mib: usize) -> Vec<u8> {
    let summed = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        [bytes, &crc.sum().to_le_bytes()].concat()
    };
    let number = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    };
    let mut content = head.to_vec();
    content.resize(head.len() + (mib << 20), 0);
    let mut block = summed(&[2, 0, 0x21, 1, dictionary, 0, 0, 0]);
    for (place, chunk) in content.chunks(1 << 16).enumerate() {
        let size = u16::try_from(chunk.len() - 1).unwrap().to_be_bytes();
        block.extend([if place == 0 { 1 } else { 2 }, size[0], size[1]]);
        block.extend(chunk);
    }
    block.push(0);
    let unpadded = block.len();
    block.resize(unpadded.next_multiple_of(4), 0);
    let mut index = [&[0, 1][..], &number(unpadded), &number(content.len())].concat();
    index.resize(index.len().next_multiple_of(4), 0);
    let index = summed(&index);
    let backward = u32::try_from(index.len() / 4 - 1).unwrap().to_le_bytes();
    let footer = summed(&[&backward[..], &[0, 0]].concat());
    let footer = [&footer[6..], &footer[..6], b"YZ"].concat();
    [&b"\xfd7zXZ\0"[..], &summed(&[0, 0]), &block, &index, &footer].concat()
}

/// A zstd frame of so many MiB of zeros, whose window is that of the byte (RFC 8878, 3.1.1.1.2).
fn zstd_zeros(head: &[u8], window: u8, mib: usize) -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    // The size of a block, its kind (0 stored, 1 a byte repeated), and whether it is the last.
    let block = |size: u32, kind: u32, last: bool| {
        let [a, b, c, _] = ((size << 3) | (kind << 1) | u32::from(last)).to_le_bytes();
        [a, b, c]
    };
    let mut out = [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..]].concat();
    out.extend(block(u32::try_from(head.len()).unwrap(), 0, false));
    out.extend(head);
    let count = mib << 3;
    for place in 1..=count {
        out.extend(block(BLOCK, 1, place == count));
        out.push(0);
    }
    out
}

#[test]
fn dictionaries_are_bounded() {
    const TOO_LARGE: &str = "MiB of memory, more than the 32 MiB allowed";
    const MIB: usize = 48;
    let head = format!("STREAM {} - final\n", MIB << 20).into_bytes();
    let head = head.as_slice();
    let sim = Sim::new();
    // What `xz -8`, `zstd -19` and `zstd --long=24` ask for; then `xz -9` and `zstd --ultra -20`.
    for (compression, data, allowed) in [
        ("xz", stored_xz(head, 26, MIB), true),
        ("zstd", zstd_zeros(head, 13 << 3, MIB), true),
        ("zstd", zstd_zeros(head, 14 << 3, MIB), true),
        ("xz", stored_xz(head, 28, MIB), false),
        ("zstd", zstd_zeros(head, 15 << 3, MIB), false),
    ] {
        let mut image = manifest(&data, json!({}));
        image["files"] =
            json!([{"sha1": sha1(&data), "size": data.len(), "compression": compression}]);
        let server = server_of(&image, move |_| Reply::bytes(&data));
        sim.sources(&[&server.url()]);
        if !allowed {
            stopped(&sim, &["import", UUID], TOO_LARGE);
        }
        let mut command = sim.command(&["import", UUID]);
        if !allowed {
            // An operator who knows the image may want it all the same.
            command.env("IMGADM_DICTIONARY_LIMIT", "64");
        }
        let (output, peak) = measured(&mut command);
        assert!(output.status.success(), "{:?}", said(&output));
        assert!(peak < if allowed { 64 } else { 96 } * 1024, "{compression}: {peak} KiB");
        println!("{compression}: {peak} KiB");
        assert!(sim.imgadm(&["delete", UUID]).status.success());
    }
}

#[test]
fn answers_without_end_take_no_memory() {
    let sim = Sim::new();
    let text = b"x".repeat(1 << 16);
    let start = manifest(b"", json!({})).to_string().into_bytes();
    let servers = [
        // A text, a list of one image after the other, a header.
        Server::new(move |_| Reply { endless: true, ..Reply::bytes(&text) }),
        Server::new(move |request| {
            let list = request.path.starts_with("/images?") || request.path == "/images";
            let body = if list { [b"[", &start[..]].concat() } else { start.clone() };
            let endless = [&body[1..], b","].concat();
            Reply { endless: true, ..Reply::bytes(if list { &endless } else { &start }) }
        }),
        Server::new(|_| Reply::json(200, "{}").header("x-long", &"x".repeat(10 << 20))),
    ];
    for server in &servers {
        sim.sources(&[&server.url()]);
        for arguments in [&["avail"][..], &["import", UUID]] {
            stopped(&sim, arguments, "error");
        }
    }
}
