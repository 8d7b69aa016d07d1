//! Sessions with a server of other people, on either adapter. What it does and says
//! stands in `tests/conformance/engineio/README.md`.
//!
//! ```sh
//! cargo run -p sockeye-tests --features adapters --bin engineio_conformance -- \
//!     http://127.0.0.1:3000 --adapter tokio --transport upgrade --messages 100
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{LineWriter, Write};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use sockeye::Message;
use sockeye::driver::engineio::client::{Client, Error as ClientError, Http};
use sockeye::engineio::{ClientConfig, SendError, Transport, Transports, Version};
use sockeye_tests::cuts::Random;
use sockeye_tests::ledger;

fn main() -> ExitCode {
    let done = match option("--adapter").as_deref() {
        Some("async-std") => run(&AsyncStd),
        _ => run(&Tokio),
    };
    if let Err(error) = &done {
        eprintln!("{error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

fn run(adapter: &impl Adapter) -> Result<(), Box<dyn Error>> {
    match option("--ledger") {
        Some(path) => sessions(adapter, &path),
        None => adapter.block_on(echo(adapter)),
    }
}

/// How a session is opened.
struct Settings {
    url: String,
    transports: Transports,
    version: Version,
    config: ClientConfig,
}

impl Settings {
    fn new(transport: &str) -> Self {
        let none = Transports::NONE;
        let mut config = ClientConfig::default();
        config.open_timeout = PATIENCE;
        if let Some(packets) = number("--max-packets") {
            config.max_packets = packets;
        }
        Self {
            url: std::env::args()
                .find(|word| word.starts_with("http"))
                .unwrap_or_default(),
            transports: match transport {
                "polling" => none.with(Transport::Polling),
                "websocket" => none.with(Transport::WebSocket),
                _ => Transports::ALL,
            },
            version: match number("--version") {
                Some(3) => Version::V3,
                _ => Version::V4,
            },
            config,
        }
    }
}

/// Where the adapters differ.
trait Adapter: Sync {
    type Http: Http;

    fn open(
        &self,
        settings: Settings,
    ) -> impl Future<Output = Result<Client<Self::Http>, ClientError>>;

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

struct Tokio;

impl Adapter for Tokio {
    type Http = sockeye_tokio::engineio::HttpClient<sockeye_tokio::engineio::Dialer>;

    async fn open(&self, settings: Settings) -> Result<Client<Self::Http>, ClientError> {
        sockeye_tokio::engineio::Connect::new(&settings.url)?
            .transports(settings.transports)
            .version(settings.version)
            .config(settings.config)
            .max_payload(LARGEST)
            .open()
            .await
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build();
        runtime.expect("a runtime").block_on(future)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct AsyncStd;

impl Adapter for AsyncStd {
    type Http = sockeye_async_std::engineio::HttpClient<sockeye_async_std::engineio::Dialer>;

    async fn open(&self, settings: Settings) -> Result<Client<Self::Http>, ClientError> {
        sockeye_async_std::engineio::Connect::new(&settings.url)?
            .transports(settings.transports)
            .version(settings.version)
            .config(settings.config)
            .max_payload(LARGEST)
            .open()
            .await
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }

    async fn sleep(&self, duration: Duration) {
        async_std::task::sleep(duration).await;
    }
}

// A server that sends back what it gets.

async fn echo(adapter: &impl Adapter) -> Result<(), Box<dyn Error>> {
    let transport = option("--transport").unwrap_or_else(|| "upgrade".into());
    let messages = number("--messages").unwrap_or(1);
    let mut client = adapter.open(Settings::new(&transport)).await?;
    println!("open on {}", client.transport().as_str());
    let (mut sent, mut seen, mut upgrades) = (0, 0, transport == "upgrade");
    while seen < messages || upgrades {
        while sent < messages && sent - seen < ON_THEIR_WAY {
            match client.start_send(numbered(sent)) {
                Ok(()) => sent += 1,
                Err(SendError::Full) if sent > seen => break,
                Err(error) => return Err(error.into()),
            }
        }
        // A message, or the upgrade.
        let next = poll_fn(|cx| match client.poll_next(cx) {
            Poll::Ready(next) => Poll::Ready(Some(next)),
            Poll::Pending if upgrades && client.transport() == Transport::WebSocket => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        });
        match next.await {
            None => {
                println!("upgraded");
                upgrades = false;
            }
            Some(Some(message)) if seen < messages => {
                if message? != numbered(seen) {
                    return Err(format!("message {seen} is another").into());
                }
                seen += 1;
            }
            Some(Some(_)) => return Err("a message too many".into()),
            Some(None) => return Err(format!("closed after {seen} messages").into()),
        }
    }
    println!("{seen} messages");
    let transport = client.transport();
    client.close().await?;
    if let Some(message) = client.next().await {
        return Err(format!("at the end {:?}", message?.kind()).into());
    }
    println!("closed on {}", transport.as_str());
    Ok(())
}

/// The message of that number, of printable characters.
fn numbered(number: usize) -> Message<'static> {
    let size = self::number("--size").unwrap_or(10);
    let bytes: Vec<u8> = (0..size).map(|i| 32 + ((number + i) % 90) as u8).collect();
    match std::env::args().any(|word| word == "--binary") {
        true => bytes.into(),
        false => String::from_utf8(bytes).expect("it is ASCII").into(),
    }
}

// Many sessions over a bad network.

/// What happens to the sessions, line by line.
struct Ledger {
    run: String,
    messages: u64,
    lines: Mutex<LineWriter<File>>,
    opened: AtomicU64,
    complete: AtomicU64,
    upgraded: AtomicU64,
}

impl Ledger {
    fn write(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(lines, "{line}");
        written.expect("a ledger that cannot be written is none");
    }
}

fn sessions(adapter: &impl Adapter, path: &str) -> Result<(), Box<dyn Error>> {
    let ledger = Ledger {
        run: option("--run").unwrap_or_default(),
        messages: number("--messages").unwrap_or(1) as u64,
        lines: Mutex::new(LineWriter::new(File::create(path)?)),
        opened: AtomicU64::new(0),
        complete: AtomicU64::new(0),
        upgraded: AtomicU64::new(0),
    };
    let sessions = number("--sessions").unwrap_or(1) as u64;
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                adapter.block_on(async {
                    loop {
                        let number = next.fetch_add(1, Relaxed);
                        if number >= sessions {
                            break;
                        }
                        session(adapter, &ledger, number).await;
                    }
                });
            });
        }
    });
    let [opened, complete, upgraded] =
        [&ledger.opened, &ledger.complete, &ledger.upgraded].map(|count| count.load(Relaxed));
    println!("opened {opened}, complete {complete}, upgraded {upgraded}");
    let mut lines = ledger.lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.flush()?;
    Ok(())
}

