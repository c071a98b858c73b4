//! Docker and OCI registries: the distribution protocol, version 2.

use std::sync::Mutex;

use serde_json::Value;
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::http::{self as client, Client, Request, escape};
use crate::config::SourceInfo;
use crate::errors::{Error, Result};
use crate::pipeline::checksum::{Algorithm, Hasher};

/// The name of the public registry, and the server it is at.
pub const HUB: &str = "docker.io";
const HUB_SERVER: &str = "https://registry-1.docker.io";

/// The kinds of manifest that are understood, newest first.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// One registry.
#[derive(Debug)]
pub struct Registry {
    /// The registry's name as it stands before repositories: `docker.io`, `host:5000`.
    pub host: String,
    client: Client,
    /// The token of each repository that asked for one.
    tokens: Mutex<Vec<(String, String)>>,
}

impl Registry {
    pub fn new(info: &SourceInfo, user_agent: &str) -> Result<Self> {
        let url = info.normal_url();
        let url = if url.contains("://") { url } else { format!("https://{url}") };
        let host = url.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let hub = [HUB, "index.docker.io", "registry-1.docker.io"].contains(&host);
        let base = if hub { HUB_SERVER.to_owned() } else { url.clone() };
        let insecure = info.insecure.unwrap_or(false);
        Ok(Self {
            host: if hub { HUB.to_owned() } else { host.to_owned() },
            client: Client::new(&base, insecure, user_agent)?,
            tokens: Mutex::default(),
        })
    }

    pub fn url(&self, path: &str) -> String {
        self.client.url(path)
    }

    /// Asks whether a registry is there; one that wants to know who asks is one.
    pub fn ping(&self) -> std::result::Result<(), String> {
        let response = self
            .client
            .get(&Request::get("/v2/"))
            .map_err(|error| format!("Error: {}", error.message()))?;
        match response.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(format!("Error: statusCode {}, not a registry", status.as_u16())),
        }
    }

    /// Gets a path of a repository, with a token where the registry asks for one.
    fn get(&self, repository: &str, request: Request<'_>) -> Result<Response<Body>> {
        let known = self.token(repository);
        let with = |token: &str| {
            let mut headers = request.headers.clone();
            headers.push(("authorization", format!("Bearer {token}")));
            Request { path: request.path, headers, patience: request.patience }
        };
        let response = match &known {
            Some(token) => self.client.get(&with(token))?,
            None => self.client.get(&request)?,
        };
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(token) = self.ask_token(challenge, repository)? else { return Ok(response) };
        let answer = self.client.get(&with(&token))?;
        if let Ok(mut tokens) = self.tokens.lock() {
            tokens.retain(|(name, _)| name != repository);
            tokens.push((repository.to_owned(), token));
        }
        Ok(answer)
    }

    fn token(&self, repository: &str) -> Option<String> {
        let tokens = self.tokens.lock().ok()?;
        tokens.iter().find(|(name, _)| name == repository).map(|(_, token)| token.clone())
    }

    /// Asks the server that a challenge names for a token to read a repository.
    fn ask_token(&self, challenge: &str, repository: &str) -> Result<Option<String>> {
        let Some(realm) = challenge_field(challenge, "realm") else { return Ok(None) };
        let scope = challenge_field(challenge, "scope")
            .unwrap_or_else(|| format!("repository:{repository}:pull"));
        let mut url = format!("{realm}?scope={}", escape(&scope));
        if let Some(service) = challenge_field(challenge, "service") {
            url.push_str(&format!("&service={}", escape(&service)));
        }
        let response = self.client.get(&Request::get(&url))?;
        let answer = client::json(response, &url)?;
        let token = answer.get("token").or_else(|| answer.get("access_token"));
        Ok(token.and_then(Value::as_str).map(str::to_owned))
    }

    /// The manifest of a tag or digest; `None` where there is none such. One asked for by digest must have it.
    pub fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Value>> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = Request::get(&path).header("accept", MANIFEST_TYPES);
        let response = self.get(repository, request)?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(client::failure(response, &self.url(&path)));
        }
        let text = client::text(response, &self.url(&path))?;
        check_digest(reference, text.as_bytes())?;
        serde_json::from_str(&text).map(Some).map_err(|e| {
            Error::new("InvalidDockerInfo", format!("{} is not JSON: {e}", self.url(&path)))
        })
    }

    /// A small JSON blob, such as an image's configuration, checked against its digest.
    pub fn json_blob(&self, repository: &str, digest: &str) -> Result<Value> {
        let path = blob_path(repository, digest);
        let response = self.get(repository, Request::get(&path))?;
        if !response.status().is_success() {
            return Err(client::failure(response, &self.url(&path)));
        }
        let text = client::text(response, &self.url(&path))?;
        check_digest(digest, text.as_bytes())?;
        serde_json::from_str(&text).map_err(|e| {
            Error::new("InvalidDockerInfo", format!("{} is not JSON: {e}", self.url(&path)))
        })
    }

    /// Asks for a blob from byte `offset` on.
    pub fn blob(&self, repository: &str, digest: &str, offset: u64) -> Result<Response<Body>> {
        let path = blob_path(repository, digest);
        let mut request = Request::get(&path).header("accept-encoding", "identity");
        if offset > 0 {
            request = request.header("range", format!("bytes={offset}-"));
        }
        self.get(repository, request)
    }
}

pub fn blob_path(repository: &str, digest: &str) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// Whether a text is a digest that can be checked: `sha256:` and 64 hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn check_digest(reference: &str, bytes: &[u8]) -> Result<()> {
    let Some(wanted) = reference.strip_prefix("sha256:") else { return Ok(()) };
    let mut hasher = Hasher::new(Some(Algorithm::Sha256));
    hasher.update(bytes);
    let actual = hasher.hex();
    if actual == wanted {
        return Ok(());
    }
    Err(Error::download(format!(
        "digest error: expected \"{reference}\", downloaded \"sha256:{actual}\""
    )))
}

/// A quoted field of `Bearer realm="…",service="…",scope="…"`.
fn challenge_field(challenge: &str, name: &str) -> Option<String> {
    let fields = challenge.trim().strip_prefix("Bearer ")?;
    let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
    let end = fields[start..].find('"')?;
    Some(fields[start..start + end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_taken_apart() {
        let challenge =
            "Bearer realm=\"https://a/token\",service=\"r.io\",scope=\"repository:x/y:pull\"";
        assert_eq!(challenge_field(challenge, "realm").as_deref(), Some("https://a/token"));
        assert_eq!(challenge_field(challenge, "scope").as_deref(), Some("repository:x/y:pull"));
        assert_eq!(challenge_field("Basic realm=\"x\"", "realm"), None);
    }

    #[test]
    fn digests_are_checked() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(is_digest(digest) && !is_digest("sha256:../../x"));
        assert!(check_digest(digest, b"abc").is_ok());
        assert_eq!(check_digest(digest, b"abd").unwrap_err().code(), "DownloadError");
        assert!(check_digest("latest", b"abd").is_ok());
    }
}
