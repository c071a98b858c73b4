//! What only those who know the token may ask: to create, upload, activate and delete images.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Server;
use super::catalog::Entry;
use super::query::{self, Asked};
use super::read::{AboutImage, Answer, Parameters, answer_manifest};
use super::refusal::Refusal;
use super::update;
use crate::image_manifest;
use crate::pipeline::checksum::{Algorithm, Hasher};
use crate::pipeline::decode::Compression;
use crate::store::is_uuid;
use crate::time;

/// The largest manifest that is taken, in bytes.
const MOST_MANIFEST: usize = 512 << 10;
/// How many images a refusal names.
const MOST_NAMED: usize = 5;

fn failed(what: &FilePath, error: &std::io::Error) -> Refusal {
    log::error!("cannot write {}: {error}", what.display());
    Refusal::internal("the image cannot be stored")
}

/// The JSON object that a request brings.
async fn object(body: Body) -> Result<Value, Refusal> {
    let bytes = axum::body::to_bytes(body, MOST_MANIFEST)
        .await
        .map_err(|_| Refusal::validation("the request is too long"))?;
    let value = if bytes.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&bytes) };
    value
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Refusal::validation("the request is no JSON object"))
}

/// Writes an image's manifest and answers with it.
pub fn keep(path: &FilePath, manifest: &Value) -> Answer {
    gz::files::replace(path, format!("{manifest:#}\n").as_bytes(), 0o644)
        .map_err(|error| failed(path, &std::io::Error::other(error)))?;
    Ok(answer_manifest(manifest))
}