async fn session(adapter: &impl Adapter, ledger: &Ledger, number: u64) {
    let transport = ["polling", "upgrade", "websocket"][number as usize % 3];
    let Ok(mut client) = adapter.open(Settings::new(transport)).await else {
        return;
    };
    let Some(sid) = client.opened().map(|open| open.sid.into_owned()) else {
        return;
    };
    ledger.opened.fetch_add(1, Relaxed);
    ledger.write(&format!("{sid} client open"));
    let by_polling = client.transport() == Transport::Polling;
    let mut random = Random::new(number);
    let (mut sent, mut got, mut is_complete) = (0, BTreeSet::new(), false);
    let mut upgraded = false;
    loop {
        let pause = Duration::from_millis(random.below(30) as u64);
        match before(&mut client, pin!(adapter.sleep(pause))).await {
            Next::Message(message) => {
                got.insert(numbered_in(&message));
                ledger.write(&ledger::got(&sid, "client", message.as_bytes()));
                if got.len() as u64 == ledger.messages && client.is_open() && !is_complete {
                    is_complete = true;
                    ledger.complete.fetch_add(1, Relaxed);
                    ledger.write(&format!("{sid} client complete"));
                    client.sender().close();
                }
            }
            Next::Pause => {
                // At times several at once.
                for _ in 0..=random.below(3) {
                    let number = sent + 1;
                    if number > ledger.messages
                        || client.start_send(ours(ledger, &sid, number)).is_err()
                    {
                        break;
                    }
                    sent = number;
                    ledger.write(&format!("{sid} client sent up {number}"));
                }
            }
            Next::End => break,
        }
        if by_polling && !upgraded && client.transport() == Transport::WebSocket {
            upgraded = true;
            ledger.upgraded.fetch_add(1, Relaxed);
        }
    }
    let reason = client
        .reason()
        .map_or_else(String::new, |reason| reason.to_string());
    ledger.write(&format!("{sid} client closed {reason}"));
}

/// Text or binary, of many lengths.
fn ours(ledger: &Ledger, sid: &str, number: u64) -> Message<'static> {
    let length = if number % 50 == 49 {
        5000
    } else {
        number * 37 % 100
    };
    let body = "aé€😀".repeat(length as usize);
    let message = ledger::message(&ledger.run, sid, "up", number, &body);
    match number % 3 {
        0 => message.into_bytes().into(),
        _ => message.into(),
    }
}

/// The number of a message, which is its fourth word.
fn numbered_in(message: &Message<'_>) -> Vec<u8> {
    let mut words = message.as_bytes().split(|&byte| byte == b' ');
    words.nth(3).unwrap_or_default().to_vec()
}

enum Next {
    Message(Message<'static>),
    Pause,
    End,
}

/// What comes first.
async fn before<H: Http>(
    client: &mut Client<H>,
    mut pause: Pin<&mut impl Future<Output = ()>>,
) -> Next {
    poll_fn(|cx| {
        if let Poll::Ready(next) = client.poll_next(cx) {
            return Poll::Ready(match next {
                Some(Ok(message)) => Next::Message(message),
                Some(Err(_)) | None => Next::End,
            });
        }
        pause.as_mut().poll(cx).map(|()| Next::Pause)
    })
    .await
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

fn number(name: &str) -> Option<usize> {
    option(name)?.parse().ok()
}

/// How many messages may be on their way.
const ON_THEIR_WAY: usize = 500;
/// Servers put as much into an answer as they have.
const LARGEST: usize = 64 << 20;
const AT_ONCE: usize = 50;
/// For a session to open.
const PATIENCE: Duration = Duration::from_secs(5);
