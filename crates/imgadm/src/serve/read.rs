//! What anybody may ask the server: whether it is there, lists, manifests, files, icons, channels.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::Server;
use super::catalog::Entry;
use super::query::{self, Asked};
use super::range::{self, Part};
use super::refusal::Refusal;
use crate::pipeline::checksum::{Algorithm, Hasher};
use crate::store::is_uuid;

/// How much of a file is read at a time, in bytes.
const CHUNK: usize = 256 << 10;

pub type Parameters = Query<Vec<(String, String)>>;
pub type Answer = Result<Response, Refusal>;

/// An answer in JSON.
pub fn answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A manifest, with a name for this version of it.
pub fn answer_manifest(manifest: &Value) -> Response {
    let mut response = answer(StatusCode::OK, manifest);
    if let Ok(etag) = HeaderValue::from_str(&manifest_etag(manifest)) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn manifest_etag(manifest: &Value) -> String {
    let mut hasher = Hasher::new(Some(Algorithm::Sha1));
    hasher.update(manifest.to_string().as_bytes());
    format!("\"{}\"", hasher.hex())
}

/// Whether a request says that it has this version already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    tags.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*"))
}

fn not_modified(etag: String) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()
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

/// GET /channels
pub async fn channels(State(server): State<Arc<Server>>) -> Answer {
    let channels = server.catalog.channels().ok_or_else(|| {
        let message = "this server has no channels";
        Refusal::not_found(message)
    })?;
    Ok(answer(StatusCode::OK, &channels))
}

/// GET /images
pub async fn list(
    State(server): State<Arc<Server>>,
    Query(asked): Parameters,
    headers: HeaderMap,
) -> Answer {
    let asked = Asked(asked);
    let trusted = server.is_trusted(&headers);
    check_admin_fields(&asked, trusted)?;
    let channel = query::channel(&server.catalog, &asked, true)?;
    let images = query::select(server.catalog.list(), &asked, channel.as_deref(), trusted)?;
    let manifests: Vec<&Value> = images.iter().map(|entry| &entry.manifest).collect();
    Ok(answer(StatusCode::OK, &json!(manifests)))
}

/// There are no fields for administrators alone here; who asks for them has to be one all the same.
fn check_admin_fields(asked: &Asked, trusted: bool) -> Result<(), Refusal> {
    if asked.flag("inclAdminFields")? == Some(true) && !trusted {
        let message = "\"inclAdminFields\" is for those with the server's token";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", message));
    }
    Ok(())
}

/// A request about one image: the UUID in its path and what its query asks.
pub struct AboutImage {
    pub server: Arc<Server>,
    pub uuid: String,
    pub asked: Asked,
}

impl AboutImage {
    /// The image, in the channel that the request is about; with `any`, all channels may be meant.
    pub fn find(&self, any: bool) -> Result<Arc<Entry>, Refusal> {
        let Self { server, uuid, asked } = self;
        if !is_uuid(uuid) {
            let message = format!("/images/{uuid} does not exist");
            return Err(Refusal::not_found(message));
        }
        let channel = query::channel(&server.catalog, asked, any)?;
        let found = server.catalog.get(uuid);
        found
            .filter(|entry| query::in_channel(entry, channel.as_deref()))
            .ok_or_else(|| Refusal::no_image(uuid))
    }
}

impl FromRequestParts<Arc<Server>> for AboutImage {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        server: &Arc<Server>,
    ) -> Result<Self, Self::Rejection> {
        let path = Path::from_request_parts(parts, server).await;
        let Path(uuid) = path.map_err(IntoResponse::into_response)?;
        let query = Parameters::from_request_parts(parts, server).await;
        let Query(asked) = query.map_err(IntoResponse::into_response)?;
        Ok(Self { server: Arc::clone(server), uuid, asked: Asked(asked) })
    }
}

/// GET /images/UUID
pub async fn manifest(about: AboutImage, headers: HeaderMap) -> Answer {
    check_admin_fields(&about.asked, about.server.is_trusted(&headers))?;
    let entry = about.find(true)?;
    let etag = manifest_etag(&entry.manifest);
    if is_known(&headers, &etag) {
        return Ok(not_modified(etag));
    }
    Ok(answer_manifest(&entry.manifest))
}

/// GET /images/UUID/file
pub async fn file(about: AboutImage, headers: HeaderMap) -> Answer {
    let entry = about.find(true)?;
    let path = entry.file.as_ref().ok_or_else(|| {
        let message = format!("image \"{}\" has no file", about.uuid);
        Refusal::not_found(message)
    })?;
    let sum = entry.manifest.get("files").and_then(|files| files.get(0)?.get("sha1")?.as_str());
    send(path, "application/octet-stream", sum, &headers).await
}

/// Sends a file, or the part of it that is asked for. `sum` is its checksum, where that is known.
pub async fn send(
    path: &FilePath,
    kind: &'static str,
    sum: Option<&str>,
    headers: &HeaderMap,
) -> Answer {
    send_file(path, kind, sum, headers).await.map_err(|error| {
        log::error!("cannot read {}: {error}", path.display());
        Refusal::internal("the file cannot be read")
    })
}

async fn send_file(
    path: &FilePath,
    kind: &'static str,
    sum: Option<&str>,
    headers: &HeaderMap,
) -> std::io::Result<Response> {
    let mut file = tokio::fs::File::open(path).await?;
    let meta = file.metadata().await?;
    let (length, etag) = (meta.len(), etag(sum, &meta));
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if is_known(headers, &etag) {
        return Ok(not_modified(etag));
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
    set(header::CONTENT_TYPE, kind.into());
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

/// A name for this version of a file: its checksum, or when it was changed.
fn etag(sum: Option<&str>, meta: &std::fs::Metadata) -> String {
    let sum = sum.filter(|sum| sum.bytes().all(|b| b.is_ascii_hexdigit()));
    if let Some(sum) = sum {
        return format!("\"{sum}-{}\"", meta.len());
    }
    let changed = meta.modified().ok();
    let since = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    format!("\"{}-{}\"", since.unwrap_or_default().as_nanos(), meta.len())
}
