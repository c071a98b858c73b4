//! Docker and OCI images as images of this system: one image a layer, each the origin of the next.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::registry::{HUB, Registry, blob_path, is_digest};
use super::{Content, Image, opened};
use crate::errors::{Error, Result};
use crate::pipeline::checksum::{Algorithm, Checksum, Hasher};
use crate::pipeline::fetch::{Opened, Origin};

/// The most layers that an image may have.
const MOST_LAYERS: usize = 256;
/// The longest description that a manifest may have, in characters.
const MOST_DESCRIPTION: usize = 10 * 1024;

/// The name of an image: `[HOST/]REPOSITORY[:TAG|@DIGEST]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The registry, where the name has one.
    pub host: Option<String>,
    /// The repository below it.
    pub repository: String,
    /// The tag or digest; `latest` where the name has none.
    pub reference: String,
}

impl Name {
    /// `None` where the text cannot be a name.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (name, reference) = if let Some((name, digest)) = text.rsplit_once('@') {
            (name, is_digest(digest).then(|| digest.to_owned())?)
        } else {
            match text.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => (name, tag.to_owned()),
                _ => (text, "latest".to_owned()),
            }
        };
        let (host, repository) = match name.split_once('/') {
            Some((first, rest)) if looks_like_host(first) => {
                let hub = first == "index.docker.io";
                (Some(if hub { HUB } else { first }.to_owned()), rest)
            }
            _ => (None, name),
        };
        let tag_is_fine = is_digest(&reference)
            || (!reference.is_empty()
                && reference.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)));
        let part_is_fine = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c))
        };
        if !tag_is_fine || !repository.split('/').all(part_is_fine) {
            return None;
        }
        Some(Self { host, repository: repository.to_owned(), reference })
    }

    /// Whether the registry at `host` can be asked for it.
    pub fn is_at(&self, host: &str) -> bool {
        self.host.as_ref().is_none_or(|own| own == host)
    }

    /// The repository as the registry at `host` has it: what has no namespace is in `library` on the public one.
    fn remote(&self, host: &str) -> String {
        if host == HUB && !self.repository.contains('/') {
            format!("library/{}", self.repository)
        } else {
            self.repository.clone()
        }
    }
}

fn looks_like_host(text: &str) -> bool {
    text.contains('.') || text.contains(':') || text == "localhost"
}

/// An image of a registry, resolved to its layers.
#[derive(Debug)]
pub struct DockerImage {
    /// The repository as the registry has it.
    remote: String,
    /// The repository as messages and tags have it.
    local: String,
    reference: String,
    config: Value,
    /// The layers' digests and sizes in bytes, base first.
    layers: Vec<(String, Option<u64>)>,
}

/// Looks an image up; `None` where the registry has none such.
pub fn find(registry: &Registry, name: &Name) -> Result<Option<DockerImage>> {
    let remote = name.remote(&registry.host);
    let Some(mut manifest) = registry.manifest(&remote, &name.reference)? else { return Ok(None) };
    if let Some(list) = manifest.get("manifests").and_then(Value::as_array) {
        let digest = pick_platform(list)?;
        manifest = registry.manifest(&remote, &digest)?.ok_or_else(|| {
            info_error(format!("the registry's manifest list names {digest}, which it has not"))
        })?;
    }
    let layers = layers(&manifest)?;
    let config_digest = manifest.get("config").and_then(|config| config.get("digest")?.as_str());
    let config_digest = config_digest
        .filter(|digest| is_digest(digest))
        .ok_or_else(|| info_error("No docker manifest config defined".into()))?;
    let config = registry.json_blob(&remote, config_digest)?;
    let local = if registry.host == HUB {
        remote.strip_prefix("library/").unwrap_or(&remote).to_owned()
    } else {
        format!("{}/{remote}", registry.host)
    };
    Ok(Some(DockerImage { remote, local, reference: name.reference.clone(), config, layers }))
}

fn info_error(message: String) -> Error {
    Error::new("InvalidDockerInfo", message)
}

