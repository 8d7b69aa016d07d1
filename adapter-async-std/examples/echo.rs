//! A WebSocket server that sends back what it receives, at `/ws`.
//!
//! ```text
//! cargo run --release -p sockeye-async-std --example echo -- --port 9001
//! ```
//!
//! `--threads` sets the number of threads, `--max-message` the largest message,
//! `--keepalive-interval` and `--keepalive-timeout` the pings in milliseconds.

use std::time::Duration;

use async_global_executor::GlobalExecutorConfig;
use async_signal::{Signal, Signals};
use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use sockeye_async_std::handshake::{Origins, ServerOptions};
use sockeye_async_std::websocket::{Config, Keepalive};
use sockeye_async_std::{HalfClose, MaybeTls, Server, WebSocket};

fn main() -> std::io::Result<()> {
    if let Some(threads) = option("--threads") {
        let config = GlobalExecutorConfig::default();
        let config = config.with_min_threads(threads).with_max_threads(threads);
        async_global_executor::init_with_config(config);
    }
    task::block_on(run())
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
async fn echo(mut websocket: WebSocket<MaybeTls<HalfClose<TcpStream>>>) {
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
    use async_std::stream::StreamExt;

    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    Ok(async move {
        signals.next().await;
    })
}

/// The number that follows `name` on the command line.
fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
