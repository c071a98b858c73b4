//! Images of a docker registry: a token, a manifest list, layers checked by digest, whiteouts.

mod common;

use std::collections::HashMap;

use common::server::{Reply, Server};
use common::tools::Sim;
use common::{installed_program, measured, said};
use imgadm::pipeline::checksum::{Algorithm, Hasher};
use serde_json::json;

fn digest(data: &[u8]) -> String {
    let mut hasher = Hasher::new(Some(Algorithm::Sha256));
    hasher.update(data);
    format!("sha256:{}", hasher.hex())
}

/// Files by path; a content `-> PATH` makes a hard link.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        if let Some(target) = content.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Link);
            header.set_size(0);
            builder.append_link(&mut header, path, target).unwrap();
            continue;
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(u64::from(nix::unistd::geteuid().as_raw()));
        header.set_gid(u64::from(nix::unistd::getegid().as_raw()));
        header.set_cksum();
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// The image of the tests: what a registry has of it.
struct Image {
    /// Base first.
    layers: Vec<Vec<u8>>,
    config: Vec<u8>,
    manifest: Vec<u8>,
    /// The manifest for another kind of machine.
    other: Vec<u8>,
    /// The list that names the manifest for this system, after that of the other.
    index: Vec<u8>,
}

impl Image {
    fn new() -> Self {
        let layers = vec![
            layer(&[
                ("etc/old", "old"),
                ("etc/kept", "kept"),
                ("var/cache/a", "a"),
                ("bin/tool", "tool"),
            ]),
            layer(&[
                ("etc/.wh.old", ""),
                ("app", "new"),
                ("var/cache/b", "b"),
                ("var/cache/.wh..wh..opq", ""),
                ("bin/alias", "-> bin/tool"),
            ]),
        ];
        let config = json!({"os": "linux", "architecture": "amd64",
            "created": "2024-01-02T03:04:05Z", "config": {"Cmd": ["/app"]},
            "rootfs": {"type": "layers", "diff_ids": []}})
        .to_string()
        .into_bytes();
        let described = |kind: &str, data: &[u8]| {
            let kind = format!("application/vnd.oci.image.{kind}");
            json!({"mediaType": kind, "digest": digest(data), "size": data.len()})
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described("config.v1+json", &config),
            "layers": layers
                .iter()
                .map(|layer| described("layer.v1.tar+gzip", layer))
                .collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes();
        let mut own = described("manifest.v1+json", &manifest);
        own["platform"] = json!({"os": "linux", "architecture": "amd64"});
        let mut other = own.clone();
        let arm = [b" ", manifest.as_slice()].concat();
        other["digest"] = digest(&arm).into();
        other["size"] = arm.len().into();
        other["platform"]["architecture"] = "arm64".into();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, own]})
            .to_string()
            .into_bytes();
        Self { layers, config, manifest, other: arm, index }
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that wants a token for everything, with one image of two layers. `damage` is done to the upper one.
fn registry(damage: bool) -> Server {
    let Image { layers, config, manifest, index, .. } = Image::new();
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    let mut upper = layers[1].clone();
    blobs.insert("/v2/team/app/manifests/1".into(), index);
    blobs.insert(format!("/v2/team/app/manifests/{}", digest(&manifest)), manifest);
    blobs.insert(format!("/v2/team/app/blobs/{}", digest(&config)), config);
    blobs.insert(format!("/v2/team/app/blobs/{}", digest(&layers[0])), layers[0].clone());
    let path = format!("/v2/team/app/blobs/{}", digest(&upper));
    if damage {
        let last = upper.len() - 1;
        upper[last] ^= 1;
    }
    blobs.insert(path, upper);
    Server::new(move |request| {
        if request.path.starts_with("/token") {
            return Reply::json(200, r#"{"token": "secret"}"#);
        }
        if request.header("authorization") != Some("Bearer secret") {
            let host = request.header("host").unwrap_or_default();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
            return Reply::json(401, "{}").header("www-authenticate", &challenge);
        }
        match blobs.get(&request.path) {
            Some(blob) => Reply::bytes(blob),
            None => Reply::not_found(),
        }
    })
}

fn import_command(sim: &Sim, registry: &Server) -> std::process::Command {
    let added = sim.imgadm(&["sources", "-a", &registry.url(), "-t", "docker"]);
    assert!(added.status.success(), "{added:?}");
    sim.command(&["import", &format!("127.0.0.1:{}/team/app:1", registry.port)])
}

fn import(sim: &Sim, registry: &Server) -> std::process::Output {
    import_command(sim, registry).output().unwrap()
}

/// The root of the topmost image is what its layers make together.
fn is_unpacked(sim: &Sim, uuid: &str) {
    use std::os::unix::fs::MetadataExt;
    let top = sim.path(format!("zones/{uuid}/root"));
    let mut names: Vec<String> = Vec::new();
    for directory in ["", "etc", "bin", "var/cache"] {
        let list = std::fs::read_dir(top.join(directory)).unwrap();
        names.extend(list.map(|entry| {
            let path = entry.unwrap().path();
            path.strip_prefix(&top).unwrap().display().to_string()
        }));
    }
    names.sort();
    let expected = ["app", "bin", "bin/alias", "bin/tool", "etc", "etc/kept", "var", "var/cache/b"];
    assert_eq!(names, expected);
    assert_eq!(std::fs::read_to_string(top.join("app")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(top.join("etc/kept")).unwrap(), "kept");
    let inode = |name: &str| std::fs::metadata(top.join(name)).unwrap().ino();
    assert_eq!(inode("bin/alias"), inode("bin/tool"));
}

#[test]
fn an_image_is_imported_layer_by_layer() {
    let (sim, registry) = (Sim::new(), registry(false));
    sim.sources(&[]);
    let output = import(&sim, &registry);
    assert!(output.status.success(), "{output:?}");
    let datasets = sim.datasets();
    assert_eq!(datasets.len(), 5, "{datasets:?}");
    let text = String::from_utf8(sim.imgadm(&["list", "-H", "--docker"]).stdout).unwrap();
    let row: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(row[1..3], [format!("127.0.0.1:{}/team/app", registry.port).as_str(), "1"]);
    is_unpacked(&sim, row[0]);
    let again = import(&sim, &registry);
    assert!(String::from_utf8_lossy(&again.stdout).contains("is already installed"));
}

#[test]
fn a_damaged_layer_is_refused_and_nothing_is_left() {
    let (sim, registry) = (Sim::new(), registry(true));
    sim.sources(&[]);
    let output = import(&sim, &registry);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("file checksum (sha256) error"), "{stderr}");
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn a_docker_source_shows_images_but_lists_none() {
    let (sim, registry) = (Sim::new(), registry(false));
    sim.sources(&[]);
    let name = format!("127.0.0.1:{}/team/app", registry.port);
    assert!(import(&sim, &registry).status.success());
    let (manifest, _) = said(&sim.imgadm(&["show", &format!("{name}:1")]));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["tags"]["docker:repo"], name);
    assert_eq!(manifest["tags"]["docker:architecture"], "amd64");
    assert_eq!((&manifest["type"], &manifest["os"]), (&json!("docker"), &json!("linux")));
    let missing = sim.imgadm(&["show", &format!("{name}:nosuch")]);
    assert!(said(&missing).1.contains("error (ImageNotFound)"), "{missing:?}");
    let avail = sim.imgadm(&["avail"]);
    assert!(avail.status.success());
    assert!(!said(&avail).0.contains("docker"), "{avail:?}");
    // The layer below is no image that a user would know.
    let (list, _) = said(&sim.imgadm(&["list", "--docker"]));
    assert_eq!(list.lines().count(), 2, "{list}");
    let header: Vec<&str> = list.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["UUID", "REPOSITORY", "TAG", "IMAGE_ID", "CREATED"]);
    assert_eq!(said(&sim.imgadm(&["list", "-H", "type=docker"])).0.lines().count(), 2);
    let uuid = manifest["uuid"].as_str().unwrap();
    let (chain, _) = said(&sim.imgadm(&["ancestry", "-H", "-o", "uuid", uuid]));
    assert_eq!(chain.lines().count(), 2, "{chain}");
    // A UUID is not asked of a registry.
    let before = registry.paths().len();
    let output = sim.imgadm(&["import", "1affffff-0000-4000-8000-000000000000"]);
    assert!(said(&output).1.contains("ActiveImageNotFound"));
    assert_eq!(registry.paths().len(), before);
}

