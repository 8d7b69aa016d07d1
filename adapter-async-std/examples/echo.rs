//! A server that sends back what it receives: WebSocket at `/ws`, and Engine.IO at
//! `/engine.io/`.
//!
//! ```text
//! cargo run --release -p sockeye-async-std --example echo -- --port 9001
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

use async_global_executor::GlobalExecutorConfig;
use async_signal::{Signal, Signals};
use async_std::future::timeout;
use async_std::net::{TcpListener, TcpStream};
use async_std::task::{self, sleep};
use smol::channel;
use smol::future::{or, zip};
use sockeye_async_std::engineio::{
    self, Handler, Message, Opening, Refused, Runtime, Session, Transport, Transports,
};
use sockeye_async_std::handshake::{Origins, ServerOptions};
use sockeye_async_std::websocket::{Config, Keepalive};
use sockeye_async_std::{HalfClose, Listener, MaybeTls, Server, WebSocket};

fn main() -> std::io::Result<()> {
    if let Some(threads) = number("--threads") {
        let config = GlobalExecutorConfig::default();
        let config = config.with_min_threads(threads).with_max_threads(threads);
        async_global_executor::init_with_config(config);
    }
    task::block_on(run())
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
    let runtime = Runtime::async_std();
    let engineio = engineio::Server::new(Echo, sessions_config(), runtime);
    let websockets = server.serve(websockets, shutdown, echo);
    zip(websockets, engineio::serve(&engineio, sessions, also)).await;
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
    let (to_websockets, websockets) = channel::bounded(64);
    let (to_sessions, sessions) = channel::bounded(64);
    let websockets = WebSockets {
        listener,
        door: websockets,
        to_websockets,
        to_sessions,
    };
    (websockets, Sessions(sessions))
}

type Accepted = (HalfClose<TcpStream>, Option<SocketAddr>);

struct WebSockets {
    listener: TcpListener,
    door: channel::Receiver<Accepted>,
    to_websockets: channel::Sender<Accepted>,
    to_sessions: channel::Sender<Accepted>,
}

impl Listener for WebSockets {
    type Stream = HalfClose<TcpStream>;

    async fn accept(&mut self) -> io::Result<Accepted> {
        loop {
            let known = async {
                Ok((
                    Door::Known,
                    self.door.recv().await.map_err(io::Error::other)?,
                ))
            };
            let new = async { Ok((Door::Unknown, Listener::accept(&mut self.listener).await?)) };
            let accepted = match or(known, new).await {
                Ok((Door::Known, accepted)) => return Ok(accepted),
                Ok((Door::Unknown, accepted)) => accepted,
                Err(error) => return Err(error),
            };
            let (to_websockets, to_sessions) =
                (self.to_websockets.clone(), self.to_sessions.clone());
            task::spawn(async move {
                let asked = timeout(milliseconds(10_000), is_for_engineio(&accepted.0.0)).await;
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

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
    }
}

/// Whether it is known by which door a stream comes in.
enum Door {
    Known,
    Unknown,
}

struct Sessions(channel::Receiver<Accepted>);

impl Listener for Sessions {
    type Stream = HalfClose<TcpStream>;

    async fn accept(&mut self) -> io::Result<Accepted> {
        match self.0.recv().await {
            Ok(accepted) => Ok(accepted),
            Err(_) => std::future::pending().await,
        }
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
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
    use async_std::stream::StreamExt;

    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    Ok(async move {
        signals.next().await;
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
