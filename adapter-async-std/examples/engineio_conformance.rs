//! A client for other people's servers, driven by `tests/conformance/run`; see
//! `tests/conformance/engineio/README.md`.
//!
//! ```text
//! engineio_conformance http://127.0.0.1:3000 --transport upgrade --messages 1000 --size 10
//! ```

#![expect(clippy::expect_used, reason = "what fails here fails the run")]

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_std::task::{block_on, sleep, spawn};
use sockeye_async_std::engineio::client::Sender;
use sockeye_async_std::engineio::{
    Client, ClientConfig, Connect, Message, Transport, Transports, Version,
};

fn main() {
    let done = match option("--ledger") {
        None => block_on(talk()),
        Some(ledger) => block_on(talk_much(&ledger)),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// One session, which gets back what it sends.
async fn talk() -> Result<(), Box<dyn Error>> {
    let (messages, size) = (number("--messages", 1), number("--size", 10));
    let mode = option("--transport").unwrap_or("upgrade".into());
    let mut config = ClientConfig::default();
    config.max_packets = number("--max-packets", config.max_packets);
    let version = match option("--version").as_deref() {
        Some("3") => Version::V3,
        _ => Version::V4,
    };
    let connect = Connect::new(&url())?.config(config).version(version);
    // Some servers put all that waits into one payload.
    let connect = connect.transports(transports(&mode)).max_payload(1 << 26);
    let mut client = connect.open().await?;
    println!("open on {}", client.transport().as_str());

    let (mut sent, mut seen) = (0, 0);
    while seen < messages {
        if sent < messages && sent - seen < ON_THEIR_WAY {
            client.send(message(sent, size)).await?;
            sent += 1;
            continue;
        }
        let Some(got) = client.next().await else {
            return Err(format!("closed after {seen} messages").into());
        };
        if got? != message(seen, size) {
            return Err(format!("message {seen} is another").into());
        }
        seen += 1;
    }
    if mode == "upgrade" {
        match client.upgraded().await {
            true => println!("upgraded"),
            false => return Err("not upgraded".into()),
        }
    }
    println!("{seen} messages");
    let transport = client.transport();
    client.close().await?;
    println!("closed on {}", transport.as_str());
    Ok(())
}

fn message(number: usize, size: usize) -> Message<'static> {
    let bytes: Vec<u8> = (0..size).map(|i| 32 + ((number + i) % 90) as u8).collect();
    match String::from_utf8(bytes) {
        Ok(text) if !has("--binary") => text.into(),
        Ok(text) => text.into_bytes().into(),
        Err(error) => error.into_bytes().into(),
    }
}

/// Many sessions, whose ledger tells what became of every message.
async fn talk_much(ledger: &str) -> Result<(), Box<dyn Error>> {
    let ledger = Arc::new(Ledger(Mutex::new(File::create(ledger)?)));
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, ledger) = (next.clone(), ledger.clone());
            spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= self::number("--sessions", 1) {
                        return;
                    }
                    session(number, &ledger).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await;
    }
    Ok(())
}

async fn session(number: usize, ledger: &Arc<Ledger>) {
    let mode = match number % 3 {
        0 => "polling",
        1 => "upgrade",
        _ => "websocket",
    };
    let mut config = ClientConfig::default();
    config.open_timeout = Duration::from_secs(5);
    let connect = Connect::new(&url()).expect("a URL");
    let connect = connect.config(config).transports(transports(mode));
    let connect = connect.timeout(Duration::from_secs(5));
    // Whose opening fails is no session.
    let Ok(mut client) = connect.open().await else {
        return;
    };
    let sid: Arc<str> = match client.opened() {
        Some(open) => open.sid.as_ref().into(),
        None => return,
    };
    ledger.write(&sid, "open");
    spawn(send(number, sid.clone(), client.sender(), ledger.clone()));
    receive(&mut client, &sid, ledger).await;
    let reason = client.reason().map_or("none", |reason| reason.name());
    ledger.write(&sid, &format!("closed {reason}"));
}

/// Sends now and then, at times several at once.
async fn send(number: usize, sid: Arc<str>, sender: Sender, ledger: Arc<Ledger>) {
    let run = option("--run").unwrap_or_default();
    for up in 1..=self::number("--messages", 1) {
        if !ledger.send(&sid, up, &sender, numbered(&run, &sid, up)) {
            return;
        }
        if (number + up) % 3 > 0 {
            sleep(Duration::from_millis((number * 7 + up * 11) as u64 % 30)).await;
        }
    }
}

async fn receive(client: &mut Client, sid: &str, ledger: &Ledger) {
    let mut numbers = HashSet::new();
    while let Some(Ok(message)) = client.next().await {
        let words = words(message.as_bytes());
        ledger.write(sid, &format!("got {}", words.join(" ")));
        let is_new = words.get(3).is_some_and(|it| numbers.insert(it.clone()));
        if is_new && numbers.len() == number("--messages", 1) {
            ledger.write(sid, "complete");
            client.sender().close();
        }
    }
}

/// What happens, line by line.
struct Ledger(Mutex<File>);

impl Ledger {
    fn write(&self, sid: &str, what: &str) {
        let mut file = self.0.lock().expect("a ledger");
        writeln!(file, "{sid} client {what}").expect("room for the ledger");
    }

    /// Nothing comes between a message and its line.
    fn send(&self, sid: &str, number: usize, sender: &Sender, message: Message<'_>) -> bool {
        let mut file = self.0.lock().expect("a ledger");
        if sender.try_send(message).is_err() {
            return false;
        }
        writeln!(file, "{sid} client sent up {number}").expect("room for the ledger");
        true
    }
}

/// The message of that number: of many lengths, one in three binary.
fn numbered(run: &str, sid: &str, number: usize) -> Message<'static> {
    let length = match number % 50 {
        49 => 20_000,
        _ => number * 37 % 400,
    };
    let body = "a\u{e9}\u{20ac}\u{1f600}".repeat(length / 4);
    let (length, hash) = (body.len(), hash(body.as_bytes()));
    let text = format!("{run} {sid} up {number} {length} {hash:08x} {body}");
    match number % 3 {
        0 => text.into_bytes().into(),
        _ => text.into(),
    }
}

/// The words of a message, and the length and the hash of what follows them.
fn words(message: &[u8]) -> Vec<String> {
    let words: Vec<_> = message.splitn(7, |byte| *byte == b' ').collect();
    let head = words.iter().take(6);
    let mut all: Vec<_> = head
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if let Some(body) = words.get(6) {
        all.extend([body.len().to_string(), format!("{:08x}", hash(body))]);
    }
    all
}

/// FNV-1a.
fn hash(body: &[u8]) -> u32 {
    body.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// By their names on the command line.
fn transports(mode: &str) -> Transports {
    match Transport::parse(mode) {
        Some(transport) => Transports::NONE.with(transport),
        None => Transports::ALL,
    }
}

fn url() -> String {
    std::env::args().nth(1).expect("a URL")
}

/// The number that follows `name` on the command line.
fn number(name: &str, otherwise: usize) -> usize {
    let number = option(name).and_then(|number| number.parse().ok());
    number.unwrap_or(otherwise)
}

/// What follows `name` on the command line.
fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

fn has(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// So many messages are sent before they come back.
const ON_THEIR_WAY: usize = 500;
/// So many sessions run at once.
const AT_ONCE: usize = 50;