/// POST /images: a new image under a UUID of its own.
pub async fn create(
    State(server): State<Arc<Server>>,
    Query(asked): Parameters,
    body: Body,
) -> Answer {
    let asked = Asked(asked);
    if let Some(action) = asked.get("action") {
        let message = format!("\"{action}\" is not a valid action");
        return Err(Refusal::parameter("action", "Invalid", message));
    }
    let mut manifest = object(body).await?;
    for field in ["uuid", "state"] {
        if manifest.get(field).is_some() {
            let message = format!("invalid image data: \"{field}\"");
            return Err(Refusal::validation(message).about(field, "NotAllowed"));
        }
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    manifest["uuid"] = uuid.as_str().into();
    add(&server, &asked, &uuid, manifest)
}

/// POST /images/UUID?action=…
pub async fn action(about: AboutImage, body: Body) -> Answer {
    let AboutImage { server, uuid, asked } = &about;
    let action = asked.get("action");
    if action == Some("import") {
        if !is_uuid(uuid) {
            return Err(
                Refusal::validation("the image's uuid is not a UUID").about("uuid", "Invalid")
            );
        }
        let manifest = object(body).await?;
        if manifest.get("uuid").and_then(Value::as_str) != Some(uuid.as_str()) {
            return Err(
                Refusal::validation("the manifest is of another image").about("uuid", "Invalid")
            );
        }
        return add(server, asked, uuid, manifest);
    }
    let entry = about.find(false)?;
    match action {
        Some("activate") => activate(&entry),
        Some("enable") => update::set_disabled(&entry, false),
        Some("disable") => update::set_disabled(&entry, true),
        Some("update") => update::update(&entry, &object(body).await?),
        Some("channel-add") if server.catalog.channels().is_some() => {
            update::add_channel(&server.catalog, &entry, &object(body).await?)
        }
        Some(other) => {
            let message = format!("\"{other}\" is not a valid action");
            Err(Refusal::parameter("action", "Invalid", message))
        }
        None => {
            let message = "no image \"action\" was specified";
            Err(Refusal::parameter("action", "MissingParameter", message))
        }
    }
}

/// Takes a manifest; the image has no file yet and is not active.
fn add(server: &Server, asked: &Asked, uuid: &str, mut manifest: Value) -> Answer {
    let channel = query::channel(&server.catalog, asked, false)?;
    if let Some(fields) = manifest.as_object_mut() {
        fields.entry("v").or_insert(image_manifest::VERSION.into());
        fields.shift_remove("files");
        fields.shift_remove("channels");
        fields.insert("state".into(), "unactivated".into());
        fields.insert("disabled".into(), false.into());
        for (name, value) in
            [("public", json!(true)), ("owner", json!("00000000-0000-0000-0000-000000000000"))]
        {
            fields.entry(name).or_insert(value);
        }
        if let Some(channel) = channel {
            fields.insert("channels".into(), json!([channel]));
        }
    }
    image_manifest::validate_minimal(&manifest)
        .map_err(|error| Refusal::validation(error.message()))?;
    if server.catalog.get(uuid).is_some() {
        let message = format!("image uuid \"{uuid}\" already exists");
        return Err(Refusal::new(StatusCode::CONFLICT, "ImageUuidAlreadyExists", message));
    }
    if let Some(origin) = manifest.get("origin").and_then(Value::as_str) {
        let Some(origin_entry) = server.catalog.get(origin) else {
            let message = format!("origin image \"{origin}\" does not exist");
            return Err(Refusal::unprocessable("OriginDoesNotExist", message));
        };
        if origin_entry.text("state") == "unactivated" {
            let message = format!("origin image \"{origin}\" is not active");
            return Err(Refusal::unprocessable("OriginIsNotActive", message));
        }
    }
    let home = server.catalog.home(uuid);
    std::fs::create_dir_all(&home).map_err(|error| failed(&home, &error))?;
    keep(&home.join("index.json"), &manifest)
}

fn activate(entry: &Entry) -> Answer {
    let uuid = &entry.uuid;
    if entry.text("state") != "unactivated" {
        let message = format!("image \"{uuid}\" is already activated");
        return Err(Refusal::unprocessable("ImageAlreadyActivated", message));
    }
    if entry.file.is_none() || entry.manifest.get("files").is_none() {
        let message = format!("image \"{uuid}\" cannot be activated: it has no file");
        return Err(Refusal::unprocessable("NoActivationNoFile", message));
    }
    let mut manifest = entry.manifest.clone();
    // A manifest may have it without a value.
    if manifest["published_at"].as_str().is_none_or(str::is_empty) {
        manifest["published_at"] = time::iso(SystemTime::now()).into();
    }
    let disabled = manifest.get("disabled") == Some(&Value::Bool(true));
    manifest["state"] = if disabled { "disabled" } else { "active" }.into();
    keep(&entry.manifest_path, &manifest)
}

/// The directory of an image that was made here; the files of others stay as they are.
pub fn own_home(server: &Server, entry: &Entry) -> Result<PathBuf, Refusal> {
    let home = server.catalog.home(&entry.uuid);
    if entry.manifest_path.parent() == Some(home.as_path()) {
        return Ok(home);
    }
    let message = "the image was not published here: its files stay";
    Err(Refusal::new(StatusCode::CONFLICT, "NotAuthorized", message))
}

/// PUT /images/UUID/file: the image's file, checked against the checksum and length that the request gives.
pub async fn upload(about: AboutImage, headers: HeaderMap, body: Body) -> Answer {
    let AboutImage { server, uuid, asked } = &about;
    let entry = about.find(false)?;
    if entry.text("state") != "unactivated" {
        let message = format!("cannot modify files on activated image {uuid}");
        return Err(Refusal::unprocessable("ImageFilesImmutable", message));
    }
    let compression = compression(asked)?;
    let home = own_home(server, &entry)?;
    let received = receive(&home, &headers, asked.get("sha1"), u64::MAX, body).await?;
    let mut file = json!({
        "sha1": received.sha1, "size": received.size, "compression": compression.as_str()
    });
    if let Some(guid) = asked.get("dataset_guid") {
        file["dataset_guid"] = guid.into();
    }
    received.rename(&home.join("file"))?;
    let mut manifest = entry.manifest.clone();
    manifest["files"] = json!([file]);
    keep(&entry.manifest_path, &manifest)
}

fn compression(asked: &Asked) -> Result<Compression, Refusal> {
    let name = asked
        .get("compression")
        .ok_or_else(|| Refusal::parameter("compression", "Missing", "missing \"compression\""))?;
    Compression::parse(name).ok_or_else(|| {
        let known = Compression::ALL.map(Compression::as_str).join(", ");
        let message = format!("invalid compression \"{name}\" (must be one of {known})");
        Refusal::parameter("compression", "Invalid", message)
    })
}

/// A file that came with a request; taken away unless it is given a name.
pub struct Received {
    partial: PathBuf,
    /// Bytes.
    pub size: u64,
    pub sha1: String,
}

impl Received {
    /// Gives the file its name.
    pub fn rename(&self, to: &FilePath) -> Result<(), Refusal> {
        std::fs::rename(&self.partial, to).map_err(|error| failed(to, &error))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // It is gone where it was renamed.
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// Writes a request's body to a file in an image's directory; at most so many bytes, as many as announced, and of the
/// checksum that is asked for.
pub async fn receive(
    home: &FilePath,
    headers: &HeaderMap,
    sha1: Option<&str>,
    most: u64,
    body: Body,
) -> Result<Received, Refusal> {
    let partial = home.join(format!(".file.{}", uuid::Uuid::new_v4()));
    let mut received = Received { partial, size: 0, sha1: String::new() };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let too_large = || Refusal::upload(format!("the file is larger than {most} bytes"));
    if announced.is_some_and(|length: u64| length > most) {
        return Err(too_large());
    }
    write(body, most, &mut received).await.map_err(|error| failed(home, &error))?;
    if received.size > most {
        return Err(too_large());
    }
    if let Some(length) = announced.filter(|length| *length != received.size) {
        let message = format!("{} bytes came, not the {length} announced", received.size);
        return Err(Refusal::upload(message));
    }
    if let Some(wanted) = sha1.filter(|wanted| *wanted != received.sha1) {
        let message = format!("sha1 expected to be {wanted}, but was {}", received.sha1);
        return Err(Refusal::upload(message));
    }
    Ok(received)
}

async fn write(body: Body, most: u64, received: &mut Received) -> std::io::Result<()> {
    let mut file = tokio::fs::File::create(&received.partial).await?;
    let mut hasher = Hasher::new(Some(Algorithm::Sha1));
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        received.size += chunk.len() as u64;
        if received.size > most {
            return Ok(());
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    received.sha1 = hasher.hex();
    Ok(())
}

/// DELETE /images/UUID: one that was published here and that no other is made from. One that is in further channels
/// only leaves that of the request.
pub async fn delete(about: AboutImage) -> Answer {
    let AboutImage { server, uuid, asked } = &about;
    let entry = about.find(false)?;
    let channel = query::channel(&server.catalog, asked, false)?;
    let of_channel =
        server.catalog.list().into_iter().filter(|e| query::in_channel(e, channel.as_deref()));
    let dependent: Vec<String> =
        of_channel.filter(|e| e.text("origin") == *uuid).map(|e| e.uuid.clone()).collect();
    if !dependent.is_empty() {
        let mut named = dependent.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        if dependent.len() > MOST_NAMED {
            named.push_str(&format!(", and {} more...", dependent.len() - MOST_NAMED));
        }
        let count = dependent.len();
        let message =
            format!("image \"{uuid}\" has {count} dependent incremental image(s): {named}");
        return Err(Refusal::unprocessable("ImageHasDependentImages", message));
    }
    let home = own_home(server, &entry)?;
    let everywhere = asked.flag("force_all_channels")? == Some(true);
    if let Some(channel) = channel.filter(|_| !everywhere)
        && let Some(left) = update::without_channel(&entry, &channel)
    {
        keep(&entry.manifest_path, &left)?;
    } else {
        std::fs::remove_dir_all(&home).map_err(|error| failed(&home, &error))?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
