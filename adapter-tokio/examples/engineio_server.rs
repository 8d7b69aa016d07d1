//! An Engine.IO server that sends back what it receives, session by session.
//!
//! ```text
//! cargo run -p sockeye-tokio --features engineio --example engineio_server -- --port 3000
//! ```
//!
//! Any client of versions 3 and 4 talks to it, as a page with
//! `eio("http://127.0.0.1:3000")`. Ctrl-C shuts down.

use sockeye_tokio::engineio::{Options, Runtime, Server, serve};
use sockeye_tokio::handshake::Origins;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args()
        .skip_while(|argument| argument != "--port")
        .nth(1);
    let port = port.and_then(|port| port.parse().ok());
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(3000))).await?;
    println!("listening on {}", listener.local_addr()?);

    let mut options = Options::new(Origins::Any);
    options.polling.version_3 = true;
    let (server, mut incoming) = Server::incoming(options, Runtime::new());
    tokio::spawn(async move {
        while let Some(session) = incoming.next().await {
            tokio::spawn(async move {
                while let Some(message) = session.next().await {
                    // One that does not fetch its echoes goes without.
                    let _ = session.send(message);
                }
            });
        }
    });
    let stopped = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(&server, listener, stopped).await;
    Ok(())
}
