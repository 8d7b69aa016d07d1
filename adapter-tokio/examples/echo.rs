//! A WebSocket server that sends back what it receives, at `/ws`.
//!
//! ```text
//! cargo run --release -p sockeye-tokio --example echo -- --port 9001
//! ```
//!
//! `--threads` sets the number of threads, `--max-message` the largest message,
//! `--keepalive-interval` and `--keepalive-timeout` the pings in milliseconds.

use std::time::Duration;

use sockeye_tokio::handshake::{Origins, ServerOptions};
use sockeye_tokio::websocket::{Config, Keepalive};
use sockeye_tokio::{MaybeTls, Server, TcpStream, WebSocket};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> std::io::Result<()> {
    let mut runtime = match option("--threads") {
        None | Some(1) => tokio::runtime::Builder::new_current_thread(),
        Some(threads) => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads);
            runtime
        }
    };
    runtime.enable_all().build()?.block_on(run())
}

async fn run() -> std::io::Result<()> {
    let port = option("--port").unwrap_or(9001);
    let listener = TcpListener::bind(("127.0.0.1", port as u16)).await?;
    let address = listener.local_addr()?;
    let shutdown = stopped()?;
    println!("listening on {address}");

    // What asks for another path is not found, be it for a WebSocket or not.
    let mut options = ServerOptions::new(Origins::Any);
    options.paths = vec!["/ws".into()];
    let server = Server::new(Origins::Any).options(options).config(config());
    server.serve(listener, shutdown, echo).await;
    Ok(())
}

/// The messages are borrowed, and the replies to one read are one write.
async fn echo(mut websocket: WebSocket<MaybeTls<TcpStream>>) {
    let echo = websocket.for_each(|connection, message| {
        // A connection that is closing takes no more messages.
        let _ = connection.send(message);
    });
    let _ = echo.await;
}

fn config() -> Config {
    let milliseconds = |ms: usize| Duration::from_millis(ms as u64);
    let mut config = Config::default();
    config.max_message = option("--max-message").unwrap_or(64 << 20);
    // Test suites send messages in very many small frames.
    config.max_fragments = Some(1 << 24);
    if let Some(interval) = option("--keepalive-interval") {
        let timeout = option("--keepalive-timeout").unwrap_or(interval);
        let [interval, timeout] = [interval, timeout].map(milliseconds);
        config.keepalive = Some(Keepalive { interval, timeout });
    }
    config
}

/// Ready at SIGINT or SIGTERM.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The number that follows `name` on the command line.
fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
