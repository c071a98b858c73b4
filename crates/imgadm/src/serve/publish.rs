//! What only those who know the token may ask: to create, upload, activate and delete images.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Server;
use super::catalog::Entry;
use super::read::{answer, not_found, refuse};
use crate::image_manifest;
use crate::pipeline::checksum::{Algorithm, Hasher};
use crate::pipeline::decode::Compression;
use crate::store::is_uuid;
use crate::time;

/// The largest manifest that is taken, in bytes.
const MOST_MANIFEST: usize = 1 << 20;

type Asked = Query<HashMap<String, String>>;

/// A refusal where the request does not carry the server's token.
fn check_token(server: &Server, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let Some(token) = &server.token else {
        let message = "this server takes no images: it was started without a token";
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, "NotAuthorized", message)));
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
    if same(given.trim().as_bytes(), token.as_bytes()) {
        return Ok(());
    }
    let message = "this request needs the server's token";
    Err(Box::new(refuse(StatusCode::UNAUTHORIZED, "Unauthorized", message)))
}

/// Compares without telling by its duration how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    a.len() == b.len() && differences == 0
}

fn failed(what: &FilePath, error: &std::io::Error) -> Response {
    log::error!("cannot write {}: {error}", what.display());
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "the image cannot be stored")
}

fn invalid(message: &str) -> Response {
    refuse(StatusCode::UNPROCESSABLE_ENTITY, "ValidationFailed", message)
}

/// POST /images/UUID?action=…
pub async fn action(
    State(server): State<Arc<Server>>,
    Path(uuid): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(refusal) = check_token(&server, &headers) {
        return *refusal;
    }
    if !is_uuid(&uuid) {
        return invalid("the image's uuid is not a UUID");
    }
    match asked.get("action").map(String::as_str) {
        Some("import") => import(&server, &uuid, body).await,
        Some("activate") => activate(&server, &uuid),
        Some(state @ ("enable" | "disable")) => match server.catalog.get(&uuid) {
            Some(entry) => set_state(&entry, if state == "enable" { "active" } else { "disabled" }),
            None => not_found(&uuid),
        },
        _ => {
            let message = "\"action\" has to be import, activate, enable or disable";
            refuse(StatusCode::CONFLICT, "InvalidParameter", message)
        }
    }
}

/// Takes a manifest; the image has no file yet and is not active.
async fn import(server: &Server, uuid: &str, body: Body) -> Response {
    let Ok(bytes) = axum::body::to_bytes(body, MOST_MANIFEST).await else {
        return invalid("the manifest is too long");
    };
    let Ok(mut manifest) = serde_json::from_slice::<Value>(&bytes) else {
        return invalid("the manifest is not JSON");
    };
    if manifest.get("uuid").and_then(Value::as_str) != Some(uuid) {
        return invalid("the manifest is of another image");
    }
    if let Err(error) = image_manifest::validate_minimal(&manifest) {
        return invalid(error.message());
    }
    if server.catalog.get(uuid).is_some() {
        let message = format!("image \"{uuid}\" already exists");
        return refuse(StatusCode::CONFLICT, "ImageUuidAlreadyExists", &message);
    }
    if let Some(origin) = manifest.get("origin").and_then(Value::as_str)
        && server.catalog.get(origin).is_none()
    {
        let message = format!("origin image \"{origin}\" is not on this server");
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "OriginDoesNotExist", &message);
    }
    if let Some(fields) = manifest.as_object_mut() {
        fields.shift_remove("files");
        fields.insert("state".into(), "unactivated".into());
        fields.insert("disabled".into(), false.into());
        for (name, value) in
            [("public", json!(true)), ("owner", json!("00000000-0000-0000-0000-000000000000"))]
        {
            fields.entry(name).or_insert(value);
        }
    }
    let home = server.catalog.home(uuid);
    match std::fs::create_dir_all(&home)
        .and_then(|()| write_manifest(&home.join("index.json"), &manifest))
    {
        Ok(()) => answer(StatusCode::OK, &manifest),
        Err(error) => failed(&home, &error),
    }
}

fn write_manifest(path: &FilePath, manifest: &Value) -> std::io::Result<()> {
    gz::files::replace(path, format!("{manifest:#}\n").as_bytes(), 0o644)
        .map_err(std::io::Error::other)
}

