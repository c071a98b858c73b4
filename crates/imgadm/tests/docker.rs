//! Images of a docker registry: a token, a manifest list, layers checked by digest, whiteouts.

mod common;

use std::collections::HashMap;

use common::server::{Reply, Server};
use common::tools::Sim;
use imgadm::pipeline::checksum::{Algorithm, Hasher};
use serde_json::json;

fn digest(data: &[u8]) -> String {
    let mut hasher = Hasher::new(Some(Algorithm::Sha256));
    hasher.update(data);
    format!("sha256:{}", hasher.hex())
}

fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(u64::from(nix::unistd::geteuid().as_raw()));
        header.set_gid(u64::from(nix::unistd::getegid().as_raw()));
        header.set_cksum();
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A registry that wants a token for everything, with one image of two layers. `damage` is done to the upper one.
fn registry(damage: bool) -> Server {
    let layers = [
        layer(&[("etc/old", "old"), ("etc/kept", "kept")]),
        layer(&[("etc/.wh.old", ""), ("app", "new")]),
    ];
    let config = json!({"os": "linux", "architecture": "amd64", "created": "2024-01-02T03:04:05Z",
        "config": {"Cmd": ["/app"]}})
    .to_string()
    .into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"digest": digest(&config), "size": config.len()},
        "layers": layers
            .iter()
            .map(|layer| json!({"digest": digest(layer), "size": layer.len()}))
            .collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes();
    let list = json!({
        "schemaVersion": 2,
        "manifests": [
            {"digest": digest(b"arm"), "platform": {"os": "linux", "architecture": "arm64"}},
            {"digest": digest(&manifest), "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    })
    .to_string()
    .into_bytes();
    let mut blobs: HashMap<String, Vec<u8>> = HashMap::new();
    let mut upper = layers[1].clone();
    blobs.insert("/v2/team/app/manifests/1".into(), list);
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

fn import(sim: &Sim, registry: &Server) -> std::process::Output {
    let added = sim.imgadm(&["sources", "-a", &registry.url(), "-t", "docker"]);
    assert!(added.status.success(), "{added:?}");
    sim.imgadm(&["import", &format!("127.0.0.1:{}/team/app:1", registry.port)])
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
    let top = sim.path(format!("zones/{}/root", row[0]));
    assert_eq!(std::fs::read_to_string(top.join("app")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(top.join("etc/kept")).unwrap(), "kept");
    assert!(!top.join("etc/old").exists());
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
