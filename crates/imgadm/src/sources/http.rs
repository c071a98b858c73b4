//! One HTTP client for every kind of source: TLS, proxies, redirects, time limits, and errors by their usual names.

use std::env;
use std::io::{self, Read};
use std::net::ToSocketAddrs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector, RustlsConnector, TcpConnector,
};
use ureq::{Agent, Body, SendBody};

use super::pace::{PaceConnector, TooSlow};
use super::proxy::{self, ForwardConnector, Route};
use crate::errors::{Error, Result};
use crate::watch::{aside, check_interrupt};

/// How long a server may take before it is given up. Environment variables change them for slow networks.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Seconds to connect: `IMGADM_CONNECT_TIMEOUT`.
    pub connect: Duration,
    /// Seconds without a byte, or with hardly any, after which a connection counts as broken: `IMGADM_STALL_TIMEOUT`.
    pub stall: Duration,
    /// How long the first wait is before a broken download goes on, in milliseconds; each further one is twice as
    /// long: `IMGADM_RETRY_PAUSE`.
    pub pause: Duration,
}

impl Limits {
    /// The limits that the environment asks for.
    pub fn from_env() -> Self {
        let asked = |name: &str, otherwise: u64| {
            let asked = env::var(name).ok().and_then(|text| text.parse().ok());
            asked.filter(|n| (1..=86400).contains(n)).unwrap_or(otherwise)
        };
        Self {
            connect: Duration::from_secs(asked("IMGADM_CONNECT_TIMEOUT", 15)),
            stall: Duration::from_secs(asked("IMGADM_STALL_TIMEOUT", 60)),
            pause: Duration::from_millis(asked("IMGADM_RETRY_PAUSE", 200)),
        }
    }
}

/// The most that one JSON answer, or one manifest of a list, may hold, in bytes, once decompressed. A value that is
/// parsed takes up to a hundred times its text.
pub const MOST_JSON: u64 = 512 << 10;
/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    /// Makes the requests that a proxy forwards.
    forwarding: Agent,
    /// The URL that paths are appended to; no slash at its end.
    base: String,
    user_agent: String,
}

/// One request to make.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// The path below the server's base, with its query; or a whole URL.
    pub path: &'a str,
    pub headers: Headers,
    /// How long the answer may be waited for, whether or not the operator asks to stop. Without it the wait ends when
    /// the operator does.
    pub patience: Option<Duration>,
}

