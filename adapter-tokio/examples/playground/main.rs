//! The playground: a page that shows polling, streaming, WebSocket and Engine.IO
//! side by side, and what each costs.
//!
//! ```text
//! cargo run --release -p sockeye-tokio --example playground -- --port 9000
//! ```
//!
//! Open the address that it prints in a browser.

mod clients;
mod engineio;
mod lab;
mod panels;
mod wire;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use sockeye_tokio::Server;
use sockeye_tokio::engineio::Service;
use sockeye_tokio::handshake::{Origins, ServerOptions};
use sockeye_tokio::websocket::Config;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::lab::Labs;
use crate::wire::{Counted, timed};

/// What a browser loads.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html", include_str!("page.html")),
    ("/page.css", "text/css", include_str!("page.css")),
    ("/page.js", "text/javascript", include_str!("page.js")),
    ("/panel.js", "text/javascript", include_str!("panel.js")),
    ("/chart.js", "text/javascript", include_str!("chart.js")),
    ("/ways.js", "text/javascript", include_str!("ways.js")),
    (
        "/engineio.js",
        "text/javascript",
        include_str!("engineio.js"),
    ),
    ("/texts.js", "text/javascript", include_str!("texts.js")),
];

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(9000);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("listening on {address}");

    let app = App::new(address.port());
    tokio::select! {
        () = app.clone().serve(listener, Arc::new(Semaphore::new(100))) => {}
        () = app.labs.tidy() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// What all connections share.
#[derive(Clone)]
pub(crate) struct App {
    labs: Labs,
    pub(crate) websockets: Server,
    pub(crate) engineio: Service<engineio::Sessions>,
    port: u16,
    /// Places for connections at the ports of laboratories, whose clients cannot
    /// take those of the main port, and for rows of simulated clients.
    connections: Arc<Semaphore>,
    rows: Arc<Semaphore>,
}

impl App {
    fn new(port: u16) -> Self {
        let labs = Labs::default();
        // Pages of the main port ask the ports of their laboratories.
        let options = ServerOptions::new(Origins::Any);
        let mut config = Config::default();
        config.max_message = 64 * 1024;
        Self {
            websockets: Server::new(Origins::Any).options(options).config(config),
            engineio: engineio::service(labs.clone()),
            labs,
            port,
            connections: Arc::new(Semaphore::new(500)),
            rows: Arc::new(Semaphore::new(50)),
        }
    }

    /// Boxed, since a request may open a port with further connections.
    fn serve(
        self,
        listener: TcpListener,
        places: Arc<Semaphore>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.accept(listener, places))
    }

    async fn accept(self, listener: TcpListener, places: Arc<Semaphore>) {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                // There may be too many files open.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            // One that is gone already tells so when it is read.
            let _ = stream.set_nodelay(true);
            let stream = Counted::new(stream, place, self.labs.clone());
            let app = self.clone();
            let answer = service_fn(move |request| {
                let app = app.clone();
                async move { Ok::<_, Infallible>(app.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(20))
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades();
            tokio::spawn(timed(async {
                // Clients come and go as they like.
                let _ = connection.await;
            }));
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if let Some((lab, panel)) = self.labs.named(path) {
            return panels::respond(self, &lab, panel, request).await;
        }
        let lab = path.strip_prefix("/lab/");
        match (request.method(), lab) {
            (&Method::GET, None) => file(path),
            (&Method::POST, Some("")) => self.open().await,
            (&Method::GET, Some(id)) => match self.labs.find(id) {
                Some(lab) => answer("application/json", lab.report()),
                None => empty(StatusCode::NOT_FOUND),
            },
            (&Method::POST, Some(id)) => {
                let cut = id.strip_suffix("/cut");
                let Some(lab) = self.labs.find(cut.unwrap_or(id)) else {
                    return empty(StatusCode::NOT_FOUND);
                };
                match cut {
                    Some(_) => lab.cut_all(),
                    None => lab.set(request.uri().query().unwrap_or_default()),
                }
                empty(StatusCode::NO_CONTENT)
            }
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Opens a laboratory, at a port of its own if there is one.
    async fn open(&self) -> Response<Body> {
        let Some(lab) = self.labs.open() else {
            return empty(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let bound = timeout(Duration::from_secs(1), TcpListener::bind(("127.0.0.1", 0)));
        let mut port = self.port;
        if let Ok(Ok(listener)) = bound.await {
            port = listener.local_addr().map_or(port, |address| address.port());
            let places = self.connections.clone();
            self.labs.spawn(&lab, self.clone().serve(listener, places));
        }
        let clients = clients::keep(lab.clone(), port, self.rows.clone());
        self.labs.spawn(&lab, clients);
        let id = lab.id();
        answer(
            "application/json",
            format!(r#"{{"id":"{id}","port":{port}}}"#),
        )
    }
}

fn file(path: &str) -> Response<Body> {
    let file = FILES.iter().find(|(name, ..)| *name == path);
    match file {
        Some((_, kind, text)) => answer(kind, *text),
        None => empty(StatusCode::NOT_FOUND),
    }
}

/// An answer with content.
pub(crate) fn answer(kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let fields = response.headers_mut();
    fields.insert("content-type", HeaderValue::from_static(kind));
    fields.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// An answer without.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
