//! `imgadm serve`: what it answers, who may change what, channels, and how it starts and ends.

mod common;

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::process::Output;
use std::time::{Duration, Instant};

use common::image::{UUID, manifest};
use common::said;
use common::serve::{Served, TOKEN, lay};
use common::tools::{Sim, sha1, stream};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const OTHER: &str = "1a000002-0000-4000-8000-000000000002";

fn file() -> Vec<u8> {
    stream(100_000, "-", &["final"], 1)
}

#[test]
fn manifests_and_files_are_sent_whole_in_part_or_not_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = file();
    lay(dir.path(), UUID, &file, &json!({}));
    let served = Served::start(dir.path());
    let path = format!("/images/{UUID}");
    let (status, answer) = served.get(&path);
    assert_eq!((status, &answer["uuid"]), (200, &json!(UUID)));
    let get = |path: &str, headers: &[(&str, &str)]| served.request("GET", path, headers, b"");
    let of_file = format!("{path}/file");
    let etag = |path: &str| get(path, &[]).headers()["etag"].to_str().unwrap().to_owned();
    for path in [&path, &of_file] {
        let tag = etag(path);
        for known in [tag.clone(), format!("\"x\", {tag}"), "*".to_owned()] {
            assert_eq!(get(path, &[("if-none-match", &known)]).status(), 304, "{path}");
        }
        assert_eq!(get(path, &[("if-none-match", "\"x\"")]).status(), 200);
        let head = served.request("HEAD", path, &[], b"");
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["etag"], tag.as_str());
        assert_eq!(head.headers()["api-version"], "2.0.0");
    }
    let head = served.request("HEAD", &of_file, &[], b"");
    assert_eq!(head.headers()["content-length"], file.len().to_string());
    let tag = etag(&of_file);
    for (headers, status, expected) in [
        (&[][..], 200, &file[..]),
        (&[("range", "bytes=10-19")][..], 206, &file[10..20]),
        (&[("range", "bytes=99990-")][..], 206, &file[99_990..]),
        (&[("range", "bytes=-5")][..], 206, &file[99_995..]),
        (&[("range", "bytes=5-"), ("if-range", &tag)][..], 206, &file[5..]),
        (&[("range", "bytes=5-"), ("if-range", "\"old\"")][..], 200, &file[..]),
    ] {
        let mut response = get(&of_file, headers);
        assert_eq!(response.status(), status, "{headers:?}");
        let body = response.body_mut().read_to_vec().unwrap();
        assert!(body == expected, "{headers:?}: {} bytes", body.len());
    }
    let beyond = get(&of_file, &[("range", "bytes=100000-")]);
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], "bytes */100000");
}

#[test]
fn what_is_not_there_or_not_allowed_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), UUID, &file(), &json!({}));
    let served = Served::start(dir.path());
    for (path, message) in [
        ("/nosuch", "/nosuch does not exist"),
        ("/images/nosuch", "/images/nosuch does not exist"),
        ("/images/..%2f..%2fetc%2fpasswd", "does not exist"),
        (&format!("/images/{OTHER}"), "not found"),
        (&format!("/images/{OTHER}/file"), "not found"),
        (&format!("/images/{UUID}/icon"), "has no icon"),
        ("/channels", "this server has no channels"),
    ] {
        let (status, answer) = served.get(path);
        assert_eq!((status, &answer["code"]), (404, &json!("ResourceNotFound")), "{path}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{path}: {answer}");
    }
    let (status, answer) = served.trusted("PATCH", "/images", b"{}");
    assert_eq!((status, &answer["code"]), (405, &json!("MethodNotAllowed")));
    let (status, answer) = served.get("/images?state=nosuch");
    assert_eq!((status, &answer["code"]), (422, &json!("InvalidParameter")));
    assert_eq!(answer["errors"], json!([{"field": "state", "code": "Invalid"}]));
    assert_eq!(served.get("/images?inclAdminFields=true").0, 401);
    assert_eq!(served.trusted("GET", "/images?inclAdminFields=true", b"").0, 200);
    let (_, pong) = served.get("/ping");
    assert_eq!((&pong["ping"], &pong["imgapi"]), (&json!("pong"), &json!(true)));
}

