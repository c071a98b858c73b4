//! `imgadm publish`: puts an image onto a server.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;

use super::{Command, HELP, IMAGE_FILE, MANIFEST, QUIET, Run, manifest_and_file};
use crate::app::App;
use crate::cli::options::Given;
use crate::config::{Kind, SourceInfo};
use crate::errors::{Error, Result};
use crate::import::bars::Bars;
use crate::out::{mention, say};
use crate::sources::http::{self as client, Request};
use crate::sources::imgapi::Imgapi;
use crate::store;
use crate::table::printable;

pub const COMMAND: Command = Command {
    name: "publish",
    aliases: &[],
    options: &[HELP, MANIFEST, IMAGE_FILE, QUIET],
    help: "\
Publishes an image, such as \"imgadm create\" makes, on an image server.

Usage:
    imgadm publish [<options>] -m <manifest> -f <file> <imgapi-url>

{{options}}
A server that asks for a token is given that of IMGADM_TOKEN in the environment.
",
    run: Run::WithApp(run),
};

fn run(app: &App, given: &Given) -> Result<()> {
    let [url] = given.arguments.as_slice() else {
        return Err(Error::wrong_arguments(&given.arguments));
    };
    let (manifest, file) = manifest_and_file(given)?;
    publish(app, &manifest, file, url, given.has("quiet"))
}

/// Publishes an image: manifest, file, activation. What a failure left on the server is deleted there.
pub fn publish(app: &App, manifest: &Value, file: &Path, url: &str, quiet: bool) -> Result<()> {
    let uuid = manifest.get("uuid").and_then(Value::as_str).unwrap_or_default();
    store::check_uuid(uuid)?;
    let described = manifest.get("files").and_then(|files| files.get(0));
    let text = |field: &str| described.and_then(|file| file.get(field)?.as_str());
    let Some(compression) = text("compression") else {
        return Err(Error::invalid_manifest("it does not say how its file is compressed"));
    };
    let server = Publisher {
        server: Imgapi::new(&SourceInfo::new(Kind::Imgapi, url), &app.user_agent()?)?,
        url,
        uuid,
    };
    let image = server.import(manifest)?;
    tell_imported(&image)
        .and_then(|()| server.add_file(file, compression, text("sha1"), described, quiet))
        .and_then(|()| server.activate())
        .and_then(|()| say(format_args!("Successfully published image {uuid} to {url}")))
        .inspect_err(|error| {
            server.roll_back((error.code() == "Interrupted").then_some(LAST_REQUEST));
        })
}

/// Asks a server whether it takes images of whoever has this token, by a request that changes nothing: an action
/// without a name, on an image that is not there. What else the server says to that does not matter.
pub fn check_token(app: &App, url: &str) -> Result<()> {
    let server = Imgapi::new(&SourceInfo::new(Kind::Imgapi, url), &app.user_agent()?)?;
    let server = Publisher { server, url, uuid: &uuid::Uuid::new_v4().to_string() };
    let path = server.path("", &[]);
    match server.send("POST", &path, "application/json", std::io::empty(), 0) {
        Err(error) if matches!(error.status_code(), Some(401 | 403)) => Err(error),
        _ => Ok(()),
    }
}

/// How long a server may take to delete an image once the operator asked to stop.
const LAST_REQUEST: Duration = Duration::from_secs(2);

struct Publisher<'a> {
    server: Imgapi,
    url: &'a str,
    uuid: &'a str,
}

