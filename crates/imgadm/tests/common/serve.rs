//! An `imgadm serve` of a test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use super::tools::sha1;

pub const TOKEN: &str = "a secret of this test";

/// The server; ended with the value.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    /// Serves a directory, to those with [`TOKEN`] for changes too.
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, |command| command.env("IMGADM_TOKEN", TOKEN))
    }

    pub fn start_with(directory: &Path, set: impl Fn(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgadm"));
        command.args(["serve", "--port", "0"]).arg(directory).env_remove("IMGADM_TOKEN");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = set(&mut command).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Listening on ").unwrap().to_owned();
        Self { child, url }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Makes a request; whatever the status, the answer is given.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response<Body> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let config = Agent::config_builder().http_status_as_error(false).proxy(None);
        // Methods that bring nothing may still bring it.
        let config = config.allow_non_standard_methods(true);
        let agent = config.build().new_agent();
        if body.is_empty() && method != "POST" && method != "PUT" {
            return agent.run(request.body(()).unwrap()).unwrap();
        }
        agent.run(request.body(body).unwrap()).unwrap()
    }

    /// A GET: its status and what it answers, as JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        parts(self.request("GET", path, &[], b""))
    }

    /// A request with the token: its status and what it answers, as JSON.
    pub fn trusted(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let bearer = format!("Bearer {TOKEN}");
        parts(self.request(method, path, &[("authorization", &bearer)], body))
    }

    /// Publishes an image with a file, in steps of IMGAPI.
    pub fn publish(&self, manifest: &Value, file: &[u8], query: &str) {
        let uuid = manifest["uuid"].as_str().unwrap();
        let steps = [
            ("POST", format!("?action=import{query}"), manifest.to_string().into_bytes()),
            ("PUT", format!("/file?compression=none{query}"), file.to_vec()),
            ("POST", format!("?action=activate{query}"), Vec::new()),
        ];
        for (method, end, body) in steps {
            let (status, answer) = self.trusted(method, &format!("/images/{uuid}{end}"), &body);
            assert_eq!(status, 200, "{end}: {answer}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parts(mut response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Puts an image into a directory to serve, as `UUID.json` and `UUID.file`.
pub fn lay(directory: &Path, uuid: &str, file: &[u8], more: &Value) {
    let mut manifest = super::image::manifest(file, json!({"uuid": uuid}));
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    manifest["files"][0]["sha1"] = sha1(file).into();
    std::fs::write(directory.join(format!("{uuid}.json")), manifest.to_string()).unwrap();
    std::fs::write(directory.join(format!("{uuid}.file")), file).unwrap();
}