#[test]
fn a_type_can_be_left_out_of_a_list() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), UUID, &file(), &json!({"type": "zvol"}));
    lay(dir.path(), OTHER, &file(), &json!({}));
    let served = Served::start(dir.path());
    for (query, expected) in [
        ("type=zvol", &[UUID][..]),
        ("type=!zvol", &[OTHER]),
        ("type=%21lx-dataset", &[UUID, OTHER]),
    ] {
        let (status, list) = served.get(&format!("/images?{query}"));
        assert_eq!(status, 200);
        let uuids: Vec<&str> =
            list.as_array().unwrap().iter().map(|image| image["uuid"].as_str().unwrap()).collect();
        assert_eq!(uuids, expected, "{query}");
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_told_of_once() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), UUID, &file(), &json!({}));
    let bad = dir.path().join(format!("{OTHER}.json"));
    std::fs::write(&bad, "{").unwrap();
    let log = dir.path().join("log");
    let served = Served::start_with(dir.path(), |command| {
        command.stderr(std::fs::File::create(&log).unwrap())
    });
    for _ in 0..2 {
        let (status, list) = served.get("/images");
        assert_eq!((status, list.as_array().unwrap().len()), (200, 1));
    }
    let log = std::fs::read_to_string(&log).unwrap();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let start =
        format!("imgadm: warning: {} is not served: ", bad.canonicalize().unwrap().display());
    assert!(warnings[0].starts_with(&start), "{log}");
}