/// Names and values.
type Headers = Vec<(&'static str, String)>;

/// What is sent with a request.
type Upload = Box<dyn Read + Send>;

impl<'a> Request<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { path, ..Self::default() }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    /// A client of the server at `base`. Fails where the URL is of no scheme that is spoken, or the CA file that the
    /// environment names (`IMGADM_CA_FILE`, `SSL_CERT_FILE`) cannot be used.
    pub fn new(base: &str, insecure: bool, user_agent: &str) -> Result<Self> {
        check_scheme(base)?;
        let limits = Limits::from_env();
        let tls = TlsConfig::builder().disable_verification(insecure);
        let tls = match own_authorities()? {
            Some(roots) => tls.root_certs(roots),
            None => tls,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls.build())
            // Chosen for each request: redirects lead to other hosts.
            .proxy(None)
            .timeout_connect(Some(limits.connect))
            .timeout_resolve(Some(limits.connect))
            .timeout_recv_response(Some(limits.stall))
            .timeout_per_read(Some(limits.stall))
            .timeout_per_write(Some(limits.stall))
            .build();
        let connector = || {
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(PaceConnector(limits.stall))
                .chain(RustlsConnector::default())
        };
        let resolver = DefaultResolver::default;
        let forwarding = connector().chain(ForwardConnector);
        Ok(Self {
            agent: Agent::with_parts(config.clone(), connector(), resolver()),
            forwarding: Agent::with_parts(config, forwarding, resolver()),
            base: base.trim_end_matches('/').to_owned(),
            user_agent: user_agent.to_owned(),
        })
    }

    /// The whole URL of a path below the base.
    pub fn url(&self, path: &str) -> String {
        if scheme(path).is_some() { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    /// Sends a GET and follows redirects. Credentials are not sent on to another host. Whatever the status, the
    /// answer is returned.
    pub fn get(&self, request: &Request<'_>) -> Result<Response<Body>> {
        let mut url = self.url(request.path);
        let first_host = authority(&url);
        for _ in 0..MOST_REDIRECTS {
            let elsewhere = authority(&url) != first_host;
            let mut headers = request.headers.clone();
            headers.retain(|(name, _)| !(elsewhere && name.eq_ignore_ascii_case("authorization")));
            let response = self.run("GET", &url, headers, request.patience, None)?;
            match redirect_target(&response, &url)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(Error::new(
            "TooManyRedirects",
            format!("{} redirects more than {MOST_REDIRECTS} times", request.path),
        ))
    }

    /// Sends `body` of a known length with `method` POST or PUT. Redirects are not followed.
    pub fn send(
        &self,
        method: &str,
        request: &Request<'_>,
        body: Upload,
        length: u64,
    ) -> Result<Response<Body>> {
        let mut headers = request.headers.clone();
        headers.push(("content-length", length.to_string()));
        self.run(method, &self.url(request.path), headers, request.patience, Some(body))
    }

    /// Makes one request, directly or through a proxy, in a thread of its own: the operator does not wait for servers.
    fn run(
        &self,
        method: &str,
        url: &str,
        headers: Headers,
        patience: Option<Duration>,
        body: Option<Upload>,
    ) -> Result<Response<Body>> {
        let route = proxy::route(url)?;
        let mut builder =
            ureq::http::Request::builder().method(method).header("user-agent", &self.user_agent);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        builder = match &route {
            Route::Direct | Route::Tunnel(_) => builder.uri(url),
            Route::Forward(forward) => {
                // Each has a connection of its own.
                let mut builder = builder
                    .uri(forward.uri.clone())
                    .header("host", &forward.host)
                    .header("connection", "close");
                if let Some(authorization) = &forward.authorization {
                    builder = builder.header("proxy-authorization", authorization);
                }
                builder
            }
        };
        let request = builder
            .body(())
            .map_err(|e| Error::usage(format!("cannot send a request to {url}: {e}")))?;
        let (client, to, began) = (self.clone(), url.to_owned(), Instant::now());
        let exchange = move || {
            let body = body.map_or_else(SendBody::none, SendBody::from_owned_reader);
            client.exchange(request.map(|()| body), route, &to)
        };
        aside(exchange, Duration::ZERO, &mut || match patience {
            None => check_interrupt(),
            Some(limit) if began.elapsed() > limit => Err(too_slow(&authority(url))),
            Some(_) => Ok(()),
        })
    }

    /// Sends a request on its way to `url` and waits for the head of the answer.
    fn exchange(
        &self,
        request: ureq::http::Request<SendBody<'static>>,
        route: Route,
        url: &str,
    ) -> Result<Response<Body>> {
        // Connections that fail are told of with what they were to.
        let (answer, other_end) = match route {
            Route::Direct => (self.agent.run(request), url.to_owned()),
            Route::Tunnel(through) => {
                let other_end = through.uri().to_string();
                let request = self.agent.configure_request(request).proxy(Some(through)).build();
                (self.agent.run(request), other_end)
            }
            Route::Forward(forward) => (self.forwarding.run(request), forward.uri.to_string()),
        };
        answer.map_err(|e| match &e {
            ureq::Error::Rustls(_) => connection_error(&e, url),
            _ => connection_error(&e, &other_end),
        })
    }
}

/// The scheme that a URL begins with; none of one that is relative to another, whatever its query holds (RFC 3986, 3.1).
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && scheme.chars().all(fits)).then_some(scheme)
}

fn check_scheme(url: &str) -> Result<()> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        return Ok(());
    }
    // No code: this is how the message is known.
    Err(Error::new("", format!("Protocol \"{scheme}:\" not supported. Expected \"http:\".")))
}

/// The URL that an answer sends us to, where it is a redirect. Only http and https are followed, and never from https
/// to plain http.
fn redirect_target(response: &Response<Body>, from: &str) -> Result<Option<String>> {
    if !matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    ) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
    let refuse = |why: &str| {
        let shown = String::from_utf8_lossy(location.as_bytes());
        Error::new("RedirectRefused", format!("{from} redirects to \"{shown}\": {why}"))
    };
    let location = location.to_str().map_err(|_| refuse("it is not a URL"))?;
    let target = join(from, location).ok_or_else(|| refuse("it is not a URL"))?;
    if check_scheme(&target).is_err() {
        return Err(refuse("only http and https are followed"));
    }
    if from.starts_with("https://") && !target.starts_with("https://") {
        return Err(refuse("it leads away from https"));
    }
    Ok(Some(target))
}

