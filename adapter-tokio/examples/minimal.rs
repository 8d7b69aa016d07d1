//! The least that is an echo: `cargo run -p sockeye-tokio --example minimal`

use sockeye_tokio::{Server, WebSocket, handshake::Origins};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let echo = |mut websocket: WebSocket<_>| async move {
        while let Some(Ok(message)) = websocket.next().await {
            let _ = websocket.send(message).await;
        }
    };
    let server = Server::new(Origins::SameHost);
    server.serve(listener, std::future::pending(), echo).await;
    Ok(())
}