#[test]
fn an_image_is_created_filled_activated_changed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let refused = |method: &str, path: &str, body: &[u8], status: u16, code: &str| {
        let answer = served.trusted(method, path, body);
        assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)), "{method} {path}");
    };
    let file = file();
    let fields = json!({"name": "new", "version": "1", "type": "zone-dataset", "os": "smartos"});
    let (status, image) = served.trusted("POST", "/images", fields.to_string().as_bytes());
    assert_eq!((status, &image["state"]), (200, &json!("unactivated")), "{image}");
    let uuid = image["uuid"].as_str().unwrap();
    let path = format!("/images/{uuid}");
    // Only those with the token see it.
    assert_eq!(served.get("/images?state=all").1, json!([]));
    let (_, list) = served.trusted("GET", "/images?state=unactivated", b"");
    assert_eq!(list[0]["uuid"], uuid);

    refused("POST", "/images", b"not JSON", 422, "ValidationFailed");
    refused("POST", "/images", b"{\"name\": \"x\"}", 422, "ValidationFailed");
    refused("POST", "/images", br#"{"uuid": "x"}"#, 422, "ValidationFailed");
    refused("POST", "/images?action=create-from-vm", b"", 422, "InvalidParameter");
    refused("POST", &path, b"", 422, "InvalidParameter");
    refused("POST", &format!("{path}?action=nosuch"), b"", 422, "InvalidParameter");
    refused("POST", &format!("{path}?action=activate"), b"", 422, "NoActivationNoFile");
    let upload = |query: &str| format!("{path}/file?{query}");
    refused("PUT", &upload(""), &file, 422, "InvalidParameter");
    refused("PUT", &upload("compression=rot13"), &file, 422, "InvalidParameter");
    let wrong = upload(&format!("compression=none&sha1={}", "0".repeat(40)));
    refused("PUT", &wrong, &file, 400, "Upload");
    let right = upload(&format!("compression=none&sha1={}&dataset_guid=123", sha1(&file)));
    let (status, image) = served.trusted("PUT", &right, &file);
    let stored = json!([{"sha1": sha1(&file), "size": file.len(), "compression": "none",
        "dataset_guid": "123"}]);
    assert_eq!((status, &image["files"]), (200, &stored), "{image}");
    // Nothing but manifest and file is left of all that.
    let mut names: Vec<_> = std::fs::read_dir(dir.path().join("images").join(uuid))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["file", "index.json"]);

    let (status, image) = served.trusted("POST", &format!("{path}?action=activate"), b"");
    assert_eq!((status, &image["state"]), (200, &json!("active")));
    assert!(image["published_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{image}");
    refused("POST", &format!("{path}?action=activate"), b"", 422, "ImageAlreadyActivated");
    refused("PUT", &right, &file, 422, "ImageFilesImmutable");
    refused(
        "POST",
        &format!("{path}?action=import"),
        &serde_json::to_vec(&image).unwrap(),
        409,
        "ImageUuidAlreadyExists",
    );
    let mut sent = served.request("GET", &format!("{path}/file"), &[], b"");
    assert!(sent.body_mut().read_to_vec().unwrap() == file);

    let update = format!("{path}?action=update");
    let (_, image) = served.trusted("POST", &update, br#"{"description": "d", "tags": {"a": 1}}"#);
    assert_eq!((&image["description"], &image["tags"]), (&json!("d"), &json!({"a": 1})));
    let (_, image) = served.trusted("POST", &update, br#"{"description": null}"#);
    assert_eq!(image.get("description"), None);
    refused("POST", &update, br#"{"files": []}"#, 422, "ValidationFailed");
    refused("POST", &update, br#"{"os": "nosuch"}"#, 422, "ValidationFailed");
    refused("POST", &update, b"", 422, "ValidationFailed");

    let (_, image) = served.trusted("POST", &format!("{path}?action=disable"), b"");
    assert_eq!((&image["state"], &image["disabled"]), (&json!("disabled"), &json!(true)));
    assert_eq!(served.get("/images").1, json!([]));
    served.trusted("POST", &format!("{path}?action=enable"), b"");
    assert_eq!(served.get("/images").1[0]["uuid"], uuid);

    let icon = format!("{path}/icon");
    refused("PUT", &icon, b"pixels", 400, "Upload");
    let bearer = format!("Bearer {TOKEN}");
    let png = [("authorization", bearer.as_str()), ("content-type", "image/png")];
    assert_eq!(served.request("PUT", &icon, &png, b"pixels").status(), 200);
    assert_eq!(served.request("PUT", &icon, &png, &vec![0; 200_000]).status(), 400);
    let mut sent = served.request("GET", &icon, &[], b"");
    assert_eq!(sent.headers()["content-type"], "image/png");
    assert_eq!(sent.body_mut().read_to_vec().unwrap(), b"pixels");
    assert_eq!(served.get(&path).1["icon"], true);
    assert_eq!(served.trusted("DELETE", &icon, b"").0, 204);
    assert_eq!(served.get(&icon).0, 404);

    // Not while another is made from it.
    let child = manifest(&file, json!({"uuid": OTHER, "origin": uuid}));
    served.publish(&child, &file, "");
    refused("DELETE", &path, b"", 422, "ImageHasDependentImages");
    let orphan = manifest(&file, json!({"origin": "1affffff-0000-4000-8000-000000000000"}));
    let import = format!("/images/{UUID}?action=import");
    refused("POST", &import, orphan.to_string().as_bytes(), 422, "OriginDoesNotExist");
    for path in [&format!("/images/{OTHER}"), &path] {
        assert_eq!(served.trusted("DELETE", path, b"").0, 204);
        assert_eq!(served.get(path).0, 404);
    }
}

#[test]
fn nothing_is_changed_without_the_token() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), UUID, &file(), &json!({}));
    let path = format!("/images/{UUID}");
    let requests = [
        ("POST", "/images".to_owned()),
        ("POST", format!("{path}?action=import")),
        ("POST", format!("{path}?action=disable")),
        ("PUT", format!("{path}/file?compression=none")),
        ("PUT", format!("{path}/icon")),
        ("DELETE", format!("{path}/icon")),
        ("DELETE", path.clone()),
    ];
    let asking = Served::start(dir.path());
    let reading = Served::start_with(dir.path(), |command| command);
    for (method, path) in &requests {
        for wrong in ["", "Bearer ", "Bearer wrong", TOKEN, &format!("Basic {TOKEN}")] {
            let answer = asking.request(method, path, &[("authorization", wrong)], b"{}");
            assert_eq!(answer.status(), 401, "{method} {path} {wrong}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let answer = reading.request(method, path, &[("authorization", &bearer)], b"{}");
        assert_eq!(answer.status(), 403, "{method} {path}");
    }
    assert_eq!(asking.get(&path).1["state"], "active");
    // An image that was not published here cannot be deleted here.
    assert_eq!(asking.trusted("DELETE", &path, b"").0, 409);
}

fn imgadm(sim: &Sim, arguments: &[&str]) -> Output {
    sim.command(arguments).env("IMGADM_TOKEN", TOKEN).output().unwrap()
}

/// The lines of a command that succeeds.
fn lines(sim: &Sim, arguments: &[&str]) -> Vec<String> {
    let output = imgadm(sim, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    said(&output).0.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn channels_keep_images_apart() {
    let dir = tempfile::tempdir().unwrap();
    let channels = json!([
        {"name": "dev", "description": "all commits", "default": true},
        {"name": "release", "description": "releases"}
    ]);
    std::fs::write(dir.path().join("channels.json"), channels.to_string()).unwrap();
    let served = Served::start(dir.path());
    assert_eq!(served.get("/channels").1, channels);
    let file = file();
    served.publish(&manifest(&file, json!({"name": "in-dev"})), &file, "");
    let released = manifest(&file, json!({"name": "in-release", "uuid": OTHER}));
    served.publish(&released, &file, "&channel=release");

    let sim = Sim::new();
    let at = |channel: &str| format!("{}?channel={channel}", served.url);
    for (url, names) in [
        (served.url.clone(), &["in-dev"][..]),
        (at("dev"), &["in-dev"]),
        (at("release"), &["in-release"]),
        (at("*"), &["in-dev", "in-release"]),
    ] {
        sim.sources(&[&url]);
        assert_eq!(lines(&sim, &["avail", "-H", "-o", "name", "-s", "name"]), names, "{url}");
    }
    sim.sources(&[&at("nosuch")]);
    let output = imgadm(&sim, &["avail"]);
    let (_, stderr) = said(&output);
    assert!(stderr.contains("error (ValidationFailed)"), "{stderr}");
    assert!(stderr.contains("unknown channel: nosuch"), "{stderr}");

    // Import: the source's channel, and -C over it.
    sim.sources(&[&served.url]);
    let output = imgadm(&sim, &["import", OTHER]);
    assert!(said(&output).1.contains("error (ActiveImageNotFound)"), "{output:?}");
    let told = lines(&sim, &["import", "-C", "release", OTHER]);
    let first = format!(
        "Importing {OTHER} (in-release@1.0.0) from \"{}\", channel \"release\"",
        served.url
    );
    assert_eq!(told[0], first);
    sim.sources(&[&at("dev")]);
    assert_eq!(lines(&sim, &["show", UUID])[0], "{");
    assert_eq!(imgadm(&sim, &["show", OTHER]).status.code(), Some(1));

    // Into another channel, out of the first, and gone with the last.
    let path = format!("/images/{UUID}");
    let add = format!("{path}?action=channel-add");
    let (_, answer) = served.trusted("POST", &add, br#"{"channel": "release"}"#);
    assert_eq!(answer["channels"], json!(["dev", "release"]));
    assert_eq!(served.trusted("POST", &add, br#"{"channel": "nosuch"}"#).0, 422);
    assert_eq!(served.trusted("DELETE", &path, b"").0, 204);
    assert_eq!(served.get(&path).0, 404);
    let (_, left) = served.get(&format!("{path}?channel=release"));
    assert_eq!(left["channels"], json!(["release"]));
    assert_eq!(served.trusted("DELETE", &format!("{path}?channel=release"), b"").0, 204);
    assert_eq!(served.get(&format!("{path}?channel=*")).0, 404);
}

#[test]
fn what_imgadm_publishes_can_be_imported_and_a_failure_leaves_nothing() {
    let (dir, sim) = (tempfile::tempdir().unwrap(), Sim::new());
    let served = Served::start(dir.path());
    let file = file();
    let (manifest_path, file_path) = (sim.path("m.json"), sim.path("f"));
    std::fs::write(&file_path, &file).unwrap();
    let publish = |sim: &Sim, manifest: &Value| {
        std::fs::write(&manifest_path, manifest.to_string()).unwrap();
        let (m, f) = (manifest_path.to_str().unwrap(), file_path.to_str().unwrap());
        imgadm(sim, &["publish", "-m", m, "-f", f, &served.url])
    };
    let mut wrong = manifest(&file, json!({}));
    wrong["files"][0]["sha1"] = "0".repeat(40).into();
    let output = publish(&sim, &wrong);
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("sha1 expected to be {}, but was {}", "0".repeat(40), sha1(&file));
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(served.trusted("GET", "/images?state=all", b"").1, json!([]));

    let output = publish(&sim, &manifest(&file, json!({"state": "x", "published_at": "2020"})));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut good = manifest(&file, json!({}));
    good.as_object_mut().unwrap().shift_remove("state");
    good["published_at"] = Value::Null;
    let output = publish(&sim, &good);
    let expected = format!(
        "Imported image {UUID} (base, 1.0.0, state=unactivated)\n\
         Added file \"{}\" (compression \"none\") to image {UUID}\n\
         Activated image {UUID}\n\
         Successfully published image {UUID} to {}\n",
        file_path.display(),
        served.url
    );
    assert_eq!(said(&output), (expected, String::new()));
    let (_, stderr) = said(&publish(&sim, &good));
    assert!(stderr.contains("error (ImageUuidAlreadyExists)"), "{stderr}");
    // That failure took nothing away.
    sim.sources(&[&served.url]);
    lines(&sim, &["import", UUID]);
    assert!(sim.datasets().contains(&format!("zones/{UUID}@final")));
    let without = sim.imgadm(&[
        "publish",
        "-m",
        manifest_path.to_str().unwrap(),
        "-f",
        file_path.to_str().unwrap(),
        &served.url,
    ]);
    assert!(said(&without).1.contains("error (Unauthorized)"), "{without:?}");
}

#[test]
fn systemd_is_told_and_a_running_download_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let file = stream(20_000_000, "-", &["final"], 1);
    lay(dir.path(), UUID, &file, &json!({}));
    let notify = dir.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut served =
        Served::start_with(dir.path(), |command| command.env("NOTIFY_SOCKET", &notify));
    let heard = || {
        let mut buffer = [0; 100];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    };
    assert_eq!(heard(), "READY=1");
    let response = served.request("GET", &format!("/images/{UUID}/file"), &[], b"");
    let mut reader = response.into_body().into_reader();
    let mut data = vec![0; 100_000];
    reader.read_exact(&mut data).unwrap();
    served.signal(Signal::SIGTERM);
    assert_eq!(heard(), "STOPPING=1");
    // Nobody new is served.
    std::thread::sleep(Duration::from_millis(200));
    let port: u16 = served.url.rsplit(':').next().unwrap().parse().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    reader.read_to_end(&mut data).unwrap();
    assert!(data == file, "{} bytes", data.len());
    drop(reader);
    let started = Instant::now();
    assert!(served.wait().success());
    assert!(started.elapsed() < Duration::from_secs(5));
    let mut idle = Served::start(dir.path());
    idle.signal(Signal::SIGINT);
    assert!(idle.wait().success());
}
