//! Image sources: servers that images come from.

pub mod docker;
pub mod http;
pub mod imgapi;
mod no_proxy;
pub mod pace;
pub mod proxy;
pub mod registry;

use std::sync::Arc;

use serde_json::Value;
use ureq::http::{StatusCode, header};

use self::imgapi::Imgapi;
use self::registry::Registry;
use crate::config::{Kind, SourceInfo};
use crate::errors::{Error, Result};
use crate::pipeline::checksum::{Algorithm, Checksum};
use crate::pipeline::decode::{self, Compression};
use crate::pipeline::fetch::{Opened, Origin, SharedOrigin, Wanted};
use crate::store;
use crate::table::printable;

/// How long a chain of origins may be; a server that names more is not to be believed.
const MOST_ANCESTORS: usize = 256;

/// An image to import, with all that is needed to fetch and install it.
#[derive(Clone)]
pub struct Image {
    pub uuid: String,
    pub manifest: Value,
    pub content: Content,
    /// The file's size in bytes, where it is known beforehand.
    pub size: Option<u64>,
    pub checksum: Option<Checksum>,
    pub origin: SharedOrigin,
    /// The URL of the source it comes from, for the record.
    pub source: Option<String>,
}

/// What an image's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A ZFS send stream, compressed so.
    ZfsStream(Compression),
    /// A tar archive to lay over the origin's root; its compression is told by its first bytes.
    Layer,
}

impl Image {
    /// What the download should turn out to be.
    pub fn wanted(&self, unchecked: bool) -> Wanted {
        Wanted {
            uuid: self.uuid.clone(),
            size: self.size,
            checksum: self.checksum.clone(),
            unchecked,
        }
    }

    /// `NAME@VERSION`.
    pub fn label(&self) -> String {
        label(&self.manifest)
    }

    pub fn parent(&self) -> Option<&str> {
        self.manifest.get("origin").and_then(Value::as_str)
    }
}

/// `NAME@VERSION` of a manifest, without what a terminal would take for a command.
pub fn label(manifest: &Value) -> String {
    let text = |field: &str| manifest.get(field).and_then(Value::as_str).unwrap_or("undefined");
    printable(&format!("{}@{}", text("name"), text("version")))
}

/// An image that a source has.
pub struct Found {
    pub uuid: String,
    /// `UUID (NAME@VERSION)`, or the repository and tag of a docker image.
    pub title: String,
    pub what: FoundWhat,
}

/// What the source needs to go on from there.
pub enum FoundWhat {
    Manifest(Value),
    Docker(Box<docker::DockerImage>),
}

/// One source, ready to be asked.
pub struct Source {
    pub info: SourceInfo,
    server: Server,
    skip_uuids: bool,
}

enum Server {
    Imgapi(Arc<Imgapi>),
    Docker(Arc<Registry>),
}

impl Source {
    /// `skip_uuids`: docker sources are not asked for images named by a UUID.
    pub fn new(info: SourceInfo, user_agent: &str, skip_uuids: bool) -> Result<Self> {
        let server = match info.kind {
            Kind::Imgapi | Kind::Dsapi => Server::Imgapi(Arc::new(Imgapi::new(&info, user_agent)?)),
            Kind::Docker => Server::Docker(Arc::new(Registry::new(&info, user_agent)?)),
        };
        Ok(Self { info, server, skip_uuids })
    }

    /// Asks whether the server is there and is what it should be.
    pub fn ping(&self) -> Result<()> {
        let asked = match &self.server {
            Server::Imgapi(server) => server.ping(),
            Server::Docker(server) => server.ping(),
        };
        asked.map_err(|why| {
            let details = if why.is_empty() { String::new() } else { format!(": {why}") };
            Error::new(
                "SourcePing",
                format!(
                    "unexpected ping error with \"{}\" image source \"{}\"{details}",
                    self.info.kind.as_str(),
                    self.info.url
                ),
            )
        })
    }