/// The manifest for this system in a list: linux on amd64, or on its 32-bit forebear.
fn pick_platform(list: &[Value]) -> Result<String> {
    let platform = |entry: &Value, field: &str| -> Option<String> {
        Some(entry.get("platform")?.get(field)?.as_str()?.to_owned())
    };
    for wanted in ["amd64", "386"] {
        for entry in list {
            let fits = platform(entry, "os").as_deref() == Some("linux")
                && platform(entry, "architecture").as_deref() == Some(wanted);
            let digest = entry.get("digest").and_then(Value::as_str).filter(|d| is_digest(d));
            if let (true, Some(digest)) = (fits, digest) {
                return Ok(digest.to_owned());
            }
        }
    }
    let offered: Vec<String> = list
        .iter()
        .map(|entry| match (platform(entry, "os"), platform(entry, "architecture")) {
            (Some(os), Some(architecture)) => format!("{os}-{architecture}"),
            _ => "<unknown>".into(),
        })
        .collect();
    Err(info_error(format!(
        "no linux-amd64 platform found in manifest list: {}",
        offered.join(",")
    )))
}

fn layers(manifest: &Value) -> Result<Vec<(String, Option<u64>)>> {
    let version = manifest.get("schemaVersion").and_then(Value::as_u64);
    if version != Some(2) {
        let shown = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        return Err(info_error(format!("Unsupported docker manifest version: {shown}")));
    }
    let list = manifest.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
    if list.is_empty() || list.len() > MOST_LAYERS {
        return Err(info_error(format!("an image of {} layers cannot be imported", list.len())));
    }
    list.iter()
        .map(|layer| {
            let digest = layer.get("digest").and_then(Value::as_str).filter(|d| is_digest(d));
            let digest = digest.ok_or_else(|| {
                info_error("a layer of the docker manifest has no sha256 digest".into())
            })?;
            Ok((digest.to_owned(), layer.get("size").and_then(Value::as_u64)))
        })
        .collect()
}

/// The UUID of the image made of these layers, base first: every host that imports it gets the same.
fn uuid_of_layers(digests: &[&str]) -> String {
    let mut hasher = Hasher::new(Some(Algorithm::Sha256));
    hasher.update(digests.join(" ").as_bytes());
    let hex = hasher.hex();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

impl DockerImage {
    fn digests(&self, count: usize) -> Vec<&str> {
        self.layers[..count].iter().map(|(digest, _)| digest.as_str()).collect()
    }

    /// The UUID that the image is installed under.
    pub fn uuid(&self) -> String {
        uuid_of_layers(&self.digests(self.layers.len()))
    }

    /// `REPOSITORY:TAG`.
    pub fn title(&self) -> String {
        let host = if self.local.contains('/')
            && looks_like_host(self.local.split('/').next().unwrap_or_default())
        {
            String::new()
        } else {
            format!("{HUB}/")
        };
        format!("{host}{}:{}", self.local, self.reference)
    }

    /// One image a layer, topmost first.
    pub fn layers(&self, registry: &Arc<Registry>) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for count in (1..=self.layers.len()).rev() {
            let (digest, size) = &self.layers[count - 1];
            let hex = digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
            images.push(Image {
                uuid: uuid_of_layers(&self.digests(count)),
                manifest: self.manifest(count)?,
                content: Content::Layer,
                size: *size,
                checksum: Some(Checksum { algorithm: Algorithm::Sha256, hex }),
                origin: Arc::new(Blob {
                    registry: Arc::clone(registry),
                    repository: self.remote.clone(),
                    digest: digest.clone(),
                }),
                source: None,
            });
        }
        Ok(images)
    }

    /// The image manifest of the first `count` layers.
    fn manifest(&self, count: usize) -> Result<Value> {
        let digests = self.digests(count);
        let digest = digests.last().copied().unwrap_or_default();
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if text(self.config.get("os")).is_some_and(|os| os != "linux") {
            return Err(info_error("only docker images of linux can be imported".into()));
        }
        let command = self.config.get("container_config").and_then(|c| c.get("Cmd")?.as_array());
        let command = command
            .map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
        let description = text(self.config.get("comment"))
            .filter(|comment| !comment.is_empty())
            .or(command)
            .unwrap_or_default();
        let mut tags = Map::new();
        tags.insert("docker:repo".into(), self.local.clone().into());
        tags.insert("docker:id".into(), digest.into());
        tags.insert("docker:architecture".into(), text(self.config.get("architecture")).into());
        if count == self.layers.len() && !is_digest(&self.reference) {
            tags.insert(format!("docker:tag:{}", self.reference), true.into());
        }
        if let Some(config) = self.config.get("config").and_then(Value::as_object) {
            let kept: Map<String, Value> = ["Cmd", "Entrypoint", "Env", "WorkingDir"]
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), config.get(*key)?.clone())))
                .collect();
            tags.insert("docker:config".into(), kept.into());
        }
        let mut manifest = json!({
            "v": 2,
            "uuid": uuid_of_layers(&digests),
            "owner": "00000000-0000-0000-0000-000000000000",
            "name": "docker-layer",
            "version": &hex[..hex.len().min(12)],
            "disabled": false,
            "public": true,
            "published_at": text(self.config.get("created")).map(|at| milliseconds(&at)),
            "type": "docker",
            "os": "linux",
            "description": description.chars().take(MOST_DESCRIPTION).collect::<String>(),
            "tags": tags,
        });
        if count > 1 {
            manifest["origin"] = uuid_of_layers(&digests[..count - 1]).into();
        }
        Ok(manifest)
    }
}

