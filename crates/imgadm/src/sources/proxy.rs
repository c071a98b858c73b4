//! Proxies that the environment names: which one a URL is reached through, and how.
//!
//! To an https server a tunnel is asked for (`CONNECT`), so that the proxy sees nothing of what is said. A request to
//! a plain http server is handed to the proxy whole, with the server's URL in its first line (RFC 9112, 3.2.2): most
//! proxies refuse tunnels to such servers.

use std::env;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Proxy, ProxyProtocol};

use super::http::authority;
use super::no_proxy;
use crate::errors::{Error, Result};

/// How a URL is reached.
#[derive(Debug)]
pub enum Route {
    Direct,
    /// Through a tunnel that the proxy makes.
    Tunnel(Proxy),
    /// By a request to the proxy.
    Forward(Forward),
}

/// What a request that a proxy forwards is made of besides its own.
#[derive(Debug)]
pub struct Forward {
    /// The proxy, with the path that is asked for on the server.
    pub uri: Uri,
    /// The server, as the `Host` header has it.
    pub host: String,
    /// What the proxy wants to know of who asks, where its URL says so.
    pub authorization: Option<String>,
}

/// The way to a URL: through what `http_proxy`, `https_proxy` or `all_proxy` names, in lower or upper case, unless
/// `no_proxy` names the server. Fails where that is no proxy that is spoken to.
pub fn route(url: &str) -> Result<Route> {
    let either = |name: &str| {
        env::var(name).or_else(|_| env::var(name.to_uppercase())).ok().filter(|v| !v.is_empty())
    };
    let secure = url.starts_with("https://");
    let own = if secure { "https_proxy" } else { "http_proxy" };
    let Some(named) = either(own).or_else(|| either("all_proxy")) else { return Ok(Route::Direct) };
    if either("no_proxy").is_some_and(|list| no_proxy::excepts(&list, url)) {
        return Ok(Route::Direct);
    }
    // Without the URL itself: it may hold a password.
    let unusable =
        |why: &str| Error::config(format!("cannot use the proxy that {own} names: {why}"));
    let proxy = Proxy::new(&named).map_err(|e| unusable(&e.to_string()))?;
    let scheme = match proxy.protocol() {
        ProxyProtocol::Http => "http",
        ProxyProtocol::Https => "https",
        _ => return Err(unusable("it is neither http nor https")),
    };
    if secure {
        return Ok(Route::Tunnel(proxy));
    }
    let host = authority(url);
    let path = url.split_once("://").map_or("", |(_, rest)| &rest[host.len()..]);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(format!("{}:{}", proxy.host(), proxy.port()))
        .path_and_query(path)
        .build()
        .map_err(|e| Error::usage(format!("{url} is no URL: {e}")))?;
    let authorization = proxy.username().map(|user| {
        let secret = format!("{user}:{}", proxy.password().unwrap_or_default());
        format!("Basic {}", STANDARD.encode(secret))
    });
    Ok(Route::Forward(Forward { uri, host, authorization }))
}

/// Makes connections whose requests name the server in their first line. For connections of one request each.
#[derive(Debug)]
pub struct ForwardConnector;

impl<In: Transport> Connector<In> for ForwardConnector {
    type Out = ForwardTransport<In>;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> std::result::Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| ForwardTransport { inner, begun: false }))
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub struct ForwardTransport<T> {
    inner: T,
    /// The head of the request has been sent.
    begun: bool,
}

impl<T: Transport> Transport for ForwardTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(
        &mut self,
        amount: usize,
        timeout: NextTimeout,
    ) -> std::result::Result<(), ureq::Error> {
        if self.begun {
            return self.inner.transmit_output(amount, timeout);
        }
        self.begun = true;
        let output = self.inner.buffers().output();
        let head = with_server(&output[..amount])
            .ok_or_else(|| ureq::Error::ConnectProxyFailed("the request has no host".into()))?;
        let room = output.get_mut(..head.len()).ok_or_else(|| {
            ureq::Error::ConnectProxyFailed("the request's URL is too long".into())
        })?;
        room.copy_from_slice(&head);
        self.inner.transmit_output(head.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> std::result::Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The beginning of a request with its path made the URL of the server that its `Host` header names.
fn with_server(request: &[u8]) -> Option<Vec<u8>> {
    const HEADER: &[u8] = b"\r\nhost:";
    let method = request.iter().position(|byte| *byte == b' ')? + 1;
    let is_header = |window: &[u8]| window.eq_ignore_ascii_case(HEADER);
    let host = &request[request.windows(HEADER.len()).position(is_header)? + HEADER.len()..];
    let host = host[..host.iter().position(|byte| *byte == b'\r')?].trim_ascii();
    Some([&request[..method], b"http://", host, &request[method..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_goes_into_the_first_line() {
        let head = with_server(b"GET /a?b HTTP/1.1\r\naccept: */*\r\nHost: h:81\r\n\r\n").unwrap();
        assert!(head.starts_with(b"GET http://h:81/a?b HTTP/1.1\r\naccept"));
        assert_eq!(with_server(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(with_server(b"\0\x01"), None);
    }
}
