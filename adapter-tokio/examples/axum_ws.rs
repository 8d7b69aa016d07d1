//! A WebSocket echo at `/ws` of an axum server, which ends at SIGINT and lets its
//! WebSockets end with it.
//!
//! ```text
//! cargo run -p sockeye-tokio --features axum --example axum_ws -- --port 9001
//! ```

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use sockeye_tokio::axum::WebSocketUpgrade;
use sockeye_tokio::driver::Group;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    let port = arguments.nth(1).map_or(Ok(9001), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("listening on {}", listener.local_addr()?);

    let group = Group::new();
    let app = Router::new()
        .route("/", get(|| async { "a WebSocket is at /ws\n" }))
        .route("/ws", any(echo))
        .with_state(group.clone());
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let interrupted = async move {
        interrupt.recv().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(interrupted)
        .await?;
    // axum is done with what it still knows; upgraded connections are ours.
    group.dismiss();
    group.drained().await;
    Ok(())
}

async fn echo(State(group): State<Group>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |mut websocket| async move {
        websocket.get_mut().join(&group);
        let echo = websocket.for_each(|connection, message| {
            let _ = connection.send(message);
        });
        let _ = echo.await;
    })
}
