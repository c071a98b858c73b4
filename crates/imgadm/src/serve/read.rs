//! What anybody may ask the server: whether it is there, lists, manifests, files, channels.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::Server;
use super::catalog::Entry;
use super::range::{self, Part};

/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 256 << 10;

type Parameters = Query<HashMap<String, String>>;

/// An answer in JSON.
pub fn answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A refusal, in the form that clients of IMGAPI read.
pub fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    answer(status, &json!({"code": code, "message": message}))
}

pub fn not_found(uuid: &str) -> Response {
    let message = format!("image \"{uuid}\" not found");
    refuse(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
}

pub async fn ping() -> Response {
    let pong = json!({
        "ping": "pong",
        "version": env!("CARGO_PKG_VERSION"),
        "imgapi": true,
        "pid": std::process::id(),
    });
    answer(StatusCode::OK, &pong)
}

pub async fn channels(State(server): State<Arc<Server>>) -> Response {
    match server.catalog.channels() {
        Some(channels) => answer(StatusCode::OK, &channels),
        None => refuse(StatusCode::NOT_FOUND, "ResourceNotFound", "this server has no channels"),
    }
}

pub async fn list(State(server): State<Arc<Server>>, Query(asked): Parameters) -> Response {
    let limit = match asked.get("limit").map(|text| text.parse::<usize>()) {
        None => usize::MAX,
        Some(Ok(limit)) if limit > 0 => limit,
        Some(_) => {
            let message = "limit is not a positive integer";
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, "InvalidParameter", message);
        }
    };
    let all = server.catalog.list();
    let default = default_channel(server.catalog.channels().as_ref());
    // A marker is the last image of the page before; it is sent again, so that clients see where they are.
    let from = asked.get("marker").and_then(|marker| all.iter().position(|e| e.uuid == *marker));
    let fitting: Vec<&Value> = all
        .iter()
        .skip(from.unwrap_or(0))
        .filter(|entry| fits(entry, &asked) && in_channel(entry, &asked, default.as_deref()))
        .take(limit)
        .map(|entry| &entry.manifest)
        .collect();
    answer(StatusCode::OK, &json!(fitting))
}

/// Whether an image passes the filters of a request. Without `state`, active images are meant.
fn fits(entry: &Entry, asked: &HashMap<String, String>) -> bool {
    let state = asked.get("state").map_or("active", String::as_str);
    if state != "all" && entry.text("state") != state {
        return false;
    }
    asked.iter().all(|(key, wanted)| match key.as_str() {
        "owner" | "name" | "version" | "os" | "type" | "public" | "uuid" | "origin" => {
            let actual = entry.manifest.get(key).map(text_of).unwrap_or_default();
            match wanted.strip_prefix('~') {
                Some(part) => actual.contains(part),
                None => actual == *wanted,
            }
        }
        key => match key.strip_prefix("tag.") {
            Some(tag) => {
                let actual = entry.manifest.get("tags").and_then(|tags| tags.get(tag));
                actual.is_some_and(|actual| text_of(actual) == *wanted)
            }
            // Paging, channels, and what other servers know.
            None => true,
        },
    })
}

/// A value as a query names it.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn default_channel(channels: Option<&Value>) -> Option<String> {
    let channels = channels?.as_array()?;
    let default = channels.iter().find(|c| c.get("default").and_then(Value::as_bool) == Some(true));
    default?.get("name")?.as_str().map(str::to_owned)
}

/// Whether an image is in the channel of a request, or in the default one. Images without channels are in all.
fn in_channel(entry: &Entry, asked: &HashMap<String, String>, default: Option<&str>) -> bool {
    let Some(channels) = entry.manifest.get("channels").and_then(Value::as_array) else {
        return true;
    };
    match asked.get("channel").map(String::as_str).or(default) {
        None | Some("*") => true,
        Some(channel) => channels.iter().any(|name| name.as_str() == Some(channel)),
    }
}

fn find(server: &Server, uuid: &str, asked: &HashMap<String, String>) -> Option<Arc<Entry>> {
    let default = default_channel(server.catalog.channels().as_ref());
    server.catalog.get(uuid).filter(|entry| in_channel(entry, asked, default.as_deref()))
}

pub async fn manifest(
    State(server): State<Arc<Server>>,
    Path(uuid): Path<String>,
    Query(asked): Parameters,
) -> Response {
    match find(&server, &uuid, &asked) {
        Some(entry) => answer(StatusCode::OK, &entry.manifest),
        None => not_found(&uuid),
    }
}

pub async fn file(
    State(server): State<Arc<Server>>,
    Path(uuid): Path<String>,
    Query(asked): Parameters,
    headers: HeaderMap,
) -> Response {
    let Some(entry) = find(&server, &uuid, &asked) else { return not_found(&uuid) };
    let Some(path) = &entry.file else {
        let message = format!("image \"{uuid}\" has no file");
        return refuse(StatusCode::NOT_FOUND, "ResourceNotFound", &message);
    };
    match send_file(path, &entry, &headers).await {
        Ok(response) => response,
        Err(error) => {
            log::error!("cannot read {}: {error}", path.display());
            let message = "the image's file cannot be read";
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
        }
    }
}

async fn send_file(
    path: &FilePath,
    entry: &Entry,
    headers: &HeaderMap,
) -> std::io::Result<Response> {
    let mut file = tokio::fs::File::open(path).await?;
    let meta = file.metadata().await?;
    let (length, etag) = (meta.len(), etag(entry, &meta));
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|t| t.trim() == etag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let unchanged = text(header::IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let part = range::parse(text(header::RANGE).filter(|_| unchanged), length);
    let mut out = HeaderMap::new();
    let mut set = |name: header::HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(name, value);
        }
    };
    set(header::ETAG, etag);
    set(header::ACCEPT_RANGES, "bytes".into());
    set(header::CONTENT_TYPE, "application/octet-stream".into());
    let (status, first, count) = match part {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Bytes(first, last) => {
            set(header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Part::Unsatisfiable => {
            set(header::CONTENT_RANGE, format!("bytes */{length}"));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, out).into_response());
        }
    };
    set(header::CONTENT_LENGTH, count.to_string());
    file.seek(std::io::SeekFrom::Start(first)).await?;
    file.set_max_buf_size(CHUNK);
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(count), CHUNK));
    Ok((status, out, body).into_response())
}

/// A name for this version of a file: its checksum from the manifest, or when it was changed.
fn etag(entry: &Entry, meta: &std::fs::Metadata) -> String {
    let sum = entry.manifest.get("files").and_then(|files| files.get(0)?.get("sha1")?.as_str());
    let sum = sum.filter(|sum| sum.bytes().all(|b| b.is_ascii_hexdigit()));
    if let Some(sum) = sum {
        return format!("\"{sum}-{}\"", meta.len());
    }
    let changed = meta.modified().ok();
    let since = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    format!("\"{}-{}\"", since.unwrap_or_default().as_nanos(), meta.len())
}
