//! Commands as an operator uses them: sources in an editor, old kinds of source, updates, mirrors, checks, progress.

mod common;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::image::{UUID, answers, manifest, server_of};
use common::said;
use common::serve::Served;
use common::server::{Reply, Request, Server};
use common::tools::{Sim, sha1, stream};
use serde_json::{Value, json};

const CHILD: &str = "1a000002-0000-4000-8000-000000000002";

fn file() -> Vec<u8> {
    stream(200_000, "-", &["final"], 1)
}

/// The standard output of a command that succeeds and says nothing else.
fn told(sim: &Sim, arguments: &[&str]) -> String {
    let output = sim.imgadm(arguments);
    let (stdout, stderr) = said(&output);
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    stdout
}

/// Edits the sources with a script whose first argument is the file.
fn edit(sim: &Sim, script: &str, options: &[&str]) -> Output {
    let editor = sim.path("editor");
    std::fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut arguments = vec!["sources", "-e"];
    arguments.extend(options);
    sim.command(&arguments).env("EDITOR", &editor).env_remove("VISUAL").output().unwrap()
}

#[test]
fn sources_are_edited_in_an_editor() {
    let sim = Sim::new();
    let server = server_of(&manifest(&file(), json!({})), |_| Reply::not_found());
    sim.sources(&["http://127.0.0.1:1", "http://127.0.0.1:2"]);
    let after = |output: Output| {
        assert!(output.status.success(), "{output:?}");
        (said(&output).0, told(&sim, &["sources"]))
    };
    let unchanged = "http://127.0.0.1:1\nhttp://127.0.0.1:2\n";
    for script in [
        ":",
        "touch \"$1\"",
        "echo '# a remark' >> \"$1\"",
        "sed -i 's/$/ /' \"$1\"",
        "echo http://127.0.0.1:1 >> \"$1\"",
    ] {
        let (stdout, list) = after(edit(&sim, script, &[]));
        assert_eq!((stdout.as_str(), list.as_str()), ("Image sources unchanged\n", unchanged));
    }
    // The file explains itself.
    let (_, _) = after(edit(&sim, &format!("cp \"$1\" {}", sim.path("seen").display()), &[]));
    let seen = std::fs::read_to_string(sim.path("seen")).unwrap();
    assert!(seen.starts_with("http://127.0.0.1:1  imgapi\nhttp://127.0.0.1:2  imgapi\n"), "{seen}");
    assert!(seen.contains("# One source a line: URL TYPE [OPTIONS]"), "{seen}");
    let script = "printf 'http://127.0.0.1:2\\nhttp://127.0.0.1:1 imgapi\\n' > \"$1\"";
    let (stdout, list) = after(edit(&sim, script, &[]));
    assert_eq!(stdout, "Reordered image sources\n");
    assert_eq!(list, "http://127.0.0.1:2\nhttp://127.0.0.1:1\n");
    // A source that is added is asked; one that is there already is not.
    let added = server.url();
    let script = format!("printf 'http://127.0.0.1:2\\n{added}\\n' > \"$1\"");
    let (stdout, list) = after(edit(&sim, &script, &[]));
    let expected = format!(
        "Deleted \"imgapi\" image source \"http://127.0.0.1:1\"\n\
         Added \"imgapi\" image source \"{added}\"\n"
    );
    assert_eq!((stdout, list.clone()), (expected, format!("http://127.0.0.1:2\n{added}\n")));
    for (script, code) in [
        ("echo http://127.0.0.1:3 >> \"$1\"", "SourcePing"),
        ("echo http://127.0.0.1:3 nosuch >> \"$1\"", "ConfigError"),
        ("echo http://127.0.0.1:3 imgapi nosuch >> \"$1\"", "Usage"),
        ("kill -9 $$", "InternalError"),
    ] {
        let output = edit(&sim, script, &[]);
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert!(said(&output).1.contains(&format!("error ({code})")), "{output:?}");
        assert_eq!(told(&sim, &["sources"]), list);
    }
    // What an editor that fails left of the file is not looked at, as the original does.
    let output = edit(&sim, "echo http://127.0.0.1:3 >> \"$1\"; exit 3", &[]);
    let ignored = "Error editing image sources: 3 (ignoring)\n";
    assert_eq!(said(&output), (String::new(), ignored.to_owned()));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told(&sim, &["sources"]), list);
    let script = "echo https://127.0.0.1:3 docker insecure >> \"$1\"";
    let (stdout, _) = after(edit(&sim, script, &["-f"]));
    assert_eq!(stdout, "Added \"docker\" image source \"https://127.0.0.1:3\" (insecure)\n");
    // An editor with options, and one that is not there.
    let run = |visual: &str, editor: &str| {
        let mut command = sim.command(&["sources", "-e"]);
        command.env("VISUAL", visual).env("EDITOR", editor).output().unwrap()
    };
    let list = told(&sim, &["sources"]);
    let with_options = format!("{} -n", sim.path("editor").display());
    std::fs::write(sim.path("editor"), "#!/bin/sh\n[ \"$1\" = -n ] && echo http://[ >> \"$2\"\n")
        .unwrap();
    let (_, stderr) = said(&run(" ", &with_options));
    assert!(stderr.contains("http://["), "{stderr}");
    let (_, stderr) = said(&run("/nosuch/vi", &with_options));
    assert!(stderr.contains("cannot run the editor \"/nosuch/vi\""), "{stderr}");
    assert_eq!(told(&sim, &["sources"]), list);
}