/// A time with as many digits after the second as manifests have: `2024-01-02T03:04:05.678Z`.
fn milliseconds(at: &str) -> String {
    let Some(bare) = at.strip_suffix('Z') else { return at.to_owned() };
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{fraction:0<3.3}Z")
}

/// A layer's blob in a registry.
struct Blob {
    registry: Arc<Registry>,
    repository: String,
    digest: String,
}

impl Origin for Blob {
    fn open(&self, offset: u64, _identity: Option<&str>) -> Result<Opened> {
        let response = self.registry.blob(&self.repository, &self.digest, offset)?;
        opened(response, offset, &self.registry.url(&blob_path(&self.repository, &self.digest)))
    }

    fn address(&self) -> String {
        super::http::address(&self.registry.url("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |text: &str| {
            Name::parse(text).map(|n| (n.host.unwrap_or_default(), n.repository, n.reference))
        };
        let own = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(name("alpine"), own("", "alpine", "latest"));
        assert_eq!(name("docker.io/library/alpine:3"), own("docker.io", "library/alpine", "3"));
        assert_eq!(name("h:5000/a/b"), own("h:5000", "a/b", "latest"));
        assert_eq!(name("localhost/a:1"), own("localhost", "a", "1"));
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert!(name(&digest).is_some());
        for bad in ["A", "a/../b", "a:", "a@sha256:1", "", "a b", "-x"] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn layers_become_a_chain_of_images() {
        let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
        let image = DockerImage {
            remote: "library/x".into(),
            local: "x".into(),
            reference: "1".into(),
            config: json!({"os": "linux", "architecture": "amd64", "created": "2024-01-02T03:04:05.6789Z",
                "config": {"Cmd": ["/bin/sh"], "User": "u"}}),
            layers: vec![(a.clone(), Some(1)), (b, Some(2))],
        };
        let (base, top) = (image.manifest(1).unwrap(), image.manifest(2).unwrap());
        assert_eq!(base["uuid"], uuid_of_layers(&[&a]));
        assert_eq!(top["origin"], base["uuid"]);
        assert_eq!(top["uuid"], image.uuid());
        assert_eq!(top["published_at"], "2024-01-02T03:04:05.678Z");
        assert_eq!(top["tags"]["docker:tag:1"], true);
        assert_eq!(base["tags"].get("docker:tag:1"), None);
        assert_eq!(top["tags"]["docker:config"], json!({"Cmd": ["/bin/sh"]}));
        assert_eq!(image.title(), "docker.io/x:1");
    }
}