    /// Hands every manifest of the source to `each`, whose error ends it; a docker source has no list.
    pub fn list(&self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<()> {
        let Server::Imgapi(server) = &self.server else { return Ok(()) };
        server.list(each).map_err(|error| {
            let known = error.status_code().is_some()
                || ["InternalError", "TooManyImages"].contains(&error.code());
            if known {
                error.prefixed(&self.info.url)
            } else {
                // A connection that failed; the code says whose fault it is.
                Error::new("ClientError", format!("{}: Error: {}", self.info.url, error.message()))
            }
        })
    }

    /// Whether images have such names in this source, so that it can be asked for one.
    pub fn knows(&self, argument: &str) -> bool {
        match &self.server {
            Server::Imgapi(_) => store::is_uuid(argument),
            Server::Docker(server) => {
                !(self.skip_uuids && store::is_uuid(argument))
                    && docker::Name::parse(argument).is_some_and(|name| name.is_at(&server.host))
            }
        }
    }

    /// Looks for an image by UUID, or by repository and tag; `None` where the source has none such or knows no such
    /// names. With `only_active`, images that are not active are passed over.
    pub fn find(&self, argument: &str, only_active: bool) -> Result<Option<Found>> {
        if !self.knows(argument) {
            return Ok(None);
        }
        match &self.server {
            Server::Imgapi(server) => {
                let Some(manifest) = server.manifest(argument)? else { return Ok(None) };
                let manifest =
                    if only_active { crate::image_manifest::upgrade(manifest)? } else { manifest };
                let active = manifest.get("state").and_then(Value::as_str) == Some("active");
                if only_active && !active {
                    return Ok(None);
                }
                let title = format!("{argument} ({})", label(&manifest));
                Ok(Some(Found {
                    uuid: argument.to_owned(),
                    title,
                    what: FoundWhat::Manifest(manifest),
                }))
            }
            Server::Docker(server) => {
                let Some(name) = docker::Name::parse(argument) else { return Ok(None) };
                let Some(image) = docker::find(server, &name)? else { return Ok(None) };
                Ok(Some(Found {
                    uuid: image.uuid(),
                    title: format!("{} ({})", image.uuid(), image.title()),
                    what: FoundWhat::Docker(Box::new(image)),
                }))
            }
        }
    }

    /// The image and all it is made from, topmost first.
    pub fn ancestry(&self, found: &Found) -> Result<Vec<Image>> {
        let mut images = match (&self.server, &found.what) {
            (Server::Imgapi(server), FoundWhat::Manifest(manifest)) => {
                self.imgapi_ancestry(server, &found.uuid, manifest)?
            }
            (Server::Docker(server), FoundWhat::Docker(image)) => image.layers(server)?,
            _ => {
                return Err(Error::internal("an image was looked for in a source of another kind"));
            }
        };
        for image in &mut images {
            image.source = Some(self.info.url.clone());
        }
        Ok(images)
    }

    fn imgapi_ancestry(
        &self,
        server: &Arc<Imgapi>,
        uuid: &str,
        manifest: &Value,
    ) -> Result<Vec<Image>> {
        let mut images = vec![image_of(server, uuid, manifest.clone())?];
        while let Some(parent) = images.last().and_then(Image::parent).map(str::to_owned) {
            if !store::is_uuid(&parent) {
                return Err(Error::invalid_manifest(format_args!(
                    "origin {parent:?} is not a UUID"
                )));
            }
            if images.len() == MOST_ANCESTORS || images.iter().any(|image| image.uuid == parent) {
                return Err(Error::invalid_manifest(format_args!(
                    "the origins of image {uuid} have no end"
                )));
            }
            // An active image may be made from one that is no longer active.
            let manifest = server
                .manifest(&parent)?
                .ok_or_else(|| Error::origin_not_found_in_source(&parent, &self.info.url))?;
            images.push(image_of(server, &parent, crate::image_manifest::upgrade(manifest)?)?);
        }
        Ok(images)
    }
}

fn image_of(server: &Arc<Imgapi>, uuid: &str, manifest: Value) -> Result<Image> {
    let file = manifest.get("files").and_then(|files| files.get(0));
    let size = match file.and_then(|file| file.get("size")) {
        None => None,
        Some(size) => Some(size.as_u64().ok_or_else(|| {
            Error::invalid_manifest(format_args!("file size {size} is not a number of bytes"))
        })?),
    };
    let checksum = file.and_then(|file| {
        let hex = |name: &str| Some(file.get(name)?.as_str()?.to_lowercase());
        let sum = |algorithm, hex| Checksum { algorithm, hex };
        hex("sha256")
            .map(|hex| sum(Algorithm::Sha256, hex))
            .or_else(|| hex("sha1").map(|hex| sum(Algorithm::Sha1, hex)))
    });
    let content = match manifest.get("type").and_then(Value::as_str) {
        Some("docker") => Content::Layer,
        _ => Content::ZfsStream(match file {
            Some(file) => decode::of_manifest(file)?,
            None => Compression::None,
        }),
    };
    let path = server.file_path(uuid, &manifest);
    Ok(Image {
        uuid: uuid.to_owned(),
        content,
        size,
        checksum,
        origin: Arc::new(ImgapiFile { server: Arc::clone(server), path }),
        source: None,
        manifest,
    })
}

/// An image's file on an IMGAPI server.
struct ImgapiFile {
    server: Arc<Imgapi>,
    path: String,
}

impl Origin for ImgapiFile {
    fn open(&self, offset: u64, identity: Option<&str>) -> Result<Opened> {
        let response = self.server.file(&self.path, offset, identity)?;
        opened(response, offset, &self.server.client().url(&self.path))
    }