impl Publisher<'_> {
    fn send(
        &self,
        method: &str,
        path: &str,
        kind: &'static str,
        body: impl Read + Send + 'static,
        length: u64,
    ) -> Result<Response<ureq::Body>> {
        self.ask(method, &Self::request(path, kind), body, length)
    }

    /// A request with content of this kind.
    fn request<'r>(path: &'r str, kind: &'static str) -> Request<'r> {
        let mut request = Request::get(path)
            .header("accept", "application/json")
            .header("accept-version", "*")
            .header("content-type", kind);
        if let Ok(token) = std::env::var("IMGADM_TOKEN")
            && !token.is_empty()
        {
            request = request.header("authorization", format!("Bearer {}", token.trim()));
        }
        request
    }

    fn ask(
        &self,
        method: &str,
        request: &Request<'_>,
        body: impl Read + Send + 'static,
        length: u64,
    ) -> Result<Response<ureq::Body>> {
        let connection = |error: Error| match error.code() {
            "" | "Interrupted" => error,
            _ => Error::new("ClientError", format!("{}: Error: {}", self.url, error.message())),
        };
        let sent = self.server.client().send(method, request, Box::new(body), length);
        let response = sent.map_err(connection)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(client::failure(response, self.url).prefixed(self.url))
    }

    fn answer(&self, response: Response<ureq::Body>) -> Result<Value> {
        client::json(response, self.url).map_err(|error| error.prefixed(self.url))
    }

    fn path(&self, end: &str, parameters: &[(&str, &str)]) -> String {
        self.server.path(&format!("/images/{}{end}", self.uuid), parameters)
    }

    /// Gives the server the manifest; what it answers.
    fn import(&self, manifest: &Value) -> Result<Value> {
        let body = manifest.to_string();
        let path = self.path("", &[("action", "import")]);
        let length = body.len() as u64;
        let body = std::io::Cursor::new(body);
        let response = self.send("POST", &path, "application/json", body, length)?;
        self.answer(response)
    }

    fn add_file(
        &self,
        file: &Path,
        compression: &str,
        sha1: Option<&str>,
        described: Option<&Value>,
        quiet: bool,
    ) -> Result<()> {
        let failed =
            |e: std::io::Error| Error::file_system(format!("cannot read {}: {e}", file.display()));
        let opened = File::open(file).map_err(failed)?;
        let length = opened.metadata().map_err(failed)?.len();
        let mut parameters = vec![("compression", compression)];
        parameters.extend(sha1.map(|sha1| ("sha1", sha1)));
        let bars = Bars::with([(self.uuid.to_owned(), Some(length))].into_iter(), quiet);
        let body = Counted { file: opened, count: 0, bars: bars.clone() };
        let path = self.path("/file", &parameters);
        let response = self.send("PUT", &path, "application/octet-stream", body, length);
        bars.finish(0);
        let response = response?;
        let image = self.answer(response)?;
        say(format_args!(
            "Added file \"{}\" (compression \"{compression}\") to image {}",
            file.display(),
            self.uuid
        ))?;
        let stored = image.get("files").and_then(|files| files.get(0));
        for field in ["sha1", "size"] {
            let (wanted, actual) = (
                described.and_then(|file| file.get(field)),
                stored.and_then(|file| file.get(field)),
            );
            if let Some(wanted) = wanted
                && Some(wanted) != actual
            {
                let plain = |value: Option<&Value>| match value {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => "undefined".into(),
                };
                return Err(Error::upload(format!(
                    "{field} expected to be {}, but was {}",
                    plain(Some(wanted)),
                    plain(actual)
                )));
            }
        }
        Ok(())
    }

    fn activate(&self) -> Result<()> {
        let path = self.path("", &[("action", "activate")]);
        self.send("POST", &path, "application/json", std::io::empty(), 0)?;
        say(format_args!("Activated image {}", self.uuid))
    }

    /// Deletes the image on the server again, which may take as long as `patience` says where that is given.
    fn roll_back(&self, patience: Option<Duration>) {
        let path = self.path("", &[]);
        let request = Request { patience, ..Self::request(&path, "application/json") };
        let deleted = self.ask("DELETE", &request, std::io::empty(), 0);
        if let Err(error) = deleted {
            mention(format_args!(
                "Warning: Could not delete partially published image {}: {error}",
                self.uuid
            ));
        }
    }
}

fn tell_imported(image: &Value) -> Result<()> {
    let text =
        |field: &str| printable(image.get(field).and_then(Value::as_str).unwrap_or("undefined"));
    say(format_args!(
        "Imported image {} ({}, {}, state={})",
        text("uuid"),
        text("name"),
        text("version"),
        text("state")
    ))
}

/// A file that draws its progress while it is read.
struct Counted {
    file: File,
    count: u64,
    bars: Bars,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.count += count as u64;
        self.bars.set(0, self.count);
        Ok(count)
    }
}
