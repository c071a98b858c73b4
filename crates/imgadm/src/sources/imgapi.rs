//! IMGAPI version 2, and DSAPI before it: lists of manifests, one manifest, and image files.

use std::cell::Cell;
use std::io::Read;

use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Body, http};

use super::http::{self as client, Client, Request, escape};
use crate::config::{Kind, SourceInfo};
use crate::errors::{Error, Result};

/// How many manifests are asked for at once.
const PAGE: usize = 1000;
/// How many bytes all pages of a list together may have.
const MOST_LIST: u64 = 64 << 20;

/// An IMGAPI or DSAPI server.
#[derive(Debug, Clone)]
pub struct Imgapi {
    client: Client,
    kind: Kind,
    channel: Option<String>,
}

impl Imgapi {
    pub fn new(info: &SourceInfo, user_agent: &str) -> Result<Self> {
        let url = info.normal_url();
        let (base, query) = url.split_once('?').unwrap_or((&url, ""));
        let base = base.trim_end_matches('/');
        let base = match info.kind {
            Kind::Dsapi => base.strip_suffix("/datasets").ok_or_else(|| {
                Error::config(format!(
                    "\"dsapi\" source URL does not end with \"/datasets\": \"{url}\""
                ))
            })?,
            _ => base,
        };
        let in_url = query.split('&').find_map(|pair| pair.strip_prefix("channel="));
        Ok(Self {
            client: Client::new(base, is_insecure(info), user_agent)?,
            kind: info.kind,
            channel: info.channel.clone().or_else(|| in_url.map(str::to_owned)),
        })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    fn collection(&self) -> &'static str {
        if self.kind == Kind::Dsapi { "/datasets" } else { "/images" }
    }

    /// A path with the channel and other parameters after it.
    pub fn path(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let channel = self.channel.as_deref().map(|channel| ("channel", channel));
        let query: Vec<String> = channel
            .into_iter()
            .chain(parameters.iter().copied())
            .map(|(key, value)| format!("{key}={}", escape(value)))
            .collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }

    fn get(&self, path: &str) -> Result<Response<Body>> {
        let request =
            Request::get(path).header("accept", "application/json").header("accept-version", "~2");
        self.client.get(&request)
    }

    /// Asks whether the server is there and is what it should be. The message of a failure is what follows the
    /// source's name; an empty one says no more than that.
    pub fn ping(&self) -> std::result::Result<(), String> {
        let path = self.path("/ping", &[]);
        let response = match self.get(&path) {
            Ok(response) => response,
            Err(error) if error.code().is_empty() => return Err(error.message().to_owned()),
            Err(error) => return Err(format!("Error: {}", error.message())),
        };
        let status = response.status();
        let is_json = response
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| text.split(';').next().map(str::trim) == Some("application/json"));
        let text = client::text(response, &self.client.url(&path))
            .map_err(|error| format!("Error: {}", error.message()))?;
        let pong = serde_json::from_str::<Value>(&text).ok();
        let says_imgapi = pong.as_ref().is_some_and(|pong| {
            self.kind == Kind::Dsapi || pong.get("imgapi").is_some_and(is_truthy)
        });
        if status.as_u16() == 200 && says_imgapi {
            return Ok(());
        }
        if !is_json {
            return Err(format!("Error: {}", client::not_json(status, &text).message()));
        }
        let field = |name: &str| pong.as_ref()?.get(name)?.as_str().map(str::to_owned);
        match (field("code"), field("message")) {
            (Some(code), Some(message)) => Err(format!("{code}: {message}")),
            _ => Err(String::new()),
        }
    }

    /// Hands every manifest of the server to `each`, page by page and one at a time, so that a long list is never
    /// held whole; an error of `each` ends it. Entries that are not objects are left out.
    pub fn list(&self, each: &mut dyn FnMut(Value) -> Result<()>) -> Result<()> {
        let mut marker: Option<String> = None;
        let left = Cell::new(MOST_LIST);
        loop {
            let limit = PAGE.to_string();
            let parameters: Vec<(&str, &str)> = marker
                .as_deref()
                .map(|marker| vec![("marker", marker), ("limit", limit.as_str())])
                .unwrap_or_default();
            let path = self.path(self.collection(), &parameters);
            let response = self.get(&path)?;
            if !response.status().is_success() {
                return Err(client::failure(response, &self.client.url(&path)));
            }
            let mut count = 0;
            let mut last = None;
            let mut stopped = None;
            let mut one = |manifest: Value| {
                count += 1;
                let uuid = manifest.get("uuid").and_then(Value::as_str).map(str::to_owned);
                let repeats_marker = count == 1 && marker.is_some() && uuid == marker;
                last = uuid;
                if manifest.is_object()
                    && !repeats_marker
                    && let Err(error) = each(manifest)
                {
                    stopped = Some(error);
                }
                stopped.is_none()
            };
            let read = stream_array(response.into_body().into_reader(), &left, &mut one);
            if let Some(error) = stopped {
                return Err(error);
            }
            // Whoever asked says of which server.
            read.map_err(|e| Error::internal(format!("the answer is no list of images: {e}")))?;
            // A server that knows no pages sends all at once, or the same page again.
            if count < PAGE || last.is_none() || last == marker || count > PAGE + 1 {
                return Ok(());
            }
            marker = last;
        }
    }

    /// The manifest of an image; `None` where the server has none.
    pub fn manifest(&self, uuid: &str) -> Result<Option<Value>> {
        let path = self.path(&format!("{}/{}", self.collection(), escape(uuid)), &[]);
        let response = self.get(&path)?;
        if response.status() == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let manifest = client::json(response, &self.client.url(&path))?;
        let named = manifest.get("uuid").and_then(Value::as_str);
        if named != Some(uuid) {
            let answer = match named {
                Some(named) => format!("image {named:?}"),
                None => "what has no uuid".to_owned(),
            };
            return Err(Error::invalid_manifest(format_args!(
                "{} was asked for image {uuid} and answered with {answer}",
                self.client.url(&path)
            )));
        }
        Ok(Some(manifest))
    }

    /// The path of an image's file on the server, with its query.
    pub fn file_path(&self, uuid: &str, manifest: &Value) -> String {
        if self.kind == Kind::Dsapi {
            let name = manifest.get("files").and_then(|files| files.get(0)?.get("path")?.as_str());
            let name = name.unwrap_or_default();
            return format!("/datasets/{}/{}", escape(uuid), escape(name));
        }
        self.path(&format!("/images/{}/file", escape(uuid)), &[])
    }

    /// Asks for an image's file from byte `offset` on. `identity` is what an earlier answer called this version of
    /// the file; another version is then sent whole.
    pub fn file(&self, path: &str, offset: u64, identity: Option<&str>) -> Result<Response<Body>> {
        let mut request = Request::get(path)
            .header("accept", "application/json")
            .header("accept-version", "~2")
            .header("accept-encoding", "identity");
        if offset > 0 {
            request = request.header("range", format!("bytes={offset}-"));
            if let Some(identity) = identity {
                request = request.header("if-range", identity);
            }
        }
        self.client.get(&request)
    }
}