/// Configures an imgapi source and a docker source.
fn configure(sim: &Sim, imgapi: &str, docker: &str) {
    sim.sources(&[imgapi]);
    let path = sim.path("var/imgadm/imgadm.conf");
    let mut conf: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    conf["sources"].as_array_mut().unwrap().push(json!({"type": "docker", "url": docker}));
    std::fs::write(path, conf.to_string()).unwrap();
}

#[test]
fn a_source_that_knows_no_such_names_has_not_answered() {
    const MISSING: &str = "1affffff-0000-4000-8000-000000000000";
    let (sim, registry) = (Sim::new(), registry(false));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"digest": digest(b"x"), "platform": {"os": "linux", "architecture": "arm64"}}]});
    let strange = Server::new(move |_| Reply::json(200, index.to_string()));
    let empty = Server::new(|_| Reply::not_found());
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!("http://{dead}");
    let of = |url: &str| format!("{}/team/app:nosuch", url.trim_start_matches("http://"));
    for (imgapi, docker, name, code) in [
        (&empty.url(), &dead, of(&dead), "ECONNREFUSED"),
        (&empty.url(), &strange.url(), of(&strange.url()), "InvalidDockerInfo"),
        (&dead, &strange.url(), of(&strange.url()), "InvalidDockerInfo"),
        (&dead, &registry.url(), of(&registry.url()), "ActiveImageNotFound"),
        (&dead, &registry.url(), MISSING.to_owned(), "ECONNREFUSED"),
        (&empty.url(), &dead, MISSING.to_owned(), "ActiveImageNotFound"),
        // No source knows such a name.
        (&dead, &dead, "example.com/team/app".to_owned(), "ActiveImageNotFound"),
    ] {
        configure(&sim, imgapi, docker);
        let output = sim.imgadm(&["import", &name]);
        assert_eq!(output.status.code(), Some(1));
        let (_, stderr) = said(&output);
        let start = format!("imgadm import: error ({code}): ");
        assert!(stderr.starts_with(&start), "{imgapi} {docker} {name}: {stderr}");
    }
}