#[test]
fn changes_of_the_sources_wait_for_each_other() {
    let (first, second, third) = ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3");
    for (arguments, after) in [
        (&["sources", "-f", "-a", third][..], &[first, second, third][..]),
        (&["sources", "-d", first], &[second]),
        (&["sources", "-f", "-e"], &[third, second]),
    ] {
        let sim = Sim::new();
        sim.sources(&[first]);
        let lock = sim.path("var/run/imgadm.conf.lock");
        let held = gz::lock::acquire(&lock, "the sources", Duration::ZERO).unwrap();
        let editor = sim.path("editor");
        std::fs::write(&editor, format!("#!/bin/sh\necho {third} > \"$1\"\n")).unwrap();
        std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = sim.command(arguments);
        command.env("EDITOR", &editor).env_remove("VISUAL").stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        // What another adds in the meantime.
        sim.sources(&[first, second]);
        drop(held);
        assert!(child.wait().unwrap().success());
        let list = told(&sim, &["sources"]);
        assert_eq!(list.lines().collect::<Vec<_>>(), after, "{arguments:?}");
    }
}

#[test]
fn a_dsapi_source_works_and_a_default_source_that_is_gone_is_replaced_once() {
    let sim = Sim::new();
    let file = file();
    // Version 1 of manifests, as DSAPI had them.
    let old = json!({
        "uuid": UUID, "name": "old", "version": "1.0.0", "description": "d", "os": "smartos",
        "type": "zone-dataset", "creator_uuid": "1a000001-0000-4000-8000-0000000000aa",
        "creator_name": "c", "vendor_uuid": "1a000001-0000-4000-8000-0000000000aa",
        "platform_type": "smartos", "urn": "u:u:old:1.0.0", "created_at": "2012-01-02T00:00:00Z",
        "published_at": "2012-01-02T00:00:00Z",
        "files": [{"path": "old.zfs", "sha1": sha1(&file), "size": file.len()}]
    });
    let server = Server::new(move |request| match request.path.as_str() {
        "/ping" => Reply::json(200, r#"{"ping": "pong"}"#),
        "/datasets" => Reply::json(200, format!("[{old}]")),
        path if path == format!("/datasets/{UUID}") => Reply::json(200, old.to_string()),
        path if path == format!("/datasets/{UUID}/old.zfs") => Reply::bytes(&file),
        _ => Reply::not_found(),
    });
    sim.sources(&[]);
    let url = format!("{}/datasets", server.url());
    let added = told(&sim, &["sources", "-a", &url, "-t", "dsapi"]);
    assert_eq!(added, format!("Added \"dsapi\" image source \"{url}\"\n"));
    assert_eq!(told(&sim, &["avail", "-H", "-o", "uuid"]), format!("{UUID}\n"));
    told(&sim, &["import", UUID]);
    let (got, _) = said(&sim.imgadm(&["get", UUID]));
    let got: Value = serde_json::from_str(&got).unwrap();
    assert_eq!((&got["manifest"]["v"], &got["manifest"]["state"]), (&json!(2), &json!("active")));

    let conf = json!({"upgradedToVer": "3.0.0", "sources": [
        {"type": "dsapi", "url": "https://datasets.joyent.com/datasets/"},
        {"type": "imgapi", "url": "https://images.joyent.com"}]});
    std::fs::write(sim.path("var/imgadm/imgadm.conf"), conf.to_string()).unwrap();
    let (stdout, stderr) = said(&sim.imgadm(&["sources"]));
    assert_eq!(stdout, "https://images.smartos.org\n");
    assert_eq!(stderr.matches("no longer exists: using \"https://images.smartos.org\"").count(), 2);
    assert_eq!(told(&sim, &["sources", "-v"]).lines().count(), 2);
}

#[test]
fn an_update_names_the_snapshot_and_fills_in_the_manifest() {
    let sim = Sim::new();
    let source = manifest(&file(), json!({}));
    let mut with_guid = source.clone();
    with_guid["files"][0]["dataset_guid"] = "456".into();
    let server = server_of(&with_guid, |_| Reply::not_found());
    sim.sources(&[&server.url()]);
    let dataset = format!("zones/{UUID}");
    // As "zfs receive" leaves it: no manifest, two snapshots, none of the right name.
    let datasets = format!("zones\t-\n{dataset}\t-\n{dataset}@a\t-\n{dataset}@b\t-\n");
    std::fs::write(sim.path("sim/datasets"), datasets).unwrap();
    let guids = format!("{dataset}@a guid=123\n{dataset}@b guid=456\n");
    std::fs::write(sim.path("sim/properties"), guids).unwrap();
    let expected = format!(
        "Added manifest info for image {UUID} from \"{}\"\n\
         Renamed image {UUID} original snapshot from {dataset}@b to {dataset}@final\n",
        server.url()
    );
    assert_eq!(told(&sim, &["update", "-n"]), expected);
    assert_eq!(
        sim.datasets(),
        ["zones", &dataset, &format!("{dataset}@a"), &format!("{dataset}@b")]
    );
    assert!(!sim.path("var/imgadm/images").exists());
    assert_eq!(told(&sim, &["update", UUID]), expected);
    let after = ["zones", &dataset, &format!("{dataset}@a"), &format!("{dataset}@final")];
    assert_eq!(sim.datasets(), after);
    assert_eq!(told(&sim, &["list", "-H", "-o", "name"]), "base\n");
    assert_eq!(told(&sim, &["update"]), "");
    // What the source has changed is brought over.
    let mut changed = with_guid;
    changed["description"] = "new".into();
    let server = server_of(&changed, |_| Reply::not_found());
    sim.sources(&[&server.url()]);
    let expected = format!(
        "Updated 1 manifest field for image {UUID} from \"{}\": description\n",
        server.url()
    );
    assert_eq!(told(&sim, &["update"]), expected);
    let output = sim.imgadm(&["update", CHILD]);
    assert!(said(&output).1.contains("no installed image with the given UUID(s)"), "{output:?}");
    // A snapshot that cannot be the one is not renamed.
    let datasets = format!("zones\t-\n{dataset}\t-\n{dataset}@a\t-\n");
    std::fs::write(sim.path("sim/datasets"), datasets).unwrap();
    let output = sim.imgadm(&["update"]);
    let expected = format!(
        "imgadm update: error (ImageMissingOriginalSnapshot): image \"{UUID}\" is missing its \
         original snapshot (expected a snapshot with guid 456)\n"
    );
    assert_eq!((output.status.code(), said(&output).1), (Some(1), expected));
}

/// A server of two images, one made from the other, that sends the upper one's file only in part while it is `slow`,
/// and then nothing more.
fn two(slow: &Arc<AtomicBool>) -> Server {
    let base = file();
    let child = stream(300_000, &format!("zones/{UUID}@final"), &["final"], 2);
    let lower = manifest(&base, json!({}));
    let upper = manifest(
        &child,
        json!({"uuid": CHILD, "origin": UUID, "name": "child",
        "published_at": "2021-01-02T00:00:00Z"}),
    );
    let list = json!([lower, upper]).to_string();
    let lower = answers(&lower, move |_| Reply::bytes(&base));
    let slow = Arc::clone(slow);
    Server::new(move |request: &Request| match request.path.as_str() {
        "/images" => Reply::json(200, list.clone()),
        path if path.ends_with(CHILD) => Reply::json(200, upper.to_string()),
        path if path.ends_with(&format!("{CHILD}/file")) => {
            let from = request.range_start().unwrap_or(0);
            if slow.load(Ordering::Relaxed) {
                let reply = Reply { length: Some(300_000), ..Reply::bytes(&child[..100_000]) };
                return Reply { hang: true, ..reply };
            }
            let reply = Reply::bytes(&child[from..]);
            match from {
                0 => reply,
                _ => Reply { status: 206, ..reply }
                    .header("content-range", &format!("bytes {from}-299999/300000")),
            }
        }
        _ => lower(request),
    })
}

#[test]
fn a_mirror_goes_on_where_it_was_cut_off() {
    let (sim, slow) = (Sim::new(), Arc::new(AtomicBool::new(true)));
    let server = two(&slow);
    let mirror = sim.path("mirror");
    let directory = mirror.to_str().unwrap();
    let arguments = ["mirror", "-S", &server.url(), directory, "name=child"];
    let mut child = sim.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
    let partial = mirror.join(format!("images/{CHILD}/file.partial"));
    let begun = Instant::now();
    while std::fs::metadata(&partial).map_or(0, |meta| meta.len()) < 100_000 {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is downloaded");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::metadata(&partial).unwrap().len(), 100_000);

    slow.store(false, Ordering::Relaxed);
    let stdout = told(&sim, &arguments);
    assert!(stdout.contains(&format!("Copied image {CHILD} (child@1.0.0, 292.9 KiB)")), "{stdout}");
    let requests = server.requests.lock().unwrap().clone();
    let last = requests.iter().rfind(|r| r.path.ends_with(&format!("{CHILD}/file"))).unwrap();
    assert_eq!(last.range_start(), Some(100_000));
    // The base came along, once; the rest is only looked at the next time.
    let files = |of: &[Request]| of.iter().filter(|r| r.path.ends_with("/file")).count();
    let before = files(&requests);
    assert_eq!(told(&sim, &arguments), "");
    assert_eq!(files(&server.requests.lock().unwrap()), before);

    let served = Served::start(&mirror);
    sim.sources(&[&served.url]);
    told(&sim, &["import", CHILD]);
    assert_eq!(sim.datasets().len(), 5);
    // What a plain web server would send.
    let index = std::fs::read(mirror.join("images/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.as_array().unwrap().len(), 2);
}

#[test]
fn a_mirror_takes_an_image_from_the_next_source_where_the_first_fails() {
    let sim = Sim::new();
    let (file, damaged) = (file(), vec![0; 200_000]);
    let image = manifest(&file, json!({}));
    let bad = server_of(&image, move |_| Reply::bytes(&damaged));
    let good = server_of(&image, move |_| Reply::bytes(&file));
    let mirror = sim.path("mirror");
    let directory = mirror.to_str().unwrap();
    let sources = ["mirror", "-S", &bad.url(), "-S", &good.url()];
    let run = |more: &[&str]| {
        let mut arguments = sources.to_vec();
        arguments.extend(more);
        sim.imgadm(&arguments)
    };
    let output = run(&["-n", directory]);
    assert_eq!(said(&output).0, format!("[dry-run] Copied image {UUID}\n"));
    assert!(!mirror.exists());
    assert!(run(&[directory, "name=nosuch"]).status.success());
    assert!(run(&[directory]).status.success());
    assert!(mirror.join(format!("images/{UUID}/file")).exists());
    // A directory that cannot be is told of once.
    std::fs::write(sim.path("file"), "").unwrap();
    let (_, stderr) =
        said(&sim.imgadm(&["mirror", "-S", &good.url(), sim.path("file").to_str().unwrap()]));
    assert!(stderr.starts_with("imgadm mirror: error (FileSystem): cannot make "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let output = sim.imgadm(&["mirror", "-S", &bad.url(), sim.path("other").to_str().unwrap()]);
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&format!("image {UUID} was not copied")), "{stderr}");
    assert!(stderr.contains("file checksum (sha1) error"), "{stderr}");
}

#[test]
fn installed_images_are_looked_after() {
    let (sim, slow) = (Sim::new(), Arc::new(AtomicBool::new(false)));
    let server = two(&slow);
    sim.sources(&[&server.url()]);
    assert_eq!(told(&sim, &["latest", "-H", "-o", "uuid", "child"]), format!("{CHILD}\n"));
    let output = sim.imgadm(&["latest", "nosuch"]);
    assert!(said(&output).1.contains("error (ImageNotFound)"), "{output:?}");
    assert_eq!(told(&sim, &["vacuum", "-f"]), "");
    told(&sim, &["import", CHILD]);

    let chain = told(&sim, &["ancestry", "-H", "-o", "uuid,name", CHILD]);
    let rows: Vec<Vec<&str>> = chain.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows, [[CHILD, "child"], [UUID, "base"]]);

    let good = format!("{UUID} (base@1.0.0): ok\n{CHILD} (child@1.0.0): ok\n");
    assert_eq!(told(&sim, &["verify"]), good);
    assert_eq!(told(&sim, &["verify", UUID]), format!("{UUID} (base@1.0.0): ok\n"));
    let path = sim.path("image.file");
    let path = path.to_str().unwrap();
    std::fs::write(path, file()).unwrap();
    told(&sim, &["verify", "-f", path, UUID]);
    std::fs::write(path, &file()[1..]).unwrap();
    let (stdout, _) = said(&sim.imgadm(&["verify", "-f", path, UUID]));
    assert!(stdout.contains("the file has 199999 bytes, not 200000"), "{stdout}");
    assert!(stdout.contains("the file's sha1 is "), "{stdout}");
    let damage = |from: &str, to: &str| {
        let datasets = std::fs::read_to_string(sim.path("sim/datasets")).unwrap();
        std::fs::write(sim.path("sim/datasets"), datasets.replace(from, to)).unwrap();
    };
    damage(&format!("{UUID}@final"), &format!("{UUID}@other"));
    let output = sim.imgadm(&["verify"]);
    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout.contains("it has no snapshot @final"), "{stdout}");
    assert!(stdout.contains("it should be a clone of"), "{stdout}");
    assert!(stderr.contains("error (VerifyError): 2 of 2 images"), "{stderr}");
    damage(&format!("{UUID}@other"), &format!("{UUID}@final"));
    let record = sim.path(format!("var/imgadm/images/zones-{CHILD}.json"));
    let text = std::fs::read(&record).unwrap();
    for (content, problem) in
        [(&b"{bad"[..], "zones-1a000002"), (b"{\"manifest\": {}}", "zones-1a000002")]
    {
        std::fs::write(&record, content).unwrap();
        let (stdout, _) = said(&sim.imgadm(&["verify", CHILD]));
        assert!(stdout.contains(problem), "{stdout}");
        // It has no name to show.
        assert!(stdout.starts_with(&format!("{CHILD}: ")), "{stdout}");
    }
    std::fs::write(&record, text).unwrap();
    let output = sim.imgadm(&["verify", "1affffff-0000-4000-8000-000000000000"]);
    assert_eq!(output.status.code(), Some(3));

    // What is used stays: a VM is made from the child.
    let vm = "a0000001-0000-4000-8000-000000000001";
    let mut datasets = std::fs::read_to_string(sim.path("sim/datasets")).unwrap();
    datasets.push_str(&format!("zones/{vm}\tzones/{CHILD}@final\n"));
    std::fs::write(sim.path("sim/datasets"), &datasets).unwrap();
    assert_eq!(told(&sim, &["vacuum", "-f"]), "");
    let output = sim.imgadm(&["delete", CHILD]);
    assert!(said(&output).1.contains("error (ImageHasDependentClones)"), "{output:?}");
    let gone = datasets.lines().filter(|line| !line.contains(vm)).collect::<Vec<_>>().join("\n");
    std::fs::write(sim.path("sim/datasets"), gone + "\n").unwrap();
    let both = format!("Deleted image {CHILD} (child@1.0.0)\nDeleted image {UUID} (base@1.0.0)\n");
    let dry = both.replace("Deleted", "[dry-run] Deleted");
    assert_eq!(told(&sim, &["vacuum", "-n"]), dry);
    let output = sim.imgadm(&["vacuum"]);
    assert!(said(&output).1.contains("there is no terminal to ask on"), "{output:?}");
    assert_eq!(told(&sim, &["vacuum", "-f"]), both);
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn vacuum_goes_on_where_an_image_cannot_be_deleted() {
    let sim = Sim::new();
    let images = ["1a000001", "1a000002", "1a000003"]
        .map(|start| format!("{start}-0000-4000-8000-000000000001"));
    let mut datasets = "zones\t-\n".to_owned();
    for image in &images {
        datasets.push_str(&format!("zones/{image}\t-\nzones/{image}@final\t-\n"));
    }
    std::fs::write(sim.path("sim/datasets"), datasets).unwrap();
    let stuck = format!("zfs destroy -r zones/{}", images[0]);
    sim.fail(Some((&stuck, "cannot destroy: it is busy")));
    let output = sim.imgadm(&["vacuum", "-f"]);
    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr.matches("it is busy").count(), 1, "{stderr}");
    assert!(stdout.starts_with(&format!("Error deleting image {}", images[0])), "{stdout}");
    assert_eq!(stdout.matches("\nDeleted image").count(), 2, "{stdout}");
    assert_eq!(sim.datasets().len(), 3);
}

#[test]
fn on_omnios_whatever_is_made_from_an_image_uses_it() {
    let sim = Sim::new();
    let image = |n: u32| format!("1a00000{n}-0000-4000-8000-000000000001");
    let zone = "b0000001-0000-4000-8000-000000000001";
    let clones = [
        format!("zones/{zone}/ROOT/illumos"),
        format!("zones/{zone}"),
        format!("zones/{zone}/disk0"),
        "web".into(),
        "web/ROOT/zbe".into(),
    ];
    let mut datasets = "rpool\t-\n".to_owned();
    for n in 1..=6 {
        let name = image(n);
        datasets.push_str(&format!("rpool/{name}\t-\nrpool/{name}@final\t-\n"));
    }
    for (n, clone) in (1..).zip(&clones) {
        datasets.push_str(&format!("rpool/{clone}\trpool/{}@final\n", image(n)));
    }
    std::fs::write(sim.path("sim/datasets"), datasets).unwrap();
    std::fs::create_dir_all(sim.path("etc")).unwrap();
    std::fs::write(sim.path("etc/release"), "  OmniOS v11 r151050\n").unwrap();
    let list = told(&sim, &["list", "-H", "-o", "uuid,clones"]);
    for line in list.lines() {
        let (uuid, clones) = line.split_once(' ').unwrap();
        let expected = if uuid == image(6) { "0" } else { "1" };
        assert_eq!(clones.trim(), expected, "{list}");
    }
    assert_eq!(list.lines().count(), 6, "{list}");
    let gone = format!("[dry-run] Deleted image {}", image(6));
    let dry = told(&sim, &["vacuum", "-n"]);
    assert!(dry.starts_with(&gone) && dry.lines().count() == 1, "{dry}");
}

#[test]
fn progress_is_drawn_on_a_terminal_and_nowhere_else() {
    let file = stream(20_000, "-", &["final"], 1);
    let data = file.clone();
    let server = server_of(&manifest(&file, json!({})), move |_| Reply {
        drip: Some(Duration::from_micros(60)),
        ..Reply::bytes(&data)
    });
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    let on_terminal = |arguments: &[&str]| {
        let size = nix::pty::Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(Some(&size), None).unwrap();
        let mut child = sim
            .command(arguments)
            .env("TERM", "xterm")
            .stdout(Stdio::piped())
            .stderr(Stdio::from(pty.slave))
            .spawn()
            .unwrap();
        let master: OwnedFd = pty.master;
        let drawn = std::thread::spawn(move || {
            let mut text = Vec::new();
            // A terminal that nobody has open any more is an error to read.
            let _ = std::fs::File::from(master).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert!(child.wait().unwrap().success());
        (stdout, drawn.join().unwrap())
    };
    let imported = format!("Imported image {UUID} (base@1.0.0)\n");
    let (stdout, drawn) = on_terminal(&["import", UUID]);
    assert!(stdout.ends_with(&imported), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "{stdout}");
    assert!(drawn.contains(UUID) && drawn.contains("of   19.53 KiB"), "{drawn}");
    assert!(drawn.contains("KiB/s"), "{drawn}");
    // How long it may take yet comes last.
    let left = drawn.rsplit("KiB/s").next().unwrap();
    assert!(left.contains(|c: char| c.is_ascii_digit()) && left.contains('s'), "{drawn}");
    told(&sim, &["delete", UUID]);
    let (quiet, drawn) = on_terminal(&["import", "-q", UUID]);
    assert_eq!((quiet.as_str(), drawn.as_str()), (stdout.as_str(), ""));
    told(&sim, &["delete", UUID]);
    assert_eq!(told(&sim, &["import", UUID]), stdout);
}

#[test]
fn a_chain_is_downloaded_side_by_side_and_installed_from_the_base_up() {
    use std::sync::Mutex;
    let uuid = |n: usize| format!("1a00000{n}-0000-4000-8000-000000000001");
    let files: Vec<Vec<u8>> = (1..5)
        .map(|n| {
            let origin = if n == 1 { "-".into() } else { format!("zones/{}@final", uuid(n - 1)) };
            stream(50_000, &origin, &["final"], n as u32)
        })
        .collect();
    let manifests: Vec<String> = (1..5)
        .map(|n| {
            let mut manifest = manifest(&files[n - 1], json!({"uuid": uuid(n)}));
            if n > 1 {
                manifest["origin"] = uuid(n - 1).into();
            }
            manifest.to_string()
        })
        .collect();
    let begun = Instant::now();
    let spans = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&spans);
    let server = Server::new(move |request| {
        let Some(n) = (1..5).find(|n| request.path.contains(&uuid(*n))) else {
            return Reply::not_found();
        };
        if !request.path.ends_with("/file") {
            return Reply::json(200, manifests[n - 1].clone());
        }
        let from = begun.elapsed();
        std::thread::sleep(Duration::from_millis(700));
        seen.lock().unwrap().push((from, begun.elapsed()));
        Reply::bytes(&files[n - 1])
    });
    let sim = Sim::new();
    sim.sources(&[&server.url()]);
    told(&sim, &["import", &uuid(4)]);
    let spans = spans.lock().unwrap();
    assert_eq!(spans.len(), 4);
    let last_begun = spans.iter().map(|(from, _)| *from).max().unwrap();
    let first_ended = spans.iter().map(|(_, to)| *to).min().unwrap();
    assert!(last_begun < first_ended, "not all at once: {spans:?}");
    let calls = std::fs::read_to_string(sim.path("sim/calls")).unwrap();
    let received: Vec<String> = calls
        .lines()
        .filter_map(|line| line.strip_prefix("zfs receive zones/"))
        .map(|name| name.trim_end_matches("-partial").to_owned())
        .collect();
    assert_eq!(received, [1, 2, 3, 4].map(uuid));
}

/// A command whose standard output is a file that takes so many more bytes and then no more. Other files may grow.
fn cramped(sim: &Sim, room: u64, arguments: &[&str]) -> Output {
    const LIMIT: u64 = 1 << 20;
    let path = sim.path("said");
    std::fs::File::create(&path).unwrap().set_len(LIMIT - room).unwrap();
    let script =
        format!("trap '' XFSZ; ulimit -f {}; exec \"$@\" >> '{}'", LIMIT / 512, path.display());
    let imgadm = sim.command(arguments);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(imgadm.get_program()).args(arguments);
    for (name, value) in imgadm.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap()
}

#[test]
fn an_import_that_cannot_tell_how_it_fares_is_undone() {
    let (sim, slow) = (Sim::new(), Arc::new(AtomicBool::new(false)));
    let server = two(&slow);
    sim.sources(&[&server.url()]);
    let mut undone = 0;
    for room in (0..2000).step_by(50) {
        let output = cramped(&sim, room, &["import", CHILD]);
        let (_, stderr) = said(&output);
        if output.status.success() {
            break;
        }
        undone += 1;
        assert_eq!(output.status.code(), Some(1), "{room}: {stderr}");
        assert!(stderr.contains("cannot write to standard output"), "{room}: {stderr}");
        assert_eq!(sim.datasets(), ["zones"], "{room}");
        let records = std::fs::read_dir(sim.path("var/imgadm/images")).map_or(0, Iterator::count);
        assert_eq!(records, 0, "{room}");
    }
    assert!(undone > 4, "{undone}");
    assert!(sim.datasets().contains(&format!("zones/{CHILD}@final")));
}

#[test]
fn what_cannot_be_written_is_an_error_and_a_reader_that_is_gone_is_none() {
    let (sim, slow) = (Sim::new(), Arc::new(AtomicBool::new(false)));
    let server = two(&slow);
    let url = server.url();
    sim.sources(&[&url]);
    let path = sim.path("m.json");
    std::fs::write(&path, manifest(&file(), json!({})).to_string()).unwrap();
    std::fs::write(sim.path("f"), file()).unwrap();
    let (m, f) = (path.to_str().unwrap(), sim.path("f"));
    let install = ["install", "-m", m, "-f", f.to_str().unwrap()];
    // Enough for the line before the image is received, not for that after.
    let output = cramped(&sim, 80, &install);
    assert!(said(&output).1.contains("error (FileSystem): cannot write to"), "{output:?}");
    assert_eq!(sim.datasets(), ["zones"]);

    told(&sim, &["import", CHILD]);
    let (other, record) = ("http://127.0.0.1:1", format!("zones-{UUID}.json"));
    let record = sim.path("var/imgadm/images").join(record);
    let changed = std::fs::read_to_string(&record).unwrap().replace("1.0.0", "0.9.0");
    std::fs::write(&record, changed).unwrap();
    let commands: [&[&str]; 8] = [
        &["import", CHILD],
        &["update", "-n"],
        &["sources", "-a", &url],
        &["sources", "-f", "-a", other],
        &["sources", "-d", other],
        &["verify"],
        &["vacuum", "-n"],
        &["delete", CHILD],
    ];
    for arguments in commands {
        let output = cramped(&sim, 0, arguments);
        let (_, stderr) = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("cannot write to standard output"), "{arguments:?}: {stderr}");
    }
    // Nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = sim.command(&["import", CHILD]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), said(&output).1), (Some(0), String::new()));
    assert!(sim.datasets().contains(&format!("zones/{CHILD}@final")));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = sim.command(&["nosuch"]).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn every_command_explains_its_options() {
    let sim = Sim::new();
    sim.sources(&[]);
    let options: &[(&str, &[&str])] = &[
        (
            "sources",
            &[
                "-v, --verbose",
                "-j, --json",
                "-a <source>",
                "-d <source>",
                "-e",
                "-c, --check",
                "-t <type>, --type=<type>",
                "-k, --insecure",
                "-f, --force",
            ],
        ),
        ("avail", &["-j, --json", "-H", "-o FIELD,...", "-s FIELD,..."]),
        ("list", &["-j, --json", "-H", "-o FIELD,...", "-s FIELD,...", "--docker"]),
        ("show", &["-h, --help"]),
        ("get", &["-P <pool>", "-r"]),
        ("ancestry", &["-j, --json", "-H", "-o FIELD,...", "-P <pool>"]),
        ("delete", &["-P <pool>"]),
        ("install", &["-m <manifest>", "-f <file>", "-q, --quiet", "-P <pool>"]),
        ("update", &["-n, --dry-run"]),
        ("vacuum", &["-n, --dry-run", "-f, --force"]),
        (
            "create",
            &[
                "-m <manifest>",
                "-o <path>, --output-template=<path>",
                "-c <comp>, --compression=<comp>",
                "-i, --incremental",
                "--max-origin-depth=<num>",
                "-s <prepare-image-path>",
                "-p <url>, --publish=<url>",
                "-q, --quiet",
            ],
        ),
        ("publish", &["-m <manifest>", "-f <file>", "-q, --quiet"]),
        ("serve", &["-l <address>, --listen=<address>", "-p <port>, --port=<port>"]),
        ("mirror", &["-S <source>, --source=<source>", "-n, --dry-run"]),
        ("latest", &["-j, --json"]),
        ("verify", &["-f <file>"]),
    ];
    for (command, options) in options {
        let text = told(&sim, &["help", command]);
        assert_eq!(told(&sim, &[command, "--help"]), text);
        assert_eq!(told(&sim, &[command, "-h"]), text);
        assert!(text.contains(&format!("Usage:\n    imgadm {command}")), "{text}");
        for option in *options {
            let shown = text.lines().any(|line| {
                let rest = line.strip_prefix("    ").and_then(|line| line.strip_prefix(option));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert!(shown, "{option} is not in: {text}");
        }
    }
    let text = told(&sim, &["help", "help"]);
    assert!(text.contains("Usage:\n    imgadm help [<command>]"), "{text}");
    for (alias, command) in
        [("?", "help"), ("available", "avail"), ("info", "get"), ("destroy", "delete")]
    {
        assert_eq!(told(&sim, &["help", alias]), told(&sim, &["help", command]));
    }
}
