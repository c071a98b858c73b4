//! `imgadm serve`: an image server (IMGAPI, version 2) over a directory.

pub mod catalog;
mod icon;
mod linger;
mod publish;
mod query;
pub mod range;
mod read;
mod refusal;
mod update;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::catalog::Catalog;
use self::refusal::Refusal;
use crate::errors::{Error, Result};
use crate::time;

/// How long requests that still run may take once the server was told to stop.
const LAST_ORDERS: Duration = Duration::from_secs(10);

/// What the server serves, and to whom.
pub struct Server {
    catalog: Catalog,
    /// What a request has to carry to change anything; without it nothing can be changed.
    token: Option<String>,
}

impl Server {
    pub fn new(directory: &Path, token: Option<String>) -> Result<Self> {
        Ok(Self { catalog: Catalog::new(directory)?, token })
    }

    /// Whether a request carries the server's token.
    fn is_trusted(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        let token = self.token.as_deref();
        token.is_some_and(|token| same(given.trim().as_bytes(), token.as_bytes()))
    }
}

/// Compares without telling by its duration how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |found, (a, b)| found | (a ^ b));
    a.len() == b.len() && differences == 0
}

/// Lets through what carries the server's token.
async fn require_token(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> std::result::Result<Response, Refusal> {
    if server.token.is_none() {
        let message = "this server takes no images: it was started without a token";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "NotAuthorized", message));
    }
    if !server.is_trusted(request.headers()) {
        let message = "this request needs the server's token";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", message));
    }
    Ok(next.run(request).await)
}

/// Serves until SIGINT or SIGTERM. `announce` is told the address once connections are taken there.
pub fn run(server: Server, listen: SocketAddr, announce: &dyn Fn(SocketAddr)) -> Result<()> {
    let failed = |what: &str, e: std::io::Error| Error::internal(format!("{what}: {e}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| failed("cannot start the server", e))?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|e| failed(&format!("cannot listen on {listen}"), e))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(|e| failed("cannot take signals", e))?;
        let mut terminate =
            signal(SignalKind::terminate()).map_err(|e| failed("cannot take signals", e))?;
        announce(listener.local_addr().map_err(|e| failed("cannot tell the address", e))?);
        tell_manager("READY=1");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = router(server).into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(async move { serving.await });
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tell_manager("STOPPING=1");
        let _ = stop.send(());
        // Requests that run are finished; those that go on too long are not waited for.
        let _ = tokio::time::timeout(LAST_ORDERS, serving).await;
        Ok(())
    });
    runtime.shutdown_background();
    served
}

fn router(server: Server) -> Router {
    let server = Arc::new(server);
    let reading = Router::new()
        .route("/ping", get(read::ping))
        .route("/channels", get(read::channels))
        .route("/images", get(read::list))
        .route("/images/{uuid}", get(read::manifest))
        .route("/images/{uuid}/file", get(read::file))
        .route("/images/{uuid}/icon", get(icon::get));
    let publishing = Router::new()
        .route("/images", post(publish::create))
        .route("/images/{uuid}", post(publish::action).delete(publish::delete))
        .route("/images/{uuid}/file", put(publish::upload))
        .route("/images/{uuid}/icon", put(icon::put).delete(icon::delete))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&server), require_token));
    reading
        .merge(publishing)
        .fallback(async |uri: Uri| {
            let message = format!("{} does not exist", uri.path());
            Refusal::not_found(message)
        })
        .method_not_allowed_fallback(async |method: Method| {
            let message = format!("{method} is not allowed");
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
        })
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(linger::linger))
        .layer(middleware::from_fn(log_access))
        .with_state(server)
}

/// One line a request on standard error, in the common log format with the time taken.
async fn log_access(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let client = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(|| "-".to_owned(), |info| info.0.ip().to_string());
    let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    let mut response = next.run(request).await;
    response.headers_mut().insert("api-version", HeaderValue::from_static("2.0.0"));
    let length = response.headers().get("content-length").and_then(|value| value.to_str().ok());
    let text = format!(
        "{client} - - [{}] \"{line}\" {} {} {}ms\n",
        time::iso(SystemTime::now()),
        response.status().as_u16(),
        length.unwrap_or("-"),
        started.elapsed().as_millis()
    );
    // A log that cannot be written stops nothing. A URI has no blanks or line ends in it that could forge a line.
    let _ = std::io::stderr().write_all(text.as_bytes());
    response
}

/// Tells systemd how the service is doing, where it asked to be told. SMF takes the process itself as the sign.
fn tell_manager(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() {
        let _ = socket.send_to(state.as_bytes(), path);
    }
}