/// The URL that a reference in an answer from `from` means (RFC 3986, 4.2 and 5.3).
fn join(from: &str, location: &str) -> Option<String> {
    let (own_scheme, rest) = from.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    if let Some(other) = location.strip_prefix("//") {
        return Some(format!("{own_scheme}://{other}"));
    }
    if location.starts_with('/') {
        return Some(format!("{own_scheme}://{host}{location}"));
    }
    if let Some(scheme) = scheme(location) {
        let rest = &location[scheme.len() + 1..];
        // `file:/etc/passwd` is one, too.
        return Some(format!("{scheme}://{}", rest.strip_prefix("//").unwrap_or(rest)));
    }
    let path = rest[host.len()..].split('?').next().unwrap_or_default();
    if location.starts_with('?') {
        return Some(format!("{own_scheme}://{host}{path}{location}"));
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    Some(format!("{own_scheme}://{host}{directory}/{location}"))
}

/// `HOST:PORT` of a URL as it stands there.
pub fn authority(url: &str) -> String {
    url.split_once("://")
        .map_or(url, |(_, rest)| rest)
        .split(['/', '?'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The CA certificates of the file that the environment names; read once.
fn own_authorities() -> Result<Option<RootCerts>> {
    static READ: OnceLock<Result<Option<RootCerts>>> = OnceLock::new();
    READ.get_or_init(|| {
        let named = ["IMGADM_CA_FILE", "SSL_CERT_FILE"].iter().find_map(env::var_os);
        let Some(path) = named.filter(|path| !path.is_empty()) else { return Ok(None) };
        let shown = path.to_string_lossy().into_owned();
        let pem = std::fs::read(&path)
            .map_err(|e| Error::config(format!("cannot read CA file {shown}: {e}")))?;
        let mut certificates = Vec::new();
        for item in ureq::tls::parse_pem(&pem) {
            match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(e) => return Err(Error::config(format!("CA file {shown} is damaged: {e}"))),
            }
        }
        if certificates.is_empty() {
            return Err(Error::config(format!("CA file {shown} holds no certificate")));
        }
        Ok(Some(certificates.into()))
    })
    .clone()
}

/// The host of a URL, without port or user, in lower case.
pub fn host_of(url: &str) -> String {
    let authority = authority(url);
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.to_owned(),
        None => host.split(':').next().unwrap_or_default().to_lowercase(),
    }
}

/// The port of a URL, or the usual one of its scheme.
pub fn port_of(url: &str) -> u16 {
    let uri: Option<Uri> = url.parse().ok();
    let usual = if url.starts_with("https") { 443 } else { 80 };
    uri.as_ref().and_then(Uri::port_u16).unwrap_or(usual)
}

/// A failed connection by the name that scripts know: `ECONNREFUSED`, `ENOTFOUND`, `ETIMEDOUT`, …
fn connection_error(error: &ureq::Error, url: &str) -> Error {
    let at = address(url);
    let named = |code: &'static str, call: &str| Error::new(code, format!("{call} {code} {at}"));
    match error {
        ureq::Error::HostNotFound => named("ENOTFOUND", "getaddrinfo"),
        ureq::Error::Timeout(_) => named("ETIMEDOUT", "connect"),
        ureq::Error::Io(e) => io_error(e, &at),
        ureq::Error::Rustls(e) => untrusted(&at, e),
        ureq::Error::ConnectProxyFailed(why) => {
            Error::new("ProxyError", format!("proxy {url} makes no connection: {why}"))
        }
        other => Error::internal(format!("{at}: {other}")),
    }
}

fn untrusted(at: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(
        "CERT_UNTRUSTED",
        format!("{at}: its certificate is not trusted ({why}): see IMGADM_CA_FILE in imgadm(8)"),
    )
}

fn too_slow(at: &str) -> Error {
    Error::new("ETIMEDOUT", format!("{at} is too slow"))
}

/// The same for an error while reading a body.
pub fn io_error(error: &io::Error, at: &str) -> Error {
    if error.get_ref().and_then(|inner| inner.downcast_ref::<TooSlow>()).is_some() {
        return too_slow(at);
    }
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>())
        && let ureq::Error::Timeout(_) = inner
    {
        return Error::new("ETIMEDOUT", format!("read ETIMEDOUT {at}"));
    }
    let named = |code: &'static str, call: &str| Error::new(code, format!("{call} {code} {at}"));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => named("ECONNREFUSED", "connect"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            Error::new("ECONNRESET", "socket hang up")
        }
        io::ErrorKind::TimedOut => named("ETIMEDOUT", "connect"),
        io::ErrorKind::HostUnreachable => named("EHOSTUNREACH", "connect"),
        io::ErrorKind::NetworkUnreachable => named("ENETUNREACH", "connect"),
        _ if error.to_string().contains("Temporary failure") => named("EAI_AGAIN", "getaddrinfo"),
        _ if error.to_string().contains("lookup address") => named("ENOTFOUND", "getaddrinfo"),
        _ if error.to_string().contains("certificate") => untrusted(at, error),
        _ => Error::internal(format!("{at}: {error}")),
    }
}

