//! A WebSocket echo at `/ws` of an axum server. With `--port` it serves until it
//! is stopped; without, it talks to itself once.

use std::error::Error;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get};
use sockeye_tokio::axum::WebSocketUpgrade;
use sockeye_tokio::connect;
use sockeye_tokio::websocket::CloseCode;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    let port: Option<u16> = arguments.nth(1).map(|port| port.parse()).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await?;
    let address = listener.local_addr()?;
    println!("listening on {address}");

    let app = Router::new()
        .route("/", get(|| async { "a WebSocket is at /ws\n" }))
        .route("/ws", any(echo));
    let server = axum::serve(listener, app);
    if port.is_some() {
        return Ok(server.await?);
    }
    tokio::spawn(server.into_future());
    let mut websocket = connect(&format!("ws://{address}/ws")).await?;
    websocket.send("hello, axum").await?;
    let reply = websocket.next().await.ok_or("closed too early")??;
    println!("received: {}", reply.as_text().unwrap_or_default());
    websocket.close(CloseCode::NORMAL, "").await?;
    Ok(())
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut websocket| async move {
        let echo = websocket.for_each(|connection, message| {
            let _ = connection.send(message);
        });
        let _ = echo.await;
    })
}
