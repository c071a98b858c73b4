//! The icons of images.

use std::path::PathBuf;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;

use super::Server;
use super::catalog::Entry;
use super::publish::{keep, own_home, receive};
use super::read::{AboutImage, Answer, send};
use super::refusal::Refusal;

/// The kinds of icon that are taken, and what a file of each is called.
const KINDS: [(&str, &str); 3] =
    [("image/jpeg", "icon.jpeg"), ("image/png", "icon.png"), ("image/gif", "icon.gif")];
/// The largest icon that is taken, in bytes.
const MOST: u64 = 128 << 10;

/// The icon of an image and its kind, where it has one.
fn icon(server: &Server, entry: &Entry) -> Option<(PathBuf, &'static str)> {
    let home = server.catalog.home(&entry.uuid);
    KINDS.iter().map(|(kind, name)| (home.join(name), *kind)).find(|(path, _)| path.is_file())
}

/// GET /images/UUID/icon
pub async fn get(about: AboutImage, headers: HeaderMap) -> Answer {
    let entry = about.find(true)?;
    let (path, kind) = icon(&about.server, &entry).ok_or_else(|| {
        let message = format!("image \"{}\" has no icon", about.uuid);
        Refusal::not_found(message)
    })?;
    send(&path, kind, None, &headers).await
}

/// PUT /images/UUID/icon
pub async fn put(about: AboutImage, headers: HeaderMap, body: Body) -> Answer {
    let AboutImage { server, asked, .. } = &about;
    let entry = about.find(false)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default();
    let Some((_, name)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let known = KINDS.map(|(kind, _)| kind).join(", ");
        let message = format!("invalid content-type, {kind}, must be one of {known}");
        return Err(Refusal::upload(message));
    };
    let home = own_home(server, &entry)?;
    let received = receive(&home, &headers, asked.get("sha1"), MOST, body).await?;
    if let Some((before, _)) = icon(server, &entry) {
        // The new one replaces it, whatever its kind.
        let _ = std::fs::remove_file(before);
    }
    received.rename(&home.join(name))?;
    let mut manifest = entry.manifest.clone();
    manifest["icon"] = true.into();
    keep(&entry.manifest_path, &manifest)
}

/// DELETE /images/UUID/icon
pub async fn delete(about: AboutImage) -> Answer {
    let entry = about.find(false)?;
    own_home(&about.server, &entry)?;
    let mut manifest = entry.manifest.clone();
    if let Some(fields) = Value::as_object_mut(&mut manifest) {
        fields.shift_remove("icon");
    }
    keep(&entry.manifest_path, &manifest)?;
    if let Some((path, _)) = icon(&about.server, &entry) {
        let _ = std::fs::remove_file(path);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