/// `ADDRESS:PORT` of a URL; the name stays where it has no address.
pub fn address(url: &str) -> String {
    let (host, port) = (host_of(url), port_of(url));
    // A literal needs no resolver; a name that was refused has just been resolved, so this is quick.
    match (host.as_str(), port).to_socket_addrs().ok().and_then(|mut all| all.next()) {
        Some(address) => address.to_string(),
        None => format!("{host}:{port}"),
    }
}

/// A JSON answer: the value of a good one, the server's own error of another.
pub fn json(response: Response<Body>, url: &str) -> Result<Value> {
    let status = response.status();
    let text = text(response, url)?;
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if status.is_success() => Ok(value),
        Ok(value) => Err(api_error(status, &value)),
        Err(_) => Err(not_json(status, &text)),
    }
}

/// The error of an answer that is not a good one.
pub fn failure(response: Response<Body>, url: &str) -> Error {
    let status = response.status();
    match text(response, url) {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(value) => api_error(status, &value),
            Err(_) => not_json(status, &text),
        },
        Err(error) => error,
    }
}

/// The body as text, up to a limit.
pub fn text(response: Response<Body>, url: &str) -> Result<String> {
    let url = url.to_owned();
    aside(move || read_text(response, &url), Duration::ZERO, &mut check_interrupt)
}

fn read_text(response: Response<Body>, url: &str) -> Result<String> {
    let mut bytes = Vec::new();
    response
        .into_body()
        .into_reader()
        .take(MOST_JSON + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| io_error(&e, &address(url)))?;
    if bytes.len() as u64 > MOST_JSON {
        return Err(Error::internal(format!("{url} answers with more than {MOST_JSON} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn api_error(status: StatusCode, body: &Value) -> Error {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let code = text("code").unwrap_or("InternalError").to_owned();
    let mut message = text("message").unwrap_or_else(|| status.as_str()).to_owned();
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n    {}: {}", part("field"), part("code")));
        if !part("message").is_empty() {
            message.push_str(&format!(": {}", part("message")));
        }
    }
    Error::new(code, message).with_status_code(status.as_u16())
}

/// An answer that should have been JSON, with the beginning of what it was.
pub fn not_json(status: StatusCode, body: &str) -> Error {
    const MOST: usize = 1024;
    let shown: String = match body.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &body[..end]),
        None => body.to_owned(),
    };
    let indented = shown.replace("\r\n", "\n").replace('\n', "\n    ");
    Error::internal(format!("statusCode {}, response not JSON:\n    {indented}", status.as_u16()))
        .with_status_code(status.as_u16())
}

/// A word as it stands in a query or path: everything but unreserved characters is escaped.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined_to_where_they_come_from() {
        for (location, target) in [
            ("https://b/x", "https://b/x"),
            ("HTTP://b/x", "HTTP://b/x"),
            ("//c/x", "http://c/x"),
            ("//c/x?to=http://d/y", "http://c/x?to=http://d/y"),
            ("/x?y", "http://h:1/x?y"),
            ("/x?from=http://d/y", "http://h:1/x?from=http://d/y"),
            ("x", "http://h:1/a/x"),
            ("x?from=http://d/y", "http://h:1/a/x?from=http://d/y"),
            ("x/a:b", "http://h:1/a/x/a:b"),
            ("?from=http://d/y", "http://h:1/a/b?from=http://d/y"),
            ("file:/etc/passwd", "file:///etc/passwd"),
        ] {
            assert_eq!(join("http://h:1/a/b?q", location).as_deref(), Some(target));
        }
        assert!(check_scheme("file:///etc/passwd").is_err());
    }

    #[test]
    fn paths_are_below_the_base_whatever_their_query_holds() {
        let client = Client::new("http://h/base/", false, "t").unwrap();
        for (path, url) in [
            ("/ping", "http://h/base/ping"),
            ("/images?channel=a://b", "http://h/base/images?channel=a://b"),
            ("https://other/x", "https://other/x"),
        ] {
            assert_eq!(client.url(path), url);
        }
    }

    #[test]
    fn other_schemes_are_refused_in_the_known_words() {
        let error = Client::new("ftp://x/y", false, "t").unwrap_err();
        assert_eq!(error.message(), "Protocol \"ftp:\" not supported. Expected \"http:\".");
        assert_eq!(error.code(), "");
    }

    #[test]
    fn a_refused_connection_is_named_with_its_address() {
        // Bound and dropped: nothing listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let error =
            Client::new(&base, false, "t").unwrap().get(&Request::get("/ping")).unwrap_err();
        assert_eq!(error.code(), "ECONNREFUSED");
        assert_eq!(error.message(), format!("connect ECONNREFUSED 127.0.0.1:{port}"));
    }
}