/// Debian's docker-registry in a process of its own; it wants a token, which a server here gives to everybody.
struct Registry {
    child: std::process::Child,
    host: String,
    _tokens: Server,
    _directory: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    fn start() -> Option<Self> {
        let program = installed_program("docker-registry")?;
        let tokens = Server::new(|_| Reply::json(200, r#"{"token": "any"}"#));
        let directory = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: \
             {}}}}}\nhttp: {{addr: '{free}'}}\nauth: {{silly: {{realm: '{}/token', service: \
             test}}}}\n",
            directory.path().join("data").display(),
            tokens.url()
        );
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let child = std::process::Command::new(program)
            .arg("serve")
            .arg(file)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let registry =
            Self { child, host: free.to_string(), _tokens: tokens, _directory: directory };
        let up = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            std::net::TcpStream::connect(free).is_ok()
        });
        assert!(up, "the registry does not start");
        Some(registry)
    }

    fn put(&self, path: &str, kind: &str, data: &[u8]) {
        let url = if path.contains("://") {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.host)
        };
        let request = ureq::put(&url).header("authorization", "Bearer any");
        let answer = request.header("content-type", kind).send(data);
        let answer = answer.unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(answer.status().as_u16(), 201, "{url}");
    }

    fn push_blob(&self, data: &[u8]) {
        let url = format!("http://{}/v2/team/app/blobs/uploads/", self.host);
        let answer = ureq::post(&url).header("authorization", "Bearer any").send_empty().unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        let separator = if location.contains('?') { '&' } else { '?' };
        let location = format!("{location}{separator}digest={}", digest(data));
        self.put(&location, "application/octet-stream", data);
    }

    fn push(&self, image: &Image) {
        image.layers.iter().for_each(|layer| self.push_blob(layer));
        self.push_blob(&image.config);
        let at = |reference: &str| format!("/v2/team/app/manifests/{reference}");
        self.put(&at(&digest(&image.manifest)), MANIFEST, &image.manifest);
        self.put(&at(&digest(&image.other)), MANIFEST, &image.other);
        self.put(&at("single"), MANIFEST, &image.manifest);
        self.put(&at("1"), INDEX, &image.index);
    }
}

