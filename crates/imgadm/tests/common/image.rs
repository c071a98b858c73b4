//! One image on a server.

use serde_json::{Value, json};

use super::server::{Reply, Request, Server};
use super::tools::sha1;

pub const UUID: &str = "1a000001-0000-4000-8000-000000000001";

/// The manifest of an image with this file, and what `more` has in place of what it usually says.
pub fn manifest(file: &[u8], more: Value) -> Value {
    let mut manifest = json!({
        "v": 2, "uuid": UUID, "name": "base", "version": "1.0.0", "state": "active", "public": true,
        "published_at": "2020-01-02T00:00:00Z", "type": "zone-dataset", "os": "smartos",
        "files": [{"sha1": sha1(file), "size": file.len(), "compression": "none"}]
    });
    for (key, value) in more.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    manifest
}

/// What a server of one image answers, whose file is answered by `file`.
pub fn answers<F: Fn(&Request) -> Reply + Send + Sync + 'static>(
    manifest: &Value,
    file: F,
) -> impl Fn(&Request) -> Reply + Send + Sync + use<F> {
    let text = manifest.to_string();
    move |request| match request.path.split('?').next().unwrap_or_default() {
        "/ping" => Reply::json(200, r#"{"ping": "pong", "imgapi": true}"#),
        path if path.ends_with("/file") => file(request),
        path if path.ends_with(UUID) => Reply::json(200, text.clone()),
        "/images" => Reply::json(200, format!("[{text}]")),
        _ => Reply::not_found(),
    }
}

/// A server of one image, whose file is answered by `file`.
pub fn server_of(
    manifest: &Value,
    file: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::new(answers(manifest, file))
}