    fn address(&self) -> String {
        http::address(&self.server.client().url(&self.path))
    }
}

/// Reads what an answer to a request for a file from byte `offset` on says about it.
pub fn opened(
    response: ureq::http::Response<ureq::Body>,
    offset: u64,
    url: &str,
) -> Result<Opened> {
    let status = response.status();
    let text = |name: header::HeaderName| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let length: Option<u64> = text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let identity = text(header::ETAG).filter(|etag| !etag.starts_with("W/"));
    let (starts_at, length) = match status {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(header::CONTENT_RANGE);
            let parsed = range.as_deref().and_then(parse_content_range);
            let Some((from, total)) = parsed.filter(|(from, _)| *from <= offset) else {
                return Err(Error::download(format!(
                    "{url} was asked for bytes from {offset} on and answered with range {range:?}"
                )));
            };
            (from, total.or(length.map(|length| from + length)))
        }
        // Nothing is left to send: the end was reached before.
        StatusCode::RANGE_NOT_SATISFIABLE => (offset, Some(offset)),
        status if status.is_success() => (0, length),
        _ => return Err(http::failure(response, url)),
    };
    Ok(Opened { reader: Box::new(response.into_body().into_reader()), starts_at, length, identity })
}

/// `bytes 10-19/20`: where it begins, and the whole length where that is told.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(parse_content_range("bytes 10-19/20"), Some((10, Some(20))));
        assert_eq!(parse_content_range("bytes 10-19/*"), Some((10, None)));
        assert_eq!(parse_content_range("bytes */20"), None);
    }

    #[test]
    fn labels_of_manifests_without_a_name() {
        assert_eq!(label(&serde_json::json!({"name": "a", "version": "1"})), "a@1");
        assert_eq!(label(&serde_json::json!({"name": "a"})), "a@undefined");
        let bad = serde_json::json!({"name": "a\u{1b}[31mb\n", "version": "\t1\u{9b}"});
        assert_eq!(label(&bad), "a\u{fffd}[31mb\u{fffd}@\u{fffd}1\u{fffd}");
    }
}