fn is_insecure(info: &SourceInfo) -> bool {
    info.insecure.unwrap_or_else(|| std::env::var("IMGADM_INSECURE").is_ok_and(|v| v == "1"))
}

fn is_truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && value.as_str() != Some("")
}

/// How much is read ahead of what is parsed, in bytes.
const READ_AHEAD: usize = 64 << 10;

/// Reads a JSON array element by element until `each` says that it is enough. No element may be larger than
/// [`client::MOST_JSON`], and all that is read is taken from `left`, in bytes.
fn stream_array(
    reader: impl Read,
    left: &Cell<u64>,
    each: &mut dyn FnMut(Value) -> bool,
) -> serde_json::Result<()> {
    let of_element = Cell::new(0);
    let metered = Metered { reader, of_element: &of_element, left };
    let buffered = std::io::BufReader::with_capacity(READ_AHEAD, metered);
    let mut deserializer = serde_json::Deserializer::from_reader(buffered);
    let mut one = |element| {
        of_element.set(0);
        each(element)
    };
    Elements(&mut one).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A reader that comes to an end with an error where one element, or all there is, is too long.
struct Metered<'a, R> {
    reader: R,
    /// Read since the last element was complete.
    of_element: &'a Cell<u64>,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let of_element = self.of_element.get() + count as u64;
        let left = self.left.get().checked_sub(count as u64);
        let Some(left) = left.filter(|_| of_element <= client::MOST_JSON + READ_AHEAD as u64)
        else {
            return Err(std::io::Error::other("it is longer than any can be"));
        };
        self.of_element.set(of_element);
        self.left.set(left);
        Ok(count)
    }
}

struct Elements<'a>(&'a mut dyn FnMut(Value) -> bool);

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of image manifests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        while let Some(element) = list.next_element::<Value>()? {
            if !(self.0)(element) {
                return Err(serde::de::Error::custom("the rest was not wanted"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_one_element_at_a_time() {
        let left = Cell::new(100);
        let mut seen = Vec::new();
        stream_array(&b"[{\"uuid\":\"a\"}, 3]"[..], &left, &mut |v| {
            seen.push(v);
            true
        })
        .unwrap();
        assert_eq!((seen.len(), left.get()), (2, 83));
        assert!(stream_array(&b"{\"uuid\":1}"[..], &left, &mut |_| true).is_err());
        assert!(stream_array(&b"[1,2"[..], &left, &mut |_| true).is_err());
        assert!(stream_array(&b"[1,2]"[..], &left, &mut |_| false).is_err());
        assert!(stream_array(&[b' '; 100][..], &left, &mut |_| true).is_err());
    }

    #[test]
    fn an_element_without_end_is_not_read_to_its_end() {
        let left = Cell::new(u64::MAX);
        let endless = b"[\"".chain(std::io::repeat(b'x'));
        assert!(stream_array(endless, &left, &mut |_| true).is_err());
        let read = u64::MAX - left.get();
        assert!(read < 2 * client::MOST_JSON, "{read}");
    }

    #[test]
    fn the_channel_goes_into_every_path() {
        let mut info = SourceInfo::new(Kind::Imgapi, "http://h/base/?channel=dev");
        let source = Imgapi::new(&info, "t").unwrap();
        assert_eq!(source.path("/images", &[("limit", "2")]), "/images?channel=dev&limit=2");
        assert_eq!(source.client().url("/ping"), "http://h/base/ping");
        info.channel = Some("a b".into());
        let source = Imgapi::new(&info, "t").unwrap();
        assert_eq!(source.path("/ping", &[]), "/ping?channel=a%20b");
    }

    #[test]
    fn a_dsapi_url_ends_with_datasets() {
        let info = SourceInfo::new(Kind::Dsapi, "http://h/datasets/");
        assert_eq!(Imgapi::new(&info, "t").unwrap().client().url("/ping"), "http://h/ping");
        let info = SourceInfo::new(Kind::Dsapi, "http://h");
        assert_eq!(Imgapi::new(&info, "t").unwrap_err().code(), "ConfigError");
    }
}
