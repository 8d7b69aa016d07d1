//! A server that sends back what it receives: WebSocket at `/ws`, and Engine.IO at
//! `/engine.io/`.
//!
//! ```text
//! cargo run --release -p sockeye-tokio --example echo -- --port 9001
//! ```
//!
//! `--threads` sets the number of threads, `--max-message` the largest message,
//! `--keepalive-interval` and `--keepalive-timeout` the pings in milliseconds.
//! For Engine.IO these are `--ping-interval` and `--ping-timeout`; `--max-payload`
//! sets the largest body and message, `--cors` the origin whose pages may connect
//! (`*` for all), and `--transports` is `polling,websocket`, or one of the two.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use sockeye_tokio::engineio::{
    self, Handler, Message, Opening, Refused, Runtime, Session, Transport, Transports,
};
use sockeye_tokio::handshake::{Origins, ServerOptions};
use sockeye_tokio::websocket::{Config, Keepalive};
use sockeye_tokio::{Listener, MaybeTls, Server, TcpStream, WebSocket};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

fn main() -> std::io::Result<()> {
    let mut runtime = match number("--threads") {
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
    let port = number("--port").unwrap_or(9001);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let (shutdown, also) = (stopped()?, stopped()?);
    println!("listening on {address}");

    // What asks for another path is not found, be it for a WebSocket or not.
    let mut options = ServerOptions::new(Origins::Any);
    options.paths = vec!["/ws".into()];
    let server = Server::new(Origins::Any).options(options).config(config());
    let (websockets, sessions) = doors(listener);
    let runtime = Runtime::new();
    let engineio = engineio::Server::new(Echo, sessions_config(), runtime);
    tokio::join!(
        server.serve(websockets, shutdown, echo),
        engineio::serve(&engineio, sessions, also),
    );
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

/// The application behind the sessions of Engine.IO.
struct Echo;

impl Handler for Echo {
    type Data = ();

    fn open(&self, _: &Opening<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        // A client that does not fetch its echoes goes without.
        let _ = session.send(message);
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.max_message = number("--max-message").unwrap_or(64 << 20);
    // Test suites send messages in very many small frames.
    config.max_fragments = Some(1 << 24);
    if let Some(interval) = number("--keepalive-interval") {
        let timeout = number("--keepalive-timeout").unwrap_or(interval);
        let [interval, timeout] = [interval, timeout].map(milliseconds);
        config.keepalive = Some(Keepalive { interval, timeout });
    }
    config
}

fn sessions_config() -> engineio::Options {
    let origins = match option("--cors").as_deref() {
        None => Origins::SameHost,
        Some("*") => Origins::Any,
        Some(origin) => Origins::List(vec![origin.into()]),
    };
    let mut options = engineio::Options::new(origins);
    options.polling.version_3 = true;
    if let Some(names) = option("--transports") {
        let named = names.split(',').filter_map(Transport::parse);
        options.polling.transports = named.fold(Transports::NONE, Transports::with);
    }
    let config = &mut options.session;
    // An echo says as much as it hears, and a client may send much before it asks.
    config.queue.bytes = 64 << 20;
    if let Some(interval) = number("--ping-interval") {
        config.ping_interval = milliseconds(interval);
    }
    if let Some(timeout) = number("--ping-timeout") {
        config.ping_timeout = milliseconds(timeout);
    }
    if let Some(most) = number("--max-payload") {
        config.max_payload = most;
    }
    options
}

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

/// Two listeners instead of one: requests for Engine.IO are HTTP, and the others
/// need none. The streams themselves are what they were.
fn doors(listener: TcpListener) -> (WebSockets, Sessions) {
    let (to_websockets, websockets) = mpsc::channel(64);
    let (to_sessions, sessions) = mpsc::channel(64);
    let websockets = WebSockets {
        listener,
        door: websockets,
        to_websockets,
        to_sessions,
    };
    (websockets, Sessions(sessions))
}

type Accepted = (TcpStream, Option<SocketAddr>);

struct WebSockets {
    listener: TcpListener,
    door: mpsc::Receiver<Accepted>,
    to_websockets: mpsc::Sender<Accepted>,
    to_sessions: mpsc::Sender<Accepted>,
}

impl Listener for WebSockets {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            tokio::select! {
                Some(accepted) = self.door.recv() => return Ok(accepted),
                accepted = Listener::accept(&mut self.listener) => {
                    let accepted = accepted?;
                    let to_websockets = self.to_websockets.clone();
                    let to_sessions = self.to_sessions.clone();
                    tokio::spawn(async move {
                        let asked = timeout(milliseconds(10_000), is_for_engineio(&accepted.0)).await;
                        let door = match asked {
                            Ok(true) => to_sessions,
                            Ok(false) => to_websockets,
                            // No handshake waits longer for its first line.
                            Err(_) => return,
                        };
                        // Nobody is there during the shutdown.
                        let _ = door.send(accepted).await;
                    });
                }
            }
        }
    }
}

struct Sessions(mpsc::Receiver<Accepted>);

impl Listener for Sessions {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<Accepted> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

/// Looks at the request line, without taking it.
async fn is_for_engineio(stream: &TcpStream) -> bool {
    let mut bytes = [0; 32];
    loop {
        let Ok(n) = stream.peek(&mut bytes).await else {
            return false;
        };
        if let Some(answer) = asks_for_engineio(bytes.get(..n).unwrap_or_default()) {
            return answer;
        }
        // A line in several pieces. To wait for more than is there is not possible.
        sleep(milliseconds(10)).await;
    }
}

/// Whether a request line that begins so is for Engine.IO, if that can be told.
fn asks_for_engineio(line: &[u8]) -> Option<bool> {
    const PATH: &[u8] = b"/engine.io";
    let Some(space) = line.iter().position(|byte| *byte == b' ') else {
        return (line.is_empty() || line.len() > 8).then_some(false);
    };
    let target = line.get(space + 1..).unwrap_or_default();
    match target.strip_prefix(PATH) {
        Some([]) => None,
        Some([next, ..]) => Some(matches!(next, b'/' | b'?' | b' ')),
        None if PATH.starts_with(target) => None,
        None => Some(false),
    }
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
fn number<N: FromStr>(name: &str) -> Option<N> {
    let text = option(name)?;
    let number = text.parse().ok();
    if number.is_none() {
        eprintln!("{name} does not take {text}");
        std::process::exit(2);
    }
    number
}

/// What follows `name` on the command line.
fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}