#[test]
fn a_real_registry_serves_what_was_pushed_there() {
    let Some(registry) = Registry::start() else { return };
    let image = Image::new();
    registry.push(&image);
    let sim = Sim::new();
    sim.sources(&[]);
    let url = format!("http://{}", registry.host);
    let added = sim.imgadm(&["sources", "-a", &url, "-t", "docker"]);
    assert!(added.status.success(), "{added:?}");
    let name = format!("{}/team/app:single", registry.host);
    let output = sim.imgadm(&["import", &name]);
    assert!(output.status.success(), "{output:?}");
    let (list, _) = said(&sim.imgadm(&["list", "-H", "--docker"]));
    is_unpacked(&sim, list.split_whitespace().next().unwrap());
    // By digest it is the same image.
    let by_digest = format!("{}/team/app@{}", registry.host, digest(&image.manifest));
    let (again, _) = said(&sim.imgadm(&["import", &by_digest]));
    assert!(again.contains("is already installed"), "{again}");
    // Of the list, this system's manifest is taken: the same image again.
    let (again, _) = said(&sim.imgadm(&["import", &format!("{}/team/app:1", registry.host)]));
    assert!(again.contains("is already installed"), "{again}");
    let missing = sim.imgadm(&["import", &format!("{}/team/app:nosuch", registry.host)]);
    assert!(said(&missing).1.contains("error (ActiveImageNotFound)"), "{missing:?}");
}

/// An upper layer with these entries is refused, and nothing is left.
fn refused(upper: Vec<u8>, part: &str) {
    let mut image = Image::new();
    let old = digest(&image.layers[1]);
    let manifest = String::from_utf8(image.manifest).unwrap();
    let manifest = manifest.replace(&old, &digest(&upper)).replace(
        &format!("\"size\":{}", image.layers[1].len()),
        &format!("\"size\":{}", upper.len()),
    );
    image.layers[1] = upper;
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    blobs.insert("/v2/team/app/manifests/1".into(), manifest.into_bytes());
    for data in image.layers.iter().chain([&image.config]) {
        blobs.insert(format!("/v2/team/app/blobs/{}", digest(data)), data.clone());
    }
    let registry = Server::new(move |request| match blobs.get(&request.path) {
        Some(blob) => Reply::bytes(blob),
        None if request.path == "/v2/" => Reply::json(200, "{}"),
        None => Reply::not_found(),
    });
    let sim = Sim::new();
    sim.sources(&[]);
    let outside = sim.path("zones/secret");
    std::fs::create_dir_all(sim.path("zones")).unwrap();
    std::fs::write(&outside, "secret").unwrap();
    let (output, peak) = measured(&mut import_command(&sim, &registry));
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(part), "\"{part}\" is not in: {stderr}");
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "secret");
    assert_eq!(sim.datasets(), ["zones"]);
}

#[test]
fn paths_that_lead_out_of_a_layer_are_refused() {
    // Written as they are: the library would refuse to make them.
    let raw = |path: &str, kind: tar::EntryType, link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, std::io::empty()).unwrap();
        builder.into_inner().unwrap()
    };
    refused(raw("../../secret", tar::EntryType::Regular, ""), "leads up");
    refused(raw("a/../../../secret", tar::EntryType::Regular, ""), "leads up");
    refused(raw("../../.wh.secret", tar::EntryType::Regular, ""), "leads up");
    refused(raw("link", tar::EntryType::Link, "../../secret"), "leads up");
    refused(raw("link", tar::EntryType::Link, "/zones/secret"), "cannot unpack layer");
    refused(b"this is no archive at all".repeat(100), "cannot unpack layer");
}

#[test]
fn a_layer_that_names_more_than_memory_holds_is_refused() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b'x'), 200 << 20), &mut packer).unwrap();
    refused(packer.finish().unwrap(), "longer than any can be");
}
