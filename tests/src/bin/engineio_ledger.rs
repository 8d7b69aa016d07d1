//! A server on either adapter that keeps a ledger. What it does stands in
//! `tests/conformance/engineio/README.md`.
//!
//! ```sh
//! cargo run -p sockeye-tests --features adapters --bin engineio_ledger -- \
//!     --adapter tokio --port 3000 --run a --messages 30 --ledger FILE
//! ```

use std::collections::BTreeSet;
use std::fs::File;
use std::future::Future;
use std::io::{self, LineWriter, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sockeye::Message;
use sockeye::driver::engineio::{Handler, Opening, Options, Refused, Server, Session};
use sockeye::engineio::Reason;
use sockeye::http::Origins;
use sockeye_tests::cuts::Random;
use sockeye_tests::ledger;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> io::Result<()> {
    let file = File::create(option("--ledger").unwrap_or_default())?;
    let lines = Lines(Arc::new(Mutex::new(LineWriter::new(file))));
    let at = format!(
        "127.0.0.1:{}",
        option("--port").unwrap_or_else(|| "0".into())
    );
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;

    let ending = lines.clone();
    let stop = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    if option("--adapter").as_deref() != Some("async-std") {
        return runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(at).await?;
            println!("listening on {}", listener.local_addr()?);
            let (spawn, sleep): (Spawn, Sleep) = (
                |task| drop(tokio::spawn(task)),
                |duration| Box::pin(tokio::time::sleep(duration)),
            );
            let application = Application::new(lines, spawn, sleep);
            let server = Server::new(
                application,
                options(),
                sockeye_tokio::engineio::Runtime::new(),
            );
            sockeye_tokio::engineio::serve(&server, listener, stopped(stop, ending)).await;
            Ok(())
        });
    }
    // The signal is tokio's all the same.
    std::thread::spawn(move || runtime.block_on(stopped(stop, ending)));
    async_std::task::block_on(async {
        let listener = async_std::net::TcpListener::bind(at).await?;
        println!("listening on {}", listener.local_addr()?);
        let (spawn, sleep): (Spawn, Sleep) = (
            |task| drop(async_std::task::spawn(task)),
            |duration| Box::pin(async_std::task::sleep(duration)),
        );
        let application = Application::new(lines, spawn, sleep);
        let runtime = sockeye_async_std::engineio::Runtime::async_std();
        let server = Server::new(application, options(), runtime);
        sockeye_async_std::engineio::serve(&server, listener, std::future::pending()).await;
        Ok(())
    })
}

/// Writes down what is known at SIGTERM and exits. Sessions that are open then have no
/// end in the ledger, which is to be noticed.
async fn stopped(mut stop: Signal, lines: Lines) {
    stop.recv().await;
    let flushed = lines.lock().flush();
    std::process::exit(i32::from(flushed.is_err()));
}

fn options() -> Options {
    let mut options = Options::new(Origins::Any);
    options.polling.version_3 = true;
    let milliseconds = |name| option(name)?.parse().ok().map(Duration::from_millis);
    if let Some(interval) = milliseconds("--ping-interval") {
        options.session.ping_interval = interval;
    }
    if let Some(timeout) = milliseconds("--ping-timeout") {
        options.session.ping_timeout = timeout;
    }
    options
}

/// How tasks are started, and how they wait.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Spawn = fn(Task);
type Sleep = fn(Duration) -> Task;

#[derive(Clone)]
struct Lines(Arc<Mutex<LineWriter<File>>>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, LineWriter<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &str) {
        let written = writeln!(self.lock(), "{line}");
        written.expect("a ledger that cannot be written is none");
    }
}

struct Application {
    run: String,
    messages: u64,
    lines: Lines,
    spawn: Spawn,
    sleep: Sleep,
}

impl Application {
    fn new(lines: Lines, spawn: Spawn, sleep: Sleep) -> Self {
        Self {
            run: option("--run").unwrap_or_default(),
            messages: option("--messages")
                .and_then(|n| n.parse().ok())
                .unwrap_or(1),
            lines,
            spawn,
            sleep,
        }
    }

    /// Sends all messages, the last when the client's have come.
    async fn send(session: Session<Self>) {
        let server = session.server();
        let application = server.handler();
        let sid = session.sid().as_str();
        let mut random = Random::new(
            sid.bytes()
                .fold(0, |seed, byte| seed.rotate_left(5) ^ u64::from(byte)),
        );
        let mut number = 1;
        while number <= application.messages && session.is_open() {
            (application.sleep)(Duration::from_millis(random.below(20) as u64)).await;
            let waits = number == application.messages && !session.data().is_whole(number);
            if waits || !session.has_room() {
                continue;
            }
            let body = "aé€😀".repeat((number * 37 % 100) as usize);
            let message = ledger::message(&application.run, sid, "down", number, &body);
            let message: Message<'_> = match number % 3 {
                0 => message.into_bytes().into(),
                _ => message.into(),
            };
            if session.send(message).is_err() {
                return;
            }
            application
                .lines
                .write(&format!("{sid} server sent down {number}"));
            number += 1;
        }
    }
}

/// The numbers of the messages that a session got.
#[derive(Default)]
struct Got(Mutex<BTreeSet<Vec<u8>>>);

impl Got {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_whole(&self, messages: u64) -> bool {
        self.lock().len() as u64 >= messages
    }
}

impl Handler for Application {
    type Data = Got;

    fn open(&self, _: &Opening<'_>) -> Result<Got, Refused> {
        Ok(Got::default())
    }

    fn opened(&self, session: &Session<Self>) {
        self.lines
            .write(&format!("{} server open", session.sid().as_str()));
        (self.spawn)(Box::pin(Self::send(session.clone())));
    }

    fn message(&self, session: &Session<Self>, message: Message<'_>) {
        let bytes = message.as_bytes();
        self.lines
            .write(&ledger::got(session.sid().as_str(), "server", bytes));
        // Its number is the fourth word.
        let mut words = bytes.split(|&byte| byte == b' ');
        session
            .data()
            .lock()
            .insert(words.nth(3).unwrap_or_default().to_vec());
    }

    fn closed(&self, session: &Session<Self>, reason: Reason) {
        self.lines.write(&format!(
            "{} server closed {reason}",
            session.sid().as_str()
        ));
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}
