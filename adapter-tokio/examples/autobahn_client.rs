//! Runs every case of the Autobahn test suite's fuzzing server.
//!
//! ```text
//! cargo run --release -p sockeye-tokio --example autobahn_client -- ws://127.0.0.1:9002
//! ```

use sockeye_tokio::websocket::Config;
use sockeye_tokio::{Connect, ConnectError, MaybeTls, TcpStream, WebSocket};

const AGENT: &str = "sockeye-tokio";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args()
        .nth(1)
        .unwrap_or("ws://127.0.0.1:9002".into());
    let mut websocket = open(&format!("{server}/getCaseCount")).await?;
    let count = websocket.next().await.ok_or("no number of cases")??;
    let count: u32 = count.as_text().ok_or("the number is no text")?.parse()?;
    for case in 1..=count {
        let mut websocket = open(&format!("{server}/runCase?case={case}&agent={AGENT}")).await?;
        // How a case ends is for the server to judge.
        let echo = websocket.for_each(|connection, message| {
            let _ = connection.send(message);
        });
        let _ = echo.await;
    }
    let mut websocket = open(&format!("{server}/updateReports?agent={AGENT}")).await?;
    while websocket.next().await.is_some() {}
    println!("{count} cases run");
    Ok(())
}

async fn open(url: &str) -> Result<WebSocket<MaybeTls<TcpStream>>, ConnectError> {
    let mut config = Config::default();
    config.max_message = 64 << 20;
    config.max_fragments = Some(1 << 24);
    Connect::new(url)?.config(config).open().await
}
