//! Engine.IO beside the pages of an axum application.
//!
//! ```text
//! cargo run -p sockeye-tokio --features axum,engineio --example engineio_axum -- --port 3000
//! ```

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use sockeye_tokio::engineio::{
    Handler, Message, Opening, Options, Refused, Runtime, Server, Service, Session,
};
use sockeye_tokio::handshake::Origins;
use tokio::net::TcpListener;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        // One that does not fetch its echoes goes without.
        let _ = session.send(message);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(3000))).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server::new(Echo, Options::new(Origins::SameHost), Runtime::new());
    let app = Router::new()
        .route("/", get(async || "Engine.IO is at /engine.io/"))
        .route_service("/engine.io/", Service::new(server.clone()));
    // Small answers are sent at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let stopped = async move {
        let _ = tokio::signal::ctrl_c().await;
        server.close().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
}
