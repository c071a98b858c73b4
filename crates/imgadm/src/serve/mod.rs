//! `imgadm serve`: an image server (IMGAPI, version 2) over a directory.

pub mod catalog;
mod publish;
pub mod range;
mod read;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::catalog::Catalog;
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
    Router::new()
        .route("/ping", get(read::ping))
        .route("/channels", get(read::channels))
        .route("/images", get(read::list))
        .route("/images/{uuid}", get(read::manifest))
        .route("/images/{uuid}", post(publish::action).delete(publish::delete))
        .route("/images/{uuid}/file", get(read::file))
        .route("/images/{uuid}/file", put(publish::upload))
        .fallback(|| async {
            read::refuse(StatusCode::NOT_FOUND, "ResourceNotFound", "there is nothing here")
        })
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(log_access))
        .with_state(Arc::new(server))
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
    // A log that cannot be written stops nothing.
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