fn set_state(entry: &Entry, state: &str) -> Response {
    let mut manifest = entry.manifest.clone();
    manifest["state"] = state.into();
    manifest["disabled"] = (state == "disabled").into();
    match write_manifest(&entry.manifest_path, &manifest) {
        Ok(()) => answer(StatusCode::OK, &manifest),
        Err(error) => failed(&entry.manifest_path, &error),
    }
}

fn activate(server: &Server, uuid: &str) -> Response {
    let Some(entry) = server.catalog.get(uuid) else { return not_found(uuid) };
    if entry.file.is_none() || entry.manifest.get("files").is_none() {
        let message = format!("image \"{uuid}\" has no file");
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "NoActivationNoFile", &message);
    }
    if entry.text("state") == "active" {
        let message = format!("image \"{uuid}\" is already active");
        return refuse(StatusCode::CONFLICT, "ImageAlreadyActivated", &message);
    }
    let mut manifest = entry.manifest.clone();
    if manifest.get("published_at").is_none() {
        manifest["published_at"] = time::iso(SystemTime::now()).into();
    }
    manifest["state"] = "active".into();
    match write_manifest(&entry.manifest_path, &manifest) {
        Ok(()) => answer(StatusCode::OK, &manifest),
        Err(error) => failed(&entry.manifest_path, &error),
    }
}

/// PUT /images/UUID/file: the image's file, checked against the checksum and length that the request gives.
pub async fn upload(
    State(server): State<Arc<Server>>,
    Path(uuid): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(refusal) = check_token(&server, &headers) {
        return *refusal;
    }
    let Some(entry) = server.catalog.get(&uuid) else { return not_found(&uuid) };
    if entry.text("state") != "unactivated" {
        let message = format!("image \"{uuid}\" is active: its file stays");
        return refuse(StatusCode::CONFLICT, "ImageAlreadyActivated", &message);
    }
    let compression = asked.get("compression").and_then(|name| Compression::parse(name));
    let Some(compression) = compression else {
        return invalid("\"compression\" has to be none, bzip2, gzip, xz or zstd");
    };
    let home = server.catalog.home(&uuid);
    let Some(directory) = entry.manifest_path.parent().filter(|parent| *parent == home) else {
        return refuse(
            StatusCode::CONFLICT,
            "ImageAlreadyActivated",
            "the image is not of this server's own making",
        );
    };
    let partial = Partial(directory.join(format!(".file.{}", uuid::Uuid::new_v4())));
    let (size, sha1) = match receive(body, &partial.0).await {
        Ok(received) => received,
        Err(error) => return failed(&partial.0, &error),
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length != size) {
        return refuse(
            StatusCode::CONFLICT,
            "UploadError",
            &format!("{size} bytes came, not as many as announced"),
        );
    }
    if let Some(wanted) = asked.get("sha1").filter(|wanted| **wanted != sha1) {
        let message = format!("sha1 of the file is {sha1}, not {wanted}");
        return refuse(StatusCode::CONFLICT, "UploadError", &message);
    }
    let mut manifest = entry.manifest.clone();
    manifest["files"] = json!([{"sha1": sha1, "size": size, "compression": compression.as_str()}]);
    let stored = std::fs::rename(&partial.0, home.join("file"))
        .and_then(|()| write_manifest(&entry.manifest_path, &manifest));
    match stored {
        Ok(()) => answer(StatusCode::OK, &manifest),
        Err(error) => failed(&home, &error),
    }
}

/// A file that is taken away unless it was given its own name.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a request's body to a file; its size and SHA-1.
async fn receive(body: Body, path: &FilePath) -> std::io::Result<(u64, String)> {
    let mut file = tokio::fs::File::create(path).await?;
    let mut hasher = Hasher::new(Some(Algorithm::Sha1));
    let mut size = 0;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        hasher.update(&chunk);
        size += chunk.len() as u64;
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    Ok((size, hasher.hex()))
}

/// DELETE /images/UUID: one that was published here.
pub async fn delete(
    State(server): State<Arc<Server>>,
    Path(uuid): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = check_token(&server, &headers) {
        return *refusal;
    }
    let Some(entry) = server.catalog.get(&uuid) else { return not_found(&uuid) };
    let home = server.catalog.home(&uuid);
    if entry.manifest_path.parent() != Some(home.as_path()) {
        let message = "the image was not published here: its files stay";
        return refuse(StatusCode::CONFLICT, "NotAuthorized", message);
    }
    match std::fs::remove_dir_all(&home) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => failed(&home, &error),
    }
}
